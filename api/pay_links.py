"""Pay-now links: whoever has one may pay one period of one subscription, and nothing else.

A JWT by HMAC under a key of its own, from the key store: no login is ever signed with it, and no
login's key opens a link. Whether the period is still to be paid is for the ledger to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import jwt

SECRET_NAME: Final = "pay_links"  # noqa: S105 - a name, not a secret
ALGORITHM: Final = "HS256"
TYPE: Final = "pay-now+jwt"
AUDIENCE: Final = "pay-now"
PURPOSE: Final = "pay_period"
CLAIMS: Final = frozenset({"aud", "purpose", "sub", "number", "exp"})
TOKEN_LENGTH_MAX: Final = 4096

UNREADABLE: Final = (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError)
"""What the package and the checks below raise for a token that somebody made up."""


class InvalidPayLink(Exception):
    """The link is not one of ours, or it is too old."""

    def __init__(self) -> None:
        """Say what the class's docstring says, and never why: it would help to forge one."""
        super().__init__(type(self).__doc__)


@dataclass(frozen=True, slots=True)
class PayLink:
    """What a link is for: a period, by its number, of a subscription."""

    subscription_id: UUID
    number: int
    expires_at: datetime


class PayLinks:
    """Links under `secret`: `KeyStore.secret(SECRET_NAME)`; they begin with `public_url`."""

    def __init__(self, secret: bytes, public_url: str) -> None:
        self._secret = secret
        self._public_url = public_url

    def link(self, subscription_id: UUID, number: int, expires_at: datetime) -> str:
        """The whole address, for a message."""
        return f"{self._public_url}/pay/{self.issue(subscription_id, number, expires_at)}"

    def issue(self, subscription_id: UUID, number: int, expires_at: datetime) -> str:
        """A token, good until `expires_at` (to the second)."""
        claims = {
            "aud": AUDIENCE,
            "purpose": PURPOSE,
            "sub": str(subscription_id),
            "number": number,
            "exp": int(expires_at.timestamp()),
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM, headers={"typ": TYPE})

    def read(self, token: str) -> PayLink:
        """What a token is for. Raises `InvalidPayLink` for every other text."""
        if len(token) > TOKEN_LENGTH_MAX:
            raise InvalidPayLink
        try:
            decoded = jwt.decode_complete(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                options={"require": sorted(CLAIMS), "strict_aud": True},
            )
            return _checked(decoded["header"], decoded["payload"])
        except UNREADABLE:
            raise InvalidPayLink from None


def _checked(header: dict[str, Any], claims: dict[str, Any]) -> PayLink:
    """Check what the package does not. Raises one of `UNREADABLE`."""
    number, expires = claims["number"], claims["exp"]
    if header != {"alg": ALGORITHM, "typ": TYPE} or claims.keys() != CLAIMS:
        raise ValueError
    if claims["purpose"] != PURPOSE or type(number) is not int or type(expires) is not int:
        raise ValueError
    if number < 1:
        raise ValueError
    return PayLink(UUID(claims["sub"]), number, datetime.fromtimestamp(expires, tz=UTC))
