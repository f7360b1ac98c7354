"""What holds of every subscription, whatever fans wish and however late the clock is.

Here without a database; the laws are in tests/ledger/subscriptions/laws.py. On the real one, with
clocks that race: test_subscription_simulation.py.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.accounts import FanFunds, fan_funds
from ledger.billing_periods import Interval
from ledger.errors import SubmissionNotAllowed
from ledger.events import PeriodPaid, PeriodSkipped
from ledger.payment import Payment, PaymentState
from ledger.renewals import due_at
from ledger.subscription import Subscription, SubscriptionState
from tests.builders import start_submission
from tests.ledger.scenes import CREATOR, FAN
from tests.ledger.subscription_scenes import (
    BASIC,
    CANCEL,
    CANCEL_LATER,
    CARD,
    CLOCK,
    MONTHLY,
    PHONE,
    PREPAYMENT,
    RENEWAL,
    SUBSCRIPTION,
    SUBSCRIPTION_STATES,
    active,
    attempt_of,
    given_goodwill,
    offered,
    paid,
    prepaid,
    prompted,
)
from tests.ledger.subscriptions.campaign import Findings, weigh
from tests.ledger.subscriptions.fans import ZONES
from tests.ledger.subscriptions.memory import Memory, watched
from tests.ledger.subscriptions.naive import READINGS
from tests.ledger.subscriptions.world import Clock, World
from tests.subscription_builders import (
    DAY,
    pay_invoice,
    prepay,
    publish_price,
    revoke_cancellation,
    subscribe,
)

if TYPE_CHECKING:
    from tests.ledger.given import History
    from tests.ledger.subscriptions.laws import Law

CAIRO: Final = ZoneInfo("Africa/Cairo")


SEEDS_MAX: Final = 30
"""So many small worlds at most show what is wrong with a naive reading."""


def subscription(history: History) -> Subscription:
    """The scenes' subscription as it stands."""
    found = history.aggregates[SUBSCRIPTION]
    assert isinstance(found, Subscription)
    return found


def test_a_reminder_whose_day_is_over_does_not_wake_the_clock_for_ever() -> None:
    history = active().at(RENEWAL - timedelta(hours=12)).given(CLOCK)
    assert due_at(subscription(history)) == RENEWAL


def test_a_prepayment_that_ends_on_the_day_when_clocks_go_forward_keeps_its_hour() -> None:
    # Cairo's clocks go from 00:00 to 01:00 on Friday 24 April 2026.
    midnight = datetime(2026, 4, 23, tzinfo=CAIRO)
    history = offered().given(publish_price(CREATOR, BASIC, MONTHLY, DAY))
    history.at(midnight).given(
        subscribe(
            FAN,
            CREATOR,
            BASIC,
            PHONE,
            subscription_id=SUBSCRIPTION,
            interval=DAY,
            zone=str(CAIRO),
        ),
        *prompted(attempt_of(1)),
        paid(attempt_of(1)),
        prepay(SUBSCRIPTION, 3, prepayment_id=PREPAYMENT),
    )
    order = subscription(history).order
    assert order is not None
    assert order.live is not None
    history.given(paid(order.live.payment_id, 3 * MONTHLY), CANCEL_LATER)
    assert not watched(history.events).violations


def test_after_a_prepayment_ended_the_next_period_can_be_paid_early() -> None:
    history = prepaid().given(CANCEL_LATER, revoke_cancellation(SUBSCRIPTION))
    number = subscription(history).next_number
    history.given(pay_invoice(SUBSCRIPTION, number), paid(attempt_of(number)))
    assert [each.number for each in subscription(history).periods] == [1, number]
    assert watched(history.events).violations == []


gaps = st.tuples(st.timedeltas(timedelta(minutes=1), timedelta(days=120)), st.integers(1, 3))


@given(
    begins=st.datetimes(
        min_value=datetime(2026, 3, 2),  # noqa: DTZ001 - hypothesis adds the zone
        max_value=datetime(2030, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    zone=st.sampled_from(ZONES),
    interval=st.builds(
        Interval, unit=st.sampled_from(["day", "week", "month", "year"]), count=st.integers(1, 5)
    ),
    looks=st.lists(gaps, max_size=12),
)
def test_however_seldom_and_often_the_clock_looks_each_period_is_paid_or_skipped_once(
    begins: datetime, zone: str, interval: Interval, looks: list[tuple[timedelta, int]]
) -> None:
    history = given_goodwill(offered(), 10**12).at(begins)
    history.given(
        publish_price(CREATOR, BASIC, MONTHLY, interval),
        subscribe(
            FAN, CREATOR, BASIC, CARD, subscription_id=SUBSCRIPTION, interval=interval, zone=zone
        ),
    )
    for gap, times in looks:
        history.at(history.now + gap).given(CLOCK)
        known = len(history.events)
        history.given(*[CLOCK] * times)
        assert len(history.events) == known
        paid_until = subscription(history).paid_until
        assert paid_until is not None
        assert history.now < paid_until
    numbers = [
        event.number for event in history.events if isinstance(event, PeriodPaid | PeriodSkipped)
    ]
    assert numbers == list(range(1, subscription(history).next_number))
    assert watched(history.events).violations == []


CANCELLABLE: Final = {
    name: scene
    for name, scene in SUBSCRIPTION_STATES.items()
    if name not in {"none", "cancelled", "cancelled, prompted", "expired"}
}


@pytest.mark.parametrize("state", list(CANCELLABLE))
def test_after_a_cancellation_nothing_goes_out_and_late_money_is_the_fans(state: str) -> None:
    history = CANCELLABLE[state]().given(CANCEL)
    assert subscription(history).state is SubscriptionState.CANCELLED
    assert due_at(subscription(history)) is None
    payments = [each for each in history.aggregates.values() if isinstance(each, Payment)]
    for payment in payments:
        if payment.invoice is None or payment.state is PaymentState.SUCCEEDED:
            continue
        with pytest.raises(SubmissionNotAllowed):
            history.decide(start_submission(payment.id))
        before = credit(history)
        history.given(paid(payment.id, payment.money.amount))
        assert credit(history) == before + payment.money.amount
    assert watched(history.events).violations == []


def credit(history: History) -> int:
    """What the fan has as credit, in minor units."""
    return -history.balances().get((fan_funds(FAN, FanFunds.CREDIT), "KES"), 0)


def lived(seed: int, *, fans: int = 4, days: int = 200) -> Findings:
    """What a world finds that lives in memory."""
    clock = Clock()
    memory = Memory(clock)
    world = World(seed, memory, clock, fans)
    world.run(days)
    return weigh(world, watched(memory.history.events))


@given(seed=st.integers(0, 2**63))
@settings(max_examples=40)
def test_in_a_small_world_that_nobody_has_seen_before_the_laws_hold(seed: int) -> None:
    assert lived(seed).violations == []


def test_a_seed_tells_the_same_story_twice() -> None:
    assert lived(7) == lived(7) != lived(8)


# What the laws notice.


@pytest.mark.parametrize("name", list(READINGS))
def test_a_naive_reading_breaks_the_law_that_it_forgets(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = READINGS[name]
    for place, attribute, instead in reading.instead:
        monkeypatch.setattr(place, attribute, instead)
    broken: set[Law] = set()
    for seed in range(SEEDS_MAX):
        broken |= {violation.law for _, violation in lived(seed, fans=8, days=400).violations}
        if reading.laws <= broken:
            return
    pytest.fail(f"{SEEDS_MAX} worlds broke only {broken}")
