"""What a creator earned and from what, and who supports them most."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import UUID, uuid5

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel

from api.aggregates import creator_now
from api.conditional import tagged
from api.doors import doors_of
from api.responses import NOT_MODIFIED, READ_MODEL, Success, documented
from api.routers.parts import own_creator, router
from api.routers.payout_parts import CreatorOrAdmin
from api.routers.report_parts import AskedDays, bounded, currency_or_own
from api.routers.search_parts import (
    CONDITIONAL_OF_CREATORS,
    Currency,
    Limit,
    ModelPosition,
    Month,
)
from ledger.errors import CreatorNotFound
from projections.models.earnings import (
    Earned,
    EarningsModel,
    EarningsPeriod,
    RangeTooLong,
    earnings,
)
from projections.models.supporters import Supporter, SupportersModel, top_supporters
from projections.reader import PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping

routes = router("/creators/{creator_id}", "creators")

Interval = Literal["day", "week", "month"]
DAYS_BEFORE: Final[Mapping[Interval, int]] = {"day": 31, "week": 7 * 26, "month": 365}
"""How far back a report goes that does not say since when."""


class EarnedData(BaseModel):
    """Minor units: gross = fee + vat + net, of so many entries of the journal."""

    gross: int
    fee: int
    vat: int
    net: int
    entries: int


class EarningsPeriodData(EarnedData):
    """A day, an ISO week or a month that begins with `first_day`, in one currency.

    `by_source` is null unless it was asked for; what went back is negative.
    """

    first_day: date
    currency: str
    by_source: dict[str, EarnedData] | None


class EarningsData(BaseModel):
    """Periods, newest first, from the day `since` to the day before `until`.

    Those in which nothing was earned are left out.
    """

    since: date
    until: date
    items: list[EarningsPeriodData]
    next_cursor: None
    position: int


class SupporterData(BaseModel):
    """A fan by a name that only this creator's answers use, and what they paid in minor units."""

    supporter_id: UUID
    paid: int
    payments: int
    first_at: AwareDatetime | None
    last_at: AwareDatetime | None


class SupportersData(BaseModel):
    """Who paid most, the first of them first: of all time, or in the month."""

    currency: str
    month: str | None
    items: list[SupporterData]
    next_cursor: None
    position: int


@routes.get(
    "/earnings",
    response_model=Success[EarningsData],
    responses={**documented(*READ_MODEL, CreatorNotFound, RangeTooLong), **NOT_MODIFIED},
)
async def read_earnings(  # noqa: PLR0917 - query parameters, by name
    creator_id: UUID,
    caller: CreatorOrAdmin,
    request: Request,
    asked: AskedDays,
    interval: Interval = "day",
    by_source: Annotated[bool, Query()] = False,  # noqa: FBT002 - a query parameter, by name
    min_position: ModelPosition = None,
) -> Response:
    """What the creator earned by day, week or month, in the book's time zone.

    Without `until` it is up to today; without `since` it is of the month before that by day, of
    half a year by week, of a year by month.
    """
    own_creator(caller, creator_id)
    doors = doors_of(request)
    await creator_now(doors.reader, creator_id)
    since, until = await bounded(doors, asked, DAYS_BEFORE[interval])
    found = await earnings(
        doors.models[EarningsModel],
        creator_id,
        interval=interval,
        first=since,
        until=until,
        min_position=min_position,
    )
    items = [_period(period, by_source=by_source) for period in found.items]
    data = {"since": since, "until": until, "items": items, "next_cursor": None}
    return tagged(request, data, found.position)


@routes.get(
    "/supporters", response_model=Success[SupportersData], responses=CONDITIONAL_OF_CREATORS
)
async def read_supporters(  # noqa: PLR0917 - query parameters, by name
    creator_id: UUID,
    caller: CreatorOrAdmin,
    request: Request,
    month: Month | None = None,
    currency: Currency | None = None,
    limit: Limit = PAGE_SIZE,
    min_position: ModelPosition = None,
) -> Response:
    """Who paid the creator most, in their settlement currency unless another is asked for."""
    own_creator(caller, creator_id)
    doors = doors_of(request)
    currency = await currency_or_own(doors, creator_id, currency)
    found = await top_supporters(
        doors.models[SupportersModel],
        creator_id,
        currency,
        month=None if month is None else date.fromisoformat(f"{month}-01"),
        limit=limit,
        min_position=min_position,
    )
    items = [_supporter(creator_id, each) for each in found.items]
    data = {"currency": currency, "month": month, "items": items, "next_cursor": None}
    return tagged(request, data, found.position)


def _period(period: EarningsPeriod, *, by_source: bool) -> dict[str, Any]:
    sources = {source: _earned(earned) for source, earned in period.by_source.items()}
    return {
        "first_day": period.first_day,
        "currency": period.currency,
        **_earned(period.total),
        "by_source": sources if by_source else None,
    }


def _earned(earned: Earned) -> dict[str, int]:
    return earned._asdict()


def _supporter(creator_id: UUID, found: Supporter) -> dict[str, Any]:
    return {
        # The same fan always, to this creator, and to nobody else: who it is, it does not say.
        "supporter_id": uuid5(creator_id, str(found.fan_id)),
        "paid": found.paid,
        "payments": found.payments,
        "first_at": found.first_at,
        "last_at": found.last_at,
    }
