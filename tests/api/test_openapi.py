"""The OpenAPI document is valid, complete, and true of what is answered."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
import schemathesis

from api.auth import Role
from tests.api import (
    book_requests,
    door_requests,
    endpoint_requests,
    erasure_requests,
    explanation_requests,
    inbox_requests,
    membership_requests,
    payout_requests,
    projection_requests,
    proof_requests,
    refund_requests,
    search_requests,
    statement_requests,
    subscription_requests,
)
from tests.api.deployment import API, Deployment, Person, payment_body
from tests.api.documentation import Documentation, Operation, UndocumentedAnswerError
from tests.api.past import past_of
from tests.api.pay_links_of import Links
from tests.api.processes import REPOSITORY, clean_environment
from tests.api.subscriber import Offer, Subscriber
from tests.api.subscription_requests import CARD
from tests.builders import initiate_payment, register_creator, report_success
from tests.databases import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The document as the command line writes it."""
    directory: Path = tmp_path_factory.mktemp("docs")
    subprocess.run(
        [sys.executable, "-m", "api.cli", "docs", "--directory", str(directory)],
        cwd=REPOSITORY,
        env=clean_environment({"HESABU_DATA_DIRECTORY": str(directory)}),
        check=True,
        timeout=60,
    )
    document: dict[str, Any] = json.loads((directory / "openapi.json").read_text())
    return document


def test_what_the_command_writes_is_valid_openapi_3_1(written: dict[str, Any]) -> None:
    assert written["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(written).validate()


def test_what_the_command_writes_is_what_is_served(
    written: dict[str, Any], doors: Deployment, documentation: Documentation
) -> None:
    assert doors.api.client.get("/openapi.json").json() == written
    assert documentation.document == written


def test_every_operation_says_what_it_answers_and_who_may_ask(written: dict[str, Any]) -> None:
    for path, methods in written["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert operation["description"], where
            assert operation["tags"], where
            successes = sorted(each for each in operation["responses"] if each.startswith("2"))
            # A created thing may also wait for a second person, or have been there before.
            assert len(successes) == 1 or (method, successes) in (
                ("post", ["200", "201"]),
                ("post", ["201", "202"]),
            ), where
            for status, response in operation["responses"].items():
                if status == "304":
                    assert "content" not in response, where
                    continue
                other = {"text/event-stream", "application/octet-stream", "application/x-ndjson"}
                found = other & set(response["content"])
                only = found and "application/json" not in response["content"]
                media_type = found.pop() if only else "application/json"
                schema = response["content"][media_type]["schema"]
                assert schema, (where, status)
                if not status.startswith("2"):
                    assert schema == {"$ref": "#/components/schemas/Failure"}, (where, status)
            by_token = path.startswith(API) and "webhooks" not in path
            assert operation.get("security") == ([{"bearer": []}] if by_token else None), where


def test_every_writing_route_documents_its_idempotency_key(written: dict[str, Any]) -> None:
    for path, methods in written["paths"].items():
        for method, operation in methods.items():
            names = {each["name"] for each in operation.get("parameters", []) if each["required"]}
            # A provider's callback has a key of its own, and a pay-now link is for one prompt.
            # To revoke a token twice is to revoke it, and so it is with a person; a look is
            # recorded each time, and a what-if changes nothing.
            by_nature = ("token-revocations", "erasures", "vault-looks", "what-if")
            without = "webhooks" in path or path.startswith("/pay/") or path.endswith(by_nature)
            needs_key = method in {"post", "put", "patch", "delete"} and not without
            assert ("Idempotency-Key" in names) == needs_key, (method, path)
            assert ("422" in operation["responses"]) == needs_key, (method, path)


def test_operation_ids_are_unique(written: dict[str, Any]) -> None:
    ids = [
        operation["operationId"]
        for methods in written["paths"].values()
        for operation in methods.values()
    ]
    assert len(set(ids)) == len(ids)


def _successes(doors: Deployment) -> Iterator[httpx.Response]:  # noqa: PLR0915 - a line a route
    """An answer of every route to a request that is right."""
    fan, creator = doors.fan(), doors.creator(name="Amina")
    payment_id, other_id = doors.pay(fan, creator), doors.pay(fan, creator)
    yield doors.api.deliver(doors.callback(payment_id))
    for method in ("POST", "PUT"):
        yield doors.api.deliver(
            doors.callback(other_id, "pending"), to="sandbox/token", method=method
        )
    yield doors.api.client.get("/healthz")
    yield doors.api.client.get("/readyz")

    purchase = {**payment_body(creator), "purpose": "purchase", "reference": "video-1"}
    plan = {"fee_basis_points": 1}
    new = {"settlement_currency": "UGX", "plan": {"fee_basis_points": 0}}
    for caller, method, path, body in (
        (fan, "POST", "/payments", purchase),
        (fan, "POST", f"/payments/{other_id}/cancel", None),
        (doors.admin, "PUT", f"/admin/creators/{creator.id}/fee-plan", plan),
        (doors.admin, "POST", "/admin/creators", new),
    ):
        yield doors.api.send(caller, method, path, key=str(uuid4()), json=body)

    position = doors.payment(fan, payment_id)["position"]
    for caller, path in (
        (fan, f"/payments/{payment_id}"),
        (fan, f"/payments/{payment_id}/events"),
        (fan, f"/payments/{payment_id}/signed-receipts"),
        (creator, f"/creators/{creator.id}/balance"),
        (creator, f"/creators/{creator.id}/balance?as_of_position={position}"),
        (creator, f"/creators/{creator.id}/events"),
        (creator, f"/creators/{creator.id}/transactions?min_position={position}"),
        (doors.auditor, "/audit/events?limit=200"),
        (doors.auditor, f"/audit/events?stream_id={payment_id}&topic=payment.succeeded.v2"),
        (doors.auditor, f"/audit/streams/{payment_id}"),
        (doors.auditor, f"/audit/accounts?prefix=creator:{creator.id}"),
        (doors.auditor, "/audit/accounts/platform:fees/entries?currency=KES&newest_first=true"),
        (
            doors.auditor,
            "/audit/accounts/platform:fees/balance?currency=KES&effective=2100-01-01T00:00:00Z",
        ),
        (doors.auditor, f"/audit/trial-balance?as_of_position={position}"),
    ):
        yield doors.api.send(caller, "GET", path)

    another = doors.person(Role.ADMIN)
    for route, rule in book_requests.RULES.items():
        if rule.own[Role.ADMIN] < httpx.codes.BAD_REQUEST:
            request = book_requests.book_request(doors, route, creator)
            assert request is not None
            yield doors.api.send(another, route.method, key=str(uuid4()), **request)
    for route, rule in refund_requests.RULES.items():
        request = refund_requests.refund_request(doors, route, fan, creator)
        assert request is not None
        caller = fan if Role.FAN in rule.own else doors.admin
        yield doors.api.send(caller, route.method, key=str(uuid4()), **request)
    for route in membership_requests.RULES:
        request = membership_requests.membership_request(doors, route, fan, creator)
        assert request is not None
        yield doors.api.send(doors.admin, route.method, key=str(uuid4()), **request)
    for route in subscription_requests.RULES:
        request = subscription_requests.subscription_request(doors, route, fan)
        assert request is not None
        yield doors.api.send(fan, route.method, key=str(uuid4()), **request)
    links, subscriber = Links(doors), Subscriber(doors, fan=fan, confirmed=False)
    token = links.to(subscriber.subscribe(Offer(doors), trial=True, method=CARD), 1)
    yield links.open(token)
    yield links.pay(token)
    for route in projection_requests.RULES:
        request = projection_requests.projection_request(route)
        assert request is not None
        yield doors.api.send(doors.admin, route.method, key=str(uuid4()), **request)
    for route, rule in search_requests.RULES.items():
        request = search_requests.search_request(doors, route, fan, creator)
        assert request is not None
        caller = fan if Role.FAN in rule.own else doors.admin
        yield doors.api.send(caller, route.method, **request)
    for route, rule in door_requests.RULES.items():
        request = door_requests.door_request(route, fan)
        assert request is not None
        caller = doors.auditor if Role.AUDITOR in rule.own else doors.admin
        yield doors.api.send(caller, route.method, **request)
    for route, rule in erasure_requests.RULES.items():
        request = erasure_requests.erasure_request(doors, route, fan, creator)
        assert request is not None
        caller = doors.auditor if Role.AUDITOR in rule.own else doors.admin
        yield doors.api.send(caller, route.method, **request)
    for route in statement_requests.RULES:
        request = statement_requests.statement_request(doors, route)
        assert request is not None
        yield doors.api.send(doors.admin, route.method, key=str(uuid4()), **request)
    for route in explanation_requests.RULES:
        request = explanation_requests.explanation_request(doors, route, fan, creator)
        assert request is not None
        yield doors.api.send(doors.auditor, route.method, **{"path": route.path, **request})
    for route in endpoint_requests.RULES:
        request = endpoint_requests.endpoint_request(doors, route, creator)
        assert request is not None
        yield doors.api.send(doors.admin, route.method, key=str(uuid4()), **request)
    for route in proof_requests.RULES:
        request = proof_requests.proof_request(doors, route)
        assert request is not None
        yield doors.api.send(doors.auditor, route.method, **request)
    for route in inbox_requests.RULES:
        request = inbox_requests.inbox_request(doors, route, creator)
        assert request is not None
        yield doors.api.send(doors.admin, route.method, key=str(uuid4()), **request)
    for route in payout_requests.RULES:
        request = payout_requests.payout_request(doors, route, creator)
        assert request is not None
        yield doors.api.send(another, route.method, key=str(uuid4()), **request)


def _issue_a_document(deploy: Callable[..., Deployment]) -> httpx.Response:
    """In a book where somebody has earned something in a month that is over."""
    old, creator, payment = deploy().add_apis(1), uuid4(), uuid4()
    with past_of(old.database) as past:
        past.at(
            datetime(2026, 2, 3, tzinfo=UTC),
            register_creator(creator),
            initiate_payment(creator, payment_id=payment),
            report_success(payment),
        )
    with old:
        path, body = f"/creators/{creator}/documents", {"kind": "fee_invoice", "month": "2026-02"}
        return old.api.send(old.admin, "POST", path, key=str(uuid4()), json=body)


def test_every_route_succeeds_as_it_is_documented(
    doors: Deployment, deploy: Callable[..., Deployment], documentation: Documentation
) -> None:
    """Every answer is held against the document as it comes; here each route answers well."""
    for answer in (*_successes(doors), _issue_a_document(deploy)):
        assert answer.is_success, (answer.request.url, answer.text)
    succeeded = {
        operation
        for operation, statuses in documentation.seen.items()
        if any(200 <= status < 300 for status in statuses)
    }
    assert set(documentation.operations) == succeeded


def test_the_whole_log_can_be_read_a_line_an_event(doors: Deployment) -> None:
    doors.pay(doors.fan(), doors.creator())
    answer = doors.api.send(
        doors.auditor, "GET", "/audit/events", headers={"accept": "application/x-ndjson"}
    )
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["position"] for line in lines] == list(range(1, len(lines) + 1))


def test_pages_of_every_list_lead_through_all_of_it_once(doors: Deployment) -> None:
    creator = doors.creator()
    for _ in range(5):
        doors.api.deliver(doors.callback(doors.pay(doors.fan(), creator)))
    head = value(doors.database, "SELECT max(position) FROM turns")
    for path, key in (
        (f"/creators/{creator.id}/transactions", ("position", "line")),
        ("/audit/events", ("position",)),
        ("/audit/accounts", ("account", "currency")),
        ("/audit/accounts/platform:fees/entries?currency=KES", ("position", "line")),
        ("/audit/accounts/platform:fees/explanation?currency=KES", ("position", "line")),
        (f"/audit/differences?from={head - 15}&to={head}", ("account", "currency")),
    ):
        caller = creator if path.startswith("/creators") else doors.auditor
        whole = _read_all(doors, caller, path, limit=200)
        paged = _read_all(doors, caller, path, limit=3)
        assert [[item[name] for name in key] for item in paged] == [
            [item[name] for name in key] for item in whole
        ]
        assert len(whole) >= 4


def _read_all(doors: Deployment, caller: Person, path: str, *, limit: int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        url = httpx.URL(path).copy_set_param("limit", limit)
        if cursor is not None:
            url = url.copy_set_param("cursor", cursor)
        data = doors.api.send(caller, "GET", str(url)).json()["data"]
        items += data["items"]
        cursor = data["next_cursor"]
        if cursor is None:
            return items


def test_an_answer_that_is_not_documented_is_noticed(written: dict[str, Any]) -> None:
    """The negative control: what holds every answer against the document can refuse one."""
    request = httpx.Request("GET", f"http://127.0.0.1{API}/audit/trial-balance")
    good = {"status": "success", "data": {"balanced": True, "currencies": [], "position": 0}}
    documentation = Documentation(written)
    documentation.check(httpx.Response(200, json=good, request=request))
    assert documentation.seen == {Operation("GET", f"{API}/audit/trial-balance"): {200}}
    for response in (
        httpx.Response(200, json={"status": "success", "data": {}}, request=request),
        httpx.Response(200, json={**good, "status": "fine"}, request=request),
        httpx.Response(200, text="fine", request=request),
        httpx.Response(418, json=good, request=request),
    ):
        with pytest.raises(UndocumentedAnswerError):
            documentation.check(response)


@pytest.mark.parametrize(("code", "declared"), [("position_not_reached", True), ("fine", False)])
def test_an_error_code_that_is_not_declared_is_noticed(
    written: dict[str, Any], code: str, *, declared: bool
) -> None:
    """The negative control: the status and the schema are right."""
    request = httpx.Request("GET", f"http://127.0.0.1{API}/audit/trial-balance")
    error: dict[str, Any] = {"code": code, "message": "…", "details": [], "request_id": None}
    answer = httpx.Response(409, json={"status": "error", "error": error}, request=request)
    with nullcontext() if declared else pytest.raises(UndocumentedAnswerError, match="not decl"):
        Documentation(written).check(answer)
