"""Right requests to the routes that ask read models, and who may send them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from api.auth import Role
from tests.api.role_rules import BY_ADMINS, READ_BY_ITS_CREATOR, Route, Rule, same

if TYPE_CHECKING:
    from tests.api.deployment import Deployment, Person

RECEIPT: Final = "/payments/{payment_id}/receipt"
OF_A_CREATOR: Final = "/creators/{creator_id}"

RULES: Final[dict[Route, Rule]] = {
    Route("GET", "/admin/payments"): BY_ADMINS,
    Route("GET", "/admin/payouts"): BY_ADMINS,
    Route("GET", "/admin/proposals"): BY_ADMINS,
    Route("GET", "/admin/suspense/receipts"): BY_ADMINS,
    Route("GET", f"{OF_A_CREATOR}/payments"): READ_BY_ITS_CREATOR,
    Route("GET", f"{OF_A_CREATOR}/invoices"): READ_BY_ITS_CREATOR,
    Route("GET", f"{OF_A_CREATOR}/earnings"): READ_BY_ITS_CREATOR,
    Route("GET", f"{OF_A_CREATOR}/supporters"): READ_BY_ITS_CREATOR,
    Route("GET", f"{OF_A_CREATOR}/recurring"): READ_BY_ITS_CREATOR,
    Route("GET", f"{OF_A_CREATOR}/recurring/days"): READ_BY_ITS_CREATOR,
    Route("GET", f"{OF_A_CREATOR}/statements"): READ_BY_ITS_CREATOR,
    Route("GET", f"{OF_A_CREATOR}/statements/{{month}}"): READ_BY_ITS_CREATOR,
    Route("GET", "/me/payments"): same(200, Role.FAN),
    Route("GET", "/me/invoices"): same(200, Role.FAN),
    Route("GET", RECEIPT): Rule({Role.FAN: 200, Role.ADMIN: 200}, {Role.FAN: 404, Role.ADMIN: 200}),
}
THIS_MONTH: Final = f"{datetime.now(ZoneInfo('Africa/Nairobi')):%Y-%m}"
SINCE: Final = "2026-01-01T00:00:00+03:00"
DAYS: Final = {"since": "2026-01-01", "until": "2026-02-01"}

PARAMETERS: Final[dict[str, dict[str, str]]] = {
    "/admin/payments": {"since": SINCE, "state": "succeeded", "reference": "video-1"},
    "/admin/payouts": {"since": SINCE, "provider": "sandbox", "state": "paid"},
    "/admin/proposals": {"state": "all"},
    "/admin/suspense/receipts": {"state": "waiting", "provider_transaction": "T1"},
    f"{OF_A_CREATOR}/payments": {"since": SINCE, "state": "succeeded"},
    f"{OF_A_CREATOR}/invoices": {"state": "open"},
    f"{OF_A_CREATOR}/earnings": {**DAYS, "interval": "week", "by_source": "true"},
    f"{OF_A_CREATOR}/supporters": {"month": "2026-01", "limit": "3"},
    f"{OF_A_CREATOR}/recurring": DAYS,
    f"{OF_A_CREATOR}/recurring/days": DAYS,
}


def search_request(
    doors: Deployment, route: Route, fan: Person, creator: Person
) -> dict[str, Any] | None:
    """Path and query for one of these routes, as `ApiProcess.send` takes them; None for others."""
    if route not in RULES:
        return None
    path = route.path.replace("{creator_id}", str(creator.id))
    path = path.replace("{month}", THIS_MONTH)
    if route.path == RECEIPT:
        payment_id = doors.pay(fan, creator)
        doors.api.deliver(doors.callback(payment_id))
        path = route.path.replace("{payment_id}", payment_id)
    return {"path": path, "params": PARAMETERS.get(route.path, {})}
