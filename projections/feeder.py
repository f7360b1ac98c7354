"""Batches of the log, decoded once, applied to generations of read models, each exactly once.

    read ─▶ decode what somebody reads ─▶ for each generation one transaction: its tracking row from
    where it was (compare-and-set), its events

A batch cut in half by a crash was not applied at all; the same batch twice moves no tracking row
twice. An event that a model cannot apply, or that it reads and nobody can decode, stops that model
just before it: `PoisonedError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import psycopg
import structlog

from ledger.events import EVENT_CLASSES
from ledger.serialization import UPCASTERS, decode_event
from projections.generations import UNPARK, Generation
from projections.read_model import ReadModel, Recorded, Tables, tracking_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from eventsourcing.persistence import Notification

    from ledger.application import Ledger
    from ledger.database.connections import BookLocation

logger = structlog.get_logger()

BATCH: Final = 2_000

ADVANCE: Final = """
    UPDATE ledger_tracking SET notification_id = %s
    WHERE application_name = %s AND notification_id = %s
"""

FILLING_SETTINGS: Final = {
    # What a crash of the server takes back, it takes back whole, tracking row and all.
    "synchronous_commit": "off",
    "statement_timeout": "10s",
    "idle_in_transaction_session_timeout": "10s",
    # A generation that somebody holds waits; the others do not wait with it.
    "lock_timeout": "500ms",
    # Rows go by key. A plan made while a table was empty must not scan it later.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    # The server notices within seconds that this machine is gone, and gives its locks away.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
"""Settings of a connection that fills read models."""

KNOWN_TOPICS: Final = frozenset(event.TOPIC for event in EVENT_CLASSES) | frozenset(UPCASTERS)


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


def connect_to_fill(book: BookLocation) -> psycopg.Connection[Any]:
    """An autocommit connection that fills read models."""
    return psycopg.connect(book.conninfo(FILLING_SETTINGS), autocommit=True)


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
        self._kinds = {name: frozenset(map(_kind, topics)) for name, topics in self._topics.items()}

    def read(self, position: int, wanted: Iterable[str], limit: int = BATCH) -> tuple[Batch, int]:
        """The events after a position, decoded if one of the wanted models reads them.

        With the position of the last of them: the same as given when there are none.
        """
        notifications = self._ledger.recorder.select_notifications(
            position, limit, inclusive_of_start=False
        )
        names = list(wanted)
        topics = {each.topic for each in notifications}
        read = {topic for topic in topics if any(self._reads(name, topic) for name in names)}
        batch = [_decoded(each) for each in notifications if each.topic in read]
        return batch, notifications[-1].id if notifications else position

    def _reads(self, name: str, topic: str) -> bool:
        """Whether a model reads a topic. A later version of one that it reads concerns it, too."""
        if topic in KNOWN_TOPICS:
            return topic in self._topics[name]
        return _kind(topic) in self._kinds[name]

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
        events: list[Recorded] = []
        unreadable: Unreadable | None = None
        for each in batch:
            if each.position <= generation.position:
                continue
            if isinstance(each, Recorded):
                if type(each.event) in model.reads:
                    events.append(each)
            elif self._reads(generation.name, each.topic):
                unreadable, up_to = each, each.position - 1
                break
        applied = self._apply(connection, model, generation, events, up_to)
        if unreadable is not None and applied:
            raise PoisonedError(unreadable.position, unreadable.error) from unreadable.error
        return applied

    def _apply(
        self,
        connection: psycopg.Connection[Any],
        model: ReadModel,
        generation: Generation,
        events: Sequence[Recorded],
        up_to: int,
    ) -> bool:
        if up_to == generation.position:
            return True
        try:
            return self._commit(connection, model, generation, events, up_to)
        except Exception as error:
            if not _is_poison(error):
                raise
            applied = self._apply_one_by_one(connection, model, generation, events, up_to)
            # Alone each of them could be applied: then the batch is to be looked at.
            logger.exception("batch_applied_one_by_one", model=generation.name, position=up_to)
            return applied

    def _apply_one_by_one(
        self,
        connection: psycopg.Connection[Any],
        model: ReadModel,
        generation: Generation,
        events: Sequence[Recorded],
        up_to: int,
    ) -> bool:
        """Apply events up to the one that cannot be. Raises `PoisonedError` for it."""
        for each in events:
            try:
                if not self._commit(connection, model, generation, [each], each.position):
                    return False
            except Exception as error:
                if not _is_poison(error):
                    raise
                if each.position - 1 > generation.position:
                    self._commit(connection, model, generation, [], each.position - 1)
                raise PoisonedError(each.position, error) from error
            generation = generation._replace(position=each.position, parked_at=None)
        return up_to == generation.position or self._commit(
            connection, model, generation, [], up_to
        )

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
            if generation.parked_at is not None:
                connection.execute(UNPARK, (generation.name, generation.number))
        return True


def _is_poison(error: Exception) -> bool:
    """Whether an event may be to blame, and not the connection or the server's resources."""
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        # What is too large for the server is too large the next time, too.
        return (error.sqlstate or "").startswith("54")
    return True


def _kind(topic: str) -> str:
    """A topic without its version."""
    return topic.rpartition(".v")[0]


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
