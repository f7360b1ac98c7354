"""The secrets that sign what we send: sealed in the database under keys of the key store.

A secret is shown once, when it is made. Its key serves it alone, and is destroyed with it.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from uuid_utils.compat import uuid7

from ledger.vault import NONCE_BYTES

if TYPE_CHECKING:
    from ledger.key_store import KeyStore

SECRET_BYTES: Final = 32
PREFIX: Final = "whsec_"


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret as it lies in the database."""

    secret_id: UUID
    key_id: UUID
    ciphertext: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret in its plain form, and sealed."""

    text: str = field(repr=False)
    sealed: SealedSecret


def new_secret(key_store: KeyStore, endpoint_id: UUID) -> NewSecret:
    """Make a secret of an endpoint: `whsec_` and 32 bytes in base64, as Standard Webhooks has it.

    Nothing is stored yet but its key.
    """
    text = PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    secret_id, key = UUID(int=uuid7().int), key_store.allocate()
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = AESGCM(key.secret).encrypt(nonce, text.encode(), _binding(endpoint_id, secret_id))
    return NewSecret(text, SealedSecret(secret_id, key.id, nonce + sealed))


def unseal_secret(key_store: KeyStore, endpoint_id: UUID, sealed: SealedSecret) -> str:
    """The secret. Raises `KeyDestroyedError` once its key is gone."""
    key = key_store.get(sealed.key_id).secret
    nonce, ciphertext = sealed.ciphertext[:NONCE_BYTES], sealed.ciphertext[NONCE_BYTES:]
    return AESGCM(key).decrypt(nonce, ciphertext, _binding(endpoint_id, sealed.secret_id)).decode()


def _binding(endpoint_id: UUID, secret_id: UUID) -> bytes:
    """A row cannot be passed off as another endpoint's."""
    return b"webhook:" + endpoint_id.bytes + secret_id.bytes
