"""Right requests to the routes about read models, and who may send them."""

from __future__ import annotations

from typing import Any, Final

from api.auth import Role
from tests.api.role_rules import BY_ADMINS, Route, Rule, same

REBUILD: Final = "/admin/projections/{name}/rebuild"

RULES: Final[dict[Route, Rule]] = {
    Route("GET", "/admin/projections"): BY_ADMINS,
    Route("POST", REBUILD): same(202, Role.ADMIN),
}


def projection_request(route: Route) -> dict[str, Any] | None:
    """The path for one of these routes, as `ApiProcess.send` takes it; None for others."""
    return {"path": route.path.replace("{name}", "payments")} if route in RULES else None
