"""A creator's endpoints for webhooks: they get what concerns this creator, and nothing else."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response

from api.aggregates import creator_now
from api.doors import doors_of
from api.responses import Success, documented
from api.routers import webhook_endpoint_parts as parts
from api.routers.parts import IdempotencyKeyHeader, own_creator, router
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
    CreatorOrAdmin,
    Cursor,
    DeliveryNumber,
    Limit,
    Owner,
)
from ledger.errors import CreatorNotFound
from projections.cursor import InvalidCursor
from projections.reader import PAGE_SIZE, PositionNotReached

routes = router("/creators/{creator_id}/webhook-endpoints", "webhooks out")

NOT_FOUND: Final = "webhook_endpoint_not_found"


@routes.post(
    "",
    status_code=201,
    response_model=Success[EndpointWithSecretData],
    responses=documented(
        CreatorNotFound, PositionNotReached, "too_many_webhook_endpoints", 413, 422
    ),
)
async def create_webhook_endpoint(
    creator_id: UUID,
    body: NewEndpoint,
    caller: CreatorOrAdmin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Register a URL. The answer has its secret, which is shown once."""
    owner = _owner(caller, creator_id)
    await creator_now(doors_of(request).reader, creator_id)
    return await parts.create(request, owner, key, body)


@routes.get(
    "",
    response_model=Success[EndpointsData],
    responses=documented(),
)
async def list_webhook_endpoint(
    creator_id: UUID,
    caller: CreatorOrAdmin,
    request: Request,
) -> Response:
    """All endpoints, the oldest first."""
    return await parts.listed(request, _owner(caller, creator_id))


@routes.get(
    "/{endpoint_id}",
    response_model=Success[EndpointData],
    responses=documented(NOT_FOUND),
)
async def read_webhook_endpoint(
    creator_id: UUID,
    endpoint_id: UUID,
    caller: CreatorOrAdmin,
    request: Request,
) -> Response:
    """One endpoint, and how it stands."""
    return await parts.read(request, _owner(caller, creator_id), endpoint_id)


@routes.put(
    "/{endpoint_id}",
    response_model=Success[EndpointData],
    responses=documented(NOT_FOUND, 413, 422),
)
async def change_webhook_endpoint(  # noqa: PLR0917 - a request's parts, by name
    creator_id: UUID,
    endpoint_id: UUID,
    body: ChangedEndpoint,
    caller: CreatorOrAdmin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Change where messages go, which, and whether at all."""
    owner = _owner(caller, creator_id)
    return await parts.change(request, owner, key, endpoint_id, body)


@routes.delete(
    "/{endpoint_id}",
    response_model=Success[EndpointData],
    responses=documented(NOT_FOUND, 422),
)
async def delete_webhook_endpoint(
    creator_id: UUID,
    endpoint_id: UUID,
    caller: CreatorOrAdmin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Send it nothing more. What waited is not sent; its secrets are destroyed."""
    return await parts.delete(request, _owner(caller, creator_id), key, endpoint_id)


@routes.post(
    "/{endpoint_id}/rotate-secret",
    status_code=201,
    response_model=Success[EndpointWithSecretData],
    responses=documented(NOT_FOUND, 422),
)
async def rotate_secret_webhook_endpoint(
    creator_id: UUID,
    endpoint_id: UUID,
    caller: CreatorOrAdmin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Make another secret. For a day the old one signs beside it."""
    return await parts.rotate(request, _owner(caller, creator_id), key, endpoint_id)


@routes.post(
    "/{endpoint_id}/test",
    status_code=202,
    response_model=Success[DeliveryData],
    responses=documented(NOT_FOUND, "webhook_delivery_not_found", 422),
)
async def test_webhook_endpoint(
    creator_id: UUID,
    endpoint_id: UUID,
    caller: CreatorOrAdmin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Send a message of the type `webhook.test`."""
    return await parts.test(request, _owner(caller, creator_id), key, endpoint_id)


@routes.post(
    "/{endpoint_id}/replay",
    status_code=202,
    response_model=Success[ReplayData],
    responses=documented(NOT_FOUND, PositionNotReached, "webhook_replay_under_way", 413, 422),
)
async def replay_webhook_endpoint(  # noqa: PLR0917 - a request's parts, by name
    creator_id: UUID,
    endpoint_id: UUID,
    body: NewReplay,
    caller: CreatorOrAdmin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Send everything again that was recorded after a position, in its order."""
    owner = _owner(caller, creator_id)
    return await parts.replay(request, owner, key, endpoint_id, body)


@routes.get(
    "/{endpoint_id}/deliveries",
    response_model=Success[DeliveriesData],
    responses=documented(NOT_FOUND, InvalidCursor),
)
async def list_deliveries_webhook_endpoint(  # noqa: PLR0917 - query parameters, by name
    creator_id: UUID,
    endpoint_id: UUID,
    caller: CreatorOrAdmin,
    request: Request,
    state: DeliveryState | None = None,
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response:
    """What was sent, each attempt, and what is to be sent."""
    return await parts.deliveries(
        request,
        _owner(caller, creator_id),
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
async def redeliver_webhook_endpoint(  # noqa: PLR0917 - a request's parts, by name
    creator_id: UUID,
    endpoint_id: UUID,
    delivery_id: DeliveryNumber,
    caller: CreatorOrAdmin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Send one message again, at once, under the same `webhook-id`."""
    owner = _owner(caller, creator_id)
    return await parts.redeliver(request, owner, key, endpoint_id, delivery_id)


def _owner(caller: CreatorOrAdmin, creator_id: UUID) -> Owner:
    """Raises 403 for another creator."""
    own_creator(caller, creator_id)
    return Owner(caller, creator_id)
