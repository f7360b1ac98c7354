"""An event of every class by which invoices are paid, and money becomes a fan's credit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from ledger.accounts import FanFunds
from ledger.events import (
    CreditRefundRequested,
    CreditRestored,
    CreditSpent,
    CreditTakenBack,
    Event,
    InvoicePaymentInitiated,
    PaymentReceivedAsCredit,
    ReceiptsCredited,
    UnusedTimeCredited,
)
from ledger.postings import (
    credit_refund_requested,
    credit_restored,
    credit_spent,
    credit_taken_back,
    receipts_credited,
    received_as_credit,
    unused_time_credited,
)
from ledger.reversals import Reversal
from tests.ledger.example_fields import (
    CREATOR,
    CREDIT_NOTE,
    FAN,
    GROSS,
    INVOICE,
    PHONE,
    PLACE,
    PLAN,
    REASON,
    RECEIVED,
    RECORDED_AT,
    REFUND,
    REPORTED,
    SPLIT,
    SUBSCRIPTION,
    kes,
)
from tests.ledger.payment_examples import LEGS, RECEIPTS, SHARED, TAKEN

OF_INVOICE: Final[dict[str, Any]] = {
    "fan_id": FAN,
    "creator_id": CREATOR,
    "subscription_id": SUBSCRIPTION,
    "invoice_id": INVOICE,
    "money": GROSS,
    "plan": PLAN,
    "split": SPLIT,
    **PLACE,
}

INVOICE_PAYMENTS: Final[tuple[Event, ...]] = (
    InvoicePaymentInitiated(
        attempt=2,
        provider="sandbox",
        method="phone",
        instrument=PHONE,
        expires_at=RECORDED_AT + timedelta(hours=1),
        **OF_INVOICE,
    ),
    PaymentReceivedAsCredit(
        money=GROSS,
        late=True,
        entry=received_as_credit(GROSS, provider="sandbox", fan_id=FAN),
        **RECEIVED,
    ),
    ReceiptsCredited(
        receipts=RECEIPTS,
        money=kes(15_000),
        reason=REASON,
        entry=receipts_credited(
            [("sandbox", 14_000), ("sandbox", 1_000)], currency="KES", fan_id=FAN
        ),
        **PLACE,
    ),
    CreditSpent(
        source="goodwill",
        releases_at=RECORDED_AT + timedelta(days=3),
        entry=credit_spent(SPLIT, fan_id=FAN, **SHARED),
        **OF_INVOICE,
    ),
    UnusedTimeCredited(
        credit_note_id=CREDIT_NOTE,
        money=kes(3_000),
        legs=LEGS,
        source="credit",
        entry=unused_time_credited(
            Reversal(LEGS, excess=0), TAKEN, fan_id=FAN, funds=FanFunds.CREDIT, **SHARED
        ),
        **PLACE,
    ),
    CreditRefundRequested(
        refund_id=REFUND,
        provider="sandbox",
        provider_transaction="SBX-1",
        refunded=kes(3_000),
        reason=REASON,
        entry=credit_refund_requested(kes(3_000), fan_id=FAN),
        **PLACE,
    ),
    CreditTakenBack(
        cause=f"refund:{REFUND}",
        money=kes(77),
        entry=credit_taken_back(kes(77), fan_id=FAN),
        **REPORTED,
    ),
    CreditRestored(
        cause=f"refund:{REFUND}",
        money=kes(77),
        entry=credit_restored(kes(77), fan_id=FAN),
        **REPORTED,
    ),
)
