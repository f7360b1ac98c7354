"""HTTP from clients that are slow on purpose, or gone: each has so long, and no more.

uvicorn bounds a connection only between two requests. Here a request must have come in whole
within a time from the connection or from its first byte, and a client that takes nothing of its
answer is left after another. What a connection holds meanwhile is a few kilobytes and no thread.

Nor does uvicorn bound what stands before a body, or take the fields behind it for something else
than headers. Here the one has a bound, and the others, which no proxy has looked at, are ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

REQUEST_TIMEOUT: Final = (
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
)
HEAD_BYTES_MAX: Final = 32 * 1024
"""Of the path and the headers of a request, as of what follows its body or divides it."""

HEAD_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)


class _HeadTooLargeError(Exception):
    """Ends the parser's work on a request."""


class _BoundedHead(HttpToolsProtocol):
    """Uvicorn's protocol, with a bound for everything that is not a body."""

    _head_bytes = 0
    _unparsed_bytes = 0
    _in_head = False

    def data_received(self, data: bytes) -> None:
        self._unparsed_bytes += len(data)
        super().data_received(data)
        # A field is told only when it is complete.
        if self._unparsed_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self._refuse()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes, self._in_head = 0, True

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._unparsed_bytes = False, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unparsed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _count(self, count: int) -> None:
        self._head_bytes += count
        if self._head_bytes > HEAD_BYTES_MAX:
            raise _HeadTooLargeError

    def _refuse(self) -> None:
        self.transport.write(HEAD_TOO_LARGE)
        self.transport.close()


def protocol_class(
    *, request_seconds_max: float, answer_seconds_max: float
) -> type[HttpToolsProtocol]:
    """Uvicorn's protocol with these bounds, in seconds."""

    class BoundedProtocol(_BoundedHead):
        _coming: asyncio.TimerHandle | None = None
        _going: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._expect()

        def connection_lost(self, exc: Exception | None) -> None:
            self._came()
            self.resume_writing()
            super().connection_lost(exc)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            # The first request's time began with the connection.
            if self._coming is None:
                self._expect()

        def on_message_complete(self) -> None:
            self._came()
            super().on_message_complete()

        def pause_writing(self) -> None:
            super().pause_writing()
            if self._going is None:
                self._going = self.loop.call_later(answer_seconds_max, self.transport.abort)

        def resume_writing(self) -> None:
            if self._going is not None:
                self._going.cancel()
                self._going = None
            super().resume_writing()

        def _expect(self) -> None:
            self._coming = self.loop.call_later(request_seconds_max, self._too_slow)

        def _came(self) -> None:
            if self._coming is not None:
                self._coming.cancel()
                self._coming = None

        def _too_slow(self) -> None:
            self._coming = None
            if self.transport.is_closing():
                return
            cycle: Any = self.cycle
            if cycle is None or cycle.response_complete:
                self.transport.write(REQUEST_TIMEOUT)
            # Whoever reads the body sees that nobody is there any more.
            self.transport.close()

    return BoundedProtocol
