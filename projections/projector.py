"""The projector: feeds the log to every read model, in batches, each exactly once.

    wake (NOTIFY, or every 250 ms) ─▶ read a batch, decode it once ─▶ for each read model one
    transaction: its tracking row from where it was (compare-and-set), its events

Read models stand where they stand: one that is behind, or was parked, is fed by itself and holds up
no other. A batch cut in half by a crash was not applied at all; the same batch twice moves no
tracking row twice. Any number of projectors may run: the one whose row has moved applies nothing.

An event that a model cannot apply parks that model just before it, with the error in `read_models`;
it is tried again now and then, so that after a fix it goes on from there by itself.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import psycopg
import structlog

from ledger.serialization import UPCASTERS, decode_event
from projections.generations import PARK, UNPARK, Generation, generations
from projections.read_model import ReadModel, Recorded, Tables, tracking_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from zoneinfo import ZoneInfo

    from eventsourcing.persistence import Notification

    from ledger.application import Ledger

logger = structlog.get_logger()

BATCH: Final = 2_000
POLL_SECONDS: Final = 0.25
RETRY_PARKED_SECONDS: Final = 30.0
REST_AFTER_ERROR_SECONDS: Final = 1.0

ADVANCE: Final = """
    UPDATE ledger_tracking SET notification_id = %s
    WHERE application_name = %s AND notification_id = %s
"""


class PoisonedError(Exception):
    """A read model cannot apply the event at `position`."""

    def __init__(self, position: int, error: Exception) -> None:
        super().__init__(position)
        self.position = position
        self.error = error


class Unreadable(NamedTuple):
    """An event that could not be decoded: a poison for whoever reads its topic."""

    position: int
    topic: str
    error: Exception


Batch = Sequence[Recorded | Unreadable]


class Feeder:
    """Reads and decodes batches of the log, and applies them to generations of read models."""

    def __init__(self, ledger: Ledger, models: Iterable[type[ReadModel]], zone: ZoneInfo) -> None:
        self._ledger = ledger
        self._zone = zone
        self.models = {model.name: model() for model in models}
        self._topics = {
            name: model.topics() | _older_topics(model.topics())
            for name, model in self.models.items()
        }

    def read(self, position: int, wanted: Iterable[str], limit: int = BATCH) -> tuple[Batch, int]:
        """The events after a position, decoded if one of the wanted models reads them.

        With the position of the last of them: the same as given when there are none.
        """
        notifications = self._ledger.recorder.select_notifications(
            position, limit, inclusive_of_start=False
        )
        topics = frozenset[str]().union(*(self._topics[name] for name in wanted))
        batch = [_decoded(each) for each in notifications if each.topic in topics]
        return batch, notifications[-1].id if notifications else position

    def apply(
        self,
        connection: psycopg.Connection[Any],
        generation: Generation,
        batch: Batch,
        up_to: int,
    ) -> bool:
        """Apply a batch to one generation in one transaction; False when somebody else did.

        Raises `PoisonedError` when an event cannot be applied; what is before it was.
        """
        model = self.models[generation.name]
        mine: list[Recorded] = []
        for each in batch:
            if each.position <= generation.position:
                continue
            if isinstance(each, Unreadable):
                if each.topic in self._topics[generation.name]:
                    self._commit(connection, model, generation, mine, each.position - 1)
                    raise PoisonedError(each.position, each.error) from each.error
            elif type(each.event) in model.reads:
                mine.append(each)
        try:
            return self._commit(connection, model, generation, mine, up_to)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except Exception:
            self._find_the_poison(connection, model, generation, mine)
            # Alone each of them could be applied: then it was not an event.
            raise

    def _commit(
        self,
        connection: psycopg.Connection[Any],
        model: ReadModel,
        generation: Generation,
        events: Sequence[Recorded],
        up_to: int,
    ) -> bool:
        name = tracking_name(generation.name, generation.number)
        with connection.transaction():
            moved = connection.execute(ADVANCE, (up_to, name, generation.position))
            if moved.rowcount != 1:
                return False
            if events:
                model.apply(Tables(connection, generation.number, self._zone), events)
        return True

    def _find_the_poison(
        self,
        connection: psycopg.Connection[Any],
        model: ReadModel,
        generation: Generation,
        events: Sequence[Recorded],
    ) -> None:
        """Apply events one by one, up to the one that cannot be. Raises `PoisonedError` for it."""
        position = generation.position
        for each in events:
            step = generation._replace(position=position)
            try:
                if not self._commit(connection, model, step, [each], each.position):
                    return
            except (psycopg.OperationalError, psycopg.InterfaceError):
                raise
            except Exception as error:
                before = each.position - 1
                if before > position:
                    self._commit(connection, model, step, [], before)
                raise PoisonedError(each.position, error) from error
            position = each.position


def _older_topics(topics: frozenset[str]) -> frozenset[str]:
    """Topics that are no longer written and become one of these."""
    older = set[str]()
    for topic in UPCASTERS:
        newest = topic
        while newest in UPCASTERS:
            newest = UPCASTERS[newest][0]
        if newest in topics:
            older.add(topic)
    return frozenset(older)


def _decoded(notification: Notification) -> Recorded | Unreadable:
    try:
        event = decode_event(
            notification.topic,
            notification.state,
            originator_id=UUID(str(notification.originator_id)),
            originator_version=notification.originator_version,
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told where it is parked
        return Unreadable(notification.id, notification.topic, error)
    return Recorded(notification.id, event)


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
        self._retry_at: dict[tuple[str, int], float] = {}
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Finish the batch under way and return from `run`."""
        self._stopping.set()

    def run(self) -> None:
        """Follow the log until stopped, whatever happens to the connection."""
        while not self._stopping.is_set():
            try:
                with self._ledger.book.connect_reader() as connection:
                    connection.execute("LISTEN ledger_events")
                    while not self._stopping.is_set():
                        while self.catch_up(connection) and not self._stopping.is_set():
                            pass
                        for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
                            pass
            except Exception:
                # Whatever it is, the tracking rows stand; try again on a new connection.
                logger.exception("projecting_interrupted")
                self._stopping.wait(REST_AFTER_ERROR_SECONDS)

    def catch_up(self, connection: psycopg.Connection[Any]) -> int:
        """Feed one batch to each live generation; how many went on."""
        by_position: dict[int, list[Generation]] = defaultdict(list)
        for generation in generations(connection):
            if self._is_to_be_fed(generation):
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

    def _is_to_be_fed(self, generation: Generation) -> bool:
        if generation.state != "live" or generation.name not in self._feeder.models:
            return False
        if generation.parked_at is None:
            return True
        now = self._monotonic()
        key = (generation.name, generation.number)
        if now < self._retry_at.setdefault(key, now):
            return False
        self._retry_at[key] = now + RETRY_PARKED_SECONDS
        return True

    def _feed(
        self,
        connection: psycopg.Connection[Any],
        generation: Generation,
        batch: Batch,
        up_to: int,
    ) -> bool:
        name, number = generation.name, generation.number
        try:
            fed = self._feeder.apply(connection, generation, batch, up_to)
        except psycopg.errors.LockNotAvailable:
            return False
        except PoisonedError as poison:
            if generation.parked_at != poison.position:
                logger.exception("read_model_parked", model=name, position=poison.position)
            trace = "".join(traceback.format_exception(poison.error))
            error = f"{type(poison.error).__name__}: {poison.error}"
            connection.execute(PARK, (poison.position, error, trace, name, number))
            self._retry_at[name, number] = self._monotonic() + RETRY_PARKED_SECONDS
            return False
        if fed and generation.parked_at is not None:
            connection.execute(UNPARK, (name, number))
            logger.info("read_model_goes_on", model=name, position=up_to)
        return fed
