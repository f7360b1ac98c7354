"""What the ledger knows of a payment, a refund or a payout, for an adapter that confirms a hint."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from eventsourcing.application import AggregateNotFoundError

from api.providers.port import PaymentInquiry, PayoutInquiry, RefundOrder
from api.providers.transaction_names import other_of, pairs_between
from ledger.money import Money
from ledger.payment import Payment
from ledger.payout import Payout
from ledger.receipt import Receipt

if TYPE_CHECKING:
    from uuid import UUID

    from api.dispatcher_desk import Desk
    from ledger.flows import Refund

READ_PAIRS: Final = """
    SELECT key FROM idempotency_keys WHERE scope = %s AND key > %s AND key < %s ORDER BY key
"""
READ_STREAM_OF: Final = "SELECT stream_id FROM idempotency_keys WHERE scope = %s AND key = %s"


def payment_inquiry(payment: Payment) -> PaymentInquiry:
    """What is to be asked about a payment."""
    return PaymentInquiry(
        payment_id=payment.id,
        provider_reference=payment.provider_reference,
        method=payment.method,
        money=payment.money,
        initiated_at=payment.initiated_at,
    )


def payout_inquiry(payout: Payout, attempt: int) -> PayoutInquiry:
    """What is to be asked about an attempt of a payout; only the last one has a reference."""
    return PayoutInquiry(
        payout_id=payout.id,
        attempt=attempt,
        provider_reference=payout.provider_reference if attempt == payout.attempt else None,
        money=Money(amount=payout.legs.net, currency=payout.gross.currency),
        requested_at=payout.requested_at,
    )


async def refund_order(desk: Desk, owner: Payment | Receipt, refund: Refund) -> RefundOrder:
    """A refund or a return, as its provider is asked for it and about it."""
    transaction = refund.returns or owner.flows.paid_by[0][1]
    return RefundOrder(
        refund_id=refund.id,
        stream_id=owner.id,
        provider_transaction=transaction,
        money=refund.money,
        provider_reference=refund.provider_reference,
        also_known_as=await asyncio.to_thread(_other_names, desk, owner.provider, transaction),
        is_whole=refund.money.amount == _brought_by(owner, refund),
        requested_at=refund.requested_at,
    )


def _brought_by(owner: Payment | Receipt, refund: Refund) -> int | None:
    """What the transaction brought that a refund goes back by; None where others paid with it."""
    if refund.returns is not None:
        return owner.flows.parked[refund.returns].money.amount
    return owner.flows.gross if len(owner.flows.paid_by) == 1 else None


def _other_names(desk: Desk, provider: str, transaction: str) -> tuple[str, ...]:
    key = (f"transaction:{provider}", *pairs_between(transaction))
    with desk.board.connection() as connection:
        pairs = connection.execute(READ_PAIRS, key).fetchall()
    return tuple(other_of(transaction, pair) for (pair,) in pairs)


class KnownOfProvider:
    """The port's `Known`, of one provider."""

    def __init__(self, desk: Desk, provider: str) -> None:
        self._desk = desk
        self._provider = provider

    async def payment(self, payment_id: UUID) -> PaymentInquiry | None:
        """A payment of this provider."""
        found = await self._aggregate(payment_id)
        if not isinstance(found, Payment) or found.provider != self._provider:
            return None
        return payment_inquiry(found)

    async def refund(self, stream_id: UUID, refund_id: UUID) -> RefundOrder | None:
        """A refund or a return of this provider's."""
        owner = await self._aggregate(stream_id)
        if not isinstance(owner, Payment | Receipt) or owner.provider != self._provider:
            return None
        refund = owner.flows.refunds.get(refund_id)
        return None if refund is None else await refund_order(self._desk, owner, refund)

    async def refunds(self, stream_id: UUID) -> tuple[RefundOrder, ...]:
        """All refunds and returns on a stream of this provider's."""
        owner = await self._aggregate(stream_id)
        if not isinstance(owner, Payment | Receipt) or owner.provider != self._provider:
            return ()
        refunds = owner.flows.refunds.values()
        return tuple([await refund_order(self._desk, owner, refund) for refund in refunds])

    async def payout(self, payout_id: UUID, attempt: int) -> PayoutInquiry | None:
        """An attempt of a payout by this provider."""
        found = await self._aggregate(payout_id)
        if not isinstance(found, Payout) or found.destination.provider != self._provider:
            return None
        return payout_inquiry(found, attempt) if 1 <= attempt <= found.attempt else None

    async def payment_of(self, provider_transaction: str) -> UUID | None:
        """The stream that has this provider's transaction."""
        key = (f"transaction:{self._provider}", provider_transaction)
        return await asyncio.to_thread(self._stream_of, key)

    async def _aggregate(self, stream: UUID) -> Any:  # noqa: ANN401 - whatever it is
        try:
            return await asyncio.to_thread(self._desk.ledger.repository.get, stream)
        except AggregateNotFoundError:
            return None

    def _stream_of(self, key: tuple[str, str]) -> UUID | None:
        with self._desk.board.connection() as connection:
            row = connection.execute(READ_STREAM_OF, key).fetchone()
        return None if row is None else row[0]
