"""Server-sent events: one answer that goes on until somebody ends it, and says who.

    event: end    data: {"reason": "token_expired" | "token_revoked" | "server_stopping"
                                   | "unavailable"}

A stream also ends, without a word, when its client is gone or does not read. Whatever it holds is
let go then, by `close`.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
import structlog
from fastapi import Header
from fastapi.responses import Response
from fastapi.sse import format_sse_event

from api.doors import doors_of
from api.errors import invalid
from ledger.errors import Unavailable
from projections.reader import POSITION_MAX

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from contextlib import ExitStack

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from api.auth import VerifiedToken
    from api.event_streams import EventStreams

logger = structlog.get_logger()

SEND_SECONDS_MAX: Final = 30.0
"""Who takes nothing for so long is cut off."""
END_SECONDS_MAX: Final = 1.0
RETRY_MILLISECONDS: Final = 2_000
"""After so long a browser's own client connects again."""
BEGINNING: Final = f"retry: {RETRY_MILLISECONDS}\n\n".encode()
KEEP_ALIVE: Final = b": keep-alive\n\n"
STARTED: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}

LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=r"^[0-9]{1,19}$",
        description="The `id` of the last event that was seen: tell what happened since.",
    ),
]


def last_position(request: Request, last_event_id: str | None) -> int | None:
    """The position after which a client wants to be told. Raises 400 for what can be none."""
    if last_event_id is None:
        return None
    # Of two, it would be a guess which was seen last.
    if len(request.headers.getlist("last-event-id")) > 1 or int(last_event_id) > POSITION_MAX:
        raise invalid("Last-Event-ID", "must be the id of one event of this stream")
    return int(last_event_id)


def event(name: str, data: Any, *, position: int | None = None) -> bytes:  # noqa: ANN401 - whatever orjson writes
    """One event as it is sent; `position` becomes its id."""
    return format_sse_event(
        event=name,
        data_str=orjson.dumps(data).decode(),
        id=None if position is None else str(position),
    )


class EventStream(Response):
    """Sends `events` as they come until `expires_at` (seconds since 1970) or until `stopping`."""

    media_type: str | None = "text/event-stream"

    def __init__(
        self,
        events: AsyncGenerator[bytes, None],
        *,
        expires_at: float,
        stopping: asyncio.Future[None],
        is_revoked: Callable[[], bool],
        close: Callable[[], None],
        send_seconds_max: float = SEND_SECONDS_MAX,
    ) -> None:
        super().__init__(headers=STARTED)
        del self.headers["content-length"]
        self._events = events
        self._expires_at = expires_at
        self._stopping = stopping
        self._is_revoked = is_revoked
        self._close = close
        self._send_seconds_max = send_seconds_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["is_event_stream"] = True
        try:
            await send(
                {"type": "http.response.start", "status": 200, "headers": list(self.raw_headers)}
            )
            await send(_body(BEGINNING))
            await self._go_on(receive, send)
        finally:
            self._close()

    async def _go_on(self, receive: Receive, send: Send) -> None:
        telling = asyncio.create_task(self._tell(send))
        gone = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait(
                (telling, gone, self._stopping),
                timeout=max(self._expires_at - time.time(), 0.0),
                return_when=asyncio.FIRST_COMPLETED,
            )
            reason = "server_stopping" if self._stopping.done() else "token_expired"
            if self._is_revoked():
                reason = "token_revoked"
            if not gone.done():
                await self._end(telling, reason, send)
        finally:
            for task in (telling, gone):
                task.cancel()
            await asyncio.gather(telling, gone, return_exceptions=True)

    async def _tell(self, send: Send) -> None:
        async with aclosing(self._events) as events:
            async for sent in events:
                # Looked at as often as a heartbeat comes.
                if self._is_revoked():
                    return
                async with asyncio.timeout(self._send_seconds_max):
                    await send(_body(sent))

    async def _end(self, telling: asyncio.Task[None], reason: str, send: Send) -> None:
        try:
            if telling.done():
                telling.result()
        except Unavailable:
            reason = "unavailable"
        except (TimeoutError, OSError):
            logger.info("event_stream_cut")
            return
        telling.cancel()
        await asyncio.wait((telling,))
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(END_SECONDS_MAX):
                await send({**_body(event("end", {"reason": reason})), "more_body": False})


def streamed(
    request: Request,
    streams: EventStreams,
    events: AsyncGenerator[bytes, None],
    opened: ExitStack,
) -> EventStream:
    """The answer to a request: until its token expires; then what was `opened` is closed."""
    token: VerifiedToken = request.scope["token"]
    authenticator = doors_of(request).authenticator
    return EventStream(
        events,
        expires_at=token.expires_at,
        stopping=streams.stopping,
        is_revoked=lambda: authenticator.is_revoked(token),
        close=opened.pop_all().close,
    )


def documented_stream(example: str) -> dict[int | str, dict[str, Any]]:
    """What a route declares that answers with a stream."""
    content = {"schema": {"type": "string"}, "example": f"{example}\n\n"}
    return {
        200: {
            "description": "Events until the token expires or somebody ends the stream.",
            "content": {"text/event-stream": content},
        }
    }


def _body(sent: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": sent, "more_body": True}


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
