"""When does a billing period begin? Always from the anchor, never from the period before.

A subscription has an anchor: an instant in its IANA time zone, the number of the period that begins
there, and an interval. Period k begins (k - first) intervals after the anchor, at the anchor's wall
time:

    days, weeks     local dates, so that a period that a clock change shortens is still a day
    months          the anchor's day of the month, or that month's last day: 31 Jan, 28 Feb, 31 Mar
    years           twelve months: 29 Feb, 28 Feb, …, 29 Feb

A wall time that does not exist, because clocks went forward, is the next instant that does; one
that occurs twice, because they went back, is the first of the two. Periods are half-open: the end
of one is the start of the next, so they tile time.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

MONTHS_IN_A_YEAR: Final = 12
DAYS_IN_A_WEEK: Final = 7
COUNT_MAX: Final = 365
"""Units in an interval; with it no period is longer than 365 years, and none is empty."""


@lru_cache(maxsize=600)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _known_zone(name: str) -> str:
    try:
        _zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be an IANA time zone, such as Africa/Nairobi") from None
    return name


ZoneName = Annotated[str, Field(max_length=64), AfterValidator(_known_zone)]
"""The name of a time zone in the IANA database, such as Africa/Nairobi."""


class Interval(BaseModel):
    """How long a period is: `count` days, weeks, months or years."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: Literal["day", "week", "month", "year"]
    count: Annotated[int, Field(strict=True, ge=1, le=COUNT_MAX)] = 1


class Anchor(BaseModel):
    """From where periods are counted: period `first` begins at `at`.

    `day` is the day of the month that is meant, which `at` may not show: an anchor on the 28th may
    stand for the 31st.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: AwareDatetime
    zone: ZoneName
    day: Annotated[int, Field(strict=True, ge=1, le=31)]
    first: Annotated[int, Field(strict=True, ge=1)]
    interval: Interval


class Period(NamedTuple):
    """Half-open: `start` belongs to it, `end` to the next. Both in UTC."""

    number: int
    start: datetime
    end: datetime


def anchor_at(at: datetime, *, zone: str, first: int, interval: Interval) -> Anchor:
    """An anchor at an instant, on the day of the month that it is there."""
    at = at.astimezone(UTC)
    return Anchor(
        at=at, zone=zone, day=at.astimezone(_zone(zone)).day, first=first, interval=interval
    )


def period(anchor: Anchor, number: int) -> Period:
    """The period with this number. Raises `ValueError` for one before the anchor's first."""
    return Period(number, start_of(anchor, number), start_of(anchor, number + 1))


def start_of(anchor: Anchor, number: int) -> datetime:
    """When a period begins, in UTC. Raises `ValueError` for one before the anchor's first."""
    steps = number - anchor.first
    if steps < 0:
        message = f"period {number} is before the anchor's first, {anchor.first}"
        raise ValueError(message)
    if steps == 0:
        return anchor.at
    zone = _zone(anchor.zone)
    wall = anchor.at.astimezone(zone).replace(tzinfo=None, fold=0)
    day = _date_after(wall.date(), anchor, steps * anchor.interval.count)
    return _instant(datetime.combine(day, wall.time()), zone)


def period_at(anchor: Anchor, instant: datetime) -> Period:
    """The period that an instant lies in. Raises `ValueError` for one before the anchor."""
    if instant < anchor.at:
        raise ValueError("the instant is before the anchor")
    # By doubling and halving: it needs no estimate of how long a month is.
    low, step = anchor.first, 1
    while start_of(anchor, low + step) <= instant:
        low += step
        step *= 2
    while step > 1:
        step //= 2
        if start_of(anchor, low + step) <= instant:
            low += step
    return period(anchor, low)


def _date_after(day: date, anchor: Anchor, units: int) -> date:
    match anchor.interval.unit:
        case "day":
            return day + timedelta(days=units)
        case "week":
            return day + timedelta(days=units * DAYS_IN_A_WEEK)
        case "month":
            return _months_later(day, anchor.day, units)
        case "year":
            return _months_later(day, anchor.day, units * MONTHS_IN_A_YEAR)


def _months_later(day: date, anchor_day: int, months: int) -> date:
    year, month = divmod(day.year * MONTHS_IN_A_YEAR + day.month - 1 + months, MONTHS_IN_A_YEAR)
    last = monthrange(year, month + 1)[1]
    return date(year, month + 1, min(anchor_day, last))


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a wall time: the first of two, or the next that exists."""
    early = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if early.astimezone(zone).replace(tzinfo=None) == wall:
        return early
    # In a gap the offset after the change names an instant before it, and the other way round.
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _change_between(before, early, zone)


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first instant with the later offset, to the second: the end of the gap."""
    offset = after.astimezone(zone).utcoffset()
    low, high = 0, int((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if (before + timedelta(seconds=middle)).astimezone(zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return (before + timedelta(seconds=high)).replace(microsecond=0)
