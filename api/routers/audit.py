"""An auditor reads, and nothing else: the log as stored, accounts and totals as of any moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
from fastapi import Depends, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import AwareDatetime, BaseModel

from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.responses import Success, documented, success
from api.routers.parts import Effective, Instant, Position, router
from ledger.errors import NotFound
from ledger.money import CurrencyCode
from projections.account_entries import entries_page
from projections.cursor import InvalidCursor
from projections.effective_balances import effective_balance
from projections.event_log import EventFilter, LoggedEvent, event_pages, events_page, stream_as_of
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX, POSITION_MAX, PositionNotReached
from projections.trial_balance import accounts_page, trial_balance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from projections.reader import Reader

routes = router("/audit", "audit")

Auditor = Annotated[Caller, Depends(Allow(Role.AUDITOR, Role.ADMIN))]
Cursor = Annotated[str | None, Query(max_length=500)]
Limit = Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)]
NDJSON = "application/x-ndjson"


class EventData(BaseModel):
    """An event as it is stored: `state` is its JSON."""

    position: int
    stream_id: UUID
    version: int
    topic: str
    state: dict[str, Any]


class EventsData(BaseModel):
    """Events in the order of their positions; an empty page may still lead on."""

    items: list[EventData]
    next_cursor: str | None
    position: int


class AccountData(BaseModel):
    """An account: `balance` is debit positive, `normal_balance` as people read it; minor units."""

    account: str
    currency: str
    side: str
    balance: int
    normal_balance: int
    changed_position: int


class AccountsData(BaseModel):
    """Accounts by name, all at one position."""

    items: list[AccountData]
    next_cursor: str | None
    position: int


class EntryData(BaseModel):
    """A line of an account with the balance after it; minor units, debit positive."""

    position: int
    line: int
    amount: int
    balance: int
    recorded_at: AwareDatetime
    effective_at: AwareDatetime
    topic: str
    stream_id: UUID
    version: int


class EntriesData(BaseModel):
    """The lines of one account in one currency up to a position."""

    account: str
    currency: str
    side: str
    items: list[EntryData]
    next_cursor: str | None
    position: int


class EffectiveBalanceData(BaseModel):
    """A balance by when things took effect, as known at a position; minor units."""

    account: str
    currency: str
    side: str
    balance: int
    normal_balance: int
    effective: AwareDatetime
    position: int


class TotalsData(BaseModel):
    """The sums of debit and of credit balances of one currency, in minor units."""

    currency: str
    debits: int
    credits: int
    accounts: int
    balanced: bool


class TrialBalanceData(BaseModel):
    """Debits equal credits in every currency, or the books are wrong."""

    balanced: bool
    currencies: list[TotalsData]
    position: int


@routes.get(
    "/events",
    response_model=Success[EventsData],
    responses={**documented(InvalidCursor), 200: {"content": {NDJSON: {}}}},
)
async def read_events(  # noqa: PLR0917 - query parameters, by name
    _caller: Auditor,
    request: Request,
    stream_id: UUID | None = None,
    topic: Annotated[str | None, Query(max_length=100)] = None,
    first_position: Annotated[int, Query(ge=1, le=POSITION_MAX)] = 1,
    last_position: Annotated[int, Query(ge=1, le=POSITION_MAX)] = POSITION_MAX,
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response:
    """The log. With `Accept: application/x-ndjson` all of it, an event a line, streamed."""
    reader = doors_of(request).reader
    which = EventFilter(
        stream_id=stream_id,
        topic=topic,
        first_position=first_position,
        last_position=last_position,
    )
    if NDJSON in request.headers.get("accept", ""):
        return StreamingResponse(_lines(reader, which), media_type=NDJSON)
    page = await events_page(reader, which, cursor=cursor, limit=limit)
    return success(
        {
            "items": [_event(event) for event in page.items],
            "next_cursor": page.next_cursor,
            "position": page.position,
        }
    )


@routes.get(
    "/streams/{stream_id}",
    response_model=Success[EventsData],
    responses=documented(NotFound, PositionNotReached),
)
async def read_stream(
    stream_id: UUID,
    _caller: Auditor,
    request: Request,
    version: Annotated[int | None, Query(ge=1, le=POSITION_MAX)] = None,
    as_of_position: Position = None,
    as_of: Instant | None = None,
) -> Response:
    """One stream from its first event, as it was at a version, a position or a recorded time."""
    page = await stream_as_of(
        doors_of(request).reader,
        stream_id,
        version=version,
        as_of_position=as_of_position,
        as_of=as_of,
    )
    if page is None:
        raise NotFound
    return success(
        {
            "items": [_event(event) for event in page.items],
            "next_cursor": page.next_cursor,
            "position": page.position,
        }
    )


@routes.get(
    "/accounts",
    response_model=Success[AccountsData],
    responses=documented(InvalidCursor, PositionNotReached),
)
async def read_accounts(  # noqa: PLR0917 - query parameters, by name
    _caller: Auditor,
    request: Request,
    prefix: Annotated[str, Query(max_length=100)] = "",
    as_of_position: Position = None,
    as_of: Instant | None = None,
    effective: Effective = None,
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response:
    """Every account and its balance, now or at a moment."""
    page = await accounts_page(
        doors_of(request).reader,
        prefix=prefix,
        as_of_position=as_of_position,
        as_of=as_of,
        effective=effective,
        cursor=cursor,
        limit=limit,
    )
    return success(page)


@routes.get(
    "/accounts/{account}/entries",
    response_model=Success[EntriesData],
    responses=documented(NotFound, InvalidCursor, PositionNotReached),
)
async def read_entries(
    account: str,
    currency: CurrencyCode,
    _caller: Auditor,
    request: Request,
    *,
    newest_first: bool = False,
    as_of_position: Position = None,
    as_of: Instant | None = None,
    effective: Effective = None,
    cursor: Cursor = None,
    limit: Limit = PAGE_SIZE,
) -> Response:
    """The lines of an account in one currency, each with the balance after it."""
    page = await entries_page(
        doors_of(request).reader,
        account,
        currency,
        newest_first=newest_first,
        as_of_position=as_of_position,
        as_of=as_of,
        effective=effective,
        cursor=cursor,
        limit=limit,
    )
    if page is None:
        raise NotFound
    return success(page)


@routes.get(
    "/accounts/{account}/balance",
    response_model=Success[EffectiveBalanceData],
    responses=documented(NotFound, PositionNotReached),
)
async def read_effective_balance(  # noqa: PLR0917 - query parameters, by name
    account: str,
    currency: CurrencyCode,
    effective: Instant,
    _caller: Auditor,
    request: Request,
    as_of_position: Position = None,
    as_of: Instant | None = None,
) -> Response:
    """What had taken effect in an account by a time, as we know it now or as we knew it then."""
    found = await effective_balance(
        doors_of(request).reader,
        account,
        currency,
        effective,
        as_of_position=as_of_position,
        as_of=as_of,
    )
    if found is None:
        raise NotFound
    return success(found)


@routes.get(
    "/trial-balance",
    response_model=Success[TrialBalanceData],
    responses=documented(PositionNotReached),
)
async def read_trial_balance(
    _caller: Auditor,
    request: Request,
    as_of_position: Position = None,
    as_of: Instant | None = None,
    effective: Effective = None,
) -> Response:
    """Debits and credits of each currency, now or at a moment."""
    totals = await trial_balance(
        doors_of(request).reader, as_of_position=as_of_position, as_of=as_of, effective=effective
    )
    return success(
        {
            "balanced": totals.balanced,
            "currencies": [
                {
                    "currency": each.currency,
                    "debits": each.debits,
                    "credits": each.credits,
                    "accounts": each.accounts,
                    "balanced": each.balanced,
                }
                for each in totals.currencies
            ],
            "position": totals.position,
        }
    )


async def _lines(reader: Reader, which: EventFilter) -> AsyncIterator[bytes]:
    async for page in event_pages(reader, which):
        if page.items:
            yield b"".join(orjson.dumps(_event(event)) + b"\n" for event in page.items)


def _event(event: LoggedEvent) -> dict[str, Any]:
    # The stored bytes go out as they are; they are not read and written again.
    return {
        "position": event.position,
        "stream_id": event.stream_id,
        "version": event.version,
        "topic": event.topic,
        "state": orjson.Fragment(event.state),
    }
