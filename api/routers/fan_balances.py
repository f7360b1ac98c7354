"""An admin sees a fan's credit: what is the fan's own, what was given, what an invoice reserves."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel

from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.responses import NOT_MODIFIED, Success, documented, success
from api.routers.parts import MinPosition, router
from projections.fan_balances import fan_balances
from projections.reader import PositionNotReached

routes = router("/fans", "fans")

Admin = Annotated[Caller, Depends(Allow(Role.ADMIN))]


class FanCurrencyData(BaseModel):
    """One currency in minor units: `credit` can be refunded, `goodwill` only be spent.

    `reserved` is of both, kept for an invoice that is open.
    """

    currency: str
    credit: int
    goodwill: int
    reserved: int


class FanBalanceData(BaseModel):
    """A fan's credit, and the position of the log at which it is true; empty if there was none."""

    fan_id: UUID
    balances: list[FanCurrencyData]
    position: int


@routes.get(
    "/{fan_id}/balance",
    response_model=Success[FanBalanceData],
    responses={**documented(PositionNotReached), **NOT_MODIFIED},
)
async def read_fan_balance(
    fan_id: UUID, _caller: Admin, request: Request, min_position: MinPosition = None
) -> Response:
    """A fan's credit in every currency. Nobody is told whether there is such a fan."""
    doors = doors_of(request)
    if min_position is not None:
        await doors.reader.wait_for(min_position)
    found = await fan_balances(doors.reader, fan_id)
    # Weak: while no line is added the amounts stay, and only the position moves on.
    etag = f'W/"{fan_id}-{found.changed_position}"'
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"ETag": etag})
    data = {"fan_id": fan_id, "balances": found.currencies, "position": found.position}
    return success(data, headers={"ETag": etag})
