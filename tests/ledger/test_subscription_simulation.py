"""Five hundred fans for three years on the real database, and the laws of subscriptions in it.

Clocks are away for weeks, dispatchers too; two clocks race from two threads; providers answer late,
twice, with another amount, or not at all; fans wish for what makes no sense. Everything random but
which of two clocks comes first is of the seed. The laws are in tests/ledger/subscriptions/laws.py;
that they notice anything is shown in test_subscription_properties.py.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

import pytest

from ledger.events import EVENT_CLASSES
from tests.ledger.subscriptions.campaign import Findings, campaign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.databases import Databases

SEEDS: Final = (20_430_129, 20_430_130)
FANS_OF_A_SEED: Final = 250
DAYS: Final = 3 * 365
SEEDS_OF_A_CAMPAIGN: Final = 12

TOPICS: Final = {
    cls.TOPIC
    for cls in EVENT_CLASSES
    if cls.__module__ == "ledger.events.subscriptions" and cls.TOPIC
}


def assert_lawful(found: Findings, seeds: Sequence[int]) -> None:
    fans = FANS_OF_A_SEED * len(seeds)
    told = f"seeds {list(seeds)}, fans {FANS_OF_A_SEED}, days {DAYS}: {found}"
    broken = "\n".join(f"seed {seed}: {each}" for seed, each in found.violations[:5])
    assert not found.violations, broken
    assert found.replayed, told
    assert found.subscriptions > fans, told
    assert found.samples > fans, told
    assert set(found.topics) >= TOPICS, told
    # The simulation's own arithmetic of a quote is the ledger's, unless a renewal came between.
    quotes = found.topics["subscription.change_invoiced.v1"]
    assert found.refusals["quote_outdated"] < quotes / 50, told
    # Nonsense was asked for, and half of the fans stayed to the end.
    assert sum(found.refusals.values()) > fans, told
    assert found.states["active"] > fans / 2, told


@pytest.mark.timeout(900)
def test_in_three_years_of_five_hundred_fans_the_laws_of_subscriptions_hold(
    databases: Databases,
) -> None:
    found = campaign(databases, SEEDS, fans=FANS_OF_A_SEED, days=DAYS)
    assert_lawful(found, SEEDS)


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_in_the_lives_of_fans_that_nobody_has_seen_before_they_hold_too(
    databases: Databases,
) -> None:
    first = secrets.randbits(48)
    seeds = range(first, first + SEEDS_OF_A_CAMPAIGN)
    found = campaign(databases, seeds, fans=FANS_OF_A_SEED, days=DAYS)
    assert_lawful(found, seeds)
