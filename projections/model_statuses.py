"""How do the read models stand? Their generations, how far behind they are, and what went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from projections.models import EVERY_MODEL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from projections.read_model import ReadModel
    from projections.reader import Reader

READ_STATUSES: Final = """
    SELECT head.position, name, generation, version, state, tracking.position,
           coalesce(greatest(extract(epoch FROM
               greatest(clock_timestamp(), head.recorded_at) - missing.recorded_at), 0), 0)::float8,
           parked_at, parked_error, parked_trace,
           coalesce((tracking.position - filling_from)
               / nullif(extract(epoch FROM clock_timestamp() - filling_since), 0), 0)::float8
    FROM (SELECT position, recorded_at FROM turns ORDER BY position DESC LIMIT 1) AS head
    LEFT JOIN read_models ON true
    LEFT JOIN LATERAL (
        -- What the turn writes itself is never behind, and the first of it was never fed.
        SELECT CASE WHEN inline AND state = 'live' THEN head.position
                    ELSE coalesce((SELECT notification_id FROM ledger_tracking
                                   WHERE application_name = name || '.g' || generation), 0)
               END AS position
    ) AS tracking ON true
    LEFT JOIN LATERAL (
        SELECT recorded_at FROM turns WHERE turns.position > tracking.position
        ORDER BY turns.position LIMIT 1
    ) AS missing ON true
    ORDER BY name, generation
"""
READ_LAST_REQUESTS: Final = """
    SELECT DISTINCT ON (name) name, request_id, asked_at, ended_at, generation, differences, error
    FROM rebuild_requests ORDER BY name, asked_at DESC
"""


@dataclass(frozen=True, slots=True)
class Parked:
    """The event that could not be applied, and why."""

    position: int
    error: str
    trace: str


@dataclass(frozen=True, slots=True)
class GenerationStatus:
    """A generation: events and seconds behind the head; events a second while it is built."""

    number: int
    version: int
    state: str
    position: int
    lag_events: int
    lag_seconds: float
    parked: Parked | None
    rate: float

    @property
    def seconds_left(self) -> float | None:
        """How long building it takes yet, at the rate so far; None while that is not known."""
        return self.lag_events / self.rate if self.rate > 0 else None


@dataclass(frozen=True, slots=True)
class RequestStatus:
    """The last rebuild that was asked for; `differences` are rows in which it differed."""

    request_id: UUID
    asked_at: datetime
    ended_at: datetime | None
    generation: int | None
    differences: int | None
    error: str | None

    @property
    def state(self) -> str:
        """Whether it waits, was done, or failed."""
        if self.ended_at is None:
            return "waiting"
        return "done" if self.error is None else "failed"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A read model. `code_version` is None where this code knows none of that name."""

    name: str
    code_version: int | None
    live: GenerationStatus | None
    building: GenerationStatus | None
    retired: tuple[int, ...]
    request: RequestStatus | None


@dataclass(frozen=True, slots=True)
class ModelStatuses:
    """All read models, at a head of the log."""

    position: int
    models: list[ModelStatus]


async def model_statuses(
    reader: Reader, models: Sequence[type[ReadModel]] = EVERY_MODEL
) -> ModelStatuses:
    """Every read model that this code or the database knows. Raises `ReadUnavailable`."""
    rows = await reader.fetch(READ_STATUSES)
    requests = {name: RequestStatus(*row) for name, *row in await reader.fetch(READ_LAST_REQUESTS)}
    head = int(rows[0][0])
    found: dict[str, list[GenerationStatus]] = {model.name: [] for model in models}
    for _, name, *row in rows:
        if name is not None:
            found.setdefault(name, []).append(_generation(head, row))
    versions = {model.name: model.version for model in models}
    return ModelStatuses(
        head,
        [
            ModelStatus(
                name=name,
                code_version=versions.get(name),
                live=_in_state("live", each),
                building=_in_state("building", each),
                retired=tuple(one.number for one in each if one.state == "retired"),
                request=requests.get(name),
            )
            for name, each in sorted(found.items())
        ],
    )


def _generation(head: int, row: Sequence[object]) -> GenerationStatus:
    number, version, state, position, seconds, parked_at, error, trace, rate = row
    assert isinstance(position, int)  # noqa: S101 - begun with a tracking row
    return GenerationStatus(
        number=int(str(number)),
        version=int(str(version)),
        state=str(state),
        position=position,
        lag_events=max(head - position, 0),
        lag_seconds=float(str(seconds)),
        parked=None if parked_at is None else Parked(int(str(parked_at)), str(error), str(trace)),
        rate=float(str(rate)),
    )


def _in_state(state: str, known: list[GenerationStatus]) -> GenerationStatus | None:
    return next((each for each in known if each.state == state), None)
