"""Calls to providers: in time, and told apart by whether they may have been taken."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from api.providers.http_calls import (
    FAILURES_MAX,
    Answered,
    HttpCalls,
    UnansweredError,
    UnreachedError,
)

FAILED = httpx.Response(502)
UNREACHED = httpx.ConnectError("nobody is there")


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Response | Exception]:
    """What calls are answered, one after another; the last one for ever."""
    left: list[httpx.Response | Exception] = []

    async def send(_: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        answer.request = request
        return answer

    monkeypatch.setattr(httpx.AsyncClient, "send", send)
    return left


def called(times: int = 1, *, repeatable: bool = False) -> Answered:
    async def call() -> Answered:
        calls = HttpCalls(url="http://127.0.0.1:1", timeout_seconds=2.0)
        for _ in range(times - 1):
            with pytest.raises((UnansweredError, UnreachedError)):
                await calls.call("POST", "/")
        return await calls.call("POST", "/", repeatable=repeatable)

    return asyncio.run(call())


def test_a_request_that_reached_nobody_was_not_taken(
    answers: list[httpx.Response | Exception],
) -> None:
    answers.append(UNREACHED)
    for repeatable in (False, True):
        with pytest.raises(UnreachedError):
            called(repeatable=repeatable)


def test_a_request_that_may_have_been_taken_once_stays_so_whatever_comes_after(
    answers: list[httpx.Response | Exception],
) -> None:
    answers += [FAILED, UNREACHED]
    with pytest.raises(UnansweredError, match="answered_502"):
        called(repeatable=True)


def test_it_stays_so_if_the_circuit_opens_while_it_is_repeated(
    answers: list[httpx.Response | Exception],
) -> None:
    answers.append(FAILED)
    with pytest.raises(UnansweredError, match="answered_502"):
        called(FAILURES_MAX, repeatable=True)


def test_nothing_is_sent_while_the_circuit_is_open(
    answers: list[httpx.Response | Exception],
) -> None:
    answers.append(FAILED)
    for repeatable in (False, True):
        with pytest.raises(UnreachedError):
            called(FAILURES_MAX + 1, repeatable=repeatable)


def test_what_is_answered_at_last_is_the_answer(
    answers: list[httpx.Response | Exception],
) -> None:
    answers += [UNREACHED, UNREACHED, httpx.Response(200, json={"a": 1})]
    assert called(repeatable=True) == Answered(200, {"a": 1}, is_repeated=False)


def test_an_answer_says_if_an_earlier_attempt_may_have_been_taken(
    answers: list[httpx.Response | Exception],
) -> None:
    answers += [FAILED, UNREACHED, httpx.Response(429, json={})]
    assert called(repeatable=True) == Answered(429, {}, is_repeated=True)
