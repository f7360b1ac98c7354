"""A book, a time that is moved by hand, and clocks that go by it: without any process."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from api.clock import Clock
from api.clock_board import ClockBoard
from api.clock_pace import Pace
from api.clock_renewals import Renewals
from api.clock_schedules import Schedules
from api.providers.sandbox import Sandbox
from api.settings import Settings
from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.events import PostAdjustment
from ledger.journal_entry import entry
from tests.builders import initiate_payment, register_creator, report_success
from tests.databases import rows
from tests.money_builders import (
    REASON,
    add_destination,
    propose,
    set_payout_schedule,
    verify_creator,
    verify_destination,
)
from tests.projections import histories

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from ledger.decisions import LedgerCommand
    from ledger.outcome import Outcome

GROSS: Final = 100_000
NET: Final = 88_400
DELAY: Final = timedelta(days=3)
NAIROBI: Final = ZoneInfo("Africa/Nairobi")
DUE: Final = """
    SELECT kind, subject_id, creator_id, currency, amount::bigint, due_at FROM clock_due
    ORDER BY kind, subject_id
"""


class RealTime:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Timekeeper:
    """What one clock process has: a ledger, a board that follows the log, and the clock.

    With a pace it goes by that, and not by the time that is moved by hand.
    """

    def __init__(self, book: BookLocation, time: histories.Clock, pace: Pace | None = None) -> None:
        self._time = time
        sandbox = Sandbox(
            url="http://127.0.0.1:1", api_key="-", webhook_secret="whsec_AAAA", timeout_seconds=1
        )
        # Without the environment, so that a developer's own settings change nothing here.
        settings = Settings.model_construct(
            book_time_zone=NAIROBI.key,
            payout_fixed_fee=0,
            payout_fee_basis_points=0,
            payout_vat_basis_points=0,
            payout_approvals_required=2,
            settlement_delay_seconds=int(DELAY.total_seconds()),
            renewal_expiry_seconds=900,
        )
        self.ledger = Ledger(book, clock=time, book_time=pace)
        self.board = ClockBoard(self.ledger, NAIROBI)
        providers = {"sandbox": sandbox}
        schedules, renewals = Schedules(providers, settings), Renewals(providers, settings)
        self.clock = Clock(self.ledger, self.board, schedules, renewals, pace=pace)

    def follow(self) -> None:
        while self.board.follow():
            pass

    async def tick(self) -> int:
        return await self.clock.do_what_is_due(self._time.now)

    def close(self) -> None:
        self.board.close()
        self.ledger.close()


class Scene:
    """A book and its time; `keeper` is one clock, `another()` makes more."""

    def __init__(self, book: BookLocation) -> None:
        self.book = BookLocation(book.database, DatabaseRole.CLOCK)
        [[started_at]] = rows(book.database, "SELECT max(recorded_at) FROM turns")
        self.time = histories.Clock(started_at)
        # What people decide comes through the API; no clock may.
        self.ledger = Ledger(BookLocation(book.database, DatabaseRole.APP), clock=self.time)
        self._keepers: list[Timekeeper] = []
        self.keeper = self.another()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for keeper in self._keepers:
            keeper.close()
        self.ledger.close()

    def another(self, pace: Pace | None = None) -> Timekeeper:
        """One more clock over the same book, and the same time or one of its own."""
        self._keepers.append(Timekeeper(self.book, self.time, pace))
        return self._keepers[-1]

    def do(self, *commands: LedgerCommand) -> Outcome:
        """Let all of these happen; the last one's outcome."""
        return [self.ledger.execute_one(command) for command in commands][-1]

    def tick(self, *keepers: Timekeeper) -> int:
        """Let these clocks, or the one, catch up with the log and then act, all at once."""
        keepers = keepers or (self.keeper,)

        async def all_at_once() -> int:
            return sum(await asyncio.gather(*(keeper.tick() for keeper in keepers)))

        self.keeper.follow()
        done = asyncio.run(all_at_once())
        self.keeper.follow()
        return done

    def at(self, moment: datetime) -> None:
        """Let it be then."""
        assert moment >= self.time.now
        self.time.now = moment

    def after(self, **delta: float) -> None:
        """Let so much time pass."""
        self.time.now += timedelta(**delta)

    def creator(self) -> UUID:
        creator = uuid4()
        self.do(register_creator(creator))
        return creator

    def paid(self, creator: UUID) -> UUID:
        """A payment of GROSS that has succeeded."""
        payment = uuid4()
        self.do(
            initiate_payment(creator, GROSS, payment_id=payment), report_success(payment, GROSS)
        )
        return payment

    def payee(self, *, minimum: int = 1) -> tuple[UUID, UUID]:
        """A verified creator who is paid out on Mondays, and their destination."""
        creator, destination = self.creator(), uuid4()
        self.do(
            verify_creator(creator),
            add_destination(creator, destination),
            verify_destination(creator, destination),
            set_payout_schedule(creator, destination, minimum=minimum),
        )
        return creator, destination

    def give(self, creator: UUID, amount: int) -> None:
        """Let money be available."""
        legs = (("bank:settlement", amount), (f"creator:{creator}:available", -amount))
        action = PostAdjustment(adjustment_id=uuid4(), entry=entry("KES", *legs), reason=REASON)
        self.do(propose(action))

    def due(self, kind: str) -> dict[UUID, tuple[Any, ...]]:
        """Creator, currency, amount and time of what is due, by subject."""
        self.keeper.follow()
        return {row[1]: row[2:] for row in rows(self.book.database, DUE) if row[0] == kind}

    def topics(self, stream: UUID) -> list[str]:
        """A stream's topics, in order."""
        query = (
            "SELECT topic FROM ledger_events WHERE originator_id = %s ORDER BY originator_version"
        )
        return [topic for (topic,) in rows(self.book.database, query, stream)]

    def balance(self, creator: UUID, name: str) -> int:
        """One of a creator's balances, as people read it."""
        query = "SELECT -balance::bigint FROM balances WHERE account = %s"
        found = rows(self.book.database, query, f"creator:{creator}:{name}")
        return int(found[0][0]) if found else 0
