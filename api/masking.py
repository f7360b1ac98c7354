"""Phone numbers as others than their owner see them: opened from the vault, and masked at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.concurrency import run_in_threadpool

from ledger.key_store import KeyDestroyedError
from ledger.vault import mask_phone, unseal
from projections.sealed import sealed_entries

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from api.doors import Doors
    from ledger.key_store import KeyStore
    from ledger.vault import VaultEntry


async def masked_phones(doors: Doors, entry_ids: Collection[UUID]) -> dict[UUID, str]:
    """Masked numbers by the id of their entry; an erased person's is left out.

    Raises `ReadUnavailable`.
    """
    entries = await sealed_entries(doors.reader, entry_ids)
    return await run_in_threadpool(_masked, doors.key_store, entries)


def _masked(key_store: KeyStore, entries: list[VaultEntry]) -> dict[UUID, str]:
    found: dict[UUID, str] = {}
    for entry in entries:
        try:
            found[entry.entry_id] = mask_phone(unseal(key_store, entry))
        except KeyDestroyedError:
            continue
    return found
