"""Around every request: an id, a correlation id, a bound for its body, and one log line.

Around every answer: headers that tell a browser to guess nothing, frame nothing and keep nothing.
A body that says itself that it is too large is refused before anything is read; one that does not
say is measured while it comes in. Pure ASGI, no thread.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog
from starlette.requests import Request
from uuid_utils import uuid7

from api.errors import ApiError, error_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.metrics import Metrics

logger = structlog.get_logger("access")

QUIET = frozenset({"/healthz", "/readyz"})

SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    # The path of a pay-now link is a right.
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
"""As OWASP's REST security cheat sheet has them for an API."""
STRICT_TRANSPORT: Final = (b"strict-transport-security", b"max-age=31536000")
NOTHING: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
PAGES: Final = frozenset({"/docs", "/redoc", "/docs/oauth2-redirect"})
DOCUMENTATION: Final = (
    b"content-security-policy",
    (
        b"default-src 'self'; img-src 'self' data: https://fastapi.tiangolo.com; "
        b"script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; worker-src blob:; "
        b"style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net https://fonts.googleapis.com; "
        b"font-src https://fonts.gstatic.com; frame-ancestors 'none'"
    ),
)
"""FastAPI's own pages take their scripts from there."""
NOT_KEPT: Final = (b"cache-control", b"no-store")
REVALIDATED: Final = (b"cache-control", b"private, no-cache")
"""A browser may keep what has an ETag, and asks each time whether it is still so."""


class RequestContext:
    """Gives each request its ids, answers them in headers, and logs the outcome."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        body_bytes_max: int,
        larger: Mapping[str, int],
        metrics: Metrics,
        over_tls: bool,
    ) -> None:
        self._app = app
        self._headers = [*SECURITY_HEADERS, *([STRICT_TRANSPORT] if over_tls else [])]
        self._metrics = metrics
        self._body_bytes_max = body_bytes_max
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(uuid7())
        scope["request_id"] = request_id
        scope["correlation_id"] = _correlation_id(scope) or UUID(request_id)
        started = time.perf_counter()
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"]
                headers.append((b"x-request-id", request_id.encode()))
                headers.extend(self._headers)
                headers.append(DOCUMENTATION if scope["path"] in PAGES else NOTHING)
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append(
                        REVALIDATED if any(name == b"etag" for name, _ in headers) else NOT_KEPT
                    )
            await send(message)

        received = 0
        bytes_max = self._bytes_max(scope)
        too_large = f"The body may have at most {bytes_max} bytes."

        async def receive_bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > bytes_max:
                raise ApiError(413, "body_too_large", too_large)
            return message

        try:
            if _declared_bytes(scope) > bytes_max:
                refusal = error_response(Request(scope), 413, "body_too_large", too_large)
                await refusal(scope, receive, send_with_id)
            else:
                await self._app(scope, receive_bounded, send_with_id)
        finally:
            if scope["path"] not in QUIET:
                seconds = time.perf_counter() - started
                route = getattr(scope.get("route"), "path", "unknown")
                # A method may be any word; those of a route are known.
                method = scope["method"] if route != "unknown" else "unknown"
                if "is_event_stream" not in scope:
                    # Those are as long as somebody looks at them.
                    self._metrics.request(method, route, status, seconds)
                logger.info(
                    "request",
                    request_id=request_id,
                    correlation_id=str(scope["correlation_id"]),
                    method=scope["method"],
                    route=route,
                    status=status,
                    milliseconds=round(seconds * 1000, 2),
                )

    def _bytes_max(self, scope: Scope) -> int:
        """Files have a bound of their own: by the beginning of their path."""
        path = scope["path"]
        return next(
            (size for begin, size in self._larger.items() if path.startswith(begin)),
            self._body_bytes_max,
        )


def _declared_bytes(scope: Scope) -> int:
    """What the content-length header says; the server has checked that it is a number."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _correlation_id(scope: Scope) -> UUID | None:
    """A caller's own correlation id, if it is a UUID and nothing else."""
    for name, value in scope["headers"]:
        if name == b"x-correlation-id":
            try:
                return UUID(value.decode("ascii"))
            except ValueError:
                return None
    return None
