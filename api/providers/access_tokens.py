"""OAuth 2 client credentials, as several providers want them: one token for all calls, in time.

A token is fetched when the first call needs it, kept until shortly before it expires, and fetched
once by however many calls wait. A call that is answered with 401, or as `is_refused` knows it, is
sent once more with a new one: the provider refused it before it did anything.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

EXPIRES_EARLIER_SECONDS: Final = 30.0
LIFETIME_SECONDS_MIN: Final = 60.0


def _is_unauthorized(response: httpx.Response) -> bool:
    return response.status_code == httpx.codes.UNAUTHORIZED


class AccessToken(httpx.Auth):
    """Adds a bearer token to requests. `ask` builds the request for a new one.

    The answer is JSON with `access_token` and `expires_in`, in seconds, as text or as a number
    (RFC 6749, 5.1; Daraja says text).
    """

    requires_response_body = True

    def __init__(
        self,
        ask: Callable[[], httpx.Request],
        is_refused: Callable[[httpx.Response], bool] = _is_unauthorized,
    ) -> None:
        self._ask = ask
        self._is_refused = is_refused
        self._token = ""
        self._good_until = 0.0
        self._lock = asyncio.Lock()

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Httpx's hook."""
        for attempt in (1, 2):
            async with self._lock:
                if time.monotonic() >= self._good_until:
                    answer = yield self._ask()
                    await answer.aread()
                    self._read(answer)
                token = self._token
            request.headers["authorization"] = f"Bearer {token}"
            response = yield request
            await response.aread()
            if not self._is_refused(response) or attempt > 1:
                return
            if token == self._token:
                self._good_until = 0.0

    def _read(self, answer: httpx.Response) -> None:
        if not answer.is_success:
            message = f"no access token: answered {answer.status_code}"
            raise httpx.ConnectError(message, request=answer.request)
        try:
            document = answer.json()
            lifetime = float(str(document["expires_in"]))
            token = str(document["access_token"])
        except (ValueError, KeyError, TypeError):
            message = "no access token: the answer is not one"
            raise httpx.ConnectError(message, request=answer.request) from None
        self._token = token
        self._good_until = time.monotonic() + max(
            lifetime - EXPIRES_EARLIER_SECONDS, min(lifetime, LIFETIME_SECONDS_MIN) / 2
        )
