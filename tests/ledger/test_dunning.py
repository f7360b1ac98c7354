"""When is a fan asked to pay, again, and until when? By the clocks of where they live."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from ledger.billing_periods import Interval, anchor_at, period
from ledger.dunning import allowed_at, grace_until, next_push_at, prompts_end_at
from ledger.events import DunningScheduled, SubscriptionExpired, SubscriptionPastDue
from tests.builders import expire_payment
from tests.ledger.given import History
from tests.ledger.scenes import CREATOR, FAN, MOMENT
from tests.ledger.subscription_scenes import (
    BASIC,
    CARD,
    CLOCK,
    FIRST,
    LATER,
    MONTHLY,
    PHONE,
    RENEWAL,
    SECOND,
    SUBSCRIPTION,
    asked,
    attempt_of,
    declined,
    due,
    offered,
    paid,
    prompted,
)
from tests.subscription_builders import DAY, MONTH, WEEK, YEAR, ZONE, publish_price, subscribe

HOUR: Final = timedelta(hours=1)
A_DAY: Final = timedelta(days=1)


def utc(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "instant", "allowed"),
    [
        # From 08:00 to 20:00 in Nairobi, three hours ahead of UTC.
        (ZONE, utc(2026, 4, 1, 5) - MOMENT, utc(2026, 4, 1, 5)),
        (ZONE, utc(2026, 4, 1, 5), utc(2026, 4, 1, 5)),
        (ZONE, utc(2026, 4, 1, 17) - MOMENT, utc(2026, 4, 1, 17) - MOMENT),
        (ZONE, utc(2026, 4, 1, 17), utc(2026, 4, 2, 5)),
        (ZONE, utc(2026, 4, 1, 21), utc(2026, 4, 2, 5)),
        # Half an hour off.
        ("Asia/Kolkata", utc(2026, 4, 1, 2), utc(2026, 4, 1, 2, 30)),
        # The night in which clocks go forward is an hour shorter, and the other one longer.
        ("America/New_York", utc(2026, 3, 8, 3), utc(2026, 3, 8, 12)),
        ("America/New_York", utc(2026, 11, 1, 2), utc(2026, 11, 1, 13)),
        # In Cairo they go forward at midnight.
        ("Africa/Cairo", utc(2026, 4, 23, 20), utc(2026, 4, 24, 5)),
        # At the end of a year, and where the date is another one.
        (ZONE, utc(2026, 12, 31, 18), utc(2027, 1, 1, 5)),
        ("Pacific/Auckland", utc(2026, 6, 30, 19), utc(2026, 6, 30, 20)),
    ],
)
def test_a_phone_is_prompted_between_eight_and_eight_where_its_fan_lives(
    zone: str, instant: datetime, allowed: datetime
) -> None:
    assert allowed_at(instant, method=PHONE, zone=zone) == allowed
    assert allowed_at(allowed, method=PHONE, zone=zone) == allowed


def test_a_card_is_charged_at_any_hour() -> None:
    midnight = utc(2026, 4, 1, 21)
    assert allowed_at(midnight, method=CARD, zone=ZONE) == midnight
    assert prompts_end_at(midnight, method=CARD, zone=ZONE) is None


@pytest.mark.parametrize(
    ("zone", "instant", "end"),
    [
        (ZONE, utc(2026, 4, 1, 12), utc(2026, 4, 1, 17)),
        ("America/New_York", utc(2026, 3, 8, 12), utc(2026, 3, 9, 0)),
        ("America/New_York", utc(2026, 11, 1, 13), utc(2026, 11, 2, 1)),
    ],
)
def test_prompts_of_a_day_are_over_at_eight(zone: str, instant: datetime, end: datetime) -> None:
    assert prompts_end_at(instant, method=PHONE, zone=zone) == end


@pytest.mark.parametrize(
    ("pushes", "last_push", "again"),
    [
        (1, timedelta(0), 4 * HOUR),
        (2, 4 * HOUR, A_DAY),
        (3, A_DAY, 3 * A_DAY),
        # The second came late, in the morning: still on the next day.
        (2, 13 * HOUR, A_DAY),
        # So late that the third would be too soon after it.
        (2, 22 * HOUR, 25 * HOUR),
        (2, 21 * HOUR, 24 * HOUR),
        (2, 21 * HOUR + MOMENT, 24 * HOUR + MOMENT),
        (3, 5 * A_DAY, 5 * A_DAY + 3 * HOUR),
        (4, 3 * A_DAY, None),
    ],
)
def test_asking_again_is_counted_from_the_first_push_and_three_hours_apart(
    pushes: int, last_push: timedelta, again: timedelta | None
) -> None:
    found = next_push_at(first_push=RENEWAL, last_push=RENEWAL + last_push, pushes=pushes)
    assert found == (None if again is None else RENEWAL + again)


@pytest.mark.parametrize(
    ("interval", "grace"),
    [
        (DAY, 12 * HOUR),
        (WEEK, 84 * HOUR),
        (Interval(unit="week", count=2), 7 * A_DAY),
        (MONTH, 7 * A_DAY),
        (YEAR, 7 * A_DAY),
    ],
)
def test_grace_is_seven_days_or_half_a_period(interval: Interval, grace: timedelta) -> None:
    due_period = period(anchor_at(RENEWAL, zone=ZONE, first=1, interval=interval), 1)
    start, end = due_period.start, due_period.end
    assert grace_until(first_push=start, start=start, end=end) == start + grace
    # Counted from when the fan was really asked, and over with the period.
    asked_late = start + HOUR
    assert grace_until(first_push=asked_late, start=start, end=end) == asked_late + grace
    assert grace_until(first_push=end - HOUR, start=start, end=end) == end


# What the clock makes of it.


def scheduled(history: History) -> list[tuple[int, datetime]]:
    return [
        (event.push, event.at) for event in history.events if isinstance(event, DunningScheduled)
    ]


def test_a_fan_who_never_answers_is_asked_four_times_and_then_it_expires() -> None:
    history = due()
    for attempt, at in enumerate((0, 4, 24, 72), 1):
        history.at(RENEWAL + at * HOUR).given(CLOCK, *prompted(attempt_of(2, attempt)))
        history.at(RENEWAL + at * HOUR + LATER).given(declined(attempt_of(2, attempt)))
    assert scheduled(history) == [
        (2, RENEWAL + 4 * HOUR),
        (3, RENEWAL + A_DAY),
        (4, RENEWAL + 3 * A_DAY),
    ]
    until = RENEWAL + 7 * A_DAY
    assert history.at(until - MOMENT).decide(CLOCK).events == []
    history.at(until).given(CLOCK)
    assert isinstance(history.events[-1], SubscriptionExpired)


def test_a_push_at_night_is_postponed_to_eight_and_the_next_is_counted_from_the_first() -> None:
    first = utc(2026, 4, 1, 16, 30)
    history = due().at(first).given(CLOCK, *prompted(SECOND))
    history.at(first + LATER).given(declined(SECOND))
    # Asked at 19:30, so that four hours later it is night.
    morning = utc(2026, 4, 2, 5)
    assert scheduled(history) == [(2, morning)]
    second = attempt_of(2, 2)
    history.at(morning).given(CLOCK, *prompted(second)).at(morning + LATER).given(declined(second))
    assert scheduled(history)[-1] == (3, first + A_DAY)


def test_a_prompt_of_the_evening_is_over_when_the_night_begins() -> None:
    history = due().at(utc(2026, 4, 1, 16, 30)).given(CLOCK)
    assert history.payment(SECOND).expires_at == utc(2026, 4, 1, 17)


def test_what_never_reached_the_fan_is_not_counted() -> None:
    history = due().given(CLOCK)
    at = RENEWAL + HOUR
    history.at(at).given(expire_payment(SECOND))
    assert scheduled(history) == [(1, at + timedelta(minutes=15))]
    subscription = history.subscription(SUBSCRIPTION)
    assert subscription.invoice is not None
    assert (subscription.invoice.pushes, subscription.grace_until) == (0, None)
    assert subscription.is_entitled(at)
    # The first that does is the first.
    again = at + timedelta(minutes=15)
    history.at(again).given(CLOCK, *prompted(attempt_of(2, 2)))
    history.at(again + LATER).given(declined(attempt_of(2, 2)))
    assert history.subscription(SUBSCRIPTION).grace_until == again + 7 * A_DAY
    assert scheduled(history)[-1] == (2, utc(2026, 4, 2, 5))


def test_only_the_first_failure_of_a_period_makes_it_past_due() -> None:
    history = asked().at(RENEWAL + LATER).given(declined(SECOND))
    history.at(RENEWAL + 4 * HOUR).given(CLOCK, *prompted(attempt_of(2, 2)))
    history.given(declined(attempt_of(2, 2)))
    past_due = [event for event in history.events if isinstance(event, SubscriptionPastDue)]
    assert [event.grace_until for event in past_due] == [RENEWAL + 7 * A_DAY]


def daily() -> History:
    """A day for as much as a month else costs, and it is paid."""
    wish = subscribe(FAN, CREATOR, BASIC, PHONE, subscription_id=SUBSCRIPTION, interval=DAY)
    history = offered().given(publish_price(CREATOR, BASIC, MONTHLY, DAY), wish)
    return history.given(*prompted(FIRST), paid(FIRST))


def test_of_a_day_only_half_is_grace_so_that_nobody_is_asked_in_the_next_one() -> None:
    history = daily()
    at = history.now + A_DAY
    history.at(at).given(CLOCK, *prompted(SECOND)).at(at + LATER).given(declined(SECOND))
    second = attempt_of(2, 2)
    history.at(at + 4 * HOUR).given(CLOCK, *prompted(second)).given(declined(second))
    assert scheduled(history) == [(2, at + 4 * HOUR)]
    assert history.subscription(SUBSCRIPTION).grace_until == at + 12 * HOUR
