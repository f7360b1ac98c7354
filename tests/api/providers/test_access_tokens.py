"""Calls to providers: told apart by whether they may have been taken, and tokens that end in time.

The server is a real one, on a socket.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.providers.access_tokens import AccessToken
from api.providers.http_calls import (
    ANSWER_BYTES_MAX,
    FAILURES_MAX,
    Answered,
    HttpCalls,
    UnansweredError,
    UnansweredServerError,
    UnreachedError,
)
from tests.api.processes import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.requests import Request

TIMEOUT_SECONDS = 0.6
HANG_SECONDS = 1.5


class Server:
    """It answers by the path: a status, or one of the words below; and counts what came."""

    def __init__(self) -> None:
        self.came: Counter[str] = Counter()
        self.tokens: list[str] = []
        self.lifetime: Any = "3599"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        routes = [Route("/{word:path}", self._answer, methods=["GET", "POST"])]
        config = uvicorn.Config(
            Starlette(routes=routes), port=self.port, log_level="warning", access_log=False
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: self._server.started, what="the server is there")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    async def _answer(self, request: Request) -> Response:
        word = request.path_params["word"]
        self.came[word] += 1
        match word:
            case "token":
                self.tokens.append(f"token-{len(self.tokens)}")
                given = {"access_token": self.tokens[-1], "expires_in": self.lifetime}
                return JSONResponse(given)
            case "guarded":
                right = request.headers.get("authorization") == f"Bearer {self.tokens[-1]}"
                return JSONResponse({"right": right}, status_code=200 if right else 401)
            case "hangs" | "token-hangs":
                await asyncio.sleep(HANG_SECONDS)
                return JSONResponse({})
            case "recovers":
                return JSONResponse({}, status_code=503 if self.came[word] < 3 else 200)
            case "exact":
                return Response(b'{"amount": 0.10000000000000000001}')
            case "nothing":
                return Response(b"<html>")
            case "list":
                return Response(b"[1]")
            case "deep":
                return Response(b"[" * 100_000)
            case "much":
                return Response(b'{"a":"' + b"x" * ANSWER_BYTES_MAX + b'"}')
            case "elsewhere":
                return Response(status_code=302, headers={"location": "/200"})
            case _:
                document = {"errorCode": "x"} if request.method == "POST" else {}
                return JSONResponse(document, status_code=int(word))


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    running.came.clear()
    running.tokens.clear()
    running.lifetime = "3599"
    return running


def call(
    url: str,
    *asked: Callable[[HttpCalls], Awaitable[Answered]],
    timeout_seconds: float = TIMEOUT_SECONDS,
    **settings: Any,  # noqa: ANN401 - of `HttpCalls`
) -> list[Answered | Exception]:
    """What each of these calls came to, one after another."""

    async def all_of_them() -> list[Answered | Exception]:
        calls = HttpCalls(url=url, timeout_seconds=timeout_seconds, **settings)
        ends: list[Answered | Exception] = []
        for each in asked:
            try:
                ends.append(await each(calls))
            except (UnreachedError, UnansweredError) as error:
                ends.append(error)
        await calls.close()
        return ends

    return asyncio.run(all_of_them())


def get(path: str, *, repeatable: bool = False) -> Callable[[HttpCalls], Awaitable[Answered]]:
    return lambda calls: calls.call("GET", path, repeatable=repeatable)


def post(path: str) -> Callable[[HttpCalls], Awaitable[Answered]]:
    return lambda calls: calls.call("POST", path, document={})


def bearer(server: Server, path: str = "token") -> AccessToken:
    return AccessToken(lambda: httpx.Request("GET", f"{server.url}/{path}"))


def test_an_answer_is_the_providers_whatever_it_says(server: Server) -> None:
    ends = call(server.url, get("/200"), get("/404"), get("/429"), get("/elsewhere"))
    assert [end.status for end in ends if isinstance(end, Answered)] == [200, 404, 429, 302]
    assert server.came["200"] == 1


def test_decimals_are_exact_and_what_is_no_object_is_none(server: Server) -> None:
    [exact, *others] = call(
        server.url, *(get(f"/{word}") for word in ("exact", "nothing", "list", "deep", "much"))
    )
    assert exact == Answered(200, {"amount": Decimal("0.10000000000000000001")})
    assert others == [Answered(200, {})] * 4


def test_a_server_that_is_not_there_has_taken_nothing() -> None:
    [end] = call(f"http://127.0.0.1:{free_port()}", get("/200"))
    assert isinstance(end, UnreachedError)


def test_a_call_without_an_answer_may_have_been_taken_and_is_sent_once(server: Server) -> None:
    [end] = call(server.url, post("/hangs"))
    assert isinstance(end, UnansweredError)
    assert str(end) == "timed_out"
    assert server.came["hangs"] == 1


def test_what_may_be_repeated_is_sent_again(server: Server) -> None:
    [end] = call(server.url, get("/recovers", repeatable=True), timeout_seconds=5)
    assert isinstance(end, Answered)
    assert (end.status, end.is_repeated) == (200, True)
    assert server.came["recovers"] == 3


def test_a_gateways_error_is_no_answer_and_the_providers_own_is(server: Server) -> None:
    def is_own(document: Any) -> bool:  # noqa: ANN401 - JSON
        return "errorCode" in document

    [gateways, own] = call(server.url, get("/502"), post("/500"), is_own=is_own)
    assert isinstance(gateways, UnansweredServerError)
    assert gateways.status == 502
    assert own == Answered(500, {"errorCode": "x"})


def test_a_provider_that_does_not_answer_is_left_alone_for_a_while(server: Server) -> None:
    ends = call(server.url, *[get("/503")] * (FAILURES_MAX + 3))
    assert [type(end) for end in ends[:FAILURES_MAX]] == [UnansweredServerError] * FAILURES_MAX
    assert [type(end) for end in ends[FAILURES_MAX:]] == [UnreachedError] * 3
    assert server.came["503"] == FAILURES_MAX


def test_answers_of_the_providers_own_leave_the_circuit_closed(server: Server) -> None:
    ends = call(server.url, *[post("/500")] * 12, is_own=bool)
    assert ends == [Answered(500, {"errorCode": "x"})] * 12


# Tokens.


def test_one_token_serves_all_calls_that_wait_for_it(server: Server) -> None:
    async def many(calls: HttpCalls) -> Answered:
        answers = await asyncio.gather(*[calls.call("GET", "/guarded") for _ in range(20)])
        assert {answer.status for answer in answers} == {200}
        return answers[0]

    call(server.url, many, auth=bearer(server), timeout_seconds=5)
    assert server.came == {"token": 1, "guarded": 20}


@pytest.mark.parametrize("lifetime", ["1", 0.5])
def test_a_token_is_replaced_before_it_ends(server: Server, lifetime: object) -> None:
    server.lifetime = lifetime

    async def later(calls: HttpCalls) -> Answered:
        await asyncio.sleep(0.6)
        return await calls.call("GET", "/guarded")

    ends = call(server.url, get("/guarded"), later, auth=bearer(server))
    assert ends == [Answered(200, {"right": True})] * 2
    assert server.came["token"] == 2


def test_a_token_that_is_refused_is_replaced_once(server: Server) -> None:
    async def forgotten(calls: HttpCalls) -> Answered:
        server.tokens.append("another")
        return await calls.call("GET", "/guarded")

    ends = call(server.url, get("/guarded"), forgotten, get("/401"), auth=bearer(server))
    assert [end.status for end in ends if isinstance(end, Answered)] == [200, 200, 401]
    assert server.came["401"] == 2


@pytest.mark.parametrize("path", ["403", "500", "nothing", "list", "200", "token-hangs"])
def test_without_a_token_the_call_is_not_sent(server: Server, path: str) -> None:
    [end] = call(server.url, post("/200"), auth=bearer(server, path))
    assert isinstance(end, UnreachedError), end
    assert server.came == {path: 1}
