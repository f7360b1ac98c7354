"""The steps that lead to a payout, over HTTP: money, somebody who may be paid, and where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import httpx

from api.auth import Role
from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from tests.api.deployment import PHONE_PREFIX
from tests.money_builders import payout_unknown, start_payout

if TYPE_CHECKING:
    from tests.api.deployment import ApiProcess, Deployment, Person

AVAILABLE: Final = 90_000
REASON: Final = "as it was agreed"


def kes(amount: int) -> dict[str, Any]:
    """Kenyan shillings, in cents."""
    return {"amount": amount, "currency": "KES"}


class Payee:
    """A verified creator with money, and a verified destination of theirs, cooled where it may."""

    def __init__(
        self, doors: Deployment, *, available: int = AVAILABLE, creator: Person | None = None
    ) -> None:
        self.doors = doors
        self.creator = creator or doors.creator()
        self.path = f"/creators/{self.creator.id}"
        if available:
            self.give(available)
        self.verify()
        self.destination = self.add_destination()
        self.verify_destination(self.destination)

    def ask(
        self,
        caller: Person,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        key: str | None = None,
        api: ApiProcess | None = None,
    ) -> httpx.Response:
        """Send a request that may be refused; the path is below the creator's, or absolute."""
        where = path if path.startswith(("/admin", "/creators")) else f"{self.path}{path}"
        key = key or (None if method == "GET" else str(uuid4()))
        return (api or self.doors.api).send(caller, method, where, key=key, json=body)

    def done(
        self, caller: Person, method: str, path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Send a request that is done; its data."""
        answer = self.ask(caller, method, path, body)
        assert answer.is_success, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def give(self, amount: int) -> None:
        """Let money be available, as if it were carried over from other books."""
        postings = [
            {"account": "bank:settlement", **kes(amount)},
            {"account": f"creator:{self.creator.id}:available", **kes(-amount)},
        ]
        body = {"kind": "post_adjustment", "reason": REASON, "postings": postings}
        self.done(self.doors.admin, "POST", "/admin/proposals", body)

    def verify(self, verification: str = "verified") -> None:
        """Let the creator be known, or not."""
        body = {"verification": verification}
        self.done(self.doors.admin, "PUT", f"/admin{self.path}/verification", body)

    def add_destination(self, caller: Person | None = None, *, digits: str = "000") -> str:
        """Another phone; its id."""
        body = {"phone": f"{PHONE_PREFIX}{digits}"}
        return str(self.done(caller or self.creator, "POST", "/destinations", body)["id"])

    def verify_destination(self, destination: str) -> None:
        """Let an admin verify a destination."""
        self.done(self.doors.admin, "POST", f"/destinations/{destination}/verify")

    def request(
        self,
        amount: int | None = None,
        *,
        caller: Person | None = None,
        destination: str | None = None,
        key: str | None = None,
        api: ApiProcess | None = None,
    ) -> httpx.Response:
        """Ask for a payout, which may be refused."""
        body = {"destination_id": destination or self.destination}
        money = {} if amount is None else {"money": kes(amount)}
        return self.ask(
            caller or self.creator, "POST", "/payouts", {**body, **money}, key=key, api=api
        )

    def payout(self, amount: int | None = None, *, caller: Person | None = None) -> str:
        """A payout that was asked for; its id."""
        answer = self.request(amount, caller=caller)
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        return str(answer.json()["data"]["id"])

    def approve(self, payout: str, *admins: Person) -> dict[str, Any]:
        """Approvals by these people; how the payout stands after them."""
        return [self.done(admin, "POST", f"/admin/payouts/{payout}/approve") for admin in admins][
            -1
        ]

    def unknown_payout(self, amount: int) -> str:
        """A payout whose provider never answered; no dispatcher is needed."""
        payout = self.payout(amount)
        self.approve(payout, *admins(self.doors, 2))
        ledger = Ledger(BookLocation(self.doors.database, DatabaseRole.DISPATCHER))
        ledger.execute_one(start_payout(UUID(payout), self.creator.id))
        ledger.execute_one(payout_unknown(UUID(payout)))
        ledger.close()
        return payout

    def hold(self, amount: int) -> str:
        """Money that is reserved for a day; the hold's id."""
        body = {"money": kes(amount), "reason": REASON, "expires_at": tomorrow()}
        return str(self.done(self.doors.admin, "POST", f"/admin{self.path}/holds", body)["id"])

    def funds(self) -> dict[str, int]:
        """What the creator has in KES, by name."""
        [funds] = self.done(self.creator, "GET", "/balance")["balances"]
        return {name: amount for name, amount in funds.items() if name != "currency"}


def tomorrow() -> str:
    """A time that has not come yet."""
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()


def admins(doors: Deployment, count: int) -> list[Person]:
    """So many admins."""
    return [doors.person(Role.ADMIN) for _ in range(count)]


def told(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, str(answer.json()["error"]["code"])
