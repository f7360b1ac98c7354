"""Group commit: who waits becomes the next turn, and bulk waits behind singles."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from uuid import uuid4

import pytest

from ledger import writer
from ledger.decisions import LedgerCommand
from ledger.errors import DecisionFailed, Overloaded
from ledger.outcome import Outcome
from ledger.writer import (
    ALONE_COMMANDS_MAX,
    BULK_SLICE_MIN,
    QUEUE_COMMANDS_MAX,
    TURN_COMMANDS_MAX,
    GroupCommitWriter,
)
from tests.builders import expire_payment

SECONDS_MAX = 10


def commands(count: int, actor: str = "somebody") -> list[LedgerCommand]:
    return [replace(expire_payment(uuid4()), actor=actor)] * count


class Turns:
    """Stands for the turn: notes what came together, and waits where it is told to."""

    def __init__(self) -> None:
        self.taken: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.failure: Exception | None = None
        self.during: dict[int, Callable[[], None]] = {}

    def run(self, batch: Sequence[LedgerCommand]) -> list[Outcome]:
        self.taken.append([command.actor for command in batch])
        self.entered.release()
        self.during.get(len(self.taken), lambda: None)()
        assert self.gate.wait(SECONDS_MAX)
        if self.failure is not None:
            raise self.failure
        return [Outcome(position=number) for number in range(len(batch))]

    def hold(self, opened: GroupCommitWriter) -> Future[list[Outcome]]:
        """Begin a turn that does not end, so that what is submitted now waits together."""
        self.gate.clear()
        first = opened.submit(commands(1, "holder"))
        assert self.entered.acquire(timeout=SECONDS_MAX)
        return first


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def opened(turns: Turns) -> Iterator[GroupCommitWriter]:
    group = GroupCommitWriter(turns.run)
    yield group
    turns.gate.set()
    group.close()


def test_requests_that_wait_become_one_turn(turns: Turns, opened: GroupCommitWriter) -> None:
    turns.hold(opened)
    waiting = [opened.submit(commands(1, str(number))) for number in range(50)]
    turns.gate.set()
    for future in waiting:
        assert len(future.result(SECONDS_MAX)) == 1
    assert turns.taken[1] == [str(number) for number in range(50)]
    assert len(turns.taken) == 2


def test_each_caller_gets_its_own_outcomes_in_its_own_order(
    turns: Turns, opened: GroupCommitWriter
) -> None:
    turns.hold(opened)
    two, three = opened.submit(commands(2, "two")), opened.submit(commands(3, "three"))
    turns.gate.set()
    assert [outcome.position for outcome in two.result(SECONDS_MAX)] == [0, 1]
    assert [outcome.position for outcome in three.result(SECONDS_MAX)] == [2, 3, 4]


def test_a_large_request_alone_is_taken_in_large_slices(
    turns: Turns, opened: GroupCommitWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SINGLES_REMEMBERED_SECONDS", 0.0)
    assert len(opened.submit(commands(2_500)).result(SECONDS_MAX)) == 2_500
    assert [len(batch) for batch in turns.taken] == [ALONE_COMMANDS_MAX] * 2 + [500]


def test_large_requests_share_a_turn_and_it_stays_small(
    turns: Turns, opened: GroupCommitWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SINGLES_REMEMBERED_SECONDS", 0.0)
    turns.hold(opened)
    bulk = [opened.submit(commands(1_000, name)) for name in "abcd"]
    turns.gate.set()
    for future in bulk:
        assert len(future.result(SECONDS_MAX)) == 1_000
    second = turns.taken[1]
    assert len(second) <= TURN_COMMANDS_MAX
    assert Counter(second).keys() == set("abcd")
    assert max(Counter(second).values()) - min(Counter(second).values()) <= 1


def test_while_singles_wait_bulk_gets_no_more_of_a_turn_than_they(
    turns: Turns, opened: GroupCommitWriter
) -> None:
    turns.hold(opened)
    bulk = [opened.submit(commands(1_000, "bulk")) for _ in range(4)]
    singles = [opened.submit(commands(1, "single")) for _ in range(32)]
    turns.gate.set()
    for future in singles + bulk:
        future.result(SECONDS_MAX)
    assert Counter(turns.taken[1])["single"] == 32
    assert Counter(turns.taken[1])["bulk"] <= 32


def test_right_after_a_single_bulk_is_still_sliced_thin(
    turns: Turns, opened: GroupCommitWriter
) -> None:
    turns.hold(opened)
    bulk = opened.submit(commands(200, "bulk"))
    turns.gate.set()
    bulk.result(SECONDS_MAX)
    assert max(len(batch) for batch in turns.taken) <= BULK_SLICE_MIN


def test_a_slow_turn_makes_the_next_bulk_slices_smaller(
    turns: Turns, opened: GroupCommitWriter
) -> None:
    before = opened._limit(0, 10.0)
    opened._queue.clear()
    for _ in range(20):
        opened._learn(256, 1.0)
    assert opened._limit(0, 10.0) == BULK_SLICE_MIN < before
    opened._learn(1, 1_000.0)
    assert opened._limit(0, 10.0) == BULK_SLICE_MIN, "a turn of one command teaches nothing"


def test_more_than_the_queue_holds_is_refused_before_it_is_decided(
    turns: Turns, opened: GroupCommitWriter
) -> None:
    turns.hold(opened)
    fits = opened.submit(commands(1) * QUEUE_COMMANDS_MAX)
    refused = opened.submit(commands(2)).result(0)
    assert [type(outcome.error) for outcome in refused] == [Overloaded, Overloaded]
    turns.gate.set()
    assert all(outcome.error is None for outcome in fits.result(SECONDS_MAX))
    assert opened.submit(commands(1)).result(SECONDS_MAX)[0].error is None


def test_what_waited_too_long_is_refused_before_it_is_decided(
    turns: Turns, opened: GroupCommitWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = turns.hold(opened)
    late = opened.submit(commands(3, "late"))
    with monkeypatch.context() as patch:
        patch.setattr(writer, "WAIT_SECONDS_MAX", -1.0)
        turns.gate.set()
        outcomes = late.result(SECONDS_MAX)
    assert [type(outcome.error) for outcome in outcomes] == [Overloaded] * 3
    assert holder.result(SECONDS_MAX)[0].error is None
    assert opened.submit(commands(1, "later")).result(SECONDS_MAX)[0].error is None
    assert "late" not in [actor for batch in turns.taken for actor in batch]


def test_the_rest_of_a_large_request_may_be_refused_and_the_beginning_stays_answered(
    turns: Turns, opened: GroupCommitWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns.hold(opened)
    bulk = opened.submit(commands(100, "bulk"))
    turns.during[2] = lambda: monkeypatch.setattr(writer, "WAIT_SECONDS_MAX", -1.0)
    turns.gate.set()
    outcomes = bulk.result(SECONDS_MAX)
    assert [type(outcome.error) for outcome in outcomes] == [type(None)] * BULK_SLICE_MIN + [
        Overloaded
    ] * (100 - BULK_SLICE_MIN)
    assert opened._queued == 0


def test_no_commands_are_answered_at_once_and_harm_nobody(
    turns: Turns, opened: GroupCommitWriter
) -> None:
    assert opened.submit([]).result(0) == []
    assert opened.submit(commands(1)).result(SECONDS_MAX)[0].error is None
    assert [len(batch) for batch in turns.taken] == [1]


def test_a_caller_that_gives_up_harms_nobody(turns: Turns, opened: GroupCommitWriter) -> None:
    turns.hold(opened)
    given_up, other = opened.submit(commands(1)), opened.submit(commands(1))
    assert not given_up.cancel()
    turns.gate.set()
    assert other.result(SECONDS_MAX)[0].error is None
    assert given_up.result(SECONDS_MAX)[0].error is None


def test_a_turn_that_fails_as_a_whole_answers_its_callers_and_the_next_goes_on(
    turns: Turns, opened: GroupCommitWriter
) -> None:
    turns.failure = RuntimeError()
    outcomes = opened.submit(commands(3)).result(SECONDS_MAX)
    assert [type(outcome.error) for outcome in outcomes] == [DecisionFailed] * 3
    turns.failure = None
    assert opened.submit(commands(1)).result(SECONDS_MAX)[0].error is None


def test_closing_finishes_what_waits_and_refuses_what_comes_later(turns: Turns) -> None:
    closed = threading.Event()
    opened = GroupCommitWriter(turns.run, on_close=closed.set)
    turns.hold(opened)
    waiting = opened.submit(commands(500))
    closing = threading.Thread(target=opened.close)
    closing.start()
    turns.gate.set()
    closing.join(SECONDS_MAX)
    assert closed.is_set()
    assert all(outcome.error is None for outcome in waiting.result(0))
    assert isinstance(opened.submit(commands(1)).result(0)[0].error, Overloaded)


@pytest.mark.parametrize("recorded", [True, False])
def test_followers_are_told_only_when_something_was_recorded(*, recorded: bool) -> None:
    told: list[bool] = []
    event = object()

    def run(batch: Sequence[LedgerCommand]) -> list[Outcome]:
        return [Outcome(events=(event,) if recorded else ()) for _ in batch]  # type: ignore[arg-type]

    opened = GroupCommitWriter(run, on_commit=lambda: told.append(True))
    opened.submit(commands(5)).result(SECONDS_MAX)
    opened.close()
    assert told == [True] * recorded


def test_an_event_loop_is_woken_once_a_turn_however_many_wait(
    turns: Turns, opened: GroupCommitWriter
) -> None:
    async def ask() -> tuple[list[list[Outcome]], int]:
        loop = asyncio.get_running_loop()
        woken = 0
        wake: Callable[..., object] = loop.call_soon_threadsafe

        def count(*arguments: object) -> object:
            nonlocal woken
            woken += 1
            return wake(*arguments)

        loop.call_soon_threadsafe = count  # type: ignore[assignment, method-assign]
        futures = [opened.submit_from_loop(commands(2)) for _ in range(100)]
        assert (await opened.submit_from_loop([])) == []
        turns.gate.set()
        return await asyncio.wait_for(asyncio.gather(*futures), SECONDS_MAX), woken

    turns.hold(opened)
    outcomes, woken = asyncio.run(ask())
    assert [len(found) for found in outcomes] == [2] * 100
    assert woken < len(turns.taken) < 100


def test_a_task_that_is_cancelled_and_a_loop_that_is_gone_harm_nobody(
    turns: Turns, opened: GroupCommitWriter
) -> None:
    async def give_up() -> None:
        future = opened.submit_from_loop(commands(1))
        task = asyncio.ensure_future(asyncio.wait_for(future, 0.01))
        with pytest.raises(TimeoutError):
            await task
        forgotten.append(opened.submit_from_loop(commands(1)))

    forgotten: list[asyncio.Future[list[Outcome]]] = []
    turns.hold(opened)
    asyncio.run(give_up())
    turns.gate.set()
    assert opened.submit(commands(1)).result(SECONDS_MAX)[0].error is None


def test_an_overloaded_loop_is_told_at_once(turns: Turns, opened: GroupCommitWriter) -> None:
    async def ask() -> list[Outcome]:
        return await opened.submit_from_loop(commands(1) * (QUEUE_COMMANDS_MAX + 1))

    outcomes = asyncio.run(ask())
    assert all(isinstance(outcome.error, Overloaded) for outcome in outcomes)
