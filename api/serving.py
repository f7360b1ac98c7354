"""The HTTP server: when it is told to stop, event streams are the first to hear of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import uvicorn

from api.app import create_app
from api.http_protocol import protocol_class

if TYPE_CHECKING:
    import socket

    from fastapi import FastAPI

    from api.doors import Doors
    from api.settings import Settings

GRACE_SECONDS = 10
KEEP_ALIVE_SECONDS = 30
STARTUP_FAILURE = 3
"""The exit status when the application could not start, as uvicorn's own command has it."""


class Server(uvicorn.Server):
    """uvicorn waits for every answer to end before it ends; those of streams only end when told."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: no new connection, the end of every stream, then whatever is under way."""
        doors: Doors = self._app.state.doors
        doors.event_streams.stop()
        await super().shutdown(sockets)


def serve(settings: Settings) -> int:
    """Serve the HTTP API until a signal ends it; the exit status."""
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        http=protocol_class(
            request_seconds_max=settings.request_seconds_max,
            answer_seconds_max=settings.answer_seconds_max,
        ),
        limit_concurrency=settings.connections_max,
        # Without a setting nobody's word is taken for where a request comes from.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
    )
    server = Server(config, app)
    server.run()
    return 0 if server.started else STARTUP_FAILURE
