"""The platform's endpoints for webhooks: they get everything that is told at all."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response

from api.responses import Success, documented
from api.routers import webhook_endpoint_parts as parts
from api.routers.parts import IdempotencyKeyHeader, router
from api.routers.webhook_endpoint_data import (
    ChangedEndpoint,
    DeliveriesData,
    DeliveryData,
    DeliveryState,
    EndpointData,
    EndpointsData,
    EndpointWithSecretData,
    NewEndpoint,
    NewReplay,
    ReplayData,
)
from api.routers.webhook_endpoint_parts import (
    Admin,
    Cursor,
    DeliveryNumber,
    Limit,
    Owner,
)
from projections.cursor import InvalidCursor
from projections.reader import PAGE_SIZE, PositionNotReached

routes = router("/admin/webhook-endpoints", "webhooks out")

NOT_FOUND: Final = "webhook_endpoint_not_found"


@routes.post(
    "",
    status_code=201,
    response_model=Success[EndpointWithSecretData],
    responses=documented(PositionNotReached, "too_many_webhook_endpoints", 413, 422),
)
async def create_platform_webhook_endpoint(
    body: NewEndpoint,
    caller: Admin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Register a URL. The answer has its secret, which is shown once."""
    owner = Owner(caller)
    return await parts.create(request, owner, key, body)


@routes.get(
    "",
    response_model=Success[EndpointsData],
    responses=documented(),
)
async def list_platform_webhook_endpoint(
    caller: Admin,
    request: Request,
) -> Response:
    """All endpoints, the oldest first."""
    return await parts.listed(request, Owner(caller))


@routes.get(
    "/{endpoint_id}",
    response_model=Success[EndpointData],
    responses=documented(NOT_FOUND),
)
async def read_platform_webhook_endpoint(
    endpoint_id: UUID,
    caller: Admin,
    request: Request,
) -> Response:
    """One endpoint, and how it stands."""
    return await parts.read(request, Owner(caller), endpoint_id)


@routes.put(
    "/{endpoint_id}",
    response_model=Success[EndpointData],
    responses=documented(NOT_FOUND, 413, 422),
)
async def change_platform_webhook_endpoint(
    endpoint_id: UUID,
    body: ChangedEndpoint,
    caller: Admin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Change where messages go, which, and whether at all."""
    owner = Owner(caller)
    return await parts.change(request, owner, key, endpoint_id, body)


@routes.delete(
    "/{endpoint_id}",
    response_model=Success[EndpointData],
    responses=documented(NOT_FOUND, 422),
)
async def delete_platform_webhook_endpoint(
    endpoint_id: UUID,
    caller: Admin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Send it nothing more. What waited is not sent; its secrets are destroyed."""
    return await parts.delete(request, Owner(caller), key, endpoint_id)


@routes.post(
    "/{endpoint_id}/rotate-secret",
    status_code=201,
    response_model=Success[EndpointWithSecretData],
    responses=documented(NOT_FOUND, 422),
)
async def rotate_secret_platform_webhook_endpoint(
    endpoint_id: UUID,
    caller: Admin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Make another secret. For a day the old one signs beside it."""
    return await parts.rotate(request, Owner(caller), key, endpoint_id)


@routes.post(
    "/{endpoint_id}/test",
    status_code=202,
    response_model=Success[DeliveryData],
    responses=documented(NOT_FOUND, "webhook_delivery_not_found", 422),
)
async def test_platform_webhook_endpoint(
    endpoint_id: UUID,
    caller: Admin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Send a message of the type `webhook.test`."""
    return await parts.test(request, Owner(caller), key, endpoint_id)


@routes.post(
    "/{endpoint_id}/replay",
    status_code=202,
    response_model=Success[ReplayData],
    responses=documented(NOT_FOUND, PositionNotReached, "webhook_replay_under_way", 413, 422),
)
async def replay_platform_webhook_endpoint(
    endpoint_id: UUID,
    body: NewReplay,
    caller: Admin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Send everything again that was recorded after a position, in its order."""
    owner = Owner(caller)
    return await parts.replay(request, owner, key, endpoint_id, body)


@routes.get(
    "/{endpoint_id}/deliveries",
    response_model=Success[DeliveriesData],
    responses=documented(NOT_FOUND, InvalidCursor),
)
async def list_deliveries_platform_webhook_endpoint(  # noqa: PLR0917 - query parameters, by name
    endpoint_id: UUID,
    caller: Admin,
    request: Request,
    state: DeliveryState | None = None,
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response:
    """What was sent, each attempt, and what is to be sent."""
    return await parts.deliveries(
        request,
        Owner(caller),
        endpoint_id,
        state=state,
        cursor=cursor,
        limit=limit,
    )


@routes.post(
    "/{endpoint_id}/deliveries/{delivery_id}/redeliver",
    status_code=202,
    response_model=Success[DeliveryData],
    responses=documented(NOT_FOUND, "webhook_delivery_not_found", 422),
)
async def redeliver_platform_webhook_endpoint(
    endpoint_id: UUID,
    delivery_id: DeliveryNumber,
    caller: Admin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Send one message again, at once, under the same `webhook-id`."""
    owner = Owner(caller)
    return await parts.redeliver(request, owner, key, endpoint_id, delivery_id)
