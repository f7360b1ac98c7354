"""Whether assets cover what is owed, and what providers' floats are missing."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel

from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.responses import Success, documented, success
from api.routers.parts import Position, router
from projections.coverage import CurrencyCoverage, coverage
from projections.reader import PositionNotReached

routes = router("/admin", "books")

Admin = Annotated[Caller, Depends(Allow(Role.ADMIN))]


class AssetsData(BaseModel):
    """What providers and the bank hold for us, in minor units."""

    collection: int
    disbursement: int
    disputed: int
    bank: int
    total: int


class OwedData(BaseModel):
    """What is owed, and to whom, in minor units; `fans` is their credit, with what was given."""

    creators: int
    fans: int
    refunds_in_transit: int
    suspense: int
    taxes: int
    total: int


class PayoutFloatData(BaseModel):
    """What providers can pay out from, what is promised, and what is `missing`; minor units."""

    disbursement: int
    in_transit: int
    missing: int


class CurrencyCoverageData(BaseModel):
    """One currency: `difference` is assets less what is owed. Creators' debts cover nothing."""

    currency: str
    assets: AssetsData
    owed: OwedData
    creator_debts: int
    difference: int
    covered: bool
    payout_float: PayoutFloatData


class CoverageData(BaseModel):
    """Whether everybody could be paid, at a position."""

    covered: bool
    currencies: list[CurrencyCoverageData]
    position: int


@routes.get(
    "/coverage", response_model=Success[CoverageData], responses=documented(PositionNotReached)
)
async def read_coverage(
    _caller: Admin, request: Request, as_of_position: Position = None
) -> Response:
    """Whether assets cover what is owed, and what the floats are missing, now or at a position."""
    found = await coverage(doors_of(request).reader, as_of_position=as_of_position)
    return success(
        {
            "covered": found.covered,
            "currencies": [_covered(currency) for currency in found.currencies],
            "position": found.position,
        }
    )


def _covered(found: CurrencyCoverage) -> dict[str, Any]:
    assets, owed, payout_float = found.assets, found.owed, found.payout_float
    return {
        "currency": found.currency,
        "assets": {
            "collection": assets.collection,
            "disbursement": assets.disbursement,
            "disputed": assets.disputed,
            "bank": assets.bank,
            "total": assets.total,
        },
        "owed": {
            "creators": owed.creators,
            "fans": owed.fans,
            "refunds_in_transit": owed.refunds_in_transit,
            "suspense": owed.suspense,
            "taxes": owed.taxes,
            "total": owed.total,
        },
        "creator_debts": found.creator_debts,
        "difference": found.difference,
        "covered": found.covered,
        "payout_float": {
            "disbursement": payout_float.disbursement,
            "in_transit": payout_float.in_transit,
            "missing": payout_float.missing,
        },
    }
