"""Where a person can be reached: entries of the vault, opened for the moment of sending."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from api.notifications.port import Channel
from ledger.key_store import KeyDestroyedError
from ledger.vault import READ_ENTRY, unseal, vault_entry

if TYPE_CHECKING:
    import psycopg

    from api.notifications.notices import Notice
    from ledger.key_store import KeyStore

READ_EMAIL: Final = """
    SELECT entry_id, person_id, kind, key_id, ciphertext FROM vault_entries
    WHERE person_id = %s AND kind = 'email' ORDER BY entry_id DESC LIMIT 1
"""
"""The latest: ids of entries are ordered by time."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a notice goes; `text` is None when the person was erased."""

    channel: Channel
    text: str | None = field(repr=False)


def address_of(
    connection: psycopg.Connection[Any], key_store: KeyStore, notice: Notice
) -> Address | None:
    """The address at the first of the notice's channels that has one, or None."""
    for channel in notice.channels:
        row = _entry(connection, notice, channel)
        if row is not None:
            try:
                return Address(channel, unseal(key_store, vault_entry(row)))
            except KeyDestroyedError:
                return Address(channel, None)
    return None


def _entry(
    connection: psycopg.Connection[Any], notice: Notice, channel: Channel
) -> tuple[Any, ...] | None:
    match channel:
        case Channel.EMAIL:
            return connection.execute(READ_EMAIL, (notice.person_id,)).fetchone()
        case Channel.SMS if notice.phone is not None:
            return connection.execute(READ_ENTRY, (notice.phone,)).fetchone()
        case Channel.SMS:
            return None
