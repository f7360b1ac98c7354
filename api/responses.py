"""Success as HTTP: `{"status": "success", "data": {…}}`, written once, by orjson."""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

import orjson
from fastapi.responses import Response
from pydantic import BaseModel

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


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers that a route declares, by status."""
    return {
        status: {"model": Failure, "description": DESCRIPTIONS[status]}
        for status in (400, 401, 403, 500, 503, *statuses)
    }


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
