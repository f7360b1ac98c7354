"""Paystack's API: what it takes, and what its answers tell of what was taken."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx

from api.providers.http_calls import HttpCalls, UnansweredError, UnreachedError
from api.providers.port import Declined, NoAnswer, StatusUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

NOT_FOUND: Final = re.compile(r"not.?found", re.IGNORECASE)
ALREADY_THERE: Final = re.compile(r"duplicate|already exist|unique reference", re.IGNORECASE)
FLOAT_IS_EMPTY: Final = re.compile(r"insufficient|balance is not enough", re.IGNORECASE)

REFUSED_FOR_NOW: Final = frozenset(
    {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN, httpx.codes.TOO_MANY_REQUESTS}
)
"""Whoever asks is refused, and not what they ask for."""


class Method(NamedTuple):
    """How a currency's phones are charged and paid; step, minimum and maximum in minor units.

    `networks` are by the digits after the country's: what charges and what transfers call them.
    """

    country: str
    networks: Mapping[str, tuple[str, str]]
    step: int
    minimum: int
    maximum: int
    payout_minimum: int


def _prefixes(name: str, bank: str, *digits: str) -> dict[str, tuple[str, str]]:
    return dict.fromkeys(digits, (name, bank))


METHODS: Final[Mapping[str, Method]] = {
    # M-Pesa: whole shillings, at most 250,000 at once. Paystack takes 3 at least.
    "KES": Method("+254", _prefixes("mpesa", "MPESA", "7", "1"), 100, 300, 25_000_000, 1_000),
    # The most that an account of the highest tier may move in a day.
    "GHS": Method(
        "+233",
        {
            **_prefixes("mtn", "MTN", "24", "25", "53", "54", "55", "59"),
            **_prefixes("atl", "ATL", "26", "27", "56", "57"),
            **_prefixes("vod", "VOD", "20", "50"),
        },
        1,
        10,
        2_500_000,
        100,
    ),
}


class Wallet(NamedTuple):
    """A phone as Paystack has it."""

    charge_provider: str
    bank_code: str
    national: str


def wallet_of(phone: str, currency: str) -> Wallet | None:
    """Whose a phone is, by its first digits; None where Paystack has none of it."""
    method = METHODS.get(currency)
    if method is None or not phone.startswith(method.country):
        return None
    digits = phone.removeprefix(method.country)
    network = method.networks.get(digits[:2]) or method.networks.get(digits[:1])
    return None if network is None else Wallet(*network, f"0{digits}")


class PaystackApi:
    """The calls."""

    def __init__(self, calls: HttpCalls) -> None:
        self._calls = calls

    async def push(
        self, path: str, document: dict[str, Any], *, repeatable: bool = False
    ) -> dict[str, Any] | Declined | NoAnswer:
        """What it answers to a request that it took; or why it did not."""
        try:
            answer = await self._calls.call("POST", path, document=document, repeatable=repeatable)
        except UnreachedError as error:
            return Declined(str(error), retryable=True)
        except UnansweredError as error:
            return NoAnswer(str(error))
        said = answer.document.get("data")
        if answer.is_success and answer.document.get("status") is True and isinstance(said, dict):
            return said
        if answer.is_success:
            return NoAnswer("unreadable_answer")
        message = f"{answer.document.get('code')} {answer.document.get('message')}"
        if ALREADY_THERE.search(message):
            # It has the request, from an answer that we did not get.
            return NoAnswer("duplicate_reference")
        if FLOAT_IS_EMPTY.search(message):
            return Declined("insufficient_balance", retryable=True)
        return Declined(f"refused_{answer.status}", retryable=answer.status in REFUSED_FOR_NOW)

    async def ask(self, path: str, query: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - as JSON has it
        """What it knows, or None for what it does not know. Raises `StatusUnavailableError`."""
        try:
            answer = await self._calls.call("GET", path, query=query, repeatable=True)
        except (UnreachedError, UnansweredError) as error:
            raise StatusUnavailableError from error
        if answer.is_success and answer.document.get("status") is True:
            return answer.document.get("data")
        message = f"{answer.document.get('code')} {answer.document.get('message')}"
        if answer.status in {400, 404} and NOT_FOUND.search(message):
            return None
        raise StatusUnavailableError

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()
