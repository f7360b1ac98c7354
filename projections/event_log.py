"""What was recorded? The log as it is stored, by position, by stream, by topic.

`state` is the stored bytes, never read and written again: what an auditor hashes. The log only
grows, so pages and streams of pages need no snapshot of their own: they end at the position where
the log ended when they began.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from projections.cursor import decode_cursor, encode_cursor
from projections.reader import BATCH_SIZE, PAGE_SIZE, PAGE_SIZE_MAX, POSITION_MAX

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from projections.reader import Reader

CURSOR: Final = "events"

SCANNED_POSITIONS_MAX: Final = 20_000
"""How far one page looks for a rare topic, which has no index of its own."""

READ_LOG: Final = """
    SELECT head.position, found.*
    FROM (SELECT max(position) AS position FROM turns) AS head
    LEFT JOIN LATERAL (
        SELECT notification_id, originator_id, originator_version, topic, state
        FROM ledger_events
        WHERE notification_id BETWEEN %(first)b::bigint
                                  AND least(%(last)b::bigint, head.position)
          AND (%(topic)b::text IS NULL OR topic = %(topic)b::text)
        ORDER BY notification_id LIMIT %(limit)b::bigint
    ) AS found ON true
    ORDER BY found.notification_id
"""

READ_STREAM: Final = """
    SELECT head.position, found.*
    FROM (SELECT max(position) AS position FROM turns) AS head
    LEFT JOIN LATERAL (
        SELECT notification_id, originator_id, originator_version, topic, state
        FROM ledger_events
        WHERE originator_id = %(stream_id)b::uuid
          AND notification_id BETWEEN %(first)b::bigint AND %(last)b::bigint
          AND (%(topic)b::text IS NULL OR topic = %(topic)b::text)
        ORDER BY originator_version LIMIT %(limit)b::bigint
    ) AS found ON true
    ORDER BY found.originator_version
"""


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event as it is stored; `state` is its JSON without stream id and version."""

    position: int
    stream_id: UUID
    version: int
    topic: str
    state: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events: all conditions hold. Positions include both ends."""

    stream_id: UUID | None = None
    topic: str | None = None
    first_position: int = 1
    last_position: int = POSITION_MAX


EVERY_EVENT: Final = EventFilter()


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in the order of their positions, true at `position`.

    A page may hold fewer events than asked for, even none, while `next_cursor` leads on; it is
    None on the last page.
    """

    position: int
    items: list[LoggedEvent]
    next_cursor: str | None


async def events_page(
    reader: Reader,
    which: EventFilter = EVERY_EVENT,
    *,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> EventPage:
    """A page of the log. `limit` is cut to 1 … `PAGE_SIZE_MAX`.

    Raises `InvalidCursor` or `ReadUnavailable`.
    """
    if cursor is not None:
        [last_seen] = decode_cursor(cursor, CURSOR, int)
        which = replace(which, first_position=max(which.first_position, int(last_seen) + 1))
    return await _page(reader, which, min(max(limit, 1), PAGE_SIZE_MAX))


async def event_pages(reader: Reader, which: EventFilter = EVERY_EVENT) -> AsyncIterator[EventPage]:
    """All matching events up to the head as it is now, `BATCH_SIZE` at a time, in constant memory.

    No connection is held between pages, so a slow consumer costs nothing. Every page's `position`
    is the position where the whole ends. Raises `ReadUnavailable`.
    """
    end = min(which.last_position, await reader.position())
    which = replace(which, last_position=end)
    while True:
        page = await _page(reader, which, BATCH_SIZE)
        yield replace(page, position=end)
        if page.next_cursor is None:
            return
        [last_seen] = decode_cursor(page.next_cursor, CURSOR, int)
        which = replace(which, first_position=int(last_seen) + 1)


async def stream_as_of(
    reader: Reader,
    stream_id: UUID,
    *,
    version: int | None = None,
    as_of_position: int | None = None,
    as_of: datetime | None = None,
) -> EventPage | None:
    """A stream's events from its first, as it was; None when it had none. The first `BATCH_SIZE`.

    A longer stream goes on with `events_page` and `next_cursor`. Raises `PositionNotReached` or
    `ReadUnavailable`.
    """
    position = await reader.position_at(as_of_position=as_of_position, as_of=as_of)
    which = EventFilter(stream_id=stream_id, last_position=position)
    page = await _page(reader, which, BATCH_SIZE)
    items = page.items
    next_cursor = page.next_cursor
    if version is not None and version <= len(items):
        items, next_cursor = items[: max(version, 0)], None
    return EventPage(position, items, next_cursor) if items else None


async def _page(reader: Reader, which: EventFilter, limit: int) -> EventPage:
    last = which.last_position
    if which.stream_id is None and which.topic is not None:
        last = min(last, which.first_position + SCANNED_POSITIONS_MAX - 1)
    parameters = {
        "topic": which.topic,
        "first": min(max(which.first_position, 1), POSITION_MAX),
        "last": min(max(last, 0), POSITION_MAX),
        "limit": limit + 1,
    }
    if which.stream_id is None:
        rows = await reader.fetch(READ_LOG, parameters)
    else:
        rows = await reader.fetch(READ_STREAM, {**parameters, "stream_id": which.stream_id})
    head: int = rows[0][0]
    items = [_logged(row) for row in rows[:limit] if row[1] is not None]
    end = min(which.last_position, head)
    if len(rows) > limit:
        last_seen = items[-1].position
    elif last < end:
        last_seen = last
    else:
        return EventPage(head, items, None)
    return EventPage(head, items, encode_cursor(CURSOR, last_seen))


def _logged(row: tuple[Any, ...]) -> LoggedEvent:
    _, position, stream_id, version, topic, state = row
    return LoggedEvent(position, stream_id, version, topic, state)
