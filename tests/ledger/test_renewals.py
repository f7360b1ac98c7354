"""Stories of renewals: the calendar, outages, reminders, prices that go up, and credit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import uuid5

import pytest

from ledger.commands import PaymentTerms
from ledger.events import (
    CreditSpent,
    Event,
    InvoiceVoided,
    PeriodPaid,
    PeriodSkipped,
    PriceMigrationNoticed,
    RenewalInvoiced,
    RenewalReminded,
)
from ledger.invoices import invoice_id
from ledger.renewals import due_at
from ledger.subscription import SubscriptionState
from tests.builders import NOON, TERMS
from tests.ledger.given import History
from tests.ledger.scenes import CREATOR, FAN, MOMENT
from tests.ledger.subscription_scenes import (
    BASIC,
    CANCEL_LATER,
    CARD,
    CLOCK,
    CLOCK_ALONE,
    DAYS_10,
    FIRST,
    MONTHLY,
    NEW_MONTHLY,
    PHONE,
    RENEWAL,
    SECOND,
    SMALL_MONTHLY,
    SUBSCRIPTION,
    TO_DOWNGRADE,
    TRIAL_END,
    active,
    asked,
    attempt_of,
    declined,
    due,
    given_goodwill,
    migrating,
    offered,
    paid,
    past_due,
    paused,
    prompted,
    trying,
)
from tests.subscription_builders import (
    MONTH,
    WEEK,
    ZONE,
    advance,
    migrate_price,
    pay_invoice,
    publish_price,
    resume_subscription,
    subscribe,
)

E = TypeVar("E", bound=Event)
A_DAY: Final = timedelta(days=1)
MAY: Final = datetime(2026, 5, 1, 12, tzinfo=UTC)


def found(history: History, kind: type[E]) -> list[E]:
    return [event for event in history.events if isinstance(event, kind)]


def invoiced(history: History) -> list[tuple[int, datetime, int]]:
    return [
        (event.number, event.start, event.money.amount) for event in found(history, RenewalInvoiced)
    ]


def renewed(history: History, number: int, at: datetime, amount: int = MONTHLY) -> History:
    """The clock asks, and the fan pays."""
    payment = attempt_of(number)
    return history.at(at).given(CLOCK, *prompted(payment), paid(payment, amount))


def begun(at: datetime, *, zone: str = ZONE, interval: Any = MONTH) -> History:  # noqa: ANN401
    """Charged to a card, so that it renews at any hour; the first period is paid."""
    wish = subscribe(
        FAN, CREATOR, BASIC, CARD, subscription_id=SUBSCRIPTION, zone=zone, interval=interval
    )
    history = offered().given(publish_price(CREATOR, BASIC, MONTHLY, WEEK)).at(at)
    return history.given(wish, *prompted(FIRST), paid(FIRST))


# The calendar.


def test_a_period_paid_late_within_grace_keeps_the_anchor() -> None:
    history = past_due().at(RENEWAL + 3 * A_DAY).given(paid(SECOND))
    assert found(history, PeriodPaid)[-1].end == MAY
    renewed(history, 3, MAY)
    assert invoiced(history) == [(2, RENEWAL, MONTHLY), (3, MAY, MONTHLY)]


def test_what_began_on_the_31st_renews_on_the_last_day_of_short_months_only() -> None:
    history = begun(datetime(2027, 1, 31, 12, tzinfo=UTC))
    starts = [
        datetime(2027, month, day, 12, tzinfo=UTC)
        for month, day in ((2, 28), (3, 31), (4, 30), (5, 31))
    ]
    for number, start in enumerate(starts, 2):
        history.at(start - MOMENT).given(CLOCK)
        assert len(invoiced(history)) == number - 2
        renewed(history, number, start)
    assert [start for _, start, _ in invoiced(history)] == starts


def test_periods_begin_at_the_same_hour_where_the_fan_lives() -> None:
    """Clocks in New York go forward on 8 March 2026: noon is an hour earlier in UTC."""
    history = begun(datetime(2026, 2, 15, 17, tzinfo=UTC), zone="America/New_York")
    assert found(history, PeriodPaid)[0].end == datetime(2026, 3, 15, 16, tzinfo=UTC)


def test_a_period_paid_early_is_the_one_on_the_calendar() -> None:
    history = active().given(pay_invoice(SUBSCRIPTION, 2), *prompted(SECOND), paid(SECOND))
    assert found(history, PeriodPaid)[-1].start == RENEWAL
    assert history.at(RENEWAL).decide(CLOCK).events == []
    renewed(history, 3, MAY)
    assert invoiced(history)[-1] == (3, MAY, MONTHLY)


# Outages of ours.


def test_an_outage_of_three_weeks_skips_what_is_over_and_bills_what_is_not() -> None:
    history = begun(NOON, interval=WEEK)
    week = timedelta(days=7)
    back = NOON + 4 * week + A_DAY
    assert history.subscription(SUBSCRIPTION).is_entitled(back)
    history.at(back).given(CLOCK)
    skipped = found(history, PeriodSkipped)
    assert [(each.number, each.start) for each in skipped] == [
        (2, NOON + week),
        (3, NOON + 2 * week),
        (4, NOON + 3 * week),
    ]
    assert invoiced(history) == [(5, NOON + 4 * week, MONTHLY)]


def test_a_period_that_nobody_was_asked_for_is_free() -> None:
    history = due().given(CLOCK_ALONE)
    assert history.subscription(SUBSCRIPTION).is_entitled(MAY - MOMENT)
    history.at(MAY).given(CLOCK_ALONE)
    void = found(history, InvoiceVoided)[-1]
    assert (void.number, void.reason) == (2, "not_collected")
    assert invoiced(history)[-1] == (3, MAY, MONTHLY)
    assert history.subscription(SUBSCRIPTION).state is SubscriptionState.ACTIVE


def test_who_was_asked_on_the_last_day_has_grace_until_its_end_and_no_longer() -> None:
    asked_late = MAY - timedelta(hours=6)
    history = due().given(CLOCK_ALONE).at(asked_late).given(CLOCK, *prompted(SECOND))
    history.given(declined(SECOND))
    assert history.subscription(SUBSCRIPTION).grace_until == MAY


# Reminders.


def test_who_has_just_tried_to_pay_is_not_asked_by_the_clock_right_after() -> None:
    history = past_due().at(RENEWAL + timedelta(hours=1.5)).given(pay_invoice(SUBSCRIPTION))
    again = attempt_of(2, 2)
    history = history.given(*prompted(again), declined(again))
    # By its own calendar the clock would ask four hours after the first prompt.
    assert due_at(history.subscription(SUBSCRIPTION)) == RENEWAL + timedelta(hours=4.5)


def reminders(history: History) -> list[tuple[int, int, datetime, int]]:
    return [
        (each.number, each.days, each.recorded_at, each.money.amount)
        for each in found(history, RenewalReminded)
    ]


def wake(history: History, until: datetime) -> History:
    """Let the clock look whenever something is due, until then; nothing is collected."""
    while (at := due_at(history.subscription(SUBSCRIPTION))) is not None and at < until:
        assert history.at(max(at, history.now)).when(CLOCK_ALONE).events
    return history


def test_a_fan_is_reminded_three_days_and_one_day_before() -> None:
    history = wake(active(), RENEWAL)
    assert reminders(history) == [
        (2, 3, RENEWAL - 3 * A_DAY, MONTHLY),
        (2, 1, RENEWAL - A_DAY, MONTHLY),
    ]


def test_of_a_trial_s_end_too() -> None:
    history = wake(trying(), TRIAL_END)
    assert reminders(history) == [
        (1, 3, TRIAL_END - 3 * A_DAY, MONTHLY),
        (1, 1, TRIAL_END - A_DAY, MONTHLY),
    ]


def test_nobody_is_reminded_of_what_will_not_come() -> None:
    assert reminders(wake(active().given(CANCEL_LATER), RENEWAL)) == []


def test_a_reminder_names_the_price_that_will_hold() -> None:
    cheaper = wake(active().given(TO_DOWNGRADE), RENEWAL)
    assert [amount for *_, amount in reminders(cheaper)] == [SMALL_MONTHLY, SMALL_MONTHLY]
    dearer = wake(migrating().given(CLOCK), RENEWAL)
    assert [amount for *_, amount in reminders(dearer)] == [NEW_MONTHLY, NEW_MONTHLY]


def test_who_was_not_reminded_in_time_is_reminded_once() -> None:
    history = active().at(RENEWAL - A_DAY).given(CLOCK)
    assert [days for _, days, *_ in reminders(history)] == [1]
    assert due_at(history.subscription(SUBSCRIPTION)) == RENEWAL


# A price that goes up.


@pytest.mark.parametrize(
    ("told_at", "first", "second"),
    [
        (DAYS_10, NEW_MONTHLY, NEW_MONTHLY),
        (RENEWAL - 14 * A_DAY, NEW_MONTHLY, NEW_MONTHLY),
        (RENEWAL - 14 * A_DAY + MOMENT, MONTHLY, NEW_MONTHLY),
        (RENEWAL - A_DAY, MONTHLY, NEW_MONTHLY),
    ],
)
def test_a_higher_price_holds_only_with_fourteen_days_of_notice(
    told_at: datetime, first: int, second: int
) -> None:
    history = migrating().at(told_at).given(CLOCK)
    noticed = found(history, PriceMigrationNoticed)
    assert [each.at for each in noticed] == [told_at + 14 * A_DAY]
    renewed(history, 2, RENEWAL, first)
    renewed(history, 3, MAY, second)
    assert [amount for *_, amount in invoiced(history)] == [first, second]
    assert len(found(history, PriceMigrationNoticed)) == 1


def test_a_higher_price_does_not_hold_before_it_was_said_to() -> None:
    history = active().given(
        publish_price(CREATOR, BASIC, NEW_MONTHLY),
        migrate_price(CREATOR, BASIC, MAY, target=3, notice_seconds=0),
    )
    history.given(CLOCK)
    renewed(history, 2, RENEWAL)
    renewed(history, 3, MAY, NEW_MONTHLY)
    assert [amount for *_, amount in invoiced(history)] == [MONTHLY, NEW_MONTHLY]


def test_a_new_price_without_a_migration_is_for_new_fans() -> None:
    history = active().given(publish_price(CREATOR, BASIC, NEW_MONTHLY))
    renewed(history, 2, RENEWAL)
    assert invoiced(history) == [(2, RENEWAL, MONTHLY)]


# Credit pays first.


@pytest.mark.parametrize(
    ("terms", "goodwill", "credit"),
    [
        (TERMS, 5_050, 21_000),
        # 4,950 are left: rounded up to what the provider takes, at the cost of the fan's own.
        (replace(TERMS, step=100), 5_050, 20_950),
        (replace(TERMS, minimum=10_000), 5_050, 15_950),
        # So much that credit is not used at all, and not even all of the goodwill.
        (replace(TERMS, minimum=30_000), 1_000, 0),
        (replace(TERMS, minimum=MONTHLY), 0, 0),
    ],
)
def test_goodwill_is_reserved_first_then_credit_and_the_rest_can_be_charged(
    terms: PaymentTerms, goodwill: int, credit: int
) -> None:
    history = given_goodwill(paused(), 5_050)
    history.given(resume_subscription(SUBSCRIPTION, terms=terms))
    invoice = history.subscription(SUBSCRIPTION).invoice
    assert invoice is not None
    assert (invoice.goodwill, invoice.credit) == (goodwill, credit)
    cash = history.payment(SECOND).money.amount
    assert cash == invoice.cash == MONTHLY - goodwill - credit
    assert cash % terms.step == 0
    assert cash >= terms.minimum


def test_what_credit_pays_is_shared_like_any_payment_and_waits_as_long() -> None:
    history = given_goodwill(paused(), 5_000).given(resume_subscription(SUBSCRIPTION))
    history.given(*prompted(SECOND), paid(SECOND, 5_000))
    spent = {each.source: each for each in found(history, CreditSpent)}
    assert {source: each.money.amount for source, each in spent.items()} == {
        "credit": 21_000,
        "goodwill": 5_000,
    }
    assert spent["credit"].split.gross == 21_000
    assert spent["credit"].split.fee == 2_100
    assert spent["credit"].releases_at == history.payment(SECOND).flows.releases_at
    period = found(history, PeriodPaid)[-1]
    credit, goodwill = (uuid5(invoice_id(SUBSCRIPTION, 2), each) for each in ("credit", "goodwill"))
    assert period.payments == (SECOND, credit, goodwill)


def test_credit_that_is_reserved_is_free_again_when_the_invoice_is_void() -> None:
    history = given_goodwill(due(), 10_000).given(CLOCK, *prompted(SECOND))
    assert history.balances()[f"fan:{FAN}:credit_reserved", "KES"] == -10_000
    history.given(declined(SECOND)).at(RENEWAL + 7 * A_DAY).given(CLOCK)
    assert history.subscription(SUBSCRIPTION).state is SubscriptionState.EXPIRED
    balances = history.balances()
    assert balances[f"fan:{FAN}:goodwill", "KES"] == -10_000
    assert (f"fan:{FAN}:credit_reserved", "KES") not in balances


def test_a_renewal_that_credit_pays_needs_no_phone_and_no_hour() -> None:
    history = given_goodwill(active(), MONTHLY).at(RENEWAL + timedelta(hours=8)).given(CLOCK_ALONE)
    assert found(history, PeriodPaid)[-1].start == RENEWAL
    assert history.subscription(SUBSCRIPTION).paid_until == MAY


def test_another_provider_s_terms_are_not_taken_for_this_one_s() -> None:
    history = due().given(advance(SUBSCRIPTION, terms=replace(TERMS, provider="other")))
    assert invoiced(history) == [(2, RENEWAL, MONTHLY)]
    assert SECOND not in history.aggregates


def test_a_prompt_goes_to_the_phone_and_a_charge_to_the_card_of_the_subscription() -> None:
    assert asked().payment(SECOND).instrument == PHONE.instrument
    card = renewed(begun(NOON), 2, RENEWAL).payment(SECOND)
    assert (card.method, card.instrument) == ("card", CARD.instrument)
