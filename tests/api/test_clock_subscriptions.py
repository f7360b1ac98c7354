"""Subscriptions renew, are asked for, end and expire by the clock, when it is time and once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ledger.events import RenewalReminded
from ledger.subscription import SubscriptionState
from tests.api.clock_scenes import GROSS
from tests.api.subscription_scenes import DUE_NEVER, LOCAL, Subscribers, days, hours
from tests.databases import value
from tests.invariants import assert_book_is_sound
from tests.subscription_builders import (
    DAY,
    cancel_subscription,
    change_tier,
    create_tier,
    migrate_price,
    pause_subscription,
    prepay,
    publish_price,
    publish_tier,
    revoke_cancellation,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database.connections import BookLocation


@pytest.fixture
def scene(book: BookLocation) -> Iterator[Subscribers]:
    with Subscribers(book) as opened:
        yield opened
        assert_book_is_sound(book.database)


def march(scene: Subscribers, day: int, hour: int = 12) -> datetime:
    """An hour of March of the scene's year, in Nairobi."""
    return datetime(scene.time.now.year, 3, day, hour, tzinfo=LOCAL)


def april(scene: Subscribers, day: int, hour: int = 12) -> datetime:
    return march(scene, day, hour).replace(month=4)


# Renewals.


def test_a_month_s_life_reminded_twice_renewed_asked_and_paid(scene: Subscribers) -> None:
    subscription = scene.member(scene.offer())
    begun = len(scene.topics(subscription))
    assert scene.come(subscription) == march(scene, 29)
    assert scene.come(subscription) == march(scene, 31)
    assert scene.new_topics(subscription, begun) == ["renewal_reminded"] * 2
    assert scene.come(subscription) == april(scene, 1)
    assert scene.new_topics(subscription, begun + 2) == ["renewal_invoiced", "invoice_attempted"]
    # While the prompt is under way, nothing is due before the period is over.
    assert scene.due_at(subscription) == april(scene, 1).replace(month=5)
    scene.pay(subscription)
    assert scene.due_at(subscription) == april(scene, 28)
    renewed = scene.state_of(subscription)
    assert renewed.paid_until == april(scene, 1).replace(month=5)
    assert renewed.state is SubscriptionState.ACTIVE


def test_nothing_happens_a_moment_too_early(scene: Subscribers) -> None:
    subscription = scene.member(scene.offer())
    scene.until(march(scene, 31, 13), subscription)
    before = scene.topics(subscription)
    scene.at(april(scene, 1) - timedelta(microseconds=1))
    assert scene.tick() == 0
    assert scene.topics(subscription) == before


@pytest.mark.parametrize("hour", [2, 12, 23])
def test_who_pays_by_the_day_is_not_reminded_also_where_days_begin_at_night(
    scene: Subscribers, hour: int
) -> None:
    scene.at(march(scene, 2, hour))
    subscription = scene.member(scene.offer(DAY))
    scene.until(march(scene, 3, max(hour, 13)), subscription)
    assert "renewal_reminded" not in scene.new_topics(subscription, 0)


def test_a_phone_is_asked_from_eight_and_a_card_at_any_hour(scene: Subscribers) -> None:
    scene.at(march(scene, 2, 2))
    offer = scene.offer()
    phone, card = scene.member(offer), scene.member(offer, card=True)
    scene.until(april(scene, 2, 2), phone, card)
    assert scene.asked(card) is not None
    assert scene.asked(phone) is None
    scene.pay(card)
    assert scene.come(phone) == april(scene, 2, 8)
    assert scene.asked(phone) is not None


def test_credit_pays_renewals_without_anybody_being_asked(scene: Subscribers) -> None:
    subscription = scene.member(scene.offer())
    scene.do(prepay(subscription, 2))
    scene.pay(subscription)
    # What was paid in advance is credit, and then the fan thinks better of it.
    scene.do(cancel_subscription(subscription, "period_end"), revoke_cancellation(subscription))
    for month in (4, 5):
        scene.until(march(scene, 1).replace(month=month), subscription)
        assert scene.asked(subscription) is None
        assert scene.new_topics(subscription, -1) == ["period_paid"]
    scene.until(march(scene, 1).replace(month=6), subscription)
    assert scene.asked(subscription) is not None


# Dunning.


def test_whoever_does_not_pay_is_asked_four_times_and_then_it_expires(scene: Subscribers) -> None:
    subscription = scene.member(scene.offer())
    scene.until(april(scene, 1), subscription)
    first = scene.time.now
    pushes = [first]
    scene.decline(subscription)
    for _ in range(3):
        scene.come(subscription)
        pushes.append(scene.time.now)
        scene.decline(subscription)
    assert [push - first for push in pushes] == [hours(0), hours(4), days(1), days(3)]
    state = scene.state_of(subscription)
    assert state.state is SubscriptionState.PAST_DUE
    assert state.is_entitled(scene.time.now)
    assert scene.come(subscription) == april(scene, 8)
    assert scene.new_topics(subscription, -2) == ["invoice_voided", "expired"]
    assert scene.due_at(subscription) == DUE_NEVER
    scene.after(days=400)
    assert scene.tick() == 0


def test_whoever_pays_within_grace_keeps_the_anchor(scene: Subscribers) -> None:
    subscription = scene.member(scene.offer())
    scene.until(april(scene, 1), subscription)
    scene.decline(subscription)
    scene.until(april(scene, 2), subscription)
    scene.pay(subscription)
    recovered = scene.state_of(subscription)
    assert recovered.state is SubscriptionState.ACTIVE
    assert recovered.paid_until == april(scene, 1).replace(month=5)
    assert scene.due_at(subscription) == april(scene, 28)


def test_whoever_was_not_reached_is_asked_again_and_owes_nothing_meanwhile(
    scene: Subscribers,
) -> None:
    subscription = scene.member(scene.offer())
    scene.until(april(scene, 1), subscription)
    for _ in range(5):
        scene.not_pushed(subscription)
        expired_at = scene.time.now
        scene.come(subscription)
        assert scene.time.now - expired_at == hours(0.25)
    assert scene.state_of(subscription).state is SubscriptionState.ACTIVE


def test_nobody_is_asked_in_the_evening_for_what_failed_in_the_afternoon(
    scene: Subscribers,
) -> None:
    scene.at(march(scene, 1, 18))
    subscription = scene.member(scene.offer())
    scene.until(april(scene, 1, 18), subscription)
    scene.decline(subscription)
    assert scene.come(subscription) == april(scene, 2, 8)


# Beginnings and ends.


def test_what_nobody_completes_expires_after_a_day(scene: Subscribers) -> None:
    subscription = scene.begin(scene.offer())
    begun = scene.time.now
    scene.decline(subscription)
    scene.come(subscription)
    assert scene.time.now == begun + days(1)
    ended = scene.state_of(subscription)
    assert (ended.state, ended.reason) == (SubscriptionState.EXPIRED, "never_completed")
    assert scene.due_at(subscription) == DUE_NEVER


def test_a_trial_that_is_paid_goes_on_and_one_that_is_not_expires(scene: Subscribers) -> None:
    offer = scene.offer(trial_days=10)
    going, ending = (scene.begin(offer, trial=True) for _ in range(2))
    scene.until(march(scene, 10), going, ending)
    for subscription in (going, ending):
        assert scene.new_topics(subscription, 2) == ["renewal_reminded"] * 2
    scene.until(march(scene, 11), going, ending)
    assert not scene.state_of(going).is_entitled(scene.time.now)
    scene.pay(going)
    assert scene.state_of(going).state is SubscriptionState.ACTIVE
    scene.decline(ending)
    assert scene.state_of(ending).state is SubscriptionState.PAST_DUE
    scene.until(march(scene, 17), ending)
    assert not scene.state_of(ending).ended
    assert scene.come(ending) == march(scene, 18)
    assert scene.state_of(ending).state is SubscriptionState.EXPIRED


@pytest.mark.parametrize("wish", ["cancel", "pause"])
def test_what_is_to_end_with_its_period_is_not_renewed(scene: Subscribers, wish: str) -> None:
    subscription = scene.member(scene.offer())
    command = cancel_subscription if wish == "cancel" else pause_subscription
    scene.do(command(subscription, "period_end"))
    assert scene.due_at(subscription) == april(scene, 1)
    scene.come(subscription)
    wanted = {"cancel": SubscriptionState.CANCELLED, "pause": SubscriptionState.PAUSED}[wish]
    assert scene.state_of(subscription).state is wanted
    assert scene.due_at(subscription) == DUE_NEVER


def test_an_upgrade_that_nobody_pays_is_void_when_its_quote_is_over(scene: Subscribers) -> None:
    offer, higher = scene.offer(), scene.offer().tier_id
    scene.do(
        create_tier(offer.creator_id, higher),
        publish_price(offer.creator_id, higher, 2 * GROSS),
        publish_tier(offer.creator_id, higher),
    )
    subscription = scene.member(offer)
    scene.do(change_tier(subscription, higher, GROSS, scene.time.now))
    asked_at = scene.time.now
    scene.come(subscription)
    assert scene.time.now - asked_at == hours(0.25)
    assert scene.state_of(subscription).order is None
    assert scene.due_at(subscription) == march(scene, 29)


# Prices.


def test_a_price_that_changes_is_told_at_once_and_holds_after_the_notice(
    scene: Subscribers,
) -> None:
    offer = scene.offer()
    subscription = scene.member(offer)
    scene.do(
        publish_price(offer.creator_id, offer.tier_id, 2 * GROSS),
        migrate_price(offer.creator_id, offer.tier_id, scene.time.now),
    )
    assert scene.due_at(subscription) == scene.time.now
    assert scene.tick() == 1
    assert scene.new_topics(subscription, -1) == ["price_migration_noticed"]
    assert scene.due_at(subscription) == march(scene, 29)
    scene.until(april(scene, 1), subscription)
    assert scene.live_payment(subscription).money.amount == 2 * GROSS
    # The reminders said so too.
    events: Any = scene.ledger.events.get(subscription)
    reminders = [event for event in events if isinstance(event, RenewalReminded)]
    assert [each.money.amount for each in reminders] == [2 * GROSS] * 2


def test_the_price_of_another_tier_wakes_in_vain_and_moves_nothing(scene: Subscribers) -> None:
    offer, other = scene.offer(), scene.offer().tier_id
    scene.do(
        create_tier(offer.creator_id, other),
        publish_price(offer.creator_id, other, GROSS),
        publish_price(offer.creator_id, other, 2 * GROSS),
    )
    living, ended = scene.member(offer), scene.member(offer)
    scene.do(pause_subscription(ended))
    scene.do(migrate_price(offer.creator_id, other, scene.time.now))
    before = value(scene.book.database, "SELECT count(*) FROM ledger_events")
    assert scene.due_at(living) == scene.time.now
    assert scene.tick() == 0
    assert scene.due_at(living) == march(scene, 29)
    assert scene.due_at(ended) == DUE_NEVER
    assert value(scene.book.database, "SELECT count(*) FROM ledger_events") == before


def test_what_is_due_at_the_same_time_as_what_was_done_before_does_not_rest(
    scene: Subscribers,
) -> None:
    offer = scene.offer()
    subscription = scene.member(offer)
    for target in (2, 3):
        scene.do(
            publish_price(offer.creator_id, offer.tier_id, target * GROSS),
            migrate_price(offer.creator_id, offer.tier_id, scene.time.now, target=target),
        )
        assert scene.tick() == 1
    assert scene.new_topics(subscription, -2) == ["price_migration_noticed"] * 2


def test_whoever_is_woken_while_nothing_was_found_is_looked_at_again(scene: Subscribers) -> None:
    offer = scene.offer()
    subscription = scene.member(offer)
    scene.do(publish_price(offer.creator_id, offer.tier_id, 2 * GROSS))
    scene.keeper.follow()
    board = scene.keeper.board
    stale = board.due(1, now=scene.due_at(subscription))
    scene.after(hours=1)
    scene.do(migrate_price(offer.creator_id, offer.tier_id, scene.time.now))
    scene.keeper.follow()
    # As a clock does that had asked before the price was known.
    assert board.look_again(stale) != []
    assert scene.due_at(subscription) == scene.time.now
    assert scene.tick() == 1


def test_a_daily_subscription_is_told_of_a_price_though_it_was_being_paid(
    scene: Subscribers,
) -> None:
    offer = scene.offer(DAY)
    subscription = scene.member(offer)
    scene.until(march(scene, 2), subscription)
    # Its renewal is open, so that nothing can be told just now.
    scene.do(
        publish_price(offer.creator_id, offer.tier_id, 2 * GROSS, DAY),
        migrate_price(offer.creator_id, offer.tier_id, scene.time.now, notice_seconds=0),
    )
    assert scene.tick() == 0
    scene.pay(subscription)
    scene.until(march(scene, 3), subscription)
    assert "price_migration_noticed" in scene.new_topics(subscription, 0)
    scene.pay(subscription)
    scene.until(march(scene, 4), subscription)
    assert scene.live_payment(subscription).money.amount == 2 * GROSS
