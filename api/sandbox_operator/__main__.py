"""Run the operator: ``python -m api.sandbox_operator --port 0``.

Once it listens, one line of JSON is printed: ``{"event": "listening", "host": …, "port": …}``.
SIGTERM and SIGINT stop it with exit code 0; prompts that are open then are forgotten.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from typing import TYPE_CHECKING, Never

import uvicorn
from pydantic import ValidationError

from api.sandbox_operator.routes import create_operator
from api.sandbox_operator.settings import OperatorSettings

if TYPE_CHECKING:
    import socket
    from types import FrameType

    from api.sandbox_operator.operator import Operator

GRACEFUL_SHUTDOWN_SECONDS_MAX = 5


class _AnnouncingServer(uvicorn.Server):
    """Prints where it listens, and lets no hanging push delay its end."""

    def __init__(self, config: uvicorn.Config, operator: Operator) -> None:
        super().__init__(config)
        self._operator = operator

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        line = json.dumps({"event": "listening", "host": host, "port": port})
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._operator.stop_hanging()
        await super().shutdown(sockets)


def main(arguments: list[str] | None = None) -> None:
    """Run until stopped; exits with 2 if the settings are not acceptable."""
    parser = argparse.ArgumentParser(
        prog="python -m api.sandbox_operator",
        description="A mobile-money operator that misbehaves like real ones.",
    )
    parser.add_argument("--host", help="default: SANDBOX_OPERATOR_HOST, or 127.0.0.1")
    parser.add_argument(
        "--port", type=int, help="default: SANDBOX_OPERATOR_PORT, or 8090; 0 takes a free one"
    )
    options = parser.parse_args(arguments)
    try:
        settings = OperatorSettings.from_environment()
    except ValidationError as error:
        parser.exit(2, f"{error}\n")
    _serve(settings, options.host or settings.host, _first(options.port, settings.port))


def _first(given: int | None, default: int) -> int:
    return default if given is None else given


def _serve(settings: OperatorSettings, host: str, port: int) -> None:
    # uvicorn stops gracefully and then raises the signal again: this makes that a normal end.
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    app = create_operator(settings)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        ws="none",
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS_MAX,
    )
    _AnnouncingServer(config, app.state.operator).run()


def _leave(_signal: int, _frame: FrameType | None) -> Never:
    sys.exit(0)


if __name__ == "__main__":
    main()
