"""An admin registers creators and assigns fee plans."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import Field
from uuid_utils.compat import uuid7

from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.responses import Success, documented, success
from api.routers.parts import (
    Body,
    CreatorData,
    FeePlanBody,
    IdempotencyKeyHeader,
    answer_headers,
    canonical,
    command_fields,
    refused,
    router,
)
from ledger.commands import AssignFeePlan, RegisterCreator
from ledger.creator import Creator
from ledger.money import CurrencyCode
from ledger.outcome import Outcome
from ledger.postings import FeePlan
from ledger.vault import PersonalData, VaultEntry, seal

routes = router("/admin", "admin")

Admin = Annotated[Caller, Depends(Allow(Role.ADMIN))]


class NewCreator(Body):
    """A creator to be paid. The id is the one in their tokens; without one it is made."""

    id: UUID | None = None
    name: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    settlement_currency: CurrencyCode
    plan: FeePlanBody


@routes.post(
    "/creators",
    status_code=201,
    response_model=Success[CreatorData],
    responses=documented(RegisterCreator, 413, 422),
)
async def register_creator(
    body: NewCreator, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Register a creator with a settlement currency and a fee plan."""
    doors = doors_of(request)
    creator_id = body.id or UUID(int=uuid7().int)
    entries: tuple[VaultEntry, ...] = ()
    if body.name is not None:
        entries = (
            seal(doors.key_store, person_id=creator_id, kind=PersonalData.NAME, text=body.name),
        )
    command = RegisterCreator(
        creator_id=creator_id,
        name=entries[0].entry_id if entries else None,
        settlement_currency=body.settlement_currency,
        plan=FeePlan(**body.plan.model_dump()),
        vault_entries=entries,
        **command_fields(
            caller, doors.idempotency_key(caller, key, request, canonical(body)), request
        ),
    )
    outcome = (await doors.ledger.execute_from_loop([command]))[0]
    return await _answer(request, outcome, 201)


@routes.put(
    "/creators/{creator_id}/fee-plan",
    response_model=Success[CreatorData],
    responses=documented(AssignFeePlan, 413, 422),
)
async def assign_fee_plan(
    creator_id: UUID,
    body: FeePlanBody,
    caller: Admin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Change the plan for payments that are initiated from now on."""
    doors = doors_of(request)
    command = AssignFeePlan(
        creator_id=creator_id,
        plan=FeePlan(**body.model_dump()),
        **command_fields(
            caller, doors.idempotency_key(caller, key, request, canonical(body)), request
        ),
    )
    outcome = (await doors.ledger.execute_from_loop([command]))[0]
    return await _answer(request, outcome, 200)


async def _answer(request: Request, outcome: Outcome, status: int) -> Response:
    if (refusal := refused(request, outcome)) is not None:
        return refusal
    stream, doors = outcome.stream, doors_of(request)
    assert stream is not None  # noqa: S101 - a creator command that succeeded has one
    creator: Creator = await run_in_threadpool(
        lambda: doors.ledger.repository.get(stream, version=outcome.version)
    )
    headers = await answer_headers(request, outcome)
    if status == 201:  # noqa: PLR2004
        headers["Location"] = f"/api/v1/creators/{creator.id}/balance"
    plan = None if creator.plan is None else creator.plan.model_dump()
    data = {
        "id": creator.id,
        "settlement_currency": creator.settlement_currency,
        "plan": plan,
        "position": outcome.position,
    }
    return success(data, status, headers)
