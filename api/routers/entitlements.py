"""May a fan see what a creator offers? What a platform's own backend asks on every page."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel

from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.responses import NOT_MODIFIED, Success, documented, success
from api.routers.parts import Instant, MinPosition, router
from ledger.subscription import SubscriptionState
from projections.entitlements import EntitlementsRead
from projections.reader import PositionNotReached

routes = router("/entitlements", "entitlements")

ServiceOrAdmin = Annotated[Caller, Depends(Allow(Role.SERVICE, Role.ADMIN))]


class EntitlementData(BaseModel):
    """Whether a fan has access to a creator at the instant `at`, and at which tier.

    `until` is when access ends if nothing more is recorded, so that long the answer may be kept by
    whoever can live with a cancellation that is noticed later. It is null while a period that has
    begun is being collected. `subscription_id` and `state` are of the latest subscription, live or
    not; null if there never was one.
    """

    fan_id: UUID
    creator_id: UUID
    at: datetime
    entitled: bool
    tier_id: UUID | None
    until: datetime | None
    subscription_id: UUID | None
    state: SubscriptionState | None
    position: int


@routes.get(
    "",
    response_model=Success[EntitlementData],
    responses={**documented(PositionNotReached), **NOT_MODIFIED},
)
async def read_entitlement(
    fan_id: UUID,
    creator_id: UUID,
    _caller: ServiceOrAdmin,
    request: Request,
    at: Instant | None = None,
    min_position: MinPosition = None,
) -> Response:
    """A fan's access now; at a past instant, as it was known then; later, what is sure by now."""
    doors = doors_of(request)
    if min_position is not None:
        await doors.reader.wait_for(min_position)
    read = await doors.entitlements.to_creator(fan_id, creator_id, at=at)
    data = _rendered(fan_id, creator_id, read)
    # Weak: while access stays as it is, only the instant and the position move on.
    shown = ":".join(
        str(data[name]) for name in ("subscription_id", "state", "entitled", "tier_id", "until")
    )
    etag = f'W/"{fan_id}:{creator_id}:{shown}"'.replace(" ", "T")
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"ETag": etag})
    return success(data, headers={"ETag": etag})


def _rendered(fan_id: UUID, creator_id: UUID, read: EntitlementsRead) -> dict[str, Any]:
    latest = read.items[0] if read.items else None
    entitled = latest is not None and latest.entitled
    return {
        "fan_id": fan_id,
        "creator_id": creator_id,
        "at": read.at,
        "entitled": entitled,
        "tier_id": latest.tier_id if latest is not None and entitled else None,
        "until": None if latest is None else latest.until,
        "subscription_id": None if latest is None else latest.subscription_id,
        "state": None if latest is None else latest.state,
        "position": read.position,
    }
