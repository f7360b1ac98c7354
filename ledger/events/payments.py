"""A payment's facts, from a fan's wish to money that arrived, was released, or never came."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from ledger.events.base import Event, FailureReason, Reason, Text
from ledger.journal_entry import JournalEntry
from ledger.money import Money, Split
from ledger.postings import FeePlan


class PaymentInitiated(Event):
    """A fan wants to pay; plan and split are frozen, nothing was asked of the provider yet."""

    TOPIC = "payment.initiated.v1"

    fan_id: UUID
    creator_id: UUID
    purpose: Literal["tip", "purchase"]
    reference: Annotated[str, Field(max_length=64)] | None
    money: Money
    plan: FeePlan
    split: Split
    provider: Text
    phone: UUID
    expires_at: AwareDatetime


class PaymentSubmissionStarted(Event):
    """One process, and only it, may now call the provider.

    After the deadline, when its call has timed out, a missing answer means unknown.
    """

    TOPIC = "payment.submission_started.v1"

    attempt: int = Field(ge=1)
    claim: UUID
    deadline: AwareDatetime


class PaymentSubmitted(Event):
    """The provider took the request: a prompt is on the phone."""

    TOPIC = "payment.submitted.v1"

    attempt: int = Field(ge=1)
    provider_reference: Text


class PaymentSubmissionUnknown(Event):
    """The call to the provider ended without an answer: never push again, ask."""

    TOPIC = "payment.submission_unknown.v1"

    attempt: int = Field(ge=1)
    reason: FailureReason


class PaymentAuthorised(Event):
    """The card's bank promised the money; it has not arrived yet."""

    TOPIC = "payment.authorised.v1"

    provider_reference: Text


class PaymentVoided(Event):
    """An authorisation was given back unused: the payment ends without money."""

    TOPIC = "payment.voided.v1"

    reason: FailureReason


class PaymentSucceeded(Event):
    """The gross amount arrived. `late`: after we had given the payment up.

    The creator's part is pending until `releases_at`.
    """

    TOPIC = "payment.succeeded.v2"

    provider: Text
    provider_transaction: Text
    money: Money
    late: bool
    releases_at: AwareDatetime
    entry: JournalEntry


class OverpaymentParked(Event):
    """More than the gross arrived with the success; the excess waits in suspense."""

    TOPIC = "payment.overpayment_parked.v1"

    provider: Text
    provider_transaction: Text
    excess: Money
    entry: JournalEntry


class PaymentMismatched(Event):
    """Too little or another currency arrived; it waits in suspense for a person to decide."""

    TOPIC = "payment.mismatched.v1"

    provider: Text
    provider_transaction: Text
    expected: Money
    received: Money
    entry: JournalEntry


class SurplusReceived(Event):
    """Another transaction paid for a payment that already has its money; it waits in suspense."""

    TOPIC = "payment.surplus_received.v1"

    provider: Text
    provider_transaction: Text
    received: Money
    entry: JournalEntry


class PaymentFailed(Event):
    """The provider refused, or it is certain that it never got the request."""

    TOPIC = "payment.failed.v1"

    reason: FailureReason


class PaymentCancelled(Event):
    """The fan abandoned it: with us, or by declining the prompt."""

    TOPIC = "payment.cancelled.v1"

    reason: FailureReason


class PaymentExpired(Event):
    """Nobody paid in time. Money that still arrives is taken, as a late success."""

    TOPIC = "payment.expired.v1"


class ContradictionRecorded(Event):
    """The provider says the opposite of what it said before; nothing is reversed by itself."""

    TOPIC = "payment.contradiction_recorded.v1"

    state: Text
    claim: Text
    provider_transaction: Text | None


class ProviderFeeRecorded(Event):
    """The provider kept a fee for this payment; `fee_reference` is the provider's, used once."""

    TOPIC = "payment.provider_fee_recorded.v1"

    provider: Text
    fee_reference: Text
    fee: Money
    entry: JournalEntry


class FundsReleased(Event):
    """The settlement delay is over, once: what the payment still has in pending is available.

    `amount` in minor units; without an entry when nothing was left.
    """

    TOPIC = "payment.funds_released.v1"

    amount: Annotated[int, Field(strict=True, ge=0)]
    entry: JournalEntry | None


class FanRefundRequested(Event):
    """The fan asks for their money back; a creator or an admin decides."""

    TOPIC = "payment.fan_refund_requested.v1"

    request_id: UUID
    wish: Literal["not_received", "not_as_described", "by_mistake", "other"]


class FanRefundDeclined(Event):
    """The wish was declined."""

    TOPIC = "payment.fan_refund_declined.v1"

    request_id: UUID
    reason: Reason
