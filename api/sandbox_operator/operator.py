"""The operator's HTTP API: push a prompt, ask for its status, count what happened.

POST /v1/prompts ──► 202 pending          wait, settle, callbacks (scenarios.py)
                 ──► 500, or silence      if its behaviour says so
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.sandbox_operator.behaviours import DESCRIPTIONS, Behaviour, behaviour_of
from api.sandbox_operator.delivery import Courier
from api.sandbox_operator.errors import (
    OperatorBroken,
    Unauthorized,
    UnknownReference,
    install_error_handlers,
)
from api.sandbox_operator.prompts import Prompt, Prompts
from api.sandbox_operator.scenarios import Scenarios, callback_data
from api.sandbox_operator.settings import OperatorSettings
from api.sandbox_operator.wire import (
    BehaviourDescription,
    BehaviourTable,
    DeliveryStatistics,
    ErrorAnswer,
    PromptAccepted,
    PromptRequest,
    PromptStatistics,
    PromptStatus,
)

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer} for status in (400, 401, 404, 500, 503)
}

_logger = logging.getLogger(__name__)


class Operator:
    """The operator itself: its prompts, and the scenarios that play with them."""

    def __init__(self, settings: OperatorSettings) -> None:
        self._settings = settings
        self._prompts = Prompts(settings.prompts_kept_max)
        self._playing: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self.courier = Courier(settings)
        self._scenarios = Scenarios(settings, self.courier)

    async def push(self, request: PromptRequest) -> PromptAccepted:
        """Put a prompt on a phone; never deduplicated, whatever its reference.

        Raises:
            OperatorBroken: the behaviour says so; the prompt may be on the phone all the same.
            OperatorBusy: too many prompts are open.

        """
        behaviour = behaviour_of(request.phone)
        if behaviour is Behaviour.PUSH_FAILS_UNACCEPTED:
            raise OperatorBroken
        prompt = Prompt.of(request)
        self._prompts.accept(prompt)
        playing = self._play(prompt)
        match behaviour:
            case Behaviour.PUSH_FAILS_ACCEPTED:
                raise OperatorBroken
            case Behaviour.CALLBACK_BEFORE_ANSWER:
                # Bounded: a receiver that answers only after this push would wait for ever.
                await self._hang(until=playing)
            case Behaviour.PUSH_HANGS:
                await self._hang()
            case _:
                pass
        return PromptAccepted(
            operator_reference=prompt.operator_reference, reference=prompt.reference
        )

    def status(self, reference: str) -> PromptStatus:
        """Where the latest prompt of ``reference`` stands.

        Raises:
            UnknownReference: no prompt was accepted with it.
            OperatorBroken: the behaviour says so.

        """
        prompt = self._prompts.latest(reference)
        if prompt is None:
            raise UnknownReference
        if prompt.behaviour is Behaviour.STATUS_FAILS_AND_CALLBACK_LOST:
            raise OperatorBroken
        return PromptStatus.model_validate(callback_data(prompt).model_dump(exclude={"phone"}))

    def prompt_counts(self, reference: str | None) -> PromptStatistics:
        """How many prompts each reference has, or only the given one."""
        return PromptStatistics(prompts=self._prompts.counts(reference))

    def stop_hanging(self) -> None:
        """Answer every hanging push now, so that the process can stop."""
        self._stopping.set()

    async def close(self) -> None:
        """Drop what is still being played, and the connections."""
        for task in self._playing:
            task.cancel()
        await asyncio.gather(*self._playing, return_exceptions=True)
        await self.courier.close()

    def _play(self, prompt: Prompt) -> asyncio.Task[None]:
        task = asyncio.create_task(self._scenarios.play(prompt))
        # The event loop keeps only a weak reference to a task.
        self._playing.add(task)
        task.add_done_callback(lambda done: self._played(prompt, done))
        return task

    def _played(self, prompt: Prompt, task: asyncio.Task[None]) -> None:
        self._playing.discard(task)
        self._prompts.finish(prompt)
        if not task.cancelled() and (error := task.exception()):
            _logger.error("prompt %s broke", prompt.operator_reference, exc_info=error)

    async def _hang(self, until: asyncio.Task[None] | None = None) -> None:
        """Wait for ``hang_seconds``, or until the task is done, or until the process stops."""
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait(
            {stopping, until} if until else {stopping},
            timeout=self._settings.hang_seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        stopping.cancel()


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
    app.include_router(_routes(operator, settings.api_key.get_secret_value()))
    return app


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


def _routes(operator: Operator, api_key: str) -> APIRouter:
    bearer = HTTPBearer(auto_error=False)

    async def key_is_right(
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    ) -> None:
        given = credentials.credentials if credentials else ""
        if not secrets.compare_digest(given.encode(), api_key.encode()):
            raise Unauthorized

    router = APIRouter(prefix="/v1", dependencies=[Depends(key_is_right)], responses=_ERRORS)

    @router.post("/prompts", status_code=202)
    async def push(request: PromptRequest) -> PromptAccepted:
        return await operator.push(request)

    @router.get("/prompts/{reference}")
    async def status(reference: str) -> PromptStatus:
        return operator.status(reference)

    @router.get("/statistics/prompts")
    async def prompt_statistics(reference: str | None = None) -> PromptStatistics:
        return operator.prompt_counts(reference)

    @router.get("/statistics/deliveries")
    async def delivery_statistics(reference: str | None = None) -> DeliveryStatistics:
        return DeliveryStatistics(deliveries=operator.courier.attempts(reference))

    return router
