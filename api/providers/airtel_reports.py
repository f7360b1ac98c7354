"""Airtel's words, translated: codes, the status letters of enquiries, and our references.

`transaction.status` says what became of one (TS, TF, TE, TA, TIP); `response_code` says why. What
`success` and `response_code` say beside a TS differs between examples of the documentation, so the
letters alone decide, and codes only where there are none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from api.providers.amounts import UnreadableError, from_major
from api.providers.transaction_names import paired
from api.providers.words import Attempt, name_of
from ledger.accounts import disbursement
from ledger.commands import Claim, PayoutClaim, PayoutReport, ProviderReport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.providers.port import PaymentInquiry, PayoutInquiry

NAME: Final = "airtel"

CLAIMS: Final[Mapping[str, Claim]] = {
    "TS": Claim.SUCCEEDED,
    "TF": Claim.FAILED,
    "TE": Claim.FAILED,
    "TA": Claim.PENDING,
    "TIP": Claim.PENDING,
}
"""Success, failed, expired; ambiguous and in progress, which both are asked about again."""
PAYOUT_CLAIMS: Final[Mapping[Claim, PayoutClaim]] = {
    Claim.SUCCEEDED: PayoutClaim.PAID,
    Claim.FAILED: PayoutClaim.FAILED,
    Claim.PENDING: PayoutClaim.PENDING,
}

TAKEN: Final = frozenset({"DP00800001001", "DP00800001006", "DP00900001001", "DP00900001006"})
"""Done, or in process."""
AMBIGUOUS: Final = frozenset(
    {
        *("DP00800001000", "DP00800001024", "DP00900001000", "DP00900001014"),
        *("ESB000001", "ESB000004", "ROUTER117"),
    }
)
"""May have been taken: an enquiry tells."""
DUPLICATE: Final = frozenset({"ESB000041", "DP00900001011", "DP00900001017"})
NOT_FOUND: Final = frozenset({"DP00800001025", "DP00900001015", "ESB000045"})
SIGNATURE_REFUSED: Final = frozenset({"DP00800001026", "DP00900001016", "DP00900001018"})
REASONS: Final[Mapping[str, str]] = {
    "DP00800001002": "wrong_pin",
    "DP00800001003": "limit_exceeded",
    "DP00800001004": "below_minimum",
    "DP00800001005": "no_pin_entered",
    "DP00800001007": "insufficient_funds",
    "DP00800001008": "refused",
    "DP00800001009": "do_not_honour",
    "DP00800001010": "payee_not_permitted",
    "DP00800001024": "timed_out",
    "DP00800001026": "signature_refused",
    "DP00800001029": "prompt_expired",
    "DP00900001003": "daily_limit",
    "DP00900001004": "amount_out_of_range",
    "DP00900001005": "failed",
    "DP00900001007": "insufficient_float",
    "DP00900001009": "receiver_invalid",
    "DP00900001010": "sender_not_allowed",
    "DP00900001012": "receiver_invalid",
    "DP00900001013": "refused",
    "DP00900001014": "timed_out",
    "DP00900001016": "signature_refused",
    "DP00900001018": "signature_refused",
    "DP00900001019": "sender_barred",
    "ROUTER114": "pin_refused",
    "ROUTER115": "pin_refused",
    "ROUTER116": "pin_refused",
}
"""Of payments (DP008…), payouts (DP009…) and the router in front of both: nothing has moved."""
RETRYABLE: Final = frozenset({"insufficient_float"})
"""Another attempt may pay. Not with a wrong PIN: Airtel locks it after a few."""

CODE: Final = re.compile(r"[A-Z]{2,8}[0-9]{3,14}", re.ASCII)
REFERENCE: Final = re.compile(r"([0-9a-f]{32})(?:A([1-9][0-9]{0,3}))?", re.ASCII)
PAID: Final = re.compile(r"Paid ([A-Z]{3}) ?([0-9][0-9,]{0,20}(?:\.[0-9]{1,2})?) to\b", re.ASCII)


@dataclass(frozen=True, slots=True)
class Said:
    """What Airtel answers, whatever it is about."""

    codes: frozenset[str]
    letters: str | None
    transaction: Mapping[str, Any]

    @property
    def reason(self) -> str:
        """Why nothing has moved."""
        named = (REASONS[code] for code in sorted(self.codes) if code in REASONS)
        return next(named, "prompt_expired" if self.letters == "TE" else "unspecified")

    @property
    def code(self) -> str:
        """A code to tell a refusal by; empty where there is none."""
        return next((code.lower() for code in sorted(self.codes)), "")


def said(document: Mapping[str, Any]) -> Said:
    """Read an answer; what is missing or of another shape is not there."""
    data, status = document.get("data"), document.get("status")
    transaction = data.get("transaction") if isinstance(data, dict) else None
    codes = set()
    if isinstance(status, dict):
        codes = {status.get("response_code"), status.get("result_code")}
    transaction = transaction if isinstance(transaction, dict) else {}
    letters = transaction.get("status")
    return Said(
        frozenset(code for code in codes if isinstance(code, str) and CODE.fullmatch(code)),
        letters if isinstance(letters, str) else None,
        transaction,
    )


def payment_reference(payment_id: UUID) -> str:
    """A payment at Airtel, whose references are of letters and digits."""
    return payment_id.hex


def payout_reference(payout_id: UUID, attempt: int) -> str:
    """An attempt of a payout at Airtel: at most 37 letters and digits."""
    return f"{payout_id.hex}A{attempt}"


def payment_of(reference: object) -> UUID | None:
    """The payment that is called so."""
    match = REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
    return None if match is None or match[2] else UUID(hex=match[1])


def attempt_of(reference: object) -> Attempt:
    """The attempt of a payout that is called so."""
    match = REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
    if match is None or not match[2]:
        return Attempt(None, 0)
    return Attempt(UUID(hex=match[1]), int(match[2]))


def payment_report(answer: Said, inquiry: PaymentInquiry) -> ProviderReport:
    """What an enquiry says of a payment. Raises `UnreadableError`."""
    _check_about(answer, payment_reference(inquiry.payment_id))
    claim = CLAIMS.get(answer.letters or "")
    if claim is None:
        raise UnreadableError("unknown_status")
    if claim is not Claim.SUCCEEDED:
        reason = answer.reason if claim is Claim.FAILED else None
        return ProviderReport(
            provider=NAME, payment_id=inquiry.payment_id, claim=claim, reason=reason
        )
    check_amount(answer.transaction, inquiry)
    return ProviderReport(
        provider=NAME,
        payment_id=inquiry.payment_id,
        claim=claim,
        provider_transaction=name_of(answer.transaction.get("airtel_money_id")),
        # An enquiry does not repeat what we asked for, and Airtel takes all of it or nothing.
        received=inquiry.money,
    )


def payout_report(answer: Said, inquiry: PayoutInquiry) -> PayoutReport:
    """What an enquiry says of an attempt of a payout. Raises `UnreadableError`."""
    reference = payout_reference(inquiry.payout_id, inquiry.attempt)
    _check_about(answer, reference)
    claim = CLAIMS.get(answer.letters or "")
    if claim is None and answer.letters is None:
        # Version 2 answers by code alone.
        claim = _by_code(answer)
    if claim is None:
        raise UnreadableError("unknown_status")
    reason = answer.reason if claim is Claim.FAILED else None
    return PayoutReport(
        provider=NAME,
        payout_id=inquiry.payout_id,
        attempt=inquiry.attempt,
        claim=PAYOUT_CLAIMS[claim],
        paid=inquiry.money,
        paid_from=disbursement(NAME),
        # The only name of it that every answer has.
        provider_transaction=reference if claim is Claim.SUCCEEDED else None,
        reason=reason,
        retryable=reason in RETRYABLE,
    )


def check_amount(transaction: Mapping[str, Any], inquiry: PaymentInquiry) -> None:
    """Raise `UnreadableError` if a message names another amount than ours.

    Messages are for people and differ between countries: one that does not begin as documented
    says nothing.
    """
    message = transaction.get("message")
    match = PAID.search(message) if isinstance(message, str) else None
    if match is None:
        return
    if match[1] != inquiry.money.currency:
        raise UnreadableError("another_amount")
    if from_major(match[2].replace(",", ""), match[1]) != inquiry.money:
        raise UnreadableError("another_amount")


def named_as_told(report: ProviderReport, told: Mapping[str, Any]) -> ProviderReport:
    """With what its callback, which has the right hash, calls the transaction."""
    asked = report.provider_transaction
    if asked is None or told.get("airtel_money_id") in {None, asked}:
        return report
    name = name_of(told["airtel_money_id"])
    return replace(report, also_known_as=(name, paired(asked, name)))


def _by_code(answer: Said) -> Claim | None:
    if "DP00900001001" in answer.codes:
        return Claim.SUCCEEDED
    if answer.codes & (AMBIGUOUS | TAKEN):
        return Claim.PENDING
    return Claim.FAILED if answer.codes & REASONS.keys() else None


def _check_about(answer: Said, reference: str) -> None:
    named = answer.transaction.get("id")
    if isinstance(named, str) and named != reference:
        raise UnreadableError("another_request")
