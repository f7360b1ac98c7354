"""For auditors: why a balance is what it is, what changed, and what another fee would have made."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.errors import ApiError
from api.responses import Success, documented, success
from api.routers.explanation_parts import (
    DifferencesData,
    ExplanationData,
    WhatIfBody,
    WhatIfData,
    compared,
    explained,
    supposed,
)
from api.routers.parts import Position, router
from ledger.errors import NotFound
from ledger.money import CurrencyCode
from projections.account_changes import PositionsReversed, changes_page
from projections.cursor import InvalidCursor
from projections.explanations import explanation_page
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX, POSITION_MAX, PositionNotReached
from projections.what_if import OtherRules, WhatIf
from projections.what_if_log import rows_until

if TYPE_CHECKING:
    from datetime import datetime

    from projections.reader import Reader

routes = router("/audit", "audit")

Auditor = Annotated[Caller, Depends(Allow(Role.AUDITOR, Role.ADMIN))]
Cursor = Annotated[str | None, Query(max_length=500)]
Limit = Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)]
ONE_AT_A_TIME: Final = asyncio.Lock()
"""A what-if computes for as long as a second, and holds what it computes on."""

MICROSECOND: Final = timedelta(microseconds=1)


@routes.get(
    "/accounts/{account}/explanation",
    response_model=Success[ExplanationData],
    responses=documented(NotFound, InvalidCursor, PositionNotReached),
)
async def explain_balance(  # noqa: PLR0917 - query parameters, by name
    account: str,
    currency: CurrencyCode,
    _caller: Auditor,
    request: Request,
    position: Position = None,
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response:
    """Why a balance is what it is: lines, their events, the callbacks and payments behind them."""
    doors = doors_of(request)
    page = await explanation_page(
        doors.reader,
        doors.key_store,
        account,
        currency,
        position=position,
        cursor=cursor,
        limit=limit,
    )
    if page is None:
        raise NotFound
    return success(explained(page))


@routes.get(
    "/differences",
    response_model=Success[DifferencesData],
    responses=documented(PositionsReversed, PositionNotReached, InvalidCursor, "too_many_events"),
)
async def read_differences(
    _caller: Auditor,
    request: Request,
    first: Annotated[int, Query(ge=0, le=POSITION_MAX, alias="from")],
    second: Annotated[int, Query(ge=0, le=POSITION_MAX, alias="to")],
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response:
    """What changed between two positions: an account a line, those that have a line in between."""
    doors = doors_of(request)
    reader = doors.reader
    await reader.wait_for(second)
    _refuse_many(second - first, doors.settings.differences_positions_max, "hesabu diff")
    return success(compared(await changes_page(reader, first, second, cursor=cursor, limit=limit)))


@routes.post(
    "/what-if",
    response_model=Success[WhatIfData],
    responses=documented(PositionNotReached, "body_too_large", "invalid_json", "too_many_events"),
)
async def ask_what_if(body: WhatIfBody, _caller: Auditor, request: Request) -> Response:
    """What creators would have under another fee: real payments told anew, nothing is written."""
    doors = doors_of(request)
    reader = doors.reader
    head = await reader.position()
    rules = OtherRules(
        fee_basis_points=body.platform_fee_basis_points,
        creator_id=body.creator_id,
        from_position=body.from_position,
    )
    rules = replace(rules, from_position=await begins_at(reader, rules, body.from_time))
    events = head - rules.from_position + 1
    _refuse_many(events, doors.settings.what_if_events_max, "hesabu what-if")
    async with ONE_AT_A_TIME:
        rows = await rows_until(reader, rules, head)
        told = WhatIf(rules)
        await run_in_threadpool(told.take, rows)
    return success(supposed(told.report(head), rules))


async def begins_at(reader: Reader, rules: OtherRules, time: datetime | None) -> int:
    """The position from which on payments are concerned: of those asked for, the later."""
    if time is None:
        return rules.from_position
    before = await reader.position_at(as_of=time - MICROSECOND)
    return max(rules.from_position, before + 1)


def _refuse_many(count: int, maximum: int, command: str) -> None:
    if count > maximum:
        message = (
            f"This is about {count} events, and {maximum} are read while somebody waits. "
            f"Ask for fewer, or run `{command}` on the server."
        )
        raise ApiError(409, "too_many_events", message)
