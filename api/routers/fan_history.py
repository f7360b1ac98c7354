"""A fan sees what they paid and were asked for, and gets a receipt for what arrived."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel

from api.auth import Role
from api.conditional import tagged
from api.doors import doors_of
from api.errors import ApiError
from api.responses import NOT_MODIFIED, Success, documented
from api.routers.listing_parts import (
    ListedInvoice,
    ListedPayment,
    Method,
    Purpose,
    listed_invoice,
    listed_payment,
)
from api.routers.parts import router
from api.routers.search_parts import CONDITIONAL, AskedPage, AskedTimes, listed
from api.routers.subscription_parts import Fan, FanOrAdmin
from ledger.errors import PaymentNotFound
from ledger.flows import RefundState
from ledger.money import Money
from projections.models.invoices import FoundInvoice, InvoicesModel, search_invoices
from projections.models.payments import FoundPayment, PaymentsModel, search_payments
from projections.payments import PaymentView

routes = router("", "me")


class MyPaymentData(ListedPayment):
    """A payment of the fan's; `provider_transaction` is the one that paid it."""

    creator_id: UUID
    provider: str
    provider_transaction: str | None


class MyPaymentsData(BaseModel):
    """Payments, newest first; `next_cursor` is null on the last page."""

    items: list[MyPaymentData]
    next_cursor: str | None
    position: int


class MyInvoiceData(ListedInvoice):
    """An invoice to the fan; amounts in minor units.

    Of `money`, `credit` and `goodwill` are the fan's credit's, and `cash` is the rest. `attempts`
    counts how often it was asked for.
    """

    creator_id: UUID
    credit: int
    goodwill: int
    cash: int
    attempts: int
    last_failure: str | None
    expires_at: AwareDatetime | None


class MyInvoicesData(BaseModel):
    """Invoices, newest first; `next_cursor` is null on the last page."""

    items: list[MyInvoiceData]
    next_cursor: str | None
    position: int


class PayingTransactionData(BaseModel):
    """A transaction, as its provider calls it."""

    provider: str
    provider_transaction: str


class PaymentReceiptData(BaseModel):
    """What was paid and to whom; amounts in minor units.

    `transactions` are those that paid it, none where the fan's credit did; `paid_at` is when the
    provider says that it was paid; `refunded` of it went back since.
    """

    payment_id: UUID
    fan_id: UUID
    creator_id: UUID
    purpose: Purpose
    reference: str | None
    subscription_id: UUID | None
    invoice_id: UUID | None
    method: Method
    transactions: list[PayingTransactionData]
    money: Money
    refunded: int
    paid_at: AwareDatetime
    position: int


@routes.get("/me/payments", response_model=Success[MyPaymentsData], responses=CONDITIONAL)
async def read_my_payments(
    caller: Fan, request: Request, asked: AskedPage, times: AskedTimes
) -> Response:
    """All that the fan ever paid or tried to; initiated from `since` to before `until`."""
    page = await search_payments(
        doors_of(request).models[PaymentsModel],
        fan_id=caller.subject,
        **times._asdict(),
        **asked._asdict(),
    )
    return listed(request, page, _payment)


@routes.get("/me/invoices", response_model=Success[MyInvoicesData], responses=CONDITIONAL)
async def read_my_invoices(caller: Fan, request: Request, asked: AskedPage) -> Response:
    """Invoices of all of the fan's subscriptions."""
    page = await search_invoices(
        doors_of(request).models[InvoicesModel], fan_id=caller.subject, **asked._asdict()
    )
    return listed(request, page, _invoice)


@routes.get(
    "/payments/{payment_id}/receipt",
    response_model=Success[PaymentReceiptData],
    responses={**documented(PaymentNotFound, "no_receipt"), **NOT_MODIFIED},
)
async def read_receipt(payment_id: UUID, caller: FanOrAdmin, request: Request) -> Response:
    """The receipt of a payment that succeeded. Another's is answered like one that is not there."""
    read = await doors_of(request).payments.get(payment_id)
    if read is None or (caller.role is Role.FAN and read.payment.fan_id != caller.subject):
        raise PaymentNotFound
    if read.payment.state != "succeeded":
        message = f"A payment that is {read.payment.state} has no receipt."
        raise ApiError(409, "no_receipt", message)
    return tagged(request, _receipt(read.payment), read.position)


def _payment(found: FoundPayment) -> dict[str, Any]:
    return {
        **listed_payment(found),
        "creator_id": found.creator_id,
        "provider": found.provider,
        "provider_transaction": found.provider_transaction,
    }


def _invoice(found: FoundInvoice) -> dict[str, Any]:
    return {
        **listed_invoice(found),
        "creator_id": found.creator_id,
        "credit": found.credit,
        "goodwill": found.goodwill,
        "cash": found.cash,
        "attempts": found.attempts,
        "last_failure": found.last_failure,
        "expires_at": found.expires_at,
    }


def _receipt(payment: PaymentView) -> dict[str, Any]:
    of, flows = payment.invoice, payment.flows
    by_credit = payment.method == "credit"
    refunded = sum(
        refund.money.amount
        for refund in flows.refunds.values()
        if refund.state is RefundState.SUCCEEDED and refund.returns is None
    )
    return {
        "payment_id": payment.id,
        "fan_id": payment.fan_id,
        "creator_id": payment.creator_id,
        "purpose": payment.purpose,
        "reference": payment.reference,
        "subscription_id": None if of is None else of.subscription_id,
        "invoice_id": None if of is None else of.invoice_id,
        "method": payment.method,
        "transactions": []
        if by_credit
        else [
            {"provider": provider, "provider_transaction": transaction}
            for provider, transaction in flows.paid_by
        ],
        "money": {"amount": flows.gross, "currency": payment.money.currency},
        "refunded": refunded,
        "paid_at": payment.occurred_at or payment.ended_at,
    }
