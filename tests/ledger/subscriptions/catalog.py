"""Creators with tiers and prices, which change now and then."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ledger.billing_periods import Interval
from ledger.commands import PaymentTerms
from ledger.postings import FeePlan
from tests.builders import PROVIDER, register_creator
from tests.money_builders import close_creator
from tests.subscription_builders import create_tier, migrate_price, publish_price, publish_tier

if TYPE_CHECKING:
    from random import Random

    from ledger.decisions import LedgerCommand

TERMS: Final = PaymentTerms(
    provider=PROVIDER, step=100, minimum=1_000, maximum=10**12, expires_after_seconds=1_800
)
INTERVALS: Final = {
    Interval(unit="month"): 100,
    Interval(unit="month", count=3): 40,
    Interval(unit="month", count=6): 20,
    Interval(unit="year"): 24,
    Interval(unit="week"): 5,
    Interval(unit="week", count=2): 5,
    Interval(unit="day", count=10): 5,
    Interval(unit="day"): 1,
}
"""How often each is chosen."""

DAYS_OF: Final = {"day": 1, "week": 7, "month": 30, "year": 365}
PRICES_A_DAY: Final = (3_000, 7_500, 20_000)
"""What a day costs in each tier, in minor units."""

CREATORS: Final = 5
CLOSED_MAX: Final = 2


def new_id(random: Random) -> UUID:
    """An id that the seed decides."""
    return UUID(int=random.getrandbits(128), version=4)


class Catalog:
    """What is offered: amounts by creator, tier and interval."""

    terms = TERMS

    def __init__(self, random: Random) -> None:
        self._random = random
        self.tiers = {
            new_id(random): tuple(new_id(random) for _ in PRICES_A_DAY) for _ in range(CREATORS)
        }
        self.closed: set[UUID] = set()
        self.prices: dict[tuple[UUID, Interval], tuple[int, int]] = {}
        self._versions = {tier: 0 for tiers in self.tiers.values() for tier in tiers}

    def beginning(self) -> list[LedgerCommand]:
        """Register creators, some of whose fees are kept, with three tiers each."""
        commands: list[LedgerCommand] = []
        for number, (creator, tiers) in enumerate(self.tiers.items()):
            plan = FeePlan(
                fee_basis_points=900 + 37 * number,
                vat_basis_points=1_600,
                keep_fee=number == CREATORS - 1,
            )
            commands.append(register_creator(creator, plan=plan))
            for tier, daily in zip(tiers, PRICES_A_DAY, strict=True):
                commands.append(create_tier(creator, tier, trial_days=7 + 7 * number))
                commands += [self._price(creator, tier, each, daily) for each in INTERVALS]
                commands.append(publish_tier(creator, tier))
        return commands

    def _price(self, creator: UUID, tier: UUID, interval: Interval, daily: int) -> LedgerCommand:
        # Odd enough that no part of it is round.
        amount = daily * DAYS_OF[interval.unit] * interval.count + 100 * self._random.randint(0, 9)
        self._versions[tier] += 1
        self.prices[tier, interval] = (self._versions[tier], amount)
        return publish_price(creator, tier, amount, interval)

    def news(self, now: datetime) -> list[LedgerCommand]:
        """Now and then a price changes, and most who pay the old one are taken over.

        Once in a long while a creator is closed.
        """
        chance = self._random.random()
        creator = self._random.choice(list(self.tiers))
        if chance < 0.001 and len(self.closed) < CLOSED_MAX:
            self.closed.add(creator)
            return [close_creator(creator)]
        if chance > 0.01 or creator in self.closed:
            return []
        tier = self._random.choice(self.tiers[creator])
        interval = self._random.choice(list(INTERVALS))
        version, amount = self.prices[tier, interval]
        daily = amount * self._random.choice((9, 11)) // 10 // DAYS_OF[interval.unit]
        published = self._price(creator, tier, interval, daily // interval.count // 100 * 100)
        if self._random.random() < 0.3:
            return [published]
        begins_at = now + timedelta(days=self._random.randint(0, 40))
        target = self._versions[tier]
        return [
            published,
            migrate_price(creator, tier, begins_at, source=version, target=target),
        ]

    def offers(self) -> tuple[UUID, UUID]:
        """Somebody's tier."""
        creator = self._random.choice(list(self.tiers))
        return creator, self._random.choice(self.tiers[creator])

    def interval(self) -> Interval:
        """How long somebody wants to subscribe for."""
        return self._random.choices(list(INTERVALS), list(INTERVALS.values()))[0]
