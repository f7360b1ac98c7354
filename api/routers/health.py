"""Whether the process lives, and whether it can serve."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from api.doors import doors_of
from api.responses import Success, answers, success
from ledger.errors import Unavailable
from projections.model_statuses import ModelStatus, model_statuses

routes = APIRouter(tags=["health"])


class Alive(BaseModel):
    """Nothing more to say."""


class ReadModelData(BaseModel):
    """How far a read model is behind, and, if it is parked, before which event by what error.

    One that is behind or parked says so where it is asked; everything else is served.
    """

    name: str
    position: int | None
    lag_events: int | None
    lag_seconds: float | None
    parked_at: int | None
    error: str | None


class Ready(BaseModel):
    """Where the log ends, and how the read models follow it."""

    position: int
    projections: list[ReadModelData]


@routes.get("/healthz", response_model=Success[Alive])
async def healthz() -> Response:
    """The process answers."""
    return success({})


@routes.get(
    "/readyz",
    response_model=Success[Ready],
    responses=answers("internal_error", Unavailable),
)
async def readyz(request: Request) -> Response:
    """The database answers; at which position the log is, and which read models are behind."""
    found = await model_statuses(doors_of(request).reader)
    models = [_read_model(model) for model in found.models if model.code_version is not None]
    return success({"position": found.position, "projections": models})


def _read_model(model: ModelStatus) -> dict[str, Any]:
    live = model.live
    parked = None if live is None else live.parked
    return {
        "name": model.name,
        "position": None if live is None else live.position,
        "lag_events": None if live is None else live.lag_events,
        "lag_seconds": None if live is None else round(live.lag_seconds, 3),
        "parked_at": None if parked is None else parked.position,
        # Anybody may ask here, so only what kind of error it is.
        "error": None if parked is None else parked.error.partition(":")[0],
    }
