"""From the log to messages, once for all endpoints: what each is to get, in the order of the log.

The log is read by one follower for all who go along with it. Whoever is new, was disabled, or has
so much waiting that it fell behind has a cursor of its own, until that has come up with the
follower; the last piece is made under the follower's lock, so that nothing is left out or made
twice. A replay is a cursor of its own too, and ends where the log ended when it was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from api.webhooks_out.message_types import BY_TOPIC, EVERYTHING, Audience
from api.webhooks_out.messages import concerns, webhook_id
from ledger.serialization import decode_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import psycopg

    from ledger.events import LedgerEvent

BATCH: Final = 2_000
LAST_PIECE: Final = 500
"""So few events are made into messages under the follower's lock."""
WAITING_MAX: Final = 10_000
"""Whoever has more waiting goes along no longer: the log keeps the rest for them."""
ROOM: Final = 1_000
"""Up to so many wait, somebody who comes after is given more."""

LOCK_FOLLOWER: Final = "SELECT position FROM webhook_follower FOR UPDATE"
TRY_FOLLOWER: Final = "SELECT position FROM webhook_follower FOR UPDATE SKIP LOCKED"
READ_FOLLOWER: Final = "SELECT position FROM webhook_follower"
MOVE_FOLLOWER: Final = "UPDATE webhook_follower SET position = %s"
READ_LOG: Final = """
    SELECT notification_id, originator_id, originator_version, topic, state FROM ledger_events
    WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id LIMIT %s
"""
READ_FIRSTS: Final = """
    SELECT originator_id, topic, state FROM ledger_events
    WHERE originator_id = ANY(%s) AND originator_version = 1
"""
GOING_ALONG: Final = """
    SELECT endpoint_id, creator_id, types, after_position FROM webhook_endpoints
    WHERE cursor IS NULL
"""
LEAVE: Final = """
    UPDATE webhook_endpoints SET cursor = %s WHERE cursor IS NULL AND state <> 'enabled'
"""
LEAVE_CROWDED: Final = """
    UPDATE webhook_endpoints SET cursor = %s, due_at = now()
    WHERE cursor IS NULL AND endpoint_id IN (
        SELECT endpoint_id FROM webhook_messages WHERE state = 'waiting'
        GROUP BY endpoint_id HAVING count(*) > %s)
"""
ADD: Final = """
    INSERT INTO webhook_messages (endpoint_id, run, webhook_id, type, position, stream_id, version)
    SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::uuid[],
                         %s::bigint[])
    ON CONFLICT DO NOTHING
"""
WAKE: Final = """
    UPDATE webhook_endpoints SET due_at = least(due_at, now()) WHERE endpoint_id = ANY(%s)
"""
FULL: Final = """
    SELECT count(*) FROM (SELECT FROM webhook_messages
        WHERE endpoint_id = %s AND state = 'waiting' LIMIT %s) AS waiting
"""
READ_CURSOR: Final = """
    SELECT creator_id, types, cursor FROM webhook_endpoints
    WHERE endpoint_id = %s AND leased_by = %s AND cursor IS NOT NULL AND state = 'enabled'
"""
MOVE_CURSOR: Final = """
    UPDATE webhook_endpoints SET cursor = %s WHERE endpoint_id = %s AND cursor = %s
"""
READ_REPLAY: Final = """
    SELECT replay_id, creator_id, types, webhook_replays.cursor, until_position
    FROM webhook_replays JOIN webhook_endpoints USING (endpoint_id)
    WHERE endpoint_id = %s AND leased_by = %s AND ended_at IS NULL AND state = 'enabled'
    ORDER BY webhook_replays.created_at LIMIT 1
"""
MOVE_REPLAY: Final = """
    UPDATE webhook_replays
    SET cursor = %s, ended_at = CASE WHEN %s >= until_position THEN now() END
    WHERE replay_id = %s AND cursor = %s
"""


class Subscriber(NamedTuple):
    """An endpoint, as far as it matters for what it gets; no `creator_id`: the platform's.

    Whoever is newer than what the follower has read joins it at once, and gets nothing of before.
    """

    endpoint_id: UUID
    creator_id: UUID | None
    types: Sequence[str]
    after_position: int = 0

    def wants(self, type_name: str, position: int) -> bool:
        """Whether it asked for a type, and for what was recorded there."""
        asked = EVERYTHING in self.types or type_name in self.types
        return asked and position > self.after_position


class Recorded(NamedTuple):
    """An event as it lies in the log."""

    position: int
    stream_id: UUID
    version: int
    topic: str
    state: bytes

    def event(self) -> LedgerEvent:
        """The event."""
        return decode_event(
            self.topic,
            self.state,
            originator_id=self.stream_id,
            originator_version=self.version,
        )


class Routed(NamedTuple):
    """A message that is to be sent."""

    endpoint_id: UUID
    webhook_id: str
    type: str
    position: int
    stream_id: UUID
    version: int


def routed(
    log: Iterable[Recorded],
    subscribers: Sequence[Subscriber],
    firsts: Mapping[UUID, LedgerEvent],
) -> list[Routed]:
    """What each endpoint gets of a piece of the log. `firsts` are the first events of streams."""
    platform = [each for each in subscribers if each.creator_id is None]
    of_creators: dict[UUID, list[Subscriber]] = {}
    for each in subscribers:
        if each.creator_id is not None:
            of_creators.setdefault(each.creator_id, []).append(each)
    found = []
    for recorded in log:
        told = BY_TOPIC.get(recorded.topic)
        if told is None:
            continue
        getting = [each for each in platform if each.wants(told.type, recorded.position)]
        if of_creators and told.audience is Audience.CREATOR:
            getting += _creators(recorded, told.type, of_creators, firsts)
        found += [_message(recorded, told.type, each) for each in getting]
    return found


def _creators(
    recorded: Recorded,
    type_name: str,
    of_creators: Mapping[UUID, list[Subscriber]],
    firsts: Mapping[UUID, LedgerEvent],
) -> list[Subscriber]:
    event, first = recorded.event(), firsts[recorded.stream_id]
    return [
        each
        for creator_id, endpoints in _candidates(event, first, of_creators)
        if concerns(event, first, creator_id)
        for each in endpoints
        if each.wants(type_name, recorded.position)
    ]


def _candidates(
    event: LedgerEvent, first: LedgerEvent, of_creators: Mapping[UUID, list[Subscriber]]
) -> list[tuple[UUID, list[Subscriber]]]:
    """Of all creators those few whom an event could concern at all."""
    named = {getattr(event, "creator_id", None), getattr(first, "creator_id", None)}
    return [
        (creator_id, of_creators[creator_id])
        for creator_id in {*named, event.originator_id}
        if creator_id is not None and creator_id in of_creators
    ]


def _message(recorded: Recorded, type_name: str, subscriber: Subscriber) -> Routed:
    return Routed(
        subscriber.endpoint_id,
        webhook_id(subscriber.endpoint_id, recorded.position),
        type_name,
        recorded.position,
        recorded.stream_id,
        recorded.version,
    )


def follow(connection: psycopg.Connection[Any]) -> int:
    """Make the messages of the next piece of the log; how many events it had.

    Nothing when somebody else is at it.
    """
    with connection.transaction():
        row = connection.execute(TRY_FOLLOWER).fetchone()
        if row is None:
            return 0
        log = _read_log(connection, row[0])
        if not log:
            return 0
        subscribers = [Subscriber(*each) for each in connection.execute(GOING_ALONG)]
        _add(connection, log, subscribers, run=None)
        connection.execute(LEAVE, (log[-1].position,))
        connection.execute(MOVE_FOLLOWER, (log[-1].position,))
    return len(log)


def leave_crowded(connection: psycopg.Connection[Any]) -> int:
    """Let those go along no longer for whom too much waits; how many they are."""
    with connection.transaction():
        row = connection.execute(LOCK_FOLLOWER).fetchone()
        assert row is not None  # noqa: S101 - there always is one
        return connection.execute(LEAVE_CROWDED, (row[0], WAITING_MAX)).rowcount


def catch_up(connection: psycopg.Connection[Any], endpoint_id: UUID, lease: UUID) -> bool:
    """Make the next messages of an endpoint that comes after, or of its replay; whether any is due.

    `lease` is the one by which it is held. Nothing when so much waits that there is no room.
    """
    full = connection.execute(FULL, (endpoint_id, ROOM)).fetchone()
    if full is None or full[0] >= ROOM:
        return False
    came_on = _come_on(connection, endpoint_id, lease)
    return _replay(connection, endpoint_id, lease) or came_on


def _come_on(connection: psycopg.Connection[Any], endpoint_id: UUID, lease: UUID) -> bool:
    row = connection.execute(READ_CURSOR, (endpoint_id, lease)).fetchone()
    head = connection.execute(READ_FOLLOWER).fetchone()
    if row is None or head is None:
        return False
    subscriber, cursor = Subscriber(endpoint_id, row[0], row[1]), int(row[2])
    with connection.transaction():
        position = int(head[0])
        joins = position - cursor <= LAST_PIECE
        if joins:
            locked = connection.execute(LOCK_FOLLOWER).fetchone()
            assert locked is not None  # noqa: S101 - there always is one
            position = int(locked[0])
        log = _read_log(connection, cursor, until=position)
        reached = log[-1].position if log else cursor
        moved = connection.execute(
            MOVE_CURSOR,
            (None if joins and reached >= position else reached, endpoint_id, cursor),
        )
        if moved.rowcount == 1:
            _add(connection, log, [subscriber], run=None)
    return True


def _replay(connection: psycopg.Connection[Any], endpoint_id: UUID, lease: UUID) -> bool:
    row = connection.execute(READ_REPLAY, (endpoint_id, lease)).fetchone()
    if row is None:
        return False
    replay_id, creator_id, types, cursor, until = row
    with connection.transaction():
        log = _read_log(connection, cursor, until=until)
        reached = log[-1].position if log else until
        moved = connection.execute(MOVE_REPLAY, (reached, reached, replay_id, cursor))
        if moved.rowcount == 1:
            _add(connection, log, [Subscriber(endpoint_id, creator_id, types)], run=replay_id)
    return True


def _read_log(
    connection: psycopg.Connection[Any], after: int, *, until: int = 2**63 - 1
) -> list[Recorded]:
    return [Recorded(*row) for row in connection.execute(READ_LOG, (after, until, BATCH))]


def _add(
    connection: psycopg.Connection[Any],
    log: Sequence[Recorded],
    subscribers: Sequence[Subscriber],
    *,
    run: UUID | None,
) -> None:
    """Add messages of a piece of the log, in the caller's transaction."""
    if not subscribers:
        return
    firsts = _firsts(connection, log) if any(each.creator_id for each in subscribers) else {}
    found = routed(log, subscribers, firsts)
    if not found:
        return
    columns = [list(column) for column in zip(*found, strict=True)]
    endpoints = columns[0]
    runs = endpoints if run is None else [run] * len(endpoints)
    connection.execute(ADD, [endpoints, runs, *columns[1:]])
    connection.execute(WAKE, (sorted(set(endpoints)),))


def _firsts(
    connection: psycopg.Connection[Any], log: Sequence[Recorded]
) -> dict[UUID, LedgerEvent]:
    streams = {
        each.stream_id
        for each in log
        if (told := BY_TOPIC.get(each.topic)) is not None and told.audience is Audience.CREATOR
    }
    return {
        stream_id: decode_event(topic, state, originator_id=stream_id, originator_version=1)
        for stream_id, topic, state in connection.execute(READ_FIRSTS, (list(streams),))
    }
