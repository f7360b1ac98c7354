"""A schedule's times: six in the morning where the book is, on its day, none left out or twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import pytest

from api.payout_calendar import latest_occurrence, next_occurrence

if TYPE_CHECKING:
    from api.payout_calendar import Interval

NAIROBI: Final = ZoneInfo("Africa/Nairobi")
CAIRO: Final = ZoneInfo("Africa/Cairo")
APIA: Final = ZoneInfo("Pacific/Apia")
EVERY: Final[list[tuple[Interval, int]]] = [
    *(("weekly", day) for day in range(1, 8)),
    *(("monthly", day) for day in (1, 15, 28)),
]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("interval", "day", "after", "expected"),
    [
        # 2 March 2026 is a Monday; six in the morning in Nairobi is three o'clock UTC.
        ("weekly", 1, utc(2026, 3, 1, 12), utc(2026, 3, 2, 3)),
        ("weekly", 1, utc(2026, 3, 2, 2, 59, 59, 999_999), utc(2026, 3, 2, 3)),
        ("weekly", 1, utc(2026, 3, 2, 3), utc(2026, 3, 9, 3)),
        ("weekly", 7, utc(2026, 3, 2, 3), utc(2026, 3, 8, 3)),
        # It is the third in Nairobi already, though not in UTC.
        ("weekly", 1, utc(2026, 3, 2, 22), utc(2026, 3, 9, 3)),
        ("monthly", 1, utc(2026, 2, 28, 22), utc(2026, 3, 1, 3)),
        ("monthly", 28, utc(2026, 2, 28, 3), utc(2026, 3, 28, 3)),
        ("monthly", 15, utc(2026, 12, 20), utc(2027, 1, 15, 3)),
        ("monthly", 28, utc(2024, 2, 28, 2), utc(2024, 2, 28, 3)),
    ],
)
def test_the_next_time_is_the_first_after(
    interval: Interval, day: int, after: datetime, expected: datetime
) -> None:
    assert next_occurrence(interval, day, after=after, zone=NAIROBI) == expected


@pytest.mark.parametrize("zone", [NAIROBI, CAIRO, APIA, ZoneInfo("America/New_York")])
@pytest.mark.parametrize(("interval", "day"), EVERY)
def test_times_follow_each_other_on_their_day_whatever_the_clocks_do(
    interval: Interval, day: int, zone: ZoneInfo
) -> None:
    at = utc(2023, 12, 31)
    seen = []
    while at < utc(2027, 1, 1):
        following = next_occurrence(interval, day, after=at, zone=zone)
        assert following > at
        local = following.astimezone(zone)
        assert (local.hour, local.minute) == (6, 0)
        assert (local.isoweekday() if interval == "weekly" else local.day) == day
        # Until then it is the next, and from then on the latest.
        before = following - timedelta(microseconds=1)
        assert next_occurrence(interval, day, after=before, zone=zone) == following
        assert latest_occurrence(interval, day, at=following, zone=zone) == following
        assert latest_occurrence(interval, day, at=before, zone=zone) < following
        seen.append(following)
        at = following
    dates = [time.astimezone(zone).date() for time in seen]
    if interval == "weekly":
        steps = {second - first for first, second in pairwise(dates)}
        assert steps == {timedelta(days=7)}
    else:
        months = [date.year * 12 + date.month for date in dates]
        assert months == list(range(months[0], months[0] + len(months)))
        assert len(months) >= 36
