"""Admins decide about payouts: approve, hold, release, reject, and attest that one never left."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response

from api.aggregates import after, payout_now
from api.doors import doors_of
from api.responses import Success, documented, success
from api.routers.parts import (
    Body,
    IdempotencyKeyHeader,
    Reason,
    answer_headers,
    refused,
    router,
)
from api.routers.payout_parts import Admin, PayoutForAdminsData, Why, fields_of, rendered_for_admins
from ledger.commands import (
    ApprovePayout,
    AttestPayoutFailure,
    HoldPayout,
    RejectPayout,
    ReleasePayout,
)
from ledger.errors import PayoutNotFound
from ledger.payout import Payout

if TYPE_CHECKING:
    from ledger.decisions import LedgerCommand

routes = router("/admin/payouts/{payout_id}", "admin")


class FailureEvidence(Body):
    """What shows that the provider never sent the money."""

    evidence: Reason


@routes.get("", response_model=Success[PayoutForAdminsData], responses=documented(PayoutNotFound))
async def read_payout_for_admins(payout_id: UUID, _caller: Admin, request: Request) -> Response:
    """A payout, with who asked for it, who edited its destination and who approved it."""
    payout, position = await payout_now(doors_of(request).reader, payout_id)
    return success(rendered_for_admins(payout, position))


@routes.post(
    "/approve",
    response_model=Success[PayoutForAdminsData],
    responses=documented(ApprovePayout, 422),
)
async def approve_payout(
    payout_id: UUID, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Approve as one of the several people who must; never one who asked for it."""
    fields = fields_of(request, caller, key, None)
    return await _decide(request, ApprovePayout(payout_id=payout_id, **fields))


@routes.post(
    "/hold",
    response_model=Success[PayoutForAdminsData],
    responses=documented(HoldPayout, 413, 422),
)
async def hold_payout(
    payout_id: UUID, body: Why, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Let a payout wait, whatever its approvals, until it is released."""
    fields = fields_of(request, caller, key, body)
    return await _decide(request, HoldPayout(payout_id=payout_id, reason=body.reason, **fields))


@routes.post(
    "/release",
    response_model=Success[PayoutForAdminsData],
    responses=documented(ReleasePayout, 422),
)
async def release_payout(
    payout_id: UUID, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Let a held payout go on."""
    fields = fields_of(request, caller, key, None)
    return await _decide(request, ReleasePayout(payout_id=payout_id, **fields))


@routes.post(
    "/reject",
    response_model=Success[PayoutForAdminsData],
    responses=documented(RejectPayout, 413, 422),
)
async def reject_payout(
    payout_id: UUID, body: Why, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Refuse a payout that was not sent. The funds are available again."""
    fields = fields_of(request, caller, key, body)
    return await _decide(request, RejectPayout(payout_id=payout_id, reason=body.reason, **fields))


@routes.post(
    "/attest-failure",
    response_model=Success[PayoutForAdminsData],
    responses=documented(AttestPayoutFailure, 413, 422),
)
async def attest_payout_failure(
    payout_id: UUID,
    body: FailureEvidence,
    caller: Admin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Say that an unknown payout was not sent, and how you know. The second person's ends it."""
    fields = fields_of(request, caller, key, body)
    return await _decide(
        request, AttestPayoutFailure(payout_id=payout_id, evidence=body.evidence, **fields)
    )


async def _decide(request: Request, command: LedgerCommand) -> Response:
    doors = doors_of(request)
    outcome = (await doors.ledger.execute_from_loop([command]))[0]
    if (refusal := refused(request, outcome)) is not None:
        return refusal
    payout, position = await after(doors.reader, outcome, Payout)
    return success(
        rendered_for_admins(payout, position), headers=await answer_headers(request, outcome)
    )
