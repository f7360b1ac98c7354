"""Which callbacks wait for a person, and what is kept of one? The longest waiting first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ledger.inbox import InboxEntry
from projections.cursor import InvalidCursor, decode_cursor, encode_cursor
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX

if TYPE_CHECKING:
    from projections.reader import Reader

CURSOR: Final = "inbox"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
MICROSECONDS_MAX: Final = (datetime(9999, 1, 1, tzinfo=UTC) - EPOCH) // MICROSECOND
FIRST: Final = UUID(int=0)

READ_WAITING: Final = """
    SELECT head.position, waiting.*
    FROM (SELECT max(position) AS position FROM turns) AS head
    LEFT JOIN LATERAL (
        SELECT inbox_id, provider, received_at, verdict, reason, copies FROM inbox
        WHERE verdict IN ('parked', 'retrying')
          AND (received_at, inbox_id) > (%(received_at)b::timestamptz, %(inbox_id)b::uuid)
        ORDER BY received_at, inbox_id LIMIT %(limit)b::bigint
    ) AS waiting ON true
    ORDER BY waiting.received_at, waiting.inbox_id
"""

READ_KEPT: Final = """
    SELECT (SELECT max(position) FROM turns), inbox_id, provider, received_at, verdict, reason,
           copies, natural_key, headers, key_id, of_unknown_origin, body_hash, ciphertext
    FROM inbox WHERE inbox_id = %b::uuid
"""


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback as it stands: its verdict and why, and how many copies of it came."""

    inbox_id: UUID
    provider: str
    received_at: datetime
    verdict: str
    reason: str | None
    copies: int


@dataclass(frozen=True, slots=True)
class CallbackPage:
    """Callbacks that wait, true at `position`; `next_cursor` is None on the last page."""

    position: int
    items: list[Callback]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class KeptCallback:
    """A callback with its sealed body, true at `position`."""

    position: int
    callback: Callback
    entry: InboxEntry


async def waiting_callbacks(
    reader: Reader, *, cursor: str | None = None, limit: int = PAGE_SIZE
) -> CallbackPage:
    """A page of what waits. `limit` is cut to 1 … `PAGE_SIZE_MAX`.

    Raises `InvalidCursor` or `ReadUnavailable`.
    """
    limit = min(max(limit, 1), PAGE_SIZE_MAX)
    received_at, inbox_id = (EPOCH, FIRST) if cursor is None else _key(cursor)
    rows = await reader.fetch(
        READ_WAITING, {"received_at": received_at, "inbox_id": inbox_id, "limit": limit + 1}
    )
    items = [Callback(*row[1:]) for row in rows if row[1] is not None]
    more = len(items) > limit
    del items[limit:]
    return CallbackPage(int(rows[0][0]), items, _cursor(items[-1]) if more else None)


def _cursor(last: Callback) -> str:
    return encode_cursor(CURSOR, (last.received_at - EPOCH) // MICROSECOND, str(last.inbox_id))


def _key(cursor: str) -> tuple[datetime, UUID]:
    microseconds, inbox_id = decode_cursor(cursor, CURSOR, int, str)
    assert isinstance(microseconds, int)  # noqa: S101 - by the kinds above
    if microseconds > MICROSECONDS_MAX:
        raise InvalidCursor
    try:
        return EPOCH + microseconds * MICROSECOND, UUID(str(inbox_id))
    except ValueError:
        raise InvalidCursor from None


async def kept_callback(reader: Reader, inbox_id: UUID) -> KeptCallback | None:
    """One callback with what was kept of it. Raises `ReadUnavailable`."""
    rows = await reader.fetch(READ_KEPT, (inbox_id,))
    if not rows:
        return None
    [(position, *shown, natural_key, headers, key_id, unknown, body_hash, ciphertext)] = rows
    callback = Callback(*shown)
    entry = InboxEntry(
        inbox_id=callback.inbox_id,
        provider=callback.provider,
        natural_key=natural_key,
        headers=headers,
        key_id=key_id,
        of_unknown_origin=unknown,
        body_hash=body_hash,
        ciphertext=ciphertext,
    )
    return KeptCallback(int(position), callback, entry)
