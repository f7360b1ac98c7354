"""One event of every class, with every field filled: what the golden files hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from ledger.events import (
    ContradictionRecorded,
    CreatorRegistered,
    Event,
    FeePlanAssigned,
    OverpaymentParked,
    PaymentCancelled,
    PaymentExpired,
    PaymentFailed,
    PaymentInitiated,
    PaymentMismatched,
    PaymentSubmissionStarted,
    PaymentSubmissionUnknown,
    PaymentSubmitted,
    PaymentSucceeded,
    SurplusReceived,
    UnmatchedReceiptRecorded,
)
from ledger.money import Money
from ledger.postings import FeePlan, payment_received, receipt_parked, split_gross

STREAM: Final = UUID("018f5c3e-7a10-7b22-9c33-4d44ee55ff66")
VERSION: Final = 3
RECORDED_AT: Final = datetime(2026, 3, 31, 23, 59, 59, 123_456, tzinfo=UTC)
OCCURRED_AT: Final = datetime(2026, 3, 31, 23, 59, 57, tzinfo=UTC)
CREATOR: Final = UUID("018f5c3e-0000-7000-8000-00000000c4ea")
FAN: Final = UUID("018f5c3e-0000-7000-8000-000000000fa0")
PLAN: Final = FeePlan(fee_basis_points=1_250, vat_basis_points=1_600, keep_fee=True)
GROSS: Final = Money(amount=125_001, currency="KES")
SPLIT: Final = split_gross(GROSS.amount, PLAN)

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


def parked(money: Money) -> dict[str, Any]:
    return {"received": money, "entry": receipt_parked(money, provider="sandbox")}


EXAMPLES: Final[tuple[Event, ...]] = (
    CreatorRegistered(name=UUID(int=17), settlement_currency="KES", **PLACE),
    FeePlanAssigned(plan=PLAN, **PLACE),
    PaymentInitiated(
        fan_id=FAN,
        creator_id=CREATOR,
        purpose="purchase",
        reference='album "7" / Ñandú',
        money=GROSS,
        plan=PLAN,
        split=SPLIT,
        provider="sandbox",
        phone=UUID(int=18),
        expires_at=RECORDED_AT + timedelta(hours=1),
        **PLACE,
    ),
    PaymentSubmissionStarted(
        attempt=1, claim=UUID(int=19), deadline=RECORDED_AT + timedelta(seconds=60), **PLACE
    ),
    PaymentSubmitted(attempt=1, provider_reference="ws_CO_1", **PLACE),
    PaymentSubmissionUnknown(attempt=1, reason="timed_out", **PLACE),
    PaymentSucceeded(
        money=GROSS,
        late=True,
        entry=payment_received(SPLIT, currency="KES", provider="sandbox", creator_id=CREATOR),
        **RECEIVED,
    ),
    OverpaymentParked(
        excess=Money(amount=99, currency="KES"),
        entry=receipt_parked(Money(amount=99, currency="KES"), provider="sandbox"),
        **RECEIVED,
    ),
    PaymentMismatched(expected=GROSS, **parked(Money(amount=1, currency="UGX")), **RECEIVED),
    SurplusReceived(**parked(Money(amount=10**15, currency="KES")), **RECEIVED),
    PaymentFailed(reason="insufficient_funds", **REPORTED),
    PaymentCancelled(reason="declined_on_phone", **REPORTED),
    PaymentExpired(**PLACE),
    ContradictionRecorded(
        state="succeeded", claim="failed", provider_transaction="SBX-1", **REPORTED
    ),
    UnmatchedReceiptRecorded(**parked(Money(amount=5_000, currency="KES")), **RECEIVED),
)
"""In the order of `EVENT_CLASSES`."""
