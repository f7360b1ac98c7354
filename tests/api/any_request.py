"""Somebody who sends whatever can be made from the document, and looks at every answer."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle, islice
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import httpx
import requests
from schemathesis import GenerationMode, Response
from schemathesis.specs.openapi.checks import negative_data_rejection

from api.auth import Role
from tests.api.any_answers import text_of, wrongs
from tests.api.deployment import API, Deployment, Person
from tests.api.documentation import EVENT_STREAM, Operation
from tests.api.leaks import CANARY_NAME
from tests.api.operator_callbacks import callback, sign
from tests.api.pay_links_of import Links
from tests.api.right_requests import RULES, right_request
from tests.api.role_rules import Route
from tests.api.subscriber import Offer, Subscriber
from tests.api.subscription_requests import CARD

if TYPE_CHECKING:
    from tests.api.any_cases import AnyCase
    from tests.api.deployment import ApiProcess

ODD: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 1.5, 10**30, "", "0", "-1.00", "1e9", "NaN", "\0", "\ud800", "\u202e", [],
    {}, "9" * 400, "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00", "\U0001f600", [[]],
)  # fmt: skip
"""What a provider's callback has instead of a value."""

ACCEPTED: Final = (
    "application/json", "application/x-ndjson", "text/csv", "application/pdf", "*/*", "zqzq",
)  # fmt: skip
RENEWED_AFTER: Final = 40
"""What a request writes can be written once; after so many there is something new to write to."""


@dataclass(frozen=True)
class Right:
    """A request that would be done, in the parts of which others are mixed, and by whom."""

    fan: Person
    creator: Person
    path: dict[str, str]
    query: dict[str, Any]
    body: dict[str, Any]
    file: bytes
    """A body that is no JSON."""


@dataclass
class Tally:
    """What was sent and answered, and what was wrong with an answer."""

    statuses: Counter[int] = field(default_factory=Counter)
    asked: Counter[tuple[Operation, str]] = field(default_factory=Counter)
    succeeded: set[Operation] = field(default_factory=set)
    not_sent: int = 0
    findings: dict[str, str] = field(default_factory=dict)
    """By kind, so that a defect that a thousand requests meet is told once."""

    @property
    def total(self) -> int:
        return self.statuses.total()


class AnyRequest:
    """Sends cases to a deployment as everybody, and notes what must not be answered."""

    def __init__(self, doors: Deployment, seed: int) -> None:
        self.tally = Tally()
        self._doors = doors
        self._random = Random(seed)
        self._admin = doors.person(Role.ADMIN)
        self._service = doors.person(Role.SERVICE)
        self._links = Links(doors)
        self._read = (doors.fan(), doors.creator(name=CANARY_NAME))

    def fill(self) -> None:
        """Let one fan and one creator have had everything that can be done, to be read."""
        for route, rule in RULES.items():
            if route.method != "GET":
                request = right_request(self._doors, route, *self._read)
                by = {Role.FAN: self._read[0], Role.CREATOR: self._read[1]}
                caller = by.get(next(iter(rule.own)), self._admin)
                answer = self._doors.api.send(caller, **request)
                assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, answer.text

    def send_all(self, operation: Operation, cases: list[AnyCase]) -> None:
        """Send cases of one operation, each as another caller."""
        right = self._right(operation)
        for number, case in enumerate(cases):
            if number % RENEWED_AFTER == RENEWED_AFTER - 1 and operation.method != "GET":
                right = self._right(operation)
            callers = self._callers(operation, right)
            role, caller = callers[number % len(callers)]
            # Three of four are mixed with what would be right, so that they come further.
            mixed = self._random.random() < 0.75
            if mixed:
                self._mix(case, right)
            request = self._request(case, caller, fresh_key=mixed)
            if request is None:
                self.tally.not_sent += 1
                continue
            if mixed and right.file and self._random.random() < 0.5:
                request = self._with_file(request, right.file)
            if "/webhooks/{provider}" in operation.path:
                request = self._signed(request, right)
            answer = self._send(operation, role, request)
            if answer is not None and answer.is_success and not mixed:
                self._check_that_it_was_right(operation, case, answer)
            if answer is not None and self._random.random() < 0.05:
                self._send(operation, role, self._again(request, answer))

    def _callers(self, operation: Operation, right: Right) -> list[tuple[str, Person | None]]:
        """Everybody, and as often again whoever may do it."""
        everybody = {
            Role.FAN: right.fan,
            Role.CREATOR: right.creator,
            Role.ADMIN: self._admin,
            Role.AUDITOR: self._doors.auditor,
            Role.SERVICE: self._service,
        }
        rule = RULES.get(Route(operation.method, operation.path.removeprefix(API)))
        allowed = [] if rule is None else [(str(role), everybody[role]) for role in rule.own]
        rest = [(str(role), person) for role, person in everybody.items()]
        everybody_once = [("anonymous", None), *rest]
        if not allowed:
            return everybody_once
        again = islice(cycle(allowed), len(everybody_once))
        return [each for pair in zip(again, everybody_once, strict=True) for each in pair]

    def _right(self, operation: Operation) -> Right:
        fan, creator = self._read
        route = Route(operation.method, operation.path.removeprefix(API))
        request: dict[str, Any] = {"path": route.path}
        if route in RULES:
            if route.method != "GET":
                fan, creator = self._doors.fan(), self._doors.creator(name=CANARY_NAME)
            request = right_request(self._doors, route, fan, creator)
        elif "{token}" in route.path:
            subscriber = Subscriber(self._doors, fan=fan, confirmed=False)
            bought = subscriber.subscribe(Offer(self._doors), trial=True, method=CARD)
            request["path"] = route.path.replace("{token}", self._links.to(bought, 1))
        elif "{provider}" in route.path:
            request["path"] = route.path.replace("{provider}", "sandbox")
        path, _, query = request["path"].partition("?")
        found = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", route.path), path)
        assert found is not None, (route, request)
        params = {**dict(httpx.QueryParams(query)), **request.get("params", {})}
        file = request.get("content", b"")
        return Right(fan, creator, found.groupdict(), params, request.get("json") or {}, file)

    def _mix(self, case: AnyCase, right: Right) -> None:
        """Leave of a case one or two things, and take the rest from what is right."""
        case.path_parameters = self._mixed(case.path_parameters, right.path, left=0.1)
        case.query = self._mixed(case.query, right.query, left=0.5)
        if isinstance(case.body, dict) and right.body:
            case.body = self._mixed(case.body, right.body, left=1.2 / len(right.body))

    def _mixed(
        self, made: dict[str, Any] | None, right: dict[str, Any], *, left: float
    ) -> dict[str, Any]:
        kept = {
            name: value
            for name, value in (made or {}).items()
            if name not in right or self._random.random() < left
        }
        return {**right, **kept}

    def _request(
        self, case: AnyCase, caller: Person | None, *, fresh_key: bool
    ) -> httpx.Request | None:
        """As it goes over the wire; None for what no client could send."""
        try:
            given = case.as_transport_kwargs(base_url=self._api.url)
            given["headers"].pop("authorization", None)
            made = requests.Request(**given).prepare()
        except (UnicodeError, requests.exceptions.RequestException):
            return None
        headers = httpx.Headers(
            [(name.encode(), _bytes(value)) for name, value in made.headers.items()]
        )
        if caller is not None:
            headers.update(caller.headers)
        if fresh_key and "idempotency-key" in headers:
            headers["idempotency-key"] = str(uuid4())
        if self._random.random() < 0.1:
            headers["accept"] = self._random.choice(ACCEPTED)
        for name in ("accept-encoding", "connection", "user-agent", "x-schemathesis-testcaseid"):
            headers.pop(name, None)
        assert made.method is not None
        assert made.url is not None
        content = made.body.encode() if isinstance(made.body, str) else made.body or b""
        assert isinstance(content, bytes)
        try:
            return httpx.Request(made.method, made.url, headers=headers, content=content)
        except httpx.InvalidURL:
            return None

    @property
    def _api(self) -> ApiProcess:
        return self._random.choice(self._doors.apis)

    def _with_file(self, request: httpx.Request, file: bytes) -> httpx.Request:
        """The file that would be right, or half of it."""
        headers = httpx.Headers({**request.headers, "content-type": "text/csv"})
        headers.pop("content-length", None)
        sent = file if self._random.random() < 0.7 else file[: self._random.randrange(len(file))]
        return httpx.Request(request.method, request.url, headers=headers, content=sent)

    def _signed(self, request: httpx.Request, right: Right) -> httpx.Request:
        """A callback of the operator, with a value that it would not have."""
        secret, chance = self._doors.webhook_secret, self._random
        payment_id = self._doors.pay(right.fan, right.creator)
        status = chance.choice(("succeeded", "failed", "pending"))
        body = json.loads(callback(secret, payment_id, status).body)
        for place in chance.sample([body, body["data"]], k=chance.randrange(3)):
            place[chance.choice(list(place))] = chance.choice(ODD)
        signed = sign(secret, json.dumps(body))
        url = request.url
        return httpx.Request(request.method, url, headers=signed.headers, content=signed.body)

    def _send(
        self, operation: Operation, role: str, request: httpx.Request
    ) -> httpx.Response | None:
        try:
            answer = self._api.client.send(request, stream=True)
        except httpx.LocalProtocolError:
            self.tally.not_sent += 1
            return None
        except AssertionError as error:
            self._note(operation, role, request, type(error).__name__, str(error))
            return None
        try:
            text = text_of(answer)
        finally:
            answer.close()
        self.tally.statuses[answer.status_code] += 1
        self.tally.asked[operation, role] += 1
        if answer.is_success:
            self.tally.succeeded.add(operation)
        for what in wrongs(answer, text, served=self._served(request)):
            self._note(operation, role, request, what, f"{answer.status_code} {text}")
        return answer

    def _served(self, request: httpx.Request) -> bool:
        """Whether this is a route at all: cases try methods that are none, too."""
        return self._doors.documents(request.method, request.url.path)

    def _again(self, request: httpx.Request, answer: httpx.Response) -> httpx.Request:
        """The same once more: with the same key, or asking whether it is still so."""
        headers = httpx.Headers(request.headers)
        if "etag" in answer.headers:
            headers["if-none-match"] = answer.headers["etag"]
        return httpx.Request(request.method, request.url, headers=headers, content=request.content)

    def _check_that_it_was_right(
        self, operation: Operation, case: AnyCase, answer: httpx.Response
    ) -> None:
        """What the document does not allow must not be done."""
        if case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE:
            return
        if answer.headers.get("content-type", "").startswith(EVENT_STREAM):
            return
        try:
            case.validate_response(
                Response.from_httpx(answer, verify=False), checks=[negative_data_rejection]
            )
        except BaseExceptionGroup as errors:
            for error in errors.exceptions:
                self._note(operation, "", answer.request, type(error).__name__, str(error))

    def _note(
        self, operation: Operation, role: str, request: httpx.Request, what: str, seen: str
    ) -> None:
        place = f"{operation.method} {operation.path}: {what}"
        how = f"{role} {request.method} {request.url} {request.content[:1000]!r}"
        self.tally.findings.setdefault(place, f"{how}\n    {seen[:1500]}")


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1")
