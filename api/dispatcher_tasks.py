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

from api.housekeeping import (
    destroy_keys_of_unknown_origin,
    forget_idempotency_keys,
    forget_rate_limit_windows,
)
from api.live_prompts import forget_phones, give_back_phones
from api.log_follower import follow
from api.notifications.notices import KINDS_BY_TOPIC, notification_id
from ledger.database.connections import READER_SETTINGS
from ledger.events import (
    ApprovalGiven,
    CreditRefundRequested,
    InvoicePaymentInitiated,
    PaymentCancelled,
    PaymentExpired,
    PaymentFailed,
    PaymentInitiated,
    PaymentMismatched,
    PaymentReceivedAsCredit,
    PaymentSucceeded,
    PaymentVoided,
    PayoutCancelled,
    PayoutFailed,
    PayoutPaid,
    PayoutRejected,
    PayoutReleased,
    PayoutRequested,
    ReceiptReturnRequested,
    RefundFailed,
    RefundRequested,
    RefundSucceeded,
)
from ledger.serialization import decode_event
from ledger.vault import read_entry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from eventsourcing.persistence import Notification

    from ledger.application import Ledger
    from ledger.events import LedgerEvent
    from ledger.key_store import KeyStore
    from ledger.vault import VaultEntry

logger = structlog.get_logger()

TRACKING: Final = "dispatcher"
NOTIFICATIONS: Final = "notifications"
"""In place of a provider in the tasks of notices, which have a lane of their own."""
CONNECTIONS_MAX: Final = 8

PAYMENT_ENDS: Final = frozenset(
    cls.TOPIC
    for cls in (
        PaymentSucceeded,
        PaymentReceivedAsCredit,
        PaymentFailed,
        PaymentCancelled,
        PaymentVoided,
        PaymentExpired,
    )
)
PROMPT_ENDS: Final = PAYMENT_ENDS | {PaymentMismatched.TOPIC}
PAYOUT_ENDS: Final = frozenset(
    cls.TOPIC for cls in (PayoutPaid, PayoutFailed, PayoutRejected, PayoutCancelled)
)
PAYOUT_WAKES: Final = frozenset({ApprovalGiven.TOPIC, PayoutReleased.TOPIC})
READ: Final = frozenset(
    cls.TOPIC
    for cls in (
        PaymentInitiated,
        InvoicePaymentInitiated,
        RefundRequested,
        ReceiptReturnRequested,
        CreditRefundRequested,
        RefundSucceeded,
        RefundFailed,
        PayoutRequested,
    )
)
"""Topics whose events must be decoded; of the others the stream says enough."""

ADD_TASKS: Final = """
    INSERT INTO dispatcher_tasks (kind, task_id, stream_id, provider, version, due_at)
    SELECT kind, task_id, stream_id, provider, version, now()
    FROM unnest(%s::text[], %s::uuid[], %s::uuid[], %s::text[], %s::bigint[])
        AS opened (kind, task_id, stream_id, provider, version)
    ON CONFLICT DO NOTHING
"""
LOOK_LATER: Final = """
    INSERT INTO dispatcher_tasks (kind, task_id, stream_id, provider, due_at)
    SELECT 'late', task_id, stream_id, provider, %s FROM dispatcher_tasks
    WHERE kind = %s AND task_id = %s
    ON CONFLICT DO NOTHING
"""
ADD_HINTS: Final = """
    INSERT INTO dispatcher_tasks (kind, task_id, stream_id, provider, due_at)
    SELECT 'hint', inbox_id, inbox_id, provider, now() FROM inbox
    WHERE verdict = 'retrying' AND provider = ANY(%s)
      AND NOT EXISTS (SELECT FROM dispatcher_tasks
                      WHERE kind = 'hint' AND task_id = inbox.inbox_id)
    ORDER BY received_at LIMIT 1000
    ON CONFLICT DO NOTHING
"""
WAKE_TASKS: Final = """
    UPDATE dispatcher_tasks SET due_at = now() WHERE kind = 'payout' AND task_id = ANY(%s)
"""
DROP_TASKS: Final = """
    DELETE FROM dispatcher_tasks USING unnest(%s::text[], %s::uuid[]) AS ended (kind, task_id)
    WHERE dispatcher_tasks.kind = ended.kind AND dispatcher_tasks.task_id = ended.task_id
"""

CLAIM: Final = """
    UPDATE dispatcher_tasks
    SET due_at = now() + make_interval(secs => %s), tries = tries + 1, waits_for = NULL
    FROM (SELECT kind, task_id FROM dispatcher_tasks
          WHERE provider = %s AND due_at <= now()
          ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED) AS due
    WHERE dispatcher_tasks.kind = due.kind AND dispatcher_tasks.task_id = due.task_id
    RETURNING dispatcher_tasks.kind, dispatcher_tasks.task_id, stream_id, tries, version
"""
POSTPONE: Final = """
    UPDATE dispatcher_tasks SET due_at = %s
    WHERE kind = %s AND task_id = %s AND due_at > now()
"""
"""One that was woken meanwhile is due, and stays so."""
DONE: Final = "DELETE FROM dispatcher_tasks WHERE kind = %s AND task_id = %s"


@dataclass(frozen=True, slots=True)
class Task:
    """Something on a stream to look at: a payment, a refund, a payout, a notice of an event.

    A payment at a till is of a kind of its own, since it may take days and nobody waits for it.
    `tries` counts from 1; `version` is of the event that a notice is about.
    """

    kind: str
    task_id: UUID
    stream_id: UUID
    tries: int
    version: int | None = None


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
            if rows:
                self._ledger.book_time.renew(connection)
        return [Task(*row) for row in rows]

    def finish(self, task: Task, due_at: datetime | None) -> None:
        """Look at it again at `due_at` by the book's time, or never again."""
        with self._pool.connection() as connection:
            if due_at is None:
                connection.execute(DONE, (task.kind, task.task_id))
            else:
                # A pause is a real one: the column is in the database's time.
                due_at -= self._ledger.book_time.ahead
                connection.execute(POSTPONE, (due_at, task.kind, task.task_id))

    def connection(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """A connection for the tables of one kind of task; each statement commits."""
        return self._pool.connection()

    def vault_entry(self, entry_id: UUID) -> VaultEntry | None:
        """A sealed phone number."""
        with self._pool.connection() as connection:
            return read_entry(connection, entry_id)

    def follow(self) -> int:
        """Turn the next batch of the log into tasks; how many events it had."""
        with self._pool.connection() as connection:
            return follow(connection, self._ledger, TRACKING, _apply)

    def look_later(self, task: Task, due_at: datetime) -> None:
        """Look again at `due_at`, by the book's time, at what this task is about to give up."""
        due_at -= self._ledger.book_time.ahead
        with self._pool.connection() as connection:
            connection.execute(LOOK_LATER, (due_at, task.kind, task.task_id))

    def add_hints(self, providers: Sequence[str]) -> None:
        """Make a task of each callback that waits for its provider to be asked."""
        with self._pool.connection() as connection:
            connection.execute(ADD_HINTS, (list(providers),))

    def keep_house(self, key_store: KeyStore) -> None:
        """Forget what has been kept long enough."""
        with self._pool.connection() as connection:
            keys = forget_idempotency_keys(connection)
            forget_rate_limit_windows(connection)
            bodies = destroy_keys_of_unknown_origin(connection, key_store)
            forget_phones(connection)
        logger.info("house_kept", idempotency_keys=keys, callbacks_of_unknown_origin=bodies)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


class _Changes:
    """What a batch of the log changes: tasks that open, wake and end, each once."""

    def __init__(self) -> None:
        self._opened: dict[tuple[str, UUID], tuple[UUID, str, int | None]] = {}
        self._woken: set[UUID] = set()
        self._ended: set[tuple[str, UUID]] = set()
        self._prompts_ended: set[UUID] = set()

    def take(self, notification: Notification) -> None:
        """Note what one event of the log changes."""
        topic, stream = notification.topic, UUID(str(notification.originator_id))
        version = notification.originator_version
        for kind in KINDS_BY_TOPIC.get(topic, ()):
            task = ("notification", notification_id(stream, version, kind))
            self._opened[task] = (stream, NOTIFICATIONS, version)
        if topic in PROMPT_ENDS:
            self._prompts_ended.add(stream)
        if topic in PAYMENT_ENDS:
            self._ended |= {("payment", stream), ("till", stream)}
        elif topic in PAYOUT_ENDS:
            self._ended.add(("payout", stream))
        elif topic in PAYOUT_WAKES:
            self._woken.add(stream)
        elif topic in READ:
            self._take_event(
                decode_event(
                    topic,
                    notification.state,
                    originator_id=stream,
                    originator_version=version,
                )
            )

    def _take_event(self, event: LedgerEvent) -> None:
        stream = event.originator_id
        match event:
            case InvoicePaymentInitiated(method="till"):
                self._opened["till", stream] = (stream, event.provider, None)
            case PaymentInitiated() | InvoicePaymentInitiated():
                self._opened["payment", stream] = (stream, event.provider, None)
            case PayoutRequested():
                self._opened["payout", stream] = (stream, event.destination.provider, None)
            case RefundRequested() if event.origin == "provider":
                pass
            case RefundRequested() | ReceiptReturnRequested() | CreditRefundRequested():
                self._opened["refund", event.refund_id] = (stream, event.provider, None)
            case RefundSucceeded() | RefundFailed():
                self._ended.add(("refund", event.refund_id))
            case _:
                pass

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Write the changes, in the caller's transaction."""
        if self._prompts_ended:
            # Before any task, as api/live_prompts.py says.
            give_back_phones(connection, self._prompts_ended)
        opened = [
            (*task, *where) for task, where in self._opened.items() if task not in self._ended
        ]
        if opened:
            connection.execute(ADD_TASKS, [list(column) for column in zip(*opened, strict=True)])
        if self._woken:
            connection.execute(WAKE_TASKS, (list(self._woken),))
        if self._ended:
            ended = [list(column) for column in zip(*self._ended, strict=True)]
            connection.execute(DROP_TASKS, ended)


def _apply(connection: psycopg.Connection[Any], batch: Sequence[Notification]) -> None:
    changes = _Changes()
    for notification in batch:
        changes.take(notification)
    changes.write(connection)
