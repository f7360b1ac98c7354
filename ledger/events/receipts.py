"""Facts about money in suspense: what came unasked, and where it went in the end.

Parked money lies on the stream that it came for: a payment's, or a receipt's own when it names no
payment of ours.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ledger.events.base import Event, Reason, Text
from ledger.journal_entry import JournalEntry
from ledger.money import Money, Split


class ReceiptReference(BaseModel):
    """Parked money: the stream that it lies on and the provider's transaction."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stream_id: UUID
    provider: Text
    provider_transaction: Text


class UnmatchedReceiptRecorded(Event):
    """Money arrived that names no payment of ours; it waits in suspense."""

    TOPIC = "receipt.unmatched_recorded.v1"

    provider: Text
    provider_transaction: Text
    received: Money
    entry: JournalEntry


class ReceiptsAllocated(Event):
    """A person decided that parked receipts pay this payment; the split is of what they add up to.

    The payment has succeeded by it.
    """

    TOPIC = "payment.receipts_allocated.v1"

    receipts: Annotated[tuple[ReceiptReference, ...], Field(min_length=1)]
    money: Money
    split: Split
    reason: Reason
    releases_at: AwareDatetime
    entry: JournalEntry


class ReceiptSpent(Event):
    """Money parked on this stream was allocated to a payment of another stream."""

    TOPIC = "receipt.spent.v1"

    provider_transaction: Text
    payment_id: UUID
    reason: Reason


class ReceiptReturnRequested(Event):
    """A parked receipt is to go back to the number that paid it, and to no other.

    What follows is as with any refund: the events of ledger/events/refunds.py.
    """

    TOPIC = "receipt.return_requested.v1"

    refund_id: UUID
    provider: Text
    provider_transaction: Text
    returned: Money
    reason: Reason
    entry: JournalEntry
