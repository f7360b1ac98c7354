"""The calendar again, as slowly as it is meant, to compare with ledger/billing_periods.py."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from tests.ledger.subscriptions.laws import Fields

MINUTE = timedelta(minutes=1)
MONTHS = {"month": 1, "year": 12}
DAYS = {"day": 1, "week": 7}


def moment(text: str) -> datetime:
    """An instant of the stored JSON."""
    return datetime.fromisoformat(text)


def local(instant: datetime, zone: str) -> datetime:
    """The wall time there, naive."""
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def start(anchor: Fields, number: int) -> datetime:
    """When a period begins, by the anchor's stored JSON."""
    steps = number - int(anchor["first"])
    at = moment(anchor["at"])
    if steps == 0:
        return at
    wall = local(at, anchor["zone"])
    unit, count = anchor["interval"]["unit"], int(anchor["interval"]["count"]) * steps
    if unit in DAYS:
        day = wall.date() + timedelta(days=count * DAYS[unit])
    else:
        day = _month_by_month(wall.date(), int(anchor["day"]), count * MONTHS[unit])
    return earliest(datetime.combine(day, wall.time()), anchor["zone"])


def _month_by_month(day: date, anchor_day: int, months: int) -> date:
    year, month = day.year, day.month
    for _ in range(months):
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return date(year, month, min(anchor_day, monthrange(year, month)[1]))


@lru_cache(maxsize=100_000)
def earliest(wall: datetime, zone: str) -> datetime:
    """The first instant with this wall time, or the first after it where there is none."""
    as_if_utc = wall.replace(tzinfo=UTC)
    around = (as_if_utc - timedelta(hours=30), as_if_utc + timedelta(hours=30))
    offsets = {each.astimezone(ZoneInfo(zone)).utcoffset() or timedelta() for each in around}
    found = [as_if_utc - offset for offset in offsets]
    there = [each for each in found if local(each, zone) == wall]
    if there:
        return min(there)
    # No such wall time: minute by minute to where clocks went forward.
    instant = min(found).replace(second=0, microsecond=0)
    while local(instant, zone) < wall:
        instant += MINUTE
    return instant
