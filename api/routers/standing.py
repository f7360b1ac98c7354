"""A creator's standing: verification, suspension, closing, tax profile, holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, Field

from api.aggregates import after, creator_now
from api.doors import Doors, doors_of
from api.responses import Success, documented, success
from api.routers.parts import (
    Body,
    FeePlanBody,
    IdempotencyKeyHeader,
    Instant,
    Reason,
    answer_headers,
    made_id,
    refused,
    router,
)
from api.routers.payout_parts import (
    HOLDS,
    Admin,
    DestinationData,
    ScheduleData,
    Why,
    fields_of,
    rendered_destinations,
    rendered_schedule,
)
from ledger.commands import (
    ChangeVerification,
    CloseCreator,
    HoldFunds,
    ReinstateCreator,
    ReleaseHold,
    SetTaxProfile,
    SuspendCreator,
)
from ledger.creator import Creator, Hold
from ledger.errors import CreatorNotFound
from ledger.money import BASIS_POINTS, Money
from ledger.vault import PersonalData, VaultEntry, seal

if TYPE_CHECKING:
    from ledger.decisions import LedgerCommand

routes = router("/admin/creators/{creator_id}", "creators")

Verification = Literal["unverified", "submitted", "verified", "rejected"]

COUNTRY: Final = r"^[A-Z]{2}$"


class NewVerification(Body):
    """Where the checks on who they are stand; documents lie elsewhere."""

    verification: Verification
    reason: Reason | None = None


class NewTaxProfile(Body):
    """How payouts are taxed: withholding in basis points of the gross. Country: ISO 3166-1."""

    country: Annotated[str, Field(pattern=COUNTRY, examples=["KE"])]
    withholding_basis_points: Annotated[
        int, Field(strict=True, ge=0, le=BASIS_POINTS, examples=[500])
    ]
    tax_number: Annotated[
        str | None, Field(min_length=3, max_length=40, pattern=r"^[A-Za-z0-9./ -]+$")
    ] = None


class NewHold(Body):
    """Available money to be reserved until it is released or expires."""

    money: Money
    reason: Reason
    expires_at: Instant


class HoldData(BaseModel):
    """Reserved money."""

    id: UUID
    money: Money
    reason: str
    expires_at: AwareDatetime


class HoldAtData(HoldData):
    """Reserved money, and where in the log it was."""

    position: int


class TaxData(BaseModel):
    """How payouts are taxed; the number itself stays in the vault."""

    country: str | None
    withholding_basis_points: int
    has_tax_number: bool


class StandingData(BaseModel):
    """All that decides what a creator may do, and where in the log it is so.

    `erased`: their name, numbers and destinations' phones were erased, and nothing new is taken.
    """

    id: UUID
    standing: Literal["active", "suspended", "closed"]
    verification: Verification
    erased: bool
    settlement_currency: str
    plan: FeePlanBody | None
    tax: TaxData
    schedule: ScheduleData | None
    destinations: list[DestinationData]
    holds: list[HoldData]
    position: int


@routes.get("", response_model=Success[StandingData], responses=documented(CreatorNotFound))
async def read_creator(creator_id: UUID, _caller: Admin, request: Request) -> Response:
    """A creator's standing, plan, verification, taxes, schedule, destinations and holds."""
    doors = doors_of(request)
    creator, position = await creator_now(doors.reader, creator_id)
    return success(await _rendered(doors, creator, position))


@routes.put(
    "/verification",
    response_model=Success[StandingData],
    responses=documented(ChangeVerification, 413, 422),
)
async def change_verification(
    creator_id: UUID,
    body: NewVerification,
    caller: Admin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Note where the checks on who they are stand. Only the verified are paid."""
    fields = fields_of(request, caller, key, body)
    return await _change(
        request, ChangeVerification(creator_id=creator_id, **body.model_dump(), **fields)
    )


@routes.post(
    "/suspend", response_model=Success[StandingData], responses=documented(SuspendCreator, 413, 422)
)
async def suspend_creator(
    creator_id: UUID, body: Why, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Stop payouts and new subscriptions. Refunds go on."""
    fields = fields_of(request, caller, key, body)
    return await _change(
        request, SuspendCreator(creator_id=creator_id, reason=body.reason, **fields)
    )


@routes.post(
    "/reinstate",
    response_model=Success[StandingData],
    responses=documented(ReinstateCreator, 413, 422),
)
async def reinstate_creator(
    creator_id: UUID, body: Why, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """End a suspension."""
    fields = fields_of(request, caller, key, body)
    return await _change(
        request, ReinstateCreator(creator_id=creator_id, reason=body.reason, **fields)
    )


@routes.post(
    "/close", response_model=Success[StandingData], responses=documented(CloseCreator, 413, 422)
)
async def close_creator(
    creator_id: UUID, body: Why, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Stop new payments, for ever. What the creator has is still paid out."""
    fields = fields_of(request, caller, key, body)
    return await _change(request, CloseCreator(creator_id=creator_id, reason=body.reason, **fields))


@routes.put(
    "/tax-profile",
    response_model=Success[StandingData],
    responses=documented(SetTaxProfile, 413, 422),
)
async def set_tax_profile(
    creator_id: UUID,
    body: NewTaxProfile,
    caller: Admin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Say how payouts are taxed from now on."""
    entries: tuple[VaultEntry, ...] = ()
    if body.tax_number is not None:
        entries = (
            seal(
                doors_of(request).key_store,
                person_id=creator_id,
                kind=PersonalData.TAX_NUMBER,
                text=body.tax_number,
            ),
        )
    command = SetTaxProfile(
        creator_id=creator_id,
        country=body.country,
        withholding_basis_points=body.withholding_basis_points,
        tax_number=entries[0].entry_id if entries else None,
        vault_entries=entries,
        **fields_of(request, caller, key, body),
    )
    return await _change(request, command)


@routes.post(
    "/holds",
    status_code=201,
    response_model=Success[HoldAtData],
    responses=documented(HoldFunds, 413, 422),
)
async def hold_funds(
    creator_id: UUID, body: NewHold, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Reserve available money. It is available again when it is released or expires."""
    doors = doors_of(request)
    hold_id = made_id(HOLDS, caller, key)
    command = HoldFunds(
        creator_id=creator_id,
        hold_id=hold_id,
        held=body.money,
        reason=body.reason,
        expires_at=body.expires_at,
        **fields_of(request, caller, key, body),
    )
    outcome = (await doors.ledger.execute_from_loop([command]))[0]
    if (refusal := refused(request, outcome)) is not None:
        return refusal
    creator, position = await after(doors.reader, outcome, Creator)
    headers = {
        **await answer_headers(request, outcome),
        "Location": f"/api/v1/admin/creators/{creator_id}",
    }
    data = {**_hold(hold_id, creator.holds[hold_id]), "position": position}
    return success(data, 201, headers)


@routes.post(
    "/holds/{hold_id}/release",
    response_model=Success[StandingData],
    responses=documented(ReleaseHold, 422),
)
async def release_hold(
    creator_id: UUID, hold_id: UUID, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """End a hold before its time."""
    fields = fields_of(request, caller, key, None)
    return await _change(
        request, ReleaseHold(creator_id=creator_id, hold_id=hold_id, expired=False, **fields)
    )


async def _change(request: Request, command: LedgerCommand) -> Response:
    doors = doors_of(request)
    outcome = (await doors.ledger.execute_from_loop([command]))[0]
    if (refusal := refused(request, outcome)) is not None:
        return refusal
    creator, position = await after(doors.reader, outcome, Creator)
    data = await _rendered(doors, creator, position)
    return success(data, headers=await answer_headers(request, outcome))


async def _rendered(doors: Doors, creator: Creator, position: int) -> dict[str, Any]:
    erased = doors.key_store.is_erased(creator.id)
    return {
        "id": creator.id,
        "standing": creator.standing,
        "verification": creator.verification,
        "erased": erased,
        "settlement_currency": creator.settlement_currency,
        "plan": None if creator.plan is None else creator.plan.model_dump(),
        "tax": {
            "country": creator.country,
            "withholding_basis_points": creator.withholding_basis_points,
            "has_tax_number": creator.tax_number is not None and not erased,
        },
        "schedule": rendered_schedule(creator.schedule),
        "destinations": await rendered_destinations(doors, list(creator.destinations.values())),
        "holds": [_hold(hold_id, hold) for hold_id, hold in creator.holds.items()],
        "position": position,
    }


def _hold(hold_id: UUID, hold: Hold) -> dict[str, Any]:
    return {
        "id": hold_id,
        "money": hold.money.model_dump(),
        "reason": hold.reason,
        "expires_at": hold.expires_at,
    }
