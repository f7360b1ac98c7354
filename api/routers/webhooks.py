"""Providers call back: verified before anything is parsed, stored with what it causes.

200 once stored, even if parked; 401 for a bad signature; 404 where the provider is not configured;
503 only if it could not be stored. A callback that is refused leaves a log line and nothing else.
What its contents lead to is told in ledger/callbacks.py, refunds.py, disputes.py and payout.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from api.doors import Doors, doors_of
from api.errors import ApiError, ledger_error_response
from api.providers.port import BadSignatureError, VerifiedCallback
from api.report_commands import command_of, subject_of
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


@routes.post(
    "/{provider}",
    response_model=Success[CallbackData],
    responses=answers(
        *("bad_signature", NotFound, "body_too_large", "internal_error"),
        *(Unavailable, *FAILED_WRITE),
    ),
)
async def receive_callback(provider: str, request: Request) -> Response:
    """A provider's callback, in the provider's own shape."""
    doors = doors_of(request)
    adapter = doors.providers.get(provider)
    if adapter is None:
        raise NotFound
    body = await request.body()
    try:
        callback = adapter.verify(request.headers, body)
    except BadSignatureError:
        logger.warning(
            "callback_refused", provider=provider, request_id=request.scope["request_id"]
        )
        raise ApiError(401, "bad_signature", "The signature is not right.") from None
    outcome = await _record(doors, request, provider, callback, body)
    if outcome.error is not None:
        return ledger_error_response(request, outcome.error)
    if outcome.verdict is not None:
        doors.metrics.callback(provider, outcome.verdict.value)
    return success({"verdict": outcome.verdict})


async def _record(
    doors: Doors, request: Request, provider: str, callback: VerifiedCallback, body: bytes
) -> Outcome:
    report = callback.report
    subject = None if report is None else subject_of(report)
    entry = await _inbox_entry(doors, provider, callback, body, subject)
    fields: dict[str, Any] = {
        "key": IdempotencyKey(f"callback:{provider}", callback.natural_key),
        "actor": f"provider:{provider}",
        "correlation_id": subject or request.scope["correlation_id"],
        "causation_id": f"callback:{entry.inbox_id}",
        "inbox_entry": entry,
    }
    if report is None:
        return await _execute(doors, ParkCallback(reason=callback.reason or "unread", **fields))
    outcome = await _execute(doors, command_of(report, doors.settings, fields))
    if isinstance(outcome.error, InvalidValue):
        return await _execute(doors, ParkCallback(reason="invalid_value", **fields))
    return outcome


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
