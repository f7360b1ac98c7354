"""Providers call back: verified before anything is parsed, stored with what it causes.

200 once stored, even if parked; 401 for a bad signature; 404 where the provider is not configured;
503 only if it could not be stored. A callback that is refused leaves a log line and nothing else.
What its contents lead to is told in ledger/callbacks.py, refunds.py, disputes.py and payout.py.
One that proves nothing by itself waits until the dispatcher has asked its provider
(api/dispatcher_hints.py).

A provider that wants an answer of its own shape gets that instead of the envelope, and one that
signs nothing calls back at a path with a token of its own for each request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from api.doors import Doors, doors_of
from api.errors import ApiError, ledger_error_response
from api.providers.port import BadSignatureError, Delivery, VerifiedCallback
from api.report_commands import commands_of_callback, subject_of
from api.responses import FAILED_WRITE, Success, answers, success
from ledger.commands import IdempotencyKey, ParkCallback
from ledger.errors import InvalidValue, NotFound, Unavailable
from ledger.inbox import InboxEntry, seal_callback
from ledger.key_store import KeyDestroyedError

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.decisions import LedgerCommand
    from ledger.key_store import Key
    from ledger.outcome import Outcome

logger = structlog.get_logger()

routes = APIRouter(prefix="/webhooks", tags=["webhooks"])


class CallbackData(BaseModel):
    """What became of the callback."""

    verdict: str


ANSWERS = answers(
    *("bad_signature", NotFound, "body_too_large", "internal_error"),
    *(Unavailable, *FAILED_WRITE),
)


@routes.post("/{provider}", response_model=Success[CallbackData], responses=ANSWERS)
async def receive_callback(provider: str, request: Request) -> Response:
    """A provider's callback, in the provider's own shape, and answered in it."""
    return await _receive(provider, None, request)


@routes.post("/{provider}/{token}", response_model=Success[CallbackData], responses=ANSWERS)
async def receive_callback_with_token(provider: str, token: str, request: Request) -> Response:
    """The same at a path that was made for one request to the provider."""
    return await _receive(provider, token, request)


@routes.put("/{provider}/{token}", response_model=Success[CallbackData], responses=ANSWERS)
async def receive_put_callback(provider: str, token: str, request: Request) -> Response:
    """The same from a provider that calls back by PUT."""
    return await _receive(provider, token, request)


async def _receive(provider: str, token: str | None, request: Request) -> Response:
    doors = doors_of(request)
    adapter = doors.providers.get(provider)
    if adapter is None:
        raise NotFound
    body = await request.body()
    address = None if request.client is None else request.client.host
    try:
        callback = adapter.verify(
            Delivery(headers=request.headers, body=body, token=token, address=address)
        )
    except BadSignatureError:
        logger.warning(
            "callback_refused", provider=provider, request_id=request.scope["request_id"]
        )
        raise ApiError(401, "bad_signature", "The signature is not right.") from None
    outcomes = await _record(doors, request, provider, callback, body)
    for outcome in outcomes:
        if outcome.error is not None:
            if outcome is outcomes[0] or isinstance(outcome.error, Unavailable):
                return ledger_error_response(request, outcome.error)
            # The callback is kept; sent again it would be refused again.
            logger.warning("report_refused", provider=provider, code=outcome.error.code)
        elif outcome.verdict is not None:
            doors.metrics.callback(provider, outcome.verdict.value)
    if adapter.acknowledgement is not None:
        return Response(orjson.dumps(adapter.acknowledgement), media_type="application/json")
    return success({"verdict": outcomes[0].verdict})


async def _record(
    doors: Doors, request: Request, provider: str, callback: VerifiedCallback, body: bytes
) -> list[Outcome]:
    """Record what a callback says, with its inbox entry. One outcome a report, or one."""
    subject = callback.about
    if callback.reports:
        subject = subject_of(callback.reports[0])
    entry = await _inbox_entry(doors, provider, callback, body, subject)
    fields: dict[str, Any] = {
        "key": IdempotencyKey(f"callback:{provider}", callback.natural_key),
        "actor": f"provider:{provider}",
        "correlation_id": subject or request.scope["correlation_id"],
        "causation_id": f"callback:{entry.inbox_id}",
        "inbox_entry": entry,
    }
    commands = commands_of_callback(callback, doors.settings, fields)
    outcomes = await doors.ledger.execute_from_loop(commands)
    if isinstance(outcomes[0].error, InvalidValue):
        return [await _execute(doors, ParkCallback(reason="invalid_value", **fields))]
    return outcomes


async def _execute(doors: Doors, command: LedgerCommand) -> Outcome:
    return (await doors.ledger.execute_from_loop([command]))[0]


async def _inbox_entry(
    doors: Doors,
    provider: str,
    callback: VerifiedCallback,
    body: bytes,
    subject: UUID | None,
) -> InboxEntry:
    """The body under the key of the person it concerns, or under one of its own."""
    key: Key | None = None
    if subject is not None:
        key_id = await doors.payer_keys.of_payment(subject)
        try:
            key = None if key_id is None else doors.key_store.get(key_id)
        except KeyDestroyedError:
            logger.info("callback_for_an_erased_person", provider=provider)
    return seal_callback(
        key or doors.key_store.allocate(),
        provider=provider,
        natural_key=callback.natural_key,
        headers=callback.headers,
        body=body,
        of_unknown_origin=key is None,
    )
