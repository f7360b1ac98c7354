"""`python -m tests.bench.http_server`: the real application, with the no-ops it is compared with.

The no-ops have the same authentication, body and headers as the routes beside them, and do
nothing. `--one-commit-a-request` takes the group out of group commit: the same turn, a request
each.
"""

from __future__ import annotations

import sys
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response

from api.app import API, create_app
from api.auth import Allow, Caller, Role
from api.observability import configure_logging
from api.responses import success
from api.routers.fans import NewPayment
from api.routers.parts import IdempotencyKeyHeader, router
from api.settings import Settings
from ledger.writer import GroupCommitWriter

routes = router("/no-op", "bench")

Fan = Annotated[Caller, Depends(Allow(Role.FAN))]
Creator = Annotated[Caller, Depends(Allow(Role.CREATOR))]


@routes.post("")
async def post_nothing(
    body: NewPayment, caller: Fan, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Everything around a payment, and no payment."""
    return success({"id": body.creator_id}, 202)


@routes.get("")
async def get_nothing(caller: Creator, request: Request) -> Response:
    """Everything around a read, and no read."""
    return success({"id": caller.subject})


def bench_app(settings: Settings) -> FastAPI:
    """The application with the no-ops in it."""
    app = create_app(settings)
    app.include_router(routes, prefix=API)
    return app


def main() -> None:
    """Serve on PORT."""
    if "--one-commit-a-request" in sys.argv:
        GroupCommitWriter._limit = lambda *_: 1  # type: ignore[method-assign]
    settings = Settings()
    configure_logging(settings.log_level)
    uvicorn.run(
        bench_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
