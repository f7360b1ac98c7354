"""Outages, several clocks, many subscriptions, many years: each period once, and none for ever."""

from __future__ import annotations

import asyncio
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID, uuid4, uuid5

import pytest

from api import log_follower
from api.clock_subscriptions import SubscriptionStates
from ledger.events import PeriodPaid, PeriodSkipped, RenewalInvoiced
from ledger.invoices import invoice_id
from tests.api.clock_scenes import DUE, GROSS
from tests.api.subscription_scenes import LOCAL, Subscribers, days
from tests.builders import report_success
from tests.databases import rows, superuser
from tests.invariants import assert_book_is_sound
from tests.money_builders import release_funds
from tests.subscription_builders import DAY, MONTH, by_card, migrate_price, publish_price, subscribe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.billing_periods import Interval
    from ledger.database.connections import BookLocation

IS_THERE: Final = "SELECT FROM ledger_events WHERE originator_id = %s"
DUE_AT: Final = "SELECT due_at FROM clock_due WHERE subject_id = %s AND kind = 'subscription'"
MANY: Final = 1_200
FORGET: Final = (
    "DELETE FROM clock_due; DELETE FROM ledger_tracking WHERE application_name = 'clock'"
)


@pytest.fixture
def scene(book: BookLocation) -> Iterator[Subscribers]:
    with Subscribers(book) as opened:
        yield opened
        assert_book_is_sound(book.database)


Told = TypeVar("Told", PeriodPaid, PeriodSkipped, RenewalInvoiced)


def told(scene: Subscribers, subscription: UUID, kind: type[Told]) -> list[Told]:
    """The events of a kind on its stream, in order."""
    found: Any = scene.ledger.events.get(subscription)
    return [event for event in found if isinstance(event, kind)]


def numbers(scene: Subscribers, subscription: UUID, kind: type[Told]) -> list[int]:
    """The periods of which this is told, in order."""
    return [event.number for event in told(scene, subscription, kind)]


# Outages.


def test_after_three_weeks_without_a_clock_lost_days_are_free_and_this_one_is_asked_for(
    scene: Subscribers,
) -> None:
    subscription = scene.member(scene.offer(DAY))
    scene.after(days=21, hours=1)
    scene.tick(scene.keeper, scene.another())
    # The first was paid and is over; twenty were lost; the last is still going on.
    assert numbers(scene, subscription, PeriodSkipped) == list(range(2, 22))
    assert numbers(scene, subscription, RenewalInvoiced) == [22]
    scene.pay(subscription)
    assert numbers(scene, subscription, PeriodPaid) == [1, 22]


def test_after_three_weeks_without_a_clock_a_month_is_asked_for_with_all_its_grace(
    scene: Subscribers,
) -> None:
    subscription = scene.member(scene.offer())
    scene.until(datetime(scene.time.now.year, 3, 31, 13, tzinfo=LOCAL), subscription)
    scene.after(days=21)
    back = scene.time.now
    assert scene.tick() == 1
    assert numbers(scene, subscription, RenewalInvoiced) == [2]
    assert scene.state_of(subscription).is_entitled(back)
    scene.decline(subscription)
    assert scene.state_of(subscription).grace_until == back + days(7)


def test_a_month_that_nobody_was_asked_for_before_it_was_over_is_void(scene: Subscribers) -> None:
    subscription = scene.member(scene.offer())
    scene.until(datetime(scene.time.now.year, 4, 1, 12, tzinfo=LOCAL), subscription)
    scene.not_pushed(subscription)
    # No prompt reaches anybody for a month, though the clock runs.
    while numbers(scene, subscription, RenewalInvoiced) == [2]:
        scene.after(days=1)
        scene.tick()
        if scene.asked(subscription) is not None:
            scene.not_pushed(subscription)
    assert scene.state_of(subscription).next_number == 3
    assert numbers(scene, subscription, RenewalInvoiced) == [2, 3]
    assert "subscription.past_due.v1" not in scene.topics(subscription)


def test_years_without_a_clock_are_made_up_in_some_rounds(scene: Subscribers) -> None:
    subscription = scene.begin(scene.offer(DAY))
    paid = scene.live_payment(subscription)
    scene.pay(subscription)
    scene.after(days=1_000)
    scene.do(release_funds(paid.id))
    # Also at one and the same time: each round finds the next two hundred steps.
    assert [scene.tick() for _ in range(7)] == [1] * 6 + [0]
    assert numbers(scene, subscription, PeriodSkipped) == list(range(2, 1_001))
    assert numbers(scene, subscription, RenewalInvoiced) == [1_001]


# Several clocks.


def test_clocks_that_act_at_once_invoice_and_ask_once(scene: Subscribers) -> None:
    offer = scene.offer(DAY)
    members = [scene.member(offer) for _ in range(20)]
    keepers = [scene.keeper, *(scene.another() for _ in range(2))]
    for day in range(1, 6):
        scene.after(days=1)
        scene.tick(*keepers)
        for subscription in members:
            assert numbers(scene, subscription, RenewalInvoiced) == list(range(2, day + 2))
            scene.pay(subscription)


def test_a_clock_that_is_late_with_what_it_has_read_does_nothing_again(scene: Subscribers) -> None:
    subscription = scene.member(scene.offer(DAY))
    scene.after(days=1)
    late = scene.another()
    scene.keeper.follow()
    read = late.board.due(10, now=scene.time.now)
    assert scene.tick() == 1
    scene.pay(subscription)
    before = scene.topics(subscription)
    late.board.due = lambda *_, after=None, **__: [] if after else read  # type: ignore[method-assign]
    assert scene.tick(late) == 0
    assert scene.topics(subscription) == before
    assert scene.due_at(subscription) == scene.time.now + days(1)


# The table.


def lives(scene: Subscribers) -> None:
    """Subscriptions in every state, some of them woken."""
    offer, daily = scene.offer(trial_days=10), scene.offer(DAY)
    members = [scene.member(offer), scene.member(daily), scene.member(daily, card=True)]
    members += [scene.begin(offer), scene.begin(offer, trial=True), scene.begin(daily)]
    scene.after(days=1, hours=1)
    scene.tick()
    scene.pay(members[1])
    scene.decline(members[2])
    scene.do(
        publish_price(offer.creator_id, offer.tier_id, 2 * GROSS),
        migrate_price(offer.creator_id, offer.tier_id, scene.time.now),
    )


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_however_the_log_is_cut_the_table_is_the_same(
    scene: Subscribers, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives(scene)
    scene.keeper.follow()
    whole = rows(scene.book.database, DUE)
    assert len(whole) > 5
    with superuser(scene.book.database) as connection:
        connection.execute(FORGET)
    monkeypatch.setattr(log_follower, "BATCH", size)
    keeper = scene.another()
    keeper.follow()
    assert rows(scene.book.database, DUE) == whole


def test_without_memory_the_table_is_the_same(
    scene: Subscribers, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives(scene)
    scene.keeper.follow()
    whole = rows(scene.book.database, DUE)
    with superuser(scene.book.database) as connection:
        connection.execute(FORGET)
    monkeypatch.setattr(log_follower, "BATCH", 3)
    keeper = scene.another()
    more = True
    while more:
        keeper.board._states = SubscriptionStates()
        more = bool(keeper.board.follow())
    assert rows(scene.book.database, DUE) == whole


def test_a_subscription_that_cannot_be_read_stops_no_other(scene: Subscribers) -> None:
    offer = scene.offer(DAY)
    bad, good = scene.member(offer), scene.member(offer)
    scene.keeper.follow()
    with superuser(scene.book.database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE ledger_events SET topic = 'subscription.unheard_of.v9' "
            "WHERE originator_id = %s AND originator_version = 1",
            (bad,),
        )
        scene.after(days=1)
        keeper = scene.another()
        assert scene.tick(keeper) == 1
        assert numbers(scene, good, RenewalInvoiced) == [2]
        assert scene.tick(keeper) == 0
        connection.execute(
            "UPDATE ledger_events SET topic = 'subscription.started.v1' "
            "WHERE originator_id = %s AND originator_version = 1",
            (bad,),
        )
    assert scene.tick(scene.another()) == 1
    assert numbers(scene, bad, RenewalInvoiced) == [2]


# Many, and long.


def test_a_thousand_that_are_due_at_once_are_all_asked_in_one_pass(scene: Subscribers) -> None:
    offer = scene.offer(DAY)
    members = [uuid4() for _ in range(MANY)]
    begun = scene.ledger.execute(
        [
            subscribe(
                uuid4(),
                offer.creator_id,
                offer.tier_id,
                by_card(uuid4()),
                subscription_id=each,
                interval=DAY,
            )
            for each in members
        ]
    )
    payments = [
        event.originator_id
        for outcome in begun
        for event in outcome.events
        if event.TOPIC == "payment.invoice_initiated.v1"
    ]
    scene.ledger.execute([report_success(payment) for payment in payments])
    scene.after(days=1)
    assert scene.tick() == MANY
    assert scene.tick() == 0
    assert all(due_at > scene.time.now for _, _, _, due_at in scene.due("subscription").values())


@pytest.mark.parametrize(
    ("interval", "years"),
    [(MONTH, 10), (DAY, 1), pytest.param(DAY, 10, marks=pytest.mark.slow)],
    ids=["monthly", "daily", "daily-and-long"],
)
def test_years_pass_and_every_period_is_paid_once(
    scene: Subscribers, interval: Interval, years: int
) -> None:
    subscription = scene.member(scene.offer(interval))
    begun = scene.time.now.astimezone(LOCAL)
    end = begun.replace(year=begun.year + years)
    number = 1
    with superuser(scene.book.database) as connection:
        while scene.time.now < end:
            number += 1
            # The payment by which the period is asked for has an id that is known beforehand.
            payment = uuid5(invoice_id(subscription, number), "1")
            while connection.execute(IS_THERE, (payment,)).fetchone() is None:
                scene.keeper.follow()
                due_at = connection.execute(DUE_AT, (subscription,)).fetchone()
                assert due_at is not None
                scene.at(due_at[0])
                asyncio.run(scene.keeper.tick())
            scene.do(report_success(payment, GROSS))
    paid = told(scene, subscription, PeriodPaid)
    periods = 12 * years if interval == MONTH else (end - begun).days
    assert [each.number for each in paid] == list(range(1, periods + 2))
    assert (paid[0].start, paid[-1].start) == (begun, end)
    assert all(before.end == after.start for before, after in pairwise(paid))
