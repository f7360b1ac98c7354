"""Money in suspense, corrections, and what a second person decides.

What an admin proposes is carried out at once (201), or above `second_person_above` when another
admin agrees to it (202 until then).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Depends, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel

from api.aggregates import At, after, proposal_now
from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.proposal_bodies import ProposalBody, action_of
from api.responses import Success, documented, success
from api.routers.parts import (
    Body,
    IdempotencyKeyHeader,
    Reason,
    answer_headers,
    canonical,
    command_fields,
    made_id,
    refused,
    router,
)
from ledger.commands import ApproveProposal, ProposalRequest, Propose, RejectProposal
from ledger.errors import ProposalNotFound
from ledger.events import AnyAction
from ledger.money import Money
from ledger.outcome import Outcome
from ledger.proposals import Proposal, ProposalState
from projections.cursor import InvalidCursor
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX
from projections.suspense import parked_page

routes = router("/admin", "suspense")

Admin = Annotated[Caller, Depends(Allow(Role.ADMIN))]

PROPOSALS: Final = UUID("3b8a2a0e-6c0b-5d52-9a3e-0f7f1f1f6a01")
"""The namespace of the ids of proposals."""


class ParkedMoneyData(BaseModel):
    """Money that came into suspense at `position`, why, and what became of it."""

    stream_id: UUID
    payment_id: UUID | None
    provider: str
    provider_transaction: str
    money: Money
    why: Literal["mismatched", "overpaid", "surplus", "unmatched"]
    state: Literal["waiting", "spent", "returning", "returned"]
    received_at: AwareDatetime
    position: int


class SuspenseData(BaseModel):
    """Parked money, newest first; a page may be short, and `next_cursor` is null on the last."""

    items: list[ParkedMoneyData]
    next_cursor: str | None
    position: int


class ProposalData(BaseModel):
    """What is proposed, and whether it was done. `decided_by` is who carried out or rejected."""

    id: UUID
    state: Literal["open", "carried_out", "rejected"]
    action: AnyAction
    second_person: bool
    proposed_by: str
    proposed_at: AwareDatetime
    decided_by: str | None
    rejected_because: str | None
    position: int


class RejectionBody(Body):
    """Why it will not be done."""

    reason: Reason


@routes.get("/suspense", response_model=Success[SuspenseData], responses=documented(InvalidCursor))
async def read_suspense(
    _caller: Admin,
    request: Request,
    state: Literal["waiting", "all"] = "waiting",
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE,
) -> Response:
    """Money that came and is not understood, newest first: what waits, or all there ever was."""
    page = await parked_page(
        doors_of(request).reader, waiting_only=state == "waiting", cursor=cursor, limit=limit
    )
    items = [
        {
            "stream_id": parked.stream_id,
            "payment_id": parked.payment_id,
            "provider": parked.provider,
            "provider_transaction": parked.provider_transaction,
            "money": parked.money.model_dump(),
            "why": parked.why,
            "state": parked.state,
            "received_at": parked.received_at,
            "position": parked.position,
        }
        for parked in page.items
    ]
    return success({"items": items, "next_cursor": page.next_cursor, "position": page.position})


@routes.post(
    "/proposals",
    status_code=201,
    response_model=Success[ProposalData],
    responses={
        **documented(Propose, 413, 422),
        202: {"model": Success[ProposalData], "description": "A second person must agree first."},
    },
)
async def propose(
    body: ProposalBody, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Correct the books, allocate or return parked money, or give up a debt; with a reason."""
    doors = doors_of(request)
    proposal_id = made_id(PROPOSALS, caller, key)
    command = Propose(
        proposal_id=proposal_id,
        action=action_of(body, proposal_id, doors),
        second_person_above=doors.settings.second_person_above,
        **command_fields(
            caller, doors.idempotency_key(caller, key, request, canonical(body)), request
        ),
    )
    return await _answer(request, command, 201)


@routes.post(
    "/proposals/{proposal_id}/approve",
    response_model=Success[ProposalData],
    responses=documented(ApproveProposal, 422),
)
async def approve_proposal(
    proposal_id: UUID, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Agree to what another admin proposed: it is carried out."""
    doors = doors_of(request)
    proposal = (await proposal_now(doors.reader, proposal_id)).state
    command = ApproveProposal(
        proposal_id=proposal_id,
        action=proposal.action,
        **command_fields(caller, doors.idempotency_key(caller, key, request, b""), request),
    )
    return await _answer(request, command, 200)


@routes.post(
    "/proposals/{proposal_id}/reject",
    response_model=Success[ProposalData],
    responses=documented(RejectProposal, 413, 422),
)
async def reject_proposal(
    proposal_id: UUID,
    body: RejectionBody,
    caller: Admin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Disagree, or take one's own proposal back: it will not be done."""
    doors = doors_of(request)
    command = RejectProposal(
        proposal_id=proposal_id,
        reason=body.reason,
        **command_fields(
            caller, doors.idempotency_key(caller, key, request, canonical(body)), request
        ),
    )
    return await _answer(request, command, 200)


@routes.get(
    "/proposals/{proposal_id}",
    response_model=Success[ProposalData],
    responses=documented(ProposalNotFound),
)
async def read_proposal(proposal_id: UUID, _caller: Admin, request: Request) -> Response:
    """What was proposed, by whom, and what was decided."""
    return success(_rendered(await proposal_now(doors_of(request).reader, proposal_id)))


async def _answer(request: Request, command: ProposalRequest, status: int) -> Response:
    doors = doors_of(request)
    outcome: Outcome = (await doors.ledger.execute_from_loop([command]))[0]
    if (refusal := refused(request, outcome)) is not None:
        return refusal
    found = await after(doors.reader, outcome, Proposal)
    headers = await answer_headers(request, outcome)
    if isinstance(command, Propose):
        headers["Location"] = f"/api/v1/admin/proposals/{found.state.id}"
        status = 202 if found.state.state is ProposalState.OPEN else status
    return success(_rendered(found), status, headers)


def _rendered(found: At[Proposal]) -> dict[str, Any]:
    proposal = found.state
    return {
        "id": proposal.id,
        "state": proposal.state,
        "action": proposal.action.model_dump(mode="json"),
        "second_person": proposal.second_person,
        "proposed_by": proposal.proposed_by,
        "proposed_at": proposal.proposed_at,
        "decided_by": proposal.decided_by,
        "rejected_because": proposal.rejected_because,
        "position": found.position,
    }
