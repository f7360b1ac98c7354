"""Rows over HTTP: one API process, the load in another, the database in a third."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import httpx

from api.auth import Role
from api.clock_board import ClockBoard
from api.settings import Settings
from api.tokens import issue_token
from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.events import InvoicePaymentInitiated
from tests.bench.measure import Contenders, Row, Target
from tests.builders import GROSS, initiate_payment, register_creator, report_success
from tests.subscription_builders import (
    by_card,
    create_tier,
    publish_price,
    publish_tier,
    subscribe,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.database.location import DatabaseLocation
    from ledger.decisions import LedgerCommand
    from ledger.outcome import Outcome
    from tests.bench.server import BenchServer

CONNECTIONS: Final = 64
SECONDS: Final = 2.0
WARM_UP_SECONDS: Final = 0.5
READY_SECONDS_MAX: Final = 30.0
KEY_IN_SPECIFICATION: Final = "\x00KEY\x00"


@dataclass(frozen=True, slots=True)
class Api:
    """A running API process, its callers' tokens, and creators."""

    port: int
    settings: Settings
    creators: tuple[UUID, ...]
    fans: tuple[UUID, ...]

    def payments(self, path: str = "/api/v1/payments") -> float:
        """Payments a second: a new one each time, from as many fans as connections."""
        body = json.dumps(
            {
                "creator_id": str(self.creators[0]),
                "money": {"amount": 125_000, "currency": "KES"},
                "phone": "+254700000000",
            }
        )
        requests = [self._request("POST", path, Role.FAN, fan, body=body) for fan in self.fans]
        return self._answers_a_second(requests, expected="202")

    def reads(self, path: str) -> float:
        """Reads a second, each connection by a creator of its own, whose id is `{}` in the path."""
        requests = [
            self._request("GET", path.format(creator), Role.CREATOR, creator)
            for creator in self.creators
        ]
        return self._answers_a_second(requests, expected="200")

    def access(self) -> float:
        """Reads a second of whether a fan may see what a creator offers, each of another pair."""
        requests = [
            self._request(
                "GET",
                f"/api/v1/entitlements?fan_id={fan}&creator_id={creator}",
                Role.SERVICE,
                uuid4(),
            )
            for fan, creator in zip(self.fans, self.creators, strict=True)
        ]
        return self._answers_a_second(requests, expected="200")

    def _request(
        self, method: str, path: str, role: Role, subject: UUID, body: str | None = None
    ) -> str:
        token = issue_token(self.settings, role=role, subject=subject)
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            f"Authorization: Bearer {token}",
        ]
        if body is not None:
            lines += [
                "Content-Type: application/json",
                f"Content-Length: {len(body)}",
                f"Idempotency-Key: {KEY_IN_SPECIFICATION}",
            ]
        return "\r\n".join([*lines, "", body or ""])

    def _answers_a_second(self, requests: list[str], *, expected: str) -> float:
        specification = {
            "host": "127.0.0.1",
            "port": self.port,
            "connections": CONNECTIONS,
            "seconds": SECONDS,
            "warm_up_seconds": WARM_UP_SECONDS,
            "requests": requests,
            "prefix": uuid4().hex,
        }
        ran = subprocess.run(
            [sys.executable, "-m", "tests.bench.load"],
            input=json.dumps(specification),
            capture_output=True,
            text=True,
            check=True,
        )
        result: dict[str, Any] = json.loads(ran.stdout)
        if set(result["statuses"]) != {expected}:
            message = f"not all were answered with {expected}: {result['statuses']}"
            raise RuntimeError(message)
        return float(result["a_second"])


@contextmanager
def api_process(server: BenchServer, *arguments: str) -> Iterator[Api]:
    """An API process on a new book, with a creator and a fan of theirs for each connection."""
    directory = server.directory / f"api-{uuid4().hex}"
    directory.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    location = server.book()
    settings = {
        "DATABASE_URL": location.owner_conninfo(),
        "PORT": str(port),
        "HESABU_DATA_DIRECTORY": str(directory),
        # A provider that is never called: no dispatcher runs here.
        "HESABU_SANDBOX_URL": "http://127.0.0.1:9",
        "HESABU_PHONE_CONFIRMATION_REQUIRED": "false",
        # Counted as in production, and never reached by a caller who measures.
        "HESABU_RATE_LIMIT_READS": "1000000/minute",
        "HESABU_RATE_LIMIT_WRITES": "1000000/minute",
        "HESABU_RATE_LIMIT_PROMPTS": "1000000/minute",
        "HESABU_RATE_LIMIT_PHONE": "1000000/minute",
        "HESABU_SANDBOX_API_KEY": "not-used-here",
        "HESABU_SANDBOX_WEBHOOK_SECRET": "whsec_" + "A" * 44,
    }
    with _running(settings, directory / "log", arguments):
        creators = tuple(uuid4() for _ in range(CONNECTIONS))
        fans = tuple(uuid4() for _ in range(CONNECTIONS))
        _fill(location, creators, fans)
        yield Api(port, Settings(data_directory=directory), creators, fans)


@contextmanager
def _running(settings: dict[str, str], log: Path, arguments: tuple[str, ...]) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.http_server", *arguments],
            env={**os.environ, **settings},
            stdout=output,
            stderr=output,
        )
    try:
        _wait_until_ready(int(settings["PORT"]), process, log)
        yield
    finally:
        process.terminate()
        process.wait()


def _wait_until_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up_at = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    message = f"the API did not start: {log.read_text()[-2000:]}"
    raise RuntimeError(message)


def _fill(location: DatabaseLocation, creators: tuple[UUID, ...], fans: tuple[UUID, ...]) -> None:
    """Each creator has money, and a fan who has subscribed and paid."""
    tiers = [uuid4() for _ in creators]
    tips = [initiate_payment(creator, payment_id=uuid4()) for creator in creators]
    ledger = Ledger(BookLocation(location, DatabaseRole.APP))
    try:
        _do(ledger, *(register_creator(creator) for creator in creators), *tips)
        _do(ledger, *(report_success(tip.payment_id) for tip in tips))
        for creator, tier in zip(creators, tiers, strict=True):
            offer = (creator, tier)
            _do(ledger, create_tier(*offer), publish_price(*offer, GROSS), publish_tier(*offer))
        subscribed = _do(
            ledger,
            *(
                subscribe(fan, creator, tier, by_card(uuid4()))
                for fan, creator, tier in zip(fans, creators, tiers, strict=True)
            ),
        )
        begun = [
            event.originator_id
            for outcome in subscribed
            for event in outcome.events
            if isinstance(event, InvoicePaymentInitiated)
        ]
        _do(ledger, *(report_success(payment) for payment in begun))
    finally:
        ledger.close()
    _tell_the_clock(location)


def _do(ledger: Ledger, *commands: LedgerCommand) -> list[Outcome]:
    outcomes = ledger.execute(commands)
    if failed := [outcome for outcome in outcomes if outcome.error is not None]:
        raise RuntimeError(failed[0])
    return outcomes


def _tell_the_clock(location: DatabaseLocation) -> None:
    """A clock follows the log, so that every balance tells what is released next."""
    ledger = Ledger(BookLocation(location, DatabaseRole.CLOCK))
    board = ClockBoard(ledger, Settings().time_zone)
    try:
        while board.follow():
            pass
    finally:
        board.close()
        ledger.close()


@contextmanager
def _post_against_nothing(server: BenchServer) -> Iterator[Contenders]:
    with api_process(server) as api:
        yield Contenders(api.payments, lambda: api.payments("/api/v1/no-op"))


@contextmanager
def _post_against_one_commit(server: BenchServer) -> Iterator[Contenders]:
    with ExitStack() as stack:
        grouped = stack.enter_context(api_process(server))
        single = stack.enter_context(api_process(server, "--one-commit-a-request"))
        yield Contenders(grouped.payments, single.payments)


@contextmanager
def _balance_against_nothing(server: BenchServer) -> Iterator[Contenders]:
    with api_process(server) as api:
        path = "/api/v1/creators/{}/balance"
        yield Contenders(lambda: api.reads(path), lambda: api.reads("/api/v1/no-op"))


@contextmanager
def _access_against_nothing(server: BenchServer) -> Iterator[Contenders]:
    with api_process(server) as api:
        yield Contenders(api.access, lambda: api.reads("/api/v1/no-op"))


HTTP_ROWS: Final = (
    Row(
        name="http-post",
        what=f"POST /payments, {CONNECTIONS} clients, one API process",
        unit="requests/s",
        against="the same app's authenticated no-op POST with the same body",
        target=Target(0.45),
        contenders=_post_against_nothing,
    ),
    Row(
        name="http-post-grouped",
        what=f"POST /payments, {CONNECTIONS} clients, one API process",
        unit="requests/s",
        against="the same with one commit a request",
        target=Target(3),
        contenders=_post_against_one_commit,
    ),
    Row(
        name="http-balance",
        what=f"GET a creator's balance, {CONNECTIONS} clients, one API process",
        unit="requests/s",
        against="the same app's authenticated no-op GET",
        target=Target(0.5),
        contenders=_balance_against_nothing,
    ),
    Row(
        name="http-access",
        what=f"GET whether a fan has access, {CONNECTIONS} clients, one API process",
        unit="requests/s",
        against="the same app's authenticated no-op GET",
        target=Target(0.5),
        contenders=_access_against_nothing,
    ),
)
