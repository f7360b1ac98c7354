"""The operator's HTTP API: what can be asked of it, and under which path.

POST /v1/prompts ──► 202 pending          wait, settle, callbacks (scenarios.py)
                 ──► 500, or silence      if its behaviour says so

Charges, refunds and payouts are taken like prompts, but each reference only once. Where a charge
stands is asked like a prompt's status. What the operator does unasked is in ``controls.py``.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.sandbox_operator.behaviours import DESCRIPTIONS
from api.sandbox_operator.controls import add_controls
from api.sandbox_operator.errors import Unauthorized, install_error_handlers
from api.sandbox_operator.operator import Operator
from api.sandbox_operator.settings import OperatorSettings
from api.sandbox_operator.wire import (
    BehaviourDescription,
    BehaviourTable,
    ChargeRequest,
    DeliveryStatistics,
    ErrorAnswer,
    PromptAccepted,
    PromptRequest,
    PromptStatistics,
    PromptStatus,
)
from api.sandbox_operator.wire_movements import (
    Accepted,
    PayoutRequest,
    PayoutState,
    RefundRequest,
    RefundState,
)

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer} for status in (400, 401, 404, 409, 500, 503)
}


def create_operator(settings: OperatorSettings) -> FastAPI:
    """The operator as an application; ``app.state.operator`` is the ``Operator`` behind it."""
    operator = Operator(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await operator.close()

    app = FastAPI(title="Sandbox operator", version="1", lifespan=lifespan)
    app.state.operator = operator
    install_error_handlers(app)
    app.include_router(_open_routes())
    router = APIRouter(
        prefix="/v1",
        dependencies=[Depends(_key_check(settings.api_key.get_secret_value()))],
        responses=_ERRORS,
    )
    _add_prompts(router, operator)
    _add_refunds(router, operator)
    _add_payouts(router, operator)
    add_controls(router, operator)
    app.include_router(router)
    return app


def _key_check(api_key: str) -> Callable[..., Awaitable[None]]:
    bearer = HTTPBearer(auto_error=False)

    async def key_is_right(
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    ) -> None:
        given = credentials.credentials if credentials else ""
        if not secrets.compare_digest(given.encode(), api_key.encode()):
            raise Unauthorized

    return key_is_right


def _open_routes() -> APIRouter:
    router = APIRouter()

    @router.get("/healthz")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/v1/behaviours")
    async def behaviours() -> BehaviourTable:
        return BehaviourTable(
            behaviours=[
                BehaviourDescription(
                    digits=each.value, name=each.name.lower(), description=description
                )
                for each, description in DESCRIPTIONS.items()
            ]
        )

    return router


def _add_prompts(router: APIRouter, operator: Operator) -> None:
    @router.post("/prompts", status_code=202)
    async def push(request: PromptRequest) -> PromptAccepted:
        return await operator.push(request)

    @router.post("/charges", status_code=202)
    async def charge(request: ChargeRequest) -> PromptAccepted:
        return await operator.charge(request)

    @router.get("/prompts/{reference}")
    async def status(reference: str) -> PromptStatus:
        return operator.status(reference)

    @router.get("/statistics/prompts")
    async def prompt_statistics(reference: str | None = None) -> PromptStatistics:
        return operator.prompt_counts(reference)

    @router.get("/statistics/deliveries")
    async def delivery_statistics(reference: str | None = None) -> DeliveryStatistics:
        return DeliveryStatistics(deliveries=operator.courier.attempts(reference))


def _add_refunds(router: APIRouter, operator: Operator) -> None:
    @router.post("/refunds", status_code=202)
    async def refund(request: RefundRequest) -> Accepted:
        return await operator.refunds.refund(request)

    @router.get("/refunds/{reference}")
    async def refund_status(reference: str) -> RefundState:
        return operator.refunds.status(reference)


def _add_payouts(router: APIRouter, operator: Operator) -> None:
    @router.post("/payouts", status_code=202)
    async def pay_out(request: PayoutRequest) -> Accepted:
        return await operator.payouts.pay_out(request)

    @router.get("/payouts/{reference}")
    async def payout_status(reference: str) -> PayoutState:
        return operator.payouts.status(reference)
