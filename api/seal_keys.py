"""The keys that sign checkpoints: every `*.pem` of a directory that only the sealer can read.

To rotate: put a second key there, pin its verifier key beside the first's, and take the first away
once everybody has it. Meanwhile both sign. A sealer whose every key is new believes no checkpoint
that was signed before, and does not start: whoever lost a key must say so to the auditors, and
remove the sealer's memory and its publication by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ledger.checkpoints import Signer
from ledger.database.private_files import write_private

if TYPE_CHECKING:
    from pathlib import Path

FIRST: Final = "first.pem"
OTHERS: Final = 0o077


class SealKeysError(RuntimeError):
    """The keys cannot be used; the message says which file and why."""


def seal_signers(directory: Path, origin: str) -> list[Signer]:
    """Every key, under the log's name; the first is made if there is none.

    Raises `SealKeysError` for a file that is no Ed25519 key, or that others may read.
    """
    directory.mkdir(parents=True, exist_ok=True)
    paths = sorted(directory.glob("*.pem"))
    if not paths:
        made = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        write_private(directory / FIRST, made.decode())
        paths = [directory / FIRST]
    return [Signer(origin, _key(path)) for path in paths]


def _key(path: Path) -> Ed25519PrivateKey:
    if path.stat().st_mode & OTHERS:
        message = f"{path}: others may read it. chmod 600, and think about whether they did."
        raise SealKeysError(message)
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError):
        message = f"{path}: no private key in PEM without a password"
        raise SealKeysError(message) from None
    if not isinstance(key, Ed25519PrivateKey):
        message = f"{path}: no Ed25519 key"
        raise SealKeysError(message)
    return key
