"""What the routes about payouts and standing have in common: what they take and answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Depends, Request
from pydantic import AwareDatetime, BaseModel

from api.auth import Allow, Caller, Role
from api.doors import Doors, doors_of
from api.masking import masked_phones
from api.routers.parts import Body, Reason, canonical, command_fields
from ledger.money import Money

if TYPE_CHECKING:
    from collections.abc import Collection

    from ledger.creator import Destination, PayoutSchedule
    from ledger.payout import Payout

CreatorOrAdmin = Annotated[Caller, Depends(Allow(Role.CREATOR, Role.ADMIN))]
Admin = Annotated[Caller, Depends(Allow(Role.ADMIN))]

DESTINATIONS: Final = UUID("5d0b4a1e-6f0e-5c57-9a35-0f8b9c1d2e31")
PAYOUTS: Final = UUID("b1c7e2d4-93a6-5f48-8d1c-7e60f5a2b943")
HOLDS: Final = UUID("e4a9f6c3-2b7d-5e81-b0c4-91d3a8f7e625")
"""The namespaces of ids that are made from the caller and their idempotency key."""


class Why(Body):
    """Why it is done."""

    reason: Reason


class DestinationData(BaseModel):
    """Where a creator is paid; usable once it is verified and `usable_at` has come.

    The phone number is masked, and null once its person is erased.
    """

    id: UUID
    provider: str
    phone: str | None
    verified: bool
    usable_at: AwareDatetime


class DestinationAtData(DestinationData):
    """A destination, and where in the log it stands like that."""

    position: int


class DestinationsData(BaseModel):
    """All destinations of a creator: never so many that they need another page."""

    items: list[DestinationData]
    next_cursor: None
    position: int


class ScheduleData(BaseModel):
    """Pays out all that is available, unless it is less than `minimum` minor units.

    Weekly: day 1 is Monday. Monthly: a day from 1 to 28.
    """

    interval: Literal["weekly", "monthly"]
    day: int
    destination_id: UUID
    minimum: int


class ScheduleAtData(BaseModel):
    """The schedule, null when payouts are made only when asked for."""

    schedule: ScheduleData | None
    position: int


class LegsData(BaseModel):
    """Minor units: gross = net + fee + vat + withholding."""

    net: int
    fee: int
    vat: int
    withholding: int


class PayoutSummaryData(BaseModel):
    """A payout; `money` is its gross, `approvals` how many there are."""

    id: UUID
    state: str
    creator_id: UUID
    destination_id: UUID
    provider: str
    money: Money
    legs: LegsData
    scheduled: bool
    approvals: int
    approvals_required: int
    attempts: int
    reason: str | None
    requested_at: AwareDatetime
    ended_at: AwareDatetime | None


class PayoutData(PayoutSummaryData):
    """A payout, and where in the log it stands like that."""

    position: int


class PayoutsData(BaseModel):
    """Payouts, newest first; `next_cursor` is null on the last page."""

    items: list[PayoutSummaryData]
    next_cursor: str | None
    position: int


class PayoutForAdminsData(PayoutData):
    """A payout with who did what, which decides who may still approve it.

    `transactions` are the provider's, of which a paid payout has one.
    """

    requested_by: str
    destination_edited_by: str
    approved_by: list[str]
    failure_attested_by: str | None
    provider_reference: str | None
    transactions: list[str]


def fields_of(request: Request, caller: Caller, key: str, body: Body | None) -> dict[str, Any]:
    """What the command of a request carries, with the fingerprint of its body."""
    written = b"" if body is None else canonical(body)
    return command_fields(
        caller, doors_of(request).idempotency_key(caller, key, request, written), request
    )


async def rendered_destinations(
    doors: Doors, destinations: Collection[Destination]
) -> list[dict[str, Any]]:
    """Destinations with masked phone numbers. Raises `ReadUnavailable`."""
    phones = await masked_phones(doors, [each.account for each in destinations])
    return [
        {
            "id": each.id,
            "provider": each.provider,
            "phone": phones.get(each.account),
            "verified": each.verified,
            "usable_at": each.usable_at,
        }
        for each in destinations
    ]


def rendered_schedule(schedule: PayoutSchedule | None) -> dict[str, Any] | None:
    """A schedule, or None for none."""
    if schedule is None:
        return None
    return {
        "interval": schedule.interval,
        "day": schedule.day,
        "destination_id": schedule.destination_id,
        "minimum": schedule.minimum,
    }


def rendered_payout(payout: Payout) -> dict[str, Any]:
    """A payout as its creator sees it, without a position."""
    return {
        "id": payout.id,
        "state": payout.state,
        "creator_id": payout.creator_id,
        "destination_id": payout.destination.destination_id,
        "provider": payout.destination.provider,
        "money": payout.gross.model_dump(),
        "legs": payout.legs.model_dump(),
        "scheduled": payout.scheduled,
        "approvals": len(payout.approvals),
        "approvals_required": payout.approvals_required,
        "attempts": payout.attempt,
        "reason": payout.reason,
        "requested_at": payout.requested_at,
        "ended_at": payout.ended_at,
    }


def rendered_for_admins(payout: Payout, position: int) -> dict[str, Any]:
    """A payout with everything that whoever decides about it needs to know."""
    return {
        **rendered_payout(payout),
        "requested_by": payout.requested_by,
        "destination_edited_by": payout.destination.edited_by,
        "approved_by": payout.approvals,
        "failure_attested_by": payout.attested_by,
        "provider_reference": payout.provider_reference,
        "transactions": list(payout.paid),
        "position": position,
    }
