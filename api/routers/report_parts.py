"""What the reports to creators have in common: their days, and the currency they are in."""

from __future__ import annotations

from datetime import date
from typing import Annotated, NamedTuple
from uuid import UUID

from fastapi import Depends

from api.aggregates import creator_now
from api.doors import Doors
from api.errors import invalid
from api.routers.search_parts import Day


class Days(NamedTuple):
    """From the day `since` to the day before `until`; either may be left open."""

    since: date | None
    until: date | None


async def days(since: Day | None = None, until: Day | None = None) -> Days:
    """As a query says it. Raises 400 where no day lies between them."""
    if since is not None and until is not None and since >= until:
        raise invalid("until", "must be later than since")
    return Days(since, until)


AskedDays = Annotated[Days, Depends(days)]


async def currency_or_own(doors: Doors, creator_id: UUID, asked: str | None) -> str:
    """The one that was asked for, or the creator's. Raises `CreatorNotFound`."""
    creator, _ = await creator_now(doors.reader, creator_id)
    return creator.settlement_currency if asked is None else asked


async def bounded(doors: Doors, asked: Days, days_before: int) -> tuple[date, date]:
    """Without an end it is after today in the book's time zone; without a beginning, before it."""
    until = asked.until
    if until is None:
        today = (await doors.now()).astimezone(doors.settings.time_zone).date()
        until = date.fromordinal(today.toordinal() + 1)
        if asked.since is not None and asked.since >= until:
            raise invalid("since", "must not be later than today")
    since = asked.since
    if since is None:
        since = date.fromordinal(max(until.toordinal() - days_before, date.min.toordinal()))
    return since, until
