"""A creator sees the payments and invoices of their fans: what and when, nothing of who."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel

from api.aggregates import creator_now
from api.doors import doors_of
from api.responses import Success
from api.routers.parts import SplitData, own_creator, router
from api.routers.payout_parts import CreatorOrAdmin
from api.routers.search_parts import CONDITIONAL_OF_CREATORS, AskedPage, AskedTimes, listed
from ledger.events import InvoiceKind
from ledger.money import Money
from projections.models.invoices import FoundInvoice, InvoicesModel, search_invoices
from projections.models.payments import FoundPayment, PaymentsModel, search_payments
from projections.payments import PaymentStanding

routes = router("/creators/{creator_id}", "creators")


class ReceivedPaymentData(BaseModel):
    """A payment to the creator; amounts in minor units."""

    id: UUID
    state: PaymentStanding
    purpose: Literal["tip", "purchase", "invoice"]
    reference: str | None
    subscription_id: UUID | None
    invoice_id: UUID | None
    method: Literal["phone", "card", "till", "credit"]
    money: Money
    split: SplitData
    initiated_at: AwareDatetime
    ended_at: AwareDatetime | None


class ReceivedPaymentsData(BaseModel):
    """Payments, newest first; `next_cursor` is null on the last page."""

    items: list[ReceivedPaymentData]
    next_cursor: str | None
    position: int


class IssuedInvoiceData(BaseModel):
    """An invoice to a subscriber, for `count` periods from `number` on.

    `credited` minor units of it became the subscriber's credit again.
    """

    id: UUID
    state: Literal["open", "paid", "void"]
    subscription_id: UUID
    kind: InvoiceKind
    number: int
    count: int
    money: Money
    credited: int
    reason: str | None
    starts_at: AwareDatetime | None
    ends_at: AwareDatetime | None
    issued_at: AwareDatetime
    ended_at: AwareDatetime | None


class IssuedInvoicesData(BaseModel):
    """Invoices, newest first; `next_cursor` is null on the last page."""

    items: list[IssuedInvoiceData]
    next_cursor: str | None
    position: int


@routes.get(
    "/payments", response_model=Success[ReceivedPaymentsData], responses=CONDITIONAL_OF_CREATORS
)
async def read_received_payments(  # noqa: PLR0917 - query parameters, by name
    creator_id: UUID,
    caller: CreatorOrAdmin,
    request: Request,
    asked: AskedPage,
    times: AskedTimes,
    state: PaymentStanding | None = None,
) -> Response:
    """Payments to the creator, whatever became of them; initiated from `since` to before `until`.

    What became of one in full is at `GET /payments/{payment_id}`.
    """
    own_creator(caller, creator_id)
    doors = doors_of(request)
    await creator_now(doors.reader, creator_id)
    page = await search_payments(
        doors.models[PaymentsModel],
        creator_id=creator_id,
        state=state,
        **times._asdict(),
        **asked._asdict(),
    )
    return listed(request, page, _payment)


@routes.get(
    "/invoices", response_model=Success[IssuedInvoicesData], responses=CONDITIONAL_OF_CREATORS
)
async def read_issued_invoices(
    creator_id: UUID,
    caller: CreatorOrAdmin,
    request: Request,
    asked: AskedPage,
    state: Literal["open", "paid", "void"] | None = None,
) -> Response:
    """Invoices to the creator's subscribers."""
    own_creator(caller, creator_id)
    doors = doors_of(request)
    await creator_now(doors.reader, creator_id)
    page = await search_invoices(
        doors.models[InvoicesModel], creator_id=creator_id, state=state, **asked._asdict()
    )
    return listed(request, page, _invoice)


def _payment(found: FoundPayment) -> dict[str, Any]:
    return {
        "id": found.payment_id,
        "state": found.state,
        "purpose": found.purpose,
        "reference": found.reference,
        "subscription_id": found.subscription_id,
        "invoice_id": found.invoice_id,
        "method": found.method,
        "money": {"amount": found.amount, "currency": found.currency},
        "split": {"fee": found.fee, "vat": found.vat, "net": found.net},
        "initiated_at": found.initiated_at,
        "ended_at": found.ended_at,
    }


def _invoice(found: FoundInvoice) -> dict[str, Any]:
    return {
        "id": found.invoice_id,
        "state": found.state,
        "subscription_id": found.subscription_id,
        "kind": found.kind,
        "number": found.number,
        "count": found.count,
        "money": {"amount": found.amount, "currency": found.currency},
        "credited": found.credited,
        "reason": found.reason,
        "starts_at": found.starts_at,
        "ends_at": found.ends_at,
        "issued_at": found.issued_at,
        "ended_at": found.ended_at,
    }
