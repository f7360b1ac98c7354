"""Who is asking: JWTs verified by PyJWT against a configured key set, and what a role may do.

A key has exactly one algorithm; the header's `kid` chooses the key by exact look-up and nothing
else in the header is believed. Every route declares its roles with `Allow`; a route without a
declaration answers nobody.
"""

from __future__ import annotations

import base64
import json
import time
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NoReturn
from uuid import UUID

import jwt
from fastapi.security import HTTPBearer
from starlette.requests import Request

from api.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ALGORITHMS: Final = frozenset({"EdDSA", "ES256", "RS256"})
TOKEN_BYTES_MAX: Final = 4_096
CACHE_SIZE_MAX: Final = 10_000
CLOCK_SKEW_SECONDS: Final = 30
TYPES: Final = frozenset({"JWT", "at+jwt"})
REQUIRED: Final = ["iss", "aud", "sub", "exp", "iat", "role"]


class Role(StrEnum):
    """What a caller is."""

    FAN = "fan"
    CREATOR = "creator"
    ADMIN = "admin"
    AUDITOR = "auditor"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a role and an opaque id. `name` is what events record as their actor."""

    role: Role
    subject: UUID
    name: str


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key and the one algorithm it is used with."""

    algorithm: str
    key: Any


class KeySetError(ValueError):
    """The key set is not usable; the message says why."""


def load_key_set(path: Path) -> dict[str, VerificationKey]:
    """Read a JWKS file (RFC 7517): every key with `kid` and one of EdDSA, ES256, RS256 as `alg`.

    Raises `KeySetError` for a key without them, a private or a symmetric key, or no key at all.
    """
    try:
        keys = _keys(path, json.loads(path.read_text())["keys"])
    except (OSError, AttributeError, LookupError, TypeError, jwt.PyJWTError) as error:
        message = f"{path}: not a JSON Web Key Set that can be read ({type(error).__name__})"
        raise KeySetError(message) from None
    except json.JSONDecodeError:
        message = f"{path}: not JSON"
        raise KeySetError(message) from None
    if not keys:
        message = f"{path}: no keys"
        raise KeySetError(message)
    return keys


def _keys(path: Path, items: list[dict[str, Any]]) -> dict[str, VerificationKey]:
    keys: dict[str, VerificationKey] = {}
    for item in items:
        kid, algorithm = item.get("kid"), item.get("alg")
        if not kid or kid in keys or algorithm not in ALGORITHMS or "d" in item:
            message = f"{path}: every key needs its own kid, an alg of {sorted(ALGORITHMS)}, no d"
            raise KeySetError(message)
        keys[kid] = VerificationKey(algorithm, jwt.PyJWK(item).key)
    return keys


class Authenticator:
    """Verifies bearer tokens; a verified one is remembered until it expires."""

    def __init__(
        self,
        keys: Mapping[str, VerificationKey],
        *,
        issuer: str,
        audience: str,
        lifetime_seconds_max: int,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._lifetime_seconds_max = lifetime_seconds_max
        self._verified: OrderedDict[str, tuple[Caller, float]] = OrderedDict()

    def authenticate(self, token: str) -> tuple[Caller, float]:
        """The caller that a token names, and when it expires, in seconds since 1970.

        Raises 401 for every token that is not entirely right.
        """
        known = self._verified.get(token)
        if known is not None:
            if time.time() < known[1]:
                return known
            del self._verified[token]
        if len(token) > TOKEN_BYTES_MAX:
            _refuse()
        try:
            caller, expires_at = self._verify(token)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, AttributeError):
            _refuse()
        self._verified[token] = (caller, expires_at)
        if len(self._verified) > CACHE_SIZE_MAX:
            self._verified.popitem(last=False)
        return caller, expires_at

    def _verify(self, token: str) -> tuple[Caller, float]:
        header = _header(token)
        key = self._keys.get(header["kid"]) if isinstance(header.get("kid"), str) else None
        if key is None or header.get("typ", "JWT") not in TYPES or "crit" in header:
            _refuse()
        claims = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            audience=self._audience,
            issuer=self._issuer,
            leeway=CLOCK_SKEW_SECONDS,
            options={"require": REQUIRED, "strict_aud": True},
        )
        issued_at, expires_at = claims["iat"], claims["exp"]
        if type(issued_at) is not int or type(expires_at) is not int:
            _refuse()
        if not 0 < expires_at - issued_at <= self._lifetime_seconds_max:
            _refuse()
        role, subject = Role(claims["role"]), UUID(claims["sub"])
        if str(subject) != claims["sub"]:
            _refuse()
        return Caller(role, subject, f"{role}:{subject}"), float(expires_at)


def _header(token: str) -> dict[str, Any]:
    encoded = token.split(".", 1)[0]
    header = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    if not isinstance(header, dict):
        _refuse()
    return header


def _refuse() -> NoReturn:
    raise ApiError(
        401,
        "unauthenticated",
        "A valid bearer token is needed. Get one and send it as 'Authorization: Bearer …'.",
        headers={"WWW-Authenticate": "Bearer"},
    )


class Allow(HTTPBearer):
    """A dependency that lets these roles pass: the route's declaration."""

    def __init__(self, *roles: Role) -> None:
        super().__init__(scheme_name="bearer", bearerFormat="JWT", auto_error=False)
        self.roles = frozenset(roles)

    async def __call__(self, request: Request) -> Caller:  # type: ignore[override]
        """The caller. Raises 401 without a valid token, 403 for another role."""
        given = request.headers.getlist("authorization")
        # Of two, a proxy before us may have looked at the other one.
        if len(given) != 1:
            _refuse()
        scheme, _, token = given[0].partition(" ")
        if scheme.lower() != "bearer" or not token:
            _refuse()
        authenticator: Authenticator = request.app.state.doors.authenticator
        caller, expires_at = authenticator.authenticate(token)
        # What goes on for long ends then.
        request.scope["token_expires_at"] = expires_at
        if caller.role not in self.roles:
            raise ApiError(403, "forbidden", f"A {caller.role} may not do this.")
        return caller
