"""What is due, and when: a table that is derived from the log under the tracking row `clock`.

    release          money of a payment in the settlement delay; `amount` is what the payment has
                     in its creator's pending account, whatever took or gave back of it meanwhile
    hold             reserved money that expires
    payout_schedule  the next time that everything available is paid out
    subscription     the next reminder, renewal, attempt or end (ledger/renewals.py)

Rows come and go with the events that are followed, in the transaction of the tracking row, so that
the table is true at its position (api/clock_changes.py). What the clock moves itself is a
schedule's next time, and the time of a subscription of which nothing was due after all.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import ConnectionPool

from api.clock_changes import READ, Changes, Kind
from api.clock_pace import Outlook, look_out
from api.clock_subscriptions import VERSION_MAX, SubscriptionStates, read_subscriptions
from api.log_follower import follow
from ledger import renewals
from ledger.creator import Creator, evolve_creator
from ledger.events import CreatorEvent
from ledger.serialization import decode_event
from projections.reader import LOOK_UP_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from zoneinfo import ZoneInfo

    from eventsourcing.persistence import Notification

    from ledger.application import Ledger

logger = structlog.get_logger()

TRACKING: Final = "clock"
CONNECTIONS_MAX: Final = 2
"""One follows the log, one asks what is due."""

READ_DUE: Final = """
    SELECT kind, subject_id, creator_id, due_at, coalesce(%(now)s::timestamptz, now()),
           (SELECT notification_id FROM ledger_tracking WHERE application_name = %(tracking)s)
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
HOLD: Final = "SELECT FROM ledger_tracking WHERE application_name = %s FOR UPDATE"
"""Nobody follows the log meanwhile."""
SET_RIGHT: Final = """
    UPDATE clock_due SET due_at = found.due_at
    FROM unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[])
        AS found (subject_id, due_before, due_at)
    WHERE kind = 'subscription' AND clock_due.subject_id = found.subject_id
      AND clock_due.due_at = found.due_before
"""
NOT_DUE: Final = """
    DELETE FROM clock_due
    USING unnest(%s::uuid[], %s::timestamptz[]) AS found (subject_id, due_before)
    WHERE kind = 'subscription' AND clock_due.subject_id = found.subject_id
      AND clock_due.due_at = found.due_before
"""
READ_CREATORS: Final = """
    SELECT originator_id, originator_version, topic, state FROM ledger_events
    WHERE originator_id = ANY(%s) ORDER BY originator_id, originator_version
"""


class Due(NamedTuple):
    """Something that is due, of a payment, a hold, a creator with a schedule, a subscription.

    `now` is the time at which it was asked for: the database's, unless the book's runs ahead. The
    table is true at `position`.
    """

    kind: Kind
    subject_id: UUID
    creator_id: UUID
    due_at: datetime
    now: datetime
    position: int


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
        self._states = SubscriptionStates()
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
            asked = {**position, "now": now, "limit": limit, "tracking": TRACKING}
            rows = connection.execute(READ_DUE, asked)
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

    def look_again(self, asked: Sequence[Due]) -> list[Due]:
        """Set right when subscriptions are due of which nothing was; which are due all the same.

        One that was put, woken or removed since it was read stays as it is.
        """
        with self._pool.connection() as connection, connection.transaction():
            connection.execute(HOLD, (TRACKING,))
            ends = dict.fromkeys((due.subject_id for due in asked), VERSION_MAX)
            found = read_subscriptions(connection, ends)
            due_at = {stream: renewals.due_at(each) for stream, each in found.items()}
            _set_right(
                connection,
                [(due, due_at[due.subject_id]) for due in asked if due.subject_id in due_at],
            )
        return [
            due
            for due in asked
            if (at := due_at.get(due.subject_id, due.due_at)) is not None and at <= due.now
        ]

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _apply(self, connection: psycopg.Connection[Any], batch: Sequence[Notification]) -> None:
        changes = Changes(self._zone, self._states)
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


def _set_right(
    connection: psycopg.Connection[Any], found: Sequence[tuple[Due, datetime | None]]
) -> None:
    later = [(due.subject_id, due.due_at, due_at) for due, due_at in found if due_at is not None]
    if later:
        connection.execute(SET_RIGHT, [list(column) for column in zip(*later, strict=True)])
    never = [(due.subject_id, due.due_at) for due, due_at in found if due_at is None]
    if never:
        connection.execute(NOT_DUE, [list(column) for column in zip(*never, strict=True)])


def _folded(creator_id: UUID, events: list[tuple[int, str, bytes]]) -> Creator:
    creator: Creator | None = None
    for version, topic, state in events:
        event = decode_event(topic, state, originator_id=creator_id, originator_version=version)
        assert isinstance(event, CreatorEvent)  # noqa: S101 - it is a creator's stream
        creator = evolve_creator(creator, event)
    assert creator is not None  # noqa: S101 - a stream has an event
    return creator
