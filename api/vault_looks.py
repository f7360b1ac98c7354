"""Looks into the vault: recorded before anything is opened, with whom, what and why."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from fastapi.concurrency import run_in_threadpool

from ledger.key_store import KeyDestroyedError
from ledger.vault import PersonalData, VaultEntry, unseal, vault_entry

if TYPE_CHECKING:
    from ledger.key_store import KeyStore
    from projections.reader import Reader

INSERT: Final = """
    INSERT INTO vault_looks (request_id, looked_by, person_id, kind, reason)
    VALUES (%b::uuid, %b::uuid, %b::uuid, %b::text, %b::text)
    RETURNING look_id, recorded_at
"""
READ_ENTRIES: Final = """
    SELECT entry_id, person_id, kind, key_id, ciphertext FROM vault_entries
    WHERE person_id = %b::uuid AND kind = %b::text ORDER BY entry_id DESC
"""
PAGE: Final = """
    SELECT look_id, recorded_at, request_id, looked_by, person_id, kind, reason FROM vault_looks
    WHERE look_id < %(before)b::bigint
      AND (%(looked_by)b::uuid IS NULL OR looked_by = %(looked_by)b::uuid)
      AND (%(person_id)b::uuid IS NULL OR person_id = %(person_id)b::uuid)
    ORDER BY look_id DESC LIMIT %(limit)b::integer
"""


class Look(NamedTuple):
    """Who wants to see what of whom, and why."""

    request_id: UUID
    looked_by: UUID
    person_id: UUID
    kind: PersonalData
    reason: str


class RecordedLook(NamedTuple):
    """One that was recorded."""

    look_id: int
    recorded_at: datetime
    request_id: UUID
    looked_by: UUID
    person_id: UUID
    kind: str
    reason: str

    def rendered(self) -> dict[str, Any]:
        """As it is shown."""
        shown = self._asdict()
        return {"id": shown.pop("look_id"), **shown}


class Opened(NamedTuple):
    """An entry of the vault, and what is in it."""

    entry_id: UUID
    text: str


async def record(tables: Reader, look: Look) -> RecordedLook:
    """Return once it is committed. Raises `ReadUnavailable` when it cannot be."""
    [(look_id, recorded_at)] = await tables.fetch(INSERT, list(look))
    return RecordedLook(look_id, recorded_at, *look)


async def opened(
    tables: Reader, key_store: KeyStore, person_id: UUID, kind: PersonalData
) -> list[Opened]:
    """What the vault has of a person, the newest first. Raises `ReadUnavailable`."""
    rows = await tables.fetch(READ_ENTRIES, [person_id, str(kind)])
    return await run_in_threadpool(_unsealed, key_store, [vault_entry(row) for row in rows])


def _unsealed(key_store: KeyStore, entries: list[VaultEntry]) -> list[Opened]:
    found = []
    for entry in entries:
        try:
            found.append(Opened(entry.entry_id, unseal(key_store, entry)))
        except KeyDestroyedError:
            continue
    return found


async def page_of(
    tables: Reader, *, looked_by: UUID | None, person_id: UUID | None, before: int, limit: int
) -> list[RecordedLook]:
    """The newest looks before an id. Raises `ReadUnavailable`."""
    wanted = {"looked_by": looked_by, "person_id": person_id, "before": before, "limit": limit}
    return [RecordedLook(*row) for row in await tables.fetch(PAGE, wanted)]
