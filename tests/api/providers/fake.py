"""A provider for tests: a real HTTP server, shaped by its documentation, that can misbehave.

What it does with a request depends on the last three digits of the phone (or of the card), like the
sandbox operator: see `Behaviour`. It keeps the truth about every charge; what it says of it in
callbacks and in answers to queries is two different things, and so are they at real providers.
"""

from __future__ import annotations

import secrets
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple
from uuid import UUID

import httpx
import uvicorn
from starlette.applications import Starlette

from api.providers.port import Accepted, Delivery, PromptRequest
from tests.api.processes import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.routing import Route

    from api.providers.port import Provider
    from ledger.money import Money
    from tests.api.deployment import Deployment, Person

HANG_SECONDS: Final = 4.0
"""Longer than a dispatcher of these tests waits (`PROVIDER_TIMEOUT_SECONDS`)."""


class Behaviour(StrEnum):
    """By the last three digits of a phone or a card."""

    SUCCEEDS = "000"
    REFUSED = "001"  # at once: the request is not taken
    DECLINED = "002"  # by the payer, a moment later
    SILENT = "003"  # it succeeds, and never calls back
    TWICE = "004"  # three copies of the callback, at once
    LATE = "005"  # it succeeds after `late_seconds`, long after the payment has expired
    OTHER_AMOUNT = "006"  # half of the money comes
    OUT_OF_ORDER = "007"  # after the success comes what was said before it: pending, failed
    UNANSWERED = "008"  # it is taken, but its answer never comes; then it succeeds
    LIES = "009"  # the callback says that it succeeded, and it has failed


class Sent(NamedTuple):
    """A callback as the fake sent it: `path` is what follows the API's /webhooks/{provider}."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Charge:
    """What the provider knows of one request for money. `amount` is the provider's own figure."""

    reference: str
    """Ours, as the provider got it."""
    provider_reference: str
    behaviour: Behaviour
    amount: Any
    currency: str
    callback_url: str | None = None
    state: str = "pending"
    paid: Any = None
    transaction: str = field(default_factory=lambda: secrets.token_hex(8).upper())
    details: dict[str, Any] = field(default_factory=dict)


class FakeProvider(ABC):
    """One provider's server, in a thread. A subclass has its routes and its callbacks' shape."""

    name: ClassVar[str]
    currency: ClassVar[str]
    late_seconds: ClassVar[float] = 9.0
    delay_seconds: ClassVar[float] = 0.2
    calls_back_unsigned: ClassVar[bool] = False
    """Its callbacks are hints: they are confirmed by a query."""
    tells_amounts: ClassVar[bool] = True
    """A query says how much was paid. Where not, another amount than ours waits for a person."""
    pays_out: ClassVar[bool] = True
    refunds: ClassVar[bool] = True

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.callbacks_begin_with = ""
        self.charges: dict[str, Charge] = {}
        """By our reference."""
        self.sent: list[Sent] = []
        self.calls: list[tuple[str, str]] = []
        """Method and path of every request that came."""
        self._server = uvicorn.Server(
            uvicorn.Config(
                Starlette(routes=self.routes()),
                host="127.0.0.1",
                port=self.port,
                log_level="warning",
                access_log=False,
            )
        )
        self._thread = threading.Thread(target=self._server.run, name=self.name, daemon=True)

    @abstractmethod
    def routes(self) -> list[Route]:
        """The API, as its documentation has it. Handlers note themselves in `calls`."""

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """The environment of Hesabu's processes, without the prefix HESABU_."""

    @abstractmethod
    def adapter(self) -> Provider:
        """The adapter with these settings, for tests without processes."""

    @abstractmethod
    def callback(self, charge: Charge, state: str) -> Sent:
        """A genuine callback that says that a charge is in `state`: pending, succeeded, failed."""

    def pay(self, doors: Deployment, fan: Person, creator: Person, behaviour: Behaviour) -> str:
        """Let a fan pay by this provider; the payment's id."""
        answer = doors.api.send(
            fan,
            "POST",
            "/payments",
            key=secrets.token_hex(8),
            json={
                "creator_id": str(creator.id),
                "money": {"amount": self.amount(), "currency": self.currency},
                "phone": self.phone(behaviour),
                "provider": self.name,
            },
        )
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        return str(answer.json()["data"]["id"])

    async def begin(self, adapter: Provider, payment_id: UUID, money: Money) -> str:
        """Let an adapter ask for money, of which nothing is called back; the provider's name."""
        answer = await adapter.initiate(
            PromptRequest(
                payment_id=payment_id,
                phone=self.phone(Behaviour.SILENT),
                money=money,
                expires_in_seconds=300,
            )
        )
        assert isinstance(answer, Accepted), answer
        return answer.provider_reference

    def amount(self) -> int:
        """Minor units that this provider takes exactly."""
        return 125_000

    def phone(self, behaviour: Behaviour) -> str:
        """A phone of the provider's country that ends so."""
        return f"+254700000{behaviour}"

    def reference_of(self, payment_id: str | UUID) -> str:
        """How our payment is called at the provider."""
        return str(payment_id)

    def start(self) -> None:
        """Serve."""
        self._thread.start()
        wait_until(lambda: self._server.started, what=f"{self.name} is there")

    def stop(self) -> None:
        """Serve no more."""
        self._server.should_exit = True
        self._thread.join(10)

    def take(self, charge: Charge) -> Charge:
        """A charge was asked for: keep it, and do what its behaviour says, in a thread.

        Call it for every behaviour but REFUSED, before the answer is given.
        """
        self.charges[charge.reference] = charge
        threading.Thread(target=self._live, args=(charge,), daemon=True).start()
        return charge

    def _live(self, charge: Charge) -> None:
        match charge.behaviour:
            case Behaviour.LATE:
                time.sleep(self.late_seconds)
            case Behaviour.UNANSWERED:
                # Once nobody waits for the answer any more: else the callback would be one.
                time.sleep(HANG_SECONDS)
            case _:
                time.sleep(self.delay_seconds)
        match charge.behaviour:
            case Behaviour.DECLINED:
                charge.state = "failed"
                self.send(self.callback(charge, "failed"), charge)
            case Behaviour.LIES:
                charge.state = "failed"
                self.send(self.callback(charge, "succeeded"), charge)
            case Behaviour.SILENT:
                self.settle(charge)
            case Behaviour.TWICE:
                self.settle(charge)
                told = self.callback(charge, "succeeded")
                threads = [
                    threading.Thread(target=self.send, args=(told, charge)) for _ in range(3)
                ]
                for thread in threads:
                    thread.start()
            case Behaviour.OUT_OF_ORDER:
                self.settle(charge)
                for state in ("succeeded", "pending", "failed"):
                    self.send(self.callback(charge, state), charge)
            case _:
                self.settle(charge)
                self.send(self.callback(charge, "succeeded"), charge)

    def settle(self, charge: Charge) -> None:
        """The money came: all of it, or half of it."""
        charge.paid = charge.amount
        if charge.behaviour is Behaviour.OTHER_AMOUNT:
            charge.paid = self.half(charge.amount)
        charge.state = "succeeded"

    def half(self, amount: Any) -> Any:  # noqa: ANN401 - the provider's own figure
        """Half of an amount, as the provider has it."""
        return type(amount)(int(amount) // 2)

    def send(self, told: Sent, charge: Charge | None = None) -> httpx.Response:
        """Call back, where the request said or the dashboard says, and note it."""
        self.sent.append(told)
        url = None if charge is None else charge.callback_url
        if url is None:
            url = f"{self.callbacks_begin_with}/{self.name}{told.path}"
        return httpx.request(
            told.method, url, content=told.body, headers=dict(told.headers), trust_env=False
        )

    def delivery(self, told: Sent) -> Delivery:
        """A callback as the adapter gets it."""
        return Delivery(
            headers=httpx.Headers(dict(told.headers)),
            body=told.body,
            token=told.path.removeprefix("/") or None,
            address="127.0.0.1",
        )
