"""Admins look for payments, payouts, proposals and money in suspense, by what they know of them."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel

from api.doors import doors_of
from api.responses import Success
from api.routers.listing_parts import ListedPayment, listed_payment, split_of
from api.routers.parts import ProviderName, SplitData, router
from api.routers.payout_parts import Admin, LegsData
from api.routers.search_parts import CONDITIONAL, AskedPage, AskedTimes, SearchText, listed
from ledger.flows import ParkedState
from ledger.money import Money
from ledger.payout import PayoutState
from ledger.proposals import ProposalState
from projections.models.payments import FoundPayment, PaymentsModel, search_payments
from projections.models.payouts import FoundPayout, PayoutsModel, search_payouts
from projections.models.proposals import FoundProposal, ProposalsModel, search_proposals
from projections.models.suspense import FoundParked, SuspenseModel, search_suspense
from projections.payments import PaymentStanding

routes = router("/admin", "admin")


class FoundPaymentData(ListedPayment):
    """A payment; amounts in minor units. `provider_transaction` is the one that paid it."""

    fan_id: UUID
    creator_id: UUID
    provider: str
    provider_transaction: str | None
    split: SplitData
    updated_at: AwareDatetime


class FoundPaymentsData(BaseModel):
    """Payments, newest first; `next_cursor` is null on the last page."""

    items: list[FoundPaymentData]
    next_cursor: str | None
    position: int


class FoundPayoutData(BaseModel):
    """A payout; `money` is its gross, `provider_transaction` the last by which its net left."""

    id: UUID
    state: PayoutState
    creator_id: UUID
    destination_id: UUID
    provider: str
    provider_transaction: str | None
    money: Money
    legs: LegsData
    scheduled: bool
    requested_by: str
    approvals: int
    approvals_required: int
    attempts: int
    reason: str | None
    requested_at: AwareDatetime
    ended_at: AwareDatetime | None
    updated_at: AwareDatetime


class FoundPayoutsData(BaseModel):
    """Payouts, newest first; `next_cursor` is null on the last page."""

    items: list[FoundPayoutData]
    next_cursor: str | None
    position: int


class FoundProposalData(BaseModel):
    """A proposal; `money` is what it moves, of several currencies the one with most.

    `subject_id` is the adjustment, the payment that is allocated to, the return, or the creator
    whose debt is written off.
    """

    id: UUID
    state: ProposalState
    kind: Literal["post_adjustment", "allocate_receipts", "return_receipt", "write_off_debt"]
    subject_id: UUID
    money: Money
    reason: str
    second_person: bool
    proposed_by: str
    proposed_at: AwareDatetime
    decided_by: str | None
    decided_at: AwareDatetime | None
    rejected_because: str | None


class FoundProposalsData(BaseModel):
    """Proposals, newest first; `next_cursor` is null on the last page."""

    items: list[FoundProposalData]
    next_cursor: str | None
    position: int


class ReceiptData(BaseModel):
    """Money of one transaction that came into suspense, why, and what became of it."""

    stream_id: UUID
    payment_id: UUID | None
    provider: str
    provider_transaction: str
    money: Money
    why: Literal["mismatched", "overpaid", "surplus", "unmatched"]
    state: ParkedState
    received_at: AwareDatetime
    updated_at: AwareDatetime


class ReceiptsData(BaseModel):
    """Receipts in suspense, newest first; `next_cursor` is null on the last page."""

    items: list[ReceiptData]
    next_cursor: str | None
    position: int


@routes.get("/payments", response_model=Success[FoundPaymentsData], responses=CONDITIONAL)
async def find_payments(  # noqa: PLR0917 - query parameters, by name
    _caller: Admin,
    request: Request,
    asked: AskedPage,
    times: AskedTimes,
    state: PaymentStanding | None = None,
    fan_id: UUID | None = None,
    creator_id: UUID | None = None,
    reference: SearchText | None = None,
    provider_transaction: SearchText | None = None,
) -> Response:
    """Payments of which all that is given is true; initiated from `since` to before `until`."""
    page = await search_payments(
        doors_of(request).models[PaymentsModel],
        state=state,
        fan_id=fan_id,
        creator_id=creator_id,
        reference=reference,
        provider_transaction=provider_transaction,
        **times._asdict(),
        **asked._asdict(),
    )
    return listed(request, page, _payment)


@routes.get("/payouts", response_model=Success[FoundPayoutsData], responses=CONDITIONAL)
async def find_payouts(  # noqa: PLR0917 - query parameters, by name
    _caller: Admin,
    request: Request,
    asked: AskedPage,
    times: AskedTimes,
    state: PayoutState | None = None,
    creator_id: UUID | None = None,
    provider: ProviderName | None = None,
) -> Response:
    """Payouts of which all that is given is true; requested from `since` to before `until`."""
    page = await search_payouts(
        doors_of(request).models[PayoutsModel],
        state=state,
        creator_id=creator_id,
        provider=provider,
        **times._asdict(),
        **asked._asdict(),
    )
    return listed(request, page, _payout)


@routes.get("/proposals", response_model=Success[FoundProposalsData], responses=CONDITIONAL)
async def find_proposals(
    _caller: Admin,
    request: Request,
    asked: AskedPage,
    state: ProposalState | Literal["all"] = ProposalState.OPEN,
) -> Response:
    """Proposals: those that wait for a second person, unless another state is asked for, or all."""
    page = await search_proposals(
        doors_of(request).models[ProposalsModel],
        state=None if state == "all" else state,
        **asked._asdict(),
    )
    return listed(request, page, _proposal)


@routes.get("/suspense/receipts", response_model=Success[ReceiptsData], responses=CONDITIONAL)
async def find_receipts(
    _caller: Admin,
    request: Request,
    asked: AskedPage,
    state: ParkedState | None = None,
    stream_id: UUID | None = None,
    provider_transaction: SearchText | None = None,
) -> Response:
    """Money that came into suspense, by what became of it, its stream or its transaction."""
    page = await search_suspense(
        doors_of(request).models[SuspenseModel],
        state=state,
        stream_id=stream_id,
        provider_transaction=provider_transaction,
        **asked._asdict(),
    )
    return listed(request, page, _receipt)


def _payment(found: FoundPayment) -> dict[str, Any]:
    return {
        **listed_payment(found),
        "fan_id": found.fan_id,
        "creator_id": found.creator_id,
        "provider": found.provider,
        "provider_transaction": found.provider_transaction,
        "split": split_of(found),
        "updated_at": found.updated_at,
    }


def _payout(found: FoundPayout) -> dict[str, Any]:
    return {
        "id": found.payout_id,
        "state": found.state,
        "creator_id": found.creator_id,
        "destination_id": found.destination_id,
        "provider": found.provider,
        "provider_transaction": found.provider_transaction,
        "money": {"amount": found.gross, "currency": found.currency},
        "legs": {
            "net": found.net,
            "fee": found.fee,
            "vat": found.vat,
            "withholding": found.withholding,
        },
        "scheduled": found.scheduled,
        "requested_by": found.requested_by,
        "approvals": found.approvals,
        "approvals_required": found.approvals_required,
        "attempts": found.attempt,
        "reason": found.reason,
        "requested_at": found.requested_at,
        "ended_at": found.ended_at,
        "updated_at": found.updated_at,
    }


def _proposal(found: FoundProposal) -> dict[str, Any]:
    return {
        "id": found.proposal_id,
        "state": found.state,
        "kind": found.kind,
        "subject_id": found.subject_id,
        "money": {"amount": found.amount, "currency": found.currency},
        "reason": found.reason,
        "second_person": found.second_person,
        "proposed_by": found.proposed_by,
        "proposed_at": found.proposed_at,
        "decided_by": found.decided_by,
        "decided_at": found.decided_at,
        "rejected_because": found.rejected_because,
    }


def _receipt(found: FoundParked) -> dict[str, Any]:
    return {
        "stream_id": found.stream_id,
        "payment_id": found.payment_id,
        "provider": found.provider,
        "provider_transaction": found.provider_transaction,
        "money": {"amount": found.amount, "currency": found.currency},
        "why": found.why,
        "state": found.state,
        "received_at": found.received_at,
        "updated_at": found.updated_at,
    }
