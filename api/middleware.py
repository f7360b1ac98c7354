"""Around every request: an id, a correlation id, and one log line. Pure ASGI, no thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from uuid_utils import uuid7

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = structlog.get_logger("access")

QUIET = frozenset({"/healthz", "/readyz"})


class RequestContext:
    """Gives each request its ids, answers them in headers, and logs the outcome."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

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
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            if scope["path"] not in QUIET:
                route = scope.get("route")
                logger.info(
                    "request",
                    request_id=request_id,
                    correlation_id=str(scope["correlation_id"]),
                    method=scope["method"],
                    route=getattr(route, "path", "unknown"),
                    status=status,
                    milliseconds=round((time.perf_counter() - started) * 1000, 2),
                )


def _correlation_id(scope: Scope) -> UUID | None:
    """A caller's own correlation id, if it is a UUID and nothing else."""
    for name, value in scope["headers"]:
        if name == b"x-correlation-id":
            try:
                return UUID(value.decode("ascii"))
            except ValueError:
                return None
    return None
