"""Periods tile time: from any anchor, in any zone, for any interval."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ledger.billing_periods import (
    Anchor,
    Interval,
    Period,
    anchor_at,
    period,
    period_at,
    start_of,
)
from tests.ledger.subscriptions.naive import chained
from tests.ledger.subscriptions.naive_calendar import start

MONTHLY: Final = Interval(unit="month")
TEN_YEARS: Final = timedelta(days=3_653)
ZONES: Final = sorted(available_timezones())

instants = st.datetimes(
    # Hypothesis adds the zone. Samoa had no 30 December 2011, and such a day is no period.
    min_value=datetime(2012, 1, 1),  # noqa: DTZ001
    max_value=datetime(2060, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
intervals = st.builds(
    Interval, unit=st.sampled_from(["day", "week", "month", "year"]), count=st.integers(1, 14)
)
anchors = st.builds(
    anchor_at,
    instants,
    zone=st.sampled_from(ZONES),
    first=st.integers(1, 50),
    interval=intervals,
)


def starts(anchor: Anchor, count: int) -> list[str]:
    zone = ZoneInfo(anchor.zone)
    return [
        start_of(anchor, anchor.first + number).astimezone(zone).strftime("%Y-%m-%d %H:%M")
        for number in range(count)
    ]


def local(text: str, zone: str, *, interval: Interval = MONTHLY) -> Anchor:
    at = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return anchor_at(at, zone=zone, first=1, interval=interval)


def test_the_last_day_of_a_month_is_never_forgotten() -> None:
    anchor = local("2026-01-31 09:30", "Africa/Nairobi")
    assert starts(anchor, 5) == [
        "2026-01-31 09:30",
        "2026-02-28 09:30",
        "2026-03-31 09:30",
        "2026-04-30 09:30",
        "2026-05-31 09:30",
    ]


def test_a_leap_day_comes_back_after_four_years() -> None:
    yearly = local("2028-02-29 00:00", "Africa/Lagos", interval=Interval(unit="year"))
    assert starts(yearly, 5)[1:] == [
        "2029-02-28 00:00",
        "2030-02-28 00:00",
        "2031-02-28 00:00",
        "2032-02-29 00:00",
    ]


def test_an_anchor_on_a_short_month_may_stand_for_a_longer_one() -> None:
    at = datetime(2026, 2, 28, 6, tzinfo=UTC)
    anchor = Anchor(at=at, zone="Africa/Nairobi", day=31, first=4, interval=MONTHLY)
    assert starts(anchor, 3) == ["2026-02-28 09:00", "2026-03-31 09:00", "2026-04-30 09:00"]


def test_a_wall_time_that_does_not_exist_is_the_next_that_does() -> None:
    # Cairo's clocks go from 00:00 to 01:00 on Friday 24 April 2026.
    daily = Interval(unit="day")
    for wall in ("00:00", "00:30"):
        anchor = local(f"2026-04-23 {wall}", "Africa/Cairo", interval=daily)
        assert starts(anchor, 3)[1:] == ["2026-04-24 01:00", f"2026-04-25 {wall}"]


def test_a_wall_time_that_occurs_twice_is_the_first() -> None:
    # New York's clocks go from 02:00 back to 01:00 on 1 November 2026.
    anchor = local("2026-10-31 01:30", "America/New_York", interval=Interval(unit="day"))
    assert start_of(anchor, 2) == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


def test_a_day_is_a_local_date_however_long_it_is() -> None:
    anchor = local("2026-03-28 12:00", "Europe/Paris", interval=Interval(unit="day"))
    lengths = [period(anchor, k).end - period(anchor, k).start for k in (1, 2)]
    assert lengths == [timedelta(hours=23), timedelta(hours=24)]


@given(anchors, st.integers(0, 130))
def test_periods_tile_time_with_no_gap_and_no_overlap(anchor: Anchor, steps: int) -> None:
    this = period(anchor, anchor.first + steps)
    following = period(anchor, anchor.first + steps + 1)
    assert this.start < this.end == following.start
    assert this.start.tzinfo is UTC
    inside = this.start + (this.end - this.start) / 2
    for instant in (this.start, inside, this.end - timedelta(microseconds=1)):
        assert period_at(anchor, instant) == this


@given(anchors)
@settings(max_examples=30)
def test_for_ten_years_periods_are_those_of_a_calendar_that_is_told_naively(
    anchor: Anchor,
) -> None:
    stored = anchor.model_dump(mode="json")
    number = anchor.first
    while start_of(anchor, number) < anchor.at + TEN_YEARS:
        meant = Period(number, start(stored, number), start(stored, number + 1))
        assert period(anchor, number) == meant
        number += 1


def test_a_chained_calendar_forgets_the_last_day_of_the_month_and_an_hour() -> None:
    monthly = local("2026-01-31 09:30", "Africa/Nairobi")
    assert [period(monthly, k).start == chained(monthly, k).start for k in (1, 2, 3)] == [
        True,
        True,
        False,
    ]
    # Cairo's clocks go from 00:00 to 01:00 on Friday 24 April 2026.
    daily = local("2026-04-22 00:00", "Africa/Cairo", interval=Interval(unit="day"))
    assert [period(daily, k).start == chained(daily, k).start for k in (2, 3, 4)] == [
        True,
        True,
        False,
    ]


@given(anchors, st.integers(1, 130))
def test_a_period_begins_at_the_anchors_wall_time_wherever_that_exists(
    anchor: Anchor, steps: int
) -> None:
    zone = ZoneInfo(anchor.zone)
    wall = anchor.at.astimezone(zone)
    begun = start_of(anchor, anchor.first + steps).astimezone(zone)
    if begun.time() == wall.time():
        return
    # Only what does not exist there, and then the first moment after it.
    meant = datetime.combine(begun.date(), wall.time(), zone)
    assert meant.astimezone(UTC).astimezone(zone).time() != wall.time() or begun.hour == 0
    before = begun.astimezone(UTC) - timedelta(seconds=1)
    assert before.astimezone(zone).utcoffset() != begun.utcoffset()


@given(anchors)
def test_before_the_anchor_there_are_no_periods(anchor: Anchor) -> None:
    with pytest.raises(ValueError, match="before the anchor"):
        period_at(anchor, anchor.at - timedelta(microseconds=1))
    with pytest.raises(ValueError, match="before the anchor's first"):
        start_of(anchor, anchor.first - 1)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "UTC\x00", "x" * 65])
def test_a_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(ValidationError, match="zone"):
        Anchor(at=datetime(2026, 1, 1, tzinfo=UTC), zone=zone, day=1, first=1, interval=MONTHLY)


@pytest.mark.parametrize("count", [0, -1, 366, 1.0, True, "1"])
def test_an_interval_that_is_none_is_refused(count: object) -> None:
    with pytest.raises(ValidationError, match="count"):
        Interval(unit="day", count=count)  # type: ignore[arg-type]  # as a caller might
