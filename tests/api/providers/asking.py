"""What tests of one adapter share: orders and inquiries, and what a ledger would know."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID, uuid4

from api.providers.port import (
    Delivery,
    PaymentInquiry,
    PayoutInquiry,
    PayoutOrder,
    PromptRequest,
    RefundOrder,
)
from ledger.money import Money

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from api.providers.port import Provider
    from tests.api.providers.fake import FakeProvider

Answer = TypeVar("Answer")


def ask(fake: FakeProvider, question: Callable[[Any], Awaitable[Answer]]) -> Answer:
    """Ask something of a new adapter of this provider, and close it."""

    async def asked() -> Answer:
        adapter: Provider = fake.adapter()
        try:
            return await question(adapter)
        finally:
            await adapter.close()

    return asyncio.run(asked())


def delivery(headers: Mapping[str, str], body: bytes) -> Delivery:
    """A callback of these bytes."""
    return Delivery(headers=headers, body=body)


def prompt(phone: str, amount: int = 125_000, currency: str = "KES") -> PromptRequest:
    """A request for money."""
    return PromptRequest(
        payment_id=uuid4(),
        phone=phone,
        money=Money(amount=amount, currency=currency),
        expires_in_seconds=60,
    )


def inquiry(
    payment_id: UUID | None = None,
    reference: str | None = None,
    *,
    amount: int = 125_000,
    currency: str = "KES",
    age: timedelta = timedelta(),
) -> PaymentInquiry:
    """A question about a payment."""
    return PaymentInquiry(
        payment_id=payment_id or uuid4(),
        provider_reference=reference,
        method="phone",
        money=Money(amount=amount, currency=currency),
        initiated_at=datetime.now(UTC) - age,
    )


def payout(phone: str, amount: int = 50_000, currency: str = "KES") -> PayoutOrder:
    """The first attempt of a payout."""
    money = Money(amount=amount, currency=currency)
    return PayoutOrder(payout_id=uuid4(), attempt=1, phone=phone, money=money)


def payout_inquiry(order: PayoutOrder, reference: str | None = None) -> PayoutInquiry:
    """A question about it."""
    return PayoutInquiry(
        payout_id=order.payout_id,
        attempt=order.attempt,
        provider_reference=reference,
        money=order.money,
        requested_at=datetime.now(UTC),
    )


def refund(
    transaction: str, payment_id: UUID, amount: int = 50_000, currency: str = "KES"
) -> RefundOrder:
    """A refund of a payment."""
    return RefundOrder(
        refund_id=uuid4(),
        stream_id=payment_id,
        provider_transaction=transaction,
        money=Money(amount=amount, currency=currency),
    )


@dataclass
class KnownThings:
    """The port's `Known`, of what a test says."""

    payments: list[PaymentInquiry] = field(default_factory=list)
    orders: list[RefundOrder] = field(default_factory=list)
    payouts: list[PayoutInquiry] = field(default_factory=list)

    async def payment(self, payment_id: UUID) -> PaymentInquiry | None:
        return next((each for each in self.payments if each.payment_id == payment_id), None)

    async def refund(self, stream_id: UUID, refund_id: UUID) -> RefundOrder | None:
        for each in self.orders:
            if (each.stream_id, each.refund_id) == (stream_id, refund_id):
                return each
        return None

    async def refunds(self, stream_id: UUID) -> tuple[RefundOrder, ...]:
        return tuple(each for each in self.orders if each.stream_id == stream_id)

    async def payout(self, payout_id: UUID, attempt: int) -> PayoutInquiry | None:
        for each in self.payouts:
            if (each.payout_id, each.attempt) == (payout_id, attempt):
                return each
        return None

    async def payment_of(self, provider_transaction: str) -> UUID | None:
        return None
