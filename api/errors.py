"""Every error as HTTP: the one place where statuses are chosen.

The body is always `{"status": "error", "error": {code, message, details, request_id}}`. The input
is never echoed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import orjson
import structlog
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from ledger.errors import (
    DecisionFailed,
    IdempotencyKeyReused,
    InvalidValue,
    LedgerError,
    NotAllowed,
    NotFound,
    NotInThisState,
    Overloaded,
    Unacceptable,
    Unavailable,
)
from projections.cursor import InvalidCursor
from projections.live import ReadModelBehind, ReadModelMissing
from projections.reader import PositionNotReached, ReadUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import FastAPI, Request

logger = structlog.get_logger()

DETAILS_MAX: Final = 20
NAME_LENGTH_MAX: Final = 64

MESSAGES: Final = {
    "uuid_parsing": "Input should be a valid UUID",
    "union_tag_invalid": "Input should be one of the documented kinds",
    "union_tag_not_found": "Field required",
}
"""Instead of pydantic's own message, where that quotes the input or explains our models."""

NOT_FIELDS: Final = frozenset(
    {
        *("body", "query", "path"),
        *("post_adjustment", "allocate_receipts", "return_receipt", "write_off_debt"),
    }
)
"""What pydantic names before a field: where it was, and which kind of body was meant."""

STATUS_OF: Final[tuple[tuple[type[LedgerError], int], ...]] = (
    (NotFound, 404),
    (NotInThisState, 409),
    (NotAllowed, 403),
    (Unacceptable, 400),
    (IdempotencyKeyReused, 422),
    (InvalidValue, 400),
    (DecisionFailed, 500),
    (PositionNotReached, 409),
    (Unavailable, 503),
)
"""The first class that an error is an instance of gives its status."""

DoorCode = Literal[
    "access_not_recorded",
    "bad_signature",
    "body_forgotten",
    "body_too_large",
    "code_wrong",
    "forbidden",
    "internal_error",
    "invalid_json",
    "method_not_allowed",
    "month_not_over",
    "no_receipt",
    "not_found",
    "nothing_to_document",
    "pay_link_not_found",
    "projection_not_found",
    "provider_not_configured",
    "rate_limited",
    "statement_in_progress",
    "statement_too_long",
    "statement_unreadable",
    "too_many_events",
    "too_many_streams",
    "too_many_webhook_endpoints",
    "unauthenticated",
    "validation_error",
    "webhook_delivery_not_found",
    "webhook_endpoint_not_found",
    "webhook_replay_under_way",
]
"""Every code that a door answers of itself; api/error_catalogue.py says what each is about."""

CODE_OF_STATUS: Final[dict[int, DoorCode]] = {
    400: "validation_error",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "validation_error",
    429: "rate_limited",
    500: "internal_error",
}


class FieldError(NamedTuple):
    """What is wrong with one field; the message never repeats the value."""

    field: str
    message: str


class ApiError(HTTPException):
    """An error that a door decides itself."""

    def __init__(
        self,
        status_code: int,
        code: DoorCode,
        message: str,
        *,
        details: Sequence[FieldError] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status_code=status_code, detail=message, headers=headers)
        self.code: DoorCode = code
        self.details = details


def invalid(field: str, message: str) -> ApiError:
    """400 for one field."""
    return ApiError(
        400,
        "validation_error",
        "The request is not valid. Correct the fields named in details.",
        details=[FieldError(field, message)],
    )


def status_of(error: type[LedgerError]) -> int:
    """The HTTP status of a kind of ledger error."""
    return next((status for kind, status in STATUS_OF if issubclass(error, kind)), 400)


def error_response(
    request: Request,
    status: int,
    code: str,
    message: str,
    *,
    details: Sequence[FieldError] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    """The error envelope."""
    body = {
        "status": "error",
        "error": {
            "code": code,
            "message": message,
            "details": [detail._asdict() for detail in details[:DETAILS_MAX]],
            "request_id": request.scope.get("request_id"),
        },
    }
    return Response(
        orjson.dumps(body), status_code=status, media_type="application/json", headers=headers
    )


def ledger_error_response(
    request: Request, error: LedgerError, headers: dict[str, str] | None = None
) -> Response:
    """A refusal or failure of the ledger."""
    headers = dict(headers or {})
    if isinstance(error, Overloaded | ReadUnavailable | ReadModelBehind | ReadModelMissing):
        headers["Retry-After"] = "1"
    status = status_of(type(error))
    return error_response(request, status, error.code, error.message, headers=headers)


def install_error_handlers(app: FastAPI) -> None:
    """Map every exception that may leave a route."""

    @app.exception_handler(LedgerError)
    async def _ledger(request: Request, error: LedgerError) -> Response:
        return ledger_error_response(request, error)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> Response:
        refused = invalid("", "")
        return error_response(
            request, 400, refused.code, refused.detail, details=field_errors(error.errors())
        )

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        code = CODE_OF_STATUS.get(error.status_code, "validation_error")
        details: Sequence[FieldError] = ()
        if isinstance(error, ApiError):
            code, details = error.code, error.details
        headers = dict(error.headers) if error.headers else None
        return error_response(
            request, error.status_code, code, error.detail, details=details, headers=headers
        )

    @app.exception_handler(InvalidCursor)
    async def _cursor(request: Request, error: InvalidCursor) -> Response:
        detail = FieldError("cursor", error.message)
        return error_response(request, 400, error.code, error.message, details=[detail])

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        request_id = request.scope.get("request_id")
        logger.error("request_failed", exc_info=error, request_id=request_id)
        return error_response(
            request, 500, "internal_error",
            "Something went wrong on our side. Repeat with the same key, or report the request id.",
            # This answer is made outside of the middleware that adds it to all others.
            headers={"X-Request-Id": str(request_id)},
        )  # fmt: skip


def field_errors(errors: Sequence[Any]) -> list[FieldError]:
    """Pydantic's errors as field and message, without the input.

    The name of an unknown field is the caller's, so no more than its beginning comes back.
    """
    return [
        FieldError(_field(error), MESSAGES.get(error["type"], str(error["msg"])))
        for error in errors[:DETAILS_MAX]
    ]


def _field(error: Any) -> str:  # noqa: ANN401 - pydantic's own
    parts = [str(part)[:NAME_LENGTH_MAX] for part in error["loc"] if part not in NOT_FIELDS]
    if error["type"].startswith("union_tag"):
        parts.append(error["ctx"]["discriminator"].strip("'"))
    return ".".join(parts) or "body"
