"""A file that somebody brought: whose statement it is, under which key, and that it was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ledger.errors import IdempotencyKeyReused

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    import psycopg

    from api.provider_statements.mapping import Covered, StatementMapping
    from api.provider_statements.reading import Source
    from api.provider_statements.sealed_file import FileSealer

    Connection = psycopg.Connection[Any]

READ_UPLOAD: Final = """
    SELECT statement_id FROM provider_statement_uploads WHERE scope = %s AND key = %s
"""
INSERT_UPLOAD: Final = """
    INSERT INTO provider_statement_uploads (scope, key, statement_id) VALUES (%s, %s, %s)
    ON CONFLICT DO NOTHING
"""
IS_DONE: Final = "SELECT FROM provider_statements WHERE statement_id = %s"
INSERT_STATEMENT: Final = """
    INSERT INTO provider_statements (statement_id, provider, covers, uploaded_by, first_day,
        last_day, rows, skipped, unreadable, file_bytes, file_hash, key_id)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
INSERT_PART: Final = """
    INSERT INTO provider_statement_parts (statement_id, part, ciphertext) VALUES (%s, %s, %s)
"""
INSERT_BALANCE: Final = """
    INSERT INTO provider_statement_balances (statement_id, currency, opening, closing)
    VALUES (%s, %s, %s, %s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file, of which accounts it is, and of which days.

    `days` are those of the book's time zone; without them they are those of the lines. `key` is
    the caller's idempotency key, `actor` who they are; `confirms` says that they may be the second
    person for a file that somebody else has brought.
    """

    mapping: StatementMapping
    source: Source
    covers: tuple[Covered, ...]
    first_day: date | None = None
    last_day: date | None = None
    actor: str
    key: str | None = None
    confirms: bool = False


class Balances(NamedTuple):
    """What the provider says it held before the first line and after the last one."""

    currency: str
    opening: int
    closing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementHeader:
    """What is kept of a statement beside its lines."""

    statement_id: UUID
    first_day: date | None
    last_day: date | None
    rows: int
    skipped: int
    unreadable: int
    balances: tuple[Balances, ...]


class Uploads:
    """Which files were read."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def was_brought(self, upload: Upload, statement_id: UUID) -> bool:
        """Whether this key has brought this statement. Raises `IdempotencyKeyReused`."""
        if upload.key is None:
            return False
        row = self._connection.execute(READ_UPLOAD, (upload.actor, upload.key)).fetchone()
        if row is None:
            return False
        if row[0] != statement_id:
            raise IdempotencyKeyReused
        return True

    def is_known(self, statement_id: UUID) -> bool:
        """Whether the same file was read before."""
        return self._connection.execute(IS_DONE, (statement_id,)).fetchone() is not None

    def note(self, upload: Upload, statement_id: UUID) -> None:
        """Note that this key has brought this statement."""
        if upload.key is not None:
            self._connection.execute(INSERT_UPLOAD, (upload.actor, upload.key, statement_id))

    def finish(
        self, upload: Upload, header: StatementHeader, sealer: FileSealer, key_id: UUID
    ) -> None:
        """Keep the statement and the sealed file, at once."""
        with self._connection.transaction(), self._connection.cursor() as cursor:
            for sealed in sealer.seal(upload.source()):
                cursor.execute(INSERT_PART, (header.statement_id, *sealed))
            cursor.execute(
                INSERT_STATEMENT,
                (
                    *(header.statement_id, upload.mapping.provider, list(upload.covers)),
                    *(upload.actor, header.first_day, header.last_day, header.rows),
                    *(header.skipped, header.unreadable, sealer.size, sealer.file_hash, key_id),
                ),
            )
            for each in header.balances:
                cursor.execute(INSERT_BALANCE, (header.statement_id, *each))
            self.note(upload, header.statement_id)
