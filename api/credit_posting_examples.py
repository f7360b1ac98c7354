"""Examples of the posting rules about fans' credit: how it comes, what it pays, how it goes back.

An invoice of KES 1,000.00 is paid by credit and goodwill, and a quarter of what was paid for a
period becomes credit again.
"""

from __future__ import annotations

from typing import Any, Final

from api.posting_amounts import (
    AVAILABLE,
    COLLECTION,
    FAN,
    OF,
    OF_FAN,
    PART,
    PENDING,
    PLAN,
    PROVIDER,
    Example,
    kes,
)
from ledger import events as on
from ledger import postings as by
from ledger.accounts import GOODWILL, FanFunds, fan_funds
from ledger.journal_entry import entry

KEPT: Final[dict[str, Any]] = {"credit": 80_000, "goodwill": 20_000, **OF_FAN}
RESERVES: Final = "Credit and goodwill are kept for it."
BY_CREDIT: Final = by.split_gross(80_000, PLAN)
BY_GOODWILL: Final = by.split_gross(20_000, PLAN)
OF_BOTH: Final[dict[str, Any]] = {**OF, "fan_id": FAN}
BEYOND: Final[dict[str, Any]] = {"excess": 10_000, "paid_from": COLLECTION, "fan_id": FAN}
WITHIN: Final[dict[str, Any]] = {**BEYOND, "excess": 0}

COMES: Final = (
    Example(
        on.PaymentReceivedAsCredit,
        "",
        by.received_as_credit(kes(100_000), provider=PROVIDER, fan_id=FAN),
    ),
    Example(
        on.ReceiptsCredited,
        "Two receipts.",
        by.receipts_credited([(PROVIDER, 60_000), (PROVIDER, 40_000)], **OF_FAN),
    ),
    Example(
        on.UnusedTimeCredited,
        "Before the release.",
        by.unused_time_credited(PART, PENDING, funds=FanFunds.CREDIT, **OF_BOTH),
    ),
    Example(
        on.UnusedTimeCredited,
        "After the release.",
        by.unused_time_credited(PART, AVAILABLE, funds=FanFunds.CREDIT, **OF_BOTH),
    ),
    Example(
        on.UnusedTimeCredited,
        "Goodwill had paid.",
        by.unused_time_credited(PART, PENDING, funds=FanFunds.GOODWILL, **OF_BOTH),
    ),
    Example(
        on.AdjustmentPosted,
        "The platform gives goodwill.",
        entry("KES", (GOODWILL, 20_000), (fan_funds(FAN, FanFunds.GOODWILL), -20_000)),
    ),
)

PAYS: Final = (
    Example(on.FirstPeriodInvoiced, RESERVES, by.credit_reserved(**KEPT)),
    Example(on.RenewalInvoiced, RESERVES, by.credit_reserved(**KEPT)),
    Example(on.ChangeInvoiced, RESERVES, by.credit_reserved(**KEPT)),
    Example(on.PrepaymentInvoiced, RESERVES, by.credit_reserved(**KEPT)),
    Example(on.CreditReserved, "", by.credit_reserved(**KEPT)),
    Example(on.InvoiceVoided, "", by.credit_set_free(**KEPT)),
    Example(on.CreditSpent, "Credit.", by.credit_spent(BY_CREDIT, **OF_BOTH)),
    Example(on.CreditSpent, "Goodwill.", by.credit_spent(BY_GOODWILL, **OF_BOTH)),
)

GOES_BACK: Final = (
    Example(on.CreditRefundRequested, "", by.credit_refund_requested(kes(25_000), fan_id=FAN)),
    Example(on.RefundSucceeded, "", by.refund_paid(kes(25_000), paid_from=COLLECTION)),
    Example(on.RefundFailed, "", by.credit_refund_failed(kes(25_000), fan_id=FAN)),
    Example(on.RefundReopenedAsFailed, "", by.credit_refund_came_back(kes(25_000), **WITHIN)),
    Example(
        on.RefundReopenedAsFailed,
        "Some of it had been an expense.",
        by.credit_refund_came_back(kes(25_000), **BEYOND),
    ),
    Example(on.RefundReopenedAsSucceeded, "", by.credit_refunded_after_all(kes(25_000), **WITHIN)),
    Example(
        on.RefundReopenedAsSucceeded,
        "Some of the credit had been spent meanwhile.",
        by.credit_refunded_after_all(kes(25_000), **BEYOND),
    ),
    Example(on.CreditTakenBack, "", by.credit_taken_back(kes(25_000), fan_id=FAN)),
    Example(on.CreditRestored, "", by.credit_restored(kes(25_000), fan_id=FAN)),
)

CREDIT: Final = (*COMES, *PAYS, *GOES_BACK)
"""In the order in which credit comes, pays, and goes back."""
