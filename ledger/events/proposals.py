"""What an admin proposes, and a second person decides where much money moves."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ledger.events.base import Event, Reason
from ledger.events.receipts import ReceiptReference
from ledger.journal_entry import JournalEntry
from ledger.money import Money


class Action(BaseModel):
    """What is done when the proposal is carried out; `reason` is mandatory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Reason


class PostAdjustment(Action):
    """A correcting journal entry, on a stream of its own."""

    kind: Literal["post_adjustment"] = "post_adjustment"
    adjustment_id: UUID
    entry: JournalEntry


class AllocateReceipts(Action):
    """Parked receipts pay this payment; its split is of what they add up to.

    `settlement_delay_seconds` counts from when it is carried out.
    """

    kind: Literal["allocate_receipts"] = "allocate_receipts"
    payment_id: UUID
    receipts: Annotated[tuple[ReceiptReference, ...], Field(min_length=1, max_length=50)]
    settlement_delay_seconds: Annotated[int, Field(strict=True, ge=0)]


class ReturnReceipt(Action):
    """A parked receipt goes back to the number that paid it."""

    kind: Literal["return_receipt"] = "return_receipt"
    refund_id: UUID
    receipt: ReceiptReference


class WriteOffDebt(Action):
    """A creator's negative available balance is given up, wholly or in part."""

    kind: Literal["write_off_debt"] = "write_off_debt"
    creator_id: UUID
    debt: Money


AnyAction = Annotated[
    PostAdjustment | AllocateReceipts | ReturnReceipt | WriteOffDebt, Field(discriminator="kind")
]


class ProposalMade(Event):
    """The actor proposes an action; with `second_person` nothing happens before another agrees."""

    TOPIC = "proposal.made.v1"

    action: AnyAction
    second_person: bool


class ProposalCarriedOut(Event):
    """The action's own events were recorded in the same turn; the actor agreed to it."""

    TOPIC = "proposal.carried_out.v1"


class ProposalRejected(Event):
    """It will not be done."""

    TOPIC = "proposal.rejected.v1"

    reason: Reason
