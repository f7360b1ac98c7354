"""The log as CloudEvents 1.0, one a line, in structured JSON: for queues and whoever reads them.

`data` is the state as it is stored, byte for byte, so integers stay integers. `position` is text,
since an integer of CloudEvents has 32 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from projections.event_log import EventFilter, event_pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from projections.event_log import LoggedEvent
    from projections.exports.scope import Scope
    from projections.reader import Reader


async def cloud_events(reader: Reader, scope: Scope) -> AsyncIterator[bytes]:
    """Pieces of whole lines. Raises `ReadUnavailable`."""
    async for page in event_pages(reader, EventFilter(last_position=scope.end)):
        if page.items:
            yield b"".join(_line(event, scope.origin) for event in page.items)


def _line(event: LoggedEvent, origin: str) -> bytes:
    position, stream = str(event.position), str(event.stream_id)
    attributes = {
        "specversion": "1.0",
        "id": position,
        "source": f"//{origin}/{stream}",
        "type": event.topic,
        "subject": stream,
        "time": orjson.loads(event.state)["recorded_at"],
        "datacontenttype": "application/json",
        "position": position,
        "streamversion": event.version,
        # It was just parsed, so a newline in it stands between values, where a space means the
        # same and ends no line.
        "data": orjson.Fragment(event.state.replace(b"\n", b" ")),
    }
    return orjson.dumps(attributes) + b"\n"
