"""What another tier or interval costs, to the unit, and from when it holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from ledger.commands import PaymentTerms
from ledger.creator import Creator
from ledger.errors import QuoteOutdated
from ledger.events import (
    ChangeInvoiced,
    Event,
    InvoiceVoided,
    PeriodPaid,
    PrepaymentEnded,
    RenewalInvoiced,
    TierChanged,
    TierChangeScheduled,
)
from ledger.tier_changes import QUOTE_HOLDS, ChangePreview, preview
from tests.builders import NOON, TERMS
from tests.ledger.given import History
from tests.ledger.scenes import CREATOR, FAN, MOMENT
from tests.ledger.subscription_scenes import (
    BASIC,
    CLOCK,
    DAYS_10,
    FIRST,
    GOLD,
    GOLD_MONTHLY,
    LATER,
    MONTHLY,
    PHONE,
    RENEWAL,
    SECOND,
    SMALL,
    SMALL_MONTHLY,
    SUBSCRIPTION,
    TO_DOWNGRADE,
    TO_GOLD,
    TO_UPGRADE,
    UPGRADE,
    YEARLY,
    active,
    given_goodwill,
    offered,
    paid,
    prepaid,
    prompted,
    upgrading,
)
from tests.subscription_builders import (
    MONTH,
    WEEK,
    YEAR,
    change_tier,
    pay_invoice,
    publish_price,
    subscribe,
)

SECOND_OF_TIME: Final = timedelta(seconds=1)


def last(history: History, kind: type[Event]) -> Any:  # noqa: ANN401 - whatever was asked for
    return next(event for event in reversed(history.events) if isinstance(event, kind))


def quoted(
    history: History,
    *,
    tier: Any = GOLD,  # noqa: ANN401 - a tier's id
    interval: Any = MONTH,  # noqa: ANN401 - an interval
    terms: PaymentTerms = TERMS,
    at: datetime = DAYS_10,
) -> ChangePreview:
    creator = history.aggregates[CREATOR]
    assert isinstance(creator, Creator)
    subscription = history.subscription(SUBSCRIPTION)
    return preview(subscription, creator, tier_id=tier, interval=interval, terms=terms, at=at)


@pytest.mark.parametrize(
    ("at", "terms", "due"),
    [
        (NOON, TERMS, 31_000),
        (DAYS_10, TERMS, 21_000),
        # A second of 31 days is worth 0.01157 of a unit: rounded down.
        (DAYS_10 + SECOND_OF_TIME, TERMS, 20_999),
        (DAYS_10 + SECOND_OF_TIME, replace(TERMS, step=100), 20_900),
        (RENEWAL - timedelta(days=1), TERMS, 1_000),
        (RENEWAL - timedelta(days=1), replace(TERMS, minimum=1_000), 1_000),
        (RENEWAL - timedelta(days=1), replace(TERMS, minimum=1_001), 0),
        (RENEWAL - MOMENT, TERMS, 0),
    ],
)
def test_an_upgrade_costs_the_difference_for_what_remains_of_the_period(
    at: datetime, terms: PaymentTerms, due: int
) -> None:
    found = quoted(active(), at=at, terms=terms)
    assert (found.kind, found.amount_due, found.holds_from) == ("upgrade", due, at)
    assert found.price.money.amount == GOLD_MONTHLY


def test_what_costs_no_more_is_changed_at_the_renewal_and_nothing_is_charged() -> None:
    for tier, interval in ((SMALL, MONTH), (BASIC, YEAR)):
        found = quoted(active(), tier=tier, interval=interval)
        assert (found.kind, found.amount_due, found.holds_from) == ("at_renewal", 0, RENEWAL)


def test_back_to_what_it_is_revokes_what_was_scheduled() -> None:
    history = active().given(TO_DOWNGRADE)
    assert quoted(history, tier=BASIC).kind == "revoke"
    history.given(change_tier(SUBSCRIPTION, BASIC, 0, DAYS_10)).at(RENEWAL).given(CLOCK)
    assert last(history, RenewalInvoiced).money.amount == MONTHLY


def test_a_change_is_what_its_preview_said_for_fifteen_minutes() -> None:
    history = active().at(DAYS_10 + QUOTE_HOLDS)
    assert quoted(history, at=history.now).amount_due < TO_GOLD
    history.given(TO_UPGRADE)
    invoiced = last(history, ChangeInvoiced)
    assert (invoiced.money.amount, invoiced.number) == (TO_GOLD, 1)
    # And then it can be paid for as long.
    assert invoiced.expires_at == DAYS_10 + 2 * QUOTE_HOLDS


@pytest.mark.parametrize(
    ("quoted_at", "now"),
    [
        (DAYS_10, DAYS_10 + QUOTE_HOLDS + MOMENT),
        (DAYS_10 + MOMENT, DAYS_10),
        # The period in which it was quoted is over.
        (RENEWAL - LATER, RENEWAL + LATER),
    ],
)
def test_an_outdated_preview_is_refused_with_what_is_due_now(
    quoted_at: datetime, now: datetime
) -> None:
    history = active().at(RENEWAL - 2 * LATER).given(pay_invoice(SUBSCRIPTION))
    history.given(*prompted(SECOND), paid(SECOND)).at(now)
    amount = quoted(history, at=quoted_at).amount_due
    with pytest.raises(QuoteOutdated) as refused:
        history.decide(change_tier(SUBSCRIPTION, GOLD, amount, quoted_at))
    due = quoted(history, at=now).amount_due
    assert refused.value.parameters == {"amount_due": due, "currency": "KES"}


def test_a_preview_is_outdated_when_the_price_has_changed_meanwhile() -> None:
    history = active().given(publish_price(CREATOR, GOLD, 93_000))
    with pytest.raises(QuoteOutdated) as refused:
        history.decide(TO_UPGRADE)
    assert refused.value.parameters == {"amount_due": 42_000, "currency": "KES"}


def test_an_upgrade_that_is_paid_holds_at_once_and_renews_at_its_price() -> None:
    history = upgrading()
    assert history.subscription(SUBSCRIPTION).tier_id == BASIC
    history.at(DAYS_10 + LATER).given(paid(UPGRADE, TO_GOLD))
    assert history.subscription(SUBSCRIPTION).tier_id == GOLD
    history.at(RENEWAL).given(CLOCK)
    renewal = last(history, RenewalInvoiced)
    assert (renewal.number, renewal.start, renewal.money.amount) == (2, RENEWAL, GOLD_MONTHLY)


def test_an_upgrade_that_is_paid_too_late_is_credit_that_the_renewal_takes() -> None:
    history = upgrading().at(DAYS_10 + QUOTE_HOLDS).given(paid(UPGRADE, TO_GOLD))
    assert history.subscription(SUBSCRIPTION).tier_id == BASIC
    assert last(history, InvoiceVoided).reason == "expired"
    assert history.balances()[f"fan:{FAN}:credit", "KES"] == -TO_GOLD
    history.at(RENEWAL).given(CLOCK)
    renewal = last(history, RenewalInvoiced)
    assert (renewal.money.amount, renewal.credit) == (MONTHLY, TO_GOLD)
    assert history.payment(SECOND).money.amount == MONTHLY - TO_GOLD


def test_up_down_and_up_again_within_a_period_gains_nothing() -> None:
    history = upgrading().given(paid(UPGRADE, TO_GOLD))
    history.given(change_tier(SUBSCRIPTION, BASIC, 0, DAYS_10))
    scheduled = last(history, TierChangeScheduled)
    assert (scheduled.tier_id, scheduled.at) == (BASIC, RENEWAL)
    assert (f"fan:{FAN}:credit", "KES") not in history.balances()
    history.given(change_tier(SUBSCRIPTION, GOLD, 0, DAYS_10))
    assert history.subscription(SUBSCRIPTION).tier_id == GOLD
    assert history.subscription(SUBSCRIPTION).change is None


def test_goodwill_pays_an_upgrade_without_a_prompt() -> None:
    history = given_goodwill(active(), TO_GOLD).given(TO_UPGRADE)
    assert history.subscription(SUBSCRIPTION).tier_id == GOLD
    assert (f"fan:{FAN}:goodwill", "KES") not in history.balances()


def test_the_renewal_that_was_invoiced_at_the_old_price_cannot_be_paid_after_an_upgrade() -> None:
    history = upgrading().given(pay_invoice(SUBSCRIPTION, 2), *prompted(SECOND))
    history.given(paid(UPGRADE, TO_GOLD), paid(SECOND))
    subscription = history.subscription(SUBSCRIPTION)
    assert (subscription.invoice, subscription.paid_until) == (None, RENEWAL)
    assert history.balances()[f"fan:{FAN}:credit", "KES"] == -MONTHLY
    history.at(RENEWAL).given(CLOCK)
    renewal = last(history, RenewalInvoiced)
    assert (renewal.money.amount, renewal.credit) == (GOLD_MONTHLY, MONTHLY)


def test_what_was_prepaid_at_the_lower_price_is_credit_after_an_upgrade() -> None:
    history = prepaid().given(TO_UPGRADE, *prompted(UPGRADE), paid(UPGRADE, TO_GOLD))
    assert history.balances()[f"fan:{FAN}:credit", "KES"] == -2 * MONTHLY
    assert last(history, PrepaymentEnded).number == 2
    history.at(RENEWAL).given(CLOCK)
    # 62,000 of credit pay it; the numbers that were prepaid are not used again.
    paid_by_credit = last(history, PeriodPaid)
    assert (paid_by_credit.number, paid_by_credit.start) == (4, RENEWAL)
    assert (f"fan:{FAN}:credit", "KES") not in history.balances()


def test_a_lower_price_holds_from_the_renewal_on() -> None:
    history = active().given(TO_DOWNGRADE)
    assert history.subscription(SUBSCRIPTION).tier_id == BASIC
    history.at(RENEWAL).given(CLOCK)
    changed, renewal = last(history, TierChanged), last(history, RenewalInvoiced)
    assert (changed.tier_id, changed.reason, changed.anchor) == (SMALL, "scheduled", None)
    assert (renewal.start, renewal.money.amount) == (RENEWAL, SMALL_MONTHLY)


def test_a_year_is_counted_from_the_renewal_on() -> None:
    history = active().given(change_tier(SUBSCRIPTION, BASIC, 0, DAYS_10, interval=YEAR))
    history.at(RENEWAL).given(CLOCK)
    renewal = last(history, RenewalInvoiced)
    assert renewal.money.amount == YEARLY
    assert (renewal.start, renewal.end) == (RENEWAL, RENEWAL.replace(year=2027))


def begun(at: datetime, interval: Any, amount: int) -> History:  # noqa: ANN401 - an interval
    """A subscription whose first period is paid at an instant."""
    wish = subscribe(FAN, CREATOR, BASIC, PHONE, subscription_id=SUBSCRIPTION, interval=interval)
    history = offered().given(publish_price(CREATOR, BASIC, amount, interval)).at(at)
    return history.given(wish, *prompted(FIRST), paid(FIRST, amount))


def test_months_after_weeks_begin_on_the_day_of_the_change() -> None:
    """The weeks were counted from the first of the month, and the months are not."""
    history = begun(NOON, WEEK, 8_000).given(change_tier(SUBSCRIPTION, BASIC, 0, NOON))
    week_over = NOON + timedelta(days=7)
    history.at(week_over).given(CLOCK)
    renewal = last(history, RenewalInvoiced)
    assert (renewal.start, renewal.end) == (week_over, datetime(2026, 4, 8, 12, tzinfo=UTC))


def test_the_31st_is_still_meant_when_months_become_years_in_february() -> None:
    begin = datetime(2027, 1, 31, 12, tzinfo=UTC)
    history = begun(begin, MONTH, MONTHLY)
    history.given(change_tier(SUBSCRIPTION, BASIC, 0, begin, interval=YEAR))
    february = datetime(2027, 2, 28, 12, tzinfo=UTC)
    history.at(february).given(CLOCK)
    renewal = last(history, RenewalInvoiced)
    assert (renewal.start, renewal.end) == (february, datetime(2028, 2, 29, 12, tzinfo=UTC))
