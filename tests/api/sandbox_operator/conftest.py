"""A real operator process and a real callback receiver, both on free ports of this machine."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
import uvicorn
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from starlette.requests import Request

API_KEY = "sandbox-key-for-tests"
WEBHOOK_SECRET = "whsec_c2FuZGJveC1vcGVyYXRvci10ZXN0LXNlY3JldC0wMDE="
REPOSITORY = Path(__file__).parents[3]
WAIT_SECONDS_MAX = 10.0
QUIET_SECONDS = 0.15

TIMINGS = {
    "DELAY_SECONDS": "0.05",
    "TIMEOUT_SECONDS": "0.3",
    "LATE_SECONDS": "0.4",
    "HANG_SECONDS": "1.0",
    "CALLBACK_TIMEOUT_SECONDS": "2",
    "CALLBACK_RETRIES": "3",
    "RETRY_BACKOFF_SECONDS": "0.05",
}


@dataclass(frozen=True)
class Delivery:
    """A callback as it arrived; times are ``time.monotonic()``."""

    headers: dict[str, str]
    body: bytes
    arrived_at: float
    answered_at: float

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def payload(self) -> dict[str, Any]:
        """The body, if its signature is right."""
        payload: dict[str, Any] = Webhook(WEBHOOK_SECRET).verify(self.body, self.headers)
        return payload

    @property
    def type(self) -> str:
        return str(self.payload["type"])

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.payload["data"]
        return data


@dataclass
class Receiver:
    """What a caller of the operator runs: it takes callbacks and answers as it is told to."""

    url: str = ""
    answers: dict[str, list[int]] = field(default_factory=dict)
    slowness_seconds: dict[str, float] = field(default_factory=dict)
    in_flight: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    in_flight_max: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    deliveries: dict[str, list[Delivery]] = field(default_factory=lambda: defaultdict(list))

    async def receive(self, request: Request) -> Response:
        arrived_at = time.monotonic()
        body = await request.body()
        reference = _subject(json.loads(body)["data"])
        self.in_flight[reference] += 1
        self.in_flight_max[reference] = max(
            self.in_flight_max[reference], self.in_flight[reference]
        )
        await asyncio.sleep(self.slowness_seconds.get(reference, 0))
        self.in_flight[reference] -= 1
        self.deliveries[reference].append(
            Delivery(dict(request.headers), body, arrived_at, time.monotonic())
        )
        statuses = self.answers.get(reference)
        return Response(status_code=statuses.pop(0) if statuses else 200)

    def wait_for(self, reference: str, count: int) -> list[Delivery]:
        """The deliveries for ``reference``: exactly ``count``, and none soon after them."""
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while len(self.deliveries[reference]) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(QUIET_SECONDS)
        deliveries = list(self.deliveries[reference])
        assert len(deliveries) == count
        return deliveries


def wait_until(condition: Callable[[], bool]) -> None:
    """Ask again until the condition holds, for as long as a test may wait."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def refused(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of an answer in the operator's error shape."""
    return answer.status_code, answer.json()["error"]["code"]


def _subject(data: dict[str, Any]) -> str:
    """What a test waits for: a reference, or what stands for it where there is none."""
    if "settlement" in data:
        return str(data["settlement"])
    if "account_reference" in data:
        return str(data["transaction"])
    if data["reference"] is None:
        return f"unasked refund of {data['payment_reference']}"
    return str(data["reference"])


@dataclass
class OperatorProcess:
    """A running operator and a client with its key."""

    process: subprocess.Popen[str]
    client: httpx.Client
    errors: Path

    def push(self, reference: str, digits: str, **fields: object) -> httpx.Response:
        body = {
            "reference": reference,
            "phone": f"+254700000{digits}",
            "amount": "1250.00",
            "currency": "KES",
            "description": "A tip",
            "expires_in_seconds": 60,
        }
        return self.client.post("/v1/prompts", json=body | fields)

    def charge(self, reference: str, digits: str, **fields: object) -> httpx.Response:
        body = {
            "reference": reference,
            "card": f"card_{digits}",
            "amount": "1250.00",
            "currency": "KES",
        }
        return self.client.post("/v1/charges", json=body | fields)

    def pay_at_till(self, account_reference: str, **fields: object) -> httpx.Response:
        body = {
            "account_reference": account_reference,
            "phone": "+254700000000",
            "amount": "1250.00",
            "currency": "KES",
        }
        return self.client.post("/v1/till/payments", json=body | fields)

    def pay(self, reference: str, digits: str, **fields: object) -> str:
        """Push a prompt and wait until it is paid: the transaction."""
        assert self.push(reference, digits, **fields).status_code == 202
        return str(self.wait_for_status(reference, "succeeded")["transaction"])

    def refund(self, reference: str, transaction: str, **fields: object) -> httpx.Response:
        body = {
            "reference": reference,
            "transaction": transaction,
            "amount": "1250.00",
            "currency": "KES",
        }
        return self.client.post("/v1/refunds", json=body | fields)

    def refund_status(self, reference: str) -> dict[str, Any]:
        return self._get(f"/v1/refunds/{reference}")

    def pay_out(self, reference: str, digits: str, **fields: object) -> httpx.Response:
        body = {
            "reference": reference,
            "phone": f"+254700000{digits}",
            "amount": "1250.00",
            "currency": "KES",
        }
        return self.client.post("/v1/payouts", json=body | fields)

    def payout_status(self, reference: str) -> dict[str, Any]:
        return self._get(f"/v1/payouts/{reference}")

    def control(self, route: str, **fields: object) -> httpx.Response:
        """Make the operator do what it otherwise does unasked."""
        return self.client.post(f"/v1/{route}", json=fields)

    def _get(self, path: str) -> dict[str, Any]:
        answer = self.client.get(path)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    def status(self, reference: str) -> dict[str, Any]:
        return self._get(f"/v1/prompts/{reference}")

    def wait_for_status(self, reference: str, expected: str) -> dict[str, Any]:
        wait_until(lambda: self.status(reference)["status"] == expected)
        return self.status(reference)

    def prompts(self, reference: str) -> int:
        answer = self.client.get("/v1/statistics/prompts", params={"reference": reference})
        return int(answer.json()["prompts"][reference])

    def attempts(self, reference: str) -> list[dict[str, Any]]:
        answer = self.client.get("/v1/statistics/deliveries", params={"reference": reference})
        attempts: list[dict[str, Any]] = answer.json()["deliveries"]
        return attempts


def operator_environment(**settings: str) -> dict[str, str]:
    """The environment of an operator process, with settings named without their prefix."""
    chosen = {"API_KEY": API_KEY, "WEBHOOK_SECRET": WEBHOOK_SECRET, **TIMINGS, **settings}
    return os.environ | {f"SANDBOX_OPERATOR_{name}": value for name, value in chosen.items()}


@contextmanager
def _running_operator(errors: Path, **settings: str) -> Iterator[OperatorProcess]:
    command = [sys.executable, "-m", "api.sandbox_operator", "--port", "0"]
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=operator_environment(**settings),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            listening = json.loads(process.stdout.readline())
            with httpx.Client(
                base_url=f"http://{listening['host']}:{listening['port']}",
                headers={"authorization": f"Bearer {API_KEY}"},
                trust_env=False,
            ) as client:
                yield OperatorProcess(process, client, errors)
        finally:
            process.terminate()
            process.wait(timeout=WAIT_SECONDS_MAX)


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    app = Starlette(routes=[Route("/callbacks", receiver.receive, methods=["POST"])])
    config = uvicorn.Config(
        app, port=0, lifespan="off", ws="none", log_level="warning", access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    receiver.url = f"http://127.0.0.1:{port}/callbacks"
    yield receiver
    server.should_exit = True
    thread.join(timeout=WAIT_SECONDS_MAX)


@pytest.fixture(scope="session")
def operator(
    receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """One operator for all tests; each test uses a reference of its own."""
    errors = tmp_path_factory.mktemp("operator") / "stderr"
    with _running_operator(errors, CALLBACK_URL=receiver.url) as operator:
        yield operator
    assert errors.read_text() == ""


@pytest.fixture
def start_operator(
    receiver: Receiver, tmp_path: Path
) -> Callable[..., AbstractContextManager[OperatorProcess]]:
    """Start a further operator with settings of its own, named without their prefix."""

    def start(**settings: str) -> AbstractContextManager[OperatorProcess]:
        return _running_operator(tmp_path / "stderr", **({"CALLBACK_URL": receiver.url} | settings))

    return start


@pytest.fixture
def reference() -> str:
    return f"payment-{uuid4().hex}"


@pytest.fixture
def refund() -> str:
    """A reference for a refund."""
    return f"refund-{uuid4().hex}"
