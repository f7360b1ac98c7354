"""Requests about what a creator offers: tiers and their prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.commands.creators import CreatorCommand

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from ledger.billing_periods import Interval
    from ledger.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class TierCommand(CreatorCommand):
    """A request about one tier of a creator."""

    tier_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTier(TierCommand):
    """A new tier, not offered yet; `trial_days` 0 is no trial."""

    name: str
    trial_days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishPrice(TierCommand):
    """A new price for new subscriptions; it takes the place of an older one of its interval."""

    money: Money
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishTier(TierCommand):
    """Offer it to fans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveTier(TierCommand):
    """Offer it no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePriceMigration(TierCommand):
    """Take live subscriptions from one price to another, with notice to each fan."""

    from_version: int
    to_version: int
    begins_at: datetime
    notice_seconds: int
