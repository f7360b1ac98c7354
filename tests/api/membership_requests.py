"""Right requests to the routes about tiers, subscribers, access and fans' credit, and by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from api.auth import Role
from tests.api.memberships import MONTHLY, Catalog, Member, kes
from tests.api.role_rules import BY_ADMINS, READ_BY_ITS_CREATOR, Route, Rule, by_its_creator, same

if TYPE_CHECKING:
    from tests.api.deployment import Deployment, Person

TIERS: Final = "/creators/{creator_id}/tiers"
TIER: Final = f"{TIERS}/{{tier_id}}"
REASON: Final = "the fan asked for it"

RULES: Final[dict[Route, Rule]] = {
    Route("POST", TIERS): by_its_creator(201),
    Route("GET", TIERS): same(200, *Role),
    Route("POST", f"{TIER}/prices"): by_its_creator(201),
    Route("POST", f"{TIER}/publish"): by_its_creator(200),
    Route("POST", f"{TIER}/archive"): by_its_creator(200),
    Route("POST", f"{TIER}/price-migrations"): by_its_creator(201),
    Route("GET", "/creators/{creator_id}/subscribers"): READ_BY_ITS_CREATOR,
    Route("GET", "/entitlements"): same(200, Role.SERVICE, Role.ADMIN),
    Route("GET", "/fans/{fan_id}/balance"): BY_ADMINS,
    Route("POST", "/payments/{payment_id}/credit-refunds"): same(202, Role.ADMIN),
}


def membership_request(
    doors: Deployment, route: Route, fan: Person, creator: Person
) -> dict[str, Any] | None:
    """Path and body for one of these routes, as `ApiProcess.send` takes them; None for others."""
    if route not in RULES:
        return None
    catalog = Catalog(doors, creator)
    path = route.path.replace("{creator_id}", str(creator.id)).replace("{fan_id}", str(fan.id))
    request: dict[str, Any] = {}
    if "{tier_id}" in path:
        tier = catalog.offered()
        path = path.replace("{tier_id}", tier)
        if path.endswith("/price-migrations"):
            catalog.price(tier, 60_000)
    if "{payment_id}" in path:
        member = Member(doors, catalog, catalog.offered(), paid=False)
        path = path.replace("{payment_id}", str(member.pay_too_late()))
    if path == "/entitlements":
        request["params"] = {"fan_id": str(fan.id), "creator_id": str(creator.id)}
    bodies: dict[str, dict[str, Any]] = {
        "tiers": {"name": "Friends", "trial_days": 7},
        "prices": {"money": kes(70_000), "interval": MONTHLY},
        "price-migrations": {
            "from_version": 1,
            "to_version": 2,
            "begins_at": "2126-01-01T00:00:00Z",
        },
        "credit-refunds": {"reason": REASON},
    }
    if route.method == "POST" and (body := bodies.get(path.rpartition("/")[2])) is not None:
        request["json"] = body
    return {"path": path, **request}
