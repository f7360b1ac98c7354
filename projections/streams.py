"""What happened in one stream? Its events in order, for those who fold them into something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.serialization import decode_event
from projections.reader import POSITION_MAX

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.events import LedgerEvent
    from projections.reader import Reader

READ_EVENTS: Final = """
    SELECT head.position, ledger_events.originator_version, ledger_events.topic,
           ledger_events.state
    FROM (SELECT max(position) AS position FROM turns) AS head
    JOIN ledger_events
      ON ledger_events.originator_id = %b::uuid
     AND ledger_events.originator_version <= %b::bigint
    ORDER BY ledger_events.originator_version
"""


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream's events from its first, and the position of the log at which these were all."""

    position: int
    events: list[LedgerEvent]


async def read_stream(
    reader: Reader, stream_id: UUID, *, version: int | None = None
) -> Stream | None:
    """The stream now, or as it was at a version; None when it has no event.

    Raises `ReadUnavailable`.
    """
    bound = POSITION_MAX if version is None else version
    rows = await reader.fetch(READ_EVENTS, (stream_id, bound))
    if not rows:
        return None
    events = [
        decode_event(topic, state, originator_id=stream_id, originator_version=number)
        for _, number, topic, state in rows
    ]
    return Stream(rows[0][0], events)
