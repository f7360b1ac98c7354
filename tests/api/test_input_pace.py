"""What is wrong is refused at once: nobody can make the API work hard by asking nonsense."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Final

import pytest

from tests.api.wrong_requests import (
    BODY_BYTES_MAX,
    BOMB,
    REQUESTS,
    Door,
    door_of,
    filled,
    refused,
)
from tests.api.wrong_values import PAYMENT, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from tests.api.deployment import Deployment

SECONDS_MAX: Final = 0.1
SUSPICIOUS: Final = 0.05
TRIES: Final = 7


def _heavy() -> Iterator[bytes]:
    """Bodies of any route that are as much work as so many bytes can be."""
    room = BODY_BYTES_MAX - 8
    yield b"[" * room
    yield b'{"a":' * (room // 5)
    yield b"[" + b"[]," * (room // 3 - 1) + b"[]]"
    yield b"[" + b"1," * (room // 2 - 1) + b"1]"
    yield b'{"' + b"k" * room + b'":1}'
    yield b"9" * room
    yield b"1e" + b"9" * room
    yield b'"' + b"\\u202e" * (room // 6) + b'"'
    yield b'"' + b"\\ud83d\\ude00" * (room // 12) + b'"'
    yield json.dumps({f"k{number}": 1 for number in range(5_000)}).encode()
    yield json.dumps({**PAYMENT.body, **{f"k{number}": {} for number in range(4_500)}}).encode()
    yield b"{" + b'"a":1,' * (room // 6) + b'"a":1}'
    yield b'{"a":' + b" " * (room - 6) + b"1}"
    yield b" " * room
    yield BOMB


def _too_large() -> Iterator[bytes]:
    yield b" " * (BODY_BYTES_MAX + 1)
    yield json.dumps({f"k{number}": 1 for number in range(1_000_000)}).encode()


def _corpus() -> Iterator[tuple[str, int, Request, bytes]]:
    """What is sent, the status of its refusal, and where."""
    for request in REQUESTS:
        for field, literals in request.wrong.items():
            for literal in dict.fromkeys(literals):
                yield f"{field} {literal[:40]}", 400, request, filled(request.body, field, literal)
        for number, body in enumerate(_heavy()):
            yield f"heavy body {number}", 400, request, body
    for number, body in enumerate(_too_large()):
        yield f"large body {number}", 413, PAYMENT, body


@pytest.fixture(scope="module")
def door(doors: Deployment) -> Door:
    return door_of(doors)


def _seconds(door: Door, send: Callable[[], httpx.Response], status: int) -> float:
    refused(send(), status=status)
    return door.seconds[-1]


@pytest.mark.alone
def test_every_wrong_input_is_refused_within_a_tenth_of_a_second(
    door: Door, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """The median of several tries, where the first one was not far below."""
    medians: dict[str, float] = {}
    for what, status, request, body in _corpus():
        first = _seconds(door, lambda: door.send(request, body), status)  # noqa: B023 - called here
        if first > SUSPICIOUS:
            tries = [
                _seconds(door, lambda: door.send(request, body), status)  # noqa: B023 - called here
                for _ in range(TRIES)
            ]
            medians[f"{request.name} {what}"] = statistics.median(tries)
    record_testsuite_property("wrong_input_suspicious", medians)
    record_testsuite_property("wrong_input_median_seconds", statistics.median(door.seconds))
    slow = {what: seconds for what, seconds in medians.items() if seconds >= SECONDS_MAX}
    assert slow == {}
    assert len(door.seconds) > 3_000
