"""How does a what-if get the log? Stream by stream: few events, or all in constant memory."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from projections.reader import BATCH_SIZE
from projections.what_if import WhatIf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

    from ledger.database.connections import BookLocation
    from projections.reader import Reader
    from projections.what_if import OtherRules, Row, WhatIfReport

PROGRESS_EVENTS: Final = 10_000

READ_HEAD: Final = "SELECT max(position) FROM turns"

READ_STREAMS: Final = """
    SELECT originator_id, originator_version, topic, state FROM ledger_events
    WHERE notification_id BETWEEN %b::bigint AND %b::bigint
    ORDER BY originator_id, originator_version
"""

READ_EVENTS: Final = """
    SELECT originator_id, originator_version, topic, state FROM ledger_events
    WHERE notification_id BETWEEN %b::bigint AND %b::bigint
"""

AT_LEISURE: Final = "SELECT set_config('statement_timeout', '0', true)"


async def rows_until(reader: Reader, rules: OtherRules, position: int) -> list[Row]:
    """The rows of all events up to `position`, stream by stream; whoever asks sees how many.

    To be taken by a `WhatIf`, in a thread: that computes. Raises `ReadUnavailable`.
    """
    rows: list[Row] = []
    for first in range(rules.from_position, position + 1, BATCH_SIZE):
        last = min(first + BATCH_SIZE - 1, position)
        rows += await reader.fetch(READ_EVENTS, (first, last))
    return sorted(rows, key=itemgetter(0, 1))


def what_if_at_leisure(
    book: BookLocation,
    rules: OtherRules,
    *,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> WhatIfReport:
    """The whole log from `from_position` on, streamed in constant memory.

    `progress` is called with the number of events that were read, and of all of them. Raises
    `psycopg.Error` when the book cannot be read.
    """
    connection = book.connect_reader()
    try:
        connection.read_only = True
        with connection.transaction():
            connection.execute(AT_LEISURE)
            head = _head(connection)
            told = WhatIf(rules)
            for batch in _batches(connection, rules.from_position, head):
                told.take(batch)
                progress(told.events, max(0, head - rules.from_position + 1))
    finally:
        connection.close()
    return told.report(head)


def _head(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(READ_HEAD).fetchone()
    return 0 if row is None else int(row[0])


def _batches(connection: psycopg.Connection[Any], first: int, last: int) -> Iterator[list[Row]]:
    with connection.cursor("what_if") as cursor:
        cursor.execute(READ_STREAMS, (first, last), binary=True)
        while batch := cursor.fetchmany(PROGRESS_EVENTS):
            yield batch
