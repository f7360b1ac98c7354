"""Right requests to the routes about payouts and standing, and who may send them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from tests.api.deployment import PHONE_PREFIX
from tests.api.payout_steps import REASON, Payee, kes, tomorrow
from tests.api.role_rules import (
    BY_ADMINS,
    MADE_BY_ADMINS,
    READ_BY_ITS_CREATOR,
    Route,
    Rule,
    by_its_creator,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.api.deployment import Deployment, Person

OF_CREATOR: Final = "/creators/{creator_id}"
OF_STANDING: Final = "/admin/creators/{creator_id}"
OF_PAYOUT: Final = "/admin/payouts/{payout_id}"
WHY: Final = {"reason": REASON}

RULES: Final[dict[Route, Rule]] = {
    Route("POST", f"{OF_CREATOR}/destinations"): by_its_creator(201),
    Route("GET", f"{OF_CREATOR}/destinations"): READ_BY_ITS_CREATOR,
    Route("DELETE", f"{OF_CREATOR}/destinations/{{destination_id}}"): by_its_creator(200),
    Route("POST", f"{OF_CREATOR}/destinations/{{destination_id}}/verify"): BY_ADMINS,
    Route("PUT", f"{OF_CREATOR}/payout-schedule"): by_its_creator(200),
    Route("GET", f"{OF_CREATOR}/payout-schedule"): READ_BY_ITS_CREATOR,
    Route("GET", f"{OF_CREATOR}/payouts/estimate"): READ_BY_ITS_CREATOR,
    Route("POST", f"{OF_CREATOR}/payouts"): by_its_creator(202),
    Route("GET", f"{OF_CREATOR}/payouts"): READ_BY_ITS_CREATOR,
    Route("GET", f"{OF_CREATOR}/payouts/{{payout_id}}"): READ_BY_ITS_CREATOR,
    Route("GET", f"{OF_CREATOR}/payouts/{{payout_id}}/signed-receipts"): READ_BY_ITS_CREATOR,
    Route("POST", f"{OF_CREATOR}/payouts/{{payout_id}}/cancel"): by_its_creator(200),
    Route("GET", OF_PAYOUT): BY_ADMINS,
    Route("POST", f"{OF_PAYOUT}/approve"): BY_ADMINS,
    Route("POST", f"{OF_PAYOUT}/hold"): BY_ADMINS,
    Route("POST", f"{OF_PAYOUT}/release"): BY_ADMINS,
    Route("POST", f"{OF_PAYOUT}/reject"): BY_ADMINS,
    Route("POST", f"{OF_PAYOUT}/attest-failure"): BY_ADMINS,
    Route("GET", OF_STANDING): BY_ADMINS,
    Route("PUT", f"{OF_STANDING}/verification"): BY_ADMINS,
    Route("POST", f"{OF_STANDING}/suspend"): BY_ADMINS,
    Route("POST", f"{OF_STANDING}/reinstate"): BY_ADMINS,
    Route("POST", f"{OF_STANDING}/close"): BY_ADMINS,
    Route("PUT", f"{OF_STANDING}/tax-profile"): BY_ADMINS,
    Route("POST", f"{OF_STANDING}/holds"): MADE_BY_ADMINS,
    Route("POST", f"{OF_STANDING}/holds/{{hold_id}}/release"): BY_ADMINS,
}


def payout_request(doors: Deployment, route: Route, creator: Person) -> dict[str, Any] | None:
    """Path and body for one of these routes, as `ApiProcess.send` takes them; None for others."""
    if route not in RULES:
        return None
    path = route.path
    if path.endswith(("/suspend", "/reinstate", "/close")):
        # Nobody could ask for a payout after it.
        payee = Payee(doors)
    else:
        payee = _payee_with_much(doors, creator)
    if path.endswith("/reinstate"):
        payee.done(doors.admin, "POST", f"/admin{payee.path}/suspend", WHY)
    made: dict[str, Callable[[], str]] = {
        "{destination_id}": payee.add_destination,
        "{payout_id}": lambda: _payout(payee, route),
        "{hold_id}": lambda: payee.hold(1),
        "{creator_id}": lambda: str(payee.creator.id),
    }
    for name, make in made.items():
        if name in path:
            path = path.replace(name, make())
    request: dict[str, Any] = {"path": path}
    if (body := _body(payee, route)) is not None:
        request["json"] = body
    if path.endswith("/estimate"):
        request["params"] = {"destination_id": payee.destination}
    return request


@lru_cache
def _payee_with_much(doors: Deployment, creator: Person) -> Payee:
    return Payee(doors, available=900_000, creator=creator)


def _payout(payee: Payee, route: Route) -> str:
    if route.path.endswith("/attest-failure"):
        return payee.unknown_payout(100)
    payout = payee.payout(100)
    if route.path.endswith("/release"):
        payee.done(payee.doors.admin, "POST", f"/admin/payouts/{payout}/hold", WHY)
    return payout


def _body(payee: Payee, route: Route) -> dict[str, Any] | None:
    if route == ("POST", f"{OF_CREATOR}/payouts"):
        return {"destination_id": payee.destination, "money": kes(100)}
    bodies: dict[str, dict[str, Any]] = {
        "destinations": {"phone": f"{PHONE_PREFIX}000"},
        "payout-schedule": {"interval": "weekly", "destination_id": payee.destination},
        "hold": WHY,
        "reject": WHY,
        "attest-failure": {"evidence": REASON},
        "verification": {"verification": "verified"},
        "suspend": WHY,
        "reinstate": WHY,
        "close": WHY,
        "tax-profile": {"country": "KE", "withholding_basis_points": 0, "tax_number": "A00X"},
        "holds": {"money": kes(1), "reason": REASON, "expires_at": tomorrow()},
    }
    return None if route.method == "GET" else bodies.get(route.path.rpartition("/")[2])
