"""Daraja's codes, and what they mean here.

From Safaricom's documentation (developer.safaricom.co.ke: M-Pesa Express, B2C, Reversals,
Transaction Status) and lists of codes that integrators have met. A code that is not here has not
paid either, and its own name is the reason. Descriptions are free text: nothing is kept of them,
and only where one code means several errors a word is looked for in them.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.commands import Claim

SUCCESS: Final = "0"
UNKNOWN_TRANSACTION: Final = "2032"
"""A status query's: there is no such receipt, or not yet."""
ALREADY_REVERSED: Final = "R000001"

STILL_PROCESSING: Final = "4999"
PROCESSING_ERROR: Final = "500.001.1001"
"""Also of a merchant that does not exist, of wrong credentials, and of a phone with another prompt:
the message alone tells them apart."""
DUPLICATE_ERROR: Final = "500.002.1001"
"""Also of any internal error."""
NOT_TAKEN_ERRORS: Final = frozenset({"500.003.02", "500.003.03"})
"""Too many requests at once, or in all."""
TOKEN_ERROR: Final = "404.001.03"  # noqa: S105 - a code
"""Told with 401 by some gateways and with 404 by others."""

PROMPT_ENDS: Final[dict[str, tuple[Claim, str]]] = {
    "1": (Claim.FAILED, "insufficient_funds"),
    "17": (Claim.FAILED, "try_again"),
    "26": (Claim.FAILED, "busy"),
    "1001": (Claim.FAILED, "another_prompt"),
    "1019": (Claim.FAILED, "prompt_expired"),
    "1025": (Claim.FAILED, "prompt_not_sent"),
    "1032": (Claim.CANCELLED, "cancelled_by_payer"),
    "1037": (Claim.FAILED, "phone_unreachable"),
    "2001": (Claim.FAILED, "wrong_pin"),
    "9999": (Claim.FAILED, "prompt_not_sent"),
}

RESULT_REASONS: Final = {
    "1": "insufficient_float",
    "2": "below_minimum",
    "3": "above_maximum",
    "4": "daily_limit",
    "8": "balance_limit",
    "11": "account_inactive",
    "17": "try_again",
    "21": "initiator_not_allowed",
    "26": "busy",
    "2001": "initiator_invalid",
    "2006": "account_rule",
    "2028": "product_not_assigned",
    "2040": "receiver_not_registered",
    "8006": "credential_locked",
    "SFC_IC0003": "receiver_unknown",
    "R000002": "transaction_unknown",
}
"""Of payouts and reversals: each of them says that nothing moved."""

RETRYABLE: Final = frozenset({"1", "17", "26"})
"""Another attempt may pay. Not with a wrong credential: Safaricom locks it after a few."""

COMPLETED: Final = "Completed"
NOT_MOVED: Final = frozenset({"Failed", "Declined", "Cancelled", "Expired"})
"""A status query's words for a transaction. Any other one, as `Pending`, is not final."""


def prompt_end(code: str) -> tuple[Claim, str]:
    """How a prompt has ended without money, and why."""
    return PROMPT_ENDS.get(code, (Claim.FAILED, f"result_{code.lower()}"))


def result_reason(code: str | None) -> str:
    """Why nothing moved."""
    if code is None or code == SUCCESS:
        return "unspecified"
    return RESULT_REASONS.get(code, f"result_{code.lower()}")


def is_own(document: Any) -> bool:  # noqa: ANN401 - as JSON has it
    """Whether an answer with 5xx is Daraja's own, and not a gateway's on the way to it."""
    return isinstance(document.get("errorCode"), str)


def says(document: Any, *words: str) -> bool:  # noqa: ANN401 - as JSON has it
    """Whether an error's message has one of these words, in lower case."""
    message = str(document.get("errorMessage")).lower()
    return any(each in message for each in words)
