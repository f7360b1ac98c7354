"""Which sealed entries of the vault have these ids? Still sealed: only the key store opens them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.vault import VaultEntry, vault_entry

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from projections.reader import Reader

READ_ENTRIES: Final = """
    SELECT entry_id, person_id, kind, key_id, ciphertext
    FROM unnest(%b::uuid[]) AS wanted (entry_id) JOIN vault_entries USING (entry_id)
"""


async def sealed_entries(reader: Reader, entry_ids: Collection[UUID]) -> list[VaultEntry]:
    """The entries that there are, in any order. Raises `ReadUnavailable`."""
    if not entry_ids:
        return []
    return [vault_entry(row) for row in await reader.fetch(READ_ENTRIES, (list(entry_ids),))]
