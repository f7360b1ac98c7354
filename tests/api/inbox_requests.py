"""Right requests to the routes about the inbox, and who may send them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.api.refund_requests import dispute_callback
from tests.api.role_rules import BY_ADMINS, Route, Rule

if TYPE_CHECKING:
    from tests.api.deployment import Deployment, Person

REASON: Final = "the payment is known by now"
OF_CALLBACK: Final = "/admin/inbox/{inbox_id}"

RULES: Final[dict[Route, Rule]] = {
    Route("GET", "/admin/inbox"): BY_ADMINS,
    Route("POST", f"{OF_CALLBACK}/reprocess"): BY_ADMINS,
    Route("POST", f"{OF_CALLBACK}/ignore"): BY_ADMINS,
}


def inbox_request(doors: Deployment, route: Route, creator: Person) -> dict[str, Any] | None:
    """Path and body for one of these routes, as `ApiProcess.send` takes them; None for others."""
    if route not in RULES:
        return None
    if route.method == "GET":
        return {"path": route.path}
    inbox_id = parked_id(doors, doors.pay(doors.fan(), creator))
    return {"path": route.path.replace("{inbox_id}", inbox_id), "json": {"reason": REASON}}


def parked_id(doors: Deployment, payment_id: str) -> str:
    """A dispute of a payment that has no money yet waits for a person; its id in the inbox."""
    answer = doors.api.deliver(dispute_callback(doors, payment_id))
    assert answer.json()["data"]["verdict"] == "parked", answer.text
    return str(waiting(doors)[-1]["id"])


def waiting(doors: Deployment) -> list[dict[str, Any]]:
    """Everything that waits, the longest waiting first."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        query = {} if cursor is None else {"cursor": cursor}
        answer = doors.api.send(doors.admin, "GET", "/admin/inbox", params={**query, "limit": 200})
        items += answer.json()["data"]["items"]
        cursor = answer.json()["data"]["next_cursor"]
        if cursor is None:
            return items
