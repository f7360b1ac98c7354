"""The keys that sign checkpoints and receipts: every `*.pem` of a directory of their process.

To rotate: put a second key there, pin its verifier key beside the first's, and take the first away
once everybody has it. Meanwhile checkpoints are signed by both, receipts by the last one by name. A
sealer whose every key is new believes no checkpoint that was signed before, and does not start:
whoever lost a key must say so to the auditors, and remove the sealer's memory and its publication
by hand. An old receipt's key stays pinned for as long as the receipt is to prove anything.
"""

from __future__ import annotations

import os
from contextlib import suppress
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
from ledger.receipts import receipt_key_name

if TYPE_CHECKING:
    from pathlib import Path

FIRST: Final = "first.pem"
OTHERS: Final = 0o077


class SigningKeysError(RuntimeError):
    """The keys cannot be used; the message says which file and why."""


def checkpoint_signers(directory: Path, origin: str) -> list[Signer]:
    """Every key, under the log's name; the first is made if there is none.

    Raises `SigningKeysError` for a file that is no Ed25519 key, or that others may read.
    """
    return _signers(directory, origin)


def receipt_signers(directory: Path, origin: str) -> list[Signer]:
    """The same of receipts, under their name; the last one signs."""
    return _signers(directory, receipt_key_name(origin))


def _signers(directory: Path, name: str) -> list[Signer]:
    directory.mkdir(parents=True, exist_ok=True)
    if not any(directory.glob("*.pem")):
        _make(directory / FIRST)
    return [Signer(name, _key(path)) for path in sorted(directory.glob("*.pem"))]


def _make(path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    made = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    own = path.with_suffix(f".{os.getpid()}")
    write_private(own, made.decode())
    try:
        # Of two processes that start at once one makes it, and both use that.
        with suppress(FileExistsError):
            path.hardlink_to(own)
    finally:
        own.unlink()


def _key(path: Path) -> Ed25519PrivateKey:
    if path.stat().st_mode & OTHERS:
        message = f"{path}: others may read it. chmod 600, and think about whether they did."
        raise SigningKeysError(message)
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError):
        message = f"{path}: no private key in PEM without a password"
        raise SigningKeysError(message) from None
    if not isinstance(key, Ed25519PrivateKey):
        message = f"{path}: no Ed25519 key"
        raise SigningKeysError(message)
    return key
