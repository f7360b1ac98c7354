"""A refund's facts, on the stream of its payment; a receipt's return is one too."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from ledger.events.base import Event, FailureReason, Reason, Text
from ledger.journal_entry import JournalEntry
from ledger.money import Money, Split

MinorUnits = Annotated[int, Field(strict=True, ge=0)]


class RefundRequested(Event):
    """Money is to go back to the fan: the legs say what of each part is reversed.

    `excess` is what a provider refunded beyond the payment, in minor units. `request_id` is the
    fan's wish that it grants. It goes the way back of `provider_transaction`, one of those that
    paid.
    """

    TOPIC = "refund.requested.v1"

    refund_id: UUID
    provider: Text
    provider_transaction: Text
    origin: Literal["creator", "admin", "provider"]
    refunded: Money
    legs: Split
    excess: MinorUnits
    reason: Reason
    request_id: UUID | None
    entry: JournalEntry


class RefundSubmissionStarted(Event):
    """One process, and only it, may now call the provider. No answer by the deadline: unknown."""

    TOPIC = "refund.submission_started.v1"

    refund_id: UUID
    attempt: Annotated[int, Field(ge=1)]
    claim: UUID
    deadline: AwareDatetime


class RefundSubmitted(Event):
    """The provider took the request."""

    TOPIC = "refund.submitted.v1"

    refund_id: UUID
    provider_reference: Text


class RefundSubmissionUnknown(Event):
    """The call ended without an answer: never repeat it, ask."""

    TOPIC = "refund.submission_unknown.v1"

    refund_id: UUID
    reason: FailureReason


class RefundSucceeded(Event):
    """The money reached the fan, out of the account `paid_from`."""

    TOPIC = "refund.succeeded.v1"

    refund_id: UUID
    provider_refund: Text
    paid_from: Text
    entry: JournalEntry


class RefundFailed(Event):
    """The fan did not get it; everybody has their part again."""

    TOPIC = "refund.failed.v1"

    refund_id: UUID
    reason: FailureReason
    entry: JournalEntry


class RefundReopenedAsFailed(Event):
    """A refund that had succeeded came back."""

    TOPIC = "refund.reopened_as_failed.v1"

    refund_id: UUID
    reason: FailureReason
    entry: JournalEntry


class RefundReopenedAsSucceeded(Event):
    """A refund that had failed was paid after all; its legs are of what remained by then."""

    TOPIC = "refund.reopened_as_succeeded.v1"

    refund_id: UUID
    provider_refund: Text
    paid_from: Text
    legs: Split
    excess: MinorUnits
    entry: JournalEntry
