"""The file itself: sealed in parts under a key of its own, and a hash of it that proves it.

SHA-256 is of a 32-byte salt and the file, and the salt lies sealed with it: whoever has the file
and the key can show that this was it, and the hash alone is no oracle for the phone numbers inside.
Each part is bound to its statement, its place and whether it is the last one.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.inbox import SALT_BYTES
from ledger.vault import NONCE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from uuid import UUID

    from ledger.key_store import Key

PART_BYTES: Final = 1024 * 1024


class SealedPart(NamedTuple):
    """A part of the file, by its place."""

    part: int
    ciphertext: bytes


class FileSealer:
    """Seals one file; its hash and size are known once all of it went through."""

    def __init__(self, key: Key, statement_id: UUID) -> None:
        self._cipher = AESGCM(key.secret)
        self._statement_id = statement_id
        self._hash = hashlib.sha256()
        self.size = 0

    def seal(self, pieces: Iterable[bytes]) -> Iterator[SealedPart]:
        """The sealed parts, of a megabyte at most, as the file goes by."""
        salt = secrets.token_bytes(SALT_BYTES)
        self._hash.update(salt)
        waiting = bytearray(salt)
        part = 0
        for piece in pieces:
            self._hash.update(piece)
            self.size += len(piece)
            waiting += piece
            while len(waiting) > PART_BYTES:
                yield self._sealed(part, bytes(waiting[:PART_BYTES]), last=False)
                del waiting[:PART_BYTES]
                part += 1
        yield self._sealed(part, bytes(waiting), last=True)

    @property
    def file_hash(self) -> str:
        """SHA-256 of salt and file, in hexadecimal."""
        return self._hash.hexdigest()

    def _sealed(self, part: int, content: bytes, *, last: bool) -> SealedPart:
        nonce = secrets.token_bytes(NONCE_BYTES)
        place = _place(self._statement_id, part, last=last)
        return SealedPart(part, nonce + self._cipher.encrypt(nonce, content, place))


def unsealed(
    key: Key,
    statement_id: UUID,
    parts: Iterable[SealedPart],
    *,
    hashed: Callable[[bytes], None] = lambda _: None,
) -> Iterator[bytes]:
    """The file again. Raises cryptography's `InvalidTag` for parts that were not sealed so.

    `hashed` is given what the hash is of: the salt too.
    """
    cipher = AESGCM(key.secret)
    ordered = list(parts)
    for number, (part, ciphertext) in enumerate(ordered):
        place = _place(statement_id, part, last=number == len(ordered) - 1)
        content = cipher.decrypt(ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:], place)
        hashed(content)
        yield content if number else content[SALT_BYTES:]


def _place(statement_id: UUID, part: int, *, last: bool) -> bytes:
    return b"%s%d%s" % (statement_id.bytes, part, b"!" if last else b"+")
