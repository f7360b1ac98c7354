"""Pay-now links: whoever opens one sees what is due, and may have the fan's own phone asked for it.

No login is needed: the link is the right. What it shows is nothing personal, and what it starts is
a prompt that only the fan can answer. There is one live prompt for a period at a time, so that no
idempotency key is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel

from api.doors import Doors, doors_of
from api.errors import ApiError, ledger_error_response
from api.pay_links import InvalidPayLink, PayLink
from api.responses import FAILED_WRITE, Answer, Success, answers, success
from api.routers.subscription_parts import terms_of
from api.strict_json import StrictRoute
from api.subscription_rendering import tier_names
from ledger.commands import IdempotencyKey, PayInvoice
from ledger.errors import Unavailable
from ledger.money import Money
from ledger.subscription import SubscriptionState

if TYPE_CHECKING:
    from ledger.subscription import Subscription
    from projections.subscriptions import SubscriptionView

OPENED: Final[tuple[Answer, ...]] = (
    *("pay_link_not_found", "rate_limited", "internal_error"),
    Unavailable,
)

routes = APIRouter(prefix="/pay", tags=["pay-now links"], route_class=StrictRoute)


class DueData(BaseModel):
    """What the link is for. `money` is null where nothing is to be paid.

    Before the period is invoiced, a fan's credit may make it less.
    """

    creator_id: UUID
    tier_name: str
    number: int
    start: AwareDatetime | None
    end: AwareDatetime | None
    state: Literal["due", "prompt_live", "paid", "nothing_to_pay"]
    money: Money | None


@dataclass(frozen=True, slots=True)
class _Due:
    """How a period stands that a link is for."""

    state: Literal["due", "prompt_live", "paid", "nothing_to_pay"]
    money: Money | None = None
    start: datetime | None = None
    end: datetime | None = None


@routes.get(
    "/{token}",
    response_model=Success[DueData],
    responses=answers("validation_error", *OPENED),
)
async def read_pay_link(token: str, request: Request) -> Response:
    """What is due by this link."""
    doors = doors_of(request)
    await doors.rate_limits.unknown_caller(request)
    link, view = await _opened(doors, token)
    return success(await _rendered(doors, link, view))


@routes.post(
    "/{token}",
    status_code=202,
    response_model=Success[DueData],
    responses=answers("validation_error", PayInvoice, *OPENED, *FAILED_WRITE),
)
async def pay_by_link(token: str, request: Request) -> Response:
    """Have the subscription's own phone asked for it, or its card charged."""
    doors = doors_of(request)
    await doors.rate_limits.unknown_caller(request)
    link, view = await _opened(doors, token)
    sub = view.subscription
    await doors.rate_limits.pay_link(sub.id)
    request_id = request.scope["request_id"]
    command = PayInvoice(
        subscription_id=sub.id,
        fan_id=None,
        number=link.number,
        terms=terms_of(doors, sub.method.provider, sub.currency),
        settlement_delay_seconds=doors.settings.settlement_delay_seconds,
        key=IdempotencyKey("pay_link", request_id),
        actor=f"pay_link:{sub.id}",
        correlation_id=request.scope["correlation_id"],
        causation_id=f"request:{request_id}",
    )
    outcome = (await doors.ledger.execute_from_loop([command]))[0]
    if outcome.error is not None:
        return ledger_error_response(request, outcome.error)
    read = await doors.subscriptions.get(sub.id, version=outcome.version)
    assert read is not None  # noqa: S101 - it was there before
    return success(await _rendered(doors, link, read.view), 202)


async def _opened(doors: Doors, token: str) -> tuple[PayLink, SubscriptionView]:
    try:
        link = doors.pay_links.read(token)
    except InvalidPayLink as invalid:
        raise ApiError(404, "pay_link_not_found", str(invalid)) from None
    read = await doors.subscriptions.get(link.subscription_id)
    if read is None:
        raise ApiError(404, "pay_link_not_found", str(InvalidPayLink()))
    return link, read.view


async def _rendered(doors: Doors, link: PayLink, view: SubscriptionView) -> dict[str, Any]:
    sub = view.subscription
    due = _due(view, link.number, await doors.now())
    names = await tier_names(doors, [sub.creator_id])
    return {
        "creator_id": sub.creator_id,
        "tier_name": names[sub.tier_id],
        "number": link.number,
        "start": due.start,
        "end": due.end,
        "state": due.state,
        "money": None if due.money is None else due.money.model_dump(),
    }


def _due(view: SubscriptionView, number: int, now: datetime) -> _Due:
    sub = view.subscription
    for invoice in reversed(list(view.invoices.values())):
        if not invoice.is_for(number):
            continue
        if invoice.state == "paid":
            return _Due("paid", start=invoice.start, end=invoice.end)
        opened = sub.invoice
        if opened is not None and opened.id == invoice.id:
            money = invoice.money.model_copy(update={"amount": invoice.cash})
            state: Literal["due", "prompt_live"] = "due" if opened.live is None else "prompt_live"
            return _Due(state, money, invoice.start, invoice.end)
    if _may_be_paid_early(sub, number, now):
        return _Due("due", sub.price.money, sub.paid_until)
    return _Due("nothing_to_pay")


def _may_be_paid_early(sub: Subscription, number: int, now: datetime) -> bool:
    """Whether the ledger would invoice this period now, which is the next one."""
    stays = sub.cancel_at is None and sub.pause_at is None and sub.change is None
    if number != sub.next_number or sub.invoice is not None or not stays:
        return False
    if sub.state is SubscriptionState.TRIALING:
        return True
    current = sub.period_at(now)
    active = sub.state is SubscriptionState.ACTIVE
    return active and current is not None and current.number + 1 == number
