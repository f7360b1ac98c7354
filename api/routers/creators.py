"""A creator sees their money: balances, and every line that led to them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel

from api.auth import Allow, Caller, Role
from api.conditional import tagged
from api.doors import doors_of
from api.responses import NOT_MODIFIED, Success, documented, success
from api.routers.parts import Effective, Instant, MinPosition, Position, own_creator, router
from ledger.errors import CreatorNotFound
from projections.balances import CreatorBalances
from projections.cursor import InvalidCursor
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX, PositionNotReached
from projections.transactions import transactions_page

routes = router("/creators", "creators")

CreatorOrAdmin = Annotated[Caller, Depends(Allow(Role.CREATOR, Role.ADMIN))]


class CurrencyBalancesData(BaseModel):
    """One currency, in minor units; positive is the creator's."""

    currency: str
    pending: int
    available: int
    held: int
    reserved: int
    in_transit: int


class NextReleaseData(BaseModel):
    """What leaves the settlement delay next, in minor units, true at a position of its own.

    While that is behind the balance's, it may have been released or refunded already.
    """

    at: AwareDatetime
    amount: int
    currency: str
    position: int


class BalanceData(BaseModel):
    """A creator's balances, and the position of the log at which they are true.

    `next_release` is null for the past and when nothing is pending; where something is, it will be
    known in a moment.
    """

    creator_id: UUID
    balances: list[CurrencyBalancesData]
    next_release: NextReleaseData | None
    position: int


class TransactionData(BaseModel):
    """One line of one of the creator's accounts, with the account's balance after it."""

    position: int
    line: int
    account: str
    currency: str
    amount: int
    balance: int
    recorded_at: AwareDatetime
    effective_at: AwareDatetime
    topic: str
    stream_id: UUID


class TransactionsData(BaseModel):
    """Lines, newest first; `next_cursor` is null on the last page."""

    items: list[TransactionData]
    next_cursor: str | None
    position: int


@routes.get(
    "/{creator_id}/balance",
    response_model=Success[BalanceData],
    responses={**documented(CreatorNotFound, PositionNotReached), **NOT_MODIFIED},
)
async def read_balance(  # noqa: PLR0917 - query parameters, by name
    creator_id: UUID,
    caller: CreatorOrAdmin,
    request: Request,
    min_position: MinPosition = None,
    as_of_position: Position = None,
    as_of: Instant | None = None,
    effective: Effective = None,
) -> Response:
    """Pending, available, held, reserved and in transit, now or in the past."""
    own_creator(caller, creator_id)
    doors = doors_of(request)
    if min_position is not None:
        await doors.reader.wait_for(min_position)
    if as_of_position is None and as_of is None and effective is None:
        found = await doors.balances.of_creator(creator_id)
    else:
        found = await doors.balances.of_creator_as_of(
            creator_id, as_of_position=as_of_position, as_of=as_of, effective=effective
        )
    if found is None:
        raise CreatorNotFound
    # Weak: while no line is added the amounts stay, and only the positions move on.
    release = found.next_release
    shown = "" if release is None else f"-{release['at'].timestamp():.6f}-{release['amount']}"
    etag = f'W/"{creator_id}-{found.changed_position}{shown}"'
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"ETag": etag})
    return success(rendered_balance(creator_id, found), headers={"ETag": etag})


def rendered_balance(creator_id: UUID, found: CreatorBalances) -> dict[str, Any]:
    """Balances as they are answered; amounts in minor units."""
    return {
        "creator_id": creator_id,
        "balances": found.currencies,
        "next_release": found.next_release,
        "position": found.position,
    }


@routes.get(
    "/{creator_id}/transactions",
    response_model=Success[TransactionsData],
    responses={**documented(CreatorNotFound, InvalidCursor, PositionNotReached), **NOT_MODIFIED},
)
async def read_transactions(  # noqa: PLR0917 - query parameters, by name
    creator_id: UUID,
    caller: CreatorOrAdmin,
    request: Request,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE,
    min_position: MinPosition = None,
) -> Response:
    """Every line of the creator's accounts, newest first, with its running balance."""
    own_creator(caller, creator_id)
    doors = doors_of(request)
    if min_position is not None:
        await doors.reader.wait_for(min_position)
    page = await transactions_page(doors.reader, creator_id, cursor=cursor, limit=limit)
    if page is None:
        raise CreatorNotFound
    return tagged(request, {"items": page.items, "next_cursor": page.next_cursor}, page.position)
