"""Right requests to the routes about personal data, and who may send them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from api.auth import Role
from tests.api.role_rules import MADE_BY_ADMINS, Route, Rule, same

if TYPE_CHECKING:
    from tests.api.deployment import Deployment, Person

ERASURES: Final = "/admin/erasures"
LOOKS: Final = "/admin/vault-looks"

RULES: Final[dict[Route, Rule]] = {
    Route("POST", ERASURES): MADE_BY_ADMINS,
    Route("GET", ERASURES): same(200, Role.ADMIN, Role.AUDITOR),
    Route("POST", LOOKS): MADE_BY_ADMINS,
    Route("GET", "/audit/vault-looks"): same(200, Role.AUDITOR),
}


def erasure_request(
    doors: Deployment, route: Route, fan: Person, creator: Person
) -> dict[str, Any] | None:
    """Path, query or body for one of these routes; None for others. The fan stays as they are."""
    match route:
        case Route("POST", path) if path == ERASURES:
            somebody = with_a_phone_and_nothing_open(doors, creator)
            return {"path": path, "json": erasure_body(somebody)}
        case Route("POST", path) if path == LOOKS:
            doors.pay(fan, creator)
            return {"path": path, "json": look_body(fan)}
        case Route("GET", path) if route in RULES:
            return {"path": path, "params": {"limit": "2"}}
        case _:
            return None


def erasure_body(person: Person) -> dict[str, str]:
    """A request to erase somebody."""
    return {"person_id": str(person.id), "reason": "They asked to be forgotten."}


def look_body(person: Person, kind: str = "phone") -> dict[str, str]:
    """A request to look at what there is of somebody."""
    reason = "They asked which number is prompted."
    return {"person_id": str(person.id), "kind": kind, "reason": reason}


def with_a_phone_and_nothing_open(doors: Deployment, creator: Person) -> Person:
    """A fan whose number is known by a payment that they gave up."""
    fan = doors.fan()
    payment_id = doors.pay(fan, creator)
    path = f"/payments/{payment_id}/cancel"
    assert doors.api.send(fan, "POST", path, key=str(uuid4())).is_success
    return fan
