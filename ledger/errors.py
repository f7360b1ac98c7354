"""Every way the ledger can refuse or fail, as a tree; the docstring is the message.

    LedgerError
    ├── Refused                     the domain decided; stored under the idempotency key
    │   ├── NotFound                unknown, or somebody else's: one answer for both
    │   │   ├── CreatorNotFound, PaymentNotFound, RefundNotFound, FanRefundNotFound
    │   │   ├── DisputeNotFound, ReceiptNotFound, HoldNotFound
    │   │   ├── TierNotFound, PriceNotFound, SubscriptionNotFound, ConfirmationNotFound
    │   │   ├── PayoutNotFound, DestinationNotFound, ProposalNotFound, DocumentNotFound
    │   │   └── PersonNotFound
    │   ├── NotInThisState          the message names the state
    │   │   ├── CreatorAlreadyRegistered, CreatorStandingUnchanged
    │   │   ├── CreatorIsClosed, CreatorIsSuspended
    │   │   ├── VerificationMissing, AlreadyExists
    │   │   ├── PaymentNotCancellable, PaymentNotRefundable, PaymentNotReleasable
    │   │   ├── SubmissionAlreadyStarted, SubmissionNotAllowed, NotYetExpired, NotYetDue
    │   │   ├── FanRefundAlreadyOpen, ReceiptNotWaiting, PaymentNotAllocatable
    │   │   ├── DestinationNotUsable, TooManyDestinations
    │   │   ├── PayoutNotInThisState, InsufficientFunds
    │   │   ├── ProposalDecided, NoDebt
    │   │   ├── TierNotOffered, TooManyTiers, AlreadySubscribed, SubscriptionNotInThisState
    │   │   ├── AlreadyScheduled, NothingScheduled, NothingToPay, PromptLive, InvoiceOpen
    │   │   ├── TrialUsed, QuoteOutdated, TooManyConfirmations, ConfirmationOver
    │   │   ├── PhoneNotConfirmed, NoCreditLeft
    │   │   └── PersonErased, ObligationsOpen, RetentionOpen
    │   ├── NotAllowed              this person may not do this
    │   │   └── SecondPersonNeeded, ApproverInvolved
    │   └── Unacceptable            the request itself can never be accepted
    │       ├── AmountOutOfBounds, CurrencyUnknown, CurrencyNotAccepted, CurrencyDiffers
    │       ├── AmountNotPayable, PayoutTooSmall, RefundExceedsPayment
    │       ├── FeePlanMissing, FeePlanExceedsPayment
    │       ├── AccountNotAdjustable, RateDiffers, ProposalDiffers, ExpiryPassed
    │       ├── NothingChanges, MigrationNotPossible
    │       └── SelfPayment, ReportDisagrees
    ├── IdempotencyKeyReused        the key was used with another request
    ├── InvalidValue                the database refuses a value of this command
    ├── DecisionFailed              a defect of ours; only this command fails
    └── Unavailable                 always safe to repeat with the same key
        ├── NothingRecorded
        ├── OutcomeUnknown
        └── Overloaded

HTTP statuses live in api/errors.py alone. Braces in a docstring are filled from the parameters,
which never hold personal data, since they are stored with the idempotency key.
"""

from __future__ import annotations

from typing import ClassVar


class LedgerError(Exception):
    """The ledger cannot do this."""

    code: ClassVar[str] = "ledger_error"

    def __init__(self, **parameters: str | int) -> None:
        self.parameters = parameters
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The class's docstring with its parameters, fit to be shown to the caller."""
        text = " ".join((type(self).__doc__ or "").split())
        return text.format(**self.parameters)


class Refused(LedgerError):
    """The request was understood and refused."""

    code = "refused"


class NotFound(Refused):
    """There is no such object, or it is not yours."""

    code = "not_found"


class CreatorNotFound(NotFound):
    """There is no creator with this id. Check the id, or register the creator first."""

    code = "creator_not_found"


class PaymentNotFound(NotFound):
    """There is no payment with this id, or it is not yours."""

    code = "payment_not_found"


class RefundNotFound(NotFound):
    """There is no refund with this id on this payment."""

    code = "refund_not_found"


class FanRefundNotFound(NotFound):
    """No fan asked for this refund, or it was already granted or declined."""

    code = "fan_refund_not_found"


class DisputeNotFound(NotFound):
    """This payment has no such dispute. The names of its disputes are in the payment."""

    code = "dispute_not_found"


class ReceiptNotFound(NotFound):
    """No parked money of this provider and transaction lies on this stream."""

    code = "receipt_not_found"


class HoldNotFound(NotFound):
    """This creator has no such hold, or it has ended."""

    code = "hold_not_found"


class PayoutNotFound(NotFound):
    """There is no payout with this id, or it is not yours."""

    code = "payout_not_found"


class DestinationNotFound(NotFound):
    """This creator has no such destination, or it was removed. Add one first."""

    code = "destination_not_found"


class ProposalNotFound(NotFound):
    """There is no proposal with this id."""

    code = "proposal_not_found"


class DocumentNotFound(NotFound):
    """This creator has no document with this number. Their numbers are in the list of them."""

    code = "document_not_found"


class PersonNotFound(NotFound):
    """Nobody of this id is known: no money, and nothing in the vault."""

    code = "person_not_found"


class TierNotFound(NotFound):
    """There is no tier with this id that this creator has."""

    code = "tier_not_found"


class PriceNotFound(NotFound):
    """This tier has no such price. Its prices are in the creator's tiers."""

    code = "price_not_found"


class SubscriptionNotFound(NotFound):
    """There is no subscription with this id, or it is not yours."""

    code = "subscription_not_found"


class ConfirmationNotFound(NotFound):
    """There is no confirmation with this id, or it is not yours."""

    code = "confirmation_not_found"


class NotInThisState(Refused):
    """This cannot be done in the state {state}."""

    code = "not_in_this_state"


class CreatorAlreadyRegistered(NotInThisState):
    """A creator with this id is already registered. Use another id, or change its fee plan."""

    code = "creator_already_registered"


class CreatorIsClosed(NotInThisState):
    """This creator is closed and takes no new payments; nothing else about them changes."""

    code = "creator_closed"


class CreatorIsSuspended(NotInThisState):
    """This creator is suspended: no payouts until an admin reinstates them."""

    code = "creator_suspended"


class CreatorStandingUnchanged(NotInThisState):
    """The creator is {state} already."""

    code = "creator_standing_unchanged"


class VerificationMissing(NotInThisState):
    """Who this creator is has not been verified (it is {state}): no payouts until it is."""

    code = "verification_missing"


class AlreadyExists(NotInThisState):
    """This exists already and is recorded once. Look it up, or use another id or reference."""

    code = "already_exists"


class PaymentNotRefundable(NotInThisState):
    """The payment is {state}: only one that has succeeded can be refunded."""

    code = "payment_not_refundable"


class PaymentNotReleasable(NotInThisState):
    """The payment is {state}: it has no money in the settlement delay."""

    code = "payment_not_releasable"


class NotYetDue(NotInThisState):
    """It is {state} until {due_at}."""

    code = "not_yet_due"


class FanRefundAlreadyOpen(NotInThisState):
    """You have asked for a refund of this payment already. Wait until it is decided."""

    code = "fan_refund_already_open"


class ReceiptNotWaiting(NotInThisState):
    """This money is {state}; only money that waits in suspense can be allocated or returned."""

    code = "receipt_not_waiting"


class PaymentNotAllocatable(NotInThisState):
    """The payment is {state}. Money can be allocated to one that waits for a review or has ended
    without money; return the money instead."""

    code = "payment_not_allocatable"


class DestinationNotUsable(NotInThisState):
    """The destination is {state}, and may be used from {usable_at} on, once it is verified."""

    code = "destination_not_usable"


class TooManyDestinations(NotInThisState):
    """A creator may have {maximum} destinations. Remove one first."""

    code = "too_many_destinations"


class PayoutNotInThisState(NotInThisState):
    """The payout is {state}; this cannot be done any more, or not yet."""

    code = "payout_not_in_this_state"


class InsufficientFunds(NotInThisState):
    """Only {available} minor units of {currency} are available. Ask for less, or wait until more
    is."""

    code = "insufficient_funds"


class ProposalDecided(NotInThisState):
    """The proposal is {state} and cannot be decided again."""

    code = "proposal_decided"


class NoDebt(NotInThisState):
    """The creator owes {debt} minor units of {currency}; no more can be written off."""

    code = "no_debt"


class TierNotOffered(NotInThisState):
    """This tier is not offered to new subscribers: it is {state}."""

    code = "tier_not_offered"


class TooManyTiers(NotInThisState):
    """There are {maximum} already: no more can be added."""

    code = "too_many_tiers"


class AlreadySubscribed(NotInThisState):
    """You have a live subscription to this creator: it is {state}. Change or cancel that one."""

    code = "already_subscribed"


class SubscriptionNotInThisState(NotInThisState):
    """The subscription is {state}; this can be done only while it is {needed}."""

    code = "subscription_not_in_this_state"


class AlreadyScheduled(NotInThisState):
    """It is already going to be {state} with the end of the period."""

    code = "already_scheduled"


class NothingScheduled(NotInThisState):
    """The subscription goes on anyway: no end or pause is scheduled."""

    code = "nothing_scheduled"


class NothingToPay(NotInThisState):
    """Nothing is to be paid at the moment."""

    code = "nothing_to_pay"


class PromptLive(NotInThisState):
    """A prompt for this is live: answer it on the phone, or wait until it has ended."""

    code = "prompt_live"


class InvoiceOpen(NotInThisState):
    """A period that has begun is not paid yet. Pay it first, or cancel the subscription."""

    code = "invoice_open"


class TrialUsed(NotInThisState):
    """There is no trial for you here: each fan may try each creator once. Subscribe without one."""

    code = "trial_used"


class QuoteOutdated(NotInThisState):
    """The preview is outdated: {amount_due} minor units of {currency} are due. Look at it again."""

    code = "quote_outdated"


class TooManyConfirmations(NotInThisState):
    """Too many codes were asked for. Try again in {seconds} seconds."""

    code = "too_many_confirmations"


class ConfirmationOver(NotInThisState):
    """This code cannot be used any more. Ask for a new one."""

    code = "confirmation_over"


class PhoneNotConfirmed(NotInThisState):
    """This phone is not confirmed. Ask for a code and confirm it first."""

    code = "phone_not_confirmed"


class PersonErased(NotInThisState):
    """All that was kept of this person was erased, and nothing new is taken under their id."""

    code = "person_erased"


class ObligationsOpen(NotInThisState):
    """This person cannot be erased while this is open with them: {what}. Repeat it once that has
    ended."""

    code = "obligations_open"


class RetentionOpen(NotInThisState):
    """What is kept of this person has to be kept until {until}. Repeat it then."""

    code = "retention_open"


class NoCreditLeft(NotInThisState):
    """No credit that this payment brought can be refunded: {refundable} minor units are left."""

    code = "no_credit_left"


class NotAllowed(Refused):
    """You may not do this."""

    code = "not_allowed"


class SecondPersonNeeded(NotAllowed):
    """Another person than the one who asked for this must agree to it."""

    code = "second_person_needed"


class ApproverInvolved(NotAllowed):
    """Whoever requested a payout or edited its destination may not approve it, and nobody twice."""

    code = "approver_involved"


class PaymentNotCancellable(NotInThisState):
    """The payment is {state} and cannot be cancelled any more. If a prompt is on the phone,
    decline it there; otherwise wait until the payment ends."""

    code = "payment_not_cancellable"


class SubmissionAlreadyStarted(NotInThisState):
    """Another process already took this payment to the provider; it must not be pushed again."""

    code = "submission_already_started"


class SubmissionNotAllowed(NotInThisState):
    """The payment is {state}; it is not waiting to be taken to the provider."""

    code = "submission_not_allowed"


class NotYetExpired(NotInThisState):
    """The payment is {state} and may still be paid until {expires_at}."""

    code = "not_yet_expired"


class Unacceptable(Refused):
    """The request can never be accepted as it is."""

    code = "unacceptable"


class AmountOutOfBounds(Unacceptable):
    """The amount must lie between {minimum} and {maximum} minor units."""

    code = "amount_out_of_bounds"


class AmountNotPayable(Unacceptable):
    """The provider {provider} takes {currency} in steps of {step} minor units, from {minimum} to
    {maximum}. Change the amount."""

    code = "amount_not_payable"


class CurrencyUnknown(Unacceptable):
    """{currency} is not an ISO 4217 currency that this book knows."""

    code = "currency_unknown"


class CurrencyNotAccepted(Unacceptable):
    """This creator is paid in {accepted}; a payment in {currency} is refused. Pay in {accepted}."""

    code = "currency_not_accepted"


class CurrencyDiffers(Unacceptable):
    """This is in {expected}; an amount in {currency} does not fit. Use {expected}."""

    code = "currency_differs"


class PayoutTooSmall(Unacceptable):
    """After fees and taxes too little would be left: {provider} pays {currency} from {minimum}
    minor units on. Ask for more."""

    code = "payout_too_small"


class RefundExceedsPayment(Unacceptable):
    """At most {refundable} minor units of this payment can still be refunded. Ask for less."""

    code = "refund_exceeds_payment"


class AccountNotAdjustable(Unacceptable):
    """{account} follows from payments and payouts and cannot be adjusted by itself. Use a refund,
    an allocation or a return."""

    code = "account_not_adjustable"


class RateDiffers(Unacceptable):
    """Paid and received amounts do not agree with the rate: expected {expected} minor units."""

    code = "rate_differs"


class ProposalDiffers(Unacceptable):
    """This is not what was proposed. Read the proposal again before you agree to it."""

    code = "proposal_differs"


class ExpiryPassed(Unacceptable):
    """A hold must expire after now, and this time has passed. Choose a later one."""

    code = "expiry_passed"


class ReportDisagrees(Unacceptable):
    """The report disagrees with what was asked, or names what is not ours: a person must look."""

    code = "report_disagrees"


class ProviderUnknown(Unacceptable):
    """There is no provider named {provider} in this book."""

    code = "provider_unknown"


class FeePlanMissing(Unacceptable):
    """The creator has no fee plan yet, so a payment cannot be split. Assign one first."""

    code = "fee_plan_missing"


class FeePlanExceedsPayment(Unacceptable):
    """Fee and tax would be more than the payment: the creator's part would be negative."""

    code = "fee_plan_exceeds_payment"


class SelfPayment(Unacceptable):
    """A fan may not pay themself."""

    code = "self_payment"


class NothingChanges(Unacceptable):
    """The subscription has this tier at this price already."""

    code = "nothing_changes"


class MigrationNotPossible(Unacceptable):
    """A price can only be migrated to a later version of the same interval."""

    code = "migration_not_possible"


class IdempotencyKeyReused(LedgerError):
    """This idempotency key was already used for another request. Use a new key."""

    code = "idempotency_key_reused"


class InvalidValue(LedgerError):
    """The database cannot store a value of this request. Nothing was recorded; correct it."""

    code = "invalid_value"


class DecisionFailed(LedgerError):
    """The ledger failed to decide this request. Nothing was recorded for it."""

    code = "internal_error"


class Unavailable(LedgerError):
    """The ledger cannot be reached. Repeat with the same idempotency key."""

    code = "unavailable"


class NothingRecorded(Unavailable):
    """The ledger's database cannot be reached. Nothing was recorded; repeat with the same key."""

    code = "nothing_recorded"


class OutcomeUnknown(Unavailable):
    """The connection was lost while committing and the outcome is not known yet. Repeat with the
    same key: it answers with what happened, and nothing happens twice."""

    code = "outcome_unknown"


class Overloaded(Unavailable):
    """Too many requests are waiting. Nothing was recorded; repeat later with the same key."""

    code = "overloaded"


def _tree(cls: type[LedgerError]) -> dict[str, type[LedgerError]]:
    found = {cls.code: cls}
    for child in cls.__subclasses__():
        found.update(_tree(child))
    return found


ERRORS_BY_CODE: dict[str, type[LedgerError]] = _tree(LedgerError)
"""Every error by its stable code: the way from a stored refusal back to the error."""


def refusal(code: str, parameters: dict[str, str | int]) -> LedgerError:
    """Rebuild the error of a stored refusal from its code and parameters."""
    return ERRORS_BY_CODE[code](**parameters)
