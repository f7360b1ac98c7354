"""Success as HTTP: `{"status": "success", "data": {…}}`, written once, by orjson."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

import orjson
from fastapi.responses import Response
from pydantic import BaseModel

from api.error_catalogue import DOORS, EXAMPLES
from api.errors import DoorCode, status_of
from api.refusals import REFUSALS
from ledger.commands import Command
from ledger.errors import (
    IdempotencyKeyReused,
    InvalidValue,
    LedgerError,
    NothingRecorded,
    OutcomeUnknown,
    Overloaded,
    Unavailable,
)
from projections.live import ReadModelBehind, ReadModelMissing
from projections.reader import PositionNotReached

if TYPE_CHECKING:
    from collections.abc import Iterator

Data = TypeVar("Data")


class Success(BaseModel, Generic[Data]):
    """The success envelope, as the documentation shows it."""

    status: Literal["success"] = "success"
    data: Data


class ErrorDetail(BaseModel):
    """One field and what is wrong with it."""

    field: str
    message: str


class ErrorBody(BaseModel):
    """A stable code, a message that says what to do next, and the request's id."""

    code: str
    message: str
    details: list[ErrorDetail]
    request_id: str | None


class Failure(BaseModel):
    """The error envelope."""

    status: Literal["error"] = "error"
    error: ErrorBody


def success(
    data: Any,  # noqa: ANN401 - whatever orjson writes
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    """The success envelope around `data`."""
    return Response(
        orjson.dumps({"status": "success", "data": data}),
        status_code=status,
        media_type="application/json",
        headers=headers,
    )


Answer = int | DoorCode | type[LedgerError] | type[Command]
"""An error that a route may answer: by its class or code, all of a command's, or by status what
every route with a body (413) or an idempotency key (422) has in common."""

ALWAYS: Final[tuple[Answer, ...]] = (
    *("validation_error", "unauthenticated", "forbidden", "internal_error"),
    *("rate_limited", "access_not_recorded"),
    Unavailable,
)
WITH_BODY: Final[tuple[Answer, ...]] = ("body_too_large", "invalid_json")
FAILED_WRITE: Final[tuple[Answer, ...]] = (
    *(InvalidValue, NothingRecorded, OutcomeUnknown),
    Overloaded,
)
WITH_KEY: Final[tuple[Answer, ...]] = (IdempotencyKeyReused, *FAILED_WRITE)
READ_MODEL: Final[tuple[Answer, ...]] = (
    *(ReadModelBehind, ReadModelMissing),
    PositionNotReached,
)
"""Of a route that asks a read model."""


def documented(*given: Answer) -> dict[int | str, dict[str, Any]]:
    """The error answers that a route with a token declares, by status."""
    return answers(*ALWAYS, *given)


def answers(*given: Answer) -> dict[int | str, dict[str, Any]]:
    """These error answers by status, with an example of each code."""
    codes: dict[int, set[str]] = {}
    for answer in given:
        for status, code in _codes(answer):
            codes.setdefault(status, set()).add(code)
    return {
        status: {
            "model": Failure,
            "description": DESCRIPTIONS[status],
            "content": {
                "application/json": {
                    "examples": {code: {"$ref": f"{EXAMPLES}{code}"} for code in sorted(found)}
                }
            },
        }
        for status, found in sorted(codes.items())
    }


def _codes(answer: Answer) -> Iterator[tuple[int, str]]:
    """Statuses and codes of one that was given."""
    if isinstance(answer, str):
        yield DOORS[answer].status, answer
    elif isinstance(answer, int):
        for each in {413: WITH_BODY, 422: WITH_KEY}[answer]:
            yield from _codes(each)
    elif issubclass(answer, LedgerError):
        yield status_of(answer), answer.code
    else:
        for error in REFUSALS[answer]:
            yield from _codes(error)


NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "What `If-None-Match` names is still so; there is no body."}
}
"""What a route declares that answers with an `ETag`."""

DESCRIPTIONS = {
    400: "The request is not valid; details name the fields.",
    401: "No token, or one that is not valid.",
    403: "This role may not do this.",
    404: "Unknown, or somebody else's.",
    409: "Not possible in the present state, which the message names.",
    413: "The body is too large.",
    422: "The idempotency key was used with another request.",
    429: "Too many at once; `Retry-After` says when to try again, in seconds.",
    500: "A defect of ours; the request id finds it.",
    503: "The database is away or overloaded; repeat with the same key.",
}
