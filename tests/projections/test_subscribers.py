"""A creator finds every subscription to them, each as it stands, and nobody else's."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from ledger.subscription import SubscriptionState
from projections.aggregates import Aggregates
from projections.cursor import InvalidCursor, encode_cursor
from projections.reader import Reader
from projections.subscribers import (
    EXAMINED_MAX,
    SubscriberPage,
    ends_at,
    renews_at,
    subscribers_page,
)
from tests.databases import superuser
from tests.projections.fans_lives import FansLife
from tests.subscription_builders import (
    advance,
    by_card,
    cancel_subscription,
    pause_subscription,
    subscribe,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from ledger.database.connections import BookLocation
    from tests.projections.fans_lives import Offer


@pytest.fixture
def life(book: BookLocation) -> Iterator[FansLife]:
    """A book in which fans subscribe as the test says."""
    opened = FansLife(book)
    yield opened
    opened.close()


def page_of(
    life: FansLife,
    creator_id: UUID,
    *,
    state: SubscriptionState | None = None,
    tier_id: UUID | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> SubscriberPage | None:
    """A page as a process reads it that has seen nothing yet."""

    async def run() -> SubscriberPage | None:
        async with Reader(life.ledger.book) as reader:
            return await subscribers_page(
                reader,
                Aggregates(reader),
                creator_id,
                state=state,
                tier_id=tier_id,
                cursor=cursor,
                limit=limit,
            )

    return asyncio.run(run())


def pages_of(
    life: FansLife,
    creator_id: UUID,
    *,
    state: SubscriptionState | None = None,
    tier_id: UUID | None = None,
    limit: int = 50,
) -> list[list[UUID]]:
    """The ids on all pages."""
    found: list[list[UUID]] = []
    cursor: str | None = None
    while True:
        page = page_of(life, creator_id, state=state, tier_id=tier_id, cursor=cursor, limit=limit)
        assert page is not None
        found.append([sub.id for sub in page.subscriptions])
        if (cursor := page.next_cursor) is None:
            return found


def crowd(life: FansLife, offer: Offer, count: int) -> list[UUID]:
    """So many new fans who want to subscribe, the first of them first."""
    fans = [uuid4() for _ in range(count)]
    ids = [uuid4() for _ in range(count)]
    outcomes = life.ledger.execute(
        [
            subscribe(fan, *offer, by_card(fan), subscription_id=subscription)
            for fan, subscription in zip(fans, ids, strict=True)
        ]
    )
    assert [outcome.error for outcome in outcomes] == [None] * count
    return ids


def test_a_creator_finds_their_own_and_nobody_elses(life: FansLife) -> None:
    offers = [life.offer(), life.offer()]
    started = [[life.begin(fan, offer) for fan in life.fans] for offer in offers]
    for offer, ids in zip(offers, started, strict=True):
        page = page_of(life, offer.creator_id)
        assert page is not None
        assert [sub.id for sub in page.subscriptions] == ids[::-1]
        assert page.next_cursor is None
        assert page.position > 0


def test_who_has_no_subscriber_finds_none_and_who_is_not_there_is_not_found(
    life: FansLife,
) -> None:
    page = page_of(life, life.offer().creator_id)
    assert page is not None
    assert page.subscriptions == []
    assert page_of(life, uuid4()) is None


def test_each_is_told_as_it_stands(life: FansLife) -> None:
    offer = life.offer(trial_days=7)
    first, second, third = life.fans
    ending = life.join(first, offer)
    paid_until = life.paid_until(ending)
    life.do(cancel_subscription(ending, "period_end"))
    member = life.join(second, offer)
    trial = life.begin(third, offer, trial=True)
    page = page_of(life, offer.creator_id)
    assert page is not None
    assert [(sub.id, sub.state, renews_at(sub), ends_at(sub)) for sub in page.subscriptions] == [
        (trial, SubscriptionState.TRIALING, life.subscription(trial).trial_ends_at, None),
        (member, SubscriptionState.ACTIVE, life.paid_until(member), None),
        (ending, SubscriptionState.ACTIVE, None, paid_until),
    ]


def test_what_has_ended_or_rests_neither_renews_nor_ends_again(life: FansLife) -> None:
    offer = life.offer()
    ended, resting, unpaid = (life.join(fan, offer) for fan in life.fans)
    life.do(cancel_subscription(ended, "period_end"), pause_subscription(resting))
    life.clock.now = life.paid_until(unpaid)
    life.do(advance(ended), advance(unpaid))
    life.decline()
    page = page_of(life, offer.creator_id)
    assert page is not None
    assert [sub.state for sub in page.subscriptions] == ["past_due", "paused", "cancelled"]
    for sub in page.subscriptions:
        assert (renews_at(sub), ends_at(sub)) == (None, None)


def test_pages_lead_through_all_of_them_once_while_others_subscribe(life: FansLife) -> None:
    offer = life.offer()
    ids = crowd(life, offer, 23)
    found: list[UUID] = []
    cursor: str | None = None
    for _ in range(10):
        page = page_of(life, offer.creator_id, cursor=cursor, limit=5)
        assert page is not None
        found += [sub.id for sub in page.subscriptions]
        crowd(life, offer, 2)
        if (cursor := page.next_cursor) is None:
            break
    assert found == ids[::-1]


def test_a_page_of_exactly_all_is_the_last(life: FansLife) -> None:
    offer = life.offer()
    ids = crowd(life, offer, 4)
    assert pages_of(life, offer.creator_id, limit=4) == [ids[::-1]]
    assert pages_of(life, offer.creator_id, limit=3) == [ids[:0:-1], ids[:1]]


def test_they_are_found_by_state_and_tier(life: FansLife) -> None:
    lower = life.offer()
    higher = life.offer(lower.creator_id)
    first, second, third = life.fans
    member = life.join(first, lower)
    waiting = life.begin(second, lower)
    upper = life.join(third, higher)

    def found(state: SubscriptionState | None = None, tier: UUID | None = None) -> list[list[UUID]]:
        return pages_of(life, lower.creator_id, state=state, tier_id=tier)

    assert found(SubscriptionState.ACTIVE) == [[upper, member]]
    assert found(SubscriptionState.INCOMPLETE) == [[waiting]]
    assert found(tier=lower.tier_id) == [[waiting, member]]
    assert found(SubscriptionState.ACTIVE, lower.tier_id) == [[member]]
    assert found(SubscriptionState.PAUSED) == [[]]
    assert found(tier=uuid4()) == [[]]
    life.do(cancel_subscription(member))
    assert found(SubscriptionState.ACTIVE) == [[upper]]


def test_what_a_filtered_page_reads_is_bounded_and_its_cursor_leads_on(life: FansLife) -> None:
    offer = life.offer()
    member = life.join(life.fans[0], offer)
    crowd(life, offer, EXAMINED_MAX + 10)
    pages = pages_of(life, offer.creator_id, state=SubscriptionState.ACTIVE)
    assert pages == [[], [member]]


def test_a_page_is_never_larger_than_the_largest(life: FansLife) -> None:
    offer = life.offer()
    ids = crowd(life, offer, 203)
    assert pages_of(life, offer.creator_id, limit=10**9) == [ids[:2:-1], ids[2::-1]]
    assert [len(page) for page in pages_of(life, offer.creator_id, limit=0)[:3]] == [1, 1, 1]


def test_a_cursor_of_another_list_is_refused(life: FansLife) -> None:
    offer = life.offer()
    for cursor in ("", "zqzq", encode_cursor("payouts", 5), encode_cursor("subscribers", "5")):
        with pytest.raises(InvalidCursor):
            page_of(life, offer.creator_id, cursor=cursor)


def test_subscriptions_that_can_not_be_read_are_not_left_out_silently(life: FansLife) -> None:
    offer = life.offer()
    subscription = life.begin(life.fans[0], offer)
    life.pass_by(timedelta(days=1))
    with superuser(life.ledger.book.database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE ledger_events SET state = '{}' WHERE originator_id = %s", [subscription]
        )
    with pytest.raises(ValueError, match="validation error"):
        page_of(life, offer.creator_id)
