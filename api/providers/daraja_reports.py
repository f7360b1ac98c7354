"""Daraja's words, translated: what its callbacks and its answers say, checked and exact.

Results look the same for payouts (B2C), reversals and status queries: a code, and parameters by
name, in any order; one alone may stand without its list. Codes are integers in some and text in
others. Parties are written `600134 - Name` or with a phone: only an account of ours is compared,
and nothing of them is kept. Older status answers write `Originator Conversation ID` where newer
ones write it in one word: spaces are read over.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from api.providers.amounts import UnreadableError, from_major
from api.providers.daraja_codes import SUCCESS
from ledger.manual_references import normalised, reference_from

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ledger.money import Money

CURRENCY: Final = "KES"
EAST_AFRICA: Final = timezone(timedelta(hours=3))
CODE: Final = re.compile(r"[A-Za-z0-9_.]{1,32}", re.ASCII)
RECEIPT: Final = re.compile(r"[A-Z0-9]{8,20}", re.ASCII)
CHECKOUT: Final = re.compile(r"[A-Za-z0-9_.-]{1,96}", re.ASCII)
MOMENT: Final = re.compile(r"20[0-9]{12}", re.ASCII)
PUSH_PREFIX: Final = "PUSH"
"""Of what a fan sees as the account of a prompt; eight characters as those at a till follow."""
CLOCKS_DIFFER: Final = timedelta(minutes=10)
UNREADABLE: Final = (ValueError, KeyError, TypeError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a callback says of a prompt. `amount` and `receipt` are there with a success."""

    checkout: str
    code: str
    amount: Money | None
    receipt: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Result:
    """What is said of a payout, of a reversal, or in answer to a status query."""

    code: str
    transaction: str | None
    parameters: Mapping[str, Any]

    @property
    def status(self) -> str:
        """A status query's word for the transaction."""
        return str(self.parameters.get("TransactionStatus"))

    def amount(self) -> Money:
        """What moved. Raises `UnreadableError`."""
        return from_major(self.parameters.get("Amount"), CURRENCY)

    def receipt(self) -> str:
        """The transaction's name. Raises `UnreadableError`."""
        return word(RECEIPT, self.parameters.get("ReceiptNo"), "unreadable_transaction")

    def is_of(self, conversation: str | None, receipt: str | None) -> bool:
        """Whether it is of this request and this receipt, as far as they are known."""
        named = self.parameters.get("OriginatorConversationID")
        fits = conversation is None or named is None or named == conversation
        return fits and receipt in {None, self.receipt()}

    def is_party(self, which: str, accounts: frozenset[str]) -> bool:
        """Whether the account that was debited or credited is one of ours."""
        party = self.parameters.get(f"{which}PartyName")
        return isinstance(party, str) and party.partition("-")[0].strip() in accounts


@dataclass(frozen=True, slots=True)
class Till:
    """Money at a till or a pay bill; `reference` is what was typed, if we issued it."""

    receipt: str
    amount: Money
    reference: str | None
    is_prompt: bool


def document_of(body: bytes) -> dict[str, Any]:
    """A body's JSON object, with decimals exact. Raises `UnreadableError`."""
    try:
        document = json.loads(body, parse_float=Decimal)
    except UNREADABLE:
        raise UnreadableError("unreadable_body") from None
    if not isinstance(document, dict):
        raise UnreadableError("unreadable_body")
    return document


def pushed(document: Mapping[str, Any]) -> Pushed:
    """A prompt's callback. Raises `UnreadableError`."""
    try:
        told = document["Body"]["stkCallback"]
        code = code_of(told["ResultCode"])
        checkout = word(CHECKOUT, told["CheckoutRequestID"], "unreadable_transaction")
        items = {}
        if code == SUCCESS:
            items = _by_name(told["CallbackMetadata"]["Item"], "Name")
    except UnreadableError:
        raise
    except UNREADABLE:
        raise UnreadableError("unreadable_body") from None
    if code != SUCCESS:
        return Pushed(checkout, code, None, None, None)
    return Pushed(
        checkout,
        code,
        from_major(items.get("Amount"), CURRENCY),
        word(RECEIPT, items.get("MpesaReceiptNumber"), "unreadable_transaction"),
        moment(items.get("TransactionDate")),
    )


def result(document: Mapping[str, Any]) -> Result:
    """A result's body. Raises `UnreadableError`."""
    try:
        told = document["Result"]
        transaction = told.get("TransactionID")
        parameters = (told.get("ResultParameters") or {}).get("ResultParameter") or []
        return Result(
            code_of(told["ResultCode"]),
            transaction if _is(RECEIPT, transaction) else None,
            _by_name(parameters, "Key"),
        )
    except UnreadableError:
        raise
    except (*UNREADABLE, AttributeError):
        raise UnreadableError("unreadable_body") from None


def till(document: Mapping[str, Any]) -> Till:
    """A confirmation of money at a till. Raises `UnreadableError`."""
    typed = document.get("BillRefNumber")
    reference = typed if isinstance(typed, str) else ""
    return Till(
        word(RECEIPT, document.get("TransID"), "unreadable_transaction"),
        from_major(document.get("TransAmount"), CURRENCY),
        normalised(reference),
        is_account_reference(reference),
    )


def account_reference(payment_id: UUID) -> str:
    """What a fan sees as the account: at most twelve letters and digits, always the same."""
    return PUSH_PREFIX + reference_from(hashlib.sha256(payment_id.bytes).digest()[:5])


def is_account_reference(typed: str) -> bool:
    """Whether it is what some prompt of ours showed."""
    return typed.startswith(PUSH_PREFIX) and normalised(typed[len(PUSH_PREFIX) :]) is not None


def conversation_of(payout_id: UUID, attempt: int) -> str:
    """Our name of an attempt of a payout: another for each, and always the same."""
    return str(uuid5(payout_id, f"attempt:{attempt}"))


def code_of(value: object) -> str:
    """A code, whether it is written as a number or as text. Raises `UnreadableError`."""
    if isinstance(value, int) and not isinstance(value, bool):
        # The bounds first: an integer of a million digits takes long to write.
        value = str(value) if 0 <= value < 10**9 else None
    return word(CODE, value, "unreadable_code")


def moment(value: object) -> datetime | None:
    """`20210421114425`, in East African time; None for anything else."""
    text = str(value) if isinstance(value, str | int) and value not in {True, False} else ""
    if MOMENT.fullmatch(text) is None:
        return None
    try:
        local = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=EAST_AFRICA)
    except ValueError:
        return None
    return local.astimezone(UTC)


def plausible(at: datetime | None, *, since: datetime) -> datetime | None:
    """A time between a request and now; None for another, as one from another zone would be."""
    if at is None or not since - CLOCKS_DIFFER <= at <= datetime.now(UTC) + CLOCKS_DIFFER:
        return None
    return at


def word(form: re.Pattern[str], value: object, otherwise: str) -> str:
    """A value of this form. Raises `UnreadableError`."""
    if not isinstance(value, str) or form.fullmatch(value) is None:
        raise UnreadableError(otherwise)
    return value


def _is(form: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None


def _by_name(items: Any, name: str) -> dict[str, Any]:  # noqa: ANN401 - as JSON has it
    """Values by name; None for a name that comes twice with two of them, so that none is chosen."""
    found: dict[str, Any] = {}
    for item in items if isinstance(items, list) else [items]:
        key = str(item[name]).replace(" ", "")
        if found.setdefault(key, item.get("Value")) != item.get("Value"):
            found[key] = None
    return found
