"""Right requests to the routes that explain, compare and suppose, and who may send them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.api.role_rules import READ_BY_AUDITORS, Route, Rule
from tests.databases import value

if TYPE_CHECKING:
    from tests.api.deployment import Deployment, Person

HEAD: Final = "SELECT max(position) FROM turns"

RULES: Final[dict[Route, Rule]] = {
    Route("GET", "/audit/accounts/{account}/explanation"): READ_BY_AUDITORS,
    Route("GET", "/audit/differences"): READ_BY_AUDITORS,
    Route("POST", "/audit/what-if"): READ_BY_AUDITORS,
}


def explanation_request(
    doors: Deployment, route: Route, fan: Person, creator: Person
) -> dict[str, Any] | None:
    """Path, query and body for one of these routes; None for others."""
    if route not in RULES:
        return None
    if route.path == "/audit/differences":
        return {"params": {"from": "0", "to": "1"}}
    if route.path == "/audit/what-if":
        # Of the newest events: the whole log of a long test run may be too long for this route.
        first = max(1, value(doors.database, HEAD) - 1_000)
        return {"json": {"platform_fee_basis_points": 500, "from_position": first}}
    doors.api.deliver(doors.callback(doors.pay(fan, creator)))
    account = f"creator:{creator.id}:pending"
    return {
        "path": route.path.replace("{account}", account),
        "params": {"currency": "KES", "limit": "1"},
    }
