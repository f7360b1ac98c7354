"""The sandbox operator's words, translated: a callback's or a status query's body to a report.

Amounts are decimal strings in major units and must be exact in the currency's ISO 4217 exponent.
References are ours, so they say where a report belongs: a payment's id; `stream:refund` for a
refund or a return; `payout:attempt` for a payout. At a till a customer types one of
ledger/manual_references.py, or something else.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

from ledger.accounts import collection, disbursement
from ledger.commands import (
    Claim,
    DisputeReport,
    FeeReport,
    PayoutClaim,
    PayoutReport,
    ProviderReport,
    RefundClaim,
    RefundReport,
    SettlementReport,
)
from ledger.manual_references import normalised, payment_of
from ledger.money import AMOUNT_MAX, Money, exponents

if TYPE_CHECKING:
    from ledger.commands import AnyReport, DisputeStage

Word = TypeVar("Word", Claim, RefundClaim, PayoutClaim)

NAME: Final = "sandbox"
TRANSACTION_LENGTH_MAX: Final = 128

REASON: Final = re.compile(r"[a-z_]{1,64}")
"""Only the operator's own codes: free text could hold a phone number."""

STAGES: Final[dict[str, DisputeStage]] = {
    "dispute.warned": "warned",
    "dispute.opened": "opened",
    "dispute.closed": "closed",
    "dispute.reopened": "reopened",
}


class UnreadableError(ValueError):
    """A verified body that is not what the operator documents; the message is a short code."""


def report_of(kind: object, data: dict[str, Any]) -> AnyReport:
    """A callback's report, by its type. Raises `UnreadableError` and what bad JSON raises."""
    if not isinstance(kind, str):
        raise UnreadableError("unknown_type")
    family, _, word = kind.partition(".")
    match family:
        case "payment":
            return payment_report(data, word)
        case "till" if word == "payment.received":
            return _till_report(data)
        case "refund":
            return refund_report(data, word)
        case "payout":
            return payout_report(data, word)
        case "dispute" if kind in STAGES:
            return _dispute_report(data, STAGES[kind])
        case "dispute" if word in {"fee_charged", "fee_returned"}:
            return _fee_report(
                data, dispute=_word(data["dispute"]), returned=word == "fee_returned"
            )
        case "fee" if word == "charged":
            return _fee_report(data, dispute=None, returned=False)
        case "settlement" if word == "paid":
            return _settlement_report(data)
        case _:
            raise UnreadableError("unknown_type")


def payment_report(data: dict[str, Any], status: str) -> ProviderReport:
    """What is said of a payment."""
    claim = _one_of(Claim, status)
    if claim is not Claim.SUCCEEDED:
        return ProviderReport(
            provider=NAME,
            payment_id=_uuid(data["reference"]),
            claim=claim,
            reason=_reason(data),
            occurred_at=_instant(data.get("occurred_at")),
        )
    return ProviderReport(
        provider=NAME,
        payment_id=_uuid(data["reference"]),
        claim=claim,
        provider_transaction=_word(data.get("transaction")),
        received=minor_units(data["amount"], data["currency"]),
        occurred_at=_instant(data.get("occurred_at")),
    )


def refund_report(data: dict[str, Any], status: str) -> RefundReport:
    """What is said of a refund; without a reference of ours it is one that nobody asked for."""
    stream, refund = data.get("payment_reference"), None
    if data["reference"] is not None:
        stream, _, refund = str(data["reference"]).partition(":")
    return RefundReport(
        provider=NAME,
        stream_id=_uuid(stream),
        refund_id=None if refund is None else _uuid(refund),
        claim=_one_of(RefundClaim, status),
        provider_refund=None if data.get("refund") is None else _word(data["refund"]),
        refunded=minor_units(data["amount"], data["currency"]),
        paid_from=collection(NAME),
        reason=_reason(data),
        occurred_at=_instant(data.get("occurred_at")),
    )


def payout_report(data: dict[str, Any], status: str) -> PayoutReport:
    """What is said of one attempt of a payout."""
    payout, _, attempt = str(data["reference"]).partition(":")
    transaction = data.get("transaction")
    return PayoutReport(
        provider=NAME,
        payout_id=_uuid(payout),
        attempt=int(attempt) if re.fullmatch(r"[0-9]{1,4}", attempt) else 0,
        claim=_one_of(PayoutClaim, status),
        paid=minor_units(data["amount"], data["currency"]),
        paid_from=disbursement(NAME),
        provider_transaction=None if transaction is None else _word(transaction),
        reason=_reason(data),
        retryable=data.get("retryable") is True,
        occurred_at=_instant(data.get("occurred_at")),
    )


def _till_report(data: dict[str, Any]) -> ProviderReport:
    """Money from a till is taken whatever was typed, which may hold a name and is not kept."""
    reference = normalised(str(data.get("account_reference")))
    return ProviderReport(
        provider=NAME,
        payment_id=None if reference is None else payment_of(reference),
        claim=Claim.SUCCEEDED,
        provider_transaction=_word(data["transaction"]),
        received=minor_units(data["amount"], data["currency"]),
        occurred_at=_instant(data.get("occurred_at")),
    )


def _dispute_report(data: dict[str, Any], stage: DisputeStage) -> DisputeReport:
    lost = None
    if stage == "closed":
        lost = minor_units_or_zero(data["lost_amount"], data["currency"])
    return DisputeReport(
        provider=NAME,
        payment_id=_uuid(data["reference"]),
        dispute=_word(data["dispute"]),
        stage=stage,
        disputed=minor_units(data["amount"], data["currency"]),
        lost_amount=lost,
        funds_withdrawn=data["funds_withdrawn"] is True,
        occurred_at=_instant(data.get("occurred_at")),
    )


def _fee_report(data: dict[str, Any], *, dispute: str | None, returned: bool) -> FeeReport:
    return FeeReport(
        provider=NAME,
        payment_id=_uuid(data["reference"]),
        fee_reference=_word(data["fee"]),
        fee=minor_units(data["amount"], data["currency"]),
        dispute=dispute,
        returned=returned,
        occurred_at=_instant(data.get("occurred_at")),
    )


def _settlement_report(data: dict[str, Any]) -> SettlementReport:
    return SettlementReport(
        provider=NAME,
        reference=_word(data["settlement"]),
        settled=minor_units(data["amount"], data["currency"]),
        fees=minor_units_or_zero(data["fees"], data["currency"]),
        occurred_at=_instant(data.get("occurred_at")),
    )


def major_units(money: Money) -> str:
    """Minor units as the operator's decimal string, exact: 125000 KES is `1250.00`."""
    exponent = exponents()[money.currency]
    return str(Decimal(money.amount).scaleb(-exponent))


def minor_units(text: object, currency: object) -> Money:
    """The operator's decimal string in minor units, exact. Raises `UnreadableError`."""
    amount = minor_units_or_zero(text, currency)
    if amount == 0:
        raise UnreadableError("inexact_amount")
    return Money(amount=amount, currency=str(currency))


def minor_units_or_zero(text: object, currency: object) -> int:
    """The same where nothing is an amount too. Raises `UnreadableError`."""
    if not isinstance(text, str) or not isinstance(currency, str) or currency not in exponents():
        raise UnreadableError("unreadable_amount")
    try:
        amount = Decimal(text).scaleb(exponents()[currency])
        within_bounds = 0 <= amount <= AMOUNT_MAX
    except ArithmeticError:
        raise UnreadableError("unreadable_amount") from None
    # The bounds first: an integer of a million digits takes most of a minute to make.
    if not within_bounds or int(amount) != amount:
        raise UnreadableError("inexact_amount")
    return int(amount)


def _one_of(words: type[Word], status: str) -> Word:
    try:
        return words(status)
    except ValueError:
        raise UnreadableError("unknown_status") from None


def _reason(data: dict[str, Any]) -> str:
    reason = str(data.get("reason"))
    return reason if REASON.fullmatch(reason) and reason != "None" else "unspecified"


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None


def _word(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= TRANSACTION_LENGTH_MAX:
        raise UnreadableError("unreadable_transaction")
    if not value.isprintable() or not value.isascii():
        raise UnreadableError("unreadable_transaction")
    return value


def _instant(value: object) -> datetime | None:
    if value is None:
        return None
    instant = datetime.fromisoformat(str(value))
    if instant.tzinfo is None:
        raise UnreadableError("time_without_zone")
    try:
        # Near the ends of the calendar an offset leads out of it, where no reader can follow.
        return instant.astimezone(UTC)
    except OverflowError:
        raise UnreadableError("time_beyond_calendar") from None
