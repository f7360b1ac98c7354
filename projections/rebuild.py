"""A read model is built anew from the log while everything works: `hesabu projections rebuild`.

    begin a generation beside the live one ─▶ fill it, as fast as it goes, to where the live one is
    ─▶ compare, both seen at that one position ─▶ fill it to the head ─▶ flip ─▶ the old one is
    dropped later

Nobody who reads or writes the ledger waits for any of it. Only what feeds this one model waits, and
only while its tracking row is held: for the moment in which both are brought to one position, where
a snapshot is taken that is compared at leisure; and for the flip, which lets go and tries again
when its moment gets too long. A crash at any time leaves the live generation as it was; one that is
building is gone on with.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg

from projections.differences import Difference, differences
from projections.feeder import Feeder, PoisonedError, connect_to_fill
from projections.generations import (
    MAKE_LIVE,
    PARK,
    RETIRE,
    TRY_LOCK,
    Generation,
    begin,
    drop,
    generations,
)
from projections.projector import told
from projections.read_model import ReadModel, tracking_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import LiteralString
    from zoneinfo import ZoneInfo

    from ledger.application import Ledger

BATCH: Final = 10_000
LAST_PIECE: Final = 500
"""Events that may be missing while the live generation is held."""
HOLD_SECONDS_MAX: Final = 0.1
TRY_AGAIN_SECONDS: Final = 0.05

SHORTLY: Final = """
    SELECT set_config('lock_timeout', '100ms', true),
           set_config('statement_timeout', '100ms', true),
           set_config('idle_in_transaction_session_timeout', '1s', true)
"""
HOLD: Final = """
    SELECT notification_id FROM ledger_tracking WHERE application_name = %s FOR UPDATE
"""
SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
READ_HEAD: Final = "SELECT max(position) FROM turns"
BEGIN_FILLING: Final = """
    UPDATE read_models SET filling_since = now(), filling_from = %s
    WHERE name = %s AND generation = %s
"""


class Progress(NamedTuple):
    """How far a rebuild is: events done, events in all, events a second, seconds left."""

    position: int
    head: int
    rate: float
    seconds_left: float


class Rebuilt(NamedTuple):
    """A new generation is read. `differences` are empty where it says what the old one said.

    They are None where the old one was of another version, or could not be brought to where the
    new one was: then there is nothing to compare.
    """

    generation: int
    position: int
    differences: list[Difference] | None


class RebuildError(Exception):
    """This read model cannot be built now."""


class BeingRebuiltError(RebuildError):
    """Somebody else builds this read model at the moment."""


class NewerVersionError(RebuildError):
    """This read model is there in a newer version than this code's."""


class DifferentError(RebuildError):
    """What was built is not what is read, and nobody said that it may replace it."""

    def __init__(self, differences: list[Difference]) -> None:
        super().__init__(differences)
        self.differences = differences


class StoppedError(RebuildError):
    """The rebuild was told to stop; it can be gone on with."""


class Rebuild:
    """Builds one read model anew. `book` of the ledger is as the rebuilder's role."""

    def __init__(
        self,
        ledger: Ledger,
        model: type[ReadModel],
        zone: ZoneInfo,
        *,
        tell: Callable[[Progress], None] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._ledger = ledger
        self._model = model
        self._feeder = Feeder(ledger, [model], zone)
        self._tell = tell
        self._stopping = stopping

    def run(self) -> Rebuilt:
        """Build, compare, flip.

        Raises `PoisonedError` where the log cannot be applied, or a `RebuildError`.
        """
        with self._building() as (connection, number):
            found = self._compare(connection, number)
            self._look_at(connection, number, found)
            self._fill(connection, number)
            while (position := self._flip(connection, number)) is None:
                time.sleep(TRY_AGAIN_SECONDS)
                self._fill(connection, number)
            return Rebuilt(number, position, found)

    def compare(self) -> list[Difference] | None:
        """Build beside the live generation, compare at one position, and throw it away again."""
        with self._building() as (connection, number):
            try:
                return self._compare(connection, number)
            finally:
                drop(connection, self._model.name, number)

    @contextmanager
    def _building(self) -> Iterator[tuple[psycopg.Connection[Any], int]]:
        """The generation that is being built, by this version of the code; begun if none is."""
        name = self._model.name
        with connect_to_fill(self._ledger.book) as connection:
            if not first(connection, TRY_LOCK, name):
                raise BeingRebuiltError(name)
            number = self._begun(connection)
            try:
                yield connection, number
            except PoisonedError as poison:
                connection.execute(PARK, (*told(poison), name, number))
                raise

    def _begun(self, connection: psycopg.Connection[Any]) -> int:
        known = self._generations(connection)
        if any(each.version > self._model.version for each in known):
            raise NewerVersionError(self._model.name)
        self._make_room(connection, known)
        for each in known:
            if each.state == "building":
                if each.version == self._model.version:
                    return each.number
                drop(connection, each.name, each.number)
        with connection.transaction():
            return begin(connection, self._model, state="building")

    def _make_room(self, connection: psycopg.Connection[Any], known: list[Generation]) -> None:
        """Prepare for another generation. Most have tables of their own, and need no room."""

    def _look_at(
        self, connection: psycopg.Connection[Any], number: int, found: list[Difference] | None
    ) -> None:
        """Decide whether to go on, knowing the differences. A read model may always be replaced."""

    def _generations(self, connection: psycopg.Connection[Any]) -> list[Generation]:
        return [each for each in generations(connection) if each.name == self._model.name]

    def _generation(self, connection: psycopg.Connection[Any], number: int) -> Generation:
        return next(each for each in self._generations(connection) if each.number == number)

    def _live(self, connection: psycopg.Connection[Any]) -> Generation | None:
        return next((each for each in self._generations(connection) if each.state == "live"), None)

    def _fill(
        self, connection: psycopg.Connection[Any], number: int, *, up_to: int | None = None
    ) -> None:
        """Feed a generation up to a position, or until it is near the head."""
        generation = self._generation(connection, number)
        pace = _Pace(generation.position)
        connection.execute(BEGIN_FILLING, (generation.position, generation.name, number))
        while up_to is None or generation.position < up_to:
            if self._stopping():
                raise StoppedError(generation.name)
            limit = BATCH if up_to is None else min(BATCH, up_to - generation.position)
            batch, last = self._feeder.read(generation.position, [generation.name], limit)
            self._feeder.apply(connection, generation, batch, last)
            generation = self._generation(connection, number)
            head = int(first(connection, READ_HEAD))
            if last > pace.first:
                self._tell(pace.at(generation.position, head))
            if up_to is None and head - generation.position <= LAST_PIECE:
                return

    def _compare(self, connection: psycopg.Connection[Any], number: int) -> list[Difference] | None:
        """Compare with the live generation, at the first position where both can be seen."""
        while True:
            live, new = self._live(connection), self._generation(connection, number)
            if live is None or live.version != new.version:
                return None
            if new.position > live.position:
                if not self._brings_up(connection, live, new.position):
                    return None
                continue
            self._fill(connection, number, up_to=live.position)
            if self._see_both(connection, live, number):
                try:
                    return differences(connection, self._model, old=live.number, new=number)
                finally:
                    connection.execute("ROLLBACK")
            time.sleep(TRY_AGAIN_SECONDS)

    def _brings_up(
        self, connection: psycopg.Connection[Any], live: Generation, position: int
    ) -> bool:
        """Whether the live generation can be fed to a position that it has not reached."""
        try:
            self._fill(connection, live.number, up_to=position)
        except PoisonedError:
            return False
        return True

    def _see_both(self, connection: psycopg.Connection[Any], live: Generation, number: int) -> bool:
        """Begin a transaction that sees both at one position; False when it was too much."""
        try:
            with connect_to_fill(self._ledger.book) as holder, holder.transaction():
                position, new = self._hold(holder, live), self._generation(connection, number)
                missing = position - new.position
                if not 0 <= missing <= LAST_PIECE:
                    return False
                if missing:
                    with connection.transaction():
                        connection.execute(SHORTLY)
                        self._catch_up(connection, new, missing)
                connection.execute(SNAPSHOT)
                # The first statement takes the snapshot; from then on the live one may move.
                first(connection, READ_HEAD)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):
            return False
        return True

    def _catch_up(self, connection: psycopg.Connection[Any], new: Generation, missing: int) -> None:
        """Feed what is missing. Raises `BeingRebuiltError` when somebody else did meanwhile."""
        batch, last = self._feeder.read(new.position, [new.name], missing)
        if last != new.position + missing or not self._feeder.apply(connection, new, batch, last):
            raise BeingRebuiltError(new.name)

    def _hold(self, connection: psycopg.Connection[Any], live: Generation) -> int:
        """Keep the live generation where it is, until the transaction ends; its position."""
        connection.execute(SHORTLY)
        return int(first(connection, HOLD, tracking_name(live.name, live.number)))

    def _flip(self, connection: psycopg.Connection[Any], number: int) -> int | None:
        """Let the new generation be read, from the live one's position or later; None: not now."""
        live, new = self._live(connection), self._generation(connection, number)
        try:
            with connection.transaction():
                position = 0 if live is None else self._hold(connection, live)
                give_up_at = time.monotonic() + HOLD_SECONDS_MAX
                missing = position - new.position
                if missing > LAST_PIECE:
                    return None
                if missing > 0:
                    self._catch_up(connection, new, missing)
                connection.execute(RETIRE, (new.name,))
                connection.execute(MAKE_LIVE, (new.name, number))
                if time.monotonic() > give_up_at:
                    raise psycopg.Rollback
        except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):
            return None
        flipped = self._generation(connection, number)
        return flipped.position if flipped.state == "live" else None


class _Pace:
    """How fast a generation is filled, and how long it will take."""

    def __init__(self, position: int) -> None:
        self.first = position
        self._began = time.monotonic()

    def at(self, position: int, head: int) -> Progress:
        seconds = max(time.monotonic() - self._began, 1e-9)
        rate = (position - self.first) / seconds
        return Progress(position, head, rate, (head - position) / rate if rate else 0.0)


def first(connection: psycopg.Connection[Any], query: LiteralString, *parameters: object) -> Any:  # noqa: ANN401 - SQL's
    """The first column of the first row."""
    row = connection.execute(query, parameters or None).fetchone()
    assert row is not None  # noqa: S101 - these give one
    return row[0]
