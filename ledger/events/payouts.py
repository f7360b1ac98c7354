"""A payout's facts: reserved at the request, approved, sent, and what became of it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ledger.events.base import Event, FailureReason, Reason, Text
from ledger.journal_entry import JournalEntry
from ledger.money import Money
from ledger.postings import PayoutLegs


class PayoutDestination(BaseModel):
    """Where a payout goes, frozen at the request; `account` is an entry of the vault."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    destination_id: UUID
    provider: Text
    account: UUID
    edited_by: Text


class PayoutRequested(Event):
    """Money is to go to a creator: reserved at once, its legs and its destination frozen.

    `approvals_required` distinct people must approve it; nobody who requested it or edited its
    destination is one of them.
    """

    TOPIC = "payout.requested.v1"

    creator_id: UUID
    destination: PayoutDestination
    gross: Money
    legs: PayoutLegs
    approvals_required: Annotated[int, Field(strict=True, ge=0, le=10)]
    scheduled: bool
    entry: JournalEntry


class ApprovalGiven(Event):
    """The actor approves the payout."""

    TOPIC = "payout.approval_given.v1"


class PayoutHeld(Event):
    """It waits, whatever its approvals, until it is released."""

    TOPIC = "payout.held.v1"

    reason: Reason


class PayoutReleased(Event):
    """It waits no longer."""

    TOPIC = "payout.released.v1"


class PayoutRejected(Event):
    """An admin refused it; the funds are available again."""

    TOPIC = "payout.rejected.v1"

    reason: Reason
    entry: JournalEntry


class PayoutCancelled(Event):
    """Its requester took it back before it was sent; the funds are available again."""

    TOPIC = "payout.cancelled.v1"

    entry: JournalEntry


class PayoutSubmissionStarted(Event):
    """One process, and only it, may now call the provider. No answer by the deadline: unknown."""

    TOPIC = "payout.submission_started.v1"

    attempt: Annotated[int, Field(ge=1)]
    claim: UUID
    deadline: AwareDatetime


class PayoutSubmitted(Event):
    """The provider took the request."""

    TOPIC = "payout.submitted.v1"

    attempt: Annotated[int, Field(ge=1)]
    provider_reference: Text


class PayoutSubmissionUnknown(Event):
    """The call ended without an answer: never repeat it, ask. A time-out is not a failure."""

    TOPIC = "payout.submission_unknown.v1"

    attempt: Annotated[int, Field(ge=1)]
    reason: FailureReason


class PayoutAttemptFailed(Event):
    """This attempt sent nothing; another may follow (an empty float, for example)."""

    TOPIC = "payout.attempt_failed.v1"

    attempt: Annotated[int, Field(ge=1)]
    reason: FailureReason


class PayoutPaid(Event):
    """The net left `paid_from`. `given_up`: we had said that it failed, so available pays it."""

    TOPIC = "payout.paid.v1"

    attempt: Annotated[int, Field(ge=0)]
    provider_transaction: Text
    paid_from: Text
    given_up: bool
    entry: JournalEntry


class PayoutFailed(Event):
    """It is certain that nothing was sent; the funds are available again."""

    TOPIC = "payout.failed.v1"

    reason: FailureReason
    entry: JournalEntry


class PayoutFailureAttested(Event):
    """The actor has seen that an unknown payout was not sent; a second person must too.

    `grounds` is what they have seen; `evidence` is of callbacks, here as in every event.
    """

    TOPIC = "payout.failure_attested.v1"

    grounds: Reason


class PayoutReturned(Event):
    """A paid payout came back; everything is as before it, the funds available."""

    TOPIC = "payout.returned.v1"

    provider_transaction: Text
    reason: FailureReason
    entry: JournalEntry


class PayoutContradictionRecorded(Event):
    """The provider says what cannot follow what it said before; nothing is reversed by itself."""

    TOPIC = "payout.contradiction_recorded.v1"

    state: Text
    claim: Text
    provider_transaction: Text | None
