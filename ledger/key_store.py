"""The key store: the keys of personal data, outside the book's database and its backups.

An SQLite file of its own. Backups of the book hold only ciphertext; whoever's keys are destroyed
here is forgotten there too, also in every old backup. Keys are made ahead in durable batches, so a
new person costs no disk sync of their own: a key is on disk before it is ever used. A key serves
one entry of one person and is never used again.

Named secrets (for fingerprints and blind indexes) lie here for the same reason.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

KEY_BYTES: Final = 32
BATCH: Final = 256
"""Keys made ahead in one durable write; at most so many are lost, unused, by a restart."""

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS keys (
    key_id BLOB PRIMARY KEY, key BLOB NOT NULL, created_at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS destroyed (
    key_id BLOB PRIMARY KEY, destroyed_at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS erased (
    person_id BLOB PRIMARY KEY, erased_at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS secrets (
    name TEXT PRIMARY KEY, secret BLOB NOT NULL) WITHOUT ROWID;
"""


class KeyDestroyedError(LookupError):
    """The key was destroyed or never was here: what it sealed cannot be read by anybody."""


class Key(NamedTuple):
    """A 32-byte AES-256 key and its id."""

    id: UUID
    secret: bytes


class KeyStore:
    """Keys in an SQLite file (created with mode 0600); safe between threads and processes."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._lock = threading.Lock()
        self._ready: list[Key] = []
        self._connection = sqlite3.connect(
            path, timeout=30, check_same_thread=False, isolation_level=None
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA secure_delete = ON")
        with self._transaction() as cursor:
            for statement in SCHEMA.split(";"):
                cursor.execute(statement)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        with self._lock, closing(self._connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")

    def allocate(self) -> Key:
        """A new key, on disk already."""
        while True:
            try:
                return self._ready.pop()
            except IndexError:
                self._make_batch()

    def _make_batch(self) -> None:
        batch = [Key(UUID(int=uuid7().int), secrets.token_bytes(KEY_BYTES)) for _ in range(BATCH)]
        now = datetime.now(UTC).isoformat()
        with self._transaction() as cursor:
            cursor.executemany(
                "INSERT INTO keys VALUES (?, ?, ?)",
                [(key.id.bytes, key.secret, now) for key in batch],
            )
        self._ready.extend(reversed(batch))

    def get(self, key_id: UUID) -> Key:
        """The key with this id. Raises `KeyDestroyedError` when there is none."""
        with self._lock:
            row = self._connection.execute(
                "SELECT key FROM keys WHERE key_id = ?", (key_id.bytes,)
            ).fetchone()
        if row is None:
            raise KeyDestroyedError(key_id)
        return Key(key_id, row[0])

    def destroy(self, *key_ids: UUID) -> None:
        """Forget keys for ever, and remember that they were destroyed."""
        with self._transaction() as cursor:
            _destroy(cursor, key_ids)
        self._empty_the_log()

    def erase(self, person_id: UUID, *key_ids: UUID) -> None:
        """Forget these keys of a person for ever, and that nothing is to be sealed for them."""
        now = datetime.now(UTC).isoformat()
        with self._transaction() as cursor:
            _destroy(cursor, key_ids)
            cursor.execute("INSERT OR IGNORE INTO erased VALUES (?, ?)", (person_id.bytes, now))
        self._empty_the_log()

    def is_erased(self, person_id: UUID) -> bool:
        """Whether this person was erased."""
        with self._lock:
            row = self._connection.execute(
                "SELECT 1 FROM erased WHERE person_id = ?", (person_id.bytes,)
            ).fetchone()
        return row is not None

    def has_any(self, key_ids: Iterable[UUID]) -> bool:
        """Whether one of these keys is still here."""
        with self._lock, closing(self._connection.cursor()) as cursor:
            return any(
                cursor.execute("SELECT 1 FROM keys WHERE key_id = ?", (each.bytes,)).fetchone()
                for each in key_ids
            )

    def _empty_the_log(self) -> None:
        """Leave nothing of what was deleted in the write-ahead log."""
        with self._lock:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def secret(self, name: str) -> bytes:
        """The 32-byte secret of this name, the same for every process; made at first use."""
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT OR IGNORE INTO secrets VALUES (?, ?)",
                (name, secrets.token_bytes(KEY_BYTES)),
            )
            row = cursor.execute("SELECT secret FROM secrets WHERE name = ?", (name,)).fetchone()
        return bytes(row[0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


def _destroy(cursor: sqlite3.Cursor, key_ids: Iterable[UUID]) -> None:
    now = datetime.now(UTC).isoformat()
    for key_id in key_ids:
        cursor.execute("DELETE FROM keys WHERE key_id = ?", (key_id.bytes,))
        cursor.execute("INSERT OR IGNORE INTO destroyed VALUES (?, ?)", (key_id.bytes, now))
