"""How the operator refuses: one simple JSON for every error.

OperatorError
├── Unauthorized
├── UnknownReference
├── OperatorBroken      it breaks on purpose
└── OperatorBusy

The docstring is the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from api.sandbox_operator.wire import Error, ErrorAnswer, PromptRequest

if TYPE_CHECKING:
    from fastapi import FastAPI, Request


class OperatorError(Exception):
    """The operator cannot do this."""

    status_code: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"


class Unauthorized(OperatorError):
    """The API key is missing or wrong. Send it as a bearer token."""

    status_code = 401
    code = "unauthorized"


class UnknownReference(OperatorError):
    """No prompt was accepted with this reference."""

    status_code = 404
    code = "unknown_reference"


class OperatorBroken(OperatorError):
    """Something went wrong. Please contact your integration manager."""


class OperatorBusy(OperatorError):
    """Too many prompts are open. Nothing was accepted; try again later."""

    status_code = 503
    code = "operator_busy"


_CODES_BY_STATUS = {400: "invalid_request", 404: "not_found", 405: "method_not_allowed"}


def install_error_handlers(app: FastAPI) -> None:
    """Let every refusal, also FastAPI's own ones, answer in the operator's error JSON."""

    @app.exception_handler(OperatorError)
    async def _operator_error(_: Request, error: OperatorError) -> JSONResponse:
        return _answer(error.status_code, error.code, type(error).__doc__ or "")

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return _answer(400, "invalid_request", _complaints(error))

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        code = _CODES_BY_STATUS.get(error.status_code, "refused")
        return _answer(error.status_code, code, error.detail)


def _answer(status_code: int, code: str, message: str) -> JSONResponse:
    body = ErrorAnswer(error=Error(code=code, message=message))
    return JSONResponse(body.model_dump(), status_code)


def _complaints(error: RequestValidationError) -> str:
    """Name the fields and what is wrong, without ever echoing what the caller sent.

    The name of an unknown field is the caller's input too, and may not even be encodable.
    """
    known = PromptRequest.model_fields.keys()
    complaints = []
    for complaint in error.errors():
        fields = [str(part) for part in complaint["loc"] if part in known]
        complaints.append(f"{fields[-1] if fields else 'body'}: {complaint['msg']}")
    return "; ".join(complaints)
