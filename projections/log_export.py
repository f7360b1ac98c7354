"""The whole log as `hesabu-verify` reads it: events, checkpoints in their places, balances, an end.

A line a record, of NDJSON; the format is told in docs/auditors.md. The log only grows, so what is
written needs no snapshot, and only a page is in memory at a time.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ledger.merkle import HASH_BYTES, TILE_WIDTH
from projections.event_log import EventFilter, event_pages
from projections.trial_balance import account_pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from projections.event_log import LoggedEvent
    from projections.exports.scope import Scope
    from projections.reader import Reader

FORMAT: Final = "hesabu-export-1"

READ_TILES: Final = """
    SELECT index, hashes FROM merkle_tiles
    WHERE level = 0 AND index BETWEEN %b::bigint AND %b::bigint
"""
READ_CHECKPOINTS: Final = """
    SELECT size, note FROM checkpoints
    WHERE size BETWEEN %b::bigint AND %b::bigint ORDER BY size
"""


async def export_lines(reader: Reader, scope: Scope) -> AsyncIterator[bytes]:
    """Pieces of the export, of whole lines.

    Raises `ReadUnavailable`; what was written until then lacks its end, which the reader notices.
    """
    end = scope.end
    yield _line({"format": FORMAT, "origin": scope.origin, "first": 1, "book": scope.book})
    async for page in event_pages(reader, EventFilter(last_position=end)):
        if page.items:
            first, last = page.items[0].position, page.items[-1].position
            notes = dict(await reader.fetch(READ_CHECKPOINTS, [first, last]))
            ends = [(position - 1) // TILE_WIDTH for position in (first, last)]
            tiles = dict(await reader.fetch(READ_TILES, ends))
            lines: list[bytes] = []
            for event in page.items:
                lines.append(_line(_record(event, tiles)))
                if event.position in notes:
                    lines.append(_line({"checkpoint": notes[event.position]}))
            yield b"".join(lines)
    async for accounts in account_pages(reader, as_of_position=end):
        balances = [
            {"account": each.account, "currency": each.currency, "balance": each.balance}
            for each in accounts.items
        ]
        yield _line({"balances": {"position": end, "balances": balances}})
    yield _line({"end": {"events": end}})


def _record(event: LoggedEvent, tiles: Mapping[int, bytes]) -> dict[str, Any]:
    record = {
        "position": event.position,
        "stream": str(event.stream_id),
        "version": event.version,
        "topic": event.topic,
        # As it is stored: what is hashed is never read and written again.
        "state": event.state.decode(),
    }
    tile, number = divmod(event.position - 1, TILE_WIDTH)
    if tile in tiles:
        # As it was sealed. A root tells that an event was changed; this tells which.
        record["leaf"] = tiles[tile][number * HASH_BYTES :][:HASH_BYTES].hex()
    return record


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
