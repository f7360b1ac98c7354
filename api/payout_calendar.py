"""When is a scheduled payout made? At six in the morning of the book's time zone, on its day.

Weekly: the day is 1 (Monday) to 7; monthly: 1 to 28, which every month has.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

Interval = Literal["weekly", "monthly"]

PAID_OUT_AT: Final = time(6)
WEEK: Final = timedelta(days=7)


def latest_occurrence(interval: Interval, day: int, *, at: datetime, zone: ZoneInfo) -> datetime:
    """The last time it was to be made, at or before `at`. In UTC."""
    return _instant(_latest_date(interval, day, at, zone), zone)


def next_occurrence(interval: Interval, day: int, *, after: datetime, zone: ZoneInfo) -> datetime:
    """The first time that it is to be made after `after`. In UTC."""
    latest = _latest_date(interval, day, after, zone)
    if interval == "weekly":
        return _instant(latest + WEEK, zone)
    in_next_month = latest.replace(day=1) + timedelta(days=31)
    return _instant(in_next_month.replace(day=day), zone)


def _latest_date(interval: Interval, day: int, at: datetime, zone: ZoneInfo) -> date:
    found = _on_or_before(interval, day, at.astimezone(zone).date())
    if _instant(found, zone) > at:
        found = _on_or_before(interval, day, found - timedelta(days=1))
    return found


def _on_or_before(interval: Interval, day: int, local: date) -> date:
    if interval == "weekly":
        return local - timedelta(days=(local.isoweekday() - day) % 7)
    if local.day < day:
        local = local.replace(day=1) - timedelta(days=1)
    return local.replace(day=day)


def _instant(local: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(local, PAID_OUT_AT, zone).astimezone(UTC)
