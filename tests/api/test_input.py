"""What is not exactly as documented is refused: named, never echoed, and nothing is recorded."""

from __future__ import annotations

import json
import re
import statistics
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from tests.api.deployment import API, COUNTS, Deployment, Person
from tests.api.wrong_requests import (
    BODY_BYTES_MAX,
    HOLE,
    KEYED,
    REQUESTS,
    UNPARSED,
    Door,
    door_of,
    filled,
    holed,
    place_of,
    refused,
)
from tests.api.wrong_values import BIDI, ECHO, HUGE, NUL, PAYMENT, SURROGATE, Request
from tests.databases import superuser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.documentation import Documentation, Operation

SLOWEST_SECONDS_MAX: Final = 5.0


@pytest.fixture(scope="module")
def door(doors: Deployment) -> Door:
    return door_of(doors)


@pytest.fixture(scope="module")
def creator(doors: Deployment) -> Person:
    return doors.creator()


@pytest.fixture(scope="module")
def count(doors: Deployment) -> Iterator[Callable[[], object]]:
    """How much lies in every table that a request may write."""
    with superuser(doors.database) as connection:
        yield lambda: connection.execute(COUNTS.encode()).fetchone()


@pytest.fixture(autouse=True)
def nothing_is_recorded(count: Callable[[], object]) -> Iterator[None]:
    """Holds for every test in this module."""
    before = count()
    yield
    assert count() == before


WRONG: Final = [
    pytest.param(request, field, literal, id=f"{request.name}-{field}-{literal[:24]}")
    for request in REQUESTS
    for field, literals in request.wrong.items()
    for literal in dict.fromkeys(literals)
]


@pytest.mark.parametrize(("request_", "field", "literal"), WRONG)
def test_a_wrong_value_is_refused(door: Door, request_: Request, field: str, literal: str) -> None:
    answer = door.send(request_, filled(request_.body, field, literal))
    refused(answer, None if literal in UNPARSED else field)


@pytest.mark.parametrize("request_", KEYED, ids=lambda request: request.name)
def test_what_these_tests_take_for_right_would_be_accepted(door: Door, request_: Request) -> None:
    """Otherwise they could be refused for another reason than the one they mean."""
    answer = door.send(request_, json.dumps(request_.body).encode(), **{"idempotency-key": "a b"})
    [detail] = refused(answer)["details"]
    assert "Idempotency-Key" in detail["field"]


FIELDS: Final = [
    pytest.param(request, field, id=f"{request.name}-{field}")
    for request in REQUESTS
    for field in request.wrong
]


REQUIRED: Final = [each for each in FIELDS if each.values[1] not in each.values[0].optional]  # type: ignore[union-attr]


@pytest.mark.parametrize(("request_", "field"), REQUIRED)
def test_a_missing_field_is_named(door: Door, request_: Request, field: str) -> None:
    body = json.loads(json.dumps(request_.body))
    place, last = place_of(body, field)
    del place[last]
    refused(door.send(request_, json.dumps(body).encode()), field)


@pytest.mark.parametrize(("request_", "field"), FIELDS)
def test_a_field_that_is_given_twice_is_named(door: Door, request_: Request, field: str) -> None:
    text = holed(request_.body, field)
    name = field.rpartition(".")[2]
    twice = text.replace(f'"{HOLE}"', f'1, "{name}": 1')
    error = refused(door.send(request_, twice.encode()))
    assert [detail["field"] for detail in error["details"]] == [name]


OBJECTS: Final = [
    pytest.param(request, place, id=f"{request.name}-{place or 'top'}")
    for request in REQUESTS
    for place in ("", *(name for name, value in request.body.items() if isinstance(value, dict)))
]


@pytest.mark.parametrize("name", ["unknown", "", "Phone", "__proto__", "0", "a.b"])
@pytest.mark.parametrize(("request_", "place"), OBJECTS)
def test_an_unknown_field_is_refused(door: Door, request_: Request, place: str, name: str) -> None:
    body = json.loads(json.dumps(request_.body))
    (body[place] if place else body)[name] = ECHO
    expected = f"{place}.{name}" if place else name
    error = refused(door.send(request_, json.dumps(body).encode()))
    assert expected in [detail["field"] for detail in error["details"]] or not name


@pytest.mark.parametrize("literal", [SURROGATE, NUL, BIDI])
def test_a_name_that_deceives_is_refused(door: Door, literal: str) -> None:
    text = json.dumps(PAYMENT.body)[:-1] + f", {literal.replace(ECHO, 'key')}: 1}}"
    error = refused(door.send(PAYMENT, text.encode()))
    assert [detail["field"] for detail in error["details"]] == ["key?"]


def test_a_huge_unknown_name_is_not_sent_back_whole(door: Door) -> None:
    body = {**PAYMENT.body, "k" * 60_000: 1}
    refused(door.send(PAYMENT, json.dumps(body).encode()))


def test_thousands_of_unknown_fields_are_refused_with_a_short_answer(door: Door) -> None:
    body = {**PAYMENT.body, **{f"k{number}": 1 for number in range(5_000)}}
    refused(door.send(PAYMENT, json.dumps(body).encode()))


def test_what_is_wrong_is_said_without_the_value_also_of_an_id(door: Door) -> None:
    answers = [
        door.send(PAYMENT, filled(PAYMENT.body, "creator_id", json.dumps(wrong)))
        for wrong in ("#", "\u00df" * 3, "00000000-0000-4000-8000-00000000000g", "urn:uuid:?")
    ]
    assert len({json.dumps(refused(answer)["details"]) for answer in answers}) == 1


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.name)
@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"\0", b"zqzq", b"{", b"}", b"[", b'{"a"', b'{"a":', b"{,}", b"{'a': 1}",
        b'{"a": 1,}', b'{"a": 1} zqzq', b'{"a": 1}{"a": 1}', b"// zqzq\n{}", b'{"a": "\x01zqzq"}',
        b'\xef\xbb\xbf{"a": 1}', '{"a": 1}'.encode("utf-16"), '{"a": 1}'.encode("utf-32"),
        b'{"a": "\xe9zqzq"}', b'{"a": "\xc0\x80zqzq"}', b'{"a": "\xed\xa0\x80zqzq"}',
        b'{"a": "\xf5\x80\x80\x80"}', b"\xff\xfe", b"\x1f\x8b\x08zqzq",
        b'{"a": "zqzq\\', b'{"a": "\\x41"}', b'{"a": "\\ud83"}', b"-", b"nul", b"tru",
    ],
)  # fmt: skip
def test_what_is_not_json_in_utf_8_is_refused(door: Door, request_: Request, body: bytes) -> None:
    refused(door.send(request_, body))


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.name)
@pytest.mark.parametrize("body", [b"[]", b"[{}]", b'"zqzq"', b"1", b"null", b"true", b"{}"])
def test_what_is_not_the_object_is_refused(door: Door, request_: Request, body: bytes) -> None:
    assert refused(door.send(request_, body))["details"]


@pytest.mark.parametrize("depth", [33, 1_000, 30_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_what_is_nested_too_deep_is_refused(
    door: Door, opening: str, closing: str, depth: int
) -> None:
    text = opening * depth + "1" + closing * depth
    if len(text) > BODY_BYTES_MAX:
        text = text[:BODY_BYTES_MAX]
    assert refused(door.send(PAYMENT, text.encode()))["code"] == "invalid_json"


def test_sixty_thousand_open_brackets_are_refused(door: Door) -> None:
    assert refused(door.send(PAYMENT, b"[" * 60_000))["code"] == "invalid_json"


def test_nesting_within_the_bound_is_read(door: Door) -> None:
    text = filled(PAYMENT.body, "creator_id", "[" * 31 + "]" * 31)
    refused(door.send(PAYMENT, text), "creator_id")
    text = filled(PAYMENT.body, "creator_id", "[" * 32 + "]" * 32)
    assert refused(door.send(PAYMENT, text))["code"] == "invalid_json"


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.name)
@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=zqzq",
     "application/xml", "zqzq", "", "application/octet-stream"],
)  # fmt: skip
def test_another_content_type_is_refused(door: Door, request_: Request, content_type: str) -> None:
    body = json.dumps(request_.body).encode()
    refused(door.send(request_, body, **{"content-type": content_type}))


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.name)
def test_a_body_of_one_byte_too_many_is_refused_before_it_is_read(
    door: Door, request_: Request
) -> None:
    body = b" " * (BODY_BYTES_MAX + 1)
    error = refused(door.send(request_, body), status=413)
    assert error["code"] == "body_too_large"
    refused(door.send(request_, body[:-1]))


def test_a_body_whose_length_is_not_declared_is_measured_all_the_same(door: Door) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(65):
            yield b" " * 1_024

    answer = door.request(
        "POST", "/payments", content=pieces(), headers={"content-type": "application/json"}
    )
    refused(answer, status=413)


def test_a_webhook_has_the_same_bound(doors: Deployment) -> None:
    answer = doors.api.client.post(f"{API}/webhooks/sandbox", content=b" " * (BODY_BYTES_MAX + 1))
    refused(answer, status=413)


@pytest.mark.parametrize(
    "key", [None, "", "a b", "a\tb", "\u00e9", "\u202e", "k" * 256, "k" * 10_000]
)
@pytest.mark.parametrize("request_", KEYED, ids=lambda request: request.name)
def test_a_wrong_idempotency_key_is_named(door: Door, request_: Request, key: str | None) -> None:
    headers = [(b"authorization", f"Bearer {door.caller(request_.path).token}".encode())]
    headers.append((b"content-type", b"application/json"))
    if key is not None:
        headers.append((b"idempotency-key", key.encode()))
    answer = door.api.client.request(
        request_.method,
        f"{API}{request_.path}",
        content=json.dumps(request_.body).encode(),
        headers=headers,
    )
    [detail] = refused(answer)["details"]
    assert detail["field"].endswith("Idempotency-Key")


NOT_A_PATH_UUID: Final = (
    "zqzq", "0", "-", "%00", "..%2f", "00000000-0000-4000-8000-00000000000", "%C3%A9", "%FF",
    "%E2%80%AE", "a" * 2_000, "00000000-0000-4000-8000-000000000000%20", "null", "true",
)  # fmt: skip
NOT_A_QUERY_INTEGER: Final = (
    "zqzq", "", "-1", "1.5", "1e3", str(2**63), str(10**30), HUGE, "%00", "0x10", "true", "NaN",
    "%D9%A1", "1;2", "[]",
)  # fmt: skip
NOT_A_QUERY_TIME: Final = (
    "zqzq", "", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "10000-01-01T00:00:00Z", "%00",
    "2026-01-01T00:00:00%2B99:00", HUGE, "NaN", "Infinity", "1e400", "0", "0.0", "1700000000",
    "2026-01-01",
)  # fmt: skip
NOT_A_CURSOR: Final = (
    "zqzq", "%00", "%C3%A9", "e30", "W10", "WyJlIiwxXQ", "bnVsbA", "A" * 501, "====", "%22", "+",
    "WyJldmVudHMiLC0xXQ", "WyJldmVudHMiLDFlNDAwXQ", "WyJldmVudHMiLHRydWVd",
)  # fmt: skip


NOT_A_QUERY_DAY: Final = (
    "zqzq", "", "2026-02-30", "2026-1-1", "20260101", "2026-01-01T00:00:00Z", "1767225600",
    "10000-01-01", "0000-01-01", "%00", "%D9%A1026-01-01", HUGE,
)  # fmt: skip


def _bad_parameters(
    operation: Operation, documentation: Documentation
) -> Iterator[tuple[str, str, str]]:
    """Where, which parameter, and a wrong value, for every parameter that is documented."""
    route = documentation.document["paths"][operation.path][operation.method.lower()]
    for parameter in route.get("parameters", []):
        kinds = _kinds(parameter["schema"])
        wrong: tuple[str, ...] = ()
        if parameter["in"] == "path" and "uuid" in kinds:
            wrong = NOT_A_PATH_UUID
        elif parameter["name"] == "cursor":
            wrong = NOT_A_CURSOR
        elif parameter["name"] == "limit":
            wrong = (*NOT_A_QUERY_INTEGER, "0", "201")
        elif "integer" in kinds:
            wrong = NOT_A_QUERY_INTEGER
        elif "date-time" in kinds:
            wrong = NOT_A_QUERY_TIME
        elif "date" in kinds:
            wrong = NOT_A_QUERY_DAY
        elif "uuid" in kinds:
            wrong = NOT_A_PATH_UUID
        for value in wrong:
            yield parameter["in"], parameter["name"], value


def _kinds(schema: dict[str, Any]) -> set[str]:
    options = [schema, *schema.get("anyOf", [])]
    return {
        str(option[name]) for option in options for name in ("type", "format") if name in option
    }


OF_SOMETHING: Final = ("{statement_id}/items", "{endpoint_id}/deliveries")


def test_every_wrong_parameter_of_every_route_is_refused(
    door: Door, documentation: Documentation, creator: Person
) -> None:
    """Generated from the documentation, so that a new parameter is tried too."""
    tried = 0
    for operation in documentation.operations:
        if not operation.path.startswith(API) or "webhooks" in operation.path:
            continue
        for place, name, value in _bad_parameters(operation, documentation):
            path = operation.path.removeprefix(API)
            given = {name: value} if place == "path" else {}
            path = path.replace("{account}", "platform:fees")
            for parameter in re.findall(r"{(\w+)}", path):
                path = path.replace(f"{{{parameter}}}", given.get(parameter, str(creator.id)))
            if place == "query":
                of_account = path.endswith(("/entries", "/explanation"))
                others = {"currency": "KES"} if of_account else {}
                if path.endswith("platform:fees/balance"):
                    others = {"currency": "KES", "effective": "2026-01-01T00:00:00Z"}
                query = "&".join(f"{key}={text}" for key, text in ({**others, name: value}).items())
                path = f"{path}?{query}"
            content = None if operation.method == "GET" else b"{}"
            answer = door.request(operation.method, path, content=content)
            # A slash in a path, or nothing, makes another path of it.
            another = place == "path" and ("%2f" in value or not value)
            # Whose pages these are is looked up before a cursor is read.
            of_nothing = name == "cursor" and operation.path.endswith(OF_SOMETHING)
            unknown = another or (of_nothing and answer.status_code == httpx.codes.NOT_FOUND)
            refused(answer, status=404 if unknown else 400)
            tried += 1
    assert tried > 200


@pytest.mark.parametrize("text", ["%00", "%E2%80%AE", "%ED%A0%80", "%FF", "a" * 101, "%25", "%27"])
def test_a_text_parameter_may_be_refused_or_find_nothing_but_never_fails(
    door: Door, text: str
) -> None:
    for path in (
        f"/audit/events?topic={text}",
        f"/audit/accounts?prefix={text}",
        f"/audit/accounts/{text}/entries?currency=KES",
        f"/audit/accounts/platform:fees/entries?currency={text}",
        f"/audit/accounts/{text}/balance?currency=KES&effective=2026-01-01T00:00:00Z",
        f"/audit/accounts/platform:fees/balance?currency=KES&effective={text}",
        f"/admin/payments?reference={text}",
        f"/admin/payments?provider_transaction={text}",
        f"/admin/suspense/receipts?provider_transaction={text}",
    ):
        answer = door.request("GET", path)
        assert answer.status_code in {200, 400, 404}, (path, answer.text)


def test_times_at_the_edge_of_the_calendar_are_answered(door: Door, creator: Person) -> None:
    for time_ in (
        "0001-01-01T00:00:00Z", "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
    ):  # fmt: skip
        for path in (f"/creators/{creator.id}/balance", "/audit/trial-balance", "/audit/accounts"):
            answer = door.request("GET", f"{path}?as_of={time_}")
            assert answer.status_code in {200, 400, 404}, (path, time_, answer.text)
        path = f"/audit/accounts/platform:fees/balance?currency=KES&effective={time_}"
        answer = door.request("GET", path)
        assert answer.status_code in {200, 400, 404}, (path, answer.text)


@pytest.mark.parametrize("time_", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-00:00"])
@pytest.mark.parametrize("name", ["since", "until"])
def test_searches_are_answered_at_the_edge_of_the_calendar(
    door: Door, creator: Person, name: str, time_: str
) -> None:
    for path in ("/admin/payments", f"/creators/{creator.id}/payments", "/admin/payouts"):
        assert door.request("GET", f"{path}?{name}={time_}").status_code == 200
    for report in ("earnings", "recurring", "recurring/days"):
        answer = door.request("GET", f"/creators/{creator.id}/{report}?{name}={time_[:10]}")
        assert answer.status_code in {200, 400}, answer.text


@pytest.mark.parametrize("value", ["zqzq", "", "%00", "2", "null"])
def test_a_switch_a_word_or_a_code_in_a_query_that_is_none_is_named(
    door: Door, creator: Person, value: str
) -> None:
    for path, name in (
        ("/admin/payments", "state"),
        ("/admin/payouts", "state"),
        ("/admin/proposals", "state"),
        ("/admin/suspense/receipts", "state"),
        (f"/creators/{creator.id}/payments", "state"),
        (f"/creators/{creator.id}/invoices", "state"),
        (f"/creators/{creator.id}/earnings", "interval"),
        (f"/creators/{creator.id}/earnings", "by_source"),
        (f"/creators/{creator.id}/supporters", "month"),
        (f"/creators/{creator.id}/supporters", "currency"),
        (f"/creators/{creator.id}/recurring", "currency"),
    ):
        refused(door.request("GET", f"{path}?{name}={value}"), name)


def test_a_method_or_path_that_is_not_there_is_answered_in_the_same_shape(door: Door) -> None:
    for method, path, status in (
        ("DELETE", "/payments", 405),
        ("GET", "/payments", 405),
        ("PATCH", "/admin/creators", 405),
        ("GET", "/payments/", 404),
        ("GET", "/admin/zqzq", 404),
        ("POST", "/payments/zqzq/zqzq", 404),
    ):
        refused(door.request(method, path), status=status)


def test_refusing_is_quick(
    door: Door, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Measured over this module; the bound is wide, since the machine may be busy."""
    slowest, median = max(door.seconds), statistics.median(door.seconds)
    record_testsuite_property("bad_input_slowest_seconds", slowest)
    record_testsuite_property("bad_input_median_seconds", median)
    assert slowest < SLOWEST_SECONDS_MAX
