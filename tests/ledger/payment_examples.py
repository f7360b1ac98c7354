"""An event of every class that lies on the stream of a payment or a receipt."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from ledger.events import (
    ContradictionRecorded,
    DisputeClosed,
    DisputeEvidenceNoted,
    DisputeFeeCharged,
    DisputeFeeReturned,
    DisputeOpened,
    DisputeWarned,
    Event,
    FanRefundDeclined,
    FanRefundRequested,
    FundsReleased,
    OverpaymentParked,
    PaymentAuthorised,
    PaymentCancelled,
    PaymentExpired,
    PaymentFailed,
    PaymentInitiated,
    PaymentMismatched,
    PaymentSubmissionStarted,
    PaymentSubmissionUnknown,
    PaymentSubmitted,
    PaymentSucceeded,
    PaymentVoided,
    ProviderFeeRecorded,
    ReceiptReference,
    ReceiptReturnRequested,
    ReceiptsAllocated,
    ReceiptSpent,
    RefundFailed,
    RefundReopenedAsFailed,
    RefundReopenedAsSucceeded,
    RefundRequested,
    RefundSubmissionStarted,
    RefundSubmissionUnknown,
    RefundSubmitted,
    RefundSucceeded,
    SurplusReceived,
    UnmatchedReceiptRecorded,
)
from ledger.money import Money, Split
from ledger.postings import (
    dispute_closed,
    dispute_fee_charged,
    dispute_fee_returned,
    dispute_opened,
    funds_released,
    payment_received,
    provider_fee_charged,
    receipt_parked,
    receipts_allocated,
    refund_failed,
    refund_paid,
    refund_reopened_as_failed,
    refund_reopened_as_succeeded,
    refund_requested,
    return_requested,
    split_gross,
)
from ledger.reversals import CreatorLeg, Reversal
from tests.ledger.example_fields import (
    CLAIM,
    CREATOR,
    FAN,
    GROSS,
    PAID_FROM,
    PAYMENT,
    PHONE,
    PLACE,
    PLAN,
    REASON,
    RECEIVED,
    RECORDED_AT,
    REFUND,
    REPORTED,
    SPLIT,
    STREAM,
    kes,
)

FEE: Final = kes(1_500)
LEGS: Final = Split(fee=300, vat=48, net=2_652)
REVERSED: Final = Reversal(LEGS, excess=77)
WON: Final = Reversal(Split(fee=30, vat=5, net=265), excess=0)
TAKEN: Final = CreatorLeg(pending=2_000, available=652)
SHARED: Final[dict[str, Any]] = {"currency": "KES", "creator_id": CREATOR}
ALLOCATED: Final = split_gross(15_000, PLAN)
RECEIPTS: Final = tuple(
    ReceiptReference(stream_id=stream, provider="sandbox", provider_transaction=transaction)
    for stream, transaction in ((STREAM, "SBX-2"), (UUID(int=21), "SBX-3"))
)
"""One that lies on the payment's own stream, and one of another."""


def parked(money: Money) -> dict[str, Any]:
    return {"received": money, "entry": receipt_parked(money, provider="sandbox")}


PAYMENTS: Final[tuple[Event, ...]] = (
    PaymentInitiated(
        fan_id=FAN,
        creator_id=CREATOR,
        purpose="purchase",
        reference='album "7" / Ñandú',
        money=GROSS,
        plan=PLAN,
        split=SPLIT,
        provider="sandbox",
        phone=PHONE,
        expires_at=RECORDED_AT + timedelta(hours=1),
        **PLACE,
    ),
    PaymentSubmissionStarted(
        attempt=1, claim=CLAIM, deadline=RECORDED_AT + timedelta(seconds=60), **PLACE
    ),
    PaymentSubmitted(attempt=1, provider_reference="ws_CO_1", **PLACE),
    PaymentSubmissionUnknown(attempt=1, reason="timed_out", **PLACE),
    PaymentAuthorised(provider_reference="pi_1", **REPORTED),
    PaymentVoided(reason="requested_by_customer", **REPORTED),
    PaymentSucceeded(
        money=GROSS,
        late=True,
        releases_at=RECORDED_AT + timedelta(days=3),
        entry=payment_received(SPLIT, currency="KES", provider="sandbox", creator_id=CREATOR),
        **RECEIVED,
    ),
    OverpaymentParked(
        excess=kes(99), entry=receipt_parked(kes(99), provider="sandbox"), **RECEIVED
    ),
    PaymentMismatched(expected=GROSS, **parked(Money(amount=1, currency="UGX")), **RECEIVED),
    SurplusReceived(**parked(kes(10**15)), **RECEIVED),
    PaymentFailed(reason="insufficient_funds", **REPORTED),
    PaymentCancelled(reason="declined_on_phone", **REPORTED),
    PaymentExpired(**PLACE),
    ContradictionRecorded(
        state="succeeded", claim="failed", provider_transaction="SBX-1", **REPORTED
    ),
    ProviderFeeRecorded(
        provider="sandbox",
        fee_reference="fee_1",
        fee=FEE,
        entry=provider_fee_charged(FEE, provider="sandbox"),
        **REPORTED,
    ),
    FundsReleased(amount=106_875, entry=funds_released(106_875, **SHARED), **PLACE),
    FanRefundRequested(request_id=UUID(int=20), wish="not_as_described", **PLACE),
    FanRefundDeclined(request_id=UUID(int=20), reason=REASON, **PLACE),
)

REFUNDS: Final[tuple[Event, ...]] = (
    RefundRequested(
        refund_id=REFUND,
        provider="sandbox",
        provider_transaction="SBX-1",
        origin="provider",
        refunded=kes(3_077),
        legs=LEGS,
        excess=77,
        reason=REASON,
        request_id=UUID(int=20),
        entry=refund_requested(REVERSED, TAKEN, **SHARED),
        **REPORTED,
    ),
    RefundSubmissionStarted(
        refund_id=REFUND,
        attempt=1,
        claim=CLAIM,
        deadline=RECORDED_AT + timedelta(seconds=60),
        **PLACE,
    ),
    RefundSubmitted(refund_id=REFUND, provider_reference="rf_CO_1", **PLACE),
    RefundSubmissionUnknown(refund_id=REFUND, reason="timed_out", **PLACE),
    RefundSucceeded(
        refund_id=REFUND,
        provider_refund="re_1",
        paid_from=PAID_FROM,
        entry=refund_paid(kes(3_077), paid_from=PAID_FROM),
        **REPORTED,
    ),
    RefundFailed(
        refund_id=REFUND,
        reason="account_closed",
        entry=refund_failed(REVERSED, TAKEN, **SHARED),
        **REPORTED,
    ),
    RefundReopenedAsFailed(
        refund_id=REFUND,
        reason="returned_by_bank",
        entry=refund_reopened_as_failed(REVERSED, TAKEN, paid_from=PAID_FROM, **SHARED),
        **REPORTED,
    ),
    RefundReopenedAsSucceeded(
        refund_id=REFUND,
        provider_refund="re_1",
        paid_from=PAID_FROM,
        legs=LEGS,
        excess=77,
        entry=refund_reopened_as_succeeded(REVERSED, TAKEN, paid_from=PAID_FROM, **SHARED),
        **REPORTED,
    ),
)

DISPUTES: Final[tuple[Event, ...]] = (
    DisputeWarned(dispute="dp_1", disputed=kes(3_077), **REPORTED),
    DisputeOpened(
        dispute="dp_1",
        round=2,
        disputed=kes(3_077),
        funds_withdrawn=True,
        legs=LEGS,
        excess=77,
        entry=dispute_opened(REVERSED, TAKEN, provider="sandbox", funds_withdrawn=True, **SHARED),
        **REPORTED,
    ),
    DisputeEvidenceNoted(dispute="dp_1", note="the delivery note was sent", **PLACE),
    DisputeClosed(
        dispute="dp_1",
        round=2,
        lost_amount=3_077,
        legs=LEGS,
        excess=77,
        entry=dispute_closed(
            REVERSED,
            WON,
            CreatorLeg(pending=0, available=WON.legs.net),
            provider="sandbox",
            funds_withdrawn=True,
            **SHARED,
        ),
        **REPORTED,
    ),
    DisputeFeeCharged(
        dispute="dp_1",
        fee_reference="fee_2",
        fee=FEE,
        borne_by="creator",
        entry=dispute_fee_charged(
            FEE, CreatorLeg(1_000, 500), provider="sandbox", creator_id=CREATOR
        ),
        **REPORTED,
    ),
    DisputeFeeReturned(
        dispute="dp_1",
        fee_reference="fee_2",
        fee=FEE,
        entry=dispute_fee_returned(FEE, None, provider="sandbox", creator_id=CREATOR),
        **REPORTED,
    ),
)

RECEIPT_EVENTS: Final[tuple[Event, ...]] = (
    UnmatchedReceiptRecorded(**parked(kes(5_000)), **RECEIVED),
    ReceiptsAllocated(
        receipts=RECEIPTS,
        money=kes(15_000),
        split=ALLOCATED,
        reason=REASON,
        releases_at=RECORDED_AT + timedelta(days=3),
        entry=receipts_allocated([("sandbox", 14_000), ("sandbox", 1_000)], ALLOCATED, **SHARED),
        **PLACE,
    ),
    ReceiptSpent(provider_transaction="SBX-3", payment_id=PAYMENT, reason=REASON, **PLACE),
    ReceiptReturnRequested(
        refund_id=REFUND,
        provider="sandbox",
        provider_transaction="SBX-3",
        returned=kes(5_000),
        reason=REASON,
        entry=return_requested(kes(5_000), provider="sandbox"),
        **PLACE,
    ),
)
