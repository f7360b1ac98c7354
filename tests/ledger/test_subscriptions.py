"""Stories of subscriptions: trials, first payments, pauses, cancellations, closed creators."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from ledger.errors import CreatorIsClosed, SubscriptionNotInThisState
from ledger.events import (
    Event,
    InvoiceAttempted,
    PeriodPaid,
    SubscriptionCancelled,
    SubscriptionExpired,
    SubscriptionPastDue,
    SubscriptionResumed,
    TrialConverted,
)
from ledger.subscription import SubscriptionState
from tests.builders import NOON, expire_payment
from tests.ledger.given import History
from tests.ledger.scenes import CREATOR, FAN, MOMENT
from tests.ledger.subscription_scenes import (
    BASIC,
    CANCEL,
    CANCEL_LATER,
    CLOCK,
    CLOCK_ALONE,
    DAYS_10,
    FIRST,
    IN_ADVANCE,
    LATER,
    MONTHLY,
    PAUSE_LATER,
    PAY,
    PHONE,
    RENEWAL,
    SECOND,
    SUBSCRIPTION,
    TILL,
    TO_PREPAY,
    TRIAL_END,
    active,
    asked,
    asked_again,
    attempt_of,
    declined,
    due,
    early,
    given_goodwill,
    incomplete,
    paid,
    past_due,
    paused,
    prepaid,
    prompted,
    trial_being_paid,
    trial_over,
    trial_unpaid,
    trying,
)
from tests.money_builders import close_creator
from tests.subscription_builders import (
    pay_invoice,
    resume_subscription,
    revoke_cancellation,
    subscribe,
)

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.decisions import LedgerCommand

A_DAY: Final = timedelta(days=1)
RESUME: Final = resume_subscription(SUBSCRIPTION)
CLOSE: Final = close_creator(CREATOR)


def state(history: History) -> SubscriptionState:
    return history.subscription(SUBSCRIPTION).state


def periods(history: History) -> list[tuple[int, datetime, datetime]]:
    found = [event for event in history.events if isinstance(event, PeriodPaid)]
    return [(event.number, event.start, event.end) for event in found]


def entitled(history: History, instant: datetime) -> bool:
    return history.subscription(SUBSCRIPTION).is_entitled(instant)


def count(history: History, kind: type[Event]) -> int:
    return sum(isinstance(event, kind) for event in history.events)


def credit_of(history: History) -> int:
    return -history.balances().get((f"fan:{FAN}:credit", "KES"), 0)


# Beginning.


def test_the_first_period_begins_when_it_is_paid() -> None:
    history = incomplete()
    assert not entitled(history, NOON)
    history.at(NOON + LATER).given(paid(FIRST))
    assert periods(history) == [(1, NOON + LATER, RENEWAL + LATER)]
    assert entitled(history, NOON + LATER)


def test_who_does_not_pay_within_a_day_never_began() -> None:
    history = incomplete().given(declined(FIRST)).at(NOON + A_DAY - MOMENT)
    assert history.decide(CLOCK).events == []
    history.at(NOON + A_DAY).given(CLOCK)
    ended = history.events[-1]
    assert isinstance(ended, SubscriptionExpired)
    assert ended.reason == "never_completed"


def test_a_success_after_it_was_replaced_is_credit_that_pays_the_next_one() -> None:
    history = incomplete().given(subscribe(FAN, CREATOR, BASIC, PHONE))
    assert state(history) is SubscriptionState.CANCELLED
    history.given(paid(FIRST))
    assert credit_of(history) == MONTHLY
    history.given(subscribe(FAN, CREATOR, BASIC, PHONE))
    assert credit_of(history) == 0
    assert len(periods(history)) == 1


# Trials.


def test_a_trial_that_is_paid_early_is_tried_to_its_end_and_counted_from_there() -> None:
    history = trial_being_paid().given(paid(FIRST))
    assert periods(history) == [(1, TRIAL_END, datetime(2026, 4, 8, 12, tzinfo=UTC))]
    assert entitled(history, history.now)


def test_a_trial_that_is_paid_at_its_end_is_counted_from_the_payment() -> None:
    history = trying().at(TRIAL_END).given(CLOCK, *prompted(FIRST))
    assert not entitled(history, TRIAL_END)
    history.at(TRIAL_END + LATER).given(paid(FIRST))
    assert periods(history)[0][1] == TRIAL_END + LATER
    assert entitled(history, history.now)


def test_a_trial_that_is_paid_late_is_counted_from_the_payment_and_idle_until_then() -> None:
    history = trial_unpaid()
    late = TRIAL_END + 3 * A_DAY
    assert not entitled(history, late)
    history.at(late).given(PAY, *prompted(attempt_of(1, 2)), paid(attempt_of(1, 2)))
    assert periods(history) == [(1, late, datetime(2026, 4, 11, 12, tzinfo=UTC))]
    assert count(history, TrialConverted) == 1
    assert entitled(history, late)


def test_credit_pays_the_first_period_at_the_end_of_a_trial_without_a_gap() -> None:
    history = given_goodwill(trying(), MONTHLY).at(TRIAL_END).given(CLOCK_ALONE)
    assert periods(history)[0][1] == TRIAL_END
    assert count(history, SubscriptionPastDue) == 0
    assert entitled(history, TRIAL_END)


def test_who_was_never_asked_after_a_trial_does_not_expire() -> None:
    history = trial_over()
    for days in (1, 30, 365):
        assert history.at(TRIAL_END + days * A_DAY).decide(CLOCK_ALONE).events == []
    assert state(history) is SubscriptionState.PAST_DUE


def test_a_trial_that_is_to_be_cancelled_ends_without_an_invoice() -> None:
    history = trying().given(CANCEL_LATER)
    assert entitled(history, TRIAL_END - MOMENT)
    history.at(TRIAL_END).given(CLOCK)
    assert state(history) is SubscriptionState.CANCELLED


def test_a_trial_that_is_paid_can_be_paused_at_its_end() -> None:
    history = trial_being_paid().given(paid(FIRST), PAUSE_LATER)
    assert credit_of(history) == MONTHLY
    assert entitled(history, TRIAL_END - MOMENT)
    history.at(TRIAL_END).given(CLOCK)
    assert state(history) is SubscriptionState.PAUSED


# Prompts that are live, late or double.


def test_what_is_paid_after_a_cancellation_is_credit() -> None:
    history = asked().given(CANCEL, paid(SECOND))
    assert (state(history), credit_of(history)) == (SubscriptionState.CANCELLED, MONTHLY)


def test_a_late_success_within_grace_pays_and_the_second_prompt_s_money_is_credit() -> None:
    history = asked_again().given(paid(SECOND))
    assert state(history) is SubscriptionState.ACTIVE
    assert periods(history)[-1] == (2, RENEWAL, datetime(2026, 5, 1, 12, tzinfo=UTC))
    history.given(paid(attempt_of(2, 2)))
    assert credit_of(history) == MONTHLY


def test_money_from_a_till_pays_and_the_prompt_s_money_is_credit() -> None:
    history = asked().given(pay_invoice(SUBSCRIPTION, till_payment=TILL), paid(TILL), paid(SECOND))
    assert len(periods(history)) == 2
    assert credit_of(history) == MONTHLY


def test_a_success_after_it_has_expired_is_credit() -> None:
    history = past_due().at(RENEWAL + 7 * A_DAY).given(CLOCK, paid(SECOND))
    assert (state(history), credit_of(history)) == (SubscriptionState.EXPIRED, MONTHLY)


def test_a_prompt_that_the_fan_asked_for_and_declines_makes_nothing_past_due() -> None:
    history = early().at(RENEWAL - LATER).given(declined(SECOND))
    assert count(history, SubscriptionPastDue) == 0
    history.at(RENEWAL).given(CLOCK, *prompted(attempt_of(2, 2)), declined(attempt_of(2, 2)))
    assert count(history, SubscriptionPastDue) == 1


def attempts(history: History) -> list[tuple[int, UUID]]:
    found = [event for event in history.events if isinstance(event, InvoiceAttempted)]
    return [(event.attempt, event.payment_id) for event in found]


def test_attempts_go_on_counting_when_an_invoice_is_issued_again() -> None:
    """Its id is that of its period, and an attempt's is that of both."""
    history = early().given(declined(SECOND), CANCEL_LATER, revoke_cancellation(SUBSCRIPTION), PAY)
    assert attempts(history)[1:] == [(1, SECOND), (2, attempt_of(2, 2))]
    # The money of the first one is what is wanted, however late it comes.
    history.given(paid(SECOND))
    assert periods(history)[-1][0] == 2
    history.at(datetime(2026, 5, 1, 12, tzinfo=UTC)).given(CLOCK)
    assert attempts(history)[-1] == (1, attempt_of(3))


def test_attempts_go_on_counting_for_the_first_period_too() -> None:
    history = trial_being_paid().given(CANCEL_LATER, revoke_cancellation(SUBSCRIPTION), PAY)
    assert attempts(history) == [(1, FIRST), (2, attempt_of(1, 2))]


# Pauses.


def test_what_is_paused_and_resumed_is_paid_by_the_credit_of_the_days_that_were_left() -> None:
    resumed_at = datetime(2026, 4, 20, 9, tzinfo=UTC)
    history = paused().at(resumed_at).given(RESUME)
    payment = attempt_of(2)
    assert history.payment(payment).money.amount == MONTHLY - 21_000
    history.given(*prompted(payment), paid(payment, 10_000))
    assert periods(history)[-1] == (2, resumed_at, datetime(2026, 5, 20, 9, tzinfo=UTC))
    assert credit_of(history) == 0


def test_a_resumed_one_is_asked_by_the_clock_three_hours_after_its_fan_declined() -> None:
    resumed_at = datetime(2026, 4, 20, 9, tzinfo=UTC)
    history = paused().at(resumed_at).given(RESUME, *prompted(SECOND), declined(SECOND))
    again = resumed_at + timedelta(hours=3)
    assert history.at(again - MOMENT).decide(CLOCK).events == []
    assert [type(each) for each in history.at(again).decide(CLOCK).events][-1] is InvoiceAttempted


def test_a_pause_at_the_end_rests_until_it_is_resumed() -> None:
    history = active().given(PAUSE_LATER)
    assert entitled(history, RENEWAL - MOMENT)
    assert not entitled(history, RENEWAL)
    history.at(RENEWAL).given(CLOCK)
    assert state(history) is SubscriptionState.PAUSED
    assert credit_of(history) == 0
    history.at(RENEWAL + 90 * A_DAY).given(CLOCK, RESUME)
    assert count(history, SubscriptionResumed) == 1


def test_a_pause_at_the_end_that_is_cancelled_too_is_cancelled() -> None:
    history = active().given(PAUSE_LATER, CANCEL_LATER).at(RENEWAL).given(CLOCK)
    assert state(history) is SubscriptionState.CANCELLED


def test_both_can_be_revoked_until_they_happen() -> None:
    history = active().given(PAUSE_LATER, CANCEL_LATER, revoke_cancellation(SUBSCRIPTION))
    history.at(RENEWAL).given(CLOCK)
    assert state(history) is SubscriptionState.ACTIVE


@pytest.mark.parametrize("request_", [PAUSE_LATER, CANCEL_LATER])
def test_an_end_that_has_come_cannot_be_revoked_though_no_clock_has_seen_it(
    request_: LedgerCommand,
) -> None:
    history = active().given(request_).at(RENEWAL)
    assert not entitled(history, RENEWAL)
    with pytest.raises(SubscriptionNotInThisState):
        history.decide(revoke_cancellation(SUBSCRIPTION))


# Paid in advance.


def test_prepaid_periods_pass_without_being_invoiced() -> None:
    history = prepaid().at(datetime(2026, 5, 25, tzinfo=UTC))
    assert history.decide(CLOCK).events == []
    end = datetime(2026, 6, 1, 12, tzinfo=UTC)
    history.at(end).given(CLOCK)
    assert attempts(history)[-1] == (1, attempt_of(4))


def test_a_prepayment_that_is_paid_after_its_time_is_credit() -> None:
    history = active().given(TO_PREPAY, *prompted(IN_ADVANCE))
    history.at(DAYS_10 + timedelta(hours=1)).given(expire_payment(IN_ADVANCE))
    history.at(DAYS_10 + timedelta(hours=2)).given(paid(IN_ADVANCE, 2 * MONTHLY))
    assert credit_of(history) == 2 * MONTHLY
    assert history.subscription(SUBSCRIPTION).paid_until == RENEWAL


# A creator who is closed.


def test_a_closed_creator_s_subscribers_keep_what_they_paid_for_and_pay_nothing_more() -> None:
    history = active().given(CLOSE)
    for request in (PAY, TO_PREPAY):
        with pytest.raises(CreatorIsClosed):
            history.decide(request)
    assert entitled(history, RENEWAL - MOMENT)
    history.at(RENEWAL).given(CLOCK)
    ended = history.events[-1]
    assert isinstance(ended, SubscriptionCancelled)
    assert ended.reason == "creator_closed"


def test_what_was_invoiced_before_a_creator_closed_is_not_asked_for_after() -> None:
    for scene in (early().given(declined(SECOND)), due().given(CLOCK_ALONE)):
        history = scene.given(CLOSE).at(RENEWAL).given(CLOCK)
        assert state(history) is SubscriptionState.CANCELLED
        assert count(history, SubscriptionPastDue) == 0


def test_a_trial_of_a_closed_creator_ends_without_being_asked_for() -> None:
    for scene in (trying(), trial_over(), trial_unpaid()):
        history = scene.given(CLOSE).at(TRIAL_END + timedelta(hours=4)).given(CLOCK)
        assert state(history) is SubscriptionState.CANCELLED


def test_a_period_that_had_been_asked_for_is_still_paid_to_a_closed_creator() -> None:
    history = asked().given(CLOSE, paid(SECOND))
    end = datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert periods(history)[-1] == (2, RENEWAL, end)
    history.at(end).given(CLOCK)
    assert state(history) is SubscriptionState.CANCELLED
