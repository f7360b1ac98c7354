"""Paystack's words, translated: of callbacks and of answers to queries, which look the same.

Amounts are in subunits, a hundred to a major unit of every currency that it takes: integers, or in
some refunds' callbacks strings of digits. A charge is called by its `id`, a transfer by its
`transfer_code`, a refund and a dispute by their `id`, on every way that we learn of them. What is
said of why something failed is free text, and not kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from api.providers.amounts import UnreadableError, from_units
from api.providers.words import attempt_of, instant, name_of, our_id, part
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

    from ledger.commands import AnyReport
    from ledger.money import Money

NAME: Final = "paystack"
EXPONENT: Final = 2

CHARGES: Final[Mapping[str, Claim]] = {
    "success": Claim.SUCCEEDED,
    "failed": Claim.FAILED,
    # A payer who has left may still answer the prompt.
    "abandoned": Claim.PENDING,
    "ongoing": Claim.PENDING,
    "pending": Claim.PENDING,
    "processing": Claim.PENDING,
    "queued": Claim.PENDING,
}
TRANSFERS: Final[Mapping[str, PayoutClaim]] = {
    "success": PayoutClaim.PAID,
    "failed": PayoutClaim.FAILED,
    "blocked": PayoutClaim.FAILED,
    "rejected": PayoutClaim.FAILED,
    "reversed": PayoutClaim.RETURNED,
    # One-time codes of transfers can still be entered at the dashboard.
    "otp": PayoutClaim.PENDING,
    "abandoned": PayoutClaim.PENDING,
    "pending": PayoutClaim.PENDING,
    "processing": PayoutClaim.PENDING,
    "queued": PayoutClaim.PENDING,
    "received": PayoutClaim.PENDING,
}
REFUNDS: Final[Mapping[str, RefundClaim]] = {
    "processed": RefundClaim.SUCCEEDED,
    "failed": RefundClaim.FAILED,
    "pending": RefundClaim.PENDING,
    "processing": RefundClaim.PENDING,
    # Only the dashboard can go on with it, with the payer's bank account.
    "needs-attention": RefundClaim.PENDING,
}
ACCEPTED: Final = frozenset({"merchant-accepted", "auto-accepted"})
"""By the merchant, perhaps in part; by Paystack when the merchant did not answer in time."""


def reports_of(event: str, data: Mapping[str, Any]) -> tuple[AnyReport, ...]:
    """A callback's reports, by its event; none of what must be asked about first.

    Raises `UnreadableError`.
    """
    match event:
        case "charge.success" | "charge.failed":
            if f"charge.{data.get('status')}" != event:
                raise UnreadableError("contradictory_status")
            return payment_reports(data)
        case "transfer.success" | "transfer.failed" | "transfer.reversed":
            if f"transfer.{data.get('status')}" != event:
                raise UnreadableError("contradictory_status")
            return (payout_report(data),)
        case "charge.dispute.create" | "charge.dispute.remind":
            return (_dispute_opened(data),)
        case "charge.dispute.resolve":
            return (_dispute_closed(data),)
        case "refund.pending" | "refund.processing":
            return (_refund_pending(data),)
        case "refund.processed" | "refund.failed":
            return ()
        case _:
            raise UnreadableError("unknown_event")


def payment_reports(data: Mapping[str, Any]) -> tuple[ProviderReport | FeeReport, ...]:
    """What is said of a charge, and beside a success what Paystack took for it."""
    claim = CHARGES.get(str(data.get("status")))
    if claim is None:
        raise UnreadableError("unknown_status")
    payment_id = our_id(data.get("reference"))
    occurred_at = instant(data.get("paid_at", data.get("paidAt")))
    if claim is not Claim.SUCCEEDED:
        reason = "failed" if claim is Claim.FAILED else None
        return (ProviderReport(provider=NAME, payment_id=payment_id, claim=claim, reason=reason),)
    transaction = name_of(data.get("id"))
    report = ProviderReport(
        provider=NAME,
        payment_id=payment_id,
        claim=claim,
        provider_transaction=transaction,
        received=_money(data.get("amount"), data),
        occurred_at=occurred_at,
        # Statements may have nothing but the reference.
        also_known_as=() if payment_id else (name_of(data.get("reference")),),
    )
    if payment_id is None or not _is_amount(data.get("fees")):
        return (report,)
    fee = FeeReport(
        provider=NAME,
        payment_id=payment_id,
        fee_reference=f"fee:{transaction}",
        fee=_money(data["fees"], data),
        occurred_at=occurred_at,
    )
    return report, fee


def payout_report(data: Mapping[str, Any]) -> PayoutReport:
    """What is said of a transfer."""
    status = str(data.get("status"))
    claim = TRANSFERS.get(status)
    if claim is None:
        raise UnreadableError("unknown_status")
    attempt = attempt_of(data.get("reference"))
    ended_badly = claim in {PayoutClaim.FAILED, PayoutClaim.RETURNED}
    return PayoutReport(
        provider=NAME,
        payout_id=attempt.payout_id,
        attempt=attempt.number,
        claim=claim,
        paid=_money(data.get("amount"), data),
        paid_from=disbursement(NAME),
        provider_transaction=name_of(data.get("transfer_code")),
        reason=f"transfer_{status}" if ended_badly else None,
        occurred_at=instant(data.get("updated_at", data.get("updatedAt"))),
    )


def refund_report(
    data: Mapping[str, Any], *, stream_id: UUID | None, refund_id: UUID | None
) -> RefundReport:
    """What a query says of a refund. Callbacks have its amount, but not its id."""
    claim = REFUNDS.get(str(data.get("status")))
    if claim is None:
        raise UnreadableError("unknown_status")
    return RefundReport(
        provider=NAME,
        stream_id=stream_id,
        refund_id=refund_id,
        claim=claim,
        provider_refund=name_of(data.get("id")),
        refunded=_money(data.get("amount"), data),
        paid_from=collection(NAME),
        reason="refund_failed" if claim is RefundClaim.FAILED else None,
        occurred_at=instant(data.get("updatedAt", data.get("updated_at"))),
    )


def _refund_pending(data: Mapping[str, Any]) -> RefundReport:
    return RefundReport(
        provider=NAME,
        stream_id=our_id(data.get("transaction_reference")),
        refund_id=None,
        claim=RefundClaim.PENDING,
        provider_refund=None,
        refunded=_money(data.get("amount"), data),
        paid_from=collection(NAME),
    )


def _dispute_opened(data: Mapping[str, Any]) -> DisputeReport:
    transaction = part(data.get("transaction"))
    amount = data.get("refund_amount")
    if not _is_amount(amount):
        amount = transaction.get("amount")
    return DisputeReport(
        provider=NAME,
        payment_id=our_id(transaction.get("reference")),
        dispute=name_of(data.get("id")),
        stage="opened",
        disputed=_money(amount, data),
        funds_withdrawn=False,
        occurred_at=instant(data.get("created_at", data.get("createdAt"))),
    )


def _dispute_closed(data: Mapping[str, Any]) -> DisputeReport:
    """What was accepted is taken from what Paystack pays out next; until then nothing was."""
    transaction, resolution = part(data.get("transaction")), data.get("resolution")
    if resolution in ACCEPTED:
        lost = _money(data.get("refund_amount"), data).amount
    elif resolution == "declined":
        lost = 0
    else:
        raise UnreadableError("unknown_resolution")
    return DisputeReport(
        provider=NAME,
        payment_id=our_id(transaction.get("reference")),
        dispute=name_of(data.get("id")),
        stage="closed",
        disputed=_money(transaction.get("amount"), data),
        lost_amount=lost,
        funds_withdrawn=False,
        occurred_at=instant(data.get("resolvedAt", data.get("resolved_at"))),
    )


def _money(amount: object, data: Mapping[str, Any]) -> Money:
    return from_units(amount, data.get("currency"), exponent=EXPONENT)


def _is_amount(amount: object) -> bool:
    return amount not in {None, 0, "0", ""} if not isinstance(amount, dict | list) else False
