"""What the ledger may refuse of each command: what the routes declare of their answers.

Of those that pay for a period the answer may be about the creator's fee plan too. Whatever may
happen to every command (a key that was used, a database that is away) is in api/responses.py.
"""

from __future__ import annotations

from typing import Final

from ledger import commands, errors
from ledger.commands import Command
from ledger.errors import LedgerError

Errors = tuple[type[LedgerError], ...]

SPLIT: Final[Errors] = (errors.FeePlanMissing, errors.FeePlanExceedsPayment)
"""Of whatever begins a payment, which is split as it begins."""

CREATORS: Final[dict[type[Command], Errors]] = {
    commands.RegisterCreator: (
        *(errors.CreatorAlreadyRegistered, errors.AlreadyExists),
        errors.PersonErased,
    ),
    commands.AssignFeePlan: (errors.CreatorNotFound,),
    commands.ChangeVerification: (errors.CreatorNotFound,),
    commands.SuspendCreator: (
        *(errors.CreatorNotFound, errors.CreatorIsClosed),
        errors.CreatorStandingUnchanged,
    ),
    commands.ReinstateCreator: (errors.CreatorNotFound, errors.CreatorStandingUnchanged),
    commands.CloseCreator: (errors.CreatorNotFound, errors.CreatorIsClosed),
    commands.SetTaxProfile: (errors.CreatorNotFound, errors.PersonErased),
    commands.AddDestination: (
        *(errors.CreatorNotFound, errors.AlreadyExists),
        *(errors.TooManyDestinations, errors.PersonErased),
    ),
    commands.VerifyDestination: (errors.CreatorNotFound, errors.DestinationNotFound),
    commands.RemoveDestination: (errors.CreatorNotFound, errors.DestinationNotFound),
    commands.SetPayoutSchedule: (errors.CreatorNotFound, errors.DestinationNotFound),
    commands.HoldFunds: (
        *(errors.CreatorNotFound, errors.AlreadyExists, errors.InsufficientFunds),
        *(errors.CurrencyDiffers, errors.ExpiryPassed),
    ),
    commands.ReleaseHold: (errors.CreatorNotFound, errors.HoldNotFound),
    commands.CreateTier: (
        *(errors.CreatorNotFound, errors.CreatorIsClosed),
        *(errors.AlreadyExists, errors.TooManyTiers),
    ),
    commands.PublishPrice: (
        *(errors.CreatorNotFound, errors.TierNotFound, errors.CreatorIsClosed),
        *(errors.TierNotOffered, errors.TooManyTiers, errors.CurrencyNotAccepted),
    ),
    commands.PublishTier: (
        *(errors.CreatorNotFound, errors.TierNotFound, errors.PriceNotFound),
        *(errors.CreatorIsClosed, errors.TierNotOffered),
    ),
    commands.ArchiveTier: (errors.CreatorNotFound, errors.TierNotFound),
    commands.SchedulePriceMigration: (
        *(errors.CreatorNotFound, errors.TierNotFound, errors.PriceNotFound),
        errors.MigrationNotPossible,
    ),
}

PAYMENTS: Final[dict[type[Command], Errors]] = {
    commands.InitiatePayment: (
        *(errors.CreatorNotFound, errors.CreatorIsClosed, errors.PhoneNotConfirmed),
        *(errors.AmountNotPayable, errors.CurrencyNotAccepted, errors.SelfPayment),
        errors.PersonErased,
        *SPLIT,
    ),
    commands.CancelPayment: (errors.PaymentNotFound, errors.PaymentNotCancellable),
    commands.AskForRefund: (
        *(errors.PaymentNotFound, errors.FanRefundAlreadyOpen),
        *(errors.PaymentNotRefundable, errors.RefundExceedsPayment),
    ),
    commands.DeclineFanRefund: (errors.PaymentNotFound, errors.FanRefundNotFound),
    commands.RequestRefund: (
        *(errors.PaymentNotFound, errors.FanRefundNotFound, errors.AlreadyExists),
        *(errors.PaymentNotRefundable, errors.RefundExceedsPayment),
        *(errors.AmountNotPayable, errors.CurrencyDiffers),
    ),
    commands.RequestCreditRefund: (
        *(errors.PaymentNotFound, errors.AlreadyExists, errors.NoCreditLeft),
        *(errors.AmountNotPayable, errors.CurrencyDiffers),
    ),
    commands.NoteDisputeEvidence: (
        *(errors.PaymentNotFound, errors.DisputeNotFound),
        errors.NotInThisState,
    ),
}

PAYOUTS: Final[dict[type[Command], Errors]] = {
    commands.RequestPayout: (
        *(errors.CreatorNotFound, errors.CreatorIsSuspended, errors.VerificationMissing),
        *(errors.DestinationNotFound, errors.DestinationNotUsable, errors.AlreadyExists),
        *(errors.InsufficientFunds, errors.AmountNotPayable),
        *(errors.CurrencyDiffers, errors.PayoutTooSmall),
    ),
    commands.ApprovePayout: (
        *(errors.PayoutNotFound, errors.PayoutNotInThisState),
        errors.ApproverInvolved,
    ),
    commands.HoldPayout: (errors.PayoutNotFound, errors.PayoutNotInThisState),
    commands.ReleasePayout: (errors.PayoutNotFound, errors.PayoutNotInThisState),
    commands.RejectPayout: (errors.PayoutNotFound, errors.PayoutNotInThisState),
    commands.CancelPayout: (errors.PayoutNotFound, errors.PayoutNotInThisState),
    commands.AttestPayoutFailure: (
        *(errors.PayoutNotFound, errors.PayoutNotInThisState),
        errors.SecondPersonNeeded,
    ),
}

OF_SUBSCRIPTION: Final[Errors] = (errors.SubscriptionNotFound, errors.SubscriptionNotInThisState)

CHANGE_OF_TIER: Final[Errors] = (
    *OF_SUBSCRIPTION,
    *(errors.CreatorNotFound, errors.CreatorIsClosed, errors.TierNotFound),
    *(errors.TierNotOffered, errors.PriceNotFound, errors.InvoiceOpen, errors.NothingChanges),
)
"""Of a change of tier and of its preview."""

SUBSCRIPTIONS: Final[dict[type[Command], Errors]] = {
    commands.Subscribe: (
        *(errors.CreatorNotFound, errors.CreatorIsClosed, errors.CreatorIsSuspended),
        *(errors.TierNotFound, errors.TierNotOffered, errors.PriceNotFound),
        *(errors.AlreadySubscribed, errors.AlreadyExists, errors.TrialUsed),
        *(errors.PhoneNotConfirmed, errors.AmountNotPayable, errors.CurrencyNotAccepted),
        *(errors.SelfPayment, errors.PersonErased),
        *SPLIT,
    ),
    commands.PayInvoice: (
        *OF_SUBSCRIPTION,
        *(errors.CreatorIsClosed, errors.NothingToPay),
        *(errors.PromptLive, errors.AmountNotPayable),
        *SPLIT,
    ),
    commands.CancelSubscription: (*OF_SUBSCRIPTION, errors.AlreadyScheduled),
    commands.RevokeCancellation: (*OF_SUBSCRIPTION, errors.NothingScheduled),
    commands.PauseSubscription: (*OF_SUBSCRIPTION, errors.AlreadyScheduled, errors.InvoiceOpen),
    commands.ResumeSubscription: (
        *OF_SUBSCRIPTION,
        errors.CreatorIsClosed,
        errors.AmountNotPayable,
        *SPLIT,
    ),
    commands.ChangeTier: (
        *CHANGE_OF_TIER,
        *(errors.PromptLive, errors.QuoteOutdated),
        *(errors.AlreadyExists, errors.AmountNotPayable),
        *SPLIT,
    ),
    commands.Prepay: (
        *OF_SUBSCRIPTION,
        *(errors.CreatorIsClosed, errors.AlreadyScheduled),
        *(errors.InvoiceOpen, errors.PromptLive, errors.AlreadyExists),
        errors.AmountNotPayable,
        *SPLIT,
    ),
    commands.ChangePaymentMethod: (
        *OF_SUBSCRIPTION,
        *(errors.PhoneNotConfirmed, errors.PersonErased),
    ),
}

FANS: Final[dict[type[Command], Errors]] = {
    commands.StartPhoneConfirmation: (errors.TooManyConfirmations, errors.PersonErased),
    commands.ConfirmPhone: (errors.ConfirmationNotFound, errors.ConfirmationOver),
    commands.SetEmail: (errors.PersonErased,),
}

PROPOSED: Final[Errors] = (
    *(errors.CreatorNotFound, errors.PaymentNotFound, errors.ReceiptNotFound),
    *(errors.AlreadyExists, errors.InsufficientFunds, errors.NoDebt),
    *(errors.PaymentNotAllocatable, errors.ReceiptNotWaiting, errors.AccountNotAdjustable),
    *(errors.AmountOutOfBounds, errors.CurrencyDiffers),
)
"""Of what is proposed: when it is, and again when it is carried out."""

BOOKS: Final[dict[type[Command], Errors]] = {
    commands.Propose: PROPOSED,
    commands.ApproveProposal: (
        *PROPOSED,
        *(errors.ProposalNotFound, errors.ProposalDecided),
        *(errors.ProposalDiffers, errors.SecondPersonNeeded),
    ),
    commands.RejectProposal: (errors.ProposalNotFound, errors.ProposalDecided),
    commands.RecordSettlement: (errors.AlreadyExists, errors.AmountOutOfBounds),
    commands.FundWallet: (errors.AlreadyExists,),
    commands.RecordBankCharge: (errors.AlreadyExists,),
    commands.RemitTax: (errors.AlreadyExists,),
    commands.WithdrawEarnings: (errors.AlreadyExists,),
    commands.AddCapital: (errors.AlreadyExists,),
    commands.ExchangeCurrency: (
        *(errors.AlreadyExists, errors.AccountNotAdjustable),
        *(errors.CurrencyDiffers, errors.RateDiffers),
    ),
    commands.IssueDocument: (errors.CreatorNotFound, errors.AlreadyExists),
    commands.AwaitConfirmation: (),
    commands.IgnoreCallback: (),
}

REFUSALS: Final = {**CREATORS, **PAYMENTS, **PAYOUTS, **SUBSCRIPTIONS, **FANS, **BOOKS}
