"""Every fact that can be recorded: the auditor's schema.

Events are frozen, explicitly named (`TOPIC`) and never edited once published: a change is a new
class with a new topic, and an upcaster in ledger/serialization.py. Money has moved exactly where
an event has an `entry`. No event holds personal data: people are ids, phone numbers and names are
ids of entries in the vault.

Streams (`originator_id`): a creator's id, a payment's id, or for money that belongs to no payment
the uuid5 of provider and transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ledger.journal_entry import JournalEntry
from ledger.money import CurrencyCode, Money, Split
from ledger.postings import FeePlan

Text = Annotated[str, Field(max_length=255)]
"""A machine's word: a code, a provider's transaction. Never a person's."""

FailureReason = Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9_]+$")]


class Event(BaseModel):
    """What every fact carries: its place in its stream, who caused it, when and why.

    `recorded_at` is the ledger's clock, in agreement with the position; `occurred_at` is when the
    outside says it happened. `correlation_id` joins all that one request led to; `causation_id`
    names the direct cause: a request, a callback, a log position. `evidence` is the SHA-256, in
    hex, of the salted body of the callback that proves it (ledger/inbox.py).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    TOPIC: ClassVar[str]

    originator_id: UUID
    originator_version: int = Field(ge=1)
    recorded_at: AwareDatetime
    occurred_at: AwareDatetime | None = None
    actor: Text
    correlation_id: UUID
    causation_id: Text
    evidence: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    @property
    def journal_entry(self) -> JournalEntry | None:
        """The postings of this fact, or None when no money moved."""
        # Not getattr: pydantic answers for an absent name by building an error, at some cost.
        return self.__dict__.get("entry")

    @property
    def effective_at(self) -> datetime:
        """When it took effect: as the outside says, never after we learned of it."""
        if self.occurred_at is None:
            return self.recorded_at
        return min(self.occurred_at, self.recorded_at)


class CreatorRegistered(Event):
    """A creator may be paid from now on, in one settlement currency; the name is in the vault."""

    TOPIC = "creator.registered.v1"

    name: UUID | None
    settlement_currency: CurrencyCode


class FeePlanAssigned(Event):
    """Payments initiated from now on are split by this plan."""

    TOPIC = "creator.fee_plan_assigned.v1"

    plan: FeePlan


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


class PaymentSucceeded(Event):
    """The gross amount arrived. `late`: after we had given the payment up."""

    TOPIC = "payment.succeeded.v1"

    provider: Text
    provider_transaction: Text
    money: Money
    late: bool
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


class UnmatchedReceiptRecorded(Event):
    """Money arrived that names no payment of ours; it waits in suspense."""

    TOPIC = "receipt.unmatched_recorded.v1"

    provider: Text
    provider_transaction: Text
    received: Money
    entry: JournalEntry


CreatorEvent = CreatorRegistered | FeePlanAssigned
PaymentEvent = (
    PaymentInitiated
    | PaymentSubmissionStarted
    | PaymentSubmitted
    | PaymentSubmissionUnknown
    | PaymentSucceeded
    | OverpaymentParked
    | PaymentMismatched
    | SurplusReceived
    | PaymentFailed
    | PaymentCancelled
    | PaymentExpired
    | ContradictionRecorded
)
ReceiptEvent = UnmatchedReceiptRecorded
LedgerEvent = CreatorEvent | PaymentEvent | ReceiptEvent

EVENT_CLASSES: tuple[type[Event], ...] = (
    CreatorRegistered,
    FeePlanAssigned,
    PaymentInitiated,
    PaymentSubmissionStarted,
    PaymentSubmitted,
    PaymentSubmissionUnknown,
    PaymentSucceeded,
    OverpaymentParked,
    PaymentMismatched,
    SurplusReceived,
    PaymentFailed,
    PaymentCancelled,
    PaymentExpired,
    ContradictionRecorded,
    UnmatchedReceiptRecorded,
)
"""All of them, for the serializer and the golden files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """When, by whom and why one command's events are recorded: the same for each of them."""

    recorded_at: datetime
    actor: str
    correlation_id: UUID
    causation_id: str
    evidence: str | None = None

    def stamp(self) -> dict[str, Any]:
        """The fields of `Event` that the occasion fills."""
        return {
            "recorded_at": self.recorded_at,
            "actor": self.actor,
            "correlation_id": self.correlation_id,
            "causation_id": self.causation_id,
            "evidence": self.evidence,
        }
