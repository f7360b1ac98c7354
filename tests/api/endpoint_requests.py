"""Right requests to the routes about webhooks that we send, and who may send them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from api.auth import Role
from tests.api.role_rules import BY_ADMINS, READ_BY_AUDITORS, Route, Rule, by_its_creator, same

if TYPE_CHECKING:
    from tests.api.deployment import Deployment, Person

OF_CREATORS: Final = "/creators/{creator_id}/webhook-endpoints"
OF_PLATFORM: Final = "/admin/webhook-endpoints"
QUEUE: Final = "/admin/webhook-deliveries"
CHANGES: Final = "/admin/webhook-endpoint-changes"
URL: Final = "https://hooks.example.com/hesabu"
ENDPOINTS_MAX: Final = 20

ACTIONS: Final = {
    Route("POST", ""): 201,
    Route("GET", ""): 200,
    Route("GET", "/{endpoint_id}"): 200,
    Route("PUT", "/{endpoint_id}"): 200,
    Route("DELETE", "/{endpoint_id}"): 200,
    Route("POST", "/{endpoint_id}/rotate-secret"): 201,
    Route("POST", "/{endpoint_id}/test"): 202,
    Route("POST", "/{endpoint_id}/replay"): 202,
    Route("GET", "/{endpoint_id}/deliveries"): 200,
    Route("POST", "/{endpoint_id}/deliveries/{delivery_id}/redeliver"): 202,
}
RULES: Final[dict[Route, Rule]] = {
    **{
        Route(method, OF_CREATORS + path): by_its_creator(status)
        for (method, path), status in ACTIONS.items()
    },
    **{
        Route(method, OF_PLATFORM + path): same(status, Role.ADMIN)
        for (method, path), status in ACTIONS.items()
    },
    Route("GET", QUEUE): BY_ADMINS,
    Route("POST", f"{QUEUE}/{{delivery_id}}/redeliver"): same(202, Role.ADMIN),
    Route("POST", f"{QUEUE}/{{delivery_id}}/ignore"): BY_ADMINS,
    Route("GET", CHANGES): READ_BY_AUDITORS,
}


def endpoint_request(doors: Deployment, route: Route, creator: Person) -> dict[str, Any] | None:
    """Path and body for one of these routes; None for others."""
    if route not in RULES:
        return None
    path = route.path.replace("{creator_id}", str(creator.id))
    owner = path.partition("/{")[0] if "webhook-endpoints" in path else OF_PLATFORM
    if "{endpoint_id}" in path or "{delivery_id}" in path:
        endpoint_id = endpoint_of(doors, owner)
        path = path.replace("{endpoint_id}", endpoint_id)
        if "{delivery_id}" in path:
            path = path.replace("{delivery_id}", str(delivery_of(doors, owner, endpoint_id)))
    request: dict[str, Any] = {"path": path}
    if route.path.endswith("/webhook-endpoints") and route.method == "POST":
        make_room(doors, owner)
        request["json"] = {"url": URL}
    elif route.method == "PUT":
        request["json"] = {"url": URL, "types": ["payment.succeeded"], "enabled": True}
    elif path.endswith("/replay"):
        request["json"] = {"after_position": 0}
    return request


def endpoint_of(doors: Deployment, owner: str) -> str:
    """A new endpoint of an owner."""
    make_room(doors, owner)
    made = doors.api.send(doors.admin, "POST", owner, key=str(uuid4()), json={"url": URL})
    return str(made.json()["data"]["id"])


def delivery_of(doors: Deployment, owner: str, endpoint_id: str) -> int:
    """A message to an endpoint: a test of it."""
    path = f"{owner}/{endpoint_id}/test"
    sent = doors.api.send(doors.admin, "POST", path, key=str(uuid4()))
    return int(sent.json()["data"]["id"])


def make_room(doors: Deployment, owner: str) -> None:
    """Delete what is there when it is as much as there may be."""
    found = doors.api.send(doors.admin, "GET", owner).json()["data"]["items"]
    if len(found) >= ENDPOINTS_MAX:
        for each in found:
            doors.api.send(doors.admin, "DELETE", f"{owner}/{each['id']}", key=str(uuid4()))
