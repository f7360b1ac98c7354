"""What the examples in the golden files share: a place, a cause, people and amounts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from ledger.accounts import collection
from ledger.money import Money
from ledger.postings import FeePlan, split_gross

STREAM: Final = UUID("018f5c3e-7a10-7b22-9c33-4d44ee55ff66")
VERSION: Final = 3
RECORDED_AT: Final = datetime(2026, 3, 31, 23, 59, 59, 123_456, tzinfo=UTC)
OCCURRED_AT: Final = datetime(2026, 3, 31, 23, 59, 57, tzinfo=UTC)
CREATOR: Final = UUID("018f5c3e-0000-7000-8000-00000000c4ea")
FAN: Final = UUID("018f5c3e-0000-7000-8000-000000000fa0")
PAYMENT: Final = UUID("018f5c3e-0000-7000-8000-00000000beef")
REFUND: Final = UUID("018f5c3e-0000-7000-8000-0000000005ed")
DESTINATION: Final = UUID("018f5c3e-0000-7000-8000-00000000de57")
HOLD: Final = UUID("018f5c3e-0000-7000-8000-00000000401d")
SUBSCRIPTION: Final = UUID("018f5c3e-0000-7000-8000-00000000505b")
INVOICE: Final = UUID("018f5c3e-0000-7000-8000-000000001407")
CREDIT_NOTE: Final = UUID("018f5c3e-0000-7000-8000-00000000c407")
CLAIM: Final = UUID(int=19)
PHONE: Final = UUID(int=18)
REASON: Final = "as agreed by telephone"
PLAN: Final = FeePlan(fee_basis_points=1_250, vat_basis_points=1_600, keep_fee=True)
GROSS: Final = Money(amount=125_001, currency="KES")
SPLIT: Final = split_gross(GROSS.amount, PLAN)
PAID_FROM: Final = collection("sandbox")

PLACE: Final[dict[str, Any]] = {
    "originator_id": STREAM,
    "originator_version": VERSION,
    "recorded_at": RECORDED_AT,
    "actor": "service:platform",
    "correlation_id": UUID("018f5c3e-0000-7000-8000-00000000c044"),
    "causation_id": "request:018f5c3e",
}
REPORTED: Final[dict[str, Any]] = {
    **PLACE,
    "actor": "provider:sandbox",
    "causation_id": "callback:sandbox:SBX-1",
    "occurred_at": OCCURRED_AT,
    "evidence": "5e" * 32,
}
RECEIVED: Final[dict[str, Any]] = {
    **REPORTED,
    "provider": "sandbox",
    "provider_transaction": "QK7 ü 日本",
}


def kes(amount: int) -> Money:
    """Kenyan shillings, in cents."""
    return Money(amount=amount, currency="KES")
