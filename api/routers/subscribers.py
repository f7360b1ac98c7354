"""A creator sees their subscribers: subscriptions with tier, price and state, nothing of people."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import BaseModel

from api.conditional import tagged
from api.doors import doors_of
from api.responses import NOT_MODIFIED, Success, documented
from api.routers.parts import MinPosition, own_creator, router
from api.routers.payout_parts import CreatorOrAdmin
from ledger.errors import CreatorNotFound
from ledger.events import Price
from ledger.subscription import Subscription, SubscriptionState
from projections.cursor import InvalidCursor
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX, PositionNotReached
from projections.subscribers import ends_at, renews_at, subscribers_page

routes = router("/creators/{creator_id}/subscribers", "subscribers")


class SubscriberData(BaseModel):
    """A subscription to the creator, as it stands.

    `renews_at` is null where it will not renew by itself; `ends_at` is when it ends or rests, where
    that is scheduled.
    """

    subscription_id: UUID
    tier_id: UUID
    price: Price
    state: SubscriptionState
    since: datetime
    renews_at: datetime | None
    ends_at: datetime | None


class SubscribersData(BaseModel):
    """Subscriptions, newest first; `next_cursor` is null on the last page.

    A page that filters may hold fewer than `limit`, even none, while `next_cursor` leads on.
    """

    items: list[SubscriberData]
    next_cursor: str | None
    position: int


@routes.get(
    "",
    response_model=Success[SubscribersData],
    responses={**documented(CreatorNotFound, InvalidCursor, PositionNotReached), **NOT_MODIFIED},
)
async def read_subscribers(  # noqa: PLR0917 - query parameters, by name
    creator_id: UUID,
    caller: CreatorOrAdmin,
    request: Request,
    state: SubscriptionState | None = None,
    tier_id: UUID | None = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE,
    min_position: MinPosition = None,
) -> Response:
    """Every subscription to the creator, also those that have ended, as each stands now."""
    own_creator(caller, creator_id)
    doors = doors_of(request)
    if min_position is not None:
        await doors.reader.wait_for(min_position)
    page = await subscribers_page(
        doors.reader,
        doors.aggregates,
        creator_id,
        state=state,
        tier_id=tier_id,
        cursor=cursor,
        limit=limit,
    )
    if page is None:
        raise CreatorNotFound
    items = [_rendered(sub) for sub in page.subscriptions]
    return tagged(request, {"items": items, "next_cursor": page.next_cursor}, page.position)


def _rendered(sub: Subscription) -> dict[str, Any]:
    return {
        "subscription_id": sub.id,
        "tier_id": sub.tier_id,
        "price": sub.price.model_dump(),
        "state": sub.state,
        "since": sub.started_at,
        "renews_at": renews_at(sub),
        "ends_at": ends_at(sub),
    }
