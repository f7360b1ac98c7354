"""`python -m tests.bench.load`: a closed-loop HTTP load in a process of its own, made cheap.

Reads a JSON specification on standard input, keeps one request under way on each connection until
the time is over, and prints how many were answered and with which statuses. Requests are bytes
made beforehand; `KEY` in them is replaced by a new idempotency key each time.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from functools import partial
from itertools import count
from typing import Any, Final, cast

import uvloop

KEY: Final = b"\x00KEY\x00"
LENGTH: Final = b"content-length: "


class Connection(asyncio.Protocol):
    """One keep-alive connection that sends the next request when the last is answered."""

    def __init__(self, request: bytes, prefix: str, load: Load) -> None:
        self._before, _, self._after = request.partition(KEY)
        self._prefix = prefix.encode()
        self._load = load
        self._numbers = count()
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are such in all but their ancestry.
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        lower = self._buffer[:head].lower()
        length = int(lower.partition(LENGTH)[2].partition(b"\r\n")[0])
        if len(self._buffer) < head + 4 + length:
            return
        self._load.answered(self._buffer[9:12])
        self._buffer = self._buffer[head + 4 + length :]
        if self._load.running:
            self._send()

    def _send(self) -> None:
        assert self._transport is not None
        if self._after:
            key = b"%s-%d" % (self._prefix, next(self._numbers))
            self._transport.write(self._before + key + self._after)
        else:
            self._transport.write(self._before)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Load:
    """Counts answers while it runs."""

    def __init__(self) -> None:
        self.running = True
        self.statuses: Counter[bytes] = Counter()

    def answered(self, status: bytes) -> None:
        self.statuses[status] += 1

    async def run(self, specification: dict[str, Any]) -> dict[str, Any]:
        """Run for the given seconds; answers a second, and the statuses."""
        loop = asyncio.get_running_loop()
        requests = [text.encode("latin-1") for text in specification["requests"]]
        connections = []
        for number in range(specification["connections"]):
            request = requests[number % len(requests)]
            connection = Connection(request, f"{specification['prefix']}-{number}", self)
            await loop.create_connection(
                partial(_as_it_is, connection), specification["host"], specification["port"]
            )
            connections.append(connection)
        await asyncio.sleep(specification["warm_up_seconds"])
        self.statuses.clear()
        started = time.perf_counter()
        await asyncio.sleep(specification["seconds"])
        seconds = time.perf_counter() - started
        answered = dict(self.statuses)
        self.running = False
        await asyncio.sleep(0.2)
        for connection in connections:
            connection.close()
        return {
            "a_second": sum(answered.values()) / seconds,
            "statuses": {status.decode(): number for status, number in answered.items()},
        }


def _as_it_is(connection: Connection) -> Connection:
    return connection


def main() -> None:
    """Run the specification on standard input."""
    specification = json.load(sys.stdin)
    print(json.dumps(uvloop.run(Load().run(specification))))


if __name__ == "__main__":
    main()
