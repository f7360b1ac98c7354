"""Calls to a provider's HTTP API: in time, told apart by whether they may have been taken.

    Unreached     certainly not taken: no connection, or the circuit is open
    Unanswered    may have been taken: cut, timed out, or answered by a gateway with 5xx
    Answered      the provider's own answer, whatever it says, and where it says so with 5xx too

Only what the provider takes once, however often it is sent, is sent again (`repeatable`). After
`FAILURES_MAX` calls in a row without an answer the circuit opens, and for `REST_SECONDS` nothing is
sent, so that a dead provider costs nobody its time-out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import httpx
import stamina
from circuitbreaker import (  # type: ignore[import-untyped]  # it has no types
    CircuitBreaker,
    CircuitBreakerError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from ssl import SSLContext

CONNECT_SECONDS_MAX: Final = 5.0
ATTEMPTS_MAX: Final = 3
FAILURES_MAX: Final = 5
REST_SECONDS: Final = 15
ANSWER_BYTES_MAX: Final = 1 << 20


class UnreachedError(Exception):
    """The request was certainly not taken; the message is a short code."""


class UnansweredError(Exception):
    """The request may have been taken; the message is a short code."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the provider answered. `document` is its JSON object, with decimals exact; else {}.

    `is_repeated`: an earlier attempt, without an answer, may have been taken before.
    """

    status: int
    document: Mapping[str, Any]
    is_repeated: bool = False

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return httpx.codes.is_success(self.status)


def _is_never_own(document: Mapping[str, Any]) -> bool:  # noqa: ARG001 - the hook's
    return False


@cache
def _tls() -> SSLContext:
    """Certificates are read once: it takes a tenth of a second."""
    return httpx.create_ssl_context(trust_env=False)


class HttpCalls:
    """One provider's API. `timeout_seconds` bounds a call with all its attempts.

    `is_own` says of the JSON of a 5xx that it is the provider's own answer, and no gateway's.
    """

    def __init__(
        self,
        *,
        url: str,
        timeout_seconds: float,
        auth: httpx.Auth | None = None,
        headers: Mapping[str, str] | None = None,
        is_own: Callable[[Mapping[str, Any]], bool] = _is_never_own,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._is_own = is_own
        self._client = httpx.AsyncClient(
            base_url=url,
            auth=auth,
            headers=headers,
            timeout=httpx.Timeout(
                timeout_seconds, connect=min(CONNECT_SECONDS_MAX, timeout_seconds)
            ),
            follow_redirects=False,
            trust_env=False,
            verify=_tls(),
        )
        breaker = CircuitBreaker(
            failure_threshold=FAILURES_MAX,
            recovery_timeout=REST_SECONDS,
            expected_exception=(UnreachedError, UnansweredError),
            name=f"{url}:{id(self)}",
        )
        self._send_if_closed: Callable[[httpx.Request], Awaitable[Answered]] = breaker(self._send)

    async def call(
        self,
        method: str,
        path: str,
        *,
        repeatable: bool = False,
        document: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """Send a request and read its answer. Raises `UnreachedError` or `UnansweredError`."""
        request = self._client.build_request(
            method, path, json=document, data=form, params=query, headers=headers
        )
        try:
            if not repeatable:
                return await self._send_if_closed(request)
            return await self._send_again(request)
        except CircuitBreakerError:
            raise UnreachedError("provider_unreachable") from None

    async def _send_again(self, request: httpx.Request) -> Answered:
        """Send it until it is answered. One that may have been taken once stays so."""
        unanswered: UnansweredError | None = None
        async for attempt in stamina.retry_context(
            on=(UnreachedError, UnansweredError),
            attempts=ATTEMPTS_MAX,
            timeout=self._timeout_seconds,
            wait_initial=0.2,
            wait_max=2.0,
            wait_jitter=0.2,
        ):
            with attempt:
                try:
                    answer = await self._send_if_closed(request)
                    return replace(answer, is_repeated=unanswered is not None)
                except UnansweredError as error:
                    unanswered = error
                    raise
                except (UnreachedError, CircuitBreakerError):
                    if unanswered is None:
                        raise
                    raise unanswered from None
        raise AssertionError  # the last attempt returns or raises

    async def _send(self, request: httpx.Request) -> Answered:
        try:
            answer = await self._client.send(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise UnreachedError("provider_unreachable") from None
        except httpx.HTTPError as error:
            if _is_of_another(error, request):
                # Of a token that was asked for first: the request itself was not sent.
                raise UnreachedError("no_access_token") from None
            timed_out = isinstance(error, httpx.TimeoutException)
            raise UnansweredError("timed_out" if timed_out else "cut") from None
        document = _document(answer)
        if answer.is_server_error and not self._is_own(document):
            raise UnansweredServerError(answer.status_code, document)
        return Answered(answer.status_code, document)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class UnansweredServerError(UnansweredError):
    """A 5xx: mostly a gateway's, and where it is the provider's own, `document` says what."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        super().__init__(f"answered_{status}")
        self.status = status
        self.document = document


def _is_of_another(error: httpx.HTTPError, request: httpx.Request) -> bool:
    try:
        return error.request is not request
    except RuntimeError:
        # It does not say.
        return False


def _document(answer: httpx.Response) -> dict[str, Any]:
    if len(answer.content) > ANSWER_BYTES_MAX:
        return {}
    try:
        document = json.loads(answer.content, parse_float=Decimal)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
