"""What comes over a socket and is not what it seems: where a request ends is never guessed.

Whoever stands in front may read an ambiguous request otherwise than we do, and take what lies in
its body for another request, or the other way round. So these are refused, and the connection ends.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest

from tests.api.deployment import API, ApiProcess, Deployment, Person
from tests.api.wrong_requests import BODY_BYTES_MAX, BOMB, REQUESTS, Door, door_of, refused
from tests.api.wrong_values import PAYMENT, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.documentation import Documentation

SECOND: Final = b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
"""A request that lies where a body would be: it must not be answered."""

FRAMINGS: Final = {
    "two lengths": b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "the same length twice": b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}",
    "a list of lengths": b"content-length: 2, 2\r\n\r\n{}",
    "a length below nothing": b"content-length: -2\r\n\r\n{}",
    "a length with a sign": b"content-length: +2\r\n\r\n{}",
    "a hexadecimal length": b"content-length: 0x2\r\n\r\n{}",
    "no length": b"content-length: \r\n\r\n{}",
    "a length beyond all numbers": b"content-length: " + b"9" * 30 + b"\r\n\r\n{}",
    "a length and chunks": b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n",
    "chunks that are not the last": b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "no chunks": b"transfer-encoding: identity\r\n\r\n0\r\n\r\n",
    "another coding": b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two codings": b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    "a tabulator before the word": b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a folded line": b"transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a chunk of no size": b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk below nothing": b"transfer-encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "a chunk in another notation": b"transfer-encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk beyond all numbers": b"transfer-encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n{}\r\n",
    "a chunk longer than it says": b"transfer-encoding: chunked\r\n\r\n2\r\n{}zq0\r\n\r\n",
    "chunks with half an end of line": b"transfer-encoding: chunked\r\n\r\n2\n{}\n0\n\n",
    "a line that is no header": b"zqzq\r\n\r\n",
    "a header over two lines": b"x-zqzq: 1\r\n 2\r\n\r\n",
    "a NUL in a header": b"x-zqzq: 1\0\r\n\r\n",
    "half an end of line in a header": b"x-zqzq: 1\rx-zqzq: 2\r\n\r\n",
    "a NUL in a name": b"x-z\0q: 1\r\n\r\n",
}
NO_REQUESTS: Final = {
    "ends of line that are half": b"GET /healthz HTTP/1.1\nhost: x\n\n",
    "a NUL in a path": b"GET /healthz\0 HTTP/1.1\r\nhost: x\r\n\r\n",
    "a space in a path": b"GET /healthz z HTTP/1.1\r\nhost: x\r\n\r\n",
    "a byte in a path": b"GET /healthz\xff HTTP/1.1\r\nhost: x\r\n\r\n",
    "a small method": b"get /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
    "a long method": b"G" * 10_000 + b" /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
    "a version that is not there": b"GET /healthz HTTP/1.2\r\nhost: x\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a tunnel": b"CONNECT zqzq.example:443 HTTP/1.1\r\nhost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"z" * 200,
    "bytes": b"\xff" * 1_000,
}


@pytest.fixture(scope="module")
def door(doors: Deployment) -> Door:
    return door_of(doors)


@pytest.fixture(autouse=True)
def nothing_is_recorded(doors: Deployment) -> Iterator[None]:
    """Holds for every test in this module."""
    before = doors.recorded()
    yield
    assert doors.recorded() == before


def _answers(api: ApiProcess, sent: bytes) -> list[bytes]:
    """Everything that is answered until the connection is closed from there."""
    got = b""
    with socket.create_connection(("127.0.0.1", api.port), timeout=30) as connection:
        with suppress(ConnectionError):
            connection.sendall(sent)
        while True:
            try:
                part = connection.recv(65_536)
            except ConnectionResetError:
                break
            if not part:
                break
            got += part
    return re.split(rb"(?=HTTP/1\.1 \d{3} )", got)[1:]


def _head(fan: Person) -> bytes:
    return (
        f"POST {API}/payments HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {fan.token}\r\n"
        f"idempotency-key: {uuid4()}\r\ncontent-type: application/json\r\n"
    ).encode()


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_request_whose_end_is_not_certain_is_refused_once(
    doors: Deployment, framing: str
) -> None:
    sent = _head(doors.fan()) + FRAMINGS[framing] + SECOND
    [answer] = _answers(doors.api, sent)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in answer
    assert b"zqzq" not in answer


@pytest.mark.parametrize("sent", NO_REQUESTS)
def test_what_is_no_request_is_refused(doors: Deployment, sent: str) -> None:
    [answer] = _answers(doors.api, NO_REQUESTS[sent] + SECOND)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"zqzq" not in answer


def test_nothing_of_this_is_a_defect_or_echoed_in_the_log(doors: Deployment) -> None:
    log = [json.loads(line) for line in doors.api.log_text().splitlines()]
    assert [line for line in log if line["level"] not in {"info", "warning"}] == []
    assert "zqzq" not in doors.api.log_text()


TOO_LONG: Final = {
    "a header": b"x-zqzq: " + b"z" * 40_000 + b"\r\n\r\n",
    "headers": b"".join(b"x-%d: zqzq\r\n" % number for number in range(100_000)) + b"\r\n",
    "a header that does not end": b"x-zqzq: " + b"z" * 5_000_000,
    "a name that does not end": b"z" * 5_000_000,
    "a token": b"authorization: Bearer " + b"z" * 1_000_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("headers", TOO_LONG)
def test_headers_have_a_bound(doors: Deployment, headers: str) -> None:
    sent = b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + TOO_LONG[headers]
    answers = _answers(doors.api, sent + SECOND)
    # What still comes in when the connection is closed may take the answer with it.
    assert [answer[:13] for answer in answers] in ([b"HTTP/1.1 431 "], [])


def test_a_path_has_a_bound(doors: Deployment) -> None:
    for end in (b" HTTP/1.1\r\nhost: x\r\n\r\n", b""):
        answers = _answers(doors.api, b"GET /" + b"z" * 5_000_000 + end)
        assert [answer[:13] for answer in answers] in ([b"HTTP/1.1 431 "], [])


def test_headers_within_the_bound_are_read(doors: Deployment) -> None:
    sent = b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: " + b"a" * 30_000 + b"\r\n\r\n"
    first, second = _answers(doors.api, sent + SECOND)
    assert first.startswith(b"HTTP/1.1 200 ")
    assert second.startswith(b"HTTP/1.1 200 ")
    [refusal] = _answers(doors.api, sent.replace(b"x-a: ", b"x-a: " + b"a" * 3_000))
    assert refusal.startswith(b"HTTP/1.1 431 ")
    assert b"connection: close" in refusal


CHUNKED: Final = b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "rest",
    [
        b"2;" + b"z" * 1_000_000 + b"\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}\r\n0\r\nx-zqzq: " + b"z" * 5_000_000,
        b"2\r\n{}\r\n0\r\n" + b"x-zqzq: zqzq\r\n" * 100_000 + b"\r\n",
    ],
    ids=["an extension of a chunk", "a field that does not end", "fields"],
)
def test_what_stands_between_chunks_and_behind_them_has_a_bound(
    doors: Deployment, rest: bytes
) -> None:
    answers = _answers(doors.api, _head(doors.fan()) + CHUNKED + rest)
    assert [answer[:10] for answer in answers] in ([b"HTTP/1.1 4"], [])


def test_fields_behind_a_body_are_no_headers(doors: Deployment) -> None:
    """Nothing in front of us has looked at them, and they are no token and no key."""
    fan = doors.fan()
    body = b"2\r\n{}\r\n0\r\n"
    [as_said] = _answers(
        doors.api, _head(fan) + CHUNKED + body + b"authorization: Bearer zqzq\r\n\r\n"
    )
    assert as_said.startswith(b"HTTP/1.1 400 ")
    anonymous = f"POST {API}/payments HTTP/1.1\r\nhost: x\r\n".encode()
    [nobody] = _answers(
        doors.api,
        anonymous + CHUNKED + body + f"authorization: Bearer {fan.token}\r\n\r\n".encode(),
    )
    assert nobody.startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("length", [2**63, 2**40, BODY_BYTES_MAX + 1])
def test_a_body_that_would_be_too_large_is_refused_before_it_comes(
    doors: Deployment, length: int
) -> None:
    """Also before whoever waits for a word to send it is told to."""
    asked = f"expect: 100-continue\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    [answer] = _answers(doors.api, _head(doors.fan()) + asked.encode())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"body_too_large"' in answer


def test_a_million_unknown_fields_are_refused_by_their_size(door: Door) -> None:
    body = json.dumps({**PAYMENT.body, **{f"k{number}": 1 for number in range(1_000_000)}})
    assert refused(door.send(PAYMENT, body.encode()), status=413)["code"] == "body_too_large"


PACKED: Final = {
    "gzip": gzip.compress(json.dumps(PAYMENT.body).encode()),
    "deflate": zlib.compress(json.dumps(PAYMENT.body).encode()),
    "gzip, gzip": gzip.compress(gzip.compress(json.dumps(PAYMENT.body).encode())),
    "x-gzip": BOMB,
}


@pytest.mark.parametrize("coding", PACKED)
def test_a_packed_body_is_not_unpacked(door: Door, coding: str) -> None:
    answer = door.send(PAYMENT, PACKED[coding], **{"content-encoding": coding})
    assert refused(answer)["code"] == "invalid_json"


@pytest.mark.parametrize("charset", ["utf-16", "utf-32", "utf-7", "cp037", "latin-1", "zqzq"])
def test_a_body_is_utf_8_whatever_it_says_it_is(door: Door, charset: str) -> None:
    body = json.dumps({**PAYMENT.body, "reference": "\u00e9"}, ensure_ascii=False)
    encoded = "utf-16" if charset == "zqzq" else charset
    answer = door.send(
        PAYMENT, body.encode(encoded), **{"content-type": f"application/json; charset={charset}"}
    )
    refused(answer)


def test_a_trickle_of_small_chunks_is_bounded_as_one_body_is(door: Door) -> None:
    def trickle() -> Iterator[bytes]:
        for _ in range(BODY_BYTES_MAX // 64 + 1):
            yield b" " * 64

    headers = {"content-type": "application/json"}
    started = time.perf_counter()
    refused(door.request("POST", "/payments", content=trickle(), headers=headers), status=413)
    assert time.perf_counter() - started < 10


def _path_of(request: Request) -> str:
    return f"{API}{request.path}"


def test_every_route_with_a_body_is_asked_wrongly(documentation: Documentation) -> None:
    """A new one is not forgotten in the corpus of wrong values."""
    with_body = {
        operation
        for operation in documentation.operations
        # A statement is CSV; what is wrong with one is in tests/api/provider_statements.
        if "application/json"
        in _documented(documentation, *operation).get("requestBody", {}).get("content", {})
    }
    asked = {documentation.operation(each.method, _path_of(each)) for each in REQUESTS}
    assert with_body - asked == set()


def _documented(documentation: Documentation, method: str, path: str) -> dict[str, Any]:
    route: dict[str, Any] = documentation.document["paths"][path][method.lower()]
    return route
