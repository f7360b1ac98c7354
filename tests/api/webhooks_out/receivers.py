"""Receivers of webhooks as others run them: honest, broken, slow, and one that nobody may call."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self

from standardwebhooks import Webhook

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import TracebackType

HANG: Final = 0
"""Instead of a status: never answer."""
BREAK_OFF: Final = -1
"""Instead of a status: close the connection."""


@dataclass(frozen=True)
class Received:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.body)
        return message

    @property
    def position(self) -> int:
        return int(self.message["data"]["position"])

    @property
    def stream(self) -> str:
        return str(self.message["data"]["stream_id"])

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verify(self, secret: str) -> dict[str, Any]:
        """By the package of Standard Webhooks. Raises what it raises."""
        verified: dict[str, Any] = Webhook(secret).verify(self.body, self.headers)
        return verified


@dataclass(frozen=True)
class Reply:
    """What a receiver answers."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Receiver:
    """An HTTP server on a port of its own; `replies` says what it answers to the nth request."""

    def __init__(
        self,
        reply: Callable[[Received, int], Reply] = lambda _, __: Reply(),
        *,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.received: list[Received] = []
        self.taken: list[Received] = []
        self.reply = reply
        self.connections = 0
        self._lock = threading.Lock()
        self._gone = threading.Event()
        self._server = ThreadingHTTPServer((host, 0), self._handler())
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.port = self._server.server_address[1]
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://{host}:{self.port}/hooks"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._gone.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def positions(self) -> list[int]:
        """Positions that were taken, in their order."""
        return [each.position for each in self.taken if "position" in each.message["data"]]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                receiver.connections += 1
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): text for name, text in self.headers.items()}
                received = Received(self.path, headers, body)
                with receiver._lock:
                    receiver.received.append(received)
                    reply = receiver.reply(received, len(receiver.received))
                if reply.status == HANG:
                    receiver._gone.wait(30)
                if reply.status in {HANG, BREAK_OFF}:
                    self.close_connection = True
                    return
                if 200 <= reply.status < 300:
                    with receiver._lock:
                        receiver.taken.append(received)
                self.send_response(reply.status)
                for name, text in reply.headers.items():
                    self.send_header(name, text)
                self.send_header("content-length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST  # noqa: N815 - the library's name

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


def in_order(received: list[Received]) -> bool:
    """Whether of each stream the first arrivals came in the order of the log."""
    last: dict[str, int] = {}
    seen: set[str] = set()
    for each in received:
        if each.id in seen:
            continue
        seen.add(each.id)
        if each.position < last.get(each.stream, 0):
            return False
        last[each.stream] = each.position
    return True
