"""Right requests to the routes of fans about themselves and their subscriptions, and by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from api.auth import Role
from ledger.commands import fan_stream
from ledger.events import PhoneConfirmationStarted
from tests.api.role_rules import Route, Rule, same
from tests.api.subscriber import AT_THE_END, MONTH, NOW, Offer, Subscriber

if TYPE_CHECKING:
    from tests.api.deployment import Deployment, Person

OF_ONE: Final = "/subscriptions/{subscription_id}"
CONFIRM: Final = "/me/phones/{confirmation_id}/confirm"
CARD: Final = {"kind": "card", "card": "card_000", "provider": "sandbox"}


def by_its_fan(status: int) -> Rule:
    """Only its fan may; to others it does not exist."""
    return Rule({Role.FAN: status}, {Role.FAN: 404})


READ_BY_ITS_FAN: Final = Rule({Role.FAN: 200, Role.ADMIN: 200}, {Role.FAN: 404, Role.ADMIN: 200})

RULES: Final[dict[Route, Rule]] = {
    Route("GET", "/me"): same(200, Role.FAN),
    Route("POST", "/me/phones"): same(202, Role.FAN),
    Route("POST", CONFIRM): by_its_fan(200),
    Route("PUT", "/me/email"): same(200, Role.FAN),
    Route("DELETE", "/me/email"): same(200, Role.FAN),
    Route("GET", "/me/balance"): same(200, Role.FAN),
    Route("GET", "/me/entitlements"): same(200, Role.FAN),
    Route("POST", "/subscriptions"): same(202, Role.FAN),
    Route("GET", "/subscriptions"): same(200, Role.FAN),
    Route("GET", OF_ONE): READ_BY_ITS_FAN,
    Route("GET", f"{OF_ONE}/invoices"): READ_BY_ITS_FAN,
    Route("GET", f"{OF_ONE}/change-preview"): by_its_fan(200),
    Route("POST", f"{OF_ONE}/cancel"): by_its_fan(200),
    Route("POST", f"{OF_ONE}/uncancel"): by_its_fan(200),
    Route("POST", f"{OF_ONE}/pause"): by_its_fan(200),
    Route("POST", f"{OF_ONE}/resume"): by_its_fan(202),
    Route("POST", f"{OF_ONE}/change-tier"): by_its_fan(202),
    Route("POST", f"{OF_ONE}/prepay"): by_its_fan(202),
    Route("POST", f"{OF_ONE}/payment-method"): by_its_fan(200),
    Route("POST", f"{OF_ONE}/pay-now"): by_its_fan(202),
    Route("POST", f"{OF_ONE}/pay-by-hand"): by_its_fan(201),
}

BODIES: Final[dict[str, dict[str, Any]]] = {
    "cancel": NOW,
    "pause": NOW,
    "prepay": {"count": 1},
    "payment-method": {"method": CARD},
}


def subscription_request(doors: Deployment, route: Route, fan: Person) -> dict[str, Any] | None:
    """Path and body for one of these routes, as `ApiProcess.send` takes them; None for others."""
    if route not in RULES:
        return None
    if route.path.startswith(OF_ONE):
        return _of_one(doors, route, fan)
    subscriber = Subscriber(doors, fan=fan, confirmed=False)
    match route:
        case Route("POST", "/me/phones"):
            return {"path": route.path, "json": {"phone": subscriber.phone}}
        case Route("POST", "/subscriptions"):
            return {"path": route.path, "json": subscriber.body(Offer(doors), method=CARD)}
        case Route("PUT", "/me/email"):
            return {"path": route.path, "json": {"email": "fan@example.org"}}
        case Route("POST", path) if path == CONFIRM:
            confirmation = _latest_confirmation(doors, fan) or subscriber.confirmation()
            return {
                "path": CONFIRM.replace("{confirmation_id}", confirmation),
                "json": subscriber.right_code(confirmation),
            }
        case _:
            return {"path": route.path}


def _latest_confirmation(doors: Deployment, fan: Person) -> str | None:
    """The fan's own, since nobody is sent more than five codes an hour."""
    started = [
        state["confirmation_id"]
        for topic, state in doors.events(fan_stream(fan.id))
        if topic == PhoneConfirmationStarted.TOPIC
    ]
    return str(started[-1]) if started else None


def _of_one(doors: Deployment, route: Route, fan: Person) -> dict[str, Any]:
    """For a subscription that is paid, and stands as the request needs it."""
    offer, subscriber = Offer(doors), Subscriber(doors, fan=fan, confirmed=False)
    subscription = subscriber.member(offer, method=CARD)
    what = route.path.removeprefix(OF_ONE).removeprefix("/")
    request: dict[str, Any] = {"path": route.path.replace("{subscription_id}", subscription)}
    body = BODIES.get(what)
    match what:
        case "uncancel":
            subscriber.posted(subscription, "cancel", AT_THE_END)
        case "resume":
            subscriber.posted(subscription, "pause", NOW)
        case "change-preview":
            request["path"] = subscriber.preview(subscription, offer.higher)
        case "change-tier":
            quote = subscriber.done("GET", subscriber.preview(subscription, offer.higher))
            body = {
                "tier_id": offer.higher,
                "interval": MONTH,
                "quoted_at": quote["quoted_at"],
                "amount_due": quote["amount_due"],
            }
        case _:
            pass
    return request if body is None else {**request, "json": body}
