"""A fan subscribes to a creator's tier, and looks at their subscriptions and invoices."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final, TypeVar
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import Field

from api.aggregates import creator_now
from api.conditional import tagged
from api.doors import doors_of
from api.instruments import fan_now
from api.responses import NOT_MODIFIED, Success, documented
from api.routers.parts import Body, IdempotencyKeyHeader, made_id, router
from api.routers.subscription_parts import (
    SUBSCRIPTIONS,
    Fan,
    FanOrAdmin,
    InvoicesData,
    NewMethod,
    PromptingFan,
    SubscriptionData,
    SubscriptionsData,
    answer,
    check_method,
    fields_of,
    method_of,
    subscription_of,
    terms_of,
)
from api.subscription_rendering import rendered_invoice, rendered_subscription, tier_names
from ledger.billing_periods import Interval, ZoneName
from ledger.commands import Subscribe
from ledger.errors import SubscriptionNotFound
from projections.cursor import InvalidCursor, decode_cursor, encode_cursor
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX, POSITION_MAX

routes = router("/subscriptions", "subscriptions")

SUBSCRIPTIONS_LIST: Final = "subscriptions"
INVOICES_LIST: Final = "invoices"

Cursor = Annotated[str | None, Query(max_length=200)]
Item = TypeVar("Item")
Limit = Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)]


class NewSubscription(Body):
    """What to subscribe to, and how it is paid. Days begin and end in the time zone."""

    creator_id: UUID
    tier_id: UUID
    interval: Interval
    time_zone: ZoneName | None = Field(default=None, examples=["Africa/Nairobi"])
    method: NewMethod
    trial: bool = Field(strict=True, default=False)


@routes.post(
    "",
    status_code=202,
    response_model=Success[SubscriptionData],
    responses=documented(Subscribe, 413, 422),
)
async def subscribe(
    body: NewSubscription, caller: PromptingFan, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Subscribe at today's price. It is active once the first payment arrives, or tried first."""
    doors = doors_of(request)
    check_method(doors, body.method)
    creator, _ = await creator_now(doors.reader, body.creator_id)
    terms = terms_of(doors, body.method.provider, creator.settlement_currency)
    method, entries = await method_of(doors, caller.subject, body.method)
    command = Subscribe(
        subscription_id=made_id(SUBSCRIPTIONS, caller, key),
        fan_id=caller.subject,
        creator_id=body.creator_id,
        tier_id=body.tier_id,
        interval=body.interval,
        zone=body.time_zone or doors.settings.book_time_zone,
        method=method,
        trial=body.trial,
        terms=terms,
        settlement_delay_seconds=doors.settings.settlement_delay_seconds,
        vault_entries=entries,
        **fields_of(request, caller, key, body),
    )
    outcome = (await doors.ledger.execute_from_loop([command]))[0]
    return await answer(request, outcome, 202)


@routes.get(
    "",
    response_model=Success[SubscriptionsData],
    responses={**documented(InvalidCursor), **NOT_MODIFIED},
)
async def read_subscriptions(
    caller: Fan, request: Request, cursor: Cursor = None, limit: Limit = PAGE_SIZE
) -> Response:
    """All that the fan ever had, newest first."""
    doors, before = doors_of(request), _before(cursor, SUBSCRIPTIONS_LIST)
    fan = await fan_now(doors, caller.subject)
    ever = () if fan is None else fan.subscribed
    ids, next_cursor = _page(ever, SUBSCRIPTIONS_LIST, before=before, limit=limit)
    found = await asyncio.gather(*(doors.subscriptions.get(each) for each in ids))
    reads = [each for each in found if each is not None]
    position = min((each.position for each in reads), default=None)
    if position is None:
        position = await doors.reader.position()
    items = await rendered_subscription(doors, [each.view for each in reads])
    return tagged(request, {"items": items, "next_cursor": next_cursor}, position)


@routes.get(
    "/{subscription_id}",
    response_model=Success[SubscriptionData],
    responses={**documented(SubscriptionNotFound), **NOT_MODIFIED},
)
async def read_subscription(
    subscription_id: UUID, caller: FanOrAdmin, request: Request
) -> Response:
    """A subscription as it stands. Another fan's is answered like one that does not exist."""
    doors = doors_of(request)
    read = await subscription_of(doors, caller, subscription_id)
    [rendered] = await rendered_subscription(doors, [read.view])
    return tagged(request, rendered, read.position)


@routes.get(
    "/{subscription_id}/invoices",
    response_model=Success[InvoicesData],
    responses={**documented(SubscriptionNotFound, InvalidCursor), **NOT_MODIFIED},
)
async def read_invoices(
    subscription_id: UUID,
    caller: FanOrAdmin,
    request: Request,
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response:
    """Every invoice that there ever was, newest first, with what was tried to collect it."""
    doors, before = doors_of(request), _before(cursor, INVOICES_LIST)
    read = await subscription_of(doors, caller, subscription_id)
    view = read.view
    ever = tuple(view.invoices.values())
    shown, next_cursor = _page(ever, INVOICES_LIST, before=before, limit=limit)
    names = await tier_names(doors, [view.subscription.creator_id])
    items = [rendered_invoice(view, each, names) for each in shown]
    return tagged(request, {"items": items, "next_cursor": next_cursor}, read.position)


def _before(cursor: str | None, of_list: str) -> int:
    """How many of the oldest are left to show. Raises `InvalidCursor`."""
    return POSITION_MAX if cursor is None else int(decode_cursor(cursor, of_list, int)[0])


def _page(
    oldest_first: tuple[Item, ...], of_list: str, *, before: int, limit: int
) -> tuple[list[Item], str | None]:
    """A page of a list that only grows, newest first."""
    end = min(before, len(oldest_first))
    begin = max(0, end - limit)
    shown = list(reversed(oldest_first[begin:end]))
    return shown, encode_cursor(of_list, begin) if begin else None
