"""Rows about the journal: built anew, and asked by when things took effect."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from projections.effective_balances import effective_balance
from projections.journal_rebuild import JournalRebuild
from projections.reader import Reader
from tests.bench.measure import Contenders, Row, Target
from tests.bench.payments import payment_work
from tests.bench.projections import written_a_second
from tests.databases import rows, superuser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database.location import DatabaseLocation
    from tests.bench.server import BenchServer

LARGE: Final = 1_000
LINES: Final = 10_000_000
SECONDS: Final = LINES // 20
"""The book's age: a turn a second, of twenty lines."""
BEGINNING: Final = datetime(2100, 1, 1, tzinfo=UTC)
STAR: Final = "creator:00000000-0000-4000-8000-000000000001:pending"
QUESTIONS: Final = 500
SUMS: Final = 3
P99_MILLISECONDS_MAX: Final = 10.0

FILL: Final = """
    SET synchronous_commit = off;
    INSERT INTO turns
    SELECT second * 20, timestamptz '2100-01-01 00:00Z' + second * interval '1 second'
    FROM generate_series(1, {seconds}) AS second;

    -- Every third line is the star's. One in a hundred is late, by minutes, some by a month.
    INSERT INTO journal_lines_odd
        (position, line, account_id, amount, balance, recorded_at, effective_at)
    SELECT position, 0, account_id, amount,
           sum(amount) OVER (PARTITION BY account_id ORDER BY position),
           recorded_at,
           recorded_at - CASE WHEN position % 100 = 7 THEN interval '20 minutes'
                              WHEN position % 100000 = 9 THEN interval '30 days'
                              ELSE position % 50 * interval '1 second' END
    FROM (
        SELECT position,
               CASE WHEN position % 3 = 0 THEN 1 ELSE 2 + position % 1000 END AS account_id,
               1 + position % 90 AS amount,
               timestamptz '2100-01-01 00:00Z' + (position + 19) / 20 * interval '1 second'
                   AS recorded_at
        FROM generate_series(1, {lines}) AS position
    ) AS made;

    INSERT INTO balances_odd (account_id, account, currency, balance, position)
    SELECT DISTINCT ON (account_id) account_id,
           CASE account_id WHEN 1 THEN '{star}' ELSE 'fan:' || account_id || ':credit' END,
           'KES', balance, position
    FROM journal_lines_odd ORDER BY account_id, position DESC;
    VACUUM ANALYZE journal_lines_odd, balances_odd, turns;
"""
PLAIN_SUM: Final = """
    SELECT coalesce(sum(amount), 0) FROM journal_lines WHERE account_id = 1 AND effective_at <= %s
"""


@dataclass(frozen=True, slots=True)
class LongJournal:
    """A journal of ten million lines, asked for the star's balance at random effective times."""

    book: BookLocation
    random: Random

    def questions_a_second(self) -> float:
        """Answers a second, one after another."""
        return 1 / (sum(self._seconds()) / QUESTIONS)

    def p99_milliseconds(self) -> float:
        """The 99th percentile of an answer's time."""
        return 1_000 * sorted(self._seconds())[QUESTIONS * 99 // 100]

    def sums_a_second(self) -> float:
        """Plain sums a second; each is compared with our answer."""
        moments = self._moments(SUMS)
        started = time.perf_counter()
        sums = [int(rows(self.book.database, PLAIN_SUM, moment)[0][0]) for moment in moments]
        seconds = time.perf_counter() - started
        answers = asyncio.run(self._ask(moments))
        if [balance for balance, _ in answers] != sums:
            message = f"{answers} is not {sums}"
            raise RuntimeError(message)
        return SUMS / seconds

    def _seconds(self) -> list[float]:
        return [seconds for _, seconds in asyncio.run(self._ask(self._moments(QUESTIONS)))]

    def _moments(self, count: int) -> list[datetime]:
        return [
            BEGINNING + timedelta(seconds=self.random.uniform(0, SECONDS)) for _ in range(count)
        ]

    async def _ask(self, moments: list[datetime]) -> list[tuple[int, float]]:
        answers: list[tuple[int, float]] = []
        async with Reader(self.book) as reader:
            for moment in moments:
                started = time.perf_counter()
                found = await effective_balance(reader, STAR, "KES", moment)
                seconds = time.perf_counter() - started
                answers.append((0 if found is None else found.balance, seconds))
        return answers


class _Kept:
    """The long journal of a server: it takes a minute to make, and two rows ask it."""

    made: DatabaseLocation | None = None


def long_journal(server: BenchServer) -> LongJournal:
    """The journal of ten million lines, made once."""
    if _Kept.made is None:
        _Kept.made = server.book()
        with superuser(_Kept.made) as connection:
            for statement in FILL.format(seconds=SECONDS, lines=LINES, star=STAR).split(";"):
                if statement.strip():
                    connection.execute(statement.encode())
    return LongJournal(BookLocation(_Kept.made, DatabaseRole.APP), Random(1))


@contextmanager
def _effective_against_the_sum(server: BenchServer) -> Iterator[Contenders]:
    journal = long_journal(server)
    yield Contenders(journal.questions_a_second, journal.sums_a_second)


@contextmanager
def _effective_against_the_bound(server: BenchServer) -> Iterator[Contenders]:
    yield Contenders(long_journal(server).p99_milliseconds, lambda: P99_MILLISECONDS_MAX)


@contextmanager
def _rebuild_against_writing(server: BenchServer) -> Iterator[Contenders]:
    with payment_work(server) as work:
        database = work.ledger.book.database
        work.events_a_second(batch=LARGE)
        rebuilder = Ledger(BookLocation(database, DatabaseRole.REBUILDER))
        try:
            yield Contenders(
                lambda: _rebuilt_a_second(rebuilder), lambda: written_a_second(work, database)
            )
        finally:
            rebuilder.close()


def _rebuilt_a_second(rebuilder: Ledger) -> float:
    started = time.perf_counter()
    rebuilt = JournalRebuild(rebuilder, ZoneInfo("Africa/Nairobi")).run()
    if rebuilt.differences != []:
        raise RuntimeError(rebuilt)
    return rebuilt.position / (time.perf_counter() - started)


JOURNAL_ROWS: Final = (
    Row(
        name="effective-balance",
        what=f"a balance by when things took effect, {LINES:,} lines, a third of them its own",
        unit="answers/s",
        against="the plain sum",
        target=Target(50),
        contenders=_effective_against_the_sum,
    ),
    Row(
        name="effective-p99",
        what=f"p99 of the same, {QUESTIONS} random times",
        unit="ms",
        against="the bound",
        target=Target(1, at_most=True),
        contenders=_effective_against_the_bound,
    ),
    Row(
        name="rebuild-journal",
        what="balances and journal built anew, compared, and flipped",
        unit="events/s",
        against=f"payments in process, {LARGE:,} commands a batch",
        target=Target(1),
        contenders=_rebuild_against_writing,
    ),
)
