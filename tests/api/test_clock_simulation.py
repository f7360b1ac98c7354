"""Two real clocks, with their tables, in the small world of tests/ledger/subscriptions.

The long simulation asks by itself for what is due; here the clocks do, at once, from what they have
read of the log. Nothing that was due is left, and every law of subscriptions holds.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast
from uuid import UUID

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.errors import Refused
from tests.api.clock_scenes import Timekeeper
from tests.invariants import assert_book_is_sound
from tests.ledger.subscriptions.campaign import watched, weigh
from tests.ledger.subscriptions.world import BEGINNING, Clock, World
from tests.projections import histories

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import ThreadPoolExecutor

    from ledger.commands import AdvanceSubscription
    from ledger.decisions import LedgerCommand
    from ledger.events import LedgerEvent
    from ledger.outcome import Outcome

SEED: Final = 20_430_131
FANS: Final = 25
DAYS: Final = 150
CLOCKS: Final = 2
SECTION: Final = 1_000


class ClockedWorld(World):
    """A world whose clocks are real: what they did is read from the log."""

    def __init__(self, seed: int, book: BookLocation, time: Clock, *, fans: int) -> None:
        self.ledger = Ledger(book, clock=time)
        self._time = histories.Clock(BEGINNING)
        reached = BookLocation(book.database, DatabaseRole.CLOCK)
        self.keepers = [Timekeeper(reached, self._time) for _ in range(CLOCKS)]
        self.ticks = 0
        self._read = 0
        super().__init__(seed, self.ledger, time, fans)

    def close(self) -> None:
        for keeper in self.keepers:
            keeper.close()
        self.ledger.close()

    def _advances(self, due: list[UUID], pool: ThreadPoolExecutor) -> Iterator[AdvanceSubscription]:
        self._time.now = self.clock.now
        self.keepers[0].follow()
        self.ticks += asyncio.run(self._tick())
        self._read_on()
        super()._progress(due)
        return iter(())

    async def _tick(self) -> int:
        return sum(await asyncio.gather(*(keeper.tick() for keeper in self.keepers)))

    def _progress(self, due: Iterable[UUID]) -> None:
        """It was seen to before fans had their wishes."""

    def _heard(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            self.commands += 1
            assert outcome.error is None or isinstance(outcome.error, Refused)

    def _ask(self, commands: Sequence[LedgerCommand]) -> list[Outcome]:
        outcomes = super()._ask(commands)
        self._read_on()
        return outcomes

    def _read_on(self) -> None:
        while section := self.ledger.recorder.select_notifications(self._read + 1, SECTION):
            for notification in section:
                self._hear(cast("LedgerEvent", self.ledger.mapper.to_domain_event(notification)))
                self._read = notification.id


def test_real_clocks_leave_nothing_that_is_due_and_break_no_law(book: BookLocation) -> None:
    world = ClockedWorld(SEED, book, Clock(), fans=FANS)
    world.run(DAYS)
    world.close()
    found = weigh(world, watched(book.database))
    assert found.violations == []
    assert world.ticks > FANS
    assert found.topics["subscription.period_paid.v1"] > FANS
    assert found.topics["payment.funds_released.v1"] > FANS
    assert_book_is_sound(book.database)
