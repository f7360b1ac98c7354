"""Daraja signs nothing: an address of our own for each request proves who calls it.

    {HESABU_CALLBACKS_BEGIN_WITH}/daraja/{purpose}-{what it is about}-{HMAC of both}

All of it is lower case letters and hexadecimal digits, so that no chance makes a word of it that
Daraja refuses in an address. The answer to a status query comes to an address that was made for
this one query, and that is believed for a day.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from api.providers.amounts import UnreadableError
from api.providers.port import BadSignatureError

ANSWERED_WITHIN_SECONDS: Final = 24 * 3600
MAC_DIGITS: Final = 32
PAYLOAD: Final = re.compile(r"[a-z]{2,16}(-[0-9a-f]{1,96}){0,6}", re.ASCII)
FORBIDDEN: Final = re.compile(r"m-?pesa|safaricom", re.IGNORECASE)
"""Daraja refuses addresses with its own name in them."""
NOTHING: Final = "0"


class Purpose(StrEnum):
    """What is told at an address. `…_LOST`: that Daraja could not do it in time."""

    PUSHED = "pushed"  # payment
    SENT = "sent"  # payout, attempt
    SENT_LOST = "sentlost"
    REVERSED = "reversed"  # stream, refund
    REVERSED_LOST = "reversedlost"
    TILL = "till"
    TILL_ASKED = "tillasked"
    SENT_STATUS = "sentstatus"  # payout, attempt, code and receipt of the result
    REVERSED_STATUS = "reversedstatus"  # stream, refund, code and receipt of the result
    TILL_STATUS = "tillstatus"  # receipt, reference that was typed, amount
    STATUS_LOST = "statuslost"


ONCE: Final = frozenset({Purpose.SENT_STATUS, Purpose.REVERSED_STATUS, Purpose.TILL_STATUS})
"""Made for one query: their last two words are a nonce and the end of the time to answer."""


@dataclass(frozen=True, slots=True)
class About:
    """What a callback is about, by the address that it came to."""

    purpose: Purpose
    words: tuple[str, ...] = ()

    @property
    def payload(self) -> str:
        """As it is written in the address, without its proof."""
        return "-".join((self.purpose, *self.words))

    def uuid(self, index: int) -> UUID:
        """A word that is an id of ours."""
        return UUID(hex=self.words[index])

    def number(self, index: int) -> int:
        """A word that is a number."""
        return int(self.words[index], 16)

    def text(self, index: int) -> str | None:
        """A word that is text of the provider's, if there is any."""
        word = self.words[index]
        return None if word == NOTHING else bytes.fromhex(word).decode()


def word_of(text: str | None) -> str:
    """Text as a word of an address."""
    return NOTHING if not text else text.encode().hex()


class CallbackAddresses:
    """Makes addresses and knows its own. `begin_with` is where providers reach this API."""

    def __init__(self, *, secret: str, begin_with: str, name: str) -> None:
        self._begin_with = f"{begin_with}/{name}"
        if FORBIDDEN.search(self._begin_with):
            message = "Daraja refuses addresses with its own name: HESABU_CALLBACKS_BEGIN_WITH."
            raise ValueError(message)
        self._key = hashlib.sha256(f"{name}-callbacks:{secret}".encode()).digest()

    def address(self, purpose: Purpose, *words: str) -> str:
        """Where Daraja is to call."""
        if purpose in ONCE:
            until = int(time.time()) + ANSWERED_WITHIN_SECONDS
            words = (*words, secrets.token_hex(8), f"{until:x}")
        payload = About(purpose, words).payload
        return f"{self._begin_with}/{payload}-{self._proof(payload)}"

    def read(self, token: str | None) -> About:
        """What an address of ours is about. Raises `BadSignatureError`."""
        payload, _, proof = (token or "").rpartition("-")
        expected = self._proof(payload)
        if not hmac.compare_digest(proof.encode(), expected.encode()):
            raise BadSignatureError
        about = about_of(payload)
        if about.purpose in ONCE and about.number(-1) < time.time():
            raise BadSignatureError
        return about

    def _proof(self, payload: str) -> str:
        return hmac.new(self._key, payload.encode(), "sha256").hexdigest()[:MAC_DIGITS]


def about_of(payload: str) -> About:
    """A payload that was proved when it came. Raises `UnreadableError`."""
    if PAYLOAD.fullmatch(payload) is None:
        raise UnreadableError("unknown_address")
    purpose, *words = payload.split("-")
    return About(Purpose(purpose), tuple(words))
