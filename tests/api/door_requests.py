"""Right requests to the routes about tokens and about who looked at what, and who may send them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from api.auth import Role
from tests.api.role_rules import Route, Rule, same

if TYPE_CHECKING:
    from tests.api.deployment import Person

REVOCATIONS: Final = "/admin/token-revocations"

RULES: Final[dict[Route, Rule]] = {
    Route("POST", REVOCATIONS): same(201, Role.ADMIN, Role.SERVICE),
    Route("GET", REVOCATIONS): same(200, Role.ADMIN, Role.AUDITOR),
    Route("GET", "/audit/access-records"): same(200, Role.AUDITOR),
}


def door_request(route: Route, fan: Person) -> dict[str, Any] | None:
    """Path, query or body for one of these routes; None for others. Nobody is really locked out."""
    match route:
        case Route("POST", path) if path == REVOCATIONS:
            body = {"token_id": f"token-{uuid4()}", "reason": "The device was lost."}
            return {"path": path, "json": body}
        case Route("GET", path) if path == REVOCATIONS:
            return {"path": path, "params": {"limit": "2"}}
        case Route("GET", "/audit/access-records"):
            return {"path": route.path, "params": {"subject": str(fan.id), "limit": "2"}}
        case _:
            return None
