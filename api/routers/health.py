"""Whether the process lives, and whether it can serve."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from api.doors import doors_of
from api.errors import error_response
from api.responses import DESCRIPTIONS, Failure, Success, success
from projections.reader import ReadUnavailable

routes = APIRouter(tags=["health"])


class Alive(BaseModel):
    """Nothing more to say."""


class Ready(BaseModel):
    """Where the log ends."""

    position: int


@routes.get("/healthz", response_model=Success[Alive])
async def healthz() -> Response:
    """The process answers."""
    return success({})


@routes.get(
    "/readyz",
    response_model=Success[Ready],
    responses={503: {"model": Failure, "description": DESCRIPTIONS[503]}},
)
async def readyz(request: Request) -> Response:
    """The database answers, and at which position the log is."""
    try:
        position = await doors_of(request).reader.position()
    except ReadUnavailable:
        return error_response(
            request, 503, "unavailable", "The ledger's database cannot be reached."
        )
    return success({"position": position})
