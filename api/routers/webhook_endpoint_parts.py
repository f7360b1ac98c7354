"""What the routes about endpoints have in common: what they take, answer, and do for an owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple
from uuid import UUID

from fastapi import Depends, Path, Query, Request
from fastapi.responses import Response

from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.errors import ApiError, invalid
from api.responses import success
from api.routers.parts import Body, canonical, made_id
from api.routers.webhook_endpoint_data import ChangedEndpoint, NewEndpoint, NewReplay
from api.webhooks_out.deliveries import DeliveryNotFound, ReplayUnderWay
from api.webhooks_out.endpoints import Asked, EndpointNotFound, TooManyEndpoints, Wanted
from api.webhooks_out.guard import UrlNotAllowed
from api.webhooks_out.message_types import CREATOR_TYPES, EVERYTHING, TYPES
from projections.cursor import decode_cursor, encode_cursor
from projections.reader import PAGE_SIZE_MAX, POSITION_MAX

if TYPE_CHECKING:
    from api.webhooks_out.deliveries import Replay, Shown
    from api.webhooks_out.endpoints import Done, Endpoint

ENDPOINTS: Final = UUID("0e2b8a57-8a0b-5a43-9d6c-53b1c1f0f3d6")
"""The namespace of ids that are made from the caller and their idempotency key."""
DELIVERIES_CURSOR: Final = "webhook_deliveries"

CreatorOrAdmin = Annotated[Caller, Depends(Allow(Role.CREATOR, Role.ADMIN))]
Admin = Annotated[Caller, Depends(Allow(Role.ADMIN))]
DeliveryNumber = Annotated[int, Path(ge=1, le=POSITION_MAX, alias="delivery_id")]
Cursor = Annotated[str | None, Query(max_length=500)]
Limit = Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)]


class Owner(NamedTuple):
    """Whose endpoints a request is about; no creator: the platform's."""

    caller: Caller
    creator_id: UUID | None = None


def wanted(request: Request, owner: Owner, url: str, types: list[str]) -> Wanted:
    """What an endpoint is to be. Raises 400 for a URL that is not called, or no such type."""
    allowed = TYPES if owner.creator_id is None else CREATOR_TYPES
    if not {EVERYTHING, *allowed}.issuperset(types):
        raise invalid("types", "must be types that the documentation names for this owner, or *")
    try:
        doors_of(request).webhook_guard.check(url)
    except UrlNotAllowed as error:
        raise invalid("url", str(error)) from None
    return Wanted(url, sorted(set(types)))


def asked(
    request: Request, owner: Owner, key: str, endpoint_id: UUID | None, body: Body | None = None
) -> Asked:
    """Who asks for what. Without an endpoint: for a new one."""
    written = b"" if body is None else canonical(body)
    return Asked(
        doors_of(request).idempotency_key(owner.caller, key, request, written),
        UUID(request.scope["request_id"]),
        endpoint_id or made_id(ENDPOINTS, owner.caller, key),
        owner.creator_id,
    )


def not_found() -> ApiError:
    """404 for an endpoint."""
    return ApiError(404, "webhook_endpoint_not_found", "There is no such endpoint.")


def delivery_not_found() -> ApiError:
    """404 for a message."""
    return ApiError(404, "webhook_delivery_not_found", "There is no such message.")


async def create(request: Request, owner: Owner, key: str, body: NewEndpoint) -> Response:
    """Make an endpoint."""
    doors = doors_of(request)
    to_be = wanted(request, owner, body.url, body.types)
    try:
        done = await doors.webhook_endpoints.create(
            asked(request, owner, key, None, body), to_be, body.after_position
        )
    except TooManyEndpoints:
        most = doors.settings.webhooks_endpoints_max
        raise ApiError(
            409, "too_many_webhook_endpoints", f"There are {most} endpoints. Delete one first."
        ) from None
    return _with_secret(done, 201)


async def listed(request: Request, owner: Owner) -> Response:
    """All of an owner."""
    found = await doors_of(request).webhook_endpoints.of_owner(owner.creator_id)
    return success({"items": [_rendered(each) for each in found], "next_cursor": None})


async def read(request: Request, owner: Owner, endpoint_id: UUID) -> Response:
    """One of an owner."""
    return success(_rendered(await _known(request, owner, endpoint_id)))


async def change(
    request: Request, owner: Owner, key: str, endpoint_id: UUID, body: ChangedEndpoint
) -> Response:
    """Change one."""
    to_be = wanted(request, owner, body.url, body.types)._replace(enabled=body.enabled)
    given = asked(request, owner, key, endpoint_id, body)
    try:
        done = await doors_of(request).webhook_endpoints.update(given, to_be)
    except EndpointNotFound:
        raise not_found() from None
    return success(_rendered(done.endpoint), headers=_headers(replayed=done.replayed))


async def delete(request: Request, owner: Owner, key: str, endpoint_id: UUID) -> Response:
    """Delete one."""
    given = asked(request, owner, key, endpoint_id)
    try:
        done = await doors_of(request).webhook_endpoints.delete(given)
    except EndpointNotFound:
        raise not_found() from None
    return success(_rendered(done.endpoint), headers=_headers(replayed=done.replayed))


async def rotate(request: Request, owner: Owner, key: str, endpoint_id: UUID) -> Response:
    """Give one another secret."""
    given = asked(request, owner, key, endpoint_id)
    try:
        done = await doors_of(request).webhook_endpoints.rotate(given)
    except EndpointNotFound:
        raise not_found() from None
    return _with_secret(done, 201)


async def test(request: Request, owner: Owner, key: str, endpoint_id: UUID) -> Response:
    """Send a test message."""
    given = asked(request, owner, key, endpoint_id)
    try:
        shown, replayed = await doors_of(request).webhook_deliveries.test(given)
    except EndpointNotFound:
        raise not_found() from None
    except DeliveryNotFound:
        raise delivery_not_found() from None
    return success(rendered_delivery(shown), 202, _headers(replayed=replayed))


async def replay(
    request: Request, owner: Owner, key: str, endpoint_id: UUID, body: NewReplay
) -> Response:
    """Begin a replay."""
    given = asked(request, owner, key, endpoint_id, body)
    try:
        begun, replayed = await doors_of(request).webhook_deliveries.replay(
            given, body.after_position
        )
    except EndpointNotFound:
        raise not_found() from None
    except ReplayUnderWay:
        raise ApiError(
            409, "webhook_replay_under_way", "A replay is under way. Wait until it has ended."
        ) from None
    return success(_rendered_replay(begun), 202, _headers(replayed=replayed))


async def deliveries(
    request: Request,
    owner: Owner,
    endpoint_id: UUID,
    *,
    state: str | None,
    cursor: str | None,
    limit: int,
) -> Response:
    """What was sent to one, and how it went."""
    before = before_of(cursor)
    await _known(request, owner, endpoint_id)
    found = await doors_of(request).webhook_deliveries.page(
        endpoint_id, state=state, before=before, limit=limit + 1
    )
    return delivery_page(found, limit)


async def redeliver(
    request: Request, owner: Owner, key: str, endpoint_id: UUID, number: int
) -> Response:
    """Send a message again."""
    given = asked(request, owner, key, endpoint_id)
    try:
        shown, replayed = await doors_of(request).webhook_deliveries.redeliver(given, number)
    except EndpointNotFound:
        raise not_found() from None
    except DeliveryNotFound:
        raise delivery_not_found() from None
    return success(rendered_delivery(shown), 202, _headers(replayed=replayed))


def before_of(cursor: str | None) -> int:
    """Where a page of deliveries begins. Raises `InvalidCursor`."""
    return POSITION_MAX if cursor is None else int(decode_cursor(cursor, DELIVERIES_CURSOR, int)[0])


def delivery_page(found: list[Shown], limit: int) -> Response:
    """A page of deliveries, of which one more than wanted was read."""
    page = found[:limit]
    following = (
        encode_cursor(DELIVERIES_CURSOR, page[-1].delivery.number) if len(found) > limit else None
    )
    return success({"items": [rendered_delivery(each) for each in page], "next_cursor": following})


def rendered_delivery(shown: Shown) -> dict[str, Any]:
    """A delivery."""
    fields = shown.delivery._asdict()
    return {
        "id": fields.pop("number"),
        **fields,
        "attempts": [each._asdict() for each in shown.attempts],
    }


def delivery_headers(*, replayed: bool) -> dict[str, str]:
    """Says when an answer is the first one's again."""
    return _headers(replayed=replayed)


async def _known(request: Request, owner: Owner, endpoint_id: UUID) -> Endpoint:
    try:
        return await doors_of(request).webhook_endpoints.read(endpoint_id, owner.creator_id)
    except EndpointNotFound:
        raise not_found() from None


def _with_secret(done: Done, status: int) -> Response:
    data = {**_rendered(done.endpoint), "secret": done.secret}
    return success(data, status, {**_headers(replayed=done.replayed), "Cache-Control": "no-store"})


def _rendered(endpoint: Endpoint) -> dict[str, Any]:
    return endpoint._asdict()


def _rendered_replay(begun: Replay) -> dict[str, Any]:
    return begun._asdict()


def _headers(*, replayed: bool) -> dict[str, str]:
    return {"Idempotency-Replayed": "true"} if replayed else {}
