"""Up, down, away and back: no order of wishes gains money or time.

A fan does what they like within their periods, while time stands or passes, by microseconds or up
to the end; whatever they are asked for, they pay at once. What they paid and do not have as credit
is worth what they used and still have, at the prices of the tiers that they had.
"""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import unused_time
from ledger.accounts import FanFunds, fan_funds
from ledger.creator import Creator
from ledger.errors import Refused
from ledger.events import TierChanged
from ledger.subscription import Subscription, SubscriptionState
from ledger.tier_changes import preview
from tests.builders import TERMS, report_success, start_submission
from tests.ledger.scenes import CREATOR, FAN
from tests.ledger.subscription_scenes import BASIC, GOLD, PHONE, SMALL, SUBSCRIPTION, offered
from tests.ledger.subscriptions.memory import watched
from tests.ledger.subscriptions.naive import for_all_of_it
from tests.subscription_builders import (
    WEEK,
    cancel_subscription,
    change_tier,
    pause_subscription,
    pay_invoice,
    prepay,
    publish_price,
    resume_subscription,
    revoke_cancellation,
    subscribe,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from ledger.decisions import LedgerCommand
    from ledger.subscription import PaidPeriod

MICROSECOND: Final = timedelta(microseconds=1)
PRICES: Final = {BASIC: 7_013, GOLD: 15_001, SMALL: 3_511}
"""Minor units, so that no day of a week is a whole number of them."""


class Life:
    """A fan's week, and the worth of what they used of it so far, in minor units."""

    def __init__(self) -> None:
        self.used = Fraction(0)
        self.history = offered()
        for tier, amount in PRICES.items():
            self.history.given(publish_price(CREATOR, tier, amount, WEEK))
        self.ask(subscribe(FAN, CREATOR, BASIC, PHONE, subscription_id=SUBSCRIPTION, interval=WEEK))

    @property
    def subscription(self) -> Subscription:
        found = self.history.aggregates[SUBSCRIPTION]
        assert isinstance(found, Subscription)
        return found

    def ask(self, command: LedgerCommand) -> None:
        """Ask, and pay what one is asked for."""
        self.history.given(command)
        for invoice in self.subscription.open_invoices():
            if invoice.live is not None:
                payment = invoice.live.payment_id
                self.history.given(start_submission(payment), report_success(payment, invoice.cash))

    def wait(self, time: timedelta) -> None:
        """Let time pass, but not beyond the end of the period."""
        current = self._current()
        if current is not None:
            time = min(time, current.end - MICROSECOND - self.history.now)
            self.used += self._worth(current, time)
        self.history.at(self.history.now + time)

    def change(self, tier: UUID) -> None:
        """Change for what it costs now."""
        creator, now = self.history.aggregates[CREATOR], self.history.now
        assert isinstance(creator, Creator)
        wanted = preview(
            self.subscription, creator, tier_id=tier, interval=WEEK, terms=TERMS, at=now
        )
        self.ask(change_tier(SUBSCRIPTION, tier, wanted.amount_due, now, interval=WEEK))

    def _current(self) -> PaidPeriod | None:
        sub = self.subscription
        return sub.period_at(self.history.now) if sub.state is SubscriptionState.ACTIVE else None

    def _worth(self, of: PaidPeriod, time: timedelta) -> Fraction:
        whole = of.end - of.start
        return self.subscription.price.money.amount * Fraction(
            time // MICROSECOND, whole // MICROSECOND
        )

    def worth(self) -> Fraction:
        """What was used and what is still there."""
        now = self.history.now
        ahead = self.subscription.periods
        return self.used + sum(
            self._worth(each, each.end - max(now, each.start)) for each in ahead if each.end > now
        )

    def spent(self) -> int:
        """What they paid and do not have as credit, in minor units."""
        balances = self.history.balances()
        funds = (FanFunds.CREDIT, FanFunds.RESERVED, FanFunds.GOODWILL)
        credit = -sum(balances.get((fan_funds(FAN, each), "KES"), 0) for each in funds)
        return balances["provider:sandbox:collection", "KES"] - credit

    def upgrades(self) -> int:
        """How often a higher tier was paid, each time rounded down to a minor unit."""
        return sum(
            isinstance(each, TierChanged) and each.reason == "upgraded"
            for each in self.history.events
        )


def change(tier: UUID) -> Callable[[Life], None]:
    return lambda life: life.change(tier)


def asked(command: Callable[..., LedgerCommand], *what: object) -> Callable[[Life], None]:
    return lambda life: life.ask(command(SUBSCRIPTION, *what))


def away_and_back(life: Life) -> None:
    life.ask(pause_subscription(SUBSCRIPTION))
    life.ask(resume_subscription(SUBSCRIPTION))


waits = st.one_of(
    st.fractions(0, 1).map(lambda part: timedelta(days=7 * part.numerator / part.denominator)),
    st.integers(0, 3).map(lambda number: number * MICROSECOND),
)
wishes = st.one_of(
    st.sampled_from(list(PRICES)).map(change),
    st.sampled_from(
        [
            asked(pause_subscription),
            asked(resume_subscription),
            away_and_back,
            away_and_back,
            asked(pay_invoice),
            asked(cancel_subscription, "period_end"),
            asked(pause_subscription, "period_end"),
            asked(revoke_cancellation),
            *(asked(prepay, number) for number in (1, 2, 5)),
        ]
    ),
)


def live(*steps: Callable[[Life], None] | timedelta) -> Life:
    """Live a week, step by step; what is refused is refused."""
    life = Life()
    for step in steps:
        try:
            if isinstance(step, timedelta):
                life.wait(step)
            else:
                step(life)
        except Refused:
            continue
    return life


@given(st.lists(st.one_of(wishes, wishes, waits), max_size=14))
def test_what_a_fan_has_spent_is_worth_what_they_used_and_have(
    steps: list[Callable[[Life], None] | timedelta],
) -> None:
    life = live(*steps)
    assert life.spent() + life.upgrades() >= life.worth()
    assert watched(life.history.events).violations == []


@given(st.lists(wishes, max_size=14))
def test_while_time_stands_whoever_is_back_where_they_were_has_paid_no_less(
    steps: list[Callable[[Life], None]],
) -> None:
    life = live(*steps)
    if life.subscription.price.money.amount == PRICES[BASIC] and life.subscription.periods:
        assert life.spent() >= PRICES[BASIC]
    assert life.spent() >= 0


UP_AND_AWAY: Final = (
    change(GOLD),
    timedelta(days=2),
    change(SMALL),
    away_and_back,
)


def test_up_away_and_back_lower_costs_what_was_used() -> None:
    life = live(*UP_AND_AWAY)
    assert life.subscription.tier_id == SMALL
    assert 0 <= life.spent() - life.worth() < 3


def test_credit_for_time_that_was_used_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unused_time, "part_left", for_all_of_it)
    life = live(*UP_AND_AWAY)
    assert life.spent() + life.upgrades() < life.worth()
