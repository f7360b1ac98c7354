"""A dispute's facts, on the stream of its payment; `dispute` is the provider's name for it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ledger.events.base import Event, Reason, Text
from ledger.events.refunds import MinorUnits
from ledger.journal_entry import JournalEntry
from ledger.money import Money, Split


class DisputeWarned(Event):
    """The provider expects a dispute; nothing has moved."""

    TOPIC = "dispute.warned.v1"

    dispute: Text
    disputed: Money


class DisputeOpened(Event):
    """The fan disputes the payment. The creator's part is held until it is closed.

    A `round` after the first reopens it. `legs` is what losing it all would take of each part,
    `excess` what lies beyond the payment. Without `funds_withdrawn` the provider left the money.
    """

    TOPIC = "dispute.opened.v1"

    dispute: Text
    round: Annotated[int, Field(ge=1)]
    disputed: Money
    funds_withdrawn: bool
    legs: Split
    excess: MinorUnits
    entry: JournalEntry | None


class DisputeEvidenceNoted(Event):
    """What was sent to the provider; the documents lie elsewhere."""

    TOPIC = "dispute.evidence_noted.v1"

    dispute: Text
    note: Reason


class DisputeClosed(Event):
    """Decided: `lost_amount` minor units are gone, by these legs; the rest was won."""

    TOPIC = "dispute.closed.v1"

    dispute: Text
    round: Annotated[int, Field(ge=1)]
    lost_amount: MinorUnits
    legs: Split
    excess: MinorUnits
    entry: JournalEntry | None


class DisputeFeeCharged(Event):
    """The provider charged a fee for the dispute; `fee_reference` is the provider's, used once."""

    TOPIC = "dispute.fee_charged.v1"

    dispute: Text
    fee_reference: Text
    fee: Money
    borne_by: Literal["creator", "platform"]
    entry: JournalEntry


class DisputeFeeReturned(Event):
    """The provider gave the fee back."""

    TOPIC = "dispute.fee_returned.v1"

    dispute: Text
    fee_reference: Text
    fee: Money
    entry: JournalEntry
