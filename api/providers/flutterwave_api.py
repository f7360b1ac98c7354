"""Flutterwave's API, version 3: what it takes, and what its answers tell of what was taken."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx

from api.providers.amounts import to_major
from api.providers.flutterwave_reports import FLOAT_IS_EMPTY
from api.providers.http_calls import HttpCalls, UnansweredError, UnreachedError
from api.providers.port import Declined, NoAnswer, StatusUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ledger.money import Money

NOT_FOUND: Final = re.compile(r"no transaction was found", re.IGNORECASE)
ALREADY_THERE: Final = re.compile(r"already exist|duplicate", re.IGNORECASE)
TRANSACTION: Final = re.compile(r"[0-9]{1,30}", re.ASCII)

REFUSED_FOR_NOW: Final = frozenset(
    {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN, httpx.codes.TOO_MANY_REQUESTS}
)
"""Whoever asks is refused, and not what they ask for."""


class Method(NamedTuple):
    """How a currency's phones are charged and paid; step, minimum and maximum in minor units."""

    charge_type: str
    country: str
    step: int
    minimum: int
    maximum: int
    payout_minimum: int


METHODS: Final[Mapping[str, Method]] = {
    # M-Pesa: whole shillings, at most 250,000 of them at once; at least 10 are paid out.
    "KES": Method("mpesa", "+254", 100, 100, 25_000_000, 1_000),
    # MTN and Airtel: at most 5,000,000 at once. The exponent is 0, at Flutterwave as in ISO 4217.
    "UGX": Method("mobile_money_uganda", "+256", 1, 500, 5_000_000, 500),
}
UGANDAN_NETWORKS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("31", "39", "76", "77", "78", "79"), "MTN"),
    **dict.fromkeys(("20", "70", "74", "75"), "AIRTEL"),
}


class FlutterwaveApi:
    """The calls."""

    def __init__(self, calls: HttpCalls) -> None:
        self._calls = calls

    async def push(
        self, path: str, document: dict[str, Any], query: Mapping[str, str] | None = None
    ) -> dict[str, Any] | Declined | NoAnswer:
        """What it answers to a request that it took, which may be nothing; or why it did not."""
        try:
            answer = await self._calls.call("POST", path, document=document, query=query)
        except UnreachedError as error:
            return Declined(str(error), retryable=True)
        except UnansweredError as error:
            return NoAnswer(str(error))
        if answer.is_success and answer.document.get("status") == "success":
            said = answer.document.get("data")
            return said if isinstance(said, dict) else {}
        if answer.is_success and not answer.document:
            return NoAnswer("unreadable_answer")
        message = str(answer.document.get("message"))
        if ALREADY_THERE.search(message):
            # It has the request, from an answer that we did not get.
            return NoAnswer("duplicate_reference")
        if FLOAT_IS_EMPTY.search(message):
            return Declined("insufficient_balance", retryable=True)
        return Declined(f"refused_{answer.status}", retryable=answer.status in REFUSED_FOR_NOW)

    async def ask_by_reference(self, reference: str) -> Any:  # noqa: ANN401 - as JSON has it
        """A charge by our reference; as `ask`."""
        return await self.ask("/transactions/verify_by_reference", {"tx_ref": reference})

    async def ask(self, path: str, query: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - as JSON has it
        """What it knows, or None for what it does not know. Raises `StatusUnavailableError`."""
        try:
            answer = await self._calls.call("GET", path, query=query, repeatable=True)
        except (UnreachedError, UnansweredError) as error:
            raise StatusUnavailableError from error
        if answer.is_success and answer.document.get("status") == "success":
            return answer.document.get("data")
        if answer.status in {400, 404} and NOT_FOUND.search(str(answer.document.get("message"))):
            return None
        raise StatusUnavailableError

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()


def transaction_of(value: object) -> str | None:
    """A name that Flutterwave gave to a charge, a refund or a transfer, if it is one."""
    text = str(value)
    return text if not isinstance(value, bool) and TRANSACTION.fullmatch(text) else None


def number_of(money: Money) -> int | str:
    """Major units as JSON has them, exactly: text where a number would be a float."""
    amount = to_major(money)
    return int(amount) if amount == int(amount) else str(amount)
