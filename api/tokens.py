"""The development issuer: a signing key of its own, and tokens for each role.

It refuses to run against a production configuration: there, tokens come from the platform's own
issuer, whose public keys are in the key set.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from typing import TYPE_CHECKING, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import OKPAlgorithm

from api.settings import Environment

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from api.auth import Role
    from api.settings import Settings

KEY_ID: Final = "development"


class NotInProductionError(RuntimeError):
    """The development issuer does not work in production: tokens come from your own issuer."""


def development_key_set(settings: Settings) -> Path:
    """The public key set of the development issuer, made at first use.

    Raises `NotInProductionError`.
    """
    if settings.environment is Environment.PRODUCTION:
        raise NotInProductionError(NotInProductionError.__doc__)
    private = _signing_key(settings)
    public = json.loads(OKPAlgorithm.to_jwk(private.public_key()))
    path = settings.data_directory / "keys" / "development_key_set.json"
    public.update(kid=KEY_ID, alg="EdDSA", use="sig")
    temporary = path.with_suffix(f".{secrets.token_hex(8)}.tmp")
    temporary.write_text(json.dumps({"keys": [public]}))
    temporary.replace(path)
    return path


def issue_token(
    settings: Settings, *, role: Role, subject: UUID, lifetime_seconds: int = 12 * 3600
) -> str:
    """A token for `role` and `subject`. Raises `NotInProductionError`."""
    if settings.environment is Environment.PRODUCTION:
        raise NotInProductionError(NotInProductionError.__doc__)
    now = int(time.time())
    claims = {
        "iss": settings.token_issuer,
        "aud": settings.token_audience,
        "sub": str(subject),
        "role": role.value,
        "iat": now,
        "exp": now + lifetime_seconds,
    }
    return jwt.encode(claims, _signing_key(settings), algorithm="EdDSA", headers={"kid": KEY_ID})


def _signing_key(settings: Settings) -> Ed25519PrivateKey:
    path = settings.data_directory / "keys" / "development_signing_key.pem"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _make_signing_key(path)
    key = load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)  # noqa: S101 - we wrote it
    return key


def _make_signing_key(path: Path) -> None:
    new = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    temporary = path.with_suffix(f".{secrets.token_hex(8)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(new)
        # A hard link fails where the key exists, so the first of several makers wins whole.
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink(missing_ok=True)
