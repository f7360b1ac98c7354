"""Where a creator is paid, and when by itself."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from api.aggregates import after, creator_now
from api.doors import doors_of, e164
from api.errors import invalid
from api.responses import Success, documented, success
from api.routers.parts import (
    Body,
    IdempotencyKeyHeader,
    answer_headers,
    made_id,
    own_creator,
    refused,
    router,
)
from api.routers.payout_parts import (
    DESTINATIONS,
    Admin,
    CreatorOrAdmin,
    DestinationAtData,
    DestinationsData,
    ScheduleAtData,
    fields_of,
    rendered_destinations,
    rendered_schedule,
)
from ledger.commands import AddDestination, RemoveDestination, SetPayoutSchedule, VerifyDestination
from ledger.creator import Creator
from ledger.errors import CreatorNotFound
from ledger.money import Amount
from ledger.outcome import Outcome

routes = router("/creators/{creator_id}", "payouts")

DAYS_OF_A_WEEK: Final = 7


class NewDestination(Body):
    """A phone that is paid by mobile money. No payout goes there until it is verified."""

    phone: Annotated[str, Field(max_length=16, examples=["+12025550100"])]
    provider: Annotated[str, Field(max_length=40, pattern=r"^[a-z0-9_]+$")] = "sandbox"


class NewSchedule(Body):
    """Weekly (day 1 is Monday, 7 Sunday) or monthly (day 1 to 28), at six in the morning.

    Without an interval payouts are made only when asked for. Less than `minimum` minor units waits
    for the next time.
    """

    interval: Literal["weekly", "monthly"] | None
    day: Annotated[int, Field(strict=True, ge=1, le=28, examples=[5])] = 1
    destination_id: UUID | None = None
    minimum: Amount = 1


@routes.post(
    "/destinations",
    status_code=201,
    response_model=Success[DestinationAtData],
    responses=documented(AddDestination, 413, 422),
)
async def add_destination(
    creator_id: UUID,
    body: NewDestination,
    caller: CreatorOrAdmin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Add a place to be paid to. An admin verifies it; then it is used after a cooling period."""
    own_creator(caller, creator_id)
    doors = doors_of(request)
    if body.provider not in doors.providers:
        raise invalid("provider", "is not a provider of this platform")
    phone = e164(body.phone, "phone")
    entry_id, entries = doors.phone_entry(creator_id, phone)
    destination_id = made_id(DESTINATIONS, caller, key)
    command = AddDestination(
        creator_id=creator_id,
        destination_id=destination_id,
        provider=body.provider,
        account=entry_id,
        cooling_seconds=doors.settings.destination_cooling_seconds,
        vault_entries=entries,
        **fields_of(request, caller, key, body),
    )
    outcome = (await doors.ledger.execute_from_loop([command]))[0]
    if outcome.error is None and outcome.events:
        doors.remember_phone(creator_id, phone, entry_id)
    return await _destination(request, outcome, destination_id, status=201)


@routes.get(
    "/destinations", response_model=Success[DestinationsData], responses=documented(CreatorNotFound)
)
async def read_destinations(creator_id: UUID, caller: CreatorOrAdmin, request: Request) -> Response:
    """Where the creator may be paid, with masked phone numbers."""
    own_creator(caller, creator_id)
    doors = doors_of(request)
    creator, position = await creator_now(doors.reader, creator_id)
    items = await rendered_destinations(doors, list(creator.destinations.values()))
    return success({"items": items, "next_cursor": None, "position": position})


@routes.delete(
    "/destinations/{destination_id}",
    response_model=Success[DestinationsData],
    responses=documented(RemoveDestination, 422),
)
async def remove_destination(
    creator_id: UUID,
    destination_id: UUID,
    caller: CreatorOrAdmin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """No new payout goes there. The answer has the destinations that are left."""
    own_creator(caller, creator_id)
    doors = doors_of(request)
    command = RemoveDestination(
        creator_id=creator_id,
        destination_id=destination_id,
        **fields_of(request, caller, key, None),
    )
    outcome = (await doors.ledger.execute_from_loop([command]))[0]
    if (refusal := refused(request, outcome)) is not None:
        return refusal
    creator, position = await after(doors.reader, outcome, Creator)
    items = await rendered_destinations(doors, list(creator.destinations.values()))
    data = {"items": items, "next_cursor": None, "position": position}
    return success(data, headers=await answer_headers(request, outcome))


@routes.post(
    "/destinations/{destination_id}/verify",
    response_model=Success[DestinationAtData],
    responses=documented(VerifyDestination, 422),
)
async def verify_destination(
    creator_id: UUID,
    destination_id: UUID,
    caller: Admin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """The destination was shown to be the creator's. Again changes nothing."""
    doors = doors_of(request)
    command = VerifyDestination(
        creator_id=creator_id,
        destination_id=destination_id,
        **fields_of(request, caller, key, None),
    )
    outcome = (await doors.ledger.execute_from_loop([command]))[0]
    return await _destination(request, outcome, destination_id)


@routes.put(
    "/payout-schedule",
    response_model=Success[ScheduleAtData],
    responses=documented(SetPayoutSchedule, 413, 422),
)
async def set_payout_schedule(
    creator_id: UUID,
    body: NewSchedule,
    caller: CreatorOrAdmin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Pay out everything available by itself, weekly or monthly, or only when asked for."""
    own_creator(caller, creator_id)
    if body.interval == "weekly" and body.day > DAYS_OF_A_WEEK:
        raise invalid("day", "must be 1 (Monday) to 7 (Sunday) for weekly payouts")
    if (body.interval is None) != (body.destination_id is None):
        raise invalid("destination_id", "is needed with an interval, and only with one")
    doors = doors_of(request)
    command = SetPayoutSchedule(
        creator_id=creator_id,
        **body.model_dump(),
        **fields_of(request, caller, key, body),
    )
    outcome = (await doors.ledger.execute_from_loop([command]))[0]
    if (refusal := refused(request, outcome)) is not None:
        return refusal
    creator, position = await after(doors.reader, outcome, Creator)
    data = {"schedule": rendered_schedule(creator.schedule), "position": position}
    return success(data, headers=await answer_headers(request, outcome))


@routes.get(
    "/payout-schedule",
    response_model=Success[ScheduleAtData],
    responses=documented(CreatorNotFound),
)
async def read_payout_schedule(
    creator_id: UUID, caller: CreatorOrAdmin, request: Request
) -> Response:
    """When everything available is paid out by itself."""
    own_creator(caller, creator_id)
    creator, position = await creator_now(doors_of(request).reader, creator_id)
    return success({"schedule": rendered_schedule(creator.schedule), "position": position})


async def _destination(
    request: Request, outcome: Outcome, destination_id: UUID, *, status: int = 200
) -> Response:
    if (refusal := refused(request, outcome)) is not None:
        return refusal
    doors = doors_of(request)
    creator, position = await after(doors.reader, outcome, Creator)
    [rendered] = await rendered_destinations(doors, [creator.destinations[destination_id]])
    headers = await answer_headers(request, outcome)
    if status == 201:  # noqa: PLR2004
        headers["Location"] = f"/api/v1/creators/{creator.id}/destinations"
    return success({**rendered, "position": position}, status, headers)
