"""Whose signatures on tokens are believed: public keys from a JWKS file or a JWKS URL (RFC 7517).

    KeySet
    ├── FileKeySet   read again when the file has changed, which is looked at once a second at most
    └── UrlKeySet    fetched every five minutes, and at most once a minute for an unknown `kid`

Both are rotated without a restart: publish the new key beside the old one, sign with the new one,
take the old one away once its tokens have expired. What cannot be read or fetched leaves the keys
of before in force and a line in the log. A key has exactly one algorithm, whatever a token says.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import httpx
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

logger = structlog.get_logger()

RSA_BITS_MIN: Final = 2_048
"""NIST SP 800-131A."""
LOOK_SECONDS: Final = 1.0
REFRESH_SECONDS: Final = 300.0
REFETCH_SECONDS: Final = 60.0
STALE_SECONDS_MAX: Final = 24 * 3600.0
"""Keys that could not be fetched again for so long are believed no more."""
FETCH_SECONDS_MAX: Final = 5.0
KEY_SET_BYTES_MAX: Final = 256 * 1024

UNREADABLE: Final = (
    *(jwt.PyJWTError, ValueError, TypeError, LookupError, AttributeError),
    NotImplementedError,
)
"""What PyJWT and cryptography raise for keys that are none, and Python for what is no key set."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key and the one algorithm it is used with."""

    algorithm: str
    key: Any


Keys = dict[str, VerificationKey]


class KeySetError(ValueError):
    """The key set is not usable; the message says why."""


class KeySet(Protocol):
    """Public keys by `kid`."""

    version: int
    """Another one whenever the keys have changed: what was verified by them must be again."""

    def get(self, kid: str) -> VerificationKey | None:
        """The key of this exact id, or None. Never waits."""

    async def look_again(self, kid: str) -> VerificationKey | None:
        """The key of an id that `get` does not know, after whatever can still be done."""

    async def close(self) -> None:
        """Stop whatever keeps the keys fresh."""


def _suits(algorithm: str, key: object) -> bool:
    """Whether a key is of the kind and strength that the algorithm is for."""
    match algorithm:
        case "EdDSA":
            return isinstance(key, Ed25519PublicKey)
        case "ES256":
            return isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
        case "RS256":
            return isinstance(key, RSAPublicKey) and key.key_size >= RSA_BITS_MIN
        case _:
            return False


def read_key_set(source: str, text: str | bytes) -> Keys:
    """The keys of a JWKS document that we keep ourselves: one that is not exact is refused.

    Every key needs a `kid` of its own and one of EdDSA, ES256, RS256 as `alg`. Raises
    `KeySetError` for a key without them, a private or a symmetric key, or no key at all.
    """
    try:
        keys = _exact_keys(source, json.loads(text)["keys"])
    except KeySetError:
        raise
    except (json.JSONDecodeError, UnicodeDecodeError):
        message = f"{source}: not JSON"
        raise KeySetError(message) from None
    except UNREADABLE as error:
        message = f"{source}: not a JSON Web Key Set that can be read ({type(error).__name__})"
        raise KeySetError(message) from None
    if not keys:
        message = f"{source}: no keys"
        raise KeySetError(message)
    return keys


def _exact_keys(source: str, items: list[dict[str, Any]]) -> Keys:
    keys: Keys = {}
    for item in items:
        kid, algorithm = item.get("kid"), item.get("alg")
        if not kid or kid in keys or not isinstance(algorithm, str) or "d" in item:
            message = f"{source}: every key needs its own kid, an alg, and no d"
            raise KeySetError(message)
        key = jwt.PyJWK(item).key
        if not _suits(algorithm, key):
            message = f"{source}: {kid!r} is no key for EdDSA, ES256 or RS256 as its alg says"
            raise KeySetError(message)
        keys[kid] = VerificationKey(algorithm, key)
    return keys


def read_published_key_set(source: str, text: str | bytes) -> Keys:
    """The keys of a JWKS document that somebody else publishes: what is not for us is left out.

    Issuers publish keys for encryption beside those for signatures, and leave `alg` out where the
    kind of key says it (an RSA key does not). Raises `KeySetError` if nothing is left.
    """
    try:
        keys: Keys = {}
        for item in json.loads(text)["keys"]:
            kid, algorithm = item.get("kid"), item.get("alg") or _only_algorithm(item)
            if not kid or kid in keys or item.get("use", "sig") != "sig" or algorithm is None:
                continue
            with suppress(*UNREADABLE):
                key = jwt.PyJWK(item, algorithm=algorithm).key
                if _suits(algorithm, key):
                    keys[kid] = VerificationKey(algorithm, key)
    except UNREADABLE as error:
        message = f"{source}: not a JSON Web Key Set that can be read ({type(error).__name__})"
        raise KeySetError(message) from None
    if not keys:
        message = f"{source}: no key for EdDSA, ES256 or RS256 with a kid and an alg"
        raise KeySetError(message)
    return keys


def _only_algorithm(item: dict[str, Any]) -> str | None:
    match item.get("kty"), item.get("crv"):
        case "OKP", "Ed25519":
            return "EdDSA"
        case "EC", "P-256":
            return "ES256"
        case _:
            return None


class FileKeySet:
    """The keys of a JWKS file. Raises `KeySetError` when it is made and the file is not usable."""

    def __init__(self, path: Path, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._path = path
        self._look_seconds = look_seconds
        self._looked_at = time.monotonic()
        self._seen = _signature_of(path)
        self._keys = load_key_set(path)
        self.version = 1

    def get(self, kid: str) -> VerificationKey | None:
        """The key of this exact id, or None."""
        if time.monotonic() - self._looked_at >= self._look_seconds:
            self._look()
        return self._keys.get(kid)

    async def look_again(self, kid: str) -> VerificationKey | None:
        """Nothing more can be done than `get` does."""
        return self.get(kid)

    async def close(self) -> None:
        """Nothing to stop."""

    def _look(self) -> None:
        self._looked_at = time.monotonic()
        seen = _signature_of(self._path)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._keys = load_key_set(self._path)
        except KeySetError as error:
            logger.warning("key_set_not_read", reason=str(error))
            return
        self.version += 1
        logger.info("key_set_read", kids=sorted(self._keys))


def load_key_set(path: Path) -> Keys:
    """Read a JWKS file, exactly (`read_key_set`). Raises `KeySetError`."""
    try:
        text = path.read_bytes()
    except OSError as error:
        message = f"{path}: cannot be read ({type(error).__name__})"
        raise KeySetError(message) from None
    return read_key_set(str(path), text)


def _signature_of(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


class UrlKeySet:
    """The keys that an issuer publishes at a URL. Used in one event loop; `open` it first."""

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        refresh_seconds: float = REFRESH_SECONDS,
    ) -> None:
        self._url = url
        self._clock = clock
        self._refresh_seconds = refresh_seconds
        self._keys: Mapping[str, VerificationKey] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._refreshing: asyncio.Task[None] | None = None
        # No redirects: where keys come from is a setting, not an answer.
        self._client = httpx.AsyncClient(
            timeout=FETCH_SECONDS_MAX,
            follow_redirects=False,
            headers={"accept": "application/json"},
        )
        self.version = 0

    async def open(self) -> None:
        """Fetch the keys for the first time. Raises `KeySetError` when that fails."""
        self._tried_at = self._clock()
        try:
            await self._fetch()
        except KeySetError:
            await self._client.aclose()
            raise
        self._refreshing = asyncio.create_task(self._refresh())

    def get(self, kid: str) -> VerificationKey | None:
        """The key of this exact id, or None."""
        if self._keys and self._clock() - self._fetched_at > STALE_SECONDS_MAX:
            # Another version, so that tokens which were verified before are believed no more.
            self._keys = {}
            self.version += 1
            logger.error("key_set_too_old")
        return self._keys.get(kid)

    async def look_again(self, kid: str) -> VerificationKey | None:
        """Fetch for an id that is not known: a new key, or somebody's invention. Once a minute."""
        if self._fetching is None:
            if self._clock() - self._tried_at < REFETCH_SECONDS:
                return self.get(kid)
            self._tried_at = self._clock()
            self._fetching = asyncio.create_task(self._fetch_or_keep())
            self._fetching.add_done_callback(self._fetched)
        await asyncio.shield(self._fetching)
        return self.get(kid)

    async def close(self) -> None:
        """Stop fetching."""
        tasks = [task for task in (self._refreshing, self._fetching) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(self._refresh_seconds)
            await self._fetch_or_keep()

    async def _fetch_or_keep(self) -> None:
        try:
            await self._fetch()
        except KeySetError as error:
            logger.warning("key_set_not_fetched", reason=str(error))

    def _fetched(self, _fetching: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _fetch(self) -> None:
        keys = read_published_key_set(self._url, await self._document())
        self._fetched_at = self._clock()
        if keys != self._keys:
            self._keys = keys
            self.version += 1
            logger.info("key_set_fetched", kids=sorted(keys))

    async def _document(self) -> bytes:
        try:
            async with (
                asyncio.timeout(2 * FETCH_SECONDS_MAX),
                self._client.stream("GET", self._url) as answer,
            ):
                if answer.status_code != httpx.codes.OK:
                    message = f"{self._url}: answered {answer.status_code}"
                    raise KeySetError(message)
                document = b""
                async for part in answer.aiter_bytes():
                    document += part
                    if len(document) > KEY_SET_BYTES_MAX:
                        message = f"{self._url}: more than {KEY_SET_BYTES_MAX} bytes"
                        raise KeySetError(message)
                return document
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            message = f"{self._url}: cannot be fetched ({type(error).__name__})"
            raise KeySetError(message) from None
