"""How read models stand, and building one of them anew."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel

from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.errors import ApiError
from api.responses import Success, documented, success
from api.routers.parts import IdempotencyKeyHeader, router
from projections.model_statuses import GenerationStatus, ModelStatus, model_statuses
from projections.models import EVERY_MODEL
from projections.rebuild_requests import ask_for_rebuild

routes = router("/admin/projections", "projections")

Admin = Annotated[Caller, Depends(Allow(Role.ADMIN))]


class ParkedAtData(BaseModel):
    """The event that could not be applied, by its position, and why."""

    position: int
    error: str
    trace: str


class GenerationData(BaseModel):
    """A generation: `lag_events` and `lag_seconds` behind the head of the log."""

    number: int
    version: int
    position: int
    lag_events: int
    lag_seconds: float
    parked: ParkedAtData | None


class BuildingData(GenerationData):
    """A generation that is being built: `rate` is events a second, as far as it is known."""

    rate: float
    seconds_left: float | None


class RebuildRequestData(BaseModel):
    """The last rebuild that was asked for, and what came of it.

    `differences` are rows that the new generation has and the old one had not, or the reverse; null
    where they were not compared.
    """

    id: UUID
    state: Literal["waiting", "done", "failed"]
    asked_at: AwareDatetime
    ended_at: AwareDatetime | None
    generation: int | None
    differences: int | None
    error: str | None


class ProjectionData(BaseModel):
    """A read model: the generation that is read, and the one that is being built, if there is one.

    `code_version` is this code's, null if it knows no such read model.
    """

    name: str
    code_version: int | None
    live: GenerationData | None
    building: BuildingData | None
    retired: list[int]
    request: RebuildRequestData | None


class ProjectionsData(BaseModel):
    """All read models, and where the log ends."""

    items: list[ProjectionData]
    position: int


class RebuildData(BaseModel):
    """A rebuild that was asked for. `GET /admin/projections` tells how it goes."""

    id: UUID
    name: str


@routes.get("", response_model=Success[ProjectionsData], responses=documented())
async def read_projections(_caller: Admin, request: Request) -> Response:
    """Which generation of each read model is read, how far behind it is, and what went wrong."""
    found = await model_statuses(doors_of(request).reader)
    items = [_projection(model) for model in found.models]
    return success({"items": items, "position": found.position})


@routes.post(
    "/{name}/rebuild",
    status_code=202,
    response_model=Success[RebuildData],
    responses=documented("projection_not_found", 422),
)
async def rebuild_projection(
    name: str, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Build a read model anew from the log, beside the one that is read until it is done."""
    if not any(model.name == name for model in EVERY_MODEL):
        raise ApiError(404, "projection_not_found", "There is no read model of this name.")
    doors = doors_of(request)
    idempotency_key = doors.idempotency_key(caller, key, request, b"")
    asked = await run_in_threadpool(ask_for_rebuild, doors.ledger.book, name, idempotency_key)
    headers = {"Idempotency-Replayed": "true"} if asked.again else None
    return success({"id": asked.request_id, "name": name}, 202, headers)


def _projection(model: ModelStatus) -> dict[str, Any]:
    building, asked = model.building, model.request
    return {
        "name": model.name,
        "code_version": model.code_version,
        "live": None if model.live is None else _generation(model.live),
        "building": None
        if building is None
        else {
            **_generation(building),
            "rate": round(building.rate, 1),
            "seconds_left": building.seconds_left,
        },
        "retired": model.retired,
        "request": None
        if asked is None
        else {
            "id": asked.request_id,
            "state": asked.state,
            "asked_at": asked.asked_at,
            "ended_at": asked.ended_at,
            "generation": asked.generation,
            "differences": asked.differences,
            "error": asked.error,
        },
    }


def _generation(found: GenerationStatus) -> dict[str, Any]:
    parked = found.parked
    return {
        "number": found.number,
        "version": found.version,
        "position": found.position,
        "lag_events": found.lag_events,
        "lag_seconds": round(found.lag_seconds, 3),
        "parked": None
        if parked is None
        else {"position": parked.position, "error": parked.error, "trace": parked.trace},
    }
