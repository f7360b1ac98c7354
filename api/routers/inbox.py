"""Callbacks that wait for a person: read again, or ignored, with a reason.

A callback is parked when it was verified and not understood, or disagrees with what is known. Read
again it is decided on the books as they are now; that is idempotent, as another copy of it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import structlog
from fastapi import Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel

from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.errors import ApiError, ledger_error_response
from api.report_commands import commands_of_callback, subject_of
from api.responses import Success, documented, success
from api.routers.parts import Body, IdempotencyKeyHeader, Reason, router
from ledger.callbacks import FINAL
from ledger.commands import IdempotencyKey, IgnoreCallback
from ledger.errors import NotFound
from ledger.inbox import unseal_callback
from ledger.key_store import KeyDestroyedError
from projections.cursor import InvalidCursor
from projections.inbox import Callback, kept_callback, waiting_callbacks
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX

if TYPE_CHECKING:
    from ledger.decisions import LedgerCommand
    from projections.inbox import KeptCallback

logger = structlog.get_logger()

routes = router("/admin/inbox", "inbox")

Admin = Annotated[Caller, Depends(Allow(Role.ADMIN))]


class WhyBody(Body):
    """Why."""

    reason: Reason


class CallbackData(BaseModel):
    """A callback: its verdict and why, and how many copies of it came. Its body is not shown."""

    id: UUID
    provider: str
    received_at: AwareDatetime
    verdict: str
    reason: str | None
    copies: int


class CallbackAtData(CallbackData):
    """A callback, and where in the log it stands like that."""

    position: int


class CallbacksData(BaseModel):
    """Callbacks that wait, the longest waiting first; `next_cursor` is null on the last page."""

    items: list[CallbackData]
    next_cursor: str | None
    position: int


@routes.get("", response_model=Success[CallbacksData], responses=documented(InvalidCursor))
async def read_inbox(
    _caller: Admin,
    request: Request,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE,
) -> Response:
    """Callbacks that wait for a person."""
    page = await waiting_callbacks(doors_of(request).reader, cursor=cursor, limit=limit)
    items = [_rendered(callback) for callback in page.items]
    return success({"items": items, "next_cursor": page.next_cursor, "position": page.position})


@routes.post(
    "/{inbox_id}/reprocess",
    response_model=Success[CallbackAtData],
    responses=documented(NotFound, "provider_not_configured", "body_forgotten", 413, 422),
)
async def reprocess_callback(
    inbox_id: UUID,
    body: WhyBody,
    caller: Admin,
    _key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Read a callback again, and decide it as it would be decided if it came now."""
    doors = doors_of(request)
    kept = await _kept(request, inbox_id)
    adapter = doors.providers.get(kept.callback.provider)
    if adapter is None:
        raise ApiError(409, "provider_not_configured", "Its provider is not configured here.")
    try:
        sealed = await run_in_threadpool(
            unseal_callback,
            doors.key_store,
            inbox_id=inbox_id,
            key_id=kept.entry.key_id,
            ciphertext=kept.entry.ciphertext,
        )
    except KeyDestroyedError:
        raise ApiError(
            409, "body_forgotten", "Its body was forgotten by now. Ignore it, or post a correction."
        ) from None
    read = adapter.read(kept.entry.headers, sealed, natural_key=kept.entry.natural_key)
    fields = _fields(kept, caller, "reprocess")
    if read.reports:
        fields["correlation_id"] = subject_of(read.reports[0]) or fields["correlation_id"]
    commands = commands_of_callback(read, doors.settings, fields)
    return await _decided(request, kept, commands, caller, body.reason)


@routes.post(
    "/{inbox_id}/ignore",
    response_model=Success[CallbackAtData],
    responses=documented(IgnoreCallback, NotFound, 413, 422),
)
async def ignore_callback(
    inbox_id: UUID,
    body: WhyBody,
    caller: Admin,
    _key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Say that a callback is about nothing of ours. Other copies of it are then ignored too."""
    kept = await _kept(request, inbox_id)
    command = IgnoreCallback(reason=body.reason, **_fields(kept, caller, "ignore"))
    return await _decided(request, kept, [command], caller, body.reason)


async def _kept(request: Request, inbox_id: UUID) -> KeptCallback:
    kept = await kept_callback(doors_of(request).reader, inbox_id)
    if kept is None:
        raise NotFound
    return kept


def _fields(kept: KeptCallback, caller: Caller, what: str) -> dict[str, Any]:
    entry = kept.entry
    return {
        # The callback's own key: what it leads to happens once, whoever asks for it.
        "key": IdempotencyKey(f"callback:{entry.provider}", entry.natural_key),
        "actor": caller.name,
        "correlation_id": entry.inbox_id,
        "causation_id": f"{what}:{entry.inbox_id}",
        "inbox_entry": entry,
    }


async def _decided(
    request: Request,
    kept: KeptCallback,
    commands: list[LedgerCommand],
    caller: Caller,
    reason: str,
) -> Response:
    doors = doors_of(request)
    if kept.callback.verdict not in FINAL:
        logger.info(
            "callback_decided_by_a_person",
            inbox_id=str(kept.entry.inbox_id),
            command=type(commands[0]).__name__,
            actor=caller.name,
            reason=reason,
        )
        for outcome in await doors.ledger.execute_from_loop(commands):
            if outcome.error is not None:
                return ledger_error_response(request, outcome.error)
        kept = await _kept(request, kept.entry.inbox_id)
    return success({**_rendered(kept.callback), "position": kept.position})


def _rendered(callback: Callback) -> dict[str, Any]:
    return {
        "id": callback.inbox_id,
        "provider": callback.provider,
        "received_at": callback.received_at,
        "verdict": callback.verdict,
        "reason": callback.reason,
        "copies": callback.copies,
    }
