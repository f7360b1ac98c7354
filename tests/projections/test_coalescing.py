"""Concurrent reads become one; nobody is answered with what was true before they asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from projections.coalescing import CoalescedReads

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping


class Source:
    """Answers twice the key; each question waits until it is let go, and is kept."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.gate = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, keys: list[int]) -> Mapping[int, int | Exception]:
        self.asked.append(keys)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return {
            key: 2 * key if key < 1_000 else LookupError(f"bad {key}") for key in keys if key >= 0
        }


async def started(*questions: Awaitable[int | None]) -> list[asyncio.Task[int | None]]:
    """Tasks that have asked and now wait."""
    tasks = [asyncio.ensure_future(question) for question in questions]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


def test_a_hundred_concurrent_reads_are_one_question() -> None:
    async def scenario() -> None:
        source = Source()
        source.gate.set()
        reads = CoalescedReads(source)
        answers = await asyncio.gather(*(reads.get(key % 10) for key in range(100)))
        assert answers == [2 * (key % 10) for key in range(100)]
        assert source.asked == [list(range(10))]

    asyncio.run(scenario())


def test_reads_that_come_while_one_is_in_flight_join_the_next() -> None:
    async def scenario() -> None:
        source = Source()
        reads = CoalescedReads(source)
        first = await started(reads.get(1))
        later = await started(reads.get(1), reads.get(2), reads.get(2))
        assert source.asked == [[1]]
        source.gate.set()
        assert await asyncio.gather(*first, *later) == [2, 2, 4, 4]
        assert source.asked == [[1], [1, 2]]

    asyncio.run(scenario())


def test_after_a_pause_it_asks_again() -> None:
    async def scenario() -> None:
        source = Source()
        source.gate.set()
        reads = CoalescedReads(source)
        assert await reads.get(1) == 2
        assert await reads.get(1) == 2
        assert source.asked == [[1], [1]]

    asyncio.run(scenario())


def test_what_does_not_exist_is_none() -> None:
    async def scenario() -> None:
        source = Source()
        source.gate.set()
        reads = CoalescedReads(source)
        assert await asyncio.gather(*map(reads.get, [-1, 3])) == [None, 6]

    asyncio.run(scenario())


def test_a_batch_is_bounded_and_first_come_first_served() -> None:
    async def scenario() -> None:
        source = Source()
        source.gate.set()
        reads = CoalescedReads(source, batch_keys_max=4)
        await asyncio.gather(*(reads.get(key) for key in range(10)))
        assert source.asked == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]

    asyncio.run(scenario())


def test_whoever_is_cancelled_disturbs_nobody() -> None:
    async def scenario() -> None:
        source = Source()
        reads = CoalescedReads(source)
        gone, stays, other = await started(reads.get(1), reads.get(1), reads.get(2))
        gone.cancel()
        source.gate.set()
        assert [await stays, await other] == [2, 4]
        assert gone.cancelled()
        assert await reads.get(5) == 10

    asyncio.run(scenario())


def test_an_error_reaches_everybody_who_waits_and_the_next_is_asked_anew() -> None:
    async def scenario() -> None:
        source = Source()
        source.error = ConnectionError("away")
        reads = CoalescedReads(source)
        tasks = await started(*(reads.get(key) for key in (1, 1, 2)))
        source.gate.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(answer) for answer in answers] == [ConnectionError] * 3
        source.error = None
        assert await reads.get(1) == 2

    asyncio.run(scenario())


def test_an_error_of_one_key_reaches_only_those_who_asked_for_it() -> None:
    async def scenario() -> None:
        source = Source()
        source.gate.set()
        reads = CoalescedReads(source)
        good, bad = await asyncio.gather(reads.get(1), reads.get(1_000), return_exceptions=True)
        assert good == 2
        assert isinstance(bad, LookupError)

    asyncio.run(scenario())


def test_when_the_loop_closes_nobody_is_left_waiting() -> None:
    async def scenario() -> None:
        source = Source()
        reads = CoalescedReads(source)
        waiting, later = await started(reads.get(1), reads.get(2))
        [asking] = [
            task
            for task in asyncio.all_tasks() - {waiting, later, asyncio.current_task()}
            if not task.done()
        ]
        more = await started(reads.get(3))
        asking.cancel()
        await asyncio.wait([waiting, later, *more], timeout=5)
        assert waiting.cancelled()
        assert later.cancelled()
        assert more[0].cancelled()

    asyncio.run(scenario())


@pytest.mark.parametrize("rounds", [50])
def test_an_answer_is_never_older_than_the_question(rounds: int) -> None:
    async def scenario() -> None:
        truth = 0

        async def read(keys: list[int]) -> dict[int, int]:
            seen = truth
            await asyncio.sleep(0)
            return dict.fromkeys(keys, seen)

        reads = CoalescedReads(read)

        async def write_and_read() -> None:
            nonlocal truth
            truth += 1
            written = truth
            answer = await reads.get(1)
            assert answer is not None
            assert answer >= written

        for _ in range(rounds):
            await asyncio.gather(*(write_and_read() for _ in range(5)))

    asyncio.run(scenario())
