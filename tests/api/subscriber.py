"""The steps of a fan who subscribes, over HTTP: tiers to choose from, a phone, requests."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import httpx

from api.one_time_codes import SECRET_NAME as CODES_SECRET
from api.one_time_codes import OneTimeCodes
from ledger.key_store import KeyStore
from tests.api.deployment import PHONE_PREFIX
from tests.api.payout_steps import kes
from tests.api.processes import wait_until

if TYPE_CHECKING:
    from tests.api.deployment import ApiProcess, Deployment, Person

MONTH: Final = {"unit": "month", "count": 1}
YEAR: Final = {"unit": "year", "count": 1}
PRICE: Final = 50_000
HIGHER: Final = 80_000
"""What the two tiers cost a month, in cents of a shilling."""

TRIAL_DAYS: Final = 7
NOW: Final = {"when": "now"}
AT_THE_END: Final = {"when": "period_end"}


class Offer:
    """A creator with two tiers: at PRICE a month, or ten times that a year; at HIGHER a month."""

    def __init__(self, doors: Deployment, creator: Person | None = None) -> None:
        self.doors = doors
        self.creator = creator or doors.creator()
        self.tier = self._tier("Friends", (PRICE, MONTH), (10 * PRICE, YEAR))
        self.higher = self._tier("Family", (HIGHER, MONTH))

    def _tier(self, name: str, *prices: tuple[int, dict[str, Any]]) -> str:
        tier = str(self._done("", {"name": name, "trial_days": TRIAL_DAYS})["id"])
        for amount, interval in prices:
            self._done(f"/{tier}/prices", {"money": kes(amount), "interval": interval})
        self._done(f"/{tier}/publish", None)
        return tier

    def _done(self, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        where = f"/creators/{self.creator.id}/tiers{path}"
        answer = self.doors.api.send(self.creator, "POST", where, key=str(uuid4()), json=body)
        assert answer.is_success, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data


@lru_cache(maxsize=8)
def codes_of(doors: Deployment) -> OneTimeCodes:
    """The codes that this deployment sends to phones."""
    store = KeyStore(doors.directory / "keys" / "key_store.sqlite3")
    secret = store.secret(CODES_SECRET)
    store.close()
    return OneTimeCodes(secret)


class Subscriber:
    """A fan with a confirmed phone, whose last three digits choose what the operator does."""

    def __init__(
        self,
        doors: Deployment,
        *,
        digits: str = "000",
        line: str = "81",
        confirmed: bool = True,
        fan: Person | None = None,
    ) -> None:
        self.doors = doors
        self.fan = fan or doors.fan()
        self.phone = f"{PHONE_PREFIX.removesuffix('81')}{line}{digits}"
        if confirmed:
            self.confirm(self.phone)

    def ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        key: str | None = None,
        api: ApiProcess | None = None,
    ) -> httpx.Response:
        """Send a request that may be refused."""
        key = key or (None if method == "GET" else str(uuid4()))
        return (api or self.doors.api).send(self.fan, method, path, key=key, json=body)

    def done(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        key: str | None = None,
    ) -> dict[str, Any]:
        """Send a request that is done; its data."""
        answer = self.ask(method, path, body, key=key)
        assert answer.is_success, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def confirmation(self, phone: str | None = None) -> str:
        """Have a code sent; the confirmation's id."""
        data = self.done("POST", "/me/phones", {"phone": phone or self.phone})
        return str(data["confirmation_id"])

    def confirm(self, phone: str) -> None:
        """Give the code that was sent to a phone."""
        confirmation = self.confirmation(phone)
        self.done("POST", f"/me/phones/{confirmation}/confirm", self.right_code(confirmation))

    def right_code(self, confirmation: str) -> dict[str, str]:
        """What stands in the message to the phone."""
        return {"code": codes_of(self.doors).code(UUID(confirmation))}

    def wrong_code(self, confirmation: str) -> dict[str, str]:
        """Six other digits."""
        right = int(self.right_code(confirmation)["code"])
        return {"code": f"{(right + 1) % 1_000_000:06d}"}

    def by_phone(self, phone: str | None = None) -> dict[str, Any]:
        """Renewals by prompts."""
        return {"kind": "phone", "phone": phone or self.phone, "provider": "sandbox"}

    def body(self, offer: Offer, **changes: object) -> dict[str, Any]:
        """What to subscribe to: a month at PRICE."""
        return {
            "creator_id": str(offer.creator.id),
            "tier_id": offer.tier,
            "interval": MONTH,
            "method": self.by_phone(),
            **changes,
        }

    def subscribe(self, offer: Offer, **changes: object) -> str:
        """Subscribe; the subscription's id."""
        return str(self.done("POST", "/subscriptions", self.body(offer, **changes))["id"])

    def read(self, subscription: str) -> dict[str, Any]:
        """The subscription now."""
        return self.done("GET", f"/subscriptions/{subscription}")

    def invoices(self, subscription: str) -> list[dict[str, Any]]:
        """Its invoices, newest first."""
        items: list[dict[str, Any]] = self.done("GET", f"/subscriptions/{subscription}/invoices")[
            "items"
        ]
        return items

    def live(self, subscription: str) -> str:
        """The payment whose prompt is live."""
        [payment] = [
            attempt["payment_id"]
            for invoice in self.read(subscription)["open_invoices"]
            for attempt in invoice["attempts"]
            if attempt["state"] == "open" and attempt["method"] != "till"
        ]
        return str(payment)

    def pay(self, subscription: str) -> None:
        """The provider says that the fan has answered the live prompt."""
        payment = self.live(subscription)
        money = self.doors.payment(self.fan, payment)["money"]
        amount = f"{money['amount'] // 100}.{money['amount'] % 100:02d}"
        answer = self.doors.api.deliver(self.doors.callback(payment, amount=amount))
        assert answer.json()["data"]["verdict"] == "applied", answer.text

    def member(self, offer: Offer, **changes: object) -> str:
        """A subscription whose first period is paid; its id."""
        subscription = self.subscribe(offer, **changes)
        self.pay(subscription)
        assert self.read(subscription)["state"] == "active"
        return subscription

    def post(
        self,
        subscription: str,
        what: str,
        body: dict[str, Any] | None = None,
        *,
        key: str | None = None,
        api: ApiProcess | None = None,
    ) -> httpx.Response:
        """Ask something of a subscription, which may be refused."""
        return self.ask("POST", f"/subscriptions/{subscription}/{what}", body, key=key, api=api)

    def posted(
        self, subscription: str, what: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Ask something of a subscription that is done; its data."""
        return self.done("POST", f"/subscriptions/{subscription}/{what}", body)

    def preview(self, subscription: str, tier: str, interval: dict[str, Any] | None = None) -> str:
        """The path of a preview."""
        wanted = interval or MONTH
        return (
            f"/subscriptions/{subscription}/change-preview?tier_id={tier}"
            f"&interval_unit={wanted['unit']}&interval_count={wanted['count']}"
        )

    def wait_for(self, subscription: str, state: str) -> dict[str, Any]:
        """The subscription, once it has come to a state by itself."""
        wait_until(
            lambda: self.read(subscription)["state"] == state,
            seconds_max=60,
            what=f"subscription {subscription} is {state}",
        )
        return self.read(subscription)
