"""A real, sealed book whose database somebody owns: what they change, and what they make anew.

The changes are done in the tables, by a superuser whom no trigger stops. Then everything that can
be computed is computed again: turns, journal, running balances, balances, tiles. Checkpoints that
say otherwise are removed; nobody but the sealer can sign others. What was there is put back after
each attack, so that the next one begins with the same book.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import UUID

from ledger.application import Ledger
from ledger.checkpoints import Checkpoint, sign_checkpoint
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from projections.exports.scope import Scope
from projections.log_export import export_lines
from projections.reader import Reader
from projections.sealed_log import SealedLog
from tests.builders import initiate_payment, register_creator, report_success
from tests.credit_book import CreditBook
from tests.databases import superuser
from tests.verify.exports import LOG, ORIGIN, ExportedEvent, export_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from ledger.database.location import DatabaseLocation

SEALED_EVERY: Final = 40
PAYMENTS: Final = 130
BOOK: Final = "hesabu"

TABLES: Final = (
    "ledger_events",
    "turns",
    "journal_lines_odd",
    "balances_odd",
    "creator_subscriptions",
    "merkle_tiles",
    "checkpoints",
)
KEYS: Final = "ALTER TABLE ledger_events ADD PRIMARY KEY (originator_id, originator_version)"
POSITIONS: Final = (
    "CREATE UNIQUE INDEX IF NOT EXISTS ledger_events_notification_id_idx "
    "ON ledger_events (notification_id)"
)
PUT_EVENTS: Final = """
    INSERT INTO ledger_events (notification_id, originator_id, originator_version, topic, state)
    SELECT * FROM unnest(%s::bigint[], %s::uuid[], %s::bigint[], %s::text[], %s::bytea[])
"""
PUT_LINES: Final = """
    INSERT INTO journal_lines_odd
        (position, line, account_id, amount, balance, recorded_at, effective_at)
    SELECT * FROM unnest(%s::bigint[], %s::smallint[], %s::integer[], %s::bigint[], %s::numeric[],
                         %s::timestamptz[], %s::timestamptz[])
"""
PUT_BALANCES: Final = """
    INSERT INTO balances_odd (account_id, account, currency, balance, position)
    SELECT * FROM unnest(%s::integer[], %s::text[], %s::text[], %s::numeric[], %s::bigint[])
"""
PUT_TURNS: Final = "INSERT INTO turns SELECT * FROM unnest(%s::bigint[], %s::timestamptz[])"


def write_history(database: DatabaseLocation) -> None:
    """More than a full tile of the tree: payments in two currencies, and a life of credit."""
    book = BookLocation(database, DatabaseRole.APP)
    ledger = Ledger(book)
    for number, currency in ((0xC4EA, "UGX"), (0xC4EB, "KES")):
        creator = UUID(int=number)
        ledger.execute_one(register_creator(creator, currency=currency))
        for _ in range(3):
            initiate = [initiate_payment(creator, currency=currency) for _ in range(PAYMENTS // 6)]
            for outcome in ledger.execute(initiate):
                ledger.execute_one(report_success(outcome.stream, currency=currency))
    ledger.close()
    credit = CreditBook(book)
    assert list(credit.live())
    credit.close()


def checkpoint_sizes(head: int) -> list[int]:
    return [*range(SEALED_EVERY, head, SEALED_EVERY), head]


def seal(database: DatabaseLocation, *, at_its_end: bool = False) -> int:
    """The tiles, and checkpoints as a sealer signed them meanwhile; the newest one's size."""
    genuine = export_of(database)
    with BookLocation(database, DatabaseRole.SEALER).connect_reader() as connection:
        log = SealedLog(connection)
        log.make([])
        for size in [log.size] if at_its_end else checkpoint_sizes(log.size):
            log.keep(sign_checkpoint(Checkpoint(ORIGIN, size, genuine.root(size)), LOG))
        return log.size


def recompute_tiles(database: DatabaseLocation) -> None:
    with BookLocation(database, DatabaseRole.SEALER).connect_reader() as connection:
        SealedLog(connection).make([])


class StolenDatabase:
    """The book of `database`, which has a history and is sealed."""

    def __init__(self, database: DatabaseLocation) -> None:
        self.database = database
        self.genuine = export_of(database)
        self.genuine.sealed = [event.leaf.hex() for event in self.genuine.events]
        self._connection = superuser(database)
        self._connection.execute("SET session_replication_role = replica")
        for table in TABLES:
            self._connection.execute(f"CREATE TABLE kept_{table} AS TABLE {table}".encode())
        self._runner = asyncio.Runner()
        self._reader = Reader(BookLocation(database, DatabaseRole.AUDITOR), connections_max=1)

    def __enter__(self) -> Self:
        self._runner.run(self._reader.open())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._runner.run(self._reader.close())
        self._runner.close()
        self._connection.close()

    def restore(self) -> None:
        """Everything is again as it was."""
        with self._connection.transaction():
            for table in TABLES:
                self._connection.execute(f"DELETE FROM {table}".encode())
                self._connection.execute(f"INSERT INTO {table} TABLE kept_{table}".encode())
            keys = "SELECT FROM pg_constraint WHERE conname = 'ledger_events_pkey'"
            if self._connection.execute(keys).fetchone() is None:
                self._connection.execute(KEYS)
                self._connection.execute(POSITIONS)

    def put(self, events: Sequence[ExportedEvent]) -> None:
        """The log holds these events: rows that differ are deleted, and what lacks is inserted."""
        before = {event.position: event for event in self.genuine.events}
        rows = [event for event in events if before.get(event.position) != event]
        positions = [event.position for event in events]
        gone = {event.position for event in rows} | (before.keys() - set(positions))
        versions = {(event.stream, event.version) for event in events}
        if len(versions) < len(events):
            # What stands in the way can be taken away, too.
            rows += [each for number, each in enumerate(events) if each in events[:number]]
            for statement in (
                "ALTER TABLE ledger_events DROP CONSTRAINT ledger_events_pkey",
                "DROP INDEX ledger_events_notification_id_idx",
            ):
                self._connection.execute(statement.encode())
        delete = "DELETE FROM ledger_events WHERE notification_id = ANY(%s)"
        self._connection.execute(delete, (sorted(gone),))
        columns = zip(
            *((e.position, e.stream, e.version, e.topic, e.state.encode()) for e in rows),
            strict=True,
        )
        if rows:
            self._connection.execute(PUT_EVENTS, [list(column) for column in columns])

    def recompute(self, events: Sequence[ExportedEvent], first_changed: int) -> None:
        """All that follows from the log: as it would lie there if it had always been so."""
        with self._connection.transaction():
            for table in ("turns", "journal_lines_odd", "balances_odd", "merkle_tiles"):
                condition = "WHERE position > 0" if table == "turns" else ""
                self._connection.execute(f"DELETE FROM {table} {condition}".encode())
            self._put_turns(events)
            self._put_journal(events)
            for statement, number in (
                ("DELETE FROM creator_subscriptions WHERE position > %s", len(events)),
                ("DELETE FROM checkpoints WHERE size >= %s", first_changed),
            ):
                self._connection.execute(statement.encode(), (number,))
        recompute_tiles(self.database)

    def _put_turns(self, events: Sequence[ExportedEvent]) -> None:
        ends: dict[str, int] = {}
        for event in events:
            ends[json.loads(event.state)["recorded_at"]] = event.position
        turns = sorted((position, recorded_at) for recorded_at, position in ends.items())
        self._put(PUT_TURNS, turns)

    def _put_journal(self, events: Sequence[ExportedEvent]) -> None:
        numbers: dict[tuple[str, str], int] = {}
        running: dict[tuple[str, str], int] = defaultdict(int)
        changed: dict[tuple[str, str], int] = {}
        lines: list[tuple[Any, ...]] = []
        for event in events:
            state = json.loads(event.state)
            times = [state[name] for name in ("recorded_at", "occurred_at") if state.get(name)]
            effective = min(times, key=datetime.fromisoformat)
            for line, posting in enumerate((state.get("entry") or {"postings": []})["postings"]):
                account = posting["account"], posting["currency"]
                number = numbers.setdefault(account, len(numbers) + 1)
                running[account] += posting["amount"]
                changed[account] = event.position
                place = event.position, line, number, posting["amount"], running[account]
                lines.append((*place, times[0], effective))
        self._put(PUT_LINES, lines)
        balances = [
            (number, *account, running[account], changed[account])
            for account, number in numbers.items()
        ]
        self._put(PUT_BALANCES, balances)

    def _put(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            self._connection.execute(statement.encode(), columns)

    def export(self, path: Path) -> Path:
        """Our own export, of what lies there now."""
        self._runner.run(self._export(path))
        return path

    async def _export(self, path: Path) -> None:
        await write_export(self._reader, path)

    def kept_sizes(self) -> list[int]:
        """The checkpoints that still lie in the database."""
        found = self._connection.execute("SELECT size FROM checkpoints ORDER BY size").fetchall()
        return [size for (size,) in found]


async def write_export(reader: Reader, path: Path) -> None:
    scope = Scope(ORIGIN, BOOK, await reader.position())
    with path.open("wb") as file:
        async for lines in export_lines(reader, scope):
            file.write(lines)
