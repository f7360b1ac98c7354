"""One message to one endpoint: signed, sent to an address that was looked at, and its end named.

The connection goes to the address that the guard has allowed, with the host's own name for TLS and
in `Host`: what is checked and what is called cannot be two things. No redirect is followed, no
proxy is taken from the environment, no cookie is kept; of the answer its status matters, and no
more than a few kilobytes of its body are read, so that the connection may serve the next message.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import httpx
from standardwebhooks import Webhook

from api.webhooks_out.guard import AddressNotAllowed, Unresolvable, UrlNotAllowed
from api.webhooks_out.pacing import retry_after

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta
    from ipaddress import IPv4Address, IPv6Address
    from types import TracebackType
    from typing import Self

    from api.webhooks_out.guard import Guard, Target

BODY_BYTES_MAX: Final = 16 * 1024
"""Read of an answer, unread beyond, and kept nowhere."""
ADDRESSES_TRIED_MAX: Final = 2
USER_AGENT: Final = "Hesabu-Webhooks/1"
BACK_OFF: Final = frozenset({429, 503})

ErrorClass = Literal[
    "url_not_allowed",
    "unresolvable",
    "address_not_allowed",
    "not_connected",
    "tls_failed",
    "timed_out",
    "broken_off",
    "redirected",
    "refused",
    "failed",
    "gone",
    "no_secret",
    "not_made",
]
"""Why an attempt was none: never a word of the receiver's own."""


class Answer(NamedTuple):
    """How an attempt ended: `error` is None for a success, `after` what the receiver asked for."""

    status: int | None
    error: ErrorClass | None
    after: timedelta | None = None

    @property
    def is_success(self) -> bool:
        """Whether the receiver has it."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class Timed:
    """An answer, when its attempt began and how long it took."""

    answer: Answer
    attempted_at: datetime
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Envelope:
    """A body to be sent under an id, which stays the same whenever it is sent again."""

    webhook_id: str
    body: str


def signed_headers(envelope: Envelope, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks: a signature by each secret that is valid."""
    signatures = [Webhook(each).sign(envelope.webhook_id, now, envelope.body) for each in secrets]
    return {
        "webhook-id": envelope.webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
        "content-type": "application/json",
        "user-agent": USER_AGENT,
    }


class Sender:
    """Sends to one URL; its connections serve this host alone, so that none is taken for another's.

    Used in one event loop, and closed at the end.
    """

    def __init__(
        self, url: str, guard: Guard, *, timeout_seconds: float, tls: ssl.SSLContext
    ) -> None:
        self._url = url
        self._guard = guard
        self._timeout_seconds = timeout_seconds
        self._client = httpx.AsyncClient(
            verify=tls,
            trust_env=False,
            follow_redirects=False,
            timeout=timeout_seconds,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            headers={"accept-encoding": "identity"},
            limits=httpx.Limits(max_keepalive_connections=2, keepalive_expiry=5.0),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def send(self, envelope: Envelope, secrets: Sequence[str]) -> Timed:
        """Try once. Never raises for what the receiver does."""
        attempted_at, started = datetime.now(UTC), time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._try(envelope, secrets, attempted_at)
        except TimeoutError:
            answer = Answer(None, "timed_out")
        return Timed(answer, attempted_at, int((time.monotonic() - started) * 1_000))

    async def _try(self, envelope: Envelope, secrets: Sequence[str], now: datetime) -> Answer:
        if not secrets:
            return Answer(None, "no_secret")
        try:
            target = self._guard.check(self._url)
            addresses = await self._guard.addresses(target)
        except UrlNotAllowed:
            return Answer(None, "url_not_allowed")
        except Unresolvable:
            return Answer(None, "unresolvable")
        except AddressNotAllowed:
            return Answer(None, "address_not_allowed")
        answer, headers = Answer(None, "not_connected"), signed_headers(envelope, secrets, now)
        for address in addresses[:ADDRESSES_TRIED_MAX]:
            answer = await self._send(target, address, envelope, headers)
            if answer.error != "not_connected":
                break
        return answer

    async def _send(
        self,
        target: Target,
        address: IPv4Address | IPv6Address,
        envelope: Envelope,
        headers: dict[str, str],
    ) -> Answer:
        url = httpx.URL(self._url)
        request = self._client.build_request(
            "POST",
            url.copy_with(host=str(address)),
            content=envelope.body.encode(),
            headers={**headers, "host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": target.host},
        )
        try:
            answer = await self._client.send(request, stream=True)
        except httpx.TimeoutException as error:
            return Answer(None, _unless_connected(error, "timed_out"))
        except httpx.ConnectError as error:
            return Answer(None, "tls_failed" if _is_about_tls(error) else "not_connected")
        except (httpx.HTTPError, httpx.InvalidURL):
            return Answer(None, "broken_off")
        try:
            await _read_a_little(answer)
        finally:
            await answer.aclose()
        return _answer_of(answer)


def _unless_connected(error: httpx.TimeoutException, otherwise: ErrorClass) -> ErrorClass:
    return "not_connected" if isinstance(error, httpx.ConnectTimeout) else otherwise


def _is_about_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


async def _read_a_little(answer: httpx.Response) -> None:
    """Read what is short; a longer body, or a broken one, ends with its connection."""
    read = 0
    with suppress(httpx.HTTPError):
        async for chunk in answer.aiter_raw():
            read += len(chunk)
            if read > BODY_BYTES_MAX:
                return


def _answer_of(answer: httpx.Response) -> Answer:
    status = answer.status_code
    if answer.is_success:
        return Answer(status, None)
    if status == httpx.codes.GONE:
        return Answer(status, "gone")
    if answer.is_redirect or answer.has_redirect_location:
        return Answer(status, "redirected")
    after = (
        retry_after(answer.headers.get("retry-after"), datetime.now(UTC))
        if status in BACK_OFF
        else None
    )
    return Answer(status, "refused" if answer.is_client_error else "failed", after)
