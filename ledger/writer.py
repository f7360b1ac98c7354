"""Group commit: one thread a process runs turns; requests that wait become the next turn.

Load makes batches larger, never a queue of commits. When more than one request waits, a turn takes
at most `TURN_COMMANDS_MAX` commands, or what is decided in about `TURN_SECONDS_MAX`, one of each
request in rounds; a large request is sliced and is not atomic as a whole. While single requests
are about, large ones get no more of a turn than the singles, so that they never more than double
a single's wait. A command that has waited too long, or that finds the queue full, is refused
before it is decided: `Overloaded`, nothing recorded.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, NamedTuple

from ledger.errors import DecisionFailed, Overloaded
from ledger.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ledger.decisions import LedgerCommand

logger = logging.getLogger(__name__)

TURN_COMMANDS_MAX: Final = 256
TURN_SECONDS_MAX: Final = 0.020
ALONE_COMMANDS_MAX: Final = 1_000
ALONE_SECONDS_MAX: Final = 0.5
BULK_SLICE_MIN: Final = 16
SINGLES_REMEMBERED_SECONDS: Final = 0.25
QUEUE_COMMANDS_MAX: Final = 20_000
WAIT_SECONDS_MAX: Final = 5.0


class RunTurn(NamedTuple):
    """A turn that was run: how long it took, what came of each command, and how many wait yet."""

    seconds: float
    outcomes: Sequence[Outcome]
    queued: int


class _Request:
    """Commands of one caller, and where their outcomes go."""

    __slots__ = ("commands", "future", "loop", "outcomes", "served_at", "taken")

    def __init__(
        self,
        commands: Sequence[LedgerCommand],
        future: Future[list[Outcome]] | asyncio.Future[list[Outcome]],
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        self.commands = commands
        self.future = future
        self.loop = loop
        self.outcomes: list[Outcome] = []
        self.taken = 0
        self.served_at = time.monotonic()

    def waiting(self) -> int:
        return len(self.commands) - self.taken


class GroupCommitWriter:
    """Collects requests and runs them as turns on a thread of its own, until it is closed."""

    def __init__(
        self,
        run: Callable[[Sequence[LedgerCommand]], list[Outcome]],
        *,
        on_commit: Callable[[], None] = lambda: None,
        on_close: Callable[[], None] = lambda: None,
        observe: Callable[[RunTurn], None] = lambda _: None,
    ) -> None:
        self._run = run
        self._observe = observe
        self._on_commit = on_commit
        self._on_close = on_close
        self._condition = threading.Condition()
        self._queue: deque[_Request] = deque()
        self._queued = 0
        self._closing = False
        self._seconds_a_command = TURN_SECONDS_MAX / TURN_COMMANDS_MAX
        self._singles_seen_at = 0.0
        self._thread = threading.Thread(target=self._serve, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, commands: Sequence[LedgerCommand]) -> Future[list[Outcome]]:
        """Queue commands from any thread; the future gets one outcome a command, in order."""
        future: Future[list[Outcome]] = Future()
        # What is queued will be decided: a caller may stop waiting, but cannot cancel.
        future.set_running_or_notify_cancel()
        if not commands or not self._enqueue(_Request(commands, future, None)):
            future.set_result([Outcome(error=Overloaded()) for _ in commands])
        return future

    def submit_from_loop(self, commands: Sequence[LedgerCommand]) -> asyncio.Future[list[Outcome]]:
        """The same from an event loop; a turn wakes the loop once, however many it answers."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Outcome]] = loop.create_future()
        if not commands or not self._enqueue(_Request(commands, future, loop)):
            future.set_result([Outcome(error=Overloaded()) for _ in commands])
        return future

    def close(self) -> None:
        """Finish what is queued, then stop the thread. Later requests are refused."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join()

    def _enqueue(self, request: _Request) -> bool:
        with self._condition:
            if self._closing or self._queued + len(request.commands) > QUEUE_COMMANDS_MAX:
                return False
            self._queue.append(request)
            self._queued += len(request.commands)
            self._condition.notify()
        return True

    def _serve(self) -> None:
        while True:
            with self._condition:
                while not self._queue and not self._closing:
                    self._condition.wait()
                if not self._queue:
                    break
                late = self._refuse_late()
                turn = self._take()
            self._answer(late)
            if turn:
                self._run_turn(turn)
        self._on_close()

    def _refuse_late(self) -> list[_Request]:
        oldest = time.monotonic() - WAIT_SECONDS_MAX
        late = [request for request in self._queue if request.served_at < oldest]
        for request in late:
            self._queue.remove(request)
            self._queued -= request.waiting()
            request.outcomes.extend(Outcome(error=Overloaded()) for _ in range(request.waiting()))
        return late

    def _take(self) -> list[tuple[_Request, Sequence[LedgerCommand]]]:
        """The next turn: one command of each waiting request, then more of the large ones."""
        if not self._queue:
            return []
        now = time.monotonic()
        singles = sum(1 for request in self._queue if len(request.commands) == 1)
        if singles:
            self._singles_seen_at = now
        limit = self._limit(singles, now)
        shares = self._shares(limit)
        return [self._slice(request, share, now) for request, share in shares if share]

    def _limit(self, singles: int, now: float) -> int:
        singles_about = now - self._singles_seen_at < SINGLES_REMEMBERED_SECONDS
        if len(self._queue) == 1 and not singles_about:
            # Alone, but well within the time that a turn may hold the lock.
            in_time = int(ALONE_SECONDS_MAX / self._seconds_a_command)
            return max(BULK_SLICE_MIN, min(ALONE_COMMANDS_MAX, in_time))
        in_time = int(TURN_SECONDS_MAX / self._seconds_a_command)
        limit = max(BULK_SLICE_MIN, min(TURN_COMMANDS_MAX, in_time))
        if singles_about:
            limit = min(limit, singles + max(singles, BULK_SLICE_MIN))
        return limit

    def _shares(self, limit: int) -> list[tuple[_Request, int]]:
        served = [self._queue.popleft() for _ in range(min(limit, len(self._queue)))]
        shares = [1] * len(served)
        left = limit - len(served)
        while left:
            hungry = [i for i, r in enumerate(served) if r.waiting() > shares[i]]
            if not hungry:
                break
            portion = max(1, left // len(hungry))
            for i in hungry[:left]:
                more = min(portion, served[i].waiting() - shares[i])
                shares[i] += more
                left -= more
        return list(zip(served, shares, strict=True))

    def _slice(
        self, request: _Request, share: int, now: float
    ) -> tuple[_Request, Sequence[LedgerCommand]]:
        commands = request.commands[request.taken : request.taken + share]
        request.taken += share
        request.served_at = now
        self._queued -= share
        if request.waiting():
            self._queue.append(request)
        return request, commands

    def _run_turn(self, turn: list[tuple[_Request, Sequence[LedgerCommand]]]) -> None:
        commands = [command for _, part in turn for command in part]
        started = time.monotonic()
        try:
            outcomes = self._run(commands)
        except Exception:
            # The runner handles what it knows; a defect in it must not leave callers waiting.
            logger.exception("turn_failed")
            outcomes = [Outcome(error=DecisionFailed()) for _ in commands]
        seconds = time.monotonic() - started
        self._learn(len(commands), seconds)
        self._tell(RunTurn(seconds, outcomes, self._queued))
        if any(outcome.events for outcome in outcomes):
            self._on_commit()
        finished = []
        at = 0
        for request, part in turn:
            request.outcomes.extend(outcomes[at : at + len(part)])
            at += len(part)
            if len(request.outcomes) == len(request.commands):
                finished.append(request)
        self._answer(finished)

    def _tell(self, turn: RunTurn) -> None:
        try:
            self._observe(turn)
        except Exception:
            # Whoever only looks on must not stop those who wait.
            logger.exception("turn_observer_failed")

    def _learn(self, commands: int, seconds: float) -> None:
        if commands >= BULK_SLICE_MIN:
            self._seconds_a_command += 0.2 * (seconds / commands - self._seconds_a_command)

    def _answer(self, requests: list[_Request]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[_Request]] = {}
        for request in requests:
            if request.loop is not None:
                by_loop.setdefault(request.loop, []).append(request)
            elif isinstance(request.future, Future):
                request.future.set_result(request.outcomes)
        for loop, answered in by_loop.items():
            try:
                loop.call_soon_threadsafe(_resolve, answered)
            except RuntimeError:
                # The loop was closed while its requests were committed; nobody waits any more.
                logger.warning("loop_closed_before_answer", extra={"requests": len(answered)})


def _resolve(requests: list[_Request]) -> None:
    for request in requests:
        if not request.future.done():
            request.future.set_result(request.outcomes)
