"""Money that names no payment of ours: a stream of its own, found again by its transaction.

It waits in suspense until a person allocates it to a payment or returns it (ledger/suspense.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

from ledger.events import ContradictionRecorded, UnmatchedReceiptRecorded
from ledger.flows import NO_FLOWS, Flows, evolve_flows, with_parked

if TYPE_CHECKING:
    from ledger.events import RefundEvent
    from ledger.money import Money

RECEIPTS: Final = UUID("7d2f4a86-2f5b-5d0e-9c1e-5a6f0a3f8b11")
"""The namespace of receipt ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Money in suspense that waits for a person."""

    id: UUID
    version: int
    provider: str
    provider_transaction: str
    received: Money
    flows: Flows
    contradictions: frozenset[tuple[str, str | None]] = frozenset()


def receipt_id(*, provider: str, transaction: str) -> UUID:
    """The stream of a provider's transaction that matches no payment."""
    return uuid5(RECEIPTS, f"{provider}:{transaction}")


def evolve_receipt(
    receipt: Receipt | None,
    event: UnmatchedReceiptRecorded | RefundEvent | ContradictionRecorded,
) -> Receipt:
    """Apply a fact. Never checks: replay must always succeed."""
    if isinstance(event, UnmatchedReceiptRecorded):
        return Receipt(
            id=event.originator_id,
            version=event.originator_version,
            provider=event.provider,
            provider_transaction=event.provider_transaction,
            received=event.received,
            flows=with_parked(NO_FLOWS, event.provider, event.provider_transaction, event.received),
        )
    assert receipt is not None  # noqa: S101 - version density: the receipt itself is first
    version = event.originator_version
    if isinstance(event, ContradictionRecorded):
        contradictions = receipt.contradictions | {(event.claim, event.provider_transaction)}
        return replace(receipt, version=version, contradictions=contradictions)
    return replace(receipt, version=version, flows=evolve_flows(receipt.flows, event))
