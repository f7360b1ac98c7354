"""Requests that are right but for one thing, where they are sent, and what a refusal is."""

from __future__ import annotations

import json
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from tests.api.book_inputs import BOOK_REQUESTS
from tests.api.deployment import PHONE_PREFIX, ApiProcess, Deployment, Person
from tests.api.door_inputs import DOOR_REQUESTS
from tests.api.endpoint_inputs import ENDPOINT_REQUESTS
from tests.api.membership_inputs import MEMBERSHIP_REQUESTS
from tests.api.payout_inputs import PAYOUT_REQUESTS
from tests.api.refund_inputs import REFUND_REQUESTS
from tests.api.subscription_inputs import SUBSCRIPTION_REQUESTS
from tests.api.wrong_values import CREATOR, ECHO, FEE_PLAN, HUGE, PAYMENT, Request

if TYPE_CHECKING:
    import httpx

BODY_BYTES_MAX: Final = 64 * 1024
HOLE: Final = "@@"
REQUESTS: Final = (
    PAYMENT, CREATOR, FEE_PLAN, *BOOK_REQUESTS, *PAYOUT_REQUESTS, *REFUND_REQUESTS,
    *MEMBERSHIP_REQUESTS, *SUBSCRIPTION_REQUESTS, *DOOR_REQUESTS,
    *ENDPOINT_REQUESTS,
)  # fmt: skip

KEYED: Final = tuple(request for request in REQUESTS if request.keyed)

UNPARSED: Final = frozenset({HUGE, f"-{HUGE}", "NaN", "Infinity", "-Infinity"}) | {
    "0x10", "01", "1_000", "+1", ".5", "1.", "1e", "--1",
}  # fmt: skip
"""Not JSON, or not parsed: there is no field yet that could be named."""


def _bomb() -> bytes:
    """Fifty megabytes of spaces, packed into as little as a body may have."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(b" " * 1_000_000) for _ in range(50)) + packer.flush()


BOMB: Final = _bomb()


@dataclass(frozen=True)
class Door:
    """Where the requests of this module go, and how long each took."""

    api: ApiProcess
    callers: dict[str, Person]
    seconds: list[float]

    def send(self, request: Request, content: bytes, **headers: str) -> httpx.Response:
        given = {"content-type": "application/json", **headers}
        return self.request(request.method, request.path, content=content, headers=given)

    def caller(self, path: str) -> Person:
        """Somebody who may send requests to this path."""
        by_admins = path.startswith("/payments") and path.endswith(
            ("/refunds", "/credit-refunds", "/decline")
        )
        return self.callers["admin" if by_admins else path.partition("?")[0].split("/")[1]]

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        caller = self.caller(path)
        if method != "GET":
            options.setdefault("key", str(uuid4()))
        started = time.perf_counter()
        answer = self.api.send(caller, method, path, **options)
        self.seconds.append(time.perf_counter() - started)
        return answer


def door_of(doors: Deployment) -> Door:
    """The first API process, with a caller for every path."""
    callers = {
        "payments": doors.fan(),
        "subscriptions": doors.fan(),
        "me": doors.fan(),
        "admin": doors.admin,
        "creators": doors.admin,
        "entitlements": doors.admin,
        "fans": doors.admin,
        "audit": doors.auditor,
    }
    return Door(doors.api, callers, [])


def holed(body: dict[str, Any], field: str) -> str:
    """The body's JSON with a hole where the field's value was."""
    copy = json.loads(json.dumps(body))
    place, last = place_of(copy, field)
    place[last] = HOLE
    return json.dumps(copy)


def place_of(body: dict[str, Any], field: str) -> tuple[Any, str]:
    """The object in a body in which a field lies, and its name there; lists go by number."""
    *parents, last = field.split(".")
    place: Any = body
    for parent in parents:
        place = place[int(parent)] if isinstance(place, list) else place[parent]
    return place, last


def filled(body: dict[str, Any], field: str, literal: str) -> bytes:
    return holed(body, field).replace(f'"{HOLE}"', literal).encode()


def refused(answer: httpx.Response, field: str | None = None, status: int = 400) -> dict[str, Any]:
    """Check an error's shape, that it names the field, and that it echoes nothing."""
    assert answer.status_code == status, answer.text[:500]
    document = answer.json()
    assert document["status"] == "error"
    error: dict[str, Any] = document["error"]
    assert error["request_id"] == answer.headers["x-request-id"]
    assert ECHO not in answer.text
    assert PHONE_PREFIX[1:] not in answer.text
    assert len(answer.content) < 4_000
    if field is not None:
        named = [detail["field"] for detail in error["details"]]
        assert any(_names(name, field) for name in named), error
    return error


def _names(name: str, field: str) -> bool:
    return name == field or name.startswith(f"{field}.")
