"""One book and the processes that serve it, in a directory of their own."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import UUID, uuid4

import httpx

from api.auth import Role
from api.settings import Settings
from api.signing_keys import checkpoint_signers
from api.tokens import issue_token
from ledger.checkpoints import Checkpoint, sign_checkpoint
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from projections.sealed_log import SealedLog
from tests.api.documentation import EVENT_STREAM
from tests.api.leaks import (
    PERSONAL,
    PHONE_DIGITS,
    PHONE_RANGE,
    leaks_in_log,
    personal_data_in_tables,
)
from tests.api.operator_callbacks import SignedCallback, callback
from tests.api.processes import HttpProcess, Process, free_port, wait_until
from tests.databases import rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ledger.database.location import DatabaseLocation
    from tests.api.documentation import Documentation

API: Final = "/api/v1"
GROSS: Final = 125_000
NET: Final = 110_500
"""Of KES 1,250.00: less ten per cent, less sixteen per cent of that."""

PHONE_PREFIX: Final = f"+254{PHONE_DIGITS}"
"""Nobody's; the last three digits choose what the operator does."""

OPEN: Final = frozenset({"initiated", "submitting", "submitted", "submission_unknown"})

RATE_LIMITS: Final = (
    *("RATE_LIMIT_READS", "RATE_LIMIT_WRITES", "RATE_LIMIT_PROMPTS", "RATE_LIMIT_PHONE"),
    "RATE_LIMIT_ANONYMOUS",
)

OPERATOR_TIMINGS: Final = {
    "DELAY_SECONDS": "0.05",
    "TIMEOUT_SECONDS": "0.3",
    # The expiry that the operator is told is cut to whole seconds, so more than one of them.
    "LATE_SECONDS": "2.5",
    "HANG_SECONDS": "4.0",
    "RETRY_BACKOFF_SECONDS": "0.1",
    "RETRY_BACKOFF_SECONDS_MAX": "1.0",
    "CALLBACK_RETRIES": "40",
}


@dataclass(frozen=True)
class Person:
    """Somebody with a token."""

    role: Role
    id: UUID
    token: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}


def _check_for_personal_data(response: httpx.Response) -> None:
    """No route answers with a phone number or a name, but the one that is there for it."""
    if response.headers.get("content-type", "").startswith(EVENT_STREAM):
        return
    if response.is_success and response.request.url.path == f"{API}/admin/vault-looks":
        return
    response.read()
    assert not PERSONAL.search(response.text), response.text


class ApiProcess(HttpProcess):
    """`hesabu serve`, and a client whose every answer is held against the documentation."""

    def __init__(
        self, name: str, environment: Mapping[str, str], directory: Path, docs: Documentation
    ) -> None:
        port = free_port()
        super().__init__(
            name,
            ["api.cli", "serve"],
            {**environment, "PORT": str(port)},
            directory,
            port=port,
            ready_path="/readyz",
        )
        self.client = httpx.Client(
            base_url=self.url,
            timeout=30,
            trust_env=False,
            limits=httpx.Limits(max_connections=None),
            event_hooks={"response": [docs.check, _check_for_personal_data]},
        )

    def send(
        self,
        caller: Person | None,
        method: str,
        path: str,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        **request: Any,  # noqa: ANN401 - httpx's own
    ) -> httpx.Response:
        """Send a request below /api/v1 as `caller`; of an event stream only its beginning."""
        given = dict(caller.headers if caller is not None else {})
        if key is not None:
            given["idempotency-key"] = key
        asked = self.client.build_request(
            method, f"{API}{path}", headers={**given, **(headers or {})}, **request
        )
        answer = self.client.send(asked, stream=True)
        if not answer.headers.get("content-type", "").startswith(EVENT_STREAM):
            answer.read()
        answer.close()
        return answer

    def deliver(
        self, signed: SignedCallback, *, to: str = "sandbox", method: str = "POST"
    ) -> httpx.Response:
        """Send a callback as a provider does."""
        return self.client.request(
            method, f"{API}/webhooks/{to}", content=signed.body, headers=signed.headers
        )


class OperatorProcess(HttpProcess):
    """The sandbox operator."""

    def __init__(self, environment: Mapping[str, str], directory: Path, *, api_key: str) -> None:
        port = free_port()
        super().__init__(
            "operator",
            ["api.sandbox_operator", "--port", str(port)],
            environment,
            directory,
            port=port,
            ready_path="/healthz",
        )
        self.client = httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {api_key}"},
            timeout=30,
            trust_env=False,
        )

    def prompts(self) -> dict[str, int]:
        """How many prompts were on the phone for each payment."""
        answer = self.client.get("/v1/statistics/prompts").raise_for_status()
        prompts: dict[str, int] = answer.json()["prompts"]
        return prompts

    def status(self, payment_id: UUID | str) -> str | None:
        """How the operator thinks that a payment ended; None if it never heard of it."""
        answer = self.client.get(f"/v1/prompts/{payment_id}")
        return None if answer.status_code == httpx.codes.NOT_FOUND else answer.json()["status"]

    def deliveries(self, payment_id: UUID | str) -> list[dict[str, Any]]:
        """Every attempt to deliver a callback about a payment."""
        answer = self.client.get("/v1/statistics/deliveries", params={"reference": str(payment_id)})
        deliveries: list[dict[str, Any]] = answer.json()["deliveries"]
        return deliveries


class Deployment:
    """A book with API processes, and if asked for, an operator, dispatchers, clocks and projectors.

    `settings` are environment variables of every process, without the prefix `HESABU_`.
    """

    def __init__(
        self,
        database: DatabaseLocation,
        directory: Path,
        docs: Documentation,
        **settings: str,
    ) -> None:
        self.database = database
        self.directory = directory
        self.webhook_secret = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
        self.sandbox_api_key = secrets.token_urlsafe(32)
        self._docs = docs
        self._settings = settings
        self.apis: list[ApiProcess] = []
        self.dispatchers: list[Process] = []
        self.clocks: list[Process] = []
        self.projectors: list[Process] = []
        self.sealers: list[Process] = []
        self.webhooks: list[Process] = []
        self._operator: OperatorProcess | None = None
        self._issuer = Settings(data_directory=directory)
        self.admin = self.person(Role.ADMIN)
        self.auditor = self.person(Role.AUDITOR)

    @property
    def api(self) -> ApiProcess:
        return self.apis[0]

    def documents(self, method: str, path: str) -> bool:
        """Whether there is such a route."""
        return self._docs.operation(method, path) is not None

    @property
    def operator(self) -> OperatorProcess:
        assert self._operator is not None
        return self._operator

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log may hold."""
        webhook = self.webhook_secret.removeprefix("whsec_").rstrip("=")
        return webhook, self.sandbox_api_key

    @property
    def processes(self) -> list[Process]:
        operators = [] if self._operator is None else [self._operator]
        workers = [*self.dispatchers, *self.clocks, *self.projectors, *self.sealers]
        workers += self.webhooks
        return [*operators, *self.apis, *workers]

    def environment(self) -> dict[str, str]:
        """The settings of every process of this deployment."""
        url = "http://127.0.0.1:1" if self._operator is None else self._operator.url
        chosen = {
            "DATA_DIRECTORY": str(self.directory),
            "SANDBOX_URL": url,
            "SANDBOX_API_KEY": self.sandbox_api_key,
            "SANDBOX_WEBHOOK_SECRET": self.webhook_secret,
            # Most tests are not about phones; where they are confirmed, a test says so.
            "PHONE_CONFIRMATION_REQUIRED": "false",
            # Limits are counted, but a test is no attack unless it says so.
            **dict.fromkeys(RATE_LIMITS, "1000000/minute"),
            **self._callbacks(),
            **self._settings,
        }
        given = {f"HESABU_{name}": text for name, text in chosen.items()}
        return {"DATABASE_URL": self.database.owner_conninfo(), **given}

    def _callbacks(self) -> dict[str, str]:
        """Where providers reach the first API process, once there is one."""
        if not self.apis:
            return {}
        return {"CALLBACKS_BEGIN_WITH": f"{self.apis[0].url}{API}/webhooks"}

    def add_operator(self, **timings: str) -> Self:
        """An operator that calls back at the first API process. Not started yet."""
        environment = {
            f"SANDBOX_OPERATOR_{name}": text
            for name, text in {
                **OPERATOR_TIMINGS,
                "API_KEY": self.sandbox_api_key,
                "WEBHOOK_SECRET": self.webhook_secret,
                **timings,
            }.items()
        }
        self._operator = OperatorProcess(environment, self.directory, api_key=self.sandbox_api_key)
        return self

    def add_apis(self, count: int) -> Self:
        """API processes. Not started yet."""
        for _ in range(count):
            name = f"api-{len(self.apis) + 1}"
            self.apis.append(ApiProcess(name, self.environment(), self.directory, self._docs))
        return self

    def add_dispatchers(self, count: int) -> Self:
        """Dispatchers. Not started yet."""
        for _ in range(count):
            name = f"dispatcher-{len(self.dispatchers) + 1}"
            arguments = ["api.cli", "dispatcher"]
            self.dispatchers.append(Process(name, arguments, self.environment(), self.directory))
        return self

    def add_clocks(self, count: int, *, speed: int = 1) -> Self:
        """Clocks. Not started yet."""
        for _ in range(count):
            name = f"clock-{len(self.clocks) + 1}"
            arguments = ["api.cli", "clock", "--speed", str(speed)]
            self.clocks.append(Process(name, arguments, self.environment(), self.directory))
        return self

    def add_projectors(self, count: int) -> Self:
        """Projectors. Not started yet."""
        for _ in range(count):
            name = f"projector-{len(self.projectors) + 1}"
            arguments = ["api.cli", "projector"]
            self.projectors.append(Process(name, arguments, self.environment(), self.directory))
        return self

    def add_sealers(self, count: int) -> Self:
        """Sealers that share their memory and keys. Not started yet."""
        for _ in range(count):
            name = f"sealer-{len(self.sealers) + 1}"
            arguments = ["api.cli", "sealer"]
            self.sealers.append(Process(name, arguments, self.environment(), self.directory))
        return self

    def add_webhooks(self, count: int) -> Self:
        """Processes that send webhooks. Not started yet."""
        for _ in range(count):
            name = f"webhooks-{len(self.webhooks) + 1}"
            arguments = ["api.cli", "webhooks"]
            self.webhooks.append(Process(name, arguments, self.environment(), self.directory))
        return self

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.stop()
        if kind is None:
            self.check_for_leaks()

    def _start(self) -> None:
        if self._operator is not None:
            self._operator.environment.setdefault(
                "SANDBOX_OPERATOR_CALLBACK_URL", f"{self.api.url}{API}/webhooks/sandbox"
            )
        for process in self.processes:
            process.start()
        for process in self.processes:
            if isinstance(process, HttpProcess):
                process.wait_until_ready()

    def stop(self) -> None:
        for api in self.apis:
            api.client.close()
        if self._operator is not None:
            self._operator.client.close()
        with ThreadPoolExecutor() as pool:
            list(pool.map(Process.terminate, self.processes))

    def check_for_leaks(self) -> None:
        """Personal data is nowhere in the tables or the logs, secrets and tokens in no log."""
        assert personal_data_in_tables(self.database) == set()
        for process in self.processes:
            assert leaks_in_log(process.log, *self.secrets) == []

    def person(self, role: Role, person_id: UUID | None = None) -> Person:
        """Somebody new, or with this id, with a token of the development issuer."""
        person_id = person_id or uuid4()
        return Person(role, person_id, issue_token(self._issuer, role=role, subject=person_id))

    def fan(self) -> Person:
        return self.person(Role.FAN)

    def creator(self, *, currency: str = "KES", name: str | None = None) -> Person:
        """A registered creator; the platform keeps ten per cent and VAT on it."""
        person = self.person(Role.CREATOR)
        body: dict[str, Any] = {
            "id": str(person.id),
            "settlement_currency": currency,
            "plan": {"fee_basis_points": 1_000, "vat_basis_points": 1_600},
        }
        if name is not None:
            body["name"] = name
        answer = self.api.send(self.admin, "POST", "/admin/creators", key=str(uuid4()), json=body)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return person

    def initiate(
        self,
        fan: Person,
        creator: Person,
        *,
        digits: str = "000",
        amount: int = GROSS,
        key: str | None = None,
        api: ApiProcess | None = None,
    ) -> httpx.Response:
        """Ask for a payment."""
        return (api or self.api).send(
            fan,
            "POST",
            "/payments",
            key=key or str(uuid4()),
            json=payment_body(creator, digits=digits, amount=amount),
        )

    def pay(self, fan: Person, creator: Person, **options: Any) -> str:  # noqa: ANN401 - as `initiate`
        """Start a payment; its id."""
        answer = self.initiate(fan, creator, **options)
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        return str(answer.json()["data"]["id"])

    def payment(self, fan: Person, payment_id: str) -> dict[str, Any]:
        """A payment as its fan sees it."""
        answer = self.api.send(fan, "GET", f"/payments/{payment_id}")
        assert answer.status_code == httpx.codes.OK, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def wait_for_end(
        self, fan: Person, payment_id: str, *, seconds_max: float = 60
    ) -> dict[str, Any]:
        """The payment, once it is not open any more."""
        wait_until(
            lambda: self.payment(fan, payment_id)["state"] not in OPEN,
            seconds_max=seconds_max,
            what=f"payment {payment_id} has ended",
        )
        return self.payment(fan, payment_id)

    def pending(self, creator: Person) -> int:
        """What a creator has pending in KES."""
        answer = self.api.send(creator, "GET", f"/creators/{creator.id}/balance")
        [balance] = answer.json()["data"]["balances"]
        return int(balance["pending"])

    def seal(self) -> int:
        """Seal the log once, as a sealer does; the size of the newest checkpoint."""
        settings = self._issuer
        signers = checkpoint_signers(settings.seal_keys_directory, settings.origin)
        with BookLocation(self.database, DatabaseRole.SEALER).connect_reader() as connection:
            log = SealedLog(connection)
            log.make([])
            checkpoint = Checkpoint(settings.origin, log.size, log.root())
            log.keep(sign_checkpoint(checkpoint, *signers))
            return log.size

    def callback(
        self,
        reference: UUID | str,
        status: str = "succeeded",
        /,
        **options: Any,  # noqa: ANN401 - as `callback`
    ) -> SignedCallback:
        """A callback that is signed with the right secret."""
        return callback(self.webhook_secret, reference, status, **options)

    def events(self, stream: UUID | str) -> list[tuple[str, dict[str, Any]]]:
        """Topics and contents of a stream, as stored."""
        found = rows(
            self.database,
            "SELECT topic, state FROM ledger_events WHERE originator_id = %s::uuid "
            "ORDER BY originator_version",
            str(stream),
        )
        return [(topic, json.loads(state)) for topic, state in found]

    def topics(self, stream: UUID | str) -> list[str]:
        """Topics of a stream, in order."""
        return [topic for topic, _ in self.events(stream)]

    def recorded(self) -> dict[str, int]:
        """How much lies in each table that a request may write: what nothing may change."""
        [[*counts]] = rows(self.database, COUNTS)
        return dict(zip(WRITTEN, counts, strict=True))


WRITTEN: Final = ("turns", "ledger_events", "idempotency_keys", "vault_entries", "inbox")
COUNTS: Final = "SELECT " + ", ".join(f"(SELECT count(*) FROM {table})" for table in WRITTEN)


def payment_body(
    creator: Person | UUID, *, digits: str = "000", amount: int = GROSS
) -> dict[str, Any]:
    """The body of a tip; `digits` are the last three of a phone, or five, with its line."""
    creator_id = creator.id if isinstance(creator, Person) else creator
    return {
        "creator_id": str(creator_id),
        "money": {"amount": amount, "currency": "KES"},
        "phone": f"+254{PHONE_RANGE}{('81' + digits)[-5:]}",
    }
