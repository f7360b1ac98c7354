"""What a creator offers: tiers and their prices. On the creator's stream."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ledger.billing_periods import Interval
from ledger.events.base import Event
from ledger.money import Money

TRIAL_DAYS_MAX = 90


class Price(BaseModel):
    """A price of a tier: never edited; a change is a new version. `money` is for each interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[int, Field(strict=True, ge=1)]
    money: Money
    interval: Interval


class TierCreated(Event):
    """A tier, not offered yet. `trial_days` is how long a fan may try it, once a creator."""

    TOPIC = "tier.created.v1"

    tier_id: UUID
    name: Annotated[str, Field(min_length=1, max_length=80)]
    trial_days: Annotated[int, Field(strict=True, ge=0, le=TRIAL_DAYS_MAX)]


class PricePublished(Event):
    """A new price. Live subscriptions keep theirs until they are migrated with notice."""

    TOPIC = "tier.price_published.v1"

    tier_id: UUID
    price: Price


class TierPublished(Event):
    """Fans may subscribe to it."""

    TOPIC = "tier.published.v1"

    tier_id: UUID


class TierArchived(Event):
    """Nobody can subscribe to it any more; who has, keeps it."""

    TOPIC = "tier.archived.v1"

    tier_id: UUID


class PriceMigrationScheduled(Event):
    """Subscriptions at one price go over to another, each at a renewal of its own.

    It is the first that begins at `begins_at` or later, and at least `notice_seconds` after its fan
    was told.
    """

    TOPIC = "tier.price_migration_scheduled.v1"

    tier_id: UUID
    from_version: Annotated[int, Field(strict=True, ge=1)]
    to_version: Annotated[int, Field(strict=True, ge=1)]
    begins_at: AwareDatetime
    notice_seconds: Annotated[int, Field(strict=True, ge=0)]
