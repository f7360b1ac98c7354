"""How is a book read? Over a few pooled connections, bounded in time, one snapshot a question.

    LedgerError
    ├── Unavailable
    │   └── ReadUnavailable     no connection or no answer in time; repeat it
    └── PositionNotReached      asked for a position that the log does not have yet

Balances and the journal are written in the turn, so they are always at the head of the log.
Lines at or below a position never change: an answer as of a position stays true for ever, and
several statements about one position agree without a common snapshot.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Self

import psycopg
from psycopg_pool import AsyncConnectionPool

from ledger.database.connections import READER_SETTINGS
from ledger.errors import LedgerError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from types import TracebackType
    from typing import LiteralString

    from ledger.database.connections import BookLocation

CONNECTIONS_MAX: Final = 4
CONNECTION_WAIT_SECONDS_MAX: Final = 5.0
READ_SECONDS_MAX: Final = 15.0
"""Room for the wait for a connection and for the longest statement that READER_SETTINGS allow."""
READS_WAITING_MAX: Final = 1_000
POSITION_MAX: Final = 2**63 - 1
PAGE_SIZE: Final = 50
PAGE_SIZE_MAX: Final = 200
BATCH_SIZE: Final = 1_000
"""Rows of one statement where a whole list is streamed."""

LOOK_UP_SETTINGS: Final = {
    **READER_SETTINGS,
    # Every question goes by key. A plan made while a table was empty, or for a limit that the
    # planner did not know, must not scan the log later.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}

READ_HEAD: Final = "SELECT max(position) FROM turns"

READ_POSITION_AT: Final = """
    SELECT (SELECT max(position) FROM turns),
           (SELECT position FROM turns WHERE recorded_at <= %b::timestamptz
            ORDER BY recorded_at DESC, position DESC LIMIT 1)
"""


class ReadUnavailable(Unavailable):
    """The ledger cannot be read at the moment. Try again."""

    code = "unavailable"


class PositionNotReached(LedgerError):
    """The log ends at position {head}; {wanted} is not there yet. Ask for one up to the head."""

    code = "position_not_reached"

    def __init__(self, *, wanted: int, head: int) -> None:
        super().__init__(wanted=wanted, head=head)
        self.head = head


class Reader:
    """Asynchronous access to one book for queries. Open and used in one event loop.

    `book` says as whom: any role that may select. Every method that asks the database raises
    `ReadUnavailable` when it cannot be reached within `READ_SECONDS_MAX`.
    """

    def __init__(
        self,
        book: BookLocation,
        *,
        connections_max: int = CONNECTIONS_MAX,
        connection_wait_seconds_max: float = CONNECTION_WAIT_SECONDS_MAX,
    ) -> None:
        self._connections_max = connections_max
        self._head_seen = 0
        self._pool = AsyncConnectionPool(
            book.conninfo(LOOK_UP_SETTINGS),
            min_size=1,
            max_size=connections_max,
            open=False,
            timeout=connection_wait_seconds_max,
            max_waiting=READS_WAITING_MAX,
            # Given up soon and begun again by the next read, so no long pause follows an outage.
            reconnect_timeout=connection_wait_seconds_max,
            kwargs={"autocommit": True, "prepare_threshold": 0},
        )

    async def open(self) -> None:
        """Start connecting; returns at once, also when the database is away."""
        await self._pool.open()

    async def close(self) -> None:
        """Close every connection; reads that wait are refused."""
        await self._pool.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def fetch(
        self, query: LiteralString, parameters: Sequence[object] | Mapping[str, object] = ()
    ) -> list[tuple[Any, ...]]:
        """All rows of one statement, which sees one snapshot. Raises `ReadUnavailable`."""
        try:
            async with asyncio.timeout(READ_SECONDS_MAX):
                return await self._fetch(query, parameters)
        except (psycopg.OperationalError, psycopg.InterfaceError, TimeoutError) as error:
            raise ReadUnavailable from error

    async def _fetch(
        self, query: LiteralString, parameters: Sequence[object] | Mapping[str, object]
    ) -> list[tuple[Any, ...]]:
        stale = 0
        while True:
            connection: psycopg.AsyncConnection | None = None
            try:
                async with self._pool.connection() as connection:
                    cursor = await connection.execute(query, parameters, binary=True)
                    return await cursor.fetchall()
            except (psycopg.OperationalError, psycopg.InterfaceError):
                # A server that was restarted leaves stale connections in the pool. Reading again
                # is safe; each try uses one of them up.
                if connection is None or not connection.closed or stale == self._connections_max:
                    raise
                stale += 1

    async def position(self) -> int:
        """The head of the log: the position of its last event, 0 while it is empty."""
        [(head,)] = await self.fetch(READ_HEAD)
        self._head_seen = max(self._head_seen, head)
        return int(head)

    async def wait_for(self, min_position: int) -> None:
        """Return when reads see `min_position`.

        What is read here is always at the head, so there is nothing to wait for: a position
        beyond the head raises `PositionNotReached` at once.
        """
        if min_position > self._head_seen and min_position > (head := await self.position()):
            raise PositionNotReached(wanted=min_position, head=head)

    async def position_at(
        self, *, as_of_position: int | None = None, as_of: datetime | None = None
    ) -> int:
        """The position that a question as of a position or a recorded time is about.

        Without either it is the head, with both the smaller. A time means the last turn recorded
        at or before it, 0 before the first. Raises `PositionNotReached` for a position beyond the
        head: what it will hold is not known yet.
        """
        [(head, at_time)] = await self.fetch(READ_POSITION_AT, [as_of])
        self._head_seen = max(self._head_seen, head)
        position = int(head)
        if as_of_position is not None:
            if as_of_position > head:
                raise PositionNotReached(wanted=as_of_position, head=head)
            position = max(as_of_position, 0)
        if as_of is not None:
            position = min(position, 0 if at_time is None else int(at_time))
        return position
