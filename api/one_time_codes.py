"""One-time codes: six digits that are derived from what they confirm, so that they lie nowhere.

The code of a confirmation is an HMAC-SHA256 of its id under a secret of the deployment, which lies
in the key store. How often one may try, and until when, is decided where confirmations are.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uuid import UUID

SECRET_NAME: Final = "one_time_codes"  # noqa: S105 - a name, not a secret
DIGITS: Final = 6


class OneTimeCodes:
    """Codes under `secret`: `KeyStore.secret(SECRET_NAME)`."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def code(self, confirmation_id: UUID) -> str:
        """The six digits of a confirmation, always the same."""
        digest = hmac.digest(self._secret, confirmation_id.bytes, hashlib.sha256)
        # 256 bits modulo a million: no code is likelier than another by more than 2 to the -236.
        return f"{int.from_bytes(digest) % 10**DIGITS:0{DIGITS}d}"

    def matches(self, confirmation_id: UUID, code: str) -> bool:
        """Whether this is the code; takes as long whatever is right in it."""
        right = self.code(confirmation_id).encode()
        return hmac.compare_digest(right, code.encode(errors="replace"))
