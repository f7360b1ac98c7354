"""How somebody makes the operator do what it otherwise does unasked, for a demonstration or a test.

POST /v1/disputes, /v1/disputes/fees, /v1/fees, /v1/settlements, /v1/reversals, /v1/till/payments
    ──► 202, and then exactly one callback
"""

from fastapi import APIRouter

from api.sandbox_operator.operator import Operator
from api.sandbox_operator.settlements import announce_settlement
from api.sandbox_operator.wire_movements import (
    DisputeAnnounced,
    DisputeFeeRequest,
    DisputeRequest,
    FeeAnnounced,
    FeeRequest,
    ReversalAnnounced,
    ReversalRequest,
    SettlementAnnounced,
    SettlementRequest,
    TillPaymentAnnounced,
    TillPaymentRequest,
)


def add_controls(router: APIRouter, operator: Operator) -> None:
    """Add the control routes to ``router``."""

    @router.post("/disputes", status_code=202)
    async def dispute(request: DisputeRequest) -> DisputeAnnounced:
        return operator.disputes.announce(request)

    @router.post("/disputes/fees", status_code=202)
    async def dispute_fee(request: DisputeFeeRequest) -> FeeAnnounced:
        return operator.disputes.announce_fee(request)

    @router.post("/fees", status_code=202)
    async def fee(request: FeeRequest) -> FeeAnnounced:
        return operator.fees.announce(request)

    @router.post("/settlements", status_code=202)
    async def settlement(request: SettlementRequest) -> SettlementAnnounced:
        return announce_settlement(request, operator.announcements)

    @router.post("/reversals", status_code=202)
    async def reversal(request: ReversalRequest) -> ReversalAnnounced:
        return operator.refunds.announce_reversal(request)

    @router.post("/till/payments", status_code=202)
    async def till_payment(request: TillPaymentRequest) -> TillPaymentAnnounced:
        return operator.till.pay(request)
