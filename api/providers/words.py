"""What providers' words have in common: names, references of ours, times, JSON, signatures.

A name that a provider gives is a key of ours for ever, so it is short and printable, or refused.
References of ours that come back are believed only as we write them, letter for letter.
"""

from __future__ import annotations

import hmac
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from api.providers.amounts import UnreadableError

if TYPE_CHECKING:
    from api.providers.port import RefundOrder

NAME_LENGTH_MAX: Final = 128
REASON: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
"""Only codes: free text could hold a phone number or a name."""
UUID_WRITTEN: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
ATTEMPT: Final = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)


class Attempt(NamedTuple):
    """An attempt of a payout, as its reference names it; None and 0 when it is none of ours."""

    payout_id: UUID | None
    number: int


class RefundName(NamedTuple):
    """A refund of ours, as the note that we leave with it names it."""

    stream_id: UUID
    refund_id: UUID


def json_object(body: bytes) -> dict[str, Any]:
    """A body's JSON object, with decimals exact. Raises `UnreadableError`."""
    try:
        document = json.loads(body, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise UnreadableError("unreadable_body") from None
    return part(document)


def part(value: object) -> dict[str, Any]:
    """An object within a document. Raises `UnreadableError`."""
    if not isinstance(value, dict):
        raise UnreadableError("unreadable_body")
    return value


def name_of(value: object) -> str:
    """A provider's name for something, text or number. Raises `UnreadableError`."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if 0 <= value < 10**30 else None
    if not isinstance(value, str) or not 0 < len(value) <= NAME_LENGTH_MAX:
        raise UnreadableError("unreadable_transaction")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise UnreadableError("unreadable_transaction")
    return value


def our_id(value: object) -> UUID | None:
    """An id of ours, if it is written as we write them."""
    return UUID(value) if isinstance(value, str) and UUID_WRITTEN.fullmatch(value) else None


def payout_reference(payout_id: UUID, attempt: int) -> str:
    """What an attempt of a payout is called at a provider: at most 41 of `[0-9a-f-]`."""
    return f"{payout_id}-{attempt}"


def attempt_of(reference: object) -> Attempt:
    """The attempt that has this reference."""
    payout, _, number = str(reference).rpartition("-")
    payout_id = our_id(payout)
    if payout_id is None or not ATTEMPT.fullmatch(number):
        return Attempt(None, 0)
    return Attempt(payout_id, int(number))


def refund_note(order: RefundOrder) -> str:
    """What is left with a refund at providers that have no reference of ours for it."""
    return f"{order.stream_id}:{order.refund_id}"


def refund_of_note(note: object) -> RefundName | None:
    """The refund of ours that a note is of, if it is one; a provider may have added words."""
    stream, _, refund = str(note).partition(" ")[0].partition(":")
    stream_id, refund_id = our_id(stream), our_id(refund)
    if stream_id is None or refund_id is None:
        return None
    return RefundName(stream_id, refund_id)


def instant(value: object) -> datetime | None:
    """A time that says its zone; None where there is none, or none that can be read.

    When something happened is told beside what did: it is not lost for its time.
    """
    try:
        said = datetime.fromisoformat(str(value))
        return None if said.tzinfo is None else said.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def reason_of(value: object, otherwise: str) -> str:
    """A provider's code for why; `otherwise` where it is none."""
    return value if isinstance(value, str) and REASON.fullmatch(value) else otherwise


def hint_key(body: bytes) -> str:
    """The natural key of a callback that proves nothing: its own bytes."""
    return f"hint:{sha256(body).hexdigest()}"


def is_same(sent: str, secret: str) -> bool:
    """Compare in constant time what a header has, whatever that is."""
    return hmac.compare_digest(sent.encode(errors="surrogatepass"), secret.encode())


def _refuse(constant: str) -> None:
    raise ValueError(constant)
