"""The vault: phone numbers, names and tax numbers, so that no event holds any.

An entry is AES-256-GCM ciphertext under a key from the key store, bound to its own id, so that a
row cannot be passed off as another's. Events hold the entry's random id. Erasing a person destroys
their keys; every event, hash and balance stays as it was.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from uuid_utils.compat import uuid7

from ledger.errors import PersonErased

if TYPE_CHECKING:
    from psycopg import Connection

    from ledger.key_store import KeyStore

NONCE_BYTES: Final = 12
"""The length of an AES-GCM nonce (NIST SP 800-38D, 96 bits)."""

READ_ENTRY: Final = """
    SELECT entry_id, person_id, kind, key_id, ciphertext FROM vault_entries WHERE entry_id = %s
"""


class PersonalData(StrEnum):
    """What kind of thing an entry holds."""

    PHONE = "phone"
    NAME = "name"
    TAX_NUMBER = "tax_number"
    EMAIL = "email"
    CARD = "card"


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultEntry:
    """One sealed piece of personal data, as it lies in the database."""

    entry_id: UUID
    person_id: UUID
    kind: PersonalData
    key_id: UUID
    ciphertext: bytes = field(repr=False)


def seal(key_store: KeyStore, *, person_id: UUID, kind: PersonalData, text: str) -> VaultEntry:
    """Encrypt `text` under a new key. Nothing is stored until a command carries the entry.

    Raises `PersonErased`.
    """
    refuse_the_erased(key_store, person_id)
    key = key_store.allocate()
    entry_id = UUID(int=uuid7().int)
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = AESGCM(key.secret).encrypt(nonce, text.encode(), _binding(entry_id, kind))
    return VaultEntry(
        entry_id=entry_id,
        person_id=person_id,
        kind=kind,
        key_id=key.id,
        ciphertext=nonce + sealed,
    )


def refuse_the_erased(key_store: KeyStore, person_id: UUID) -> None:
    """Raise `PersonErased` for somebody who was erased."""
    if key_store.is_erased(person_id):
        raise PersonErased


def unseal(key_store: KeyStore, entry: VaultEntry) -> str:
    """Decrypt an entry. Raises `KeyDestroyedError` for an erased person."""
    secret = key_store.get(entry.key_id).secret
    nonce, sealed = entry.ciphertext[:NONCE_BYTES], entry.ciphertext[NONCE_BYTES:]
    return AESGCM(secret).decrypt(nonce, sealed, _binding(entry.entry_id, entry.kind)).decode()


def _binding(entry_id: UUID, kind: PersonalData) -> bytes:
    return entry_id.bytes + kind.encode()


def read_entry(connection: Connection[tuple[object, ...]], entry_id: UUID) -> VaultEntry | None:
    """The entry with this id, still sealed."""
    row = connection.execute(READ_ENTRY, (entry_id,)).fetchone()
    return None if row is None else vault_entry(row)


def vault_entry(row: tuple[object, ...]) -> VaultEntry:
    """An entry from the columns of `READ_ENTRY`."""
    entry_id, person_id, kind, key_id, ciphertext = row
    assert isinstance(entry_id, UUID)  # noqa: S101 - the columns' types, for the type checker
    assert isinstance(person_id, UUID)  # noqa: S101
    assert isinstance(key_id, UUID)  # noqa: S101
    assert isinstance(ciphertext, bytes)  # noqa: S101
    return VaultEntry(
        entry_id=entry_id,
        person_id=person_id,
        kind=PersonalData(str(kind)),
        key_id=key_id,
        ciphertext=ciphertext,
    )


def mask_phone(phone: str) -> str:
    """A phone number as creators and auditors see it: its last three digits."""
    return f"•••{phone[-3:]}"
