"""Tiers over HTTP, and fans who subscribed to them: what they did lies in the book already."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from ledger.application import Ledger
from ledger.commands import PayInvoice
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.events import InvoicePaymentInitiated
from tests.builders import report_success
from tests.subscription_builders import by_card, cancel_subscription, subscribe

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from ledger.decisions import LedgerCommand
    from tests.api.deployment import Deployment, Person

PRICE: Final = 50_000
"""KES 500.00 for each month."""

MONTHLY: Final = {"unit": "month", "count": 1}


def kes(amount: int) -> dict[str, Any]:
    """Kenyan shillings, in cents."""
    return {"amount": amount, "currency": "KES"}


def told(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of a refusal."""
    return answer.status_code, answer.json()["error"]["code"]


class Catalog:
    """What one creator offers, made by requests of that creator."""

    def __init__(self, doors: Deployment, creator: Person | None = None) -> None:
        self.doors = doors
        self.creator = creator or doors.creator()
        self.path = f"/creators/{self.creator.id}/tiers"

    def ask(
        self,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        caller: Person | None = None,
        key: str | None = None,
    ) -> httpx.Response:
        """Post what may be refused; the path is below the creator's tiers."""
        return self.doors.api.send(
            caller or self.creator, "POST", f"{self.path}{path}", key=key or str(uuid4()), json=body
        )

    def done(
        self, path: str, body: dict[str, Any] | None = None, *, caller: Person | None = None
    ) -> dict[str, Any]:
        """Post what is done; its data."""
        answer = self.ask(path, body, caller=caller)
        assert answer.is_success, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def draft(self, *, name: str = "Friends", trial_days: int = 0) -> str:
        """A tier that is not offered yet; its id."""
        return str(self.done("", {"name": name, "trial_days": trial_days})["id"])

    def price(self, tier: str, amount: int = PRICE, interval: dict[str, Any] = MONTHLY) -> int:
        """Another price of a tier; its version."""
        done = self.done(f"/{tier}/prices", {"money": kes(amount), "interval": interval})
        return max(int(price["version"]) for price in done["prices"])

    def offered(self, *, name: str = "Friends", amount: int = PRICE, trial_days: int = 0) -> str:
        """A tier that fans may subscribe to; its id."""
        tier = self.draft(name=name, trial_days=trial_days)
        self.price(tier, amount)
        self.done(f"/{tier}/publish")
        return tier

    def tiers(self, caller: Person) -> list[dict[str, Any]]:
        """What somebody is shown."""
        answer = self.doors.api.send(caller, "GET", self.path)
        assert answer.is_success, answer.text
        items: list[dict[str, Any]] = answer.json()["data"]["items"]
        return items


@contextmanager
def book_of(doors: Deployment) -> Iterator[Ledger]:
    """The book that a deployment serves."""
    ledger = Ledger(BookLocation(doors.database, DatabaseRole.APP))
    try:
        yield ledger
    finally:
        ledger.close()


class Member:
    """A fan who subscribed to a tier by a card, and has paid the first period if `paid`."""

    def __init__(
        self,
        doors: Deployment,
        catalog: Catalog,
        tier: str,
        *,
        fan: Person | None = None,
        paid: bool = True,
        trial: bool = False,
    ) -> None:
        self.doors = doors
        self.fan = fan or doors.fan()
        self.creator = catalog.creator
        self.tier = tier
        self.subscription = uuid4()
        self.payments: list[UUID] = []
        self.do(
            subscribe(
                self.fan.id,
                catalog.creator.id,
                UUID(tier),
                by_card(uuid4()),
                subscription_id=self.subscription,
                trial=trial,
            )
        )
        if paid and self.payments:
            self.pay()

    def do(self, *commands: LedgerCommand) -> None:
        """Let these happen; none is refused. Payments that begin are noted."""
        with book_of(self.doors) as ledger:
            for command in commands:
                for event in ledger.execute_one(command).events:
                    if isinstance(event, InvoicePaymentInitiated):
                        self.payments.append(event.originator_id)

    def pay(self, amount: int = PRICE) -> None:
        """The money that was asked for last arrives, wanted or not."""
        self.do(report_success(self.payments[-1], amount))

    def pay_next(self, command: PayInvoice) -> None:
        """The fan asks to pay, and pays."""
        self.do(command)
        self.pay()

    def pay_too_late(self) -> UUID:
        """Give up and pay all the same: the payment whose money is the fan's credit."""
        self.do(cancel_subscription(self.subscription))
        self.pay()
        return self.payments[-1]
