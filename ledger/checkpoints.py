"""Signed statements of how long the log is and what it holds: C2SP checkpoints and their keys.

    hesabu.example/log                                        origin: which log
    20852163                                                  size: how many events
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=              root of their tree

    — hesabu.example/log Az3grlgtzPICa5OS8npVmf1Myq…          a signature: name, key id ‖ signature
    — witness.example/w1 jWbPPwAAAABkGFDLEZMHwSRaJNi…         a cosignature: … timestamp ‖ signature

Formats: C2SP signed-note, tlog-checkpoint and tlog-cosignature (cosignature/v1), all Ed25519.
Signatures of unknown keys are ignored; one of a known key that is wrong spoils the whole note.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.merkle import HASH_BYTES, SIZE_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

NOTE_BYTES_MAX: Final = 65_536
ORIGIN_CHARACTERS_MAX: Final = 255
SIGNATURES_MAX: Final = 64
"""A note of more is refused; C2SP asks for 16 at least."""

KEY_ID_BYTES: Final = 4
PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
TIMESTAMP_BYTES: Final = 8
TIMESTAMP_MAX: Final = (1 << 63) - 1

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_NAME: Final = re.compile(r"[^\s+\x00-\x1f\x7f]{1,255}")
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_DASH: Final = "— "


class CheckpointError(ValueError):
    """It is not a checkpoint, not a key, or not signed by whom it should be."""


class Algorithm(IntEnum):
    """What a key signs: the byte in its id."""

    ED25519 = 0x01
    COSIGNATURE_V1 = 0x04


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log `origin` had `size` events, and this was the root of their tree."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        """Raise `CheckpointError` for what could not be written and read back."""
        if not 1 <= len(self.origin) <= ORIGIN_CHARACTERS_MAX or _CONTROL.search(self.origin):
            raise CheckpointError("an origin is one line of up to 255 characters")
        if "\n" in self.origin:
            raise CheckpointError("an origin is a single line")
        if not 0 <= self.size <= SIZE_MAX or len(self.root) != HASH_BYTES:
            raise CheckpointError("a checkpoint has a size below 2^63 and a root of 32 bytes")

    def body(self) -> bytes:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n".encode()


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under a name, as it is pinned: name+key id+base64(algorithm ‖ public key)."""

    name: str
    public_key: bytes
    algorithm: Algorithm = Algorithm.ED25519

    def __post_init__(self) -> None:
        """Raise `CheckpointError` for a name that no note could hold, or a wrong length."""
        if not _NAME.fullmatch(self.name):
            raise CheckpointError("a key's name has no spaces and no plus, and is not empty")
        if len(self.public_key) != PUBLIC_KEY_BYTES:
            raise CheckpointError("an Ed25519 public key has 32 bytes")

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys apart; they prove nothing."""
        typed = bytes([self.algorithm]) + self.public_key
        return sha256(self.name.encode() + b"\n" + typed).digest()[:KEY_ID_BYTES]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a verifier key. Raises `CheckpointError` unless it is exactly one."""
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        typed = _from_base64(encoded)
        if not _KEY_ID.fullmatch(key_id) or len(typed) != 1 + PUBLIC_KEY_BYTES:
            raise CheckpointError("a verifier key is name+key id+base64 of type and public key")
        try:
            key = cls(name, typed[1:], Algorithm(typed[0]))
        except ValueError as error:
            raise CheckpointError(f"the verifier key cannot be used: {error}") from error
        if key.key_id.hex() != key_id:
            raise CheckpointError("the verifier key's id is not that of its name and public key")
        return key

    def __str__(self) -> str:
        typed = bytes([self.algorithm]) + self.public_key
        return f"{self.name}+{self.key_id.hex()}+{_base64(typed)}"

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether it is this key's Ed25519 signature of the message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signature:
    """One line below a checkpoint; `content` is the signature, or timestamp and signature."""

    name: str
    key_id: bytes
    content: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {_base64(self.key_id + self.content)}\n"


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key under a name."""

    name: str
    private_key: Ed25519PrivateKey

    @property
    def verifier_key(self) -> VerifierKey:
        """What others pin."""
        return VerifierKey(self.name, self.private_key.public_key().public_bytes_raw())

    @property
    def cosigner_key(self) -> VerifierKey:
        """What others pin when this key belongs to a witness."""
        public_key = self.private_key.public_key().public_bytes_raw()
        return VerifierKey(self.name, public_key, Algorithm.COSIGNATURE_V1)

    def sign(self, checkpoint: Checkpoint) -> Signature:
        """The log's own signature."""
        content = self.private_key.sign(checkpoint.body())
        return Signature(self.name, self.verifier_key.key_id, content)

    def cosign(self, checkpoint: Checkpoint, *, timestamp: int) -> Signature:
        """A witness's: at `timestamp` (POSIX seconds) it was consistent with all it had seen."""
        content = self.private_key.sign(_cosigned(checkpoint, timestamp))
        stamped = timestamp.to_bytes(TIMESTAMP_BYTES, "big") + content
        return Signature(self.name, self.cosigner_key.key_id, stamped)


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint as it is published: the note's body and its signatures, not yet believed."""

    checkpoint: Checkpoint
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, note: bytes | str) -> Self:
        """Read a note. Raises `CheckpointError` unless every byte is as the formats say."""
        text = _text(note)
        body, blank, below = text.rpartition("\n\n")
        if not blank or not below.endswith("\n"):
            raise CheckpointError("a checkpoint is a body, an empty line and signatures")
        lines = below[:-1].split("\n")
        if len(lines) > SIGNATURES_MAX:
            raise CheckpointError(f"a checkpoint has at most {SIGNATURES_MAX} signatures")
        return cls(_parse_body(body), tuple(_parse_signature(line) for line in lines))

    def with_signatures(self, *more: Signature) -> Self:
        """The same checkpoint with more signatures below it."""
        return type(self)(self.checkpoint, (*self.signatures, *more))

    def __str__(self) -> str:
        return f"{self.checkpoint.body().decode()}\n{''.join(map(str, self.signatures))}"

    def verify(self, keys: Iterable[VerifierKey]) -> dict[VerifierKey, int | None]:
        """Who of `keys` signed; for a cosignature with its timestamp, otherwise None.

        Raises `CheckpointError` when none did, or when one that is known did so wrongly.
        """
        known = {(key.name, key.key_id): key for key in keys}
        signed: dict[VerifierKey, int | None] = {}
        for signature in self.signatures:
            key = known.get((signature.name, signature.key_id))
            if key is not None:
                signed[key] = self._timestamp(key, signature.content)
        if not signed:
            raise CheckpointError("no key that is trusted signed the checkpoint")
        return signed

    def _timestamp(self, key: VerifierKey, content: bytes) -> int | None:
        timestamp: int | None = None
        message = self.checkpoint.body()
        if key.algorithm is Algorithm.COSIGNATURE_V1:
            timestamp = int.from_bytes(content[:TIMESTAMP_BYTES], "big")
            content = content[TIMESTAMP_BYTES:]
            if timestamp > TIMESTAMP_MAX:
                raise CheckpointError(f"the cosignature of {key.name} is of no time that there is")
            message = _cosigned(self.checkpoint, timestamp)
        if len(content) != SIGNATURE_BYTES or not key.verify(content, message):
            raise CheckpointError(f"the signature of {key.name} is not one of this checkpoint")
        return timestamp


def sign_checkpoint(checkpoint: Checkpoint, *signers: Signer) -> SignedCheckpoint:
    """Publishable: during a rotation with the signatures of the old key and the new one."""
    return SignedCheckpoint(checkpoint, tuple(signer.sign(checkpoint) for signer in signers))


def _cosigned(checkpoint: Checkpoint, timestamp: int) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n".encode() + checkpoint.body()


def _text(note: bytes | str) -> str:
    try:
        encoded = note.encode() if isinstance(note, str) else note
        text = encoded.decode()
    except UnicodeError as error:
        raise CheckpointError("a checkpoint is UTF-8") from error
    if len(encoded) > NOTE_BYTES_MAX:
        raise CheckpointError(f"a checkpoint has at most {NOTE_BYTES_MAX} bytes")
    if _CONTROL.search(text):
        raise CheckpointError("a checkpoint has no control characters but newlines")
    return text


def _parse_body(body: str) -> Checkpoint:
    lines = body.split("\n")
    if len(lines) != 3:  # noqa: PLR2004 - extension lines are not made and not believed
        raise CheckpointError("a checkpoint's body is origin, size and root")
    origin, size, root = lines
    if not _NUMBER.fullmatch(size):
        raise CheckpointError("a checkpoint's size is a decimal number without leading zeros")
    return Checkpoint(origin, int(size), _from_base64(root))


def _parse_signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    content = _from_base64(encoded)
    if not line.startswith(_DASH) or not space or not _NAME.fullmatch(name):
        raise CheckpointError("a signature is a dash, a name and base64")
    if len(content) <= KEY_ID_BYTES:
        raise CheckpointError("a signature is longer than its key id")
    return Signature(name, content[:KEY_ID_BYTES], content[KEY_ID_BYTES:])


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _from_base64(text: str) -> bytes:
    """Decode standard base64 in its one canonical form."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CheckpointError("not base64") from error
    if _base64(content) != text:
        raise CheckpointError("not base64 in its canonical form")
    return content
