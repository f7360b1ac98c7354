"""Reports in any order, twice, late or contradictory: one payment, one end, the same balances."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.callbacks import Verdict
from ledger.commands import Claim, RecordReport
from ledger.events import (
    ContradictionRecorded,
    OverpaymentParked,
    PaymentSucceeded,
    UnmatchedReceiptRecorded,
)
from ledger.payment import PaymentState
from ledger.receipt import Receipt, receipt_id
from tests.builders import (
    GROSS,
    expire_payment,
    initiate_payment,
    record_submission_unknown,
    record_submitted,
    register_creator,
    report_success,
    report_without_money,
    start_submission,
)
from tests.ledger.given import History
from tests.ledger.scenes import EXPIRES_AT

if TYPE_CHECKING:
    from collections.abc import Iterator

CREATOR: Final = UUID(int=1)
PAYMENT: Final = UUID(int=3)
OTHER_PAYMENT: Final = UUID(int=4)

AMOUNTS: Final = [(GROSS, "KES"), (GROSS + 7, "KES"), (GROSS - 7, "KES"), (GROSS, "UGX")]
WORDS: Final = ["T0", "T1", "T2", "failed", "failed about T0", "cancelled", "pending"]


def report_of(word: str, received: tuple[tuple[int, str], ...]) -> RecordReport:
    """What the provider says. A transaction brings one amount, whoever reports it, how often."""
    if word.startswith("T"):
        amount, currency = received[int(word[1:])]
        return report_success(PAYMENT, amount, transaction=word, currency=currency)
    claim, _, transaction = word.partition(" about ")
    return report_without_money(PAYMENT, Claim(claim), transaction=transaction or None)


sets_of_reports = st.builds(
    lambda received, words: [report_of(word, received) for word in words],
    st.tuples(*[st.sampled_from(AMOUNTS)] * 3),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4),
)

BEGINNINGS: Final = {
    "initiated": (),
    "submitting": (start_submission(PAYMENT),),
    "submitted": (start_submission(PAYMENT), record_submitted(PAYMENT)),
    "submission_unknown": (start_submission(PAYMENT), record_submission_unknown(PAYMENT)),
}


@cache
def _begun(beginning: str) -> History:
    return History().given(
        register_creator(CREATOR),
        initiate_payment(CREATOR, payment_id=PAYMENT),
        initiate_payment(CREATOR, payment_id=OTHER_PAYMENT),
        *BEGINNINGS[beginning],
    )


def begun(beginning: str = "submitted") -> History:
    return _begun(beginning).copy()


def every_end(history: History, left: list[RecordReport]) -> Iterator[History]:
    """The history after each order of the reports that are left; equal beginnings are shared."""
    if not left:
        yield history
    for at, report in enumerate(left):
        further = history.copy()
        further.when(report)
        yield from every_end(further, left[:at] + left[at + 1 :])


@settings(max_examples=2_000)
@given(st.sampled_from(list(BEGINNINGS)), sets_of_reports)
def test_reports_in_every_order_end_in_the_same_state_with_the_same_balances(
    beginning: str, found: list[RecordReport]
) -> None:
    ends = {
        (end.payment(PAYMENT).state, frozenset(end.balances().items()))
        for end in every_end(begun(beginning), found)
    }
    [(state, balances)] = ends
    assert sum(amount for (_, currency), amount in balances if currency == "KES") == 0
    assert state is expected_state(found, PaymentState(beginning))
    arrived = {
        command.report.provider_transaction: money
        for command in found
        if (money := command.report.received) is not None
    }
    for currency in ("KES", "UGX"):
        # Every shilling that arrived is at the provider, once, however it is booked on our side.
        collected = dict(balances).get(("provider:sandbox:collection", currency), 0)
        assert collected == sum(
            money.amount for money in arrived.values() if money.currency == currency
        )


def expected_state(found: list[RecordReport], otherwise: PaymentState) -> PaymentState:
    claims = {command.report.claim for command in found}
    money = [command.report.received for command in found if command.report.received]
    if any(received.currency == "KES" and received.amount >= GROSS for received in money):
        return PaymentState.SUCCEEDED
    if money:
        return PaymentState.NEEDS_REVIEW
    if Claim.CANCELLED in claims:
        return PaymentState.CANCELLED
    return PaymentState.FAILED if Claim.FAILED in claims else otherwise


@settings(max_examples=200)
@given(sets_of_reports)
def test_reporting_everything_a_second_time_changes_no_state_and_no_balance(
    found: list[RecordReport],
) -> None:
    once = begun().given(*found)
    twice = once.copy().given(*found)
    assert twice.payment(PAYMENT).state is once.payment(PAYMENT).state
    assert twice.balances() == once.balances()
    thrice = twice.copy().given(*found)
    assert thrice.events == twice.events, "even the contradictions are all known by now"


@settings(max_examples=200)
@given(sets_of_reports, st.integers(0, 4))
def test_the_end_of_the_time_to_pay_loses_no_money_wherever_it_falls(
    found: list[RecordReport], at: int
) -> None:
    history = begun().given(*found[:at]).at(EXPIRES_AT)
    history.given(expire_payment(PAYMENT), *found[at:])
    assert history.balances() == begun().given(*found).balances()


def test_a_second_success_for_the_same_transaction_is_a_duplicate() -> None:
    history = begun().given(report_success(PAYMENT, transaction="T1"))
    decision = history.when(report_success(PAYMENT, transaction="T1"))
    assert decision.events == []
    assert decision.verdict is Verdict.DUPLICATE


@pytest.mark.parametrize("claim", [Claim.FAILED, Claim.CANCELLED])
def test_failure_after_success_is_recorded_once_and_reverses_nothing(claim: Claim) -> None:
    history = begun().given(report_success(PAYMENT))
    before = history.balances()
    first = history.when(report_without_money(PAYMENT, claim))
    [event] = first.events
    assert isinstance(event, ContradictionRecorded)
    assert (event.state, event.claim) == ("succeeded", claim)
    for _ in range(3):
        assert history.when(report_without_money(PAYMENT, claim)).verdict is Verdict.DUPLICATE
    assert history.payment(PAYMENT).state is PaymentState.SUCCEEDED
    assert history.balances() == before


def test_two_different_contradictions_are_both_recorded() -> None:
    history = begun().given(report_success(PAYMENT))
    history.given(
        report_without_money(PAYMENT, Claim.FAILED),
        report_without_money(PAYMENT, Claim.CANCELLED),
        report_without_money(PAYMENT, Claim.FAILED, transaction="T9"),
    )
    recorded = [event for event in history.events if isinstance(event, ContradictionRecorded)]
    assert [(event.claim, event.provider_transaction) for event in recorded] == [
        ("failed", None),
        ("cancelled", None),
        ("failed", "T9"),
    ]


def test_a_transaction_that_paid_another_payment_pays_nothing_and_is_recorded_once() -> None:
    history = begun().given(report_success(OTHER_PAYMENT, transaction="T1"))
    before = history.balances()
    decision = history.when(report_success(PAYMENT, transaction="T1"))
    [event] = decision.events
    assert isinstance(event, ContradictionRecorded)
    assert event.claim == "transaction_of_another_payment"
    assert event.provider_transaction == "T1"
    assert history.when(report_success(PAYMENT, transaction="T1")).verdict is Verdict.DUPLICATE
    assert history.payment(PAYMENT).state is PaymentState.SUBMITTED
    assert history.balances() == before


def test_the_same_word_for_a_transaction_at_two_providers_is_two_transactions() -> None:
    history = begun().given(report_success(OTHER_PAYMENT, transaction="T1", provider="other"))
    history.given(report_success(PAYMENT, transaction="T1"))
    assert history.payment(PAYMENT).state is PaymentState.SUCCEEDED


def test_money_is_not_lost_when_a_failure_named_its_transaction_first() -> None:
    history = begun().given(
        report_without_money(PAYMENT, Claim.FAILED, transaction="T1"),
        report_success(PAYMENT, transaction="T1"),
    )
    assert history.payment(PAYMENT).state is PaymentState.SUCCEEDED
    assert history.payment(PAYMENT).late


def test_money_that_names_no_payment_waits_in_suspense_under_its_transaction() -> None:
    history = begun()
    decision = history.when(report_success(UUID(int=99), 500, transaction="T5"))
    [event] = decision.events
    assert isinstance(event, UnmatchedReceiptRecorded)
    stream = receipt_id(provider="sandbox", transaction="T5")
    assert event.originator_id == decision.stream == stream
    receipt = history.aggregates[stream]
    assert isinstance(receipt, Receipt)
    assert (receipt.provider_transaction, receipt.received.amount) == ("T5", 500)
    assert history.balances()["suspense:sandbox", "KES"] == -500
    for payment in (None, UUID(int=98)):
        again = history.when(report_success(payment, 500, transaction="T5"))
        assert (again.events, again.verdict) == ([], Verdict.DUPLICATE)


@pytest.mark.parametrize("claim", [Claim.FAILED, Claim.CANCELLED, Claim.PENDING])
def test_a_report_without_money_about_nothing_of_ours_is_ignored(claim: Claim) -> None:
    decision = begun().when(report_without_money(None, claim))
    assert (decision.events, decision.verdict) == ([], Verdict.IGNORED)


def test_a_report_about_a_stream_that_is_no_payment_is_unmatched_money() -> None:
    [event] = begun().when(report_success(CREATOR, transaction="T5")).events
    assert isinstance(event, UnmatchedReceiptRecorded)


def test_an_overpayment_is_one_transaction_in_two_events() -> None:
    history = begun()
    paid, parked = history.when(report_success(PAYMENT, GROSS + 7, transaction="T1")).events
    assert isinstance(paid, PaymentSucceeded)
    assert isinstance(parked, OverpaymentParked)
    assert parked.originator_version == paid.originator_version + 1
    assert paid.money.amount == GROSS
    assert parked.excess.amount == 7
    assert history.when(report_success(PAYMENT, GROSS + 7, transaction="T1")).events == []
