"""What does each posting rule do? An example of every one, with amounts that tell a story.

A payment of KES 1,000.00 is shared, refunded in part, disputed and paid out. The entries are what
ledger/postings.py answers; docs/posting-rules.md shows them.
"""

from __future__ import annotations

from typing import Final

from api.credit_posting_examples import CREDIT
from api.posting_amounts import (
    ALL_PENDING,
    AVAILABLE,
    BEYOND,
    BOTH,
    COLLECTION,
    CREATOR,
    CURRENCY,
    DISBURSEMENT,
    GIVEN_BACK,
    NO_LEG,
    NOTHING_OF_IT,
    OF,
    OF_DISPUTE,
    PART,
    PAYOUT,
    PENDING,
    PROVIDER,
    SPLIT,
    WHOLE,
    WON,
    Example,
    kes,
)
from ledger import events as on
from ledger import postings as by
from ledger.accounts import BANK, BANK_CHARGES, VAT, WITHHOLDING, CreatorFunds
from ledger.journal_entry import entry
from ledger.money import Money
from ledger.reversals import taken_from_creator

RECEIVED: Final = (
    Example(on.PaymentSucceeded, "", by.payment_received(SPLIT, **OF_DISPUTE)),
    Example(on.OverpaymentParked, "", by.receipt_parked(kes(5_000), provider=PROVIDER)),
    Example(on.PaymentMismatched, "", by.receipt_parked(kes(60_000), provider=PROVIDER)),
    Example(on.SurplusReceived, "", by.receipt_parked(kes(100_000), provider=PROVIDER)),
    Example(on.UnmatchedReceiptRecorded, "", by.receipt_parked(kes(40_000), provider=PROVIDER)),
    Example(
        on.ReceiptsAllocated,
        "Two receipts.",
        by.receipts_allocated([(PROVIDER, 60_000), (PROVIDER, 40_000)], SPLIT, **OF),
    ),
    Example(on.ProviderFeeRecorded, "", by.provider_fee_charged(kes(1_500), provider=PROVIDER)),
)

OF_CREATORS: Final = (
    Example(on.FundsReleased, "", by.funds_released(SPLIT.net, **OF)),
    Example(on.FundsHeld, "", by.funds_held(kes(20_000), creator_id=CREATOR)),
    Example(on.HoldReleased, "", by.hold_released(kes(20_000), creator_id=CREATOR)),
    Example(on.DebtWrittenOff, "", by.debt_written_off(kes(900), creator_id=CREATOR)),
)

REFUNDS: Final = (
    Example(on.RefundRequested, "Before the release.", by.refund_requested(PART, PENDING, **OF)),
    Example(on.RefundRequested, "After the release.", by.refund_requested(PART, AVAILABLE, **OF)),
    Example(
        on.RefundRequested,
        "Too little of the payment is left in pending.",
        by.refund_requested(PART, BOTH, **OF),
    ),
    Example(
        on.RefundRequested,
        "The provider refunded more than the payment.",
        by.refund_requested(BEYOND, ALL_PENDING, **OF),
    ),
    Example(on.RefundSucceeded, "", by.refund_paid(kes(25_000), paid_from=COLLECTION)),
    Example(on.RefundFailed, "Before the release.", by.refund_failed(PART, PENDING, **OF)),
    Example(on.RefundFailed, "After the release.", by.refund_failed(PART, AVAILABLE, **OF)),
    Example(
        on.RefundReopenedAsFailed,
        "",
        by.refund_reopened_as_failed(PART, AVAILABLE, paid_from=COLLECTION, **OF),
    ),
    Example(
        on.RefundReopenedAsSucceeded,
        "",
        by.refund_reopened_as_succeeded(PART, AVAILABLE, paid_from=COLLECTION, **OF),
    ),
)

RETURNS: Final = (
    Example(on.ReceiptReturnRequested, "", by.return_requested(kes(40_000), provider=PROVIDER)),
    Example(on.RefundSucceeded, "", by.refund_paid(kes(40_000), paid_from=COLLECTION)),
    Example(on.RefundFailed, "", by.return_failed(kes(40_000), provider=PROVIDER)),
    Example(
        on.RefundReopenedAsFailed,
        "",
        by.return_reopened_as_failed(kes(40_000), provider=PROVIDER, paid_from=COLLECTION),
    ),
    Example(
        on.RefundReopenedAsSucceeded,
        "",
        by.return_reopened_as_succeeded(kes(40_000), provider=PROVIDER, paid_from=COLLECTION),
    ),
    Example(
        on.RefundReopenedAsSucceeded,
        "The money had been allocated meanwhile.",
        by.spent_receipt_returned(kes(40_000), paid_from=COLLECTION),
    ),
    Example(
        on.RefundReopenedAsFailed,
        "The money had been allocated meanwhile.",
        by.spent_receipt_came_back(kes(40_000), paid_from=COLLECTION),
    ),
)

DISPUTES: Final = (
    Example(
        on.DisputeOpened,
        "The provider withdrew the money.",
        by.dispute_opened(WHOLE, ALL_PENDING, funds_withdrawn=True, **OF_DISPUTE),
    ),
    Example(
        on.DisputeOpened,
        "The provider left it.",
        by.dispute_opened(WHOLE, ALL_PENDING, funds_withdrawn=False, **OF_DISPUTE),
    ),
    Example(
        on.DisputeClosed,
        "Lost.",
        by.dispute_closed(WHOLE, NOTHING_OF_IT, NO_LEG, funds_withdrawn=True, **OF_DISPUTE),
    ),
    Example(
        on.DisputeClosed,
        "Lost, and the provider had left the money.",
        by.dispute_closed(WHOLE, NOTHING_OF_IT, NO_LEG, funds_withdrawn=False, **OF_DISPUTE),
    ),
    Example(
        on.DisputeClosed,
        "Won.",
        by.dispute_closed(NOTHING_OF_IT, WHOLE, ALL_PENDING, funds_withdrawn=True, **OF_DISPUTE),
    ),
    Example(
        on.DisputeClosed,
        "A quarter lost, the rest won.",
        by.dispute_closed(PART, WON, GIVEN_BACK, funds_withdrawn=True, **OF_DISPUTE),
    ),
    Example(
        on.DisputeFeeCharged,
        "The platform bears it.",
        by.dispute_fee_charged(kes(1_500), None, provider=PROVIDER, creator_id=CREATOR),
    ),
    Example(
        on.DisputeFeeCharged,
        "The creator bears it, after the release.",
        by.dispute_fee_charged(
            kes(1_500),
            taken_from_creator(1_500, pending=0),
            provider=PROVIDER,
            creator_id=CREATOR,
        ),
    ),
    Example(
        on.DisputeFeeReturned,
        "The platform had borne it.",
        by.dispute_fee_returned(kes(1_500), None, provider=PROVIDER, creator_id=CREATOR),
    ),
)

PAYOUTS: Final = (
    Example(on.PayoutRequested, "", by.payout_requested(PAYOUT, **OF)),
    Example(on.PayoutRejected, "", by.payout_given_back(PAYOUT, **OF)),
    Example(on.PayoutCancelled, "", by.payout_given_back(PAYOUT, **OF)),
    Example(on.PayoutFailed, "", by.payout_given_back(PAYOUT, **OF)),
    Example(
        on.PayoutPaid,
        "",
        by.payout_paid(PAYOUT, paid_from=DISBURSEMENT, funds=CreatorFunds.IN_TRANSIT, **OF),
    ),
    Example(
        on.PayoutPaid,
        "It had failed, been rejected or cancelled.",
        by.payout_paid(PAYOUT, paid_from=DISBURSEMENT, funds=CreatorFunds.AVAILABLE, **OF),
    ),
    Example(
        on.PayoutPaid,
        "A second time, by another transaction.",
        by.payout_paid(
            by.PayoutLegs(net=PAYOUT.net, fee=0, vat=0, withholding=0),
            paid_from=DISBURSEMENT,
            funds=CreatorFunds.AVAILABLE,
            **OF,
        ),
    ),
    Example(on.PayoutReturned, "", by.payout_returned(PAYOUT, paid_from=DISBURSEMENT, **OF)),
)

BOOKS: Final = (
    Example(on.ProviderSettled, "", by.provider_settled(kes(80_000), 250, provider=PROVIDER)),
    Example(
        on.WalletFunded,
        "From the bank.",
        by.wallet_funded(kes(50_000), provider=PROVIDER, funded_from=BANK),
    ),
    Example(
        on.WalletFunded,
        "From what the provider had collected.",
        by.wallet_funded(kes(50_000), provider=PROVIDER, funded_from=COLLECTION),
    ),
    Example(on.BankCharged, "", by.bank_charged(kes(300))),
    Example(on.TaxRemitted, "VAT.", by.tax_remitted(kes(SPLIT.vat), tax=VAT)),
    Example(
        on.TaxRemitted,
        "Withholding tax.",
        by.tax_remitted(kes(PAYOUT.withholding), tax=WITHHOLDING),
    ),
    Example(on.PlatformWithdrawn, "", by.platform_withdrew(kes(9_000))),
    Example(on.CapitalAdded, "", by.capital_added(kes(1_000_000))),
    Example(
        on.CurrencyExchanged,
        "",
        by.currency_exchanged(
            kes(129_500),
            Money(amount=1_000, currency="USD"),
            paid_from=BANK,
            received_in=DISBURSEMENT,
        ),
    ),
    Example(
        on.AdjustmentPosted,
        "For example of a charge that had been overlooked.",
        entry(CURRENCY, (BANK_CHARGES, 300), (BANK, -300)),
    ),
)

GROUPS: Final = {
    "Money that arrives": RECEIVED,
    "A creator's money": OF_CREATORS,
    "A fan's credit": CREDIT,
    "Refunds": REFUNDS,
    "Returns of parked money": RETURNS,
    "Disputes": DISPUTES,
    "Payouts": PAYOUTS,
    "The platform's own books": BOOKS,
}
"""What an accountant reads together, under its heading."""
