"""Where a person can be reached: entries of the vault, opened for the moment of sending."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from api.notifications.port import Channel
from ledger.commands import fan_stream
from ledger.events import EmailSet
from ledger.key_store import KeyDestroyedError
from ledger.serialization import decode_event
from ledger.vault import READ_ENTRY, unseal, vault_entry

if TYPE_CHECKING:
    from uuid import UUID

    import psycopg

    from api.notifications.notice import Notice
    from ledger.key_store import KeyStore

READ_EMAIL_SET: Final = """
    SELECT originator_version, topic, state FROM ledger_events
    WHERE originator_id = %s AND topic = %s ORDER BY originator_version DESC LIMIT 1
"""
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
            return _email(connection, notice.person_id)
        case Channel.SMS if notice.phone is not None:
            return connection.execute(READ_ENTRY, (notice.phone,)).fetchone()
        case Channel.SMS:
            return None


def _email(connection: psycopg.Connection[Any], person_id: UUID) -> tuple[Any, ...] | None:
    """What a fan has said last holds, also where it is "nowhere"; else the latest that is known."""
    stream = fan_stream(person_id)
    said = connection.execute(READ_EMAIL_SET, (stream, EmailSet.TOPIC)).fetchone()
    if said is None:
        return connection.execute(READ_EMAIL, (person_id,)).fetchone()
    version, topic, state = said
    event = decode_event(topic, state, originator_id=stream, originator_version=version)
    assert isinstance(event, EmailSet)  # noqa: S101 - asked for by its topic
    if event.email is None:
        return None
    return connection.execute(READ_ENTRY, (event.email,)).fetchone()
