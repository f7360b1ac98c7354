"""MoMo's words, translated: what a status query says of a payment, a payout or a refund.

All three look alike: `amount` as text in major units, `currency`, `externalId`, `status`, and with
a success the `financialTransactionId`, which is the transaction's name in callbacks, queries and
statements. `reason` is a code in MTN's older answers and `{"code": …, "message": …}` in its OpenAPI
description: only the code is read, and only what looks like one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from api.providers.amounts import UnreadableError, from_major
from api.providers.momo_callbacks import of_payment
from api.providers.transaction_names import paired
from api.providers.words import name_of, payout_reference
from ledger.accounts import disbursement
from ledger.commands import (
    Claim,
    PayoutClaim,
    PayoutReport,
    ProviderReport,
    RefundClaim,
    RefundReport,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.providers.port import PaymentInquiry, PayoutInquiry, RefundOrder
    from ledger.money import Money

NAME: Final = "momo"
CLAIMS: Final[Mapping[str, Claim]] = {
    "PENDING": Claim.PENDING,
    "CREATED": Claim.PENDING,
    "ONGOING": Claim.PENDING,
    "SUCCESSFUL": Claim.SUCCEEDED,
    "FAILED": Claim.FAILED,
    "REJECTED": Claim.FAILED,
    "TIMEOUT": Claim.FAILED,
}
"""MTN's guides name PENDING, SUCCESSFUL and FAILED; the others are in its OpenAPI descriptions."""
CODE: Final = re.compile(r"[A-Z]{2,20}(_[A-Z]{1,20}){1,10}|EXPIRED|REJECTED|TIMEOUT", re.ASCII)
CANCELLED_BY_PAYER: Final = frozenset({"approval_rejected", "transaction_canceled", "rejected"})
RETRYABLE: Final = frozenset({"not_enough_funds", "service_unavailable"})
"""Of a payout: our own wallet is empty, or the system was. Another attempt may pay."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a status query says; `transaction` and `received` are there with a success."""

    claim: Claim
    transaction: str | None = None
    received: Money | None = None
    reason: str | None = None


def said(document: Mapping[str, Any], external_id: str) -> Said:
    """Read a status query's answer about what we called so. Raises `UnreadableError`."""
    if str(document.get("externalId", external_id)) != external_id:
        raise UnreadableError("another_request")
    status = document.get("status")
    claim = CLAIMS.get(status) if isinstance(status, str) else None
    if claim is None:
        raise UnreadableError("unknown_status")
    if claim is Claim.SUCCEEDED:
        return Said(
            claim,
            transaction=name_of(document.get("financialTransactionId")),
            received=from_major(document.get("amount"), document.get("currency")),
        )
    if claim is Claim.PENDING:
        return Said(claim)
    reason = reason_of(document.get("reason", status))
    return Said(Claim.CANCELLED if reason in CANCELLED_BY_PAYER else claim, reason=reason)


def payment_report(document: Mapping[str, Any], inquiry: PaymentInquiry) -> ProviderReport:
    """What is said of a payment. Raises `UnreadableError`."""
    found = said(document, str(inquiry.payment_id))
    names: tuple[str, ...] = ()
    if found.transaction is not None:
        # What a refund has to name is the request, and not its transaction.
        reference = str(of_payment(inquiry.payment_id).reference)
        names = (reference, paired(found.transaction, reference))
    return ProviderReport(
        provider=NAME,
        payment_id=inquiry.payment_id,
        claim=found.claim,
        provider_transaction=found.transaction,
        received=found.received,
        reason=found.reason,
        also_known_as=names,
    )


def payout_report(document: Mapping[str, Any], inquiry: PayoutInquiry) -> PayoutReport:
    """What is said of an attempt of a payout. Raises `UnreadableError`."""
    found = said(document, payout_reference(inquiry.payout_id, inquiry.attempt))
    claim = PayoutClaim.FAILED
    if found.claim is Claim.PENDING:
        claim = PayoutClaim.PENDING
    elif found.claim is Claim.SUCCEEDED:
        claim = PayoutClaim.PAID
    return PayoutReport(
        provider=NAME,
        payout_id=inquiry.payout_id,
        attempt=inquiry.attempt,
        claim=claim,
        paid=found.received or inquiry.money,
        paid_from=disbursement(NAME),
        provider_transaction=found.transaction,
        reason=found.reason,
        retryable=found.reason in RETRYABLE,
    )


def refund_report(document: Mapping[str, Any], order: RefundOrder) -> RefundReport:
    """What is said of a refund, which leaves the wallet of disbursements.

    Raises `UnreadableError`.
    """
    found = said(document, str(order.refund_id))
    claim = RefundClaim.FAILED
    if found.claim is Claim.PENDING:
        claim = RefundClaim.PENDING
    elif found.claim is Claim.SUCCEEDED:
        claim = RefundClaim.SUCCEEDED
    return RefundReport(
        provider=NAME,
        stream_id=order.stream_id,
        refund_id=order.refund_id,
        claim=claim,
        provider_refund=found.transaction,
        refunded=found.received or order.money,
        paid_from=disbursement(NAME),
        reason=found.reason,
    )


def reason_of(value: object) -> str:
    """Why something failed, as a code of ours."""
    if isinstance(value, dict):
        value = value.get("code")
    if isinstance(value, str) and CODE.fullmatch(value):
        return value.lower()
    return "unspecified"
