"""How the operator refuses: one simple JSON for every error.

OperatorError
├── Unauthorized
├── InvalidAmount
├── UnknownReference
│   ├── UnknownRefund
│   └── UnknownPayout
├── UnknownTransaction
├── DuplicateReference
├── RefundExceedsPayment
├── AmountExceedsPayment
├── CurrencyMismatch
├── OperatorBroken           it breaks on purpose
└── OperatorBusy
    └── MemoryFull

The docstring is the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from api.sandbox_operator.wire import ChargeRequest, Error, ErrorAnswer, PromptRequest
from api.sandbox_operator.wire_movements import (
    DisputeFeeRequest,
    DisputeRequest,
    FeeRequest,
    PayoutRequest,
    RefundRequest,
    ReversalRequest,
    SettlementRequest,
    TillPaymentRequest,
)

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


class InvalidAmount(OperatorError):
    """The amount must be a positive plain decimal in the currency of the payment, with at most
    that currency's decimals."""

    status_code = 400
    code = "invalid_request"


class UnknownReference(OperatorError):
    """No prompt and no charge was accepted with this reference."""

    status_code = 404
    code = "unknown_reference"


class UnknownRefund(UnknownReference):
    """No refund was accepted with this reference."""


class UnknownPayout(UnknownReference):
    """No payout was accepted with this reference."""


class UnknownTransaction(OperatorError):
    """There is no payment with this transaction."""

    status_code = 404
    code = "unknown_transaction"


class DuplicateReference(OperatorError):
    """This reference was accepted before. Nothing was done again; ask for its status."""

    status_code = 409
    code = "duplicate_reference"


class RefundExceedsPayment(OperatorError):
    """The payment, less what was refunded of it already, is smaller than this refund."""

    status_code = 409
    code = "refund_exceeds_payment"


class AmountExceedsPayment(OperatorError):
    """A dispute cannot be about more than was paid, nor lose more than it is about."""

    status_code = 409
    code = "amount_exceeds_payment"


class CurrencyMismatch(OperatorError):
    """The payment was made in another currency."""

    status_code = 409
    code = "currency_mismatch"


class OperatorBroken(OperatorError):
    """Something went wrong. Please contact your integration manager."""


class OperatorBusy(OperatorError):
    """Too many prompts are open. Nothing was accepted; try again later."""

    status_code = 503
    code = "operator_busy"


class MemoryFull(OperatorBusy):
    """Too much is going on already. Nothing was accepted; try again later."""


_REQUESTS: tuple[type[BaseModel], ...] = (
    PromptRequest,
    ChargeRequest,
    RefundRequest,
    PayoutRequest,
    DisputeRequest,
    DisputeFeeRequest,
    FeeRequest,
    SettlementRequest,
    ReversalRequest,
    TillPaymentRequest,
)
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
    known = {name for request in _REQUESTS for name in request.model_fields}
    complaints = []
    for complaint in error.errors():
        fields = [str(part) for part in complaint["loc"] if part in known]
        complaints.append(f"{fields[-1] if fields else 'body'}: {complaint['msg']}")
    return "; ".join(complaints)
