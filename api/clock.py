"""The clock: what is due becomes a command. It knows no time but the book's: the database's.

    the log ─▶ clock_due ─▶ due by now? ─▶ ReleaseFunds    the settlement delay is over
                                           ReleaseHold     a hold has expired
                                           RequestPayout   a creator's schedule: all that there is
                                           AdvanceSubscription   a renewal, an attempt, an end …

Any number of clocks may run, at once or after weeks. Commands have natural keys: what was done is
answered again and nothing happens twice. A subscription is advanced by what its state says is due,
so that the second time there is nothing to do. A refusal can be tried again; a payout that is
refused waits for the next time of its schedule. What fails is tried again later, and stops nothing
else.

In development the book's time may run ahead: see api/clock_pace.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final, assert_never

import structlog

from api.clock_board import Due, Move
from api.clock_pace import ROUND_SECONDS
from api.clock_schedules import Schedules, said
from ledger.commands import ReleaseFunds, ReleaseHold
from ledger.errors import Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from datetime import datetime
    from uuid import UUID

    from api.clock_board import ClockBoard
    from api.clock_pace import Pace
    from api.clock_renewals import Renewals
    from ledger.application import Ledger
    from ledger.creator import Creator
    from ledger.decisions import LedgerCommand
    from ledger.outcome import Outcome

logger = structlog.get_logger()

BATCH: Final = 500
"""Commands of one request to the ledger, which slices it so that others are not held up."""

REST_SECONDS: Final = 60.0
"""What was done is gone once the log is followed, and what failed is not tried sooner again."""


class Clock:
    """One clock process's work. `run` returns after `stop`. With a `pace` the ledger goes by it."""

    def __init__(
        self,
        ledger: Ledger,
        board: ClockBoard,
        schedules: Schedules,
        renewals: Renewals,
        *,
        pace: Pace | None = None,
    ) -> None:
        self._ledger = ledger
        self._board = board
        self._schedules = schedules
        self._renewals = renewals
        self._pace = pace
        self._stopping = asyncio.Event()
        self._resting: dict[tuple[str, UUID, datetime], float] = {}
        self._advanced: dict[UUID, int] = {}
        self._position = 0

    def stop(self) -> None:
        """Finish what is under way and return from `run`."""
        self._stopping.set()

    async def run(self) -> None:
        """Do what is due, again and again, until stopped."""
        while not self._stopping.is_set():
            try:
                await self.round()
            except Exception:
                # The database may be away for a while; what is due is safe in it.
                logger.exception("clock_interrupted")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), ROUND_SECONDS)

    async def round(self) -> int:
        """Do what is due by the book's time; how many commands were done by it."""
        return await self.do_what_is_due(await self._time_of_round())

    async def do_what_is_due(self, now: datetime | None = None) -> int:
        """Go once through everything that is due; how many commands were done by it.

        The database says what time it is, unless `now` is given.
        """
        self._wake_the_rested()
        done = 0
        async for due in self._due(now):
            done += await self._do(due)
        return done

    async def _time_of_round(self) -> datetime | None:
        """When it is by the pace; None where the database says so."""
        if self._pace is None:
            return None
        now = self._pace.advance(await asyncio.to_thread(self._board.outlook))
        self._wake_the_rested()
        async with contextlib.aclosing(self._due(now)) as batches:
            async for due in batches:
                if due:
                    return self._pace.settle(due[0].due_at)
        return now

    async def _due(self, now: datetime | None) -> AsyncGenerator[list[Due], None]:
        """All that is due, in batches, the oldest first, without what rests."""
        last: Due | None = None
        while not self._stopping.is_set():
            due = await asyncio.to_thread(self._board.due, BATCH, after=last, now=now)
            if not due:
                break
            last = due[-1]
            self._position = last.position
            yield [each for each in due if self._is_news(each)]

    async def _do(self, due: list[Due]) -> int:
        scheduled = [each.creator_id for each in due if each.kind == "payout_schedule"]
        creators: Mapping[UUID, Creator] = {}
        if scheduled:
            creators = await asyncio.to_thread(self._board.creators, scheduled)
        moves: list[Move] = []
        asked: list[tuple[Due, LedgerCommand]] = []
        for each in due:
            command = self._command(each, creators.get(each.creator_id))
            if command is None:
                self._rest(each)
            elif isinstance(command, Move):
                moves.append(command)
            else:
                asked.append((each, command))
        done = await self._execute(asked, creators, moves)
        if moves:
            await asyncio.to_thread(self._board.move_on, moves)
        return done

    async def _execute(
        self,
        asked: list[tuple[Due, LedgerCommand]],
        creators: Mapping[UUID, Creator],
        moves: list[Move],
    ) -> int:
        """Execute commands, and note which schedules go on; how many commands were done."""
        if not asked:
            return 0
        outcomes = await self._ledger.execute_from_loop([command for _, command in asked])
        idle: list[Due] = []
        for (due, _), outcome in zip(asked, outcomes, strict=True):
            if due.kind == "subscription" and outcome.error is None:
                self._advanced[due.subject_id] = outcome.position
                if not (outcome.events or outcome.replayed):
                    idle.append(due)
            elif self._lets_go_on(due, outcome):
                move = self._schedules.move_on(due, creators[due.creator_id])
                moves += [] if move is None else [move]
        if idle:
            for due in await asyncio.to_thread(self._board.look_again, idle):
                self._rest(due)
        return sum(bool(outcome.events) for outcome in outcomes)

    def _command(self, due: Due, creator: Creator | None) -> LedgerCommand | Move | None:
        match due.kind:
            case "release":
                fields = said(due, f"release:{due.subject_id}", due.subject_id)
                return ReleaseFunds(payment_id=due.subject_id, **fields)
            case "hold":
                fields = said(due, f"hold:{due.subject_id}", due.subject_id)
                return ReleaseHold(
                    creator_id=due.creator_id, hold_id=due.subject_id, expired=True, **fields
                )
            case "payout_schedule":
                return None if creator is None else self._schedules.request(due, creator)
            case "subscription":
                return self._renewals.request(due)
            case _:
                assert_never(due.kind)

    def _lets_go_on(self, due: Due, outcome: Outcome) -> bool:
        """Whether this was a schedule's answer; all else rests, unless it can be repeated soon."""
        error = outcome.error
        if isinstance(error, Unavailable):
            return False
        if error is not None:
            log = logger.info if isinstance(error, Refused) else logger.warning
            log("not_done", kind=due.kind, subject=str(due.subject_id), code=error.code)
        if due.kind == "payout_schedule" and (error is None or isinstance(error, Refused)):
            return True
        self._rest(due)
        return False

    def _is_news(self, due: Due) -> bool:
        """Whether it does not rest, and the table knows already what was done about it last."""
        known = self._advanced.get(due.subject_id, 0) <= due.position
        return known and _name(due) not in self._resting

    def _rest(self, due: Due) -> None:
        self._resting[_name(due)] = time.monotonic() + REST_SECONDS

    def _wake_the_rested(self) -> None:
        now = time.monotonic()
        self._resting = {name: until for name, until in self._resting.items() if until > now}
        self._advanced = {each: at for each, at in self._advanced.items() if at > self._position}


def _name(due: Due) -> tuple[str, UUID, datetime]:
    return (due.kind, due.subject_id, due.due_at)
