"""The dispatcher's task table: filled from the log, claimed with SKIP LOCKED.

How the log is followed is in api/log_follower.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import ConnectionPool

from api.housekeeping import destroy_keys_of_unknown_origin, forget_idempotency_keys
from api.log_follower import follow
from ledger.database.connections import READER_SETTINGS
from ledger.events import (
    PaymentCancelled,
    PaymentExpired,
    PaymentFailed,
    PaymentInitiated,
    PaymentSucceeded,
)
from ledger.serialization import decode_event
from ledger.vault import read_entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsourcing.persistence import Notification

    from ledger.application import Ledger
    from ledger.key_store import KeyStore
    from ledger.vault import VaultEntry

logger = structlog.get_logger()

TRACKING: Final = "dispatcher"
CONNECTIONS_MAX: Final = 8

OPENS: Final = PaymentInitiated.TOPIC
ENDS: Final = (
    PaymentSucceeded.TOPIC,
    PaymentFailed.TOPIC,
    PaymentCancelled.TOPIC,
    PaymentExpired.TOPIC,
)

ADD_TASKS: Final = """
    INSERT INTO dispatcher_tasks (stream_id, kind, provider, due_at)
    SELECT stream_id, 'payment', provider, now() FROM unnest(%s::uuid[], %s::text[])
        AS opened (stream_id, provider)
    ON CONFLICT DO NOTHING
"""
DROP_TASKS: Final = "DELETE FROM dispatcher_tasks WHERE stream_id = ANY(%s)"

CLAIM: Final = """
    UPDATE dispatcher_tasks
    SET due_at = now() + make_interval(secs => %s), tries = tries + 1
    FROM (SELECT stream_id, kind FROM dispatcher_tasks
          WHERE provider = %s AND due_at <= now()
          ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED) AS due
    WHERE dispatcher_tasks.stream_id = due.stream_id AND dispatcher_tasks.kind = due.kind
    RETURNING dispatcher_tasks.stream_id, dispatcher_tasks.kind, dispatcher_tasks.tries
"""
POSTPONE: Final = """
    UPDATE dispatcher_tasks SET due_at = %s WHERE stream_id = %s AND kind = %s
"""
DONE: Final = "DELETE FROM dispatcher_tasks WHERE stream_id = %s AND kind = %s"


@dataclass(frozen=True, slots=True)
class Task:
    """A payment to look at; `tries` counts from 1."""

    stream_id: UUID
    kind: str
    tries: int


class TaskBoard:
    """Tasks of all providers; safe between threads and processes."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._pool: ConnectionPool[psycopg.Connection[Any]] = ConnectionPool(
            ledger.book.conninfo(READER_SETTINGS),
            min_size=1,
            max_size=CONNECTIONS_MAX,
            kwargs={"autocommit": True},
            open=True,
        )

    def claim(self, provider: str, limit: int, lease_seconds: float) -> list[Task]:
        """Take up to `limit` due tasks; they come back after `lease_seconds` if not finished."""
        with self._pool.connection() as connection:
            rows = connection.execute(CLAIM, (lease_seconds, provider, limit)).fetchall()
        return [Task(*row) for row in rows]

    def finish(self, task: Task, due_at: datetime | None) -> None:
        """Look at the payment again at `due_at`, or never again."""
        with self._pool.connection() as connection:
            if due_at is None:
                connection.execute(DONE, (task.stream_id, task.kind))
            else:
                connection.execute(POSTPONE, (due_at, task.stream_id, task.kind))

    def vault_entry(self, entry_id: UUID) -> VaultEntry | None:
        """A sealed phone number."""
        with self._pool.connection() as connection:
            return read_entry(connection, entry_id)

    def follow(self) -> int:
        """Turn the next batch of the log into tasks; how many events it had."""
        with self._pool.connection() as connection:
            return follow(connection, self._ledger, TRACKING, _apply)

    def keep_house(self, key_store: KeyStore) -> None:
        """Forget what has been kept long enough."""
        with self._pool.connection() as connection:
            keys = forget_idempotency_keys(connection)
            bodies = destroy_keys_of_unknown_origin(connection, key_store)
        logger.info("house_kept", idempotency_keys=keys, callbacks_of_unknown_origin=bodies)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


def _apply(connection: psycopg.Connection[Any], batch: Sequence[Notification]) -> None:
    opened: dict[UUID, str] = {}
    ended: set[UUID] = set()
    for notification in batch:
        stream = UUID(str(notification.originator_id))
        if notification.topic == OPENS:
            event = decode_event(
                notification.topic,
                notification.state,
                originator_id=stream,
                originator_version=notification.originator_version,
            )
            assert isinstance(event, PaymentInitiated)  # noqa: S101 - by its topic
            opened[stream] = event.provider
        elif notification.topic in ENDS:
            ended.add(stream)
    opened = {stream: name for stream, name in opened.items() if stream not in ended}
    if opened:
        connection.execute(ADD_TASKS, (list(opened), list(opened.values())))
    if ended:
        connection.execute(DROP_TASKS, (list(ended),))
