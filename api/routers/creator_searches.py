"""A creator sees the payments and invoices of their fans: what and when, nothing of who."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel

from api.aggregates import creator_now
from api.doors import doors_of
from api.responses import Success
from api.routers.listing_parts import (
    ListedInvoice,
    ListedPayment,
    listed_invoice,
    listed_payment,
    split_of,
)
from api.routers.parts import SplitData, own_creator, router
from api.routers.payout_parts import CreatorOrAdmin
from api.routers.search_parts import CONDITIONAL_OF_CREATORS, AskedPage, AskedTimes, listed
from projections.models.invoices import InvoicesModel, search_invoices
from projections.models.payments import FoundPayment, PaymentsModel, search_payments
from projections.payments import PaymentStanding

routes = router("/creators/{creator_id}", "creators")


class ReceivedPaymentData(ListedPayment):
    """A payment to the creator; amounts in minor units."""

    split: SplitData


class ReceivedPaymentsData(BaseModel):
    """Payments, newest first; `next_cursor` is null on the last page."""

    items: list[ReceivedPaymentData]
    next_cursor: str | None
    position: int


class IssuedInvoicesData(BaseModel):
    """Invoices, newest first; `next_cursor` is null on the last page."""

    items: list[ListedInvoice]
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
    return listed(request, page, listed_invoice)


def _payment(found: FoundPayment) -> dict[str, Any]:
    return {**listed_payment(found), "split": split_of(found)}
