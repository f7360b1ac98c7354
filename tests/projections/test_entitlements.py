"""Who may see what, at every instant: by facts that were known then, and by time between them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from ledger.book_time import GivenTime
from ledger.commands import Claim
from ledger.subscription import SubscriptionState
from projections.aggregates import SIZE_MAX, Aggregates
from projections.entitlements import Entitlement, Entitlements, EntitlementsRead
from tests.builders import report_without_money, start_submission
from tests.databases import superuser
from tests.projections.conftest import CountingReader
from tests.projections.fans_lives import Access, FansLife, NaiveAccess, Offer
from tests.subscription_builders import (
    advance,
    cancel_subscription,
    pause_subscription,
    pay_invoice,
    resume_subscription,
    revoke_cancellation,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import LiteralString
    from uuid import UUID

    from ledger.database.connections import BookLocation

SOON = timedelta(microseconds=1)


@pytest.fixture
def life(book: BookLocation) -> Iterator[FansLife]:
    """A book in which fans subscribe as the test says."""
    opened = FansLife(book)
    yield opened
    opened.close()


def asked(
    life: FansLife,
    question: Callable[[Entitlements, CountingReader], Awaitable[Any]],
    *,
    size_max: int = SIZE_MAX,
    reader_of: type[CountingReader] = CountingReader,
) -> Any:  # noqa: ANN401 - whatever it answers
    """What a process answers that has seen nothing of the book yet, at the life's time."""

    async def run() -> Any:  # noqa: ANN401 - the same
        async with reader_of(life.ledger.book) as reader:
            aggregates = Aggregates(reader, size_max=size_max)
            return await question(Entitlements(reader, aggregates, GivenTime(life.clock)), reader)

    return asyncio.run(run())


def access(life: FansLife, fan: UUID, creator: UUID, at: datetime | None = None) -> Entitlement:
    """A fan's access to a creator to whom they have subscribed."""
    read: EntitlementsRead = asked(life, _to_creator(fan, creator, at))
    assert read.at == (at or life.now)
    [item] = read.items
    assert item.creator_id == creator
    return item


def _to_creator(
    fan: UUID, creator: UUID, at: datetime | None
) -> Callable[[Entitlements, CountingReader], Awaitable[EntitlementsRead]]:
    return lambda entitlements, _: entitlements.to_creator(fan, creator, at=at)


def may(life: FansLife, fan: UUID, creator: UUID, at: datetime | None = None) -> bool:
    """Whether a fan has access."""
    return access(life, fan, creator, at).entitled


def told(read: EntitlementsRead) -> dict[UUID, Access]:
    """What is compared with the naive answer."""
    return {
        item.creator_id: Access(item.subscription_id, item.tier_id, item.entitled)
        for item in read.items
    }


@pytest.mark.parametrize("seed", range(6))
def test_at_every_instant_access_is_what_anybody_finds_who_reads_the_log(
    book: BookLocation, seed: int
) -> None:
    """Of the past, whatever is asked; and of the present, each time that something has happened."""
    life = FansLife(book, seed)
    try:
        offers = [life.offer(trial_days=7), life.offer()]
        offers.append(life.offer(offers[0].creator_id))
        asked(life, lambda entitlements, _: _live_and_compare(life, offers, entitlements))
    finally:
        life.close()


async def _live_and_compare(
    life: FansLife, offers: list[Offer], entitlements: Entitlements
) -> None:
    for _ in range(25):
        life.live(offers, 6)
        naive = NaiveAccess(life.ledger.book.database)
        for fan in life.fans:
            read = await entitlements.of_fan(fan)
            assert read.at == life.now
            assert told(read) == naive.of_fan(fan, life.now)
            for item in read.items:
                assert item.until is None or (item.entitled and life.now < item.until)
    naive = NaiveAccess(life.ledger.book.database)
    instants = [instant for instant in naive.instants() if instant < life.now]
    seen = {True: 0, False: 0}
    for fan in life.fans:
        past = await asyncio.gather(*(entitlements.of_fan(fan, instant) for instant in instants))
        for instant, read in zip(instants, past, strict=True):
            assert told(read) == naive.of_fan(fan, instant), instant
            for item in read.items:
                seen[item.entitled] += 1
    assert min(seen.values()) > 20, "there was something to see, and something not to"


def test_who_never_subscribed_has_no_access(life: FansLife) -> None:
    offer = life.offer()
    life.join(life.fans[0], offer)
    life.pass_by(timedelta(days=1))
    for fan, creator in ((life.fans[1], offer.creator_id), (life.fans[0], uuid4())):
        for at in (None, life.now - SOON, life.now, life.now + SOON):
            read = asked(life, _to_creator(fan, creator, at))
            assert read.items == []
            assert read.position > 0


def test_access_begins_when_the_first_period_is_paid(life: FansLife) -> None:
    fan, offer = life.fans[0], life.offer()
    subscription = life.begin(fan, offer)
    begun_at = life.now
    assert not may(life, fan, offer.creator_id)
    life.pass_by(timedelta(minutes=2))
    life.pay()
    paid_at = life.now
    item = access(life, fan, offer.creator_id)
    paid_until = life.paid_until(subscription)
    assert item == Entitlement(
        creator_id=offer.creator_id,
        subscription_id=subscription,
        tier_id=offer.tier_id,
        state=SubscriptionState.ACTIVE,
        entitled=True,
        until=paid_until,
    )
    life.pass_by(timedelta(days=1))
    assert not may(life, fan, offer.creator_id, begun_at)
    assert not may(life, fan, offer.creator_id, paid_at - SOON)
    assert may(life, fan, offer.creator_id, paid_at)


def test_a_trial_ends_by_itself_whether_the_clock_said_so_or_not(life: FansLife) -> None:
    fan, offer = life.fans[0], life.offer(trial_days=7)
    subscription = life.begin(fan, offer, trial=True)
    ends_at = life.subscription(subscription).trial_ends_at
    assert ends_at is not None
    assert access(life, fan, offer.creator_id).until == ends_at
    life.clock.now = ends_at - SOON
    assert may(life, fan, offer.creator_id)
    life.clock.now = ends_at
    assert not may(life, fan, offer.creator_id)
    life.pass_by(timedelta(hours=1))
    assert may(life, fan, offer.creator_id, ends_at - SOON)
    assert not may(life, fan, offer.creator_id, ends_at)
    life.do(advance(subscription))
    item = access(life, fan, offer.creator_id)
    assert (item.state, item.entitled) == (SubscriptionState.PAST_DUE, False)


def test_a_trial_that_is_paid_before_its_end_goes_on_without_a_gap(life: FansLife) -> None:
    fan, offer = life.fans[0], life.offer(trial_days=7)
    subscription = life.begin(fan, offer, trial=True)
    ends_at = life.subscription(subscription).trial_ends_at
    assert ends_at is not None
    life.pass_by(timedelta(days=2))
    life.do(pay_invoice(subscription))
    life.pay()
    item = access(life, fan, offer.creator_id)
    assert item.entitled
    assert item.until == life.paid_until(subscription) > ends_at
    life.clock.now = ends_at
    assert may(life, fan, offer.creator_id)


def test_a_period_that_is_being_collected_is_accessible_and_not_for_sure(life: FansLife) -> None:
    fan, offer = life.fans[0], life.offer()
    subscription = life.join(fan, offer)
    life.clock.now = life.paid_until(subscription)
    life.do(advance(subscription))
    item = access(life, fan, offer.creator_id)
    assert (item.state, item.entitled, item.until) == (SubscriptionState.ACTIVE, True, None)


def test_access_outlives_a_failed_renewal_by_its_grace(life: FansLife) -> None:
    fan, offer = life.fans[0], life.offer()
    subscription = life.join(fan, offer)
    life.clock.now = life.paid_until(subscription)
    life.do(advance(subscription))
    life.decline()
    grace_until = life.subscription(subscription).grace_until
    assert grace_until is not None
    item = access(life, fan, offer.creator_id)
    assert (item.state, item.entitled) == (SubscriptionState.PAST_DUE, True)
    assert item.until == grace_until
    life.clock.now = grace_until
    assert not may(life, fan, offer.creator_id)
    life.do(advance(subscription))
    assert access(life, fan, offer.creator_id).state is SubscriptionState.EXPIRED
    assert may(life, fan, offer.creator_id, grace_until - SOON)
    assert not may(life, fan, offer.creator_id, grace_until)


def test_a_scheduled_end_is_the_end_unless_it_is_revoked(life: FansLife) -> None:
    fan, offer = life.fans[0], life.offer()
    subscription = life.join(fan, offer)
    paid_until = life.paid_until(subscription)
    life.pass_by(timedelta(days=1))
    life.do(cancel_subscription(subscription, "period_end"))
    scheduled_at = life.now
    assert access(life, fan, offer.creator_id).until == paid_until
    life.pass_by(timedelta(days=1))
    life.do(revoke_cancellation(subscription))
    life.do(cancel_subscription(subscription, "period_end"))
    life.clock.now = paid_until
    assert not may(life, fan, offer.creator_id)
    assert may(life, fan, offer.creator_id, paid_until - SOON)
    assert may(life, fan, offer.creator_id, scheduled_at)


def test_the_past_is_told_as_it_was_known_then(life: FansLife) -> None:
    fan, offer = life.fans[0], life.offer()
    subscription = life.join(fan, offer)
    life.pass_by(timedelta(days=3))
    life.do(cancel_subscription(subscription, "now"))
    cancelled_at = life.now
    life.pass_by(timedelta(days=3))
    higher = life.offer(offer.creator_id)
    again = life.join(fan, higher)
    life.pass_by(timedelta(days=1))
    before = access(life, fan, offer.creator_id, cancelled_at - SOON)
    assert (before.subscription_id, before.tier_id) == (subscription, offer.tier_id)
    assert before.entitled
    between = access(life, fan, offer.creator_id, cancelled_at)
    assert (between.state, between.entitled) == (SubscriptionState.CANCELLED, False)
    now = access(life, fan, offer.creator_id)
    assert (now.subscription_id, now.tier_id, now.entitled) == (again, higher.tier_id, True)


def test_a_pause_ends_access_and_resuming_gives_it_back(life: FansLife) -> None:
    fan, offer = life.fans[0], life.offer()
    subscription = life.join(fan, offer)
    life.pass_by(timedelta(days=3))
    life.do(pause_subscription(subscription))
    assert not may(life, fan, offer.creator_id)
    life.pass_by(timedelta(days=30))
    life.do(resume_subscription(subscription))
    assert may(life, fan, offer.creator_id)


def test_what_is_to_come_is_told_as_far_as_it_is_sure(life: FansLife) -> None:
    fan, offer = life.fans[0], life.offer()
    subscription = life.join(fan, offer)
    paid_until = life.paid_until(subscription)
    assert may(life, fan, offer.creator_id, paid_until - SOON)
    later = access(life, fan, offer.creator_id, paid_until)
    assert (later.entitled, later.until) == (False, None)
    life.clock.now = paid_until
    life.do(advance(subscription))
    assert may(life, fan, offer.creator_id)
    assert not may(life, fan, offer.creator_id, life.now + SOON)


def test_one_who_asks_again_sees_what_happened_since(life: FansLife) -> None:
    """Nobody is answered from memory alone, however often they ask."""
    fan, offer = life.fans[0], life.offer()

    async def scenario(one: Entitlements, reader: CountingReader) -> None:
        async def entitled() -> bool:
            read = await one.to_creator(fan, offer.creator_id)
            return [item.entitled for item in read.items] == [True]

        assert not await entitled()
        subscription = life.begin(fan, offer)
        assert not await entitled()
        life.pay()
        assert await entitled()
        before = reader.statements
        assert await entitled()
        assert reader.statements == before + 1
        life.do(cancel_subscription(subscription, "now"))
        assert not await entitled()
        life.join(fan, offer)
        assert await entitled()

    asked(life, scenario)


def test_what_is_forgotten_is_read_again_from_its_beginning(life: FansLife) -> None:
    offer = life.offer()
    for fan in life.fans:
        life.join(fan, offer)

    async def scenario(one: Entitlements, _: CountingReader) -> None:
        for _again in range(2):
            for fan in life.fans:
                read = await one.of_fan(fan)
                assert [item.entitled for item in read.items] == [True]

    asked(life, scenario, size_max=1)


def test_concurrent_questions_of_many_fans_are_one_statement(life: FansLife) -> None:
    offers = [life.offer() for _ in range(3)]
    fans = [life.new_id() for _ in range(20)]
    for fan in fans:
        for offer in offers:
            life.join(fan, offer)

    async def scenario(one: Entitlements, reader: CountingReader) -> None:
        async def all_of_them() -> list[EntitlementsRead]:
            return await asyncio.gather(
                *(one.to_creator(fan, offer.creator_id) for fan in fans for offer in offers),
                *(one.of_fan(fan) for fan in fans),
            )

        await all_of_them()
        assert reader.statements == 2, "the fans, then the subscriptions that they name"
        found = await all_of_them()
        assert reader.statements == 3
        assert len({read.position for read in found}) == 1
        assert all(item.entitled for read in found for item in read.items)
        assert [len(read.items) for read in found] == [1] * 60 + [3] * 20

    asked(life, scenario)


def test_a_subscription_that_begins_while_another_is_read_is_seen(life: FansLife) -> None:
    """Between the statement that names a subscription and the one that reads it."""
    fan, offer = life.fans[0], life.offer()
    first = life.join(fan, offer)
    started: list[UUID] = []

    class Interrupted(CountingReader):
        async def fetch(
            self, query: LiteralString, parameters: Sequence[object] | Mapping[str, object] = ()
        ) -> list[tuple[Any, ...]]:
            found = await super().fetch(query, parameters)
            if not started:
                life.do(cancel_subscription(first, "now"))
                started.append(life.join(fan, offer))
            return found

    read = asked(life, _to_creator(fan, offer.creator_id, None), reader_of=Interrupted)
    [item] = read.items
    assert (item.subscription_id, item.entitled) == (started[0], True)


def test_a_stream_that_cannot_be_read_does_not_fail_its_neighbours(life: FansLife) -> None:
    offer = life.offer()
    good, bad, broken = life.fans
    for fan in (good, bad):
        life.join(fan, offer)
    damaged = life.join(broken, offer)
    with superuser(life.ledger.book.database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE ledger_events SET state = '{}' WHERE originator_id = %s", [damaged]
        )

    async def scenario(one: Entitlements, _: CountingReader) -> list[Any]:
        await asyncio.gather(*map(one.of_fan, life.fans), return_exceptions=True)
        return await asyncio.gather(*map(one.of_fan, life.fans), return_exceptions=True)

    found = asked(life, scenario)
    assert [item.entitled for read in found[:2] for item in read.items] == [True, True]
    assert isinstance(found[2], ValueError)


def test_a_failed_first_payment_gives_no_access(life: FansLife) -> None:
    fan, offer = life.fans[0], life.offer()
    life.begin(fan, offer)
    payment = life.payments[-1]
    life.do(
        start_submission(payment),
        report_without_money(payment, Claim.FAILED, reason="insufficient_funds"),
    )
    assert not may(life, fan, offer.creator_id)
