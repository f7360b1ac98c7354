"""Every fact that can be recorded: the auditor's schema.

Events are frozen, explicitly named (`TOPIC`) and never edited once published: a change is a new
class with a new topic, and an upcaster in ledger/serialization.py. Money has moved exactly where
an event has an `entry`. No event holds personal data: people are ids; phone numbers, names and
accounts at banks are ids of entries in the vault; reasons are written so that they name nobody.

Streams (`originator_id`): a creator's id; a payment's id, with its refunds, disputes and parked
money; a payout's id; for money that belongs to no payment the uuid5 of provider and transaction;
a proposal's id; a subscription's id, with its invoices; a fan's own stream, whose id is made from
theirs (ledger/fan.py); and for each of the platform's own facts an id of its own.
"""

from __future__ import annotations

from ledger.events.base import Event, FailureReason, Occasion, Reason, Text
from ledger.events.books import (
    AdjustmentPosted,
    BankCharged,
    CapitalAdded,
    CurrencyExchanged,
    PlatformWithdrawn,
    ProviderSettled,
    TaxRemitted,
    WalletFunded,
)
from ledger.events.catalog import (
    Price,
    PriceMigrationScheduled,
    PricePublished,
    TierArchived,
    TierCreated,
    TierPublished,
)
from ledger.events.creators import (
    CreatorClosed,
    CreatorRegistered,
    CreatorReinstated,
    CreatorSuspended,
    CreatorVerificationChanged,
    DebtWrittenOff,
    DestinationAdded,
    DestinationRemoved,
    DestinationVerified,
    FeePlanAssigned,
    FundsHeld,
    HoldReleased,
    PayoutScheduleSet,
    TaxProfileSet,
)
from ledger.events.disputes import (
    DisputeClosed,
    DisputeEvidenceNoted,
    DisputeFeeCharged,
    DisputeFeeReturned,
    DisputeOpened,
    DisputeWarned,
)
from ledger.events.documents import DocumentIssued, DocumentKind, DocumentLine
from ledger.events.fans import (
    EmailSet,
    FanSubscribed,
    PhoneConfirmationFailed,
    PhoneConfirmationStarted,
    PhoneConfirmed,
)
from ledger.events.invoice_payments import (
    CreditRefundRequested,
    CreditRestored,
    CreditSource,
    CreditSpent,
    CreditTakenBack,
    InvoicePaymentInitiated,
    PaymentReceivedAsCredit,
    ReceiptsCredited,
    UnusedTimeCredited,
)
from ledger.events.payments import (
    ContradictionRecorded,
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
    SurplusReceived,
)
from ledger.events.payouts import (
    ApprovalGiven,
    PayoutAttemptFailed,
    PayoutCancelled,
    PayoutContradictionRecorded,
    PayoutDestination,
    PayoutFailed,
    PayoutFailureAttested,
    PayoutHeld,
    PayoutPaid,
    PayoutRejected,
    PayoutReleased,
    PayoutRequested,
    PayoutReturned,
    PayoutSubmissionStarted,
    PayoutSubmissionUnknown,
    PayoutSubmitted,
)
from ledger.events.proposals import (
    Action,
    AllocateReceipts,
    AnyAction,
    PostAdjustment,
    ProposalCarriedOut,
    ProposalMade,
    ProposalRejected,
    ReturnReceipt,
    WriteOffDebt,
)
from ledger.events.receipts import (
    ReceiptReference,
    ReceiptReturnRequested,
    ReceiptsAllocated,
    ReceiptSpent,
    UnmatchedReceiptRecorded,
)
from ledger.events.refunds import (
    RefundFailed,
    RefundReopenedAsFailed,
    RefundReopenedAsSucceeded,
    RefundRequested,
    RefundSubmissionStarted,
    RefundSubmissionUnknown,
    RefundSubmitted,
    RefundSucceeded,
)
from ledger.events.subscriptions import (
    AttemptOrigin,
    CancellationRevoked,
    CancellationScheduled,
    ChangeInvoiced,
    CreditNoteIssued,
    CreditReserved,
    DunningScheduled,
    FirstPeriodInvoiced,
    InvoiceAttempted,
    InvoiceAttemptFailed,
    Invoiced,
    InvoiceKind,
    InvoiceVoided,
    PauseScheduled,
    PaymentMethod,
    PaymentMethodChanged,
    PeriodPaid,
    PeriodSkipped,
    PeriodsPrepaid,
    PrepaymentEnded,
    PrepaymentInvoiced,
    PriceMigrationNoticed,
    RenewalInvoiced,
    RenewalReminded,
    SubscriptionActivated,
    SubscriptionCancelled,
    SubscriptionExpired,
    SubscriptionPastDue,
    SubscriptionPaused,
    SubscriptionRecovered,
    SubscriptionResumed,
    SubscriptionStarted,
    TierChanged,
    TierChangeRevoked,
    TierChangeScheduled,
    TrialConverted,
    TrialStarted,
)

CatalogEvent = TierCreated | PricePublished | TierPublished | TierArchived | PriceMigrationScheduled
CreatorEvent = (
    CreatorRegistered
    | FeePlanAssigned
    | CreatorVerificationChanged
    | CreatorSuspended
    | CreatorReinstated
    | CreatorClosed
    | TaxProfileSet
    | DestinationAdded
    | DestinationVerified
    | DestinationRemoved
    | PayoutScheduleSet
    | FundsHeld
    | HoldReleased
    | DebtWrittenOff
    | CatalogEvent
)
FanEvent = (
    PhoneConfirmationStarted | PhoneConfirmationFailed | PhoneConfirmed | EmailSet | FanSubscribed
)
PaymentLifecycleEvent = (
    PaymentInitiated
    | PaymentSubmissionStarted
    | PaymentSubmitted
    | PaymentSubmissionUnknown
    | PaymentAuthorised
    | PaymentVoided
    | PaymentSucceeded
    | OverpaymentParked
    | PaymentMismatched
    | SurplusReceived
    | PaymentFailed
    | PaymentCancelled
    | PaymentExpired
    | ContradictionRecorded
    | ProviderFeeRecorded
    | FundsReleased
    | FanRefundRequested
    | FanRefundDeclined
    | ReceiptsAllocated
    | InvoicePaymentInitiated
    | PaymentReceivedAsCredit
    | ReceiptsCredited
    | CreditSpent
    | UnusedTimeCredited
    | CreditTakenBack
    | CreditRestored
)
RefundEvent = (
    RefundRequested
    | RefundSubmissionStarted
    | RefundSubmitted
    | RefundSubmissionUnknown
    | RefundSucceeded
    | RefundFailed
    | RefundReopenedAsFailed
    | RefundReopenedAsSucceeded
    | ReceiptReturnRequested
    | ReceiptSpent
    | CreditRefundRequested
)
DisputeEvent = (
    DisputeWarned
    | DisputeOpened
    | DisputeEvidenceNoted
    | DisputeClosed
    | DisputeFeeCharged
    | DisputeFeeReturned
)
PayoutEvent = (
    PayoutRequested
    | ApprovalGiven
    | PayoutHeld
    | PayoutReleased
    | PayoutRejected
    | PayoutCancelled
    | PayoutSubmissionStarted
    | PayoutSubmitted
    | PayoutSubmissionUnknown
    | PayoutAttemptFailed
    | PayoutPaid
    | PayoutFailed
    | PayoutFailureAttested
    | PayoutReturned
    | PayoutContradictionRecorded
)
ProposalEvent = ProposalMade | ProposalCarriedOut | ProposalRejected
BooksEvent = (
    ProviderSettled
    | WalletFunded
    | BankCharged
    | TaxRemitted
    | PlatformWithdrawn
    | CapitalAdded
    | CurrencyExchanged
    | AdjustmentPosted
)
SubscriptionEvent = (
    SubscriptionStarted
    | TrialStarted
    | TrialConverted
    | SubscriptionActivated
    | FirstPeriodInvoiced
    | RenewalInvoiced
    | ChangeInvoiced
    | PrepaymentInvoiced
    | CreditReserved
    | InvoiceAttempted
    | InvoiceAttemptFailed
    | DunningScheduled
    | PeriodPaid
    | PeriodsPrepaid
    | PrepaymentEnded
    | PeriodSkipped
    | InvoiceVoided
    | CreditNoteIssued
    | RenewalReminded
    | SubscriptionPastDue
    | SubscriptionRecovered
    | SubscriptionExpired
    | CancellationScheduled
    | CancellationRevoked
    | PauseScheduled
    | SubscriptionCancelled
    | SubscriptionPaused
    | SubscriptionResumed
    | TierChangeScheduled
    | TierChangeRevoked
    | TierChanged
    | PriceMigrationNoticed
    | PaymentMethodChanged
)
ReceiptEvent = UnmatchedReceiptRecorded
DocumentEvent = DocumentIssued
PaymentEvent = PaymentLifecycleEvent | RefundEvent | DisputeEvent
LedgerEvent = (
    CreatorEvent
    | FanEvent
    | PaymentEvent
    | SubscriptionEvent
    | ReceiptEvent
    | PayoutEvent
    | ProposalEvent
    | BooksEvent
    | DocumentEvent
)

EVENT_CLASSES: tuple[type[Event], ...] = (
    CreatorRegistered,
    FeePlanAssigned,
    CreatorVerificationChanged,
    CreatorSuspended,
    CreatorReinstated,
    CreatorClosed,
    TaxProfileSet,
    DestinationAdded,
    DestinationVerified,
    DestinationRemoved,
    PayoutScheduleSet,
    FundsHeld,
    HoldReleased,
    DebtWrittenOff,
    TierCreated,
    PricePublished,
    TierPublished,
    TierArchived,
    PriceMigrationScheduled,
    PhoneConfirmationStarted,
    PhoneConfirmationFailed,
    PhoneConfirmed,
    EmailSet,
    FanSubscribed,
    PaymentInitiated,
    PaymentSubmissionStarted,
    PaymentSubmitted,
    PaymentSubmissionUnknown,
    PaymentAuthorised,
    PaymentVoided,
    PaymentSucceeded,
    OverpaymentParked,
    PaymentMismatched,
    SurplusReceived,
    PaymentFailed,
    PaymentCancelled,
    PaymentExpired,
    ContradictionRecorded,
    ProviderFeeRecorded,
    FundsReleased,
    FanRefundRequested,
    FanRefundDeclined,
    InvoicePaymentInitiated,
    PaymentReceivedAsCredit,
    ReceiptsCredited,
    CreditSpent,
    UnusedTimeCredited,
    CreditRefundRequested,
    CreditTakenBack,
    CreditRestored,
    RefundRequested,
    RefundSubmissionStarted,
    RefundSubmitted,
    RefundSubmissionUnknown,
    RefundSucceeded,
    RefundFailed,
    RefundReopenedAsFailed,
    RefundReopenedAsSucceeded,
    DisputeWarned,
    DisputeOpened,
    DisputeEvidenceNoted,
    DisputeClosed,
    DisputeFeeCharged,
    DisputeFeeReturned,
    UnmatchedReceiptRecorded,
    ReceiptsAllocated,
    ReceiptSpent,
    ReceiptReturnRequested,
    PayoutRequested,
    ApprovalGiven,
    PayoutHeld,
    PayoutReleased,
    PayoutRejected,
    PayoutCancelled,
    PayoutSubmissionStarted,
    PayoutSubmitted,
    PayoutSubmissionUnknown,
    PayoutAttemptFailed,
    PayoutPaid,
    PayoutFailed,
    PayoutFailureAttested,
    PayoutReturned,
    PayoutContradictionRecorded,
    ProposalMade,
    ProposalCarriedOut,
    ProposalRejected,
    ProviderSettled,
    WalletFunded,
    BankCharged,
    TaxRemitted,
    PlatformWithdrawn,
    CapitalAdded,
    CurrencyExchanged,
    AdjustmentPosted,
    DocumentIssued,
    SubscriptionStarted,
    TrialStarted,
    TrialConverted,
    SubscriptionActivated,
    FirstPeriodInvoiced,
    RenewalInvoiced,
    ChangeInvoiced,
    PrepaymentInvoiced,
    CreditReserved,
    InvoiceAttempted,
    InvoiceAttemptFailed,
    DunningScheduled,
    PeriodPaid,
    PeriodsPrepaid,
    PrepaymentEnded,
    PeriodSkipped,
    InvoiceVoided,
    CreditNoteIssued,
    RenewalReminded,
    SubscriptionPastDue,
    SubscriptionRecovered,
    SubscriptionExpired,
    CancellationScheduled,
    CancellationRevoked,
    PauseScheduled,
    SubscriptionCancelled,
    SubscriptionPaused,
    SubscriptionResumed,
    TierChangeScheduled,
    TierChangeRevoked,
    TierChanged,
    PriceMigrationNoticed,
    PaymentMethodChanged,
)
"""All of them, for the serializer and the golden files."""

__all__ = [
    "EVENT_CLASSES",
    "Action",
    "AdjustmentPosted",
    "AllocateReceipts",
    "AnyAction",
    "ApprovalGiven",
    "AttemptOrigin",
    "BankCharged",
    "BooksEvent",
    "CancellationRevoked",
    "CancellationScheduled",
    "CapitalAdded",
    "CatalogEvent",
    "ChangeInvoiced",
    "ContradictionRecorded",
    "CreatorClosed",
    "CreatorEvent",
    "CreatorRegistered",
    "CreatorReinstated",
    "CreatorSuspended",
    "CreatorVerificationChanged",
    "CreditNoteIssued",
    "CreditRefundRequested",
    "CreditReserved",
    "CreditRestored",
    "CreditSource",
    "CreditSpent",
    "CreditTakenBack",
    "CurrencyExchanged",
    "DebtWrittenOff",
    "DestinationAdded",
    "DestinationRemoved",
    "DestinationVerified",
    "DisputeClosed",
    "DisputeEvent",
    "DisputeEvidenceNoted",
    "DisputeFeeCharged",
    "DisputeFeeReturned",
    "DisputeOpened",
    "DisputeWarned",
    "DocumentEvent",
    "DocumentIssued",
    "DocumentKind",
    "DocumentLine",
    "DunningScheduled",
    "EmailSet",
    "Event",
    "FailureReason",
    "FanEvent",
    "FanRefundDeclined",
    "FanRefundRequested",
    "FanSubscribed",
    "FeePlanAssigned",
    "FirstPeriodInvoiced",
    "FundsHeld",
    "FundsReleased",
    "HoldReleased",
    "InvoiceAttemptFailed",
    "InvoiceAttempted",
    "InvoiceKind",
    "InvoicePaymentInitiated",
    "InvoiceVoided",
    "Invoiced",
    "LedgerEvent",
    "Occasion",
    "OverpaymentParked",
    "PauseScheduled",
    "PaymentAuthorised",
    "PaymentCancelled",
    "PaymentEvent",
    "PaymentExpired",
    "PaymentFailed",
    "PaymentInitiated",
    "PaymentLifecycleEvent",
    "PaymentMethod",
    "PaymentMethodChanged",
    "PaymentMismatched",
    "PaymentReceivedAsCredit",
    "PaymentSubmissionStarted",
    "PaymentSubmissionUnknown",
    "PaymentSubmitted",
    "PaymentSucceeded",
    "PaymentVoided",
    "PayoutAttemptFailed",
    "PayoutCancelled",
    "PayoutContradictionRecorded",
    "PayoutDestination",
    "PayoutEvent",
    "PayoutFailed",
    "PayoutFailureAttested",
    "PayoutHeld",
    "PayoutPaid",
    "PayoutRejected",
    "PayoutReleased",
    "PayoutRequested",
    "PayoutReturned",
    "PayoutScheduleSet",
    "PayoutSubmissionStarted",
    "PayoutSubmissionUnknown",
    "PayoutSubmitted",
    "PeriodPaid",
    "PeriodSkipped",
    "PeriodsPrepaid",
    "PhoneConfirmationFailed",
    "PhoneConfirmationStarted",
    "PhoneConfirmed",
    "PlatformWithdrawn",
    "PostAdjustment",
    "PrepaymentEnded",
    "PrepaymentInvoiced",
    "Price",
    "PriceMigrationNoticed",
    "PriceMigrationScheduled",
    "PricePublished",
    "ProposalCarriedOut",
    "ProposalEvent",
    "ProposalMade",
    "ProposalRejected",
    "ProviderFeeRecorded",
    "ProviderSettled",
    "Reason",
    "ReceiptEvent",
    "ReceiptReference",
    "ReceiptReturnRequested",
    "ReceiptSpent",
    "ReceiptsAllocated",
    "ReceiptsCredited",
    "RefundEvent",
    "RefundFailed",
    "RefundReopenedAsFailed",
    "RefundReopenedAsSucceeded",
    "RefundRequested",
    "RefundSubmissionStarted",
    "RefundSubmissionUnknown",
    "RefundSubmitted",
    "RefundSucceeded",
    "RenewalInvoiced",
    "RenewalReminded",
    "ReturnReceipt",
    "SubscriptionActivated",
    "SubscriptionCancelled",
    "SubscriptionEvent",
    "SubscriptionExpired",
    "SubscriptionPastDue",
    "SubscriptionPaused",
    "SubscriptionRecovered",
    "SubscriptionResumed",
    "SubscriptionStarted",
    "SurplusReceived",
    "TaxProfileSet",
    "TaxRemitted",
    "Text",
    "TierArchived",
    "TierChangeRevoked",
    "TierChangeScheduled",
    "TierChanged",
    "TierCreated",
    "TierPublished",
    "TrialConverted",
    "TrialStarted",
    "UnmatchedReceiptRecorded",
    "UnusedTimeCredited",
    "WalletFunded",
    "WriteOffDebt",
]
