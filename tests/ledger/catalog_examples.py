"""An event of every class about what creators offer, and about their fans."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from ledger.billing_periods import Interval
from ledger.events import (
    EmailSet,
    Event,
    FanSubscribed,
    PhoneConfirmationFailed,
    PhoneConfirmationStarted,
    PhoneConfirmed,
    Price,
    PriceMigrationScheduled,
    PricePublished,
    TierArchived,
    TierCreated,
    TierPublished,
)
from tests.ledger.example_fields import CREATOR, FAN, PHONE, PLACE, RECORDED_AT, SUBSCRIPTION, kes

TIER: Final[dict[str, Any]] = {"tier_id": UUID(int=30), **PLACE}
CONFIRMATION: Final[dict[str, Any]] = {
    "fan_id": FAN,
    "confirmation_id": UUID(int=31),
    **PLACE,
}
PRICE: Final = Price(version=2, money=kes(50_000), interval=Interval(unit="month", count=3))

CATALOG: Final[tuple[Event, ...]] = (
    TierCreated(name='Early "birds" / Ñandú', trial_days=14, **TIER),
    PricePublished(price=PRICE, **TIER),
    TierPublished(**TIER),
    TierArchived(**TIER),
    PriceMigrationScheduled(
        from_version=1,
        to_version=2,
        begins_at=RECORDED_AT + timedelta(days=60),
        notice_seconds=2_592_000,
        **TIER,
    ),
)

FANS: Final[tuple[Event, ...]] = (
    PhoneConfirmationStarted(
        phone=PHONE, expires_at=RECORDED_AT + timedelta(minutes=10), **CONFIRMATION
    ),
    PhoneConfirmationFailed(**CONFIRMATION),
    PhoneConfirmed(phone=PHONE, **CONFIRMATION),
    EmailSet(fan_id=FAN, email=UUID(int=32), **PLACE),
    FanSubscribed(
        fan_id=FAN, creator_id=CREATOR, subscription_id=SUBSCRIPTION, trial=True, **PLACE
    ),
)
