"""A proxy before PostgreSQL that knows its protocol well enough to cut at the worst moment.

It forwards messages between a Unix socket of its own and the server's, remembers which prepared
statement says COMMIT, and closes both sides where it is told to.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENCRYPTION_REQUESTS: Final = (80877103, 80877104)
"""Codes by which a client asks for TLS or GSSAPI before it says who it is."""

PIECE_BYTES: Final = 65_536


class Cut(Enum):
    """Where the next connection that commits is cut."""

    NEVER = auto()
    BEFORE_COMMIT = auto()
    """COMMIT was sent by the client and never reaches the server."""
    AFTER_COMMIT = auto()
    """The server has committed and said so; the client never hears of it."""


class CuttingProxy:
    """Listens in `directory` under PostgreSQL's socket name and forwards to `server`."""

    def __init__(self, directory: Path, server: Path) -> None:
        self.cut = Cut.NEVER
        self.cut_after_bytes: int | None = None
        """Cut the next connections after so many bytes of both directions together, once."""
        self.reachable = True
        self.reachable_after_cut = True
        self.cuts = 0
        self.directory = directory
        self._server = server
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / server.name))
        self._listener.listen(64)
        self._links: set[_Link] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def sever(self) -> None:
        """Close every connection that is open now."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.close()

    def close(self) -> None:
        """Stop listening and close everything."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.sever()

    def take_cut(self, kind: Cut) -> bool:
        """Whether to cut here and now; true once for each time it was armed."""
        with self._lock:
            if self.cut is not kind:
                return False
            self.cut = Cut.NEVER
            self._count_cut()
            return True

    def take_bytes(self, count: int) -> bool:
        """Whether the budget of bytes is used up; true once for each time it was set."""
        with self._lock:
            if self.cut_after_bytes is None:
                return False
            self.cut_after_bytes -= count
            if self.cut_after_bytes > 0:
                return False
            self.cut_after_bytes = None
            self._count_cut()
            return True

    def forget(self, link: _Link) -> None:
        with self._lock:
            self._links.discard(link)

    def _count_cut(self) -> None:
        self.cuts += 1
        self.reachable = self.reachable_after_cut

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self.reachable:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(self._server))
            except OSError:
                client.close()
                server.close()
                continue
            link = _Link(self, client, server)
            with self._lock:
                self._links.add(link)
            link.start()


class _CutError(Exception):
    """This connection ends here."""


class _Link:
    """One client's connection and ours to the server, forwarded by two threads."""

    def __init__(self, proxy: CuttingProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._statements: dict[bytes, bytes] = {}
        self._portals: dict[bytes, bytes] = {}

    def start(self) -> None:
        for forward in (self._to_server, self._to_client):
            threading.Thread(target=self._run, args=(forward,), daemon=True).start()

    def close(self) -> None:
        for side in (self._client, self._server):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()
        self._proxy.forget(self)

    def _run(self, forward: _Forward) -> None:
        with contextlib.suppress(OSError, EOFError, _CutError):
            forward()
        self.close()

    def _to_server(self) -> None:
        self._forward_startup()
        for kind, message in _messages(self._client):
            if self._commits(kind, message[5:]) and self._proxy.take_cut(Cut.BEFORE_COMMIT):
                raise _CutError
            self._send(self._server, message)

    def _to_client(self) -> None:
        for kind, message in _messages(self._server):
            committed = kind == b"C" and message[5:] == b"COMMIT\0"
            if committed and self._proxy.take_cut(Cut.AFTER_COMMIT):
                raise _CutError
            self._send(self._client, message)

    def _send(self, receiver: socket.socket, message: bytes) -> None:
        if self._proxy.take_bytes(len(message)):
            # A part of the message still gets through, as on a real line.
            receiver.sendall(message[: len(message) // 2])
            raise _CutError
        receiver.sendall(message)

    def _forward_startup(self) -> None:
        while True:
            head = _read(self._client, 8)
            length, code = struct.unpack("!ii", head)
            if code in ENCRYPTION_REQUESTS:
                self._client.sendall(b"N")
                continue
            self._server.sendall(head + _read(self._client, length - 8))
            return

    def _commits(self, kind: bytes, body: bytes) -> bool:
        """Follow what is parsed and bound; whether this message executes a COMMIT."""
        if kind == b"P":
            name, query, _ = body.split(b"\0", 2)
            self._statements[name] = query
        elif kind == b"B":
            portal, statement, _ = body.split(b"\0", 2)
            self._portals[portal] = self._statements.get(statement, b"")
        elif kind == b"E":
            return self._portals.get(body.split(b"\0", 1)[0]) == b"COMMIT"
        elif kind == b"Q":
            return body == b"COMMIT\0"
        return False


if TYPE_CHECKING:
    from collections.abc import Callable

    _Forward = Callable[[], None]


def _messages(sender: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """Each message of either side after the startup: its kind, and all of its bytes."""
    while True:
        head = _read(sender, 5)
        kind, length = head[:1], struct.unpack("!i", head[1:])[0]
        yield kind, head + _read(sender, length - 4)


def _read(sender: socket.socket, count: int) -> bytes:
    pieces = []
    while count:
        piece = sender.recv(min(count, PIECE_BYTES))
        if not piece:
            raise EOFError
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)
