"""What a creator's subscriptions bring every month, who came, and who left."""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel

from api.conditional import tagged
from api.doors import doors_of
from api.responses import Success
from api.routers.parts import own_creator, router
from api.routers.payout_parts import CreatorOrAdmin
from api.routers.report_parts import AskedDays, bounded, currency_or_own
from api.routers.search_parts import CONDITIONAL_OF_CREATORS, AskedPage, Currency, ModelPosition
from projections.models.recurring import (
    RecurringDay,
    RecurringModel,
    RecurringRange,
    recurring_days,
    recurring_range,
)

routes = router("/creators/{creator_id}/recurring", "creators")

DAYS_BEFORE: Final = 31
"""How far back an answer goes that is not asked since when."""


class PayingSubscriptionsData(BaseModel):
    """How many subscriptions pay, and what they pay in a month, in minor units."""

    active: int
    recurring: int


class ChurnData(BaseModel):
    """A rate as two integers: who left, of those who were active before."""

    left: int
    active_before: int


class RecurringData(BaseModel):
    """From the day `since` to the day before `until`: before it, what changed, and at its end.

    At the end are active those before it, and who began and resumed, less who cancelled, expired
    and paused; who recovered had stayed active.
    """

    currency: str
    since: date
    until: date
    before: PayingSubscriptionsData
    end: PayingSubscriptionsData
    began: int
    resumed: int
    recovered: int
    cancelled: int
    expired: int
    paused: int
    churn: ChurnData
    position: int


class RecurringDayData(BaseModel):
    """What changed on a day, and how it stood at its end; `recurring` in minor units a month."""

    day: date
    began: int
    resumed: int
    recovered: int
    cancelled: int
    expired: int
    paused: int
    active: int
    recurring: int


class RecurringDaysData(BaseModel):
    """Days on which something changed, newest first; `next_cursor` is null on the last page."""

    currency: str
    items: list[RecurringDayData]
    next_cursor: str | None
    position: int


@routes.get("", response_model=Success[RecurringData], responses=CONDITIONAL_OF_CREATORS)
async def read_recurring(  # noqa: PLR0917 - query parameters, by name
    creator_id: UUID,
    caller: CreatorOrAdmin,
    request: Request,
    asked: AskedDays,
    currency: Currency | None = None,
    min_position: ModelPosition = None,
) -> Response:
    """What subscriptions bring every month, who came and who left; by default in the last month."""
    own_creator(caller, creator_id)
    doors = doors_of(request)
    currency = await currency_or_own(doors, creator_id, currency)
    since, until = await bounded(doors, asked, DAYS_BEFORE)
    found = await recurring_range(
        doors.models[RecurringModel],
        creator_id,
        currency,
        first=since,
        until=until,
        min_position=min_position,
    )
    data = {"currency": currency, "since": since, "until": until, **_range(found)}
    return tagged(request, data, found.position)


@routes.get(
    "/days",
    response_model=Success[RecurringDaysData],
    responses=CONDITIONAL_OF_CREATORS,
)
async def read_recurring_days(  # noqa: PLR0917 - query parameters, by name
    creator_id: UUID,
    caller: CreatorOrAdmin,
    request: Request,
    asked: AskedDays,
    page: AskedPage,
    currency: Currency | None = None,
) -> Response:
    """The days on which somebody came or left, or a price changed."""
    own_creator(caller, creator_id)
    doors = doors_of(request)
    currency = await currency_or_own(doors, creator_id, currency)
    found = await recurring_days(
        doors.models[RecurringModel],
        creator_id,
        currency,
        first=asked.since or date.min,
        until=asked.until or date.max,
        **page._asdict(),
    )
    items = [_day(each) for each in found.items]
    data = {"currency": currency, "items": items, "next_cursor": found.next_cursor}
    return tagged(request, data, found.position)


def _range(found: RecurringRange) -> dict[str, Any]:
    return {
        "before": found.before._asdict(),
        "end": found.end._asdict(),
        "began": found.began,
        "resumed": found.resumed,
        "recovered": found.recovered,
        "cancelled": found.cancelled,
        "expired": found.expired,
        "paused": found.paused,
        "churn": found.churn._asdict(),
    }


def _day(found: RecurringDay) -> dict[str, Any]:
    return {
        "day": found.day,
        "began": found.began,
        "resumed": found.resumed,
        "recovered": found.recovered,
        "cancelled": found.cancelled,
        "expired": found.expired,
        "paused": found.paused,
        "active": found.active,
        "recurring": found.recurring,
    }
