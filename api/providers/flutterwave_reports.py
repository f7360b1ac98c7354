"""Flutterwave's words, translated: of callbacks and of answers to queries, which look the same.

Amounts are JSON numbers in major units. A charge is called by its `id` (a number in v3, `chg_…` in
v4) on every way that we learn of it, and by `flw_ref` too, which its statements have. What is said
of why something failed is free text in v3, and not kept; v4 has codes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from api.providers.amounts import UnreadableError, from_major
from api.providers.words import attempt_of, instant, name_of, our_id, part, reason_of
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
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from api.providers.port import PaymentInquiry

NAME: Final = "flutterwave"

CHARGES: Final[Mapping[str, Claim]] = {
    "successful": Claim.SUCCEEDED,
    "succeeded": Claim.SUCCEEDED,
    "failed": Claim.FAILED,
    "cancelled": Claim.CANCELLED,
    "pending": Claim.PENDING,
}
TRANSFERS: Final[Mapping[str, PayoutClaim]] = {
    "successful": PayoutClaim.PAID,
    "failed": PayoutClaim.FAILED,
    "new": PayoutClaim.PENDING,
    "pending": PayoutClaim.PENDING,
    "initiated": PayoutClaim.PENDING,
}
REFUNDED: Final = re.compile(r"completed(-[a-z-]+)?|success(ful)?|succeeded", re.ASCII)
"""`completed`, and how: `completed-momo`, `completed-mpgs`, `completed-bank-transfer`, …"""
CHARGEBACKS_LOST: Final = frozenset({"lost", "accepted"})
CHARGEBACKS_WON: Final = frozenset({"won", "reversed"})
CHARGEBACKS_OPEN: Final = frozenset({"initiated", "pending", "declined"})
"""`declined`: by the merchant, whose evidence the bank now judges."""

FLW_REF: Final = re.compile(r"(?=.*[0-9])[A-Za-z0-9_/.-]{8,128}", re.ASCII)
"""Not `N/A`, which many have."""
FLOAT_IS_EMPTY: Final = re.compile(r"insufficient", re.IGNORECASE)


def reference_of(data: Mapping[str, Any]) -> object:
    """Our reference of a charge or a transfer: v3 has two names for it, v4 one."""
    return data.get("tx_ref", data.get("reference"))


def payment_reports(data: Mapping[str, Any]) -> tuple[ProviderReport | FeeReport, ...]:
    """What is said of a charge, and beside a success what Flutterwave took for it."""
    claim = CHARGES.get(str(data.get("status")).lower())
    if claim is None:
        raise UnreadableError("unknown_status")
    payment_id = our_id(reference_of(data))
    occurred_at = instant(data.get("created_at", data.get("created_datetime")))
    if claim is not Claim.SUCCEEDED:
        return (
            ProviderReport(
                provider=NAME,
                payment_id=payment_id,
                claim=claim,
                reason=_reason(data.get("processor_response")),
                occurred_at=occurred_at,
            ),
        )
    transaction, other = name_of(data.get("id")), str(data.get("flw_ref"))
    report = ProviderReport(
        provider=NAME,
        payment_id=payment_id,
        claim=claim,
        provider_transaction=transaction,
        received=from_major(data.get("amount"), data.get("currency")),
        occurred_at=occurred_at,
        also_known_as=(other,) if FLW_REF.fullmatch(other) else (),
    )
    fee = _fee_report(data, report)
    return (report,) if fee is None else (report, fee)


def _fee_report(data: Mapping[str, Any], report: ProviderReport) -> FeeReport | None:
    """No fee is told at times, or one with fractions of a cent: then its statement tells."""
    if report.payment_id is None:
        return None
    try:
        fee = from_major(data.get("app_fee"), data.get("currency"))
    except UnreadableError:
        return None
    return FeeReport(
        provider=NAME,
        payment_id=report.payment_id,
        fee_reference=f"fee:{report.provider_transaction}",
        fee=fee,
        occurred_at=report.occurred_at,
    )


def payout_report(data: Mapping[str, Any], *, is_reversal: bool = False) -> PayoutReport:
    """What is said of a transfer. Amount and currency are those of the destination."""
    claim = TRANSFERS.get(str(data.get("status")).lower())
    if claim is None:
        raise UnreadableError("unknown_status")
    if is_reversal:
        claim = PayoutClaim.RETURNED
    attempt = attempt_of(data.get("reference"))
    is_empty = FLOAT_IS_EMPTY.search(_message(data)) is not None
    reason = "insufficient_balance" if is_empty else _reason(data.get("provider_response"))
    failed = claim is PayoutClaim.FAILED
    return PayoutReport(
        provider=NAME,
        payout_id=attempt.payout_id,
        attempt=attempt.number,
        claim=claim,
        paid=from_major(data.get("amount"), data.get("currency", data.get("destination_currency"))),
        paid_from=disbursement(NAME),
        provider_transaction=name_of(data.get("id")),
        reason=reason if failed or is_reversal else None,
        retryable=failed and is_empty,
        occurred_at=instant(data.get("created_at", data.get("date_created"))),
    )


def refund_report(
    data: Mapping[str, Any], *, stream_id: UUID | None, refund_id: UUID | None, currency: str
) -> RefundReport:
    """What is said of a refund, in its payment's currency: Flutterwave names none."""
    status = str(data.get("status")).lower()
    claim = RefundClaim.PENDING
    if REFUNDED.fullmatch(status):
        claim = RefundClaim.SUCCEEDED
    elif status == "failed":
        claim = RefundClaim.FAILED
    amount = data.get("amount_refunded", data.get("AmountRefunded"))
    return RefundReport(
        provider=NAME,
        stream_id=stream_id,
        refund_id=refund_id,
        claim=claim,
        provider_refund=name_of(data.get("id")),
        refunded=from_major(amount, currency),
        paid_from=collection(NAME),
        reason="refund_failed" if claim is RefundClaim.FAILED else None,
        occurred_at=instant(data.get("created_at")),
    )


def dispute_report(chargebacks: list[Any], payment: PaymentInquiry) -> DisputeReport:
    """Where the dispute about a payment stands: at its newest chargeback.

    The bank raises another chargeback, with an id of its own, when it goes on after the merchant's
    evidence: it is one dispute about one charge, and is called by that. A chargeback puts a lien on
    money that stays in our account until it is lost.
    """
    newest = max((part(each) for each in chargebacks), key=lambda each: int(name_of(each["id"])))
    status = str(newest.get("status")).lower()
    disputed = from_major(newest.get("amount"), payment.money.currency)
    if status not in CHARGEBACKS_OPEN | CHARGEBACKS_LOST | CHARGEBACKS_WON:
        raise UnreadableError("unknown_status")
    lost = None
    if status not in CHARGEBACKS_OPEN:
        lost = disputed.amount if status in CHARGEBACKS_LOST else 0
    return DisputeReport(
        provider=NAME,
        payment_id=payment.payment_id,
        dispute=f"chargeback:{name_of(newest.get('transaction_id'))}",
        stage="opened" if lost is None else "closed",
        disputed=disputed,
        lost_amount=lost,
        funds_withdrawn=False,
        occurred_at=instant(_last_date(newest)),
    )


def _last_date(chargeback: Mapping[str, Any]) -> object:
    meta = chargeback.get("meta")
    history = meta.get("history") if isinstance(meta, dict) else None
    if isinstance(history, list) and history and isinstance(history[-1], dict):
        return history[-1].get("date")
    return chargeback.get("created_at")


def _reason(response: object) -> str:
    return reason_of(response.get("type") if isinstance(response, dict) else None, "unspecified")


def _message(data: Mapping[str, Any]) -> str:
    response = data.get("provider_response")
    told = response.get("message") if isinstance(response, dict) else None
    return f"{data.get('complete_message')} {told}"
