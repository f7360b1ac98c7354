"""MTN signs nothing: an address of our own for each request proves who calls it.

    {HESABU_CALLBACKS_BEGIN_WITH}/momo/{kind}-{what it is about}-{HMAC of both}

Whoever calls there is believed only so far that MTN is asked.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from api.providers.port import BadSignatureError
from api.providers.words import is_same

MAC_DIGITS: Final = 32
PAYLOAD: Final = re.compile(
    "payment-[0-9a-f]{32}|payout-[0-9a-f]{32}-[1-9][0-9]{0,3}|refund-[0-9a-f]{32}-[0-9a-f]{32}",
    re.ASCII,
)


class Kind(StrEnum):
    """What MTN is asked to do."""

    PAYMENT = "payment"  # payment
    PAYOUT = "payout"  # payout, attempt
    REFUND = "refund"  # stream, refund


@dataclass(frozen=True, slots=True)
class About:
    """What a callback is about, by the address that it came to."""

    kind: Kind
    words: tuple[str, ...]

    @property
    def payload(self) -> str:
        """As it is written in the address, without its proof."""
        return "-".join((self.kind, *self.words))

    @property
    def stream_id(self) -> UUID:
        """The payment, the payout, or the stream of the refund."""
        return UUID(hex=self.words[0])

    @property
    def attempt(self) -> int:
        """A payout's."""
        return int(self.words[1])

    @property
    def refund_id(self) -> UUID:
        """A refund's."""
        return UUID(hex=self.words[1])

    @property
    def reference(self) -> UUID:
        """MTN's name for the request: a UUID of version 4, and always the same."""
        digest = hashlib.sha256(f"hesabu:{self.payload}".encode()).digest()
        return UUID(bytes=digest[:16], version=4)


def of_payment(payment_id: UUID) -> About:
    """A request to pay."""
    return About(Kind.PAYMENT, (payment_id.hex,))


def of_payout(payout_id: UUID, attempt: int) -> About:
    """An attempt of a payout."""
    return About(Kind.PAYOUT, (payout_id.hex, str(attempt)))


def of_refund(stream_id: UUID, refund_id: UUID) -> About:
    """A refund or a return."""
    return About(Kind.REFUND, (stream_id.hex, refund_id.hex))


def about_of(payload: str) -> About:
    """A payload that was proved. Raises `ValueError`."""
    if PAYLOAD.fullmatch(payload) is None:
        raise ValueError(payload)
    kind, *words = payload.split("-")
    return About(Kind(kind), tuple(words))


class CallbackAddresses:
    """Makes addresses and knows its own. `begin_with` is where providers reach this API."""

    def __init__(self, *, secret: str, begin_with: str, name: str) -> None:
        self._begin_with = f"{begin_with}/{name}"
        self._key = hashlib.sha256(f"{name}-callbacks:{secret}".encode()).digest()

    def address(self, about: About) -> str:
        """Where MTN is to call."""
        return f"{self._begin_with}/{about.payload}-{self._proof(about.payload)}"

    def read(self, token: str | None) -> About:
        """What an address of ours is about. Raises `BadSignatureError`."""
        payload, _, proof = (token or "").rpartition("-")
        if not is_same(proof, self._proof(payload)):
            raise BadSignatureError
        try:
            return about_of(payload)
        except ValueError:
            raise BadSignatureError from None

    def _proof(self, payload: str) -> str:
        said = payload.encode(errors="surrogatepass")
        return hmac.new(self._key, said, "sha256").hexdigest()[:MAC_DIGITS]
