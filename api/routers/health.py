"""Whether the process lives, and whether it can serve."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.doors import doors_of
from api.errors import error_response
from api.responses import success
from projections.reader import ReadUnavailable

routes = APIRouter(tags=["health"])


@routes.get("/healthz")
async def healthz() -> Response:
    """The process answers."""
    return success({})


@routes.get("/readyz")
async def readyz(request: Request) -> Response:
    """The database answers, and at which position the log is."""
    try:
        position = await doors_of(request).reader.position()
    except ReadUnavailable:
        return error_response(
            request, 503, "unavailable", "The ledger's database cannot be reached."
        )
    return success({"position": position})
