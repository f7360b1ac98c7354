"""Whoever watches is told of everything after the watch began, once, and of nothing else."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from projections.following import ARRIVALS, ARRIVALS_MAX, Follower, Watch, missed_arrivals
from projections.reader import Reader, ReadUnavailable
from tests.builders import initiate_payment, register_creator, report_success

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ledger.application import Ledger
    from ledger.database.connections import BookLocation

SUCCEEDED = max(ARRIVALS)


@asynccontextmanager
async def following(book: BookLocation) -> AsyncIterator[tuple[Follower, Reader]]:
    async with Reader(book) as reader:
        follower = Follower(book, reader)
        try:
            yield follower, reader
        finally:
            await follower.close()


def pay(ledger: Ledger, creator: UUID) -> UUID:
    payment = uuid4()
    ledger.execute_one(initiate_payment(creator, payment_id=payment))
    ledger.execute_one(report_success(payment))
    return payment


def registered(ledger: Ledger) -> UUID:
    creator = uuid4()
    ledger.execute_one(register_creator(creator))
    return creator


def test_a_watch_is_told_of_its_own_and_the_log_says_the_same_later(
    book: BookLocation, ledger: Ledger
) -> None:
    creator, other = registered(ledger), registered(ledger)

    async def watch() -> None:
        async with following(book) as (follower, reader):
            mine, theirs = await follower.watch(creator), await follower.watch(other)
            begun = mine.position
            payments = [pay(ledger, creator) for _ in range(3)]
            told: list[UUID] = []
            while len(told) < 3:
                assert await mine.wait(5)
                told += [arrival.payment_id for arrival in mine.take().arrivals]
            assert told == payments
            assert not await theirs.wait(0.3)
            again = await missed_arrivals(reader, creator, after=begun, until=mine.position)
            assert again is not None
            assert [arrival.payment_id for arrival in again] == payments
            after_first = await missed_arrivals(
                reader, creator, after=again[0].position, until=again[1].position
            )
            assert after_first == again[1:2]
            assert await missed_arrivals(reader, other, after=0, until=mine.position) == []

    asyncio.run(watch())


def test_a_watch_on_a_stream_is_told_of_every_event_of_it(
    book: BookLocation, ledger: Ledger
) -> None:
    creator = registered(ledger)
    payment = uuid4()
    ledger.execute_one(initiate_payment(creator, payment_id=payment))

    async def watch() -> None:
        async with following(book) as (follower, _):
            mine = await follower.watch(payment)
            ledger.execute_one(report_success(payment))
            assert await mine.wait(5)
            assert mine.take().arrivals == []

    asyncio.run(watch())


def test_a_watch_that_begins_when_all_others_have_ended_misses_nothing(
    book: BookLocation, ledger: Ledger
) -> None:
    creator = registered(ledger)

    async def watch() -> None:
        async with following(book) as (follower, _):
            for _ in range(20):
                mine = await follower.watch(creator)
                payment = pay(ledger, creator)
                assert await mine.wait(5)
                [arrival] = mine.take().arrivals
                assert arrival.payment_id == payment
                follower.unwatch(mine)
                follower.unwatch(mine)

    asyncio.run(watch())


def test_whoever_watches_is_told_when_nothing_can_be_told_any_more(book: BookLocation) -> None:
    async def watch() -> None:
        async with following(book) as (follower, _):
            mine = await follower.watch(uuid4())
            await follower.close()
            with pytest.raises(ReadUnavailable):
                await mine.wait(5)

    asyncio.run(watch())


def test_a_watch_keeps_so_many_payments_and_no_more() -> None:
    async def keep() -> None:
        mine = Watch(uuid4(), 0)
        for position in range(1, ARRIVALS_MAX + 1):
            mine.tell(position, uuid4(), SUCCEEDED)
        assert len(mine.take().arrivals) == ARRIVALS_MAX
        for position in range(1, ARRIVALS_MAX + 2):
            mine.tell(position, uuid4(), SUCCEEDED)
        mine.reach(ARRIVALS_MAX + 1, None)
        assert mine.take() == (ARRIVALS_MAX + 1, [], True)
        assert mine.take() == (ARRIVALS_MAX + 1, [], False)

    asyncio.run(keep())


def test_a_watch_is_woken_once_more_when_the_clock_has_seen_what_happened() -> None:
    async def settle() -> None:
        mine = Watch(uuid4(), 0)
        mine.reach(3, 3)
        assert await mine.wait(0.01)
        mine.take()
        mine.tell(5, uuid4(), SUCCEEDED)
        mine.reach(5, 3)
        mine.take()
        mine.reach(6, 4)
        assert not await mine.wait(0.01)
        mine.reach(6, 5)
        assert await mine.wait(0.01)
        mine.take()
        mine.reach(9, 9)
        assert not await mine.wait(0.01)

    asyncio.run(settle())
