"""What was paid for time that is not used becomes credit: exactly so much, and by the same legs."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

import pytest

from ledger.events import CreditNoteIssued, PeriodPaid, PrepaymentEnded, UnusedTimeCredited
from ledger.money import Split
from ledger.postings import FeePlan
from ledger.unused_time import part_left
from tests.builders import NOON, assign_fee_plan, register_creator
from tests.ledger.agreement import assert_aggregates_and_balances_agree
from tests.ledger.given import History
from tests.ledger.scenes import CREATOR, FAN, MOMENT, RELEASES_AT
from tests.ledger.subscription_scenes import (
    BASIC,
    CANCEL,
    CANCEL_LATER,
    CLOCK,
    DAYS_10,
    FIRST,
    IN_ADVANCE,
    MONTHLY,
    PAUSE,
    PHONE,
    RENEWAL,
    SUBSCRIBE,
    SUBSCRIPTION,
    TO_GOLD,
    UPGRADE,
    active,
    confirmed,
    due,
    given_goodwill,
    incomplete,
    offered,
    paid,
    prepaid,
    prompted,
    upgrading,
)
from tests.money_builders import release_funds, report_dispute, request_refund
from tests.subscription_builders import (
    create_tier,
    publish_price,
    publish_tier,
    resume_subscription,
    revoke_cancellation,
)

DAYS_20: Final = NOON + timedelta(days=20)


def credit_of(history: History) -> int:
    return -history.balances().get((f"fan:{FAN}:credit", "KES"), 0)


def notes(history: History) -> list[int]:
    return [each.money.amount for each in history.events if isinstance(each, CreditNoteIssued)]


@pytest.mark.parametrize(
    ("now", "left"),
    [
        (NOON - timedelta(days=1), Fraction(1)),
        (NOON, Fraction(1)),
        (DAYS_10, Fraction(21, 31)),
        (RENEWAL - MOMENT, Fraction(1, 31 * 24 * 3600 * 10**6)),
        (RENEWAL, Fraction(0)),
        (RENEWAL + timedelta(days=1), Fraction(0)),
    ],
)
def test_the_part_that_is_left_of_a_period_is_exact(now: datetime, left: Fraction) -> None:
    assert part_left(since=NOON, end=RENEWAL, now=now) == left


def test_a_pause_after_ten_of_thirty_one_days_credits_21000_by_the_legs_of_the_payment() -> None:
    history = active().given(PAUSE)
    credited = next(each for each in history.events if isinstance(each, UnusedTimeCredited))
    # Of 3,100, 496 and 27,404: 21/31 of each, to the unit.
    assert credited.legs == Split(fee=2_100, vat=336, net=18_564)
    assert (credit_of(history), notes(history)) == (21_000, [21_000])
    balances = history.balances()
    assert balances[f"creator:{CREATOR}:pending", "KES"] == -8_840
    assert (balances["platform:fees", "KES"], balances["tax:vat", "KES"]) == (-1_000, -160)


def test_credit_is_rounded_down() -> None:
    history = active().at(DAYS_10 + timedelta(seconds=1)).given(PAUSE)
    assert credit_of(history) == 20_999


def test_what_the_creator_was_released_is_taken_from_what_is_available() -> None:
    history = active().at(RELEASES_AT).given(release_funds(FIRST)).at(DAYS_10).given(PAUSE)
    balances = history.balances()
    assert balances[f"creator:{CREATOR}:available", "KES"] == -8_840
    assert (f"creator:{CREATOR}:pending", "KES") not in balances


def test_an_upgrade_is_credited_for_its_own_time() -> None:
    """31,000 for 31 days and 21,000 for the last 21 of them: of 11 days, 11,000 each."""
    history = upgrading().given(paid(UPGRADE, TO_GOLD)).at(DAYS_20).given(PAUSE)
    assert [
        each.money.amount for each in history.events if isinstance(each, UnusedTimeCredited)
    ] == [
        11_000,
        11_000,
    ]
    assert credit_of(history) == 22_000


def test_of_what_was_prepaid_all_is_credited_when_none_of_it_is_used() -> None:
    history = prepaid().given(CANCEL)
    assert (credit_of(history), notes(history)) == (62_000, [62_000])
    assert history.payment(IN_ADVANCE).flows.remaining() == Split(fee=0, vat=0, net=0)


def test_of_two_prepaid_months_one_is_credited_in_the_first_of_them() -> None:
    history = prepaid().at(RENEWAL + timedelta(days=1)).given(CANCEL_LATER)
    assert credit_of(history) == 31_000
    assert history.subscription(SUBSCRIPTION).cancel_at == datetime.fromisoformat(
        "2026-05-01T12:00Z"
    )


def test_a_pause_in_a_prepaid_month_credits_its_rest_and_the_months_behind_it() -> None:
    """24 of 30 days of April are left: 24,800 of 31,000, and all of May."""
    history = prepaid().at(RENEWAL + timedelta(days=6)).given(PAUSE)
    assert credit_of(history) == 24_800 + 31_000


def test_an_ended_prepayment_s_numbers_are_not_used_again_and_time_has_no_gap() -> None:
    history = prepaid().given(CANCEL_LATER, revoke_cancellation(SUBSCRIPTION))
    ended = next(each for each in history.events if isinstance(each, PrepaymentEnded))
    assert ended.number == 2
    history.at(RENEWAL).given(CLOCK)
    # The credit pays the next period, which begins where this one ends.
    last = [each for each in history.events if isinstance(each, PeriodPaid)][-1]
    assert (last.number, last.start) == (4, RENEWAL)
    assert credit_of(history) == 31_000


def test_no_more_is_credited_than_what_can_still_be_reversed() -> None:
    refunded = active().given(request_refund(FIRST, 20_000), PAUSE)
    assert credit_of(refunded) == 11_000
    gone = active().given(request_refund(FIRST), PAUSE)
    assert (credit_of(gone), notes(gone)) == (0, [])
    disputed = active().given(report_dispute(FIRST, "opened", MONTHLY), PAUSE)
    assert credit_of(disputed) == 0
    for history in (refunded, gone, disputed):
        assert_aggregates_and_balances_agree(history)


def test_a_fee_that_is_kept_is_not_credited() -> None:
    plan = FeePlan(fee_basis_points=1_000, vat_basis_points=1_600, keep_fee=True)
    history = History().given(
        register_creator(CREATOR, plan=plan),
        create_tier(CREATOR, BASIC),
        publish_price(CREATOR, BASIC, MONTHLY),
        publish_tier(CREATOR, BASIC),
        *confirmed(FAN, PHONE),
        SUBSCRIBE,
        *prompted(FIRST),
        paid(FIRST),
    )
    # All of it is unused, and only the creator's part of it can be given back.
    history.given(PAUSE)
    assert credit_of(history) == 27_404
    assert history.balances()["platform:fees", "KES"] == -3_100


def test_a_later_plan_changes_nothing_of_what_was_shared() -> None:
    history = incomplete().given(paid(FIRST), assign_fee_plan(CREATOR, 5_000))
    history.at(DAYS_10).given(PAUSE)
    assert history.balances()["platform:fees", "KES"] == -1_000


def test_where_goodwill_had_paid_it_is_goodwill_again() -> None:
    """10,000 of 31,000 was goodwill: of 30 days of April, 15 are left."""
    history = given_goodwill(due(), 10_000).given(CLOCK)
    second = next(iter(history.subscription(SUBSCRIPTION).open_invoices())).live
    assert second is not None
    history.given(*prompted(second.payment_id), paid(second.payment_id, 21_000))
    history.at(RENEWAL + timedelta(days=15)).given(PAUSE)
    assert credit_of(history) == 10_500
    assert history.balances()[f"fan:{FAN}:goodwill", "KES"] == -5_000


def test_a_pause_and_a_resumption_at_once_cost_only_the_days_that_were_used() -> None:
    history = active().given(PAUSE, resume_subscription(SUBSCRIPTION))
    subscription = history.subscription(SUBSCRIPTION)
    assert subscription.invoice is not None
    assert (subscription.invoice.credit, subscription.invoice.cash) == (21_000, 10_000)
    assert subscription.paid_until == DAYS_10


def test_nothing_is_credited_for_what_was_never_paid() -> None:
    history = offered().given(SUBSCRIBE, CANCEL)
    assert notes(history) == []
