"""Erasing a person: their keys are destroyed, their vault is emptied, and nothing new is taken.

    what is open?      without a lock: the log, the balances                     refused, or
    which keys?        of their entries, and of bodies in the inbox that name them
    under the lock     nothing recorded meanwhile? ─▶ a line in the list, synced
                       ─▶ a row in the database, their entries deleted, committed
    then               their keys destroyed, and they are noted as erased; their fingerprints gone

From the line on they are erased: whoever is killed later is finished by `repeat`, which every start
of the API runs. It also repeats what a restored database, or a restored key store, has forgotten.
No event, hash or balance changes.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from uuid_utils.compat import uuid7

from ledger.bodies import keys_of_bodies
from ledger.erasure_list import Erasure
from ledger.errors import NothingRecorded, ObligationsOpen, PersonNotFound, RetentionOpen
from ledger.key_store import KeyDestroyedError
from ledger.obligations import has_moved_on, obligations_of
from ledger.recorder import LOCK
from ledger.vault import unseal, vault_entry

if TYPE_CHECKING:
    import psycopg

    from ledger.database.connections import BookLocation
    from ledger.erasure_list import ErasureList
    from ledger.key_store import KeyStore
    from ledger.obligations import Obligations

logger = logging.getLogger(__name__)

TRIES: Final = 5
SCAN_SECONDS_MAX: Final = 600
"""How long reading the first event of every stream may take."""

READ_ENTRIES: Final = """
    SELECT entry_id, person_id, kind, key_id, ciphertext FROM vault_entries WHERE person_id = %s
"""
READ_KEY_IDS: Final = "SELECT key_id FROM vault_entries WHERE person_id = %s"
ERASE: Final = "SELECT erase_person(%s, %s, %s, %s, %s, %s)"
FORGET_FINGERPRINTS: Final = "SELECT forget_fingerprints(%s)"
COLUMNS: Final = "erasure_id, person_id, recorded_at, erased_by, reason, key_ids"
READ_ONE: Final = f"SELECT {COLUMNS} FROM erasures WHERE person_id = %s"  # noqa: S608 - no input
READ_ALL: Final = f"SELECT {COLUMNS} FROM erasures ORDER BY erasure_id"  # noqa: S608 - no input
READ_LEFT: Final = "SELECT EXISTS (SELECT FROM vault_entries WHERE person_id = %s)"


class Erasures:
    """Erases people of one book, with its key store and the list beside it.

    `retention` is how long after the last event of theirs a person's data has to be kept.
    """

    def __init__(
        self,
        book: BookLocation,
        key_store: KeyStore,
        listed: ErasureList,
        *,
        retention: timedelta = timedelta(),
    ) -> None:
        self._book = book
        self._key_store = key_store
        self._list = listed
        self._retention = retention

    def erase(self, person_id: UUID, *, by: str, reason: str) -> tuple[Erasure, bool]:
        """Erase a person: how it is recorded, and whether it was before.

        Raises `PersonNotFound`, `ObligationsOpen`, `RetentionOpen`; `NothingRecorded` where they
        were too busy to be erased.
        """
        with self._book.connect_reader() as connection:
            connection.execute(f"SET statement_timeout = '{SCAN_SECONDS_MAX}s'".encode())
            known = self._known(connection, person_id)
            if known is not None:
                self._finish(known)
                return known, True
            for _ in range(TRIES):
                seen = obligations_of(connection, person_id)
                keys = self._keys(connection, person_id, seen)
                self._check(seen, keys)
                erasure = self._record(seen, keys, by=by, reason=reason)
                if erasure is not None:
                    self._destroy(erasure)
                    return erasure, False
        raise NothingRecorded

    def repeat(self) -> list[Erasure]:
        """Do again what the database, the list or the key store does not have; what that was.

        Raises `UnreadableErasureListError`.
        """
        listed = {each.person_id: each for each in self._list.read()}
        with self._book.connect_reader() as connection:
            rows = {each.person_id: each for each in all_erasures(connection)}
        repeated = []
        for person_id, erasure in {**rows, **listed}.items():
            if person_id not in listed:
                self._list.append(erasure)
            if person_id in rows and self._is_gone(erasure):
                continue
            self._finish(erasure)
            repeated.append(erasure)
            logger.info("erasure_repeated", extra={"erasure": str(erasure.erasure_id)})
        return repeated

    def _known(self, connection: psycopg.Connection[Any], person_id: UUID) -> Erasure | None:
        """The erasure of a person, also one that was not finished."""
        row = connection.execute(READ_ONE, (person_id,)).fetchone()
        if row is not None:
            return _erasure(row)
        return next((each for each in self._list.read() if each.person_id == person_id), None)

    def _check(self, seen: Obligations, keys: set[UUID]) -> None:
        if not (seen.streams or keys):
            raise PersonNotFound
        if seen.open:
            raise ObligationsOpen(what=", ".join(seen.open))
        if seen.last_at is not None and self._retention:
            until = seen.last_at + self._retention
            if until > datetime.now(UTC):
                raise RetentionOpen(until=until.isoformat(timespec="seconds"))

    def _keys(
        self, connection: psycopg.Connection[Any], person_id: UUID, seen: Obligations
    ) -> set[UUID]:
        """The keys of all that is sealed of a person: their entries, and callbacks' bodies."""
        entries = [vault_entry(row) for row in connection.execute(READ_ENTRIES, (person_id,))]
        texts = set()
        for entry in entries:
            try:
                texts.add(unseal(self._key_store, entry))
            except KeyDestroyedError:
                continue
        bodies = keys_of_bodies(connection, self._key_store, texts, seen.streams)
        return {entry.key_id for entry in entries} | bodies

    def _record(
        self, seen: Obligations, keys: set[UUID], *, by: str, reason: str
    ) -> Erasure | None:
        """Write list and row, if nothing of theirs was recorded since it was seen."""
        with self._book.connect_writer() as connection, connection.transaction():
            connection.execute(LOCK)
            if has_moved_on(connection, seen):
                return None
            keys |= {key for (key,) in connection.execute(READ_KEY_IDS, (seen.person_id,))}
            erasure = Erasure(
                erasure_id=UUID(int=uuid7().int),
                person_id=seen.person_id,
                recorded_at=datetime.now(UTC),
                erased_by=by,
                reason=reason,
                key_ids=tuple(sorted(keys)),
            )
            self._list.append(erasure)
            _erase_rows(connection, erasure)
        return erasure

    def _finish(self, erasure: Erasure) -> None:
        """Everything from the line on, again."""
        with self._book.connect_writer() as connection, connection.transaction():
            connection.execute(LOCK)
            rows = connection.execute(READ_KEY_IDS, (erasure.person_id,)).fetchall()
            _erase_rows(connection, erasure)
        self._destroy(erasure, *(key for (key,) in rows))

    def _destroy(self, erasure: Erasure, *more: UUID) -> None:
        self._key_store.erase(erasure.person_id, *erasure.key_ids, *more)
        with self._book.connect_writer() as connection:
            connection.execute(FORGET_FINGERPRINTS, (erasure.person_id,))

    def _is_gone(self, erasure: Erasure) -> bool:
        """Whether nothing is left of what this erasure is of."""
        store = self._key_store
        if not store.is_erased(erasure.person_id) or store.has_any(erasure.key_ids):
            return False
        with self._book.connect_reader() as connection:
            [(left,)] = connection.execute(READ_LEFT, (erasure.person_id,)).fetchall()
            return not left


def all_erasures(connection: psycopg.Connection[Any]) -> list[Erasure]:
    """Those that the database has, the oldest first."""
    return [_erasure(row) for row in connection.execute(READ_ALL)]


def _erase_rows(connection: psycopg.Connection[Any], erasure: Erasure) -> None:
    connection.execute(
        ERASE,
        (
            erasure.erasure_id,
            erasure.person_id,
            erasure.recorded_at,
            erasure.erased_by,
            erasure.reason,
            list(erasure.key_ids),
        ),
    )


def _erasure(row: tuple[Any, ...]) -> Erasure:
    erasure_id, person_id, recorded_at, erased_by, reason, key_ids = row
    return Erasure(
        erasure_id=erasure_id,
        person_id=person_id,
        recorded_at=recorded_at,
        erased_by=erased_by,
        reason=reason,
        key_ids=tuple(key_ids),
    )
