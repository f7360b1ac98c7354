"""The projector: feeds the log to every read model, in batches, each exactly once.

    wake (NOTIFY, or every 250 ms) ─▶ read a batch, decode it once ─▶ each read model applies it in
    a transaction of its own (projections/feeder.py)

Read models stand where they stand: one that is behind, or was parked, is fed by itself and holds up
no other. An event that a model cannot apply parks that model just before it, with the error in
`read_models`; it is tried again now and then, so that after a fix it goes on by itself.

Any number of projectors may run. One of them leads, by a lock of its session; the others only look
whether it is still there, and whether what it should feed moves. That spares work and protects
nothing: whoever applies a batch moves the tracking row from where it was, or applies nothing.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import psycopg
import structlog

from projections.feeder import ADVANCE, Batch, Feeder, PoisonedError, connect_to_fill
from projections.generations import PARK, Generation, generations
from projections.read_model import ReadModel, tracking_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import LiteralString
    from zoneinfo import ZoneInfo

    from ledger.application import Ledger

logger = structlog.get_logger()

POLL_SECONDS: Final = 0.25
STANDBY_SECONDS: Final = 1.0
"""So often does a projector that does not lead look whether it should."""
STANDS_STILL_SECONDS: Final = 3.0
"""A generation that is behind and stands still so long is fed by whoever sees it."""
RETRY_PARKED_SECONDS: Final = 30.0
REST_AFTER_ERROR_SECONDS: Final = 1.0

LEAD: Final = """
    SELECT pg_try_advisory_lock(hashtextextended('hesabu: projector of ' || current_schema(), 0))
"""
READ_HEAD: Final = "SELECT max(position) FROM turns"

Fed = tuple[str, int, int | None]
"""A generation by name and number, and the event at which it is parked."""


class Projector:
    """One projector process's work: keeps every live generation at the head of the log."""

    def __init__(
        self,
        ledger: Ledger,
        models: Iterable[type[ReadModel]],
        zone: ZoneInfo,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._feeder = Feeder(ledger, models, zone)
        self._monotonic = monotonic
        self._rests_until: dict[Fed, float] = {}
        self._stands_since: dict[tuple[str, int], tuple[int, float]] = {}
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Finish the batch under way and return from `run`."""
        self._stopping.set()

    def run(self) -> None:
        """Follow the log until stopped, whatever happens to the connection."""
        while not self._stopping.is_set():
            try:
                with connect_to_fill(self._ledger.book) as connection:
                    self._stand_by(connection)
                    self._follow(connection)
            except Exception:
                # Whatever it is, the tracking rows stand; try again on a new connection.
                logger.exception("projecting_interrupted")
                self._stopping.wait(REST_AFTER_ERROR_SECONDS)

    def _stand_by(self, connection: psycopg.Connection[Any]) -> None:
        """Return once this projector leads, or is told to stop."""
        while not self._stopping.is_set() and not _first(connection, LEAD):
            if self._something_stands_still(connection):
                self.catch_up(connection)
            self._stopping.wait(STANDBY_SECONDS)

    def _follow(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute("LISTEN ledger_events")
        while not self._stopping.is_set():
            while self.catch_up(connection) and not self._stopping.is_set():
                pass
            for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
                pass

    def _something_stands_still(self, connection: psycopg.Connection[Any]) -> bool:
        """Whether who leads feeds nothing: stopped, or behind a line that was cut."""
        head, now = int(_first(connection, READ_HEAD)), self._monotonic()
        stood, self._stands_since = self._stands_since, {}
        for each in generations(connection):
            if each.position >= head or each.parked_at is not None or not self._is_fed(each):
                continue
            key = (each.name, each.number)
            position, since = stood.get(key, (-1, now))
            self._stands_since[key] = (
                (position, since) if position == each.position else (each.position, now)
            )
        return any(now - since > STANDS_STILL_SECONDS for _, since in self._stands_since.values())

    def catch_up(self, connection: psycopg.Connection[Any]) -> int:
        """Feed one batch to each live generation; how many went on."""
        by_position: dict[int, list[Generation]] = defaultdict(list)
        for generation in generations(connection):
            if self._is_fed(generation) and not self._rests(generation):
                by_position[generation.position].append(generation)
        went_on = 0
        # Those at the head first: who is behind holds up nobody.
        for position in sorted(by_position, reverse=True):
            group = by_position[position]
            batch, up_to = self._feeder.read(position, [each.name for each in group])
            if up_to == position:
                continue
            for generation in group:
                went_on += self._feed(connection, generation, batch, up_to)
        return went_on

    def _is_fed(self, generation: Generation) -> bool:
        """Whether it is read, and of this version: another one's tables are not ours to fill."""
        model = self._feeder.models.get(generation.name)
        return (
            generation.state == "live" and model is not None and model.version == generation.version
        )

    def _rests(self, generation: Generation) -> bool:
        return self._monotonic() < self._rests_until.get(_fed(generation), 0.0)

    def _rest(self, generation: Generation, seconds: float) -> None:
        self._rests_until[_fed(generation)] = self._monotonic() + seconds

    def _feed(
        self,
        connection: psycopg.Connection[Any],
        generation: Generation,
        batch: Batch,
        up_to: int,
    ) -> bool:
        try:
            return self._feeder.apply(connection, generation, batch, up_to)
        except PoisonedError as poison:
            self._park(connection, generation, poison)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            if connection.closed or connection.broken:
                raise
            # One that is held, or too slow, must not stop the others.
            logger.exception("read_model_interrupted", model=generation.name)
            self._rest(generation, REST_AFTER_ERROR_SECONDS)
        return False

    def _park(
        self, connection: psycopg.Connection[Any], generation: Generation, poison: PoisonedError
    ) -> None:
        name, number = generation.name, generation.number
        before = poison.position - 1
        if generation.parked_at != poison.position:
            logger.error(
                "read_model_parked", model=name, position=poison.position, exc_info=poison.error
            )
        with connection.transaction():
            # It may have gone on meanwhile, by a projector that knows better.
            if connection.execute(ADVANCE, (before, tracking_name(name, number), before)).rowcount:
                connection.execute(PARK, (*told(poison), name, number))
        self._rest(generation._replace(parked_at=poison.position), RETRY_PARKED_SECONDS)


def told(poison: PoisonedError) -> tuple[int, str, str]:
    """What is told of a poison: the event's position, the error, and its traceback."""
    error = poison.error
    trace = "".join(traceback.format_exception(error))
    # PostgreSQL's text knows no NUL.
    return (
        poison.position,
        f"{type(error).__name__}: {error}".replace("\0", "\\0"),
        trace.replace("\0", "\\0"),
    )


def _fed(generation: Generation) -> Fed:
    return generation.name, generation.number, generation.parked_at


def _first(connection: psycopg.Connection[Any], query: LiteralString) -> Any:  # noqa: ANN401 - SQL's
    row = connection.execute(query).fetchone()
    assert row is not None  # noqa: S101 - these give one
    return row[0]
