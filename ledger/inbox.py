"""The inbox: what of a callback is kept, before anything is understood.

The raw body is encrypted, with the key of the person it concerns where that is known, else with a
key of its own that is destroyed after some days. The events it causes carry
SHA-256(nonce ‖ body): proof of what was received, and no oracle for the phone number inside, since
the 32-byte nonce is sealed with the body.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from uuid_utils.compat import uuid7

from ledger.vault import NONCE_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ledger.key_store import Key, KeyStore

SALT_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEntry:
    """One verified callback: its natural key, selected headers, and its sealed body."""

    inbox_id: UUID
    provider: str
    natural_key: str
    headers: Mapping[str, str]
    key_id: UUID
    of_unknown_origin: bool
    body_hash: str
    ciphertext: bytes = field(repr=False)


def seal_callback(
    key: Key,
    *,
    provider: str,
    natural_key: str,
    headers: Mapping[str, str],
    body: bytes,
    of_unknown_origin: bool,
) -> InboxEntry:
    """Encrypt a callback's raw body under `key` and hash it with a salt."""
    inbox_id = UUID(int=uuid7().int)
    salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(NONCE_BYTES)
    return InboxEntry(
        inbox_id=inbox_id,
        provider=provider,
        natural_key=natural_key,
        headers=headers,
        key_id=key.id,
        of_unknown_origin=of_unknown_origin,
        body_hash=hashlib.sha256(salt + body).hexdigest(),
        ciphertext=nonce + AESGCM(key.secret).encrypt(nonce, salt + body, inbox_id.bytes),
    )


def unseal_callback(
    key_store: KeyStore, *, inbox_id: UUID, key_id: UUID, ciphertext: bytes
) -> bytes:
    """The raw body again. Raises `KeyDestroyedError` when its key is gone."""
    return _unsealed(key_store, inbox_id, key_id, ciphertext)[SALT_BYTES:]


def hash_of_kept(key_store: KeyStore, *, inbox_id: UUID, key_id: UUID, ciphertext: bytes) -> str:
    """SHA-256 of salt and body as they are kept, to be held against an event's evidence.

    Raises `KeyDestroyedError` when the key is gone, and cryptography's `InvalidTag` when these are
    not the bytes that were sealed.
    """
    return hashlib.sha256(_unsealed(key_store, inbox_id, key_id, ciphertext)).hexdigest()


def _unsealed(key_store: KeyStore, inbox_id: UUID, key_id: UUID, ciphertext: bytes) -> bytes:
    secret = key_store.get(key_id).secret
    nonce, sealed = ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:]
    return AESGCM(secret).decrypt(nonce, sealed, inbox_id.bytes)
