"""What admins propose, and a second person decides where much money moves.

    (nothing) ── Propose ──▶ carried out                      up to the threshold
                    └──────▶ open ── ApproveProposal ──▶ carried out
                               └──── RejectProposal ───▶ rejected

The action's own events are recorded in the turn in which it is carried out; if they are refused
by then, so is the approval.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from ledger import books, creator, invoice_payments, suspense
from ledger.accounts import CreatorFunds, creator_funds
from ledger.commands import ApproveProposal, ProposalRequest, Propose, RejectProposal
from ledger.errors import (
    AlreadyExists,
    ProposalDecided,
    ProposalDiffers,
    ProposalNotFound,
    SecondPersonNeeded,
)
from ledger.events import (
    AllocateReceipts,
    AnyAction,
    LedgerEvent,
    Occasion,
    PostAdjustment,
    ProposalCarriedOut,
    ProposalEvent,
    ProposalMade,
    ProposalRejected,
    ReturnReceipt,
    WriteOffDebt,
)

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from ledger.states import States


class ProposalState(StrEnum):
    """Where a proposal stands."""

    OPEN = "open"
    CARRIED_OUT = "carried_out"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A proposal's state at a version of its stream."""

    id: UUID
    version: int
    state: ProposalState
    action: AnyAction
    second_person: bool
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None = None
    rejected_because: str | None = None


def evolve_proposal(proposal: Proposal | None, event: ProposalEvent) -> Proposal:
    """Apply a fact. Never checks: replay must always succeed."""
    if isinstance(event, ProposalMade):
        return Proposal(
            id=event.originator_id,
            version=event.originator_version,
            state=ProposalState.OPEN,
            action=event.action,
            second_person=event.second_person,
            proposed_by=event.actor,
            proposed_at=event.recorded_at,
        )
    assert proposal is not None  # noqa: S101 - version density: ProposalMade is first
    decided = replace(proposal, version=event.originator_version, decided_by=event.actor)
    match event:
        case ProposalCarriedOut():
            return replace(decided, state=ProposalState.CARRIED_OUT)
        case ProposalRejected():
            return replace(decided, state=ProposalState.REJECTED, rejected_because=event.reason)
        case _:
            assert_never(event)


def decide(command: ProposalRequest, states: States, at: Occasion) -> list[LedgerEvent]:
    """Propose, approve or reject.

    Raises `AlreadyExists`, `ProposalNotFound`, `ProposalDecided`, `ProposalDiffers`,
    `SecondPersonNeeded`, or what carrying the action out raises.
    """
    proposal = states.proposal(command.proposal_id)
    match command:
        case Propose():
            return _propose(proposal, command, states, at)
        case ApproveProposal():
            return _approve(_open(proposal), command, states, at)
        case RejectProposal():
            proposal = _open(proposal)
            return [
                ProposalRejected(
                    originator_id=proposal.id,
                    originator_version=proposal.version + 1,
                    reason=command.reason,
                    **at.stamp(),
                )
            ]
        case _:
            assert_never(command)


def _open(proposal: Proposal | None) -> Proposal:
    if proposal is None:
        raise ProposalNotFound
    if proposal.state is not ProposalState.OPEN:
        raise ProposalDecided(state=proposal.state)
    return proposal


def _propose(
    proposal: Proposal | None, command: Propose, states: States, at: Occasion
) -> list[LedgerEvent]:
    if proposal is not None:
        raise AlreadyExists
    # Decided in either case: what could not be carried out now is not proposed.
    effects = carry_out(command.action, states, at)
    second_person = amount_of(command.action, states) > command.second_person_above
    made = ProposalMade(
        originator_id=command.proposal_id,
        originator_version=1,
        action=command.action,
        second_person=second_person,
        **at.stamp(),
    )
    if second_person:
        return [made]
    done = ProposalCarriedOut(originator_id=command.proposal_id, originator_version=2, **at.stamp())
    return [made, *effects, done]


def _approve(
    proposal: Proposal, command: ApproveProposal, states: States, at: Occasion
) -> list[LedgerEvent]:
    if command.action != proposal.action:
        raise ProposalDiffers
    if command.actor == proposal.proposed_by:
        raise SecondPersonNeeded
    done = ProposalCarriedOut(
        originator_id=proposal.id, originator_version=proposal.version + 1, **at.stamp()
    )
    return [*carry_out(proposal.action, states, at), done]


def carry_out(action: AnyAction, states: States, at: Occasion) -> list[LedgerEvent]:
    """The events that an action consists of. Raises what its rules raise."""
    match action:
        case PostAdjustment():
            fact = states.fact(action.adjustment_id)
            return books.adjust(fact, states.creator, action, at, balance=states.balance)
        case AllocateReceipts():
            return _allocate(action, states, at)
        case ReturnReceipt():
            return suspense.return_receipt(states.owner, action, at)
        case WriteOffDebt():
            available = creator_funds(action.creator_id, CreatorFunds.AVAILABLE)
            return creator.write_off(
                states.creator(action.creator_id),
                action,
                available=-states.balance(available, action.debt.currency),
                at=at,
            )
        case _:
            assert_never(action)


def _allocate(action: AllocateReceipts, states: States, at: Occasion) -> list[LedgerEvent]:
    payment = states.payment(action.payment_id)
    if payment is None or payment.invoice is None:
        return suspense.allocate(payment, states.owner, action, at)
    wanted = invoice_payments.is_wanted(payment, states, at)
    events = suspense.allocate(payment, states.owner, action, at, wanted=wanted)
    delay = action.settlement_delay_seconds
    return invoice_payments.follow(payment, events, states, at, delay)


def amount_of(action: AnyAction, states: States) -> int:
    """What an action moves, in minor units: the largest of its currencies."""
    match action:
        case PostAdjustment():
            sums: dict[str, int] = {}
            for posting in action.entry.postings:
                if posting.amount > 0:
                    sums[posting.currency] = sums.get(posting.currency, 0) + posting.amount
            return max(sums.values())
        case AllocateReceipts():
            return sum(
                suspense.parked_money(states.owner, receipt)[1].money.amount
                for receipt in dict.fromkeys(action.receipts)
            )
        case ReturnReceipt():
            return suspense.parked_money(states.owner, action.receipt)[1].money.amount
        case WriteOffDebt():
            return action.debt.amount
        case _:
            assert_never(action)
