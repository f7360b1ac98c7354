"""Do the balances follow from the events? The log replayed from nothing, and compared.

In one snapshot, while writes go on: every event is read in the order of its position, decoded,
folded into its stream and posted to an empty book. Every journal line and every balance that comes
out is compared with the one that lies in the tables. On the way it is checked that

    positions    are dense from 1, and the turns name the last position of each turn
    versions     are dense from 1 in every stream, in the order of their positions
    time         recorded_at never decreases, and is its turn's
    entries      balance (one that does not cannot be decoded), and all balances sum to zero
    streams      fold without an error
    creators     find the subscriptions that were started with them

It proves that events and books agree. Whether the events are those that were recorded, their own
hashes have to prove.

Cost: one pass over log and journal. Memory does not grow with the log, only with the number of
accounts, about half a kilobyte each. While it runs, its snapshot keeps PostgreSQL from removing
old versions of balances.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from pydantic import ValidationError

from ledger.events import SubscriptionStarted
from ledger.journal import Book
from ledger.replay_books import AccountBalances, CreatorSubscriptions, JournalLines
from ledger.replay_differences import Difference, Differences
from ledger.replay_order import Streams, Turns
from ledger.serialization import decode_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import LiteralString
    from uuid import UUID

    from ledger.database.connections import BookLocation
    from ledger.events import LedgerEvent

BATCH_EVENTS: Final = 2_000
DIFFERENCES_MAX: Final = 100

SETTINGS: Final = """
    SELECT set_config(name, value, true)
    FROM (VALUES ('statement_timeout', '0'), ('idle_in_transaction_session_timeout', '60s'),
                 -- Everything comes in the order of an index, so that no table is sorted.
                 ('enable_seqscan', 'off'), ('enable_bitmapscan', 'off'),
                 ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off')) AS ours (name, value)
"""

READ_HEAD: Final = "SELECT coalesce(max(notification_id), 0) FROM ledger_events"

READ_EVENTS: Final = """
    SELECT notification_id, originator_id, originator_version, topic, state
    FROM ledger_events ORDER BY notification_id
"""

READ_LINES: Final = """
    SELECT position, line, account_id, amount, balance::text, recorded_at, effective_at
    FROM journal_lines ORDER BY position, line
"""

READ_TURNS: Final = "SELECT position, recorded_at FROM turns ORDER BY position"

READ_SUBSCRIPTIONS: Final = """
    SELECT position, creator_id, subscription_id FROM creator_subscriptions ORDER BY position
"""

READ_BALANCES: Final = """
    SELECT account_id, account, currency, balance::text, position
    FROM balances ORDER BY account_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """What a replay found. `position` is the last one replayed.

    `differences` holds the first `DIFFERENCES_MAX` in the order of their positions, those of
    balances last; `differences_found` counts all. A wrong amount shifts every later balance of
    its account; lines that are only shifted along are not counted again.
    """

    position: int
    events: int
    lines: int
    accounts: int
    differences: tuple[Difference, ...]
    differences_found: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the books are what the events say, and nothing else was wrong."""
        return self.differences_found == 0


class _EventRow(NamedTuple):
    position: int
    stream_id: UUID
    version: int
    topic: str
    state: bytes


def replay(
    book: BookLocation,
    *,
    progress: Callable[[int, int], None] = lambda _position, _head: None,
    differences_max: int = DIFFERENCES_MAX,
) -> ReplayReport:
    """Rebuild the balances and the journal from the events, and compare them with the live ones.

    Any role that may select will do. `progress` is called with the position reached and the head,
    once a batch. Raises `psycopg.Error` when the book cannot be read.
    """
    started = time.monotonic()
    connection = book.connect_reader()
    try:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        with connection.transaction(), ExitStack() as cursors:
            connection.execute(SETTINGS)
            differences = Differences(differences_max)
            replayed = _Replay(connection, cursors, differences)
            replayed.run(progress)
    finally:
        connection.close()
    return ReplayReport(
        position=replayed.position,
        events=replayed.events,
        lines=replayed.lines.compared,
        accounts=len(replayed.book.known),
        differences=tuple(differences.first),
        differences_found=differences.count,
        seconds=time.monotonic() - started,
    )


class _Replay:
    """One pass over the log, and all that is compared on the way."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        cursors: ExitStack,
        differences: Differences,
    ) -> None:
        self._connection = connection
        self._cursors = cursors
        self._differences = differences
        self.book = Book({}, 1)
        self.position = 0
        self.events = 0
        self.lines = JournalLines(self._rows("lines", READ_LINES), differences)
        self._subscriptions = CreatorSubscriptions(
            self._rows("subscriptions", READ_SUBSCRIPTIONS), differences
        )
        self._turns = Turns(self._rows("turns", READ_TURNS), differences)
        self._streams = Streams(connection, differences)

    def run(self, progress: Callable[[int, int], None]) -> None:
        """Replay everything that the snapshot holds."""
        row = self._connection.execute(READ_HEAD).fetchone()
        head: int = 0 if row is None else row[0]
        events = self._rows("events", READ_EVENTS)
        while batch := [_EventRow(*row) for row in islice(events, BATCH_EVENTS)]:
            self._replay(batch)
            progress(self.position, head)
        self._turns.finish()
        self._subscriptions.finish()
        self.lines.finish()
        balances = AccountBalances(self._rows("balances", READ_BALANCES), self._differences)
        balances.compare(self.book.known, head=self.position)

    def _replay(self, batch: list[_EventRow]) -> None:
        places = ((row.stream_id, row.version) for row in batch)
        self._streams.recall(places, first_position=batch[0].position)
        for row in batch:
            self._check_position(row)
            event = self._decode(row)
            started = event if isinstance(event, SubscriptionStarted) else None
            self._subscriptions.check(row.position, started)
            self._turns.check(row.position, None if event is None else event.recorded_at)
            if event is not None:
                self._streams.follow(row.position, event)
                self.book.post(event, row.position)
            self.lines.compare(self.book, until=row.position)
            # Nothing is kept from event to event: that is what bounds memory, and the work of
            # Python's garbage collector, which would take as long as the rest.
            self.book.lines.clear()
            self.book.touched.clear()
            self.book.opened.clear()
        self.events += len(batch)

    def _check_position(self, row: _EventRow) -> None:
        missing = self.position + 1
        if row.position != missing:
            self._differences.add(
                missing, "the log", expected="an event", found=f"the next at {row.position}"
            )
        self.position = row.position

    def _decode(self, row: _EventRow) -> LedgerEvent | None:
        try:
            return decode_event(
                row.topic,
                row.state,
                originator_id=row.stream_id,
                originator_version=row.version,
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            self._streams.give_up(row.stream_id)
            self._differences.add(
                row.position,
                f"version {row.version} of stream {row.stream_id}",
                expected=f"a readable {row.topic}",
                found=_summary(error),
            )
            return None

    def _rows(self, name: str, query: LiteralString) -> Iterator[tuple[Any, ...]]:
        cursor = self._cursors.enter_context(self._connection.cursor(name))
        cursor.itersize = BATCH_EVENTS
        cursor.execute(query, binary=True)
        return iter(cursor)


def _summary(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
    return f"{type(error).__name__} {error}".strip()
