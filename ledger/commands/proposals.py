"""Requests of admins that a second person may have to agree to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.accounts import CreatorFunds, creator_funds, creator_of, is_goodwill
from ledger.commands.base import Command
from ledger.events.proposals import (
    AllocateReceipts,
    AnyAction,
    PostAdjustment,
    ReturnReceipt,
    WriteOffDebt,
)

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.journal import AccountKey
    from ledger.journal_entry import JournalEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionCommand(Command):
    """A command that may carry an action out."""

    proposal_id: UUID
    action: AnyAction

    def streams(self) -> tuple[UUID, ...]:
        """The proposal, and what the action is about."""
        return (self.proposal_id, *streams_of(self.action))

    def accounts(self) -> tuple[AccountKey, ...]:
        """What the action is guarded by."""
        match self.action:
            case WriteOffDebt(creator_id=creator_id, debt=debt):
                return ((creator_funds(creator_id, CreatorFunds.AVAILABLE), debt.currency),)
            case PostAdjustment(entry=entry):
                return tuple(goodwill_taken(entry))
            case _:
                return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Propose(ActionCommand):
    """Do it, or above `second_person_above` minor units: ask a second person."""

    second_person_above: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveProposal(ActionCommand):
    """The actor agrees: it is carried out. `action` is what they agree to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectProposal(Command):
    """The actor disagrees, or takes their own proposal back."""

    proposal_id: UUID
    reason: str

    def streams(self) -> tuple[UUID, ...]:
        """The proposal."""
        return (self.proposal_id,)


def streams_of(action: AnyAction) -> tuple[UUID, ...]:
    """The streams that carrying an action out needs to see."""
    match action:
        case PostAdjustment():
            return (action.adjustment_id, *creators_in(action))
        case WriteOffDebt():
            return (action.creator_id,)
        case AllocateReceipts():
            receipts = {receipt.stream_id for receipt in action.receipts}
            return (action.payment_id, *sorted(receipts - {action.payment_id}))
        case ReturnReceipt():
            return (action.receipt.stream_id,)


def creators_in(action: PostAdjustment) -> list[UUID]:
    """The creators whose accounts an adjustment touches."""
    found = {creator_of(posting.account) for posting in action.entry.postings}
    return sorted(creator for creator in found if creator is not None)


def goodwill_taken(entry: JournalEntry) -> dict[AccountKey, int]:
    """What an entry takes of fans' goodwill, in minor units, where it takes any."""
    taken: dict[AccountKey, int] = {}
    for posting in entry.postings:
        if is_goodwill(posting.account):
            key = (posting.account, posting.currency)
            taken[key] = taken.get(key, 0) + posting.amount
    return {key: amount for key, amount in taken.items() if amount > 0}
