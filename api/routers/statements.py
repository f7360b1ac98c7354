"""A creator's month: opening balances, every line, closing balances; as JSON, CSV or PDF."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Path, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import AwareDatetime, BaseModel

from api.aggregates import creator_now
from api.conditional import matches, tagged
from api.doors import doors_of
from api.errors import ApiError, invalid
from api.responses import NOT_MODIFIED, Success, documented
from api.routers.parts import MONTH, MinPosition, own_creator, router
from api.routers.payout_parts import CreatorOrAdmin
from api.statement_files import statement_csv, statement_pdf
from ledger.errors import CreatorNotFound
from projections.cursor import CURSOR_LENGTH_MAX, InvalidCursor
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX, PositionNotReached
from projections.statements import (
    Month,
    MonthNotBegun,
    all_statement_lines,
    month_of,
    months_of_creator,
    resumed,
    statement_lines,
    statement_totals,
)

if TYPE_CHECKING:
    from api.doors import Doors

routes = router("/creators/{creator_id}/statements", "creators")

CSV: Final = "text/csv"
PDF: Final = "application/pdf"
PDF_LINES_MAX: Final = 5_000
CSV_EXAMPLE: Final = """\
kind,currency,account,recorded_at,effective_at,event,stream_id,position,line,amount,balance,\
amount_minor_units,balance_minor_units
opening,KES,available,,,,,,,,0.00,,0
closing,KES,available,,,,,,,,0.00,,0
"""
"""About a hundred pages; nobody reads more, and a spreadsheet takes any number."""

MonthName = Annotated[str, Path(pattern=MONTH, examples=["2026-11"])]


class StatementMonthsData(BaseModel):
    """Months since the creator was registered, newest first; the newest is under way."""

    items: list[str]
    next_cursor: None
    position: int


class AccountTotalsData(BaseModel):
    """Minor units, positive when they are the creator's; closing = opening + credits - debits."""

    account: Literal["pending", "available", "held", "reserved", "in_transit"]
    currency: str
    opening: int
    credits: int
    debits: int
    closing: int
    lines: int


class StatementLineData(BaseModel):
    """One line, with its account's balance after it."""

    position: int
    line: int
    account: Literal["pending", "available", "held", "reserved", "in_transit"]
    currency: str
    amount: int
    balance: int
    recorded_at: AwareDatetime
    effective_at: AwareDatetime
    topic: str
    stream_id: UUID


class StatementData(BaseModel):
    """A month: what was recorded after one position and up to another; `final` once it is over.

    The totals are of the whole month on every page of its lines.
    """

    creator_id: UUID
    month: str
    time_zone: str
    final: bool
    after_position: int
    up_to_position: int
    totals: list[AccountTotalsData]
    items: list[StatementLineData]
    next_cursor: str | None
    position: int


@routes.get(
    "",
    response_model=Success[StatementMonthsData],
    responses={**documented(CreatorNotFound, PositionNotReached), **NOT_MODIFIED},
)
async def read_statement_months(
    creator_id: UUID, caller: CreatorOrAdmin, request: Request, min_position: MinPosition = None
) -> Response:
    """Of which months there are statements."""
    own_creator(caller, creator_id)
    doors = doors_of(request)
    if min_position is not None:
        await doors.reader.wait_for(min_position)
    months = await months_of_creator(doors.reader, creator_id, doors.settings.time_zone)
    if months is None:
        raise CreatorNotFound
    return tagged(request, {"items": months.names, "next_cursor": None}, months.position)


@routes.get(
    "/{month}",
    response_model=Success[StatementData],
    responses={
        **documented(
            CreatorNotFound, MonthNotBegun, "statement_too_long", InvalidCursor, PositionNotReached
        ),
        **NOT_MODIFIED,
        200: {"content": {CSV: {"example": CSV_EXAMPLE}, PDF: {}}},
    },
)
async def read_statement(  # noqa: PLR0917 - query parameters, by name
    creator_id: UUID,
    month: MonthName,
    caller: CreatorOrAdmin,
    request: Request,
    cursor: Annotated[str | None, Query(max_length=CURSOR_LENGTH_MAX)] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE,
    min_position: MinPosition = None,
) -> Response:
    """A month's statement; with `Accept: text/csv` or `application/pdf` whole, as a file."""
    own_creator(caller, creator_id)
    doors = doors_of(request)
    if min_position is not None:
        await doors.reader.wait_for(min_position)
    await creator_now(doors.reader, creator_id)
    about, place = await month_of(doors.reader, month, doors.settings.time_zone), None
    accepted = request.headers.get("accept", "")
    if CSV in accepted or PDF in accepted:
        if cursor is not None:
            raise invalid("cursor", "must be left out: a file is whole")
        return await _file(doors, request, creator_id, about, pdf=PDF in accepted)
    if cursor is not None:
        about, place = resumed(cursor, about)
    totals = await statement_totals(doors.reader, creator_id, about)
    page = await statement_lines(doors.reader, creator_id, about, after=place, limit=limit)
    data = {
        "creator_id": creator_id,
        "month": month,
        "time_zone": doors.settings.book_time_zone,
        "final": about.final,
        "after_position": about.after,
        "up_to_position": about.up_to,
        "totals": totals,
        "items": page.items,
        "next_cursor": page.next_cursor,
    }
    answer = tagged(request, data, about.up_to)
    answer.headers["Vary"] = "Accept"
    return answer


async def _file(
    doors: Doors, request: Request, creator_id: UUID, month: Month, *, pdf: bool
) -> Response:
    """The whole statement as a file; what it says follows from its positions alone."""
    kind = "pdf" if pdf else "csv"
    etag = f'"{creator_id}-{month.name}-{month.after}-{month.up_to}-{month.final:d}-{kind}"'
    headers: dict[str, Any] = {
        "ETag": etag,
        "Vary": "Accept",
        "Content-Disposition": f'attachment; filename="statement-{month.name}.{kind}"',
    }
    if matches(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    totals = await statement_totals(doors.reader, creator_id, month)
    lines = all_statement_lines(doors.reader, creator_id, month)
    if not pdf:
        return StreamingResponse(statement_csv(totals, lines), media_type=CSV, headers=headers)
    count = sum(each.lines for each in totals)
    if count > PDF_LINES_MAX:
        raise ApiError(
            409,
            "statement_too_long",
            f"This month has {count} lines, and a PDF at most {PDF_LINES_MAX}. Ask for text/csv.",
        )
    whole = [line async for page in lines for line in page]
    created = whole[-1].recorded_at if whole else await doors.now()
    # A hundred pages take their time, in which others are to be answered.
    file = await asyncio.to_thread(
        statement_pdf,
        creator_id,
        month,
        totals,
        whole,
        zone=doors.settings.time_zone,
        created=created,
    )
    return Response(file, media_type=PDF, headers=headers)
