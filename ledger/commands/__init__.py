"""Every request that the ledger decides, from a fan's wish to what a provider reported.

A command names its idempotency key, its actor and its cause. What it is allowed to do is decided
in ledger/decisions.py; what happened is in ledger/events.
"""

from __future__ import annotations

from ledger.commands.base import (
    IDEMPOTENCY_KEY_LENGTH_MAX,
    AwaitConfirmation,
    CallbackCommand,
    Command,
    IdempotencyKey,
    IgnoreCallback,
    ParkCallback,
)
from ledger.commands.books import (
    AddCapital,
    BooksCommand,
    ExchangeCurrency,
    FundWallet,
    IssueDocument,
    RecordBankCharge,
    RecordSettlement,
    RemitTax,
    StatedFact,
    WithdrawEarnings,
)
from ledger.commands.catalog import (
    ArchiveTier,
    CreateTier,
    PublishPrice,
    PublishTier,
    SchedulePriceMigration,
    TierCommand,
)
from ledger.commands.creators import (
    AddDestination,
    AssignFeePlan,
    ChangeVerification,
    CloseCreator,
    CreatorCommand,
    HoldFunds,
    RegisterCreator,
    ReinstateCreator,
    ReleaseHold,
    RemoveDestination,
    SetPayoutSchedule,
    SetTaxProfile,
    SuspendCreator,
    VerifyDestination,
)
from ledger.commands.disputes import (
    NoteDisputeEvidence,
    RecordDisputeReport,
)
from ledger.commands.fans import (
    ConfirmPhone,
    FanCommand,
    SetEmail,
    StartPhoneConfirmation,
    fan_stream,
)
from ledger.commands.payments import (
    CancelPayment,
    ExpirePayment,
    InitiatePayment,
    PaymentCommand,
    PaymentTerms,
    RecordFeeReport,
    RecordReport,
    RecordSubmissionUnknown,
    RecordSubmitted,
    ReleaseFunds,
    StartSubmission,
)
from ledger.commands.payouts import (
    ApprovePayout,
    AttestPayoutFailure,
    CancelPayout,
    HoldPayout,
    PayoutCommand,
    PayoutTerms,
    RecordPayoutReport,
    RecordPayoutSubmissionUnknown,
    RecordPayoutSubmitted,
    RejectPayout,
    ReleasePayout,
    RequestPayout,
    StartPayoutSubmission,
)
from ledger.commands.proposals import (
    ActionCommand,
    ApproveProposal,
    Propose,
    RejectProposal,
    goodwill_taken,
    streams_of,
)
from ledger.commands.refunds import (
    AskForRefund,
    DeclineFanRefund,
    RecordRefundReport,
    RecordRefundSubmissionUnknown,
    RecordRefundSubmitted,
    RefundCommand,
    RequestRefund,
    StartRefundSubmission,
)
from ledger.commands.reports import (
    AnyReport,
    Claim,
    DisputeReport,
    DisputeStage,
    FeeReport,
    PayoutClaim,
    PayoutReport,
    ProviderReport,
    RefundClaim,
    RefundReport,
    SettlementReport,
)
from ledger.commands.subscriptions import (
    AdvanceSubscription,
    CancelSubscription,
    ChangePaymentMethod,
    ChangeTier,
    PauseSubscription,
    PayInvoice,
    Prepay,
    RequestCreditRefund,
    ResumeSubscription,
    RevokeCancellation,
    Subscribe,
    SubscriptionCommand,
)

CatalogRequest = CreateTier | PublishPrice | PublishTier | ArchiveTier | SchedulePriceMigration
CreatorRequest = (
    RegisterCreator
    | AssignFeePlan
    | ChangeVerification
    | SuspendCreator
    | ReinstateCreator
    | CloseCreator
    | SetTaxProfile
    | AddDestination
    | VerifyDestination
    | RemoveDestination
    | SetPayoutSchedule
    | HoldFunds
    | ReleaseHold
    | CatalogRequest
)
FanRequest = StartPhoneConfirmation | ConfirmPhone | SetEmail
SubscriptionRequest = (
    PayInvoice
    | CancelSubscription
    | RevokeCancellation
    | PauseSubscription
    | ResumeSubscription
    | ChangeTier
    | Prepay
    | ChangePaymentMethod
    | AdvanceSubscription
)
PaymentRequest = (
    CancelPayment
    | StartSubmission
    | RecordSubmitted
    | RecordSubmissionUnknown
    | ExpirePayment
    | ReleaseFunds
    | AskForRefund
    | DeclineFanRefund
    | RequestRefund
    | NoteDisputeEvidence
)
RefundRequest = StartRefundSubmission | RecordRefundSubmitted | RecordRefundSubmissionUnknown
PayoutRequest = (
    ApprovePayout
    | HoldPayout
    | ReleasePayout
    | RejectPayout
    | CancelPayout
    | StartPayoutSubmission
    | RecordPayoutSubmitted
    | RecordPayoutSubmissionUnknown
    | AttestPayoutFailure
)
ProposalRequest = Propose | ApproveProposal | RejectProposal
BooksRequest = (
    RecordSettlement
    | FundWallet
    | RecordBankCharge
    | RemitTax
    | WithdrawEarnings
    | AddCapital
    | ExchangeCurrency
)
ReportRequest = (
    RecordReport | RecordFeeReport | RecordRefundReport | RecordDisputeReport | RecordPayoutReport
)
LedgerCommand = (
    CreatorRequest
    | FanRequest
    | Subscribe
    | SubscriptionRequest
    | RequestCreditRefund
    | InitiatePayment
    | PaymentRequest
    | RefundRequest
    | RequestPayout
    | PayoutRequest
    | ProposalRequest
    | BooksRequest
    | IssueDocument
    | ReportRequest
    | ParkCallback
    | AwaitConfirmation
    | IgnoreCallback
)

__all__ = [
    "IDEMPOTENCY_KEY_LENGTH_MAX",
    "ActionCommand",
    "AddCapital",
    "AddDestination",
    "AdvanceSubscription",
    "AnyReport",
    "ApprovePayout",
    "ApproveProposal",
    "ArchiveTier",
    "AskForRefund",
    "AssignFeePlan",
    "AttestPayoutFailure",
    "AwaitConfirmation",
    "BooksCommand",
    "BooksRequest",
    "CallbackCommand",
    "CancelPayment",
    "CancelPayout",
    "CancelSubscription",
    "CatalogRequest",
    "ChangePaymentMethod",
    "ChangeTier",
    "ChangeVerification",
    "Claim",
    "CloseCreator",
    "Command",
    "ConfirmPhone",
    "CreateTier",
    "CreatorCommand",
    "CreatorRequest",
    "DeclineFanRefund",
    "DisputeReport",
    "DisputeStage",
    "ExchangeCurrency",
    "ExpirePayment",
    "FanCommand",
    "FanRequest",
    "FeeReport",
    "FundWallet",
    "HoldFunds",
    "HoldPayout",
    "IdempotencyKey",
    "IgnoreCallback",
    "InitiatePayment",
    "IssueDocument",
    "LedgerCommand",
    "NoteDisputeEvidence",
    "ParkCallback",
    "PauseSubscription",
    "PayInvoice",
    "PaymentCommand",
    "PaymentRequest",
    "PaymentTerms",
    "PayoutClaim",
    "PayoutCommand",
    "PayoutReport",
    "PayoutRequest",
    "PayoutTerms",
    "Prepay",
    "ProposalRequest",
    "Propose",
    "ProviderReport",
    "PublishPrice",
    "PublishTier",
    "RecordBankCharge",
    "RecordDisputeReport",
    "RecordFeeReport",
    "RecordPayoutReport",
    "RecordPayoutSubmissionUnknown",
    "RecordPayoutSubmitted",
    "RecordRefundReport",
    "RecordRefundSubmissionUnknown",
    "RecordRefundSubmitted",
    "RecordReport",
    "RecordSettlement",
    "RecordSubmissionUnknown",
    "RecordSubmitted",
    "RefundClaim",
    "RefundCommand",
    "RefundReport",
    "RefundRequest",
    "RegisterCreator",
    "ReinstateCreator",
    "RejectPayout",
    "RejectProposal",
    "ReleaseFunds",
    "ReleaseHold",
    "ReleasePayout",
    "RemitTax",
    "RemoveDestination",
    "ReportRequest",
    "RequestCreditRefund",
    "RequestPayout",
    "RequestRefund",
    "ResumeSubscription",
    "RevokeCancellation",
    "SchedulePriceMigration",
    "SetEmail",
    "SetPayoutSchedule",
    "SetTaxProfile",
    "SettlementReport",
    "StartPayoutSubmission",
    "StartPhoneConfirmation",
    "StartRefundSubmission",
    "StartSubmission",
    "StatedFact",
    "Subscribe",
    "SubscriptionCommand",
    "SubscriptionRequest",
    "SuspendCreator",
    "TierCommand",
    "VerifyDestination",
    "WithdrawEarnings",
    "fan_stream",
    "goodwill_taken",
    "streams_of",
]
