"""A creator's tiers and prices: what fans can subscribe to.

    (nothing) ── CreateTier ──▶ draft ── PublishTier ──▶ published ── ArchiveTier ──▶ archived

A price is a version: it is never edited, and the latest of an interval is what new subscribers pay.
Live subscriptions keep the version that they began with until a migration, with notice, takes them
to a later one. Prices are in the creator's settlement currency, the only one they can be paid in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, assert_never

from ledger.errors import (
    AlreadyExists,
    CreatorIsClosed,
    CreatorNotFound,
    CurrencyNotAccepted,
    MigrationNotPossible,
    PriceNotFound,
    TierNotFound,
    TierNotOffered,
    TooManyTiers,
)
from ledger.events import (
    CatalogEvent,
    CreatorEvent,
    Occasion,
    Price,
    PriceMigrationScheduled,
    PricePublished,
    TierArchived,
    TierCreated,
    TierPublished,
)

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.billing_periods import Interval
    from ledger.commands import (
        ArchiveTier,
        CreateTier,
        PublishPrice,
        PublishTier,
        SchedulePriceMigration,
    )
    from ledger.creator import Creator

TIERS_MAX: Final = 200
PRICES_MAX: Final = 200
"""Tiers that a creator may have in all, and price versions of a tier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceMigration:
    """Subscriptions at one price go over to another."""

    to_version: int
    begins_at: datetime
    notice: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A tier with every price that it ever had, and migrations by the price they come from."""

    id: UUID
    name: str
    trial_days: int
    state: Literal["draft", "published", "archived"] = "draft"
    prices: Mapping[int, Price] = field(default_factory=dict)
    migrations: Mapping[int, PriceMigration] = field(default_factory=dict)

    def price_for(self, interval: Interval) -> Price | None:
        """What a new subscriber pays for an interval."""
        return max(
            (price for price in self.prices.values() if price.interval == interval),
            key=lambda price: price.version,
            default=None,
        )

    def current_prices(self) -> list[Price]:
        """What new subscribers pay: the latest price of each interval."""
        latest = {price.interval.model_dump_json(): price for price in self.prices.values()}
        return list(latest.values())


def evolve_tiers(tiers: Mapping[UUID, Tier], event: CatalogEvent) -> Mapping[UUID, Tier]:
    """Apply a fact. Never checks: replay must always succeed."""
    if isinstance(event, TierCreated):
        tier = Tier(id=event.tier_id, name=event.name, trial_days=event.trial_days)
        return {**tiers, tier.id: tier}
    tier = tiers[event.tier_id]
    match event:
        case PricePublished():
            tier = replace(tier, prices={**tier.prices, event.price.version: event.price})
        case TierPublished():
            tier = replace(tier, state="published")
        case TierArchived():
            tier = replace(tier, state="archived")
        case PriceMigrationScheduled():
            migration = PriceMigration(
                to_version=event.to_version,
                begins_at=event.begins_at,
                notice=timedelta(seconds=event.notice_seconds),
            )
            tier = replace(tier, migrations={**tier.migrations, event.from_version: migration})
        case _:
            assert_never(event)
    return {**tiers, tier.id: tier}


def create_tier(creator: Creator | None, command: CreateTier, at: Occasion) -> list[CreatorEvent]:
    """A new tier. Raises `CreatorNotFound`, `CreatorIsClosed`, `AlreadyExists`, `TooManyTiers`."""
    creator = _open(creator)
    if command.tier_id in creator.tiers:
        raise AlreadyExists
    if len(creator.tiers) >= TIERS_MAX:
        raise TooManyTiers(maximum=TIERS_MAX)
    return [
        TierCreated(
            name=command.name, trial_days=command.trial_days, **_place(creator, command.tier_id, at)
        )
    ]


def publish_price(
    creator: Creator | None, command: PublishPrice, at: Occasion
) -> list[CreatorEvent]:
    """A new price version.

    Raises `CreatorNotFound`, `CreatorIsClosed`, `TierNotFound`, `TierNotOffered` for an archived
    tier, `CurrencyNotAccepted` or `TooManyTiers`.
    """
    creator = _open(creator)
    tier = _tier(creator, command.tier_id)
    if tier.state == "archived":
        raise TierNotOffered(state=tier.state)
    if command.money.currency != creator.settlement_currency:
        raise CurrencyNotAccepted(
            currency=command.money.currency, accepted=creator.settlement_currency
        )
    if len(tier.prices) >= PRICES_MAX:
        raise TooManyTiers(maximum=PRICES_MAX)
    price = Price(version=len(tier.prices) + 1, money=command.money, interval=command.interval)
    return [PricePublished(price=price, **_place(creator, tier.id, at))]


def publish_tier(creator: Creator | None, command: PublishTier, at: Occasion) -> list[CreatorEvent]:
    """Offer it; it needs a price.

    Raises `CreatorNotFound`, `CreatorIsClosed`, `TierNotFound`, `TierNotOffered` or
    `PriceNotFound`.
    """
    creator = _open(creator)
    tier = _tier(creator, command.tier_id)
    if tier.state == "archived":
        raise TierNotOffered(state=tier.state)
    if not tier.prices:
        raise PriceNotFound
    if tier.state == "published":
        return []
    return [TierPublished(**_place(creator, tier.id, at))]


def archive_tier(creator: Creator | None, command: ArchiveTier, at: Occasion) -> list[CreatorEvent]:
    """Offer it no more. Raises `CreatorNotFound` or `TierNotFound`."""
    creator = _known(creator)
    tier = _tier(creator, command.tier_id)
    if tier.state == "archived":
        return []
    return [TierArchived(**_place(creator, tier.id, at))]


def schedule_price_migration(
    creator: Creator | None, command: SchedulePriceMigration, at: Occasion
) -> list[CreatorEvent]:
    """Take live subscriptions to a later price of the same interval.

    Raises `CreatorNotFound`, `TierNotFound`, `PriceNotFound` or `MigrationNotPossible`.
    """
    creator = _known(creator)
    tier = _tier(creator, command.tier_id)
    source, target = tier.prices.get(command.from_version), tier.prices.get(command.to_version)
    if source is None or target is None:
        raise PriceNotFound
    if target.version <= source.version or target.interval != source.interval:
        raise MigrationNotPossible
    return [
        PriceMigrationScheduled(
            from_version=source.version,
            to_version=target.version,
            begins_at=command.begins_at,
            notice_seconds=command.notice_seconds,
            **_place(creator, tier.id, at),
        )
    ]


def _known(creator: Creator | None) -> Creator:
    if creator is None:
        raise CreatorNotFound
    return creator


def _open(creator: Creator | None) -> Creator:
    creator = _known(creator)
    if creator.closed:
        raise CreatorIsClosed
    return creator


def _tier(creator: Creator, tier_id: UUID) -> Tier:
    tier = creator.tiers.get(tier_id)
    if tier is None:
        raise TierNotFound
    return tier


def _place(creator: Creator, tier_id: UUID, at: Occasion) -> dict[str, Any]:
    return {
        "originator_id": creator.id,
        "originator_version": creator.version + 1,
        "tier_id": tier_id,
        **at.stamp(),
    }
