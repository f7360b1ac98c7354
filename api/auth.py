"""Who is asking: JWTs verified by PyJWT against a configured key set, and what a role may do.

The header's `kid` chooses the key by exact look-up (api/key_sets.py), the key its one algorithm,
and nothing else in the header is believed. Every route declares its roles with `Allow`; a route
without a declaration answers nobody.
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
from api.rate_classes import RateClass, of_method
from api.token_revocations import TOKEN_ID_LENGTH_MAX

if TYPE_CHECKING:
    from api.doors import Doors
    from api.key_sets import KeySet
    from api.token_revocations import TokenRevocations

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
class VerifiedToken:
    """What a right token says. `expires_at` and `issued_at` are seconds since 1970."""

    caller: Caller
    token_id: str | None
    issued_at: int
    expires_at: float


class Authenticator:
    """Verifies bearer tokens; a verified one is remembered until it expires or keys change."""

    def __init__(
        self,
        keys: KeySet,
        revocations: TokenRevocations,
        *,
        issuer: str,
        audience: str,
        lifetime_seconds_max: int,
    ) -> None:
        self._keys = keys
        self._revocations = revocations
        self._issuer = issuer
        self._audience = audience
        self._lifetime_seconds_max = lifetime_seconds_max
        self._verified: OrderedDict[str, VerifiedToken] = OrderedDict()
        self._verified_by = keys.version

    async def authenticate(self, token: str) -> VerifiedToken:
        """What a token says. Raises 401 for every token that is not entirely right."""
        known = self._known(token)
        if known is None:
            if len(token) > TOKEN_BYTES_MAX:
                refuse()
            try:
                known = await self._verify(token)
            except (jwt.PyJWTError, ValueError, TypeError, OverflowError, AttributeError):
                refuse()
            self._verified[token] = known
            if len(self._verified) > CACHE_SIZE_MAX:
                self._verified.popitem(last=False)
        if self.is_revoked(known):
            refuse()
        return known

    def is_revoked(self, token: VerifiedToken) -> bool:
        """Whether a token that was right has been revoked since."""
        return self._revocations.is_revoked(
            token_id=token.token_id, subject=token.caller.subject, issued_at=token.issued_at
        )

    def _known(self, token: str) -> VerifiedToken | None:
        known = self._verified.get(token)
        # Asking for a key is what makes a key set look whether it has changed.
        self._keys.get("")
        if self._keys.version != self._verified_by:
            self._verified.clear()
            self._verified_by = self._keys.version
            return None
        if known is not None and time.time() >= known.expires_at:
            del self._verified[token]
            return None
        return known

    async def _verify(self, token: str) -> VerifiedToken:
        header = _header(token)
        kid = header.get("kid")
        if not isinstance(kid, str) or header.get("typ", "JWT") not in TYPES or "crit" in header:
            refuse()
        key = self._keys.get(kid) or await self._keys.look_again(kid)
        if key is None:
            refuse()
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
            refuse()
        if not 0 < expires_at - issued_at <= self._lifetime_seconds_max:
            refuse()
        token_id = claims.get("jti")
        if token_id is not None and not _is_token_id(token_id):
            refuse()
        role, subject = Role(claims["role"]), UUID(claims["sub"])
        if str(subject) != claims["sub"]:
            refuse()
        caller = Caller(role, subject, f"{role}:{subject}")
        return VerifiedToken(caller, token_id, issued_at, float(expires_at))


def _is_token_id(token_id: object) -> bool:
    """Whether it is one that could be revoked."""
    return isinstance(token_id, str) and 0 < len(token_id) <= TOKEN_ID_LENGTH_MAX


def _header(token: str) -> dict[str, Any]:
    encoded = token.split(".", 1)[0]
    header = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    if not isinstance(header, dict):
        refuse()
    return header


def refuse() -> NoReturn:
    """Raise 401, always in the same words: which part of a token is wrong helps nobody honest."""
    raise ApiError(
        401,
        "unauthenticated",
        "A valid bearer token is needed. Get one and send it as 'Authorization: Bearer …'.",
        headers={"WWW-Authenticate": "Bearer"},
    )


class Allow(HTTPBearer):
    """A dependency that lets these roles pass, each subject so often: the route's declaration.

    `often` is the class of limits that counts, by default that of the method.
    """

    def __init__(self, *roles: Role, often: RateClass | None = None) -> None:
        super().__init__(scheme_name="bearer", bearerFormat="JWT", auto_error=False)
        self.roles = frozenset(roles)
        self.often = often

    async def __call__(self, request: Request) -> Caller:  # type: ignore[override]
        """The caller. Raises 401 without a valid token, 403 for another role, 429 too often."""
        doors: Doors = request.app.state.doors
        try:
            token = await doors.authenticator.authenticate(_bearer_token(request))
        except ApiError:
            await doors.rate_limits.unknown_caller(request)
            raise
        # What goes on for long ends with its token; the record of access is made by these.
        request.scope["token"] = token
        await doors.rate_limits.caller(token.caller, self.often or of_method(request.method))
        if token.caller.role not in self.roles:
            raise ApiError(403, "forbidden", f"A {token.caller.role} may not do this.")
        return token.caller


def _bearer_token(request: Request) -> str:
    given = request.headers.getlist("authorization")
    # Of two, a proxy before us may have looked at the other one.
    if len(given) != 1:
        refuse()
    scheme, _, token = given[0].partition(" ")
    if scheme.lower() != "bearer" or not token:
        refuse()
    return token
