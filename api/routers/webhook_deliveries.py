"""For admins: webhooks of everybody that were given up or wait, and who changed which endpoint."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, Field

from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.responses import Success, documented, success
from api.routers.parts import IdempotencyKeyHeader, router
from api.routers.webhook_endpoint_data import (
    DeliveriesData,
    DeliveryData,
)
from api.routers.webhook_endpoint_parts import (
    Admin,
    Cursor,
    DeliveryNumber,
    Limit,
    Owner,
    asked,
    before_of,
    delivery_headers,
    delivery_not_found,
    delivery_page,
    rendered_delivery,
)
from api.webhooks_out.deliveries import DeliveryNotFound
from api.webhooks_out.endpoints import EndpointNotFound
from projections.cursor import InvalidCursor, decode_cursor, encode_cursor
from projections.reader import PAGE_SIZE, POSITION_MAX

routes = router("/admin", "webhooks out")

AdminOrAuditor = Annotated[Caller, Depends(Allow(Role.ADMIN, Role.AUDITOR))]
CHANGES_CURSOR = "webhook_endpoint_changes"


class EndpointChangeData(BaseModel):
    """What was done to an endpoint, by whom and when; with `url` and `types` as they were then set.

    What fails for days, or is gone, is disabled by `webhooks`, which is nobody's name.
    """

    id: int = Field(examples=[1])
    recorded_at: AwareDatetime
    endpoint_id: UUID
    creator_id: UUID | None
    actor: str = Field(examples=["creator:00000000-0000-4000-8000-000000000002"])
    change: str = Field(examples=["created"])
    url: str | None = Field(examples=["https://hooks.example.com/hesabu"])
    types: list[str] | None = Field(examples=[["*"]])
    reason: str | None = Field(examples=[None])


class EndpointChangesData(BaseModel):
    """Changes, the newest first; `next_cursor` is null on the last page."""

    items: list[EndpointChangeData]
    next_cursor: str | None


@routes.get(
    "/webhook-deliveries",
    response_model=Success[DeliveriesData],
    responses=documented(InvalidCursor),
)
async def read_delivery_queue(
    _caller: Admin,
    request: Request,
    state: Literal["dead", "waiting"] = "dead",
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response:
    """Messages of everybody that wait for a person, or to be sent."""
    found = await doors_of(request).webhook_deliveries.queue(
        dead=state == "dead", before=before_of(cursor), limit=limit + 1
    )
    return delivery_page(found, limit)


@routes.post(
    "/webhook-deliveries/{delivery_id}/redeliver",
    status_code=202,
    response_model=Success[DeliveryData],
    responses=documented("webhook_delivery_not_found", 422),
)
async def redeliver_any(
    delivery_id: DeliveryNumber, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Send a message of anybody's again, at once, under the same `webhook-id`."""
    deliveries = doors_of(request).webhook_deliveries
    try:
        known = (await deliveries.one(delivery_id)).delivery
        owner = Owner(caller, known.creator_id)
        given = asked(request, owner, key, known.endpoint_id)
        shown, replayed = await deliveries.redeliver(given, delivery_id)
    except (DeliveryNotFound, EndpointNotFound):
        raise delivery_not_found() from None
    return success(rendered_delivery(shown), 202, delivery_headers(replayed=replayed))


@routes.post(
    "/webhook-deliveries/{delivery_id}/ignore",
    response_model=Success[DeliveryData],
    responses=documented("webhook_delivery_not_found", 422),
)
async def ignore_delivery(
    delivery_id: DeliveryNumber, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Give a message up for good. Those behind it in its stream are sent."""
    deliveries = doors_of(request).webhook_deliveries
    try:
        known = (await deliveries.one(delivery_id)).delivery
        owner = Owner(caller, known.creator_id)
        given = asked(request, owner, key, known.endpoint_id)
        shown, replayed = await deliveries.ignore(given, delivery_id)
    except (DeliveryNotFound, EndpointNotFound):
        raise delivery_not_found() from None
    return success(rendered_delivery(shown), headers=delivery_headers(replayed=replayed))


@routes.get(
    "/webhook-endpoint-changes",
    response_model=Success[EndpointChangesData],
    responses=documented(InvalidCursor),
)
async def list_endpoint_changes(
    _caller: AdminOrAuditor,
    request: Request,
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response:
    """Who registered which URL, who changed it, and what became of it."""
    before = POSITION_MAX if cursor is None else int(decode_cursor(cursor, CHANGES_CURSOR, int)[0])
    found = await doors_of(request).webhook_endpoints.changes(before=before, limit=limit + 1)
    page = found[:limit]
    following = encode_cursor(CHANGES_CURSOR, page[-1].id) if len(found) > limit else None
    return success({"items": [each._asdict() for each in page], "next_cursor": following})
