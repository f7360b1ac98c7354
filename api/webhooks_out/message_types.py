"""Which events are told, under which name, and to whom? A row for each, also those that are not.

A type is a promise: its name and the fields of its data stay; fields may be added. What has to
change otherwise gets a new name. The log's own topics and events are nobody's but ours.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from ledger import events as facts
from ledger.serialization import UPCASTERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ledger.events import Event


class Audience(StrEnum):
    """Whose endpoints may get a type."""

    CREATOR = "creator"
    """The creator's whom it concerns, and the platform's."""
    PLATFORM = "platform"
    """The platform's alone."""


class Told(NamedTuple):
    """A public type, and who may get it."""

    type: str
    audience: Audience = Audience.CREATOR


_PLATFORM: Final = Audience.PLATFORM

PAYMENTS: Final[Mapping[type[Event], Told]] = {
    facts.PaymentInitiated: Told("payment.initiated"),
    facts.InvoicePaymentInitiated: Told("payment.initiated"),
    facts.PaymentAuthorised: Told("payment.authorised"),
    facts.PaymentVoided: Told("payment.voided"),
    facts.PaymentSucceeded: Told("payment.succeeded"),
    facts.ReceiptsAllocated: Told("payment.succeeded"),
    facts.CreditSpent: Told("payment.succeeded"),
    facts.PaymentFailed: Told("payment.failed"),
    facts.PaymentCancelled: Told("payment.cancelled"),
    facts.PaymentExpired: Told("payment.expired"),
    facts.FundsReleased: Told("payment.funds_released"),
    facts.PaymentMismatched: Told("payment.needs_review", _PLATFORM),
    facts.OverpaymentParked: Told("payment.overpaid", _PLATFORM),
    facts.SurplusReceived: Told("payment.overpaid", _PLATFORM),
    facts.ContradictionRecorded: Told("payment.contradicted", _PLATFORM),
    facts.PaymentReceivedAsCredit: Told("payment.credited", _PLATFORM),
    facts.ReceiptsCredited: Told("payment.credited", _PLATFORM),
    facts.FanRefundRequested: Told("refund.asked_for"),
    facts.FanRefundDeclined: Told("refund.declined"),
    facts.UnusedTimeCredited: Told("payment.time_credited"),
}
REFUNDS: Final[Mapping[type[Event], Told]] = {
    facts.RefundRequested: Told("refund.requested"),
    facts.RefundSucceeded: Told("refund.succeeded"),
    facts.RefundReopenedAsSucceeded: Told("refund.succeeded"),
    facts.RefundFailed: Told("refund.failed"),
    facts.RefundReopenedAsFailed: Told("refund.failed"),
    facts.CreditRefundRequested: Told("refund.requested", _PLATFORM),
    facts.ReceiptReturnRequested: Told("refund.requested", _PLATFORM),
}
DISPUTES: Final[Mapping[type[Event], Told]] = {
    facts.DisputeWarned: Told("dispute.warned"),
    facts.DisputeOpened: Told("dispute.opened"),
    facts.DisputeClosed: Told("dispute.closed"),
    facts.DisputeFeeCharged: Told("dispute.fee_charged"),
    facts.DisputeFeeReturned: Told("dispute.fee_returned", _PLATFORM),
}
PAYOUTS: Final[Mapping[type[Event], Told]] = {
    facts.PayoutRequested: Told("payout.requested"),
    facts.ApprovalGiven: Told("payout.approved", _PLATFORM),
    facts.PayoutHeld: Told("payout.held"),
    facts.PayoutReleased: Told("payout.released"),
    facts.PayoutRejected: Told("payout.rejected"),
    facts.PayoutCancelled: Told("payout.cancelled"),
    facts.PayoutSubmitted: Told("payout.submitted"),
    facts.PayoutAttemptFailed: Told("payout.attempt_failed", _PLATFORM),
    facts.PayoutPaid: Told("payout.paid"),
    facts.PayoutFailed: Told("payout.failed"),
    facts.PayoutReturned: Told("payout.returned"),
    facts.PayoutContradictionRecorded: Told("payout.contradicted", _PLATFORM),
}
SUBSCRIPTIONS: Final[Mapping[type[Event], Told]] = {
    facts.SubscriptionStarted: Told("subscription.started"),
    facts.TrialStarted: Told("subscription.trial_started"),
    facts.TrialConverted: Told("subscription.activated"),
    facts.SubscriptionActivated: Told("subscription.activated"),
    facts.SubscriptionPastDue: Told("subscription.past_due"),
    facts.SubscriptionRecovered: Told("subscription.recovered"),
    facts.SubscriptionExpired: Told("subscription.expired"),
    facts.CancellationScheduled: Told("subscription.cancellation_scheduled"),
    facts.CancellationRevoked: Told("subscription.cancellation_revoked"),
    facts.SubscriptionCancelled: Told("subscription.cancelled"),
    facts.PauseScheduled: Told("subscription.pause_scheduled"),
    facts.SubscriptionPaused: Told("subscription.paused"),
    facts.SubscriptionResumed: Told("subscription.resumed"),
    facts.TierChangeScheduled: Told("subscription.tier_change_scheduled"),
    facts.TierChangeRevoked: Told("subscription.tier_change_revoked"),
    facts.TierChanged: Told("subscription.tier_changed"),
}
INVOICES: Final[Mapping[type[Event], Told]] = {
    facts.FirstPeriodInvoiced: Told("invoice.issued"),
    facts.RenewalInvoiced: Told("invoice.issued"),
    facts.ChangeInvoiced: Told("invoice.issued"),
    facts.PrepaymentInvoiced: Told("invoice.issued"),
    facts.InvoiceAttemptFailed: Told("invoice.payment_failed"),
    facts.PeriodPaid: Told("invoice.paid"),
    facts.PeriodsPrepaid: Told("invoice.paid"),
    facts.InvoiceVoided: Told("invoice.voided"),
    facts.CreditNoteIssued: Told("invoice.credited"),
}
CREATORS: Final[Mapping[type[Event], Told]] = {
    facts.CreatorRegistered: Told("creator.registered"),
    facts.FeePlanAssigned: Told("creator.fee_plan_changed"),
    facts.CreatorVerificationChanged: Told("creator.verification_changed"),
    facts.CreatorSuspended: Told("creator.suspended"),
    facts.CreatorReinstated: Told("creator.reinstated"),
    facts.CreatorClosed: Told("creator.closed"),
    facts.PayoutScheduleSet: Told("creator.payout_schedule_changed"),
    facts.DebtWrittenOff: Told("creator.debt_written_off"),
    facts.DestinationAdded: Told("destination.added"),
    facts.DestinationVerified: Told("destination.verified"),
    facts.DestinationRemoved: Told("destination.removed"),
    facts.FundsHeld: Told("hold.placed"),
    facts.HoldReleased: Told("hold.released"),
    facts.TierCreated: Told("tier.created"),
    facts.PricePublished: Told("tier.price_published"),
    facts.TierPublished: Told("tier.published"),
    facts.TierArchived: Told("tier.archived"),
    facts.DocumentIssued: Told("document.issued"),
}
SUSPENSE: Final[Mapping[type[Event], Told]] = {
    facts.UnmatchedReceiptRecorded: Told("receipt.unmatched", _PLATFORM),
}

TOLD: Final[Mapping[type[Event], Told]] = {
    **PAYMENTS,
    **REFUNDS,
    **DISPUTES,
    **PAYOUTS,
    **SUBSCRIPTIONS,
    **INVOICES,
    **CREATORS,
    **SUSPENSE,
}

NOT_TOLD: Final[Mapping[type[Event], str]] = {
    **dict.fromkeys(
        (
            *(facts.PaymentSubmissionStarted, facts.PaymentSubmitted),
            *(facts.PaymentSubmissionUnknown, facts.RefundSubmissionStarted),
            *(facts.RefundSubmitted, facts.RefundSubmissionUnknown),
            *(facts.PayoutSubmissionStarted, facts.PayoutSubmissionUnknown),
        ),
        "a step between us and a provider",
    ),
    **dict.fromkeys(
        (facts.ProviderFeeRecorded, facts.DisputeEvidenceNoted, facts.PayoutFailureAttested),
        "between the platform and its provider",
    ),
    **dict.fromkeys(
        (
            *(facts.PhoneConfirmationStarted, facts.PhoneConfirmationFailed, facts.PhoneConfirmed),
            *(facts.EmailSet, facts.FanSubscribed, facts.PaymentMethodChanged),
            *(facts.RenewalReminded, facts.PriceMigrationNoticed),
        ),
        "about a fan alone",
    ),
    **dict.fromkeys(
        (facts.CreditTakenBack, facts.CreditRestored, facts.CreditReserved),
        "a fan's credit, which is theirs",
    ),
    **dict.fromkeys(
        (
            *(facts.InvoiceAttempted, facts.DunningScheduled, facts.PeriodSkipped),
            *(facts.PrepaymentEnded, facts.PriceMigrationScheduled, facts.ReceiptSpent),
        ),
        "told by what it leads to",
    ),
    facts.TaxProfileSet: "taxes are between a creator and the platform's admins",
    **dict.fromkeys(
        (facts.ProposalMade, facts.ProposalCarriedOut, facts.ProposalRejected),
        "decided among admins",
    ),
    **dict.fromkeys(
        (
            *(facts.ProviderSettled, facts.WalletFunded, facts.BankCharged, facts.TaxRemitted),
            *(facts.PlatformWithdrawn, facts.CapitalAdded, facts.CurrencyExchanged),
            facts.AdjustmentPosted,
        ),
        "the platform's own books",
    ),
}
"""Every other event, and why nobody outside is told."""

TEST_TYPE: Final = "webhook.test"
"""What an owner may have sent to see whether it arrives."""

TYPES: Final[tuple[str, ...]] = tuple(sorted({told.type for told in TOLD.values()}))
CREATOR_TYPES: Final[tuple[str, ...]] = tuple(
    sorted({told.type for told in TOLD.values() if told.audience is Audience.CREATOR})
)
EVERYTHING: Final = "*"


def _by_topic() -> dict[str, Told]:
    """By every topic that the log may hold, those of old included."""
    found = {event.TOPIC: told for event, told in TOLD.items()}
    for topic in UPCASTERS:
        newest = topic
        while newest in UPCASTERS:
            newest = UPCASTERS[newest][0]
        if newest in found:
            found[topic] = found[newest]
    return found


BY_TOPIC: Final[Mapping[str, Told]] = _by_topic()
