"""What is due, and when: a table that is derived from the log under the tracking row `clock`.

    release          money of a payment in the settlement delay; `amount` is what the payment has
                     in its creator's pending account, whatever took or gave back of it meanwhile
    hold             reserved money that expires
    payout_schedule  the next time that everything available is paid out

Rows come and go with the events that are followed, in the transaction of the tracking row, so that
the table is true at its position. Only a schedule's next time is moved on by the clock itself.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import ConnectionPool

from api.clock_pace import Outlook, look_out
from api.log_follower import follow
from api.payout_calendar import next_occurrence
from ledger.accounts import CreatorFunds, creator_of
from ledger.creator import Creator, evolve_creator
from ledger.events import (
    EVENT_CLASSES,
    CreatorEvent,
    CreditSpent,
    FundsHeld,
    FundsReleased,
    HoldReleased,
    PaymentSucceeded,
    PayoutScheduleSet,
    ReceiptsAllocated,
)
from ledger.serialization import UPCASTERS, decode_event
from projections.reader import LOOK_UP_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from zoneinfo import ZoneInfo

    from eventsourcing.persistence import Notification

    from ledger.application import Ledger
    from ledger.events import LedgerEvent

logger = structlog.get_logger()

TRACKING: Final = "clock"
CONNECTIONS_MAX: Final = 2
"""One follows the log, one asks what is due."""

Kind = Literal["release", "hold", "payout_schedule"]

READ: Final = frozenset(
    {cls.TOPIC for cls in EVENT_CLASSES if "entry" in cls.model_fields}
    | {PayoutScheduleSet.TOPIC}
    | UPCASTERS.keys()
)
"""Topics whose events may move money or say when something is due; the others say neither."""

PUT: Final = """
    INSERT INTO clock_due (kind, subject_id, creator_id, currency, amount, due_at)
    SELECT * FROM unnest(%s::text[], %s::uuid[], %s::uuid[], %s::text[], %s::numeric[],
                         %s::timestamptz[])
    ON CONFLICT (kind, subject_id) DO UPDATE
    SET creator_id = excluded.creator_id, currency = excluded.currency,
        amount = excluded.amount, due_at = excluded.due_at
"""
ADD: Final = """
    UPDATE clock_due SET amount = clock_due.amount + moved.amount
    FROM unnest(%s::uuid[], %s::numeric[]) AS moved (subject_id, amount)
    WHERE clock_due.kind = 'release' AND clock_due.subject_id = moved.subject_id
"""
REMOVE: Final = """
    DELETE FROM clock_due USING unnest(%s::text[], %s::uuid[]) AS ended (kind, subject_id)
    WHERE clock_due.kind = ended.kind AND clock_due.subject_id = ended.subject_id
"""
READ_DUE: Final = """
    SELECT kind, subject_id, creator_id, due_at, coalesce(%(now)s::timestamptz, now())
    FROM clock_due
    WHERE due_at <= coalesce(%(now)s::timestamptz, now())
      AND (due_at, kind, subject_id)
        > (%(due_at)s::timestamptz, %(kind)s::text, %(subject_id)s::uuid)
    ORDER BY due_at, kind, subject_id LIMIT %(limit)s
"""
MOVE_ON: Final = """
    UPDATE clock_due SET due_at = %(due_at)s
    WHERE kind = 'payout_schedule' AND subject_id = %(creator_id)s AND due_at = %(due_before)s
"""
READ_CREATORS: Final = """
    SELECT originator_id, originator_version, topic, state FROM ledger_events
    WHERE originator_id = ANY(%s) ORDER BY originator_id, originator_version
"""


class Due(NamedTuple):
    """Something that is due: its subject is a payment, a hold, or a creator with a schedule.

    `now` is the time at which it was asked for: the database's, unless the book's runs ahead.
    """

    kind: Kind
    subject_id: UUID
    creator_id: UUID
    due_at: datetime
    now: datetime


class Move(NamedTuple):
    """A creator's schedule goes on from one time to another, if it still stands at the first."""

    creator_id: UUID
    due_before: datetime
    due_at: datetime


class ClockBoard:
    """The table; safe between threads and processes."""

    def __init__(self, ledger: Ledger, zone: ZoneInfo) -> None:
        self._ledger = ledger
        self._zone = zone
        self._pool: ConnectionPool[psycopg.Connection[Any]] = ConnectionPool(
            ledger.book.conninfo(LOOK_UP_SETTINGS),
            min_size=1,
            max_size=CONNECTIONS_MAX,
            kwargs={"autocommit": True},
            open=True,
        )

    def follow(self) -> int:
        """Turn the next batch of the log into rows; how many events it had."""
        with self._pool.connection() as connection:
            return follow(connection, self._ledger, TRACKING, self._apply)

    def due(
        self, limit: int, *, after: Due | None = None, now: datetime | None = None
    ) -> list[Due]:
        """Up to `limit` things that are due, the oldest first, those behind `after`.

        The database says what time it is, unless `now` is given.
        """
        position = (
            {"due_at": "-infinity", "kind": "", "subject_id": UUID(int=0)}
            if after is None
            else after._asdict()
        )
        with self._pool.connection() as connection:
            rows = connection.execute(READ_DUE, {**position, "now": now, "limit": limit})
            return [Due(*row) for row in rows.fetchall()]

    def outlook(self) -> Outlook:
        """What the time depends on where it may run ahead."""
        with self._pool.connection() as connection:
            return look_out(connection)

    def creators(self, creator_ids: Collection[UUID]) -> dict[UUID, Creator]:
        """These creators as they stand; one whose stream cannot be read is left out, and logged."""
        with self._pool.connection() as connection:
            rows = connection.execute(READ_CREATORS, (list(creator_ids),)).fetchall()
        streams: dict[UUID, list[tuple[int, str, bytes]]] = defaultdict(list)
        for creator_id, *event in rows:
            streams[creator_id].append((event[0], event[1], event[2]))
        found: dict[UUID, Creator] = {}
        for creator_id, events in streams.items():
            try:
                found[creator_id] = _folded(creator_id, events)
            except Exception:
                # One creator's stream must not stop the payouts of the others.
                logger.exception("creator_unreadable", creator=str(creator_id))
        return found

    def move_on(self, moves: Sequence[Move]) -> None:
        """Let schedules go on. One that was set anew meanwhile stays as it was set."""
        with (
            self._pool.connection() as connection,
            connection.transaction(),
            connection.cursor() as cursor,
        ):
            cursor.executemany(MOVE_ON, [move._asdict() for move in moves])

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _apply(self, connection: psycopg.Connection[Any], batch: Sequence[Notification]) -> None:
        changes = _Changes(self._zone)
        for notification in batch:
            if notification.topic in READ:
                changes.take(
                    decode_event(
                        notification.topic,
                        notification.state,
                        originator_id=UUID(str(notification.originator_id)),
                        originator_version=notification.originator_version,
                    )
                )
        changes.write(connection)


def _folded(creator_id: UUID, events: list[tuple[int, str, bytes]]) -> Creator:
    creator: Creator | None = None
    for version, topic, state in events:
        event = decode_event(topic, state, originator_id=creator_id, originator_version=version)
        assert isinstance(event, CreatorEvent)  # noqa: S101 - it is a creator's stream
        creator = evolve_creator(creator, event)
    assert creator is not None  # noqa: S101 - a stream has an event
    return creator


@dataclass(frozen=True, slots=True)
class _Row:
    creator_id: UUID
    currency: str | None
    amount: int
    due_at: datetime


class _Changes:
    """What a batch of the log changes, each row once: put, moved by an amount, or removed."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._rows: dict[tuple[Kind, UUID], _Row | None] = {}
        self._moved: dict[UUID, int] = {}

    def take(self, event: LedgerEvent) -> None:
        """Note what one event changes."""
        match event:
            case PaymentSucceeded() | ReceiptsAllocated() | CreditSpent():
                self._open_release(event)
            case FundsReleased():
                self._rows["release", event.originator_id] = None
            case FundsHeld():
                self._rows["hold", event.hold_id] = _Row(
                    event.originator_id, event.held.currency, event.held.amount, event.expires_at
                )
            case HoldReleased():
                self._rows["hold", event.hold_id] = None
            case PayoutScheduleSet():
                self._rows["payout_schedule", event.originator_id] = self._schedule(event)
            case _:
                self._move_release(event)

    def _open_release(self, event: PaymentSucceeded | ReceiptsAllocated | CreditSpent) -> None:
        pending = _pending(event)
        # Where the platform took all of it, there is nothing to release to anybody.
        if pending is not None:
            creator_id, currency, amount = pending
            self._rows["release", event.originator_id] = _Row(
                creator_id, currency, amount, event.releases_at
            )

    def _move_release(self, event: LedgerEvent) -> None:
        pending = _pending(event)
        if pending is None:
            return
        key: tuple[Kind, UUID] = ("release", event.originator_id)
        amount = pending[2]
        if key not in self._rows:
            moved = self._moved.get(event.originator_id, 0)
            self._moved[event.originator_id] = moved + amount
        elif (row := self._rows[key]) is not None:
            self._rows[key] = replace(row, amount=row.amount + amount)

    def _schedule(self, event: PayoutScheduleSet) -> _Row | None:
        if event.interval is None:
            return None
        due_at = next_occurrence(
            event.interval, event.day, after=event.recorded_at, zone=self._zone
        )
        return _Row(event.originator_id, None, 0, due_at)

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Write the changes, in the caller's transaction."""
        put = [
            (kind, subject, row.creator_id, row.currency, row.amount, row.due_at)
            for (kind, subject), row in self._rows.items()
            if row is not None
        ]
        if put:
            connection.execute(PUT, [list(column) for column in zip(*put, strict=True)])
        removed = [key for key, row in self._rows.items() if row is None]
        if removed:
            connection.execute(REMOVE, [list(column) for column in zip(*removed, strict=True)])
        moved = {
            subject: amount
            for subject, amount in self._moved.items()
            if amount and ("release", subject) not in self._rows
        }
        if moved:
            connection.execute(ADD, (list(moved), list(moved.values())))


def _pending(event: LedgerEvent) -> tuple[UUID, str, int] | None:
    """Whose pending account an event moves, in which currency, and by how much it grows."""
    postings = () if event.journal_entry is None else event.journal_entry.postings
    moved = [each for each in postings if each.account.endswith(f":{CreatorFunds.PENDING}")]
    if not moved:
        return None
    creator_id = creator_of(moved[0].account)
    assert creator_id is not None  # noqa: S101 - only creators have pending accounts
    return creator_id, moved[0].currency, -sum(each.amount for each in moved)
