"""What somebody keeps to prove later what the ledger had recorded of their money."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from api.aggregates import payout_now
from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.responses import Success, documented, success
from api.routers.fans import Involved, is_involved
from api.routers.parts import own_creator, router
from ledger.errors import PaymentNotFound, PayoutNotFound
from projections.reader import POSITION_MAX

of_payments = router("/payments/{payment_id}/signed-receipts", "payments")
of_payouts = router("/creators/{creator_id}/payouts/{payout_id}/signed-receipts", "payouts")

CreatorOrAdmin = Annotated[Caller, Depends(Allow(Role.CREATOR, Role.ADMIN))]
AfterVersion = Annotated[
    int, Query(ge=0, le=POSITION_MAX, description="Only of events after this version.")
]
HASH: Final = "41a2c0b8e7d5f3a1908172635443526170819fa0b1c2d3e4f5061728394a5b6c"
EXAMPLE: Final[dict[str, Any]] = {
    "format": "hesabu-receipt-1",
    "origin": "ledger.example.com/hesabu",
    "position": 41,
    "leaf": HASH,
    "turn": {"first": 41, "count": 1, "root": HASH},
    "path": [],
    "issued_at": "2026-11-05T06:00:00.000Z",
    "key": "ledger.example.com/hesabu/receipts+1b2c3d4e",
    "signature": "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5tqE2xwqTLA0D…",
}


class SignedReceiptData(BaseModel):
    """One event of it. Keep `receipt` as it is: hesabu-verify holds an export of the log to it."""

    version: int = Field(examples=[3])
    topic: str = Field(examples=["payment.succeeded.v2"])
    receipt: dict[str, Any] = Field(examples=[EXAMPLE])


class SignedReceiptsData(BaseModel):
    """Oldest first, at most 500; ask again after the last version for more."""

    items: list[SignedReceiptData]


@of_payments.get(
    "", response_model=Success[SignedReceiptsData], responses=documented(PaymentNotFound)
)
async def read_receipts_of_payment(
    payment_id: UUID, caller: Involved, request: Request, after_version: AfterVersion = 0
) -> Response:
    """A signed promise for each event of a payment: that it is in the log, and will stay there."""
    read = await doors_of(request).payments.get(payment_id)
    if read is None or not is_involved(caller, read.payment):
        raise PaymentNotFound
    return await _receipts(request, payment_id, after_version)


@of_payouts.get(
    "", response_model=Success[SignedReceiptsData], responses=documented(PayoutNotFound)
)
async def read_receipts_of_payout(
    creator_id: UUID,
    payout_id: UUID,
    caller: CreatorOrAdmin,
    request: Request,
    after_version: AfterVersion = 0,
) -> Response:
    """A signed promise for each event of a payout."""
    own_creator(caller, creator_id)
    payout, _ = await payout_now(doors_of(request).reader, payout_id)
    if payout.creator_id != creator_id:
        raise PayoutNotFound
    return await _receipts(request, payout_id, after_version)


async def _receipts(request: Request, stream: UUID, after_version: int) -> Response:
    found = await doors_of(request).receipts.of_stream(stream, after_version=after_version)
    return success({"items": [asdict(each) for each in found]})
