"""Clients that are slow on purpose, and hundreds of open streams: the others notice nothing."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.api.deployment import API
from tests.api.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.deployment import ApiProcess, Deployment, Person

SOCKETS: Final = 600
STREAMS: Final = 500
REQUESTS: Final = 400
RATIO_MAX: Final = 3.0
TRIES: Final = 3
REQUEST_SECONDS_MAX: Final = 4.0

HEAD: Final = (
    f"POST {API}/payments HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n"
    "content-length: 1000\r\n\r\n"
).encode()
SLOWLY: Final[dict[str, bytes]] = {
    "says nothing": b"",
    "stops in the first line": b"GET /api/v1/m",
    "stops in a header": b"GET /api/v1/me HTTP/1.1\r\nhost: here\r\nauthorization: Bea",
    "stops before the body": HEAD,
    "stops in the body": HEAD + b'{"creator_id": "',
    "stops in a chunk": HEAD.replace(b"content-length: 1000", b"transfer-encoding: chunked") + b"f",
}


@pytest.fixture(scope="module")
def served(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    settings = {
        "REQUEST_SECONDS_MAX": str(REQUEST_SECONDS_MAX),
        "EVENT_STREAMS_OF_SUBJECT_MAX": str(STREAMS),
    }
    with deploy(**settings).add_apis(1) as running:
        yield running


def _connect(api: ApiProcess, opened: ExitStack, sent: bytes = b"") -> socket.socket:
    connected = opened.enter_context(socket.create_connection(("127.0.0.1", api.port), timeout=20))
    connected.sendall(sent)
    return connected


def _answer(connected: socket.socket) -> bytes:
    """Everything until the other side closes."""
    parts = []
    try:
        while part := connected.recv(4096):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_who_does_not_finish_a_request_is_left_in_time(served: Deployment) -> None:
    began = time.monotonic()
    with ExitStack() as opened:
        all_of_them = {how: _connect(served.api, opened, sent) for how, sent in SLOWLY.items()}
        for how, connected in all_of_them.items():
            answer = _answer(connected)
            refused = answer.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 401 "))
            assert answer == b"" or refused, (how, answer)
    took = time.monotonic() - began
    assert REQUEST_SECONDS_MAX - 1 < took < REQUEST_SECONDS_MAX + 5, took


def test_a_byte_a_second_buys_no_more_time(served: Deployment) -> None:
    request = SLOWLY["stops in a header"]
    with ExitStack() as opened:
        connected = _connect(served.api, opened)
        began = time.monotonic()
        with pytest.raises((ConnectionError, TimeoutError)):  # noqa: PT012 - which byte it is, is open
            for byte in request * 3:
                connected.sendall(bytes([byte]))
                time.sleep(0.2)
        assert time.monotonic() - began < REQUEST_SECONDS_MAX + 3


def test_the_next_request_of_a_connection_has_its_own_time(served: Deployment) -> None:
    request = b"GET /healthz HTTP/1.1\r\nhost: here\r\n\r\n"
    with ExitStack() as opened:
        connected = _connect(served.api, opened)
        for _ in range(3):
            connected.sendall(request)
            answer = b""
            while not answer.endswith(b"{}}"):
                answer += connected.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200 ")
            # Idle between two requests: that is bounded by another setting.
            time.sleep(REQUEST_SECONDS_MAX / 2)
        connected.sendall(request[:10])
        assert _answer(connected).startswith(b"HTTP/1.1 408 ")


def test_who_does_not_read_their_answer_is_left(deploy: Callable[..., Deployment]) -> None:
    with deploy(ANSWER_SECONDS_MAX="1").add_apis(1) as running, ExitStack() as opened:
        creator = running.creator()
        for _ in range(150):
            running.pay(running.fan(), creator)
        connected = opened.enter_context(socket.socket())
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connected.connect(("127.0.0.1", running.api.port))
        path = f"{API}/audit/events"
        asked = (
            f"GET {path} HTTP/1.1\r\nhost: here\r\naccept: application/x-ndjson\r\n"
            f"authorization: Bearer {running.auditor.token}\r\n\r\n"
        ).encode()
        # Asked for again and again, and never read.
        connected.settimeout(5)
        with pytest.raises((ConnectionError, TimeoutError)):  # noqa: PT012 - which one it is, is open
            for _ in range(400):
                connected.sendall(asked)
                time.sleep(0.02)
        assert running.api.is_ready()


def _milliseconds(api: ApiProcess, creator: Person) -> list[float]:
    path = f"/creators/{creator.id}/balance"
    took = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        assert api.send(creator, "GET", path).status_code == 200
        took.append((time.perf_counter() - began) * 1_000)
    return sorted(took)


def _p99(took: list[float]) -> float:
    return took[int(len(took) * 0.99)]


def _stream(api: ApiProcess, opened: ExitStack, creator: Person) -> Any:  # noqa: ANN401 - a file
    connected = _connect(
        api,
        opened,
        (
            f"GET {API}/creators/{creator.id}/events HTTP/1.1\r\nhost: here\r\n"
            f"authorization: Bearer {creator.token}\r\n\r\n"
        ).encode(),
    )
    file = opened.enter_context(connected.makefile("rb"))
    while not (line := file.readline()).startswith(b"event: balance"):
        assert line, "the stream ended before it began"
    return file


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_six_hundred_slow_sockets_and_five_hundred_streams_slow_nobody(
    served: Deployment, record_testsuite_property: Callable[[str, object], None]
) -> None:
    api, creator = served.api, served.creator()
    watched = [served.creator() for _ in range(10)]
    _milliseconds(api, creator)
    idle = _p99(_milliseconds(api, creator))
    with ExitStack() as opened:
        streams = [_stream(api, opened, watched[number % 10]) for number in range(STREAMS)]
        for attempt in range(1, TRIES + 1):
            with ExitStack() as slow:
                kinds = list(SLOWLY.values())
                for number in range(SOCKETS):
                    _connect(api, slow, kinds[number % len(kinds)])
                beside = _p99(_milliseconds(api, creator))
            # For whoever reads the report, also of a run that passed.
            record_testsuite_property("p99_idle_milliseconds", round(idle, 2))
            record_testsuite_property("p99_beside_slow_clients_milliseconds", round(beside, 2))
            if beside <= RATIO_MAX * idle:
                break
            assert attempt < TRIES, f"p99 {beside:.1f} ms beside slow clients, {idle:.1f} ms idle"
        # And the streams still tell what happens.
        served.api.deliver(served.callback(served.pay(served.fan(), watched[0])))
        wait_until(lambda: b"payment" in streams[0].readline(), seconds_max=10)
