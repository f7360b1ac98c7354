"""A provider's statement against the ledger: what is the same, what is recorded, what is open.

    the file      read once to its end, so that one which breaks off has no effect; then what it
                  would record is counted, which may need a second person (second_person.py)
    each batch    lines that are known by their key are only noted as rows of this file; the others
                  are looked for (matching.py), else recorded as callbacks are (reports.py) and
                  looked for again, else open
    at the end    open lines once more, since a refund may stand before its payment, but recorded
                  are only those which this file says, as it was said first; then entries of
                  the period that answer no line are open too; then the statement with its file

It can be done again at any point: a line's key, a transaction's natural key and an entry's place
are each used once.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID, uuid5

import structlog

from api.provider_statements.deciding import Decider
from api.provider_statements.lines import RowReader, says_the_same
from api.provider_statements.matching import direction_of
from api.provider_statements.planning import Plan
from api.provider_statements.reading import UnreadableStatementError, read_table
from api.provider_statements.recording import Recorder
from api.provider_statements.sealed_file import FileSealer
from api.provider_statements.second_person import Allowance, FileIdentity
from api.provider_statements.seen import Seen
from api.provider_statements.tables import (
    NEEDS_SECOND_PERSON,
    Decided,
    ItemNote,
    StatementTables,
    locked,
    look_up_by_key,
)
from api.provider_statements.uploads import StatementHeader, Uploads

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    import psycopg

    from api.provider_statements.lines import ReadRow, StatementLine
    from api.provider_statements.uploads import Upload
    from api.settings import Settings
    from ledger.application import Ledger
    from ledger.key_store import KeyStore

logger = structlog.get_logger()

BATCH: Final = 1_000
STATEMENTS: Final = UUID("a2c4b9e0-4c0e-5a0f-9d3b-6a8a4c1b7f20")
"""The namespace of the ids of statements."""
SECRET: Final = "provider_statements"  # noqa: S105 - its name
PERIOD_DAYS_MAX: Final = 400


class StatementInProgressError(RuntimeError):
    """Another statement of this provider is being read."""


class Reconciled(NamedTuple):
    """The statement; whether nobody had brought it before, and whether this key had."""

    statement_id: UUID
    is_new: bool
    replayed: bool


class Reconciler:
    """Reconciles statements of one book. Blocks; one statement of a provider at a time."""

    def __init__(self, ledger: Ledger, key_store: KeyStore, settings: Settings) -> None:
        self._ledger = ledger
        self._key_store = key_store
        self._settings = settings

    def reconcile(self, upload: Upload) -> Reconciled:
        """Read the file and do what follows.

        Raises `UnreadableStatementError` before anything is done, `StatementInProgressError`,
        `IdempotencyKeyReused`, and the ledger's `Unavailable`, after which it can be repeated.
        """
        file = self._identity(upload)
        statement_id = file.statement_id
        with (
            self._ledger.book.connect_reader() as connection,
            locked(connection, upload.mapping.provider) as got,
        ):
            if not got:
                raise StatementInProgressError
            uploads = Uploads(connection)
            if uploads.was_brought(upload, statement_id):
                return Reconciled(statement_id, is_new=True, replayed=True)
            self._check(upload)
            look_up_by_key(connection)
            is_new = not uploads.is_known(statement_id)
            header = self._run(connection, upload, file)
            if is_new:
                key = self._key_store.allocate()
                uploads.finish(upload, header, FileSealer(key, statement_id), key.id)
            else:
                uploads.note(upload, statement_id)
        logger.info(
            "statement_reconciled",
            statement_id=str(statement_id),
            provider=upload.mapping.provider,
            actor=upload.actor,
            rows=header.rows,
        )
        return Reconciled(statement_id, is_new=is_new, replayed=False)

    def _run(
        self, connection: psycopg.Connection[Any], upload: Upload, file: FileIdentity
    ) -> StatementHeader:
        above = self._settings.second_person_above
        allowance = Allowance(connection, upload, file, above=above)
        tables = StatementTables(connection, upload.mapping.provider)
        decider = Decider(
            tables,
            Recorder(self._ledger, self._settings, upload, file.statement_id, allowance),
            upload,
            zone=self._settings.time_zone,
            tolerance_days=self._settings.statement_tolerance_days,
        )
        allowance.begin(Plan(tables, decider, upload).amount)
        return _Run(tables, decider, upload, file.statement_id, self._settings).all()

    @staticmethod
    def _check(upload: Upload) -> None:
        header, rows = read_table(upload.source, upload.mapping)
        reader, seen = RowReader(upload.mapping, header), Seen()
        for row in rows:
            seen.add(reader.read(row))
        first, last = seen.days(reader.zone)
        if first is not None and last is not None and (last - first).days > PERIOD_DAYS_MAX:
            # A day and a month that were read the wrong way round look like this too.
            raise UnreadableStatementError(
                f"spans more than {PERIOD_DAYS_MAX} days", column=upload.mapping.time[0]
            )

    def _identity(self, upload: Upload) -> FileIdentity:
        """The same for the same file about the same accounts and days; no oracle for its bytes."""
        secret = self._key_store.secret(SECRET)
        of_accounts = (upload.mapping.provider, *upload.covers)
        digests = []
        for about in ((*of_accounts, upload.first_day, upload.last_day), ("file", *of_accounts)):
            digest = hmac.new(secret, digestmod=hashlib.sha256)
            digest.update("\x1f".join(map(str, about)).encode() + b"\x1e")
            digests.append(digest)
        for piece in upload.source():
            for digest in digests:
                digest.update(piece)
        statement, file = (digest.hexdigest() for digest in digests)
        return FileIdentity(uuid5(STATEMENTS, statement), file)


class _Run:
    """One file, from its first row to what is missing in it."""

    def __init__(
        self,
        tables: StatementTables,
        decider: Decider,
        upload: Upload,
        statement_id: UUID,
        settings: Settings,
    ) -> None:
        self._tables = tables
        self._decider = decider
        self._upload = upload
        self._statement_id = statement_id
        self._zone = settings.time_zone
        self._seen = Seen()

    def all(self) -> StatementHeader:
        """Do everything; what is to be kept of it."""
        header, rows = read_table(self._upload.source, self._upload.mapping)
        reader = RowReader(self._upload.mapping, header)
        while batch := [reader.read(row) for row in islice(rows, BATCH)]:
            self._batch(batch)
        if self._try_open_lines_again():
            # What was recorded now may be what others before it were about.
            self._try_open_lines_again()
        seen, upload = self._seen, self._upload
        first, last = seen.days(self._zone)
        first, last = upload.first_day or first, upload.last_day or last
        if first is not None and last is not None:
            self._note_what_is_missing(first, last)
        return StatementHeader(
            statement_id=self._statement_id,
            first_day=first,
            last_day=last,
            rows=seen.rows,
            skipped=seen.skipped,
            unreadable=seen.unreadable,
            balances=seen.balances(),
        )

    def _batch(self, rows: list[ReadRow]) -> None:
        for row in rows:
            self._seen.add(row)
        unreadable = [(row.number, row.unreadable) for row in rows if row.unreadable is not None]
        self._tables.write_unreadable(self._statement_id, unreadable)
        lines = self._named(rows)
        if not lines:
            return
        known = self._tables.known(line.key for _, _, line in lines)
        new: dict[str, StatementLine] = {}
        against: list[Decided] = []
        kept = []
        for number, part, line in lines:
            before = known.get(line.key)
            if before is None:
                new[line.key] = line
                known[line.key] = line
            elif _content(before) != _content(line):
                line = _contradicting(line)  # noqa: PLW2901 - under a name of its own
                if line.key not in known:
                    known |= self._tables.known([line.key])
                if line.key not in known:
                    known[line.key] = line
                    against.append(Decided(line, "open", (), ItemNote("contradicts")))
            base = line.key.partition(":")[0] if not line.has_id else line.key
            agrees = says_the_same(line, known[line.key])
            kept.append((self._statement_id, number, part, line.key, base, agrees))
        decided = self._decider.decide(list(new.values())) if new else []
        with self._tables.connection.transaction():
            self._tables.write_rows(kept)
            self._keep([*decided, *against])

    def _keep(self, decided: list[Decided]) -> None:
        days = {each.line.key: self._day(each.line) for each in decided}
        self._tables.write_lines(self._statement_id, decided, days)

    def _named(self, rows: list[ReadRow]) -> list[tuple[int, int, StatementLine]]:
        """Every line with its row; of those without an id the equal ones are numbered."""
        bases = {line.key for row in rows for line in row.lines if not line.has_id}
        counts: dict[str, int] = {}
        if bases:
            counts = self._tables.equal_before(self._statement_id, bases, rows[0].number)
        named = []
        for row in rows:
            for part, line in enumerate(row.lines):
                if not line.has_id:
                    counts[line.key] = counts.get(line.key, 0) + 1
                    line = replace(line, key=f"{line.key}:{counts[line.key]}")  # noqa: PLW2901 - as named
                named.append((row.number, part, line))
        return named

    def _day(self, line: StatementLine) -> date:
        return line.occurred_at.astimezone(self._zone).date()

    def _try_open_lines_again(self) -> bool:
        """Whether any was recorded."""
        after, recorded = 0, False
        while some := self._tables.open_lines(self._statement_id, after, BATCH):
            after = some[-1].number
            said = {each.line.key for each in some if each.is_here}
            decided = self._decider.decide([each.line for each in some], said)
            closed = [each for each in decided if each.outcome != "open"]
            with self._tables.connection.transaction():
                self._tables.take(self._statement_id, closed)
                self._tables.close_items(self._statement_id, closed)
                self._tables.note_refused(
                    self._statement_id,
                    [each for each in decided if _was_refused(each) and each.line.key in said],
                )
            recorded |= any(each.outcome == "recorded" for each in closed)
        return recorded

    def _note_what_is_missing(self, first: date, last: date) -> None:
        self._tables.catch_up()
        self._tables.write_missing(
            self._statement_id,
            covers=self._upload.covers,
            days=(first, last),
            zone=self._zone.key,
            direction_of=direction_of,
        )


def _was_refused(each: Decided) -> bool:
    return each.note is not None and each.note.why != NEEDS_SECOND_PERSON


def _content(line: StatementLine) -> tuple[str, str, int]:
    return line.direction, line.currency, line.amount


def _contradicting(line: StatementLine) -> StatementLine:
    """The line under a name of its own: the provider has called something else so before."""
    said = "\x1f".join(map(str, _content(line)))
    return replace(line, key=f"{line.key}:{hashlib.sha256(said.encode()).hexdigest()[:16]}")


def pieces_of(content: bytes, size: int = 64 * 1024) -> Iterable[bytes]:
    """Bytes that are in memory, a piece after another."""
    return (content[start : start + size] for start in range(0, len(content), size))
