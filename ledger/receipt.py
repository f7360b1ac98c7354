"""Money that names no payment of ours: a stream of its own, found again by its transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

if TYPE_CHECKING:
    from ledger.events import ReceiptEvent
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


def receipt_id(*, provider: str, transaction: str) -> UUID:
    """The stream of a provider's transaction that matches no payment."""
    return uuid5(RECEIPTS, f"{provider}:{transaction}")


def evolve_receipt(_receipt: Receipt | None, event: ReceiptEvent) -> Receipt:
    """Apply a fact. Never checks: replay must always succeed."""
    return Receipt(
        id=event.originator_id,
        version=event.originator_version,
        provider=event.provider,
        provider_transaction=event.provider_transaction,
        received=event.received,
    )
