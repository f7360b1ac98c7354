"""Rows about read models: the log fed to one or to all of them, and how far behind they are."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from projections.feeder import connect_to_fill
from projections.models import READ_MODELS
from projections.models.payments import PaymentsModel
from projections.projector import Projector
from projections.read_model import ReadModel, of, tracking_name
from tests.bench.http import api_process
from tests.bench.library import library_projection
from tests.bench.measure import Contenders, Row, Target
from tests.bench.payments import payment_work
from tests.bench.processes import hesabu
from tests.databases import rows, superuser, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ledger.database.location import DatabaseLocation
    from tests.bench.payments import PaymentWork
    from tests.bench.server import BenchServer

LARGE: Final = 1_000
LAG_SECONDS: Final = 3.0
LAG_BATCH: Final = 100
LAG_MILLISECONDS_MAX: Final = 250.0
READY_SECONDS_MAX: Final = 30.0
STANDS: Final = """
    SELECT min(notification_id) FROM ledger_tracking
    JOIN read_models ON application_name = name || '.g' || generation
"""


@dataclass(frozen=True, slots=True)
class Projection:
    """A book with payments in it; measures read models that are filled with them from nothing."""

    database: DatabaseLocation
    projector: Projector
    models: Sequence[type[ReadModel]]

    def events_a_second(self) -> float:
        """Events of the log a second, until all models are at its end."""
        self._begin_again()
        with connect_to_fill(BookLocation(self.database, DatabaseRole.PROJECTOR)) as connection:
            started = time.perf_counter()
            while self.projector.catch_up(connection):
                pass
            seconds = time.perf_counter() - started
        head, behind = _head(self.database), self._behind()
        if behind != head:
            message = f"fed to {behind} of {head}"
            raise RuntimeError(message)
        return head / seconds

    def _begin_again(self) -> None:
        with superuser(self.database) as connection:
            for model in self.models:
                for table in model.names:
                    connection.execute(b"TRUNCATE " + of(table, 1).encode())
                connection.execute(
                    "UPDATE ledger_tracking SET notification_id = 0 WHERE application_name = %s",
                    (tracking_name(model.name, 1),),
                )

    def _behind(self) -> int:
        names = [tracking_name(model.name, 1) for model in self.models]
        query = "SELECT min(notification_id) FROM ledger_tracking WHERE application_name = ANY(%s)"
        return int(value(self.database, query, names))


@contextmanager
def projection(
    server: BenchServer, *models: type[ReadModel]
) -> Iterator[tuple[Projection, PaymentWork]]:
    """A projector of these models on a book with a run's payments, and what wrote them."""
    with payment_work(server) as work:
        work.events_a_second(batch=LARGE)
        database = work.ledger.book.database
        ledger = Ledger(BookLocation(database, DatabaseRole.PROJECTOR))
        try:
            projector = Projector(ledger, models, ZoneInfo("Africa/Nairobi"))
            yield Projection(database, projector, models), work
        finally:
            ledger.close()


def _head(database: DatabaseLocation) -> int:
    return int(value(database, "SELECT max(position) FROM turns"))


def written_a_second(work: PaymentWork, database: DatabaseLocation) -> float:
    """Events a second that the write path records, in its best batches."""
    before, commands = _head(database), work.events_a_second(batch=LARGE)
    seconds = work.commands_a_run(LARGE) / commands
    return (_head(database) - before) / seconds


@contextmanager
def _one_against_the_library(server: BenchServer) -> Iterator[Contenders]:
    with projection(server, PaymentsModel) as (ours, _), library_projection(server) as theirs:
        yield Contenders(ours.events_a_second, theirs.events_a_second)


@contextmanager
def _one_against_writing(server: BenchServer) -> Iterator[Contenders]:
    with projection(server, PaymentsModel) as (ours, _), payment_work(server) as work:
        database = work.ledger.book.database
        yield Contenders(ours.events_a_second, lambda: written_a_second(work, database))


@contextmanager
def _all_against_http(server: BenchServer) -> Iterator[Contenders]:
    with projection(server, *READ_MODELS) as (ours, _), api_process(server) as api:
        # A payment over HTTP is one event until its provider answers.
        yield Contenders(ours.events_a_second, api.payments)


# Lag.


class Seen(NamedTuple):
    """When all read models stood where: two lists, both rising."""

    positions: list[int]
    instants: list[float]


@dataclass(frozen=True, slots=True)
class Following:
    """A projector process that follows a book; measures how far behind it is at half the load."""

    work: PaymentWork
    database: DatabaseLocation

    def lag_milliseconds(self) -> float:
        """The 99th percentile of the time from a commit until every read model has it."""
        pause = 2 * LAG_BATCH / self.work.events_a_second(batch=LAG_BATCH)
        _wait_until(lambda: _stands(self.database) == _head(self.database))
        over, seen = threading.Event(), Seen([], [])
        watching = threading.Thread(target=self._watch, args=(seen, over))
        watching.start()
        committed = self._write(pause)
        _wait_until(lambda: seen.positions[-1:] >= [committed[-1][0]])
        over.set()
        watching.join()
        lags = sorted(
            max(seen.instants[bisect_left(seen.positions, position)] - at, 0.0)
            for position, at in committed
        )
        return 1_000 * lags[int(len(lags) * 0.99)]

    def _write(self, pause: float) -> list[tuple[int, float]]:
        """Turns at half the speed that is possible: each one's last position, and when."""
        committed, next_at = [], time.perf_counter()
        give_up_at = next_at + LAG_SECONDS
        while next_at < give_up_at:
            position = self.work.execute(LAG_BATCH)
            committed.append((position, time.perf_counter()))
            next_at += pause
            time.sleep(max(next_at - time.perf_counter(), 0.0))
        return committed

    def _watch(self, seen: Seen, over: threading.Event) -> None:
        with superuser(self.database) as connection:
            while not over.wait(0.004):
                row = connection.execute(STANDS).fetchone()
                assert row is not None
                seen.positions.append(row[0])
                seen.instants.append(time.perf_counter())


def _stands(database: DatabaseLocation) -> int:
    [[stands]] = rows(database, STANDS)
    return int(stands)


def _wait_until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + READY_SECONDS_MAX
    while not condition():
        if time.monotonic() > give_up_at:
            message = "the projector does not follow"
            raise RuntimeError(message)
        time.sleep(0.02)


@contextmanager
def _lag_against_the_bound(server: BenchServer) -> Iterator[Contenders]:
    with payment_work(server) as work:
        database = work.ledger.book.database
        with hesabu(server, database, "projector"):
            ours = Following(work, database)
            yield Contenders(ours.lag_milliseconds, lambda: LAG_MILLISECONDS_MAX)


PROJECTION_ROWS: Final = (
    Row(
        name="projection-one",
        what="one read model (payments), from an empty table",
        unit="events/s",
        against="eventsourcing, ProjectionRunner: a transaction an event",
        target=Target(20),
        contenders=_one_against_the_library,
    ),
    Row(
        name="projection-writing",
        what="one read model (payments), from an empty table",
        unit="events/s",
        against=f"payments in process, {LARGE:,} commands a batch",
        target=Target(1.5),
        contenders=_one_against_writing,
    ),
    Row(
        name="projection-all",
        what=f"all {len(READ_MODELS)} read models, the log decoded once",
        unit="events/s",
        against="POST /payments, an event each",
        target=Target(3),
        contenders=_all_against_http,
    ),
    Row(
        name="projection-lag",
        what=f"p99 until all read models have it, {LAG_BATCH} commands a turn at half the load",
        unit="ms",
        against="the bound",
        target=Target(1, at_most=True),
        contenders=_lag_against_the_bound,
    ),
)
