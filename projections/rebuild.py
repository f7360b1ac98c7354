"""A read model is built anew from the log while everything works: `hesabu projections rebuild`.

    begin a generation beside the live one ─▶ fill it, as fast as it goes ─▶ compare ─▶ the last
    events, both standing still at one position ─▶ flip ─▶ the old one is dropped later

Nobody who reads or writes the ledger waits for any of it. Only for the flip is the live generation
held where it is, for a moment: its tracking row is locked, so that both are at one position, where
they are compared row by row. A crash at any time leaves the live generation as it was; a building
one is gone on with.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg import sql

from projections.generations import (
    LOCK_NAME,
    MAKE_LIVE,
    RETIRE,
    UNPARK,
    Generation,
    begin,
    drop,
    generations,
)
from projections.projector import Feeder
from projections.read_model import ReadModel, of, tracking_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from ledger.application import Ledger

BATCH: Final = 10_000
LAST_PIECE: Final = 500
"""Events that may be missing when the flip begins: so short is it held."""
HOLD_SECONDS_MAX: Final = 2.0
DROP_AFTER_SECONDS: Final = 60
"""Longer than any query takes that began with the old generation."""

HOLD: Final = """
    SELECT application_name, notification_id FROM ledger_tracking
    WHERE application_name = ANY(%s) ORDER BY application_name FOR UPDATE
"""
READ_HEAD: Final = "SELECT coalesce(max(position), 0) FROM turns"
READ_RETIRED: Final = """
    SELECT generation FROM read_models
    WHERE name = %s AND state = 'retired' AND retired_at < now() - make_interval(secs => %s)
"""


class Progress(NamedTuple):
    """How far a rebuild is: events done, events in all, events a second, seconds left."""

    position: int
    head: int
    rate: float
    seconds_left: float


class Difference(NamedTuple):
    """Rows of a table that only one of two generations has."""

    table: str
    only_old: int
    only_new: int


class Rebuilt(NamedTuple):
    """A new generation is read. `differences` are empty where it says what the old one said."""

    generation: int
    position: int
    differences: list[Difference]


class Rebuild:
    """Builds one read model anew. `book` of the ledger is as the rebuilder's role."""

    def __init__(
        self,
        ledger: Ledger,
        model: type[ReadModel],
        zone: ZoneInfo,
        *,
        tell: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._ledger = ledger
        self._model = model
        self._feeder = Feeder(ledger, [model], zone)
        self._tell = tell

    def run(self) -> Rebuilt:
        """Build, compare, flip. Raises `PoisonedError` where the log cannot be applied."""
        with self._connect() as connection:
            connection.execute(LOCK_NAME, (self._model.name,))
            number = self._building(connection)
            self._fill(connection, number)
            return self._flip(connection, number)

    def drop_retired(self, *, after_seconds: float = DROP_AFTER_SECONDS) -> list[int]:
        """Drop generations that nobody reads any more; those that somebody holds another time."""
        dropped: list[int] = []
        with self._connect() as connection:
            retired = connection.execute(READ_RETIRED, (self._model.name, after_seconds))
            for (number,) in retired.fetchall():
                try:
                    drop(connection, self._model, number)
                except psycopg.errors.LockNotAvailable:
                    continue
                dropped.append(number)
        return dropped

    def compare(self) -> list[Difference]:
        """Build beside the live generation, compare at one position, and throw it away again."""
        with self._connect() as connection:
            connection.execute(LOCK_NAME, (self._model.name,))
            number = self._building(connection)
            self._fill(connection, number)
            with connection.transaction():
                live, new = self._hold(connection, number)
                differences = self._differences(connection, live.number, new.number)
            drop(connection, self._model, number)
            return differences

    def _connect(self) -> psycopg.Connection[Any]:
        # A building generation is gone on with after a crash, wherever its tracking row says.
        settings = {"synchronous_commit": "off", "lock_timeout": "5s", "jit": "off"}
        return psycopg.connect(self._ledger.book.conninfo(settings), autocommit=True)

    def _building(self, connection: psycopg.Connection[Any]) -> int:
        """The generation that is being built, by this version of the code; begun if none is."""
        for each in self._generations(connection):
            if each.state == "building":
                if each.version == self._model.version:
                    return each.number
                drop(connection, self._model, each.number)
        with connection.transaction():
            return begin(connection, self._model, state="building")

    def _generations(self, connection: psycopg.Connection[Any]) -> list[Generation]:
        return [each for each in generations(connection) if each.name == self._model.name]

    def _generation(self, connection: psycopg.Connection[Any], number: int) -> Generation:
        return next(each for each in self._generations(connection) if each.number == number)

    def _fill(self, connection: psycopg.Connection[Any], number: int) -> None:
        began, generation = time.monotonic(), self._generation(connection, number)
        first = generation.position
        while True:
            batch, up_to = self._feeder.read(generation.position, [self._model.name], BATCH)
            if up_to == generation.position:
                return
            self._feeder.apply(connection, generation, batch, up_to)
            generation = self._generation(connection, number)
            head = int(connection.execute(READ_HEAD).fetchone()[0])  # type: ignore[index]
            seconds = max(time.monotonic() - began, 1e-9)
            rate = (generation.position - first) / seconds
            left = head - generation.position
            self._tell(Progress(generation.position, head, rate, left / rate if rate else 0.0))
            if left <= LAST_PIECE:
                return

    def _flip(self, connection: psycopg.Connection[Any], number: int) -> Rebuilt:
        while True:
            with connection.transaction():
                live, new = self._hold(connection, number)
                if abs(live.position - new.position) <= LAST_PIECE * 4:
                    new = self._catch_up(connection, live, new)
                    same_version = live.version == new.version and live.parked_at is None
                    differences = (
                        self._differences(connection, live.number, number) if same_version else []
                    )
                    connection.execute(RETIRE, (self._model.name,))
                    connection.execute(MAKE_LIVE, (self._model.name, number))
                    connection.execute(UNPARK, (self._model.name, number))
                    return Rebuilt(number, new.position, differences)
            self._fill(connection, number)

    def _hold(
        self, connection: psycopg.Connection[Any], number: int
    ) -> tuple[Generation, Generation]:
        """Keep both generations where they are, until the transaction ends."""
        live = next(each for each in self._generations(connection) if each.state == "live")
        names = [tracking_name(self._model.name, each) for each in (live.number, number)]
        connection.execute(HOLD, (names,))
        return self._generation(connection, live.number), self._generation(connection, number)

    def _catch_up(
        self, connection: psycopg.Connection[Any], live: Generation, new: Generation
    ) -> Generation:
        """Bring the one that is behind to the position of the other, in the same transaction."""
        behind, ahead = sorted((live, new), key=lambda each: each.position)
        missing = ahead.position - behind.position
        if missing and behind.parked_at is None:
            batch, up_to = self._feeder.read(behind.position, [self._model.name], missing)
            self._feeder.apply(connection, behind, batch, up_to)
        return self._generation(connection, new.number)

    def _differences(
        self, connection: psycopg.Connection[Any], old: int, new: int
    ) -> list[Difference]:
        found: list[Difference] = []
        for table in self._model.names:
            only_old = _count_only(connection, of(table, old), of(table, new))
            only_new = _count_only(connection, of(table, new), of(table, old))
            if only_old or only_new:
                found.append(Difference(table.replace("_g{g}", ""), only_old, only_new))
        return found


def _count_only(connection: psycopg.Connection[Any], first: str, second: str) -> int:
    query = sql.SQL(
        "SELECT count(*)"
        " FROM (SELECT * FROM {first} EXCEPT ALL SELECT * FROM {second}) AS difference"
    ).format(first=sql.Identifier(first), second=sql.Identifier(second))
    row = connection.execute(query).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has a row
    return int(row[0])
