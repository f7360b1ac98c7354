"""The rules behind the table of a payment's states, as sentences."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from ledger.commands import (
    Claim,
    InitiatePayment,
    PaymentTerms,
)
from ledger.decisions import evolve
from ledger.errors import (
    AmountNotPayable,
    CreatorAlreadyRegistered,
    CreatorNotFound,
    CurrencyNotAccepted,
    FeePlanExceedsPayment,
    FeePlanMissing,
    Refused,
    SelfPayment,
)
from ledger.events import (
    CreatorRegistered,
    FeePlanAssigned,
    PaymentInitiated,
    PaymentSubmissionStarted,
)
from ledger.money import Split
from ledger.payment import Payment, PaymentState
from ledger.postings import FeePlan
from tests.builders import (
    GROSS,
    NOON,
    PLAN,
    assign_fee_plan,
    expire_payment,
    initiate_payment,
    record_submitted,
    register_creator,
    report_success,
    report_without_money,
    start_submission,
)
from tests.ledger.given import History
from tests.ledger.scenes import (
    CREATOR,
    EXPIRES_AT,
    OTHER_PAYMENT,
    PAYMENT,
    initiated,
    submitted,
)
from tests.money_builders import release_funds, report_fee


def test_an_initiated_payment_freezes_plan_split_and_expiry() -> None:
    history = initiated().given(assign_fee_plan(CREATOR, 0))
    payment = history.payment(PAYMENT)
    assert payment.plan == PLAN
    assert payment.split == Split(fee=10_000, vat=1_600, net=88_400)
    assert payment.expires_at == EXPIRES_AT
    later = history.given(initiate_payment(CREATOR, payment_id=OTHER_PAYMENT))
    assert later.payment(OTHER_PAYMENT).split == Split(fee=0, vat=0, net=GROSS)


@pytest.mark.parametrize(
    ("refusal", "command"),
    [
        (CreatorNotFound, initiate_payment(uuid4())),
        (CreatorNotFound, initiate_payment(PAYMENT)),
        (SelfPayment, initiate_payment(CREATOR, fan_id=CREATOR)),
        (CurrencyNotAccepted, initiate_payment(CREATOR, currency="UGX")),
    ],
)
def test_a_payment_that_cannot_be_started_is_refused(
    refusal: type[Refused], command: InitiatePayment
) -> None:
    with pytest.raises(refusal):
        initiated().decide(command)


@pytest.mark.parametrize(
    ("amount", "payable"),
    [(100, True), (300, True), (99, False), (150, False), (350, False), (400, False), (50, False)],
)
def test_a_payment_must_fit_the_steps_and_bounds_of_its_provider(
    amount: int, *, payable: bool
) -> None:
    terms = PaymentTerms(
        provider="whole", step=100, minimum=100, maximum=300, expires_after_seconds=60
    )
    command = initiate_payment(CREATOR, amount, terms=terms)
    if payable:
        [event] = initiated().decide(command).events
        assert isinstance(event, PaymentInitiated)
        assert event.provider == "whole"
    else:
        with pytest.raises(AmountNotPayable, match="in steps of 100 minor units, from 100 to 300"):
            initiated().decide(command)


def test_a_plan_that_would_take_more_than_the_payment_refuses_it() -> None:
    everything = FeePlan(fee_basis_points=10_000, vat_basis_points=1_600)
    history = History().given(register_creator(CREATOR, plan=everything))
    with pytest.raises(FeePlanExceedsPayment):
        history.decide(initiate_payment(CREATOR))


def test_a_creator_without_a_plan_cannot_be_paid() -> None:
    history = History()
    [registered, _] = history.decide(register_creator(CREATOR)).events
    assert isinstance(registered, CreatorRegistered)
    history.aggregates[CREATOR] = evolve(None, registered)
    with pytest.raises(FeePlanMissing):
        history.decide(initiate_payment(CREATOR))


def test_a_creator_is_registered_once_and_with_a_plan() -> None:
    history = History()
    events = history.when(register_creator(CREATOR)).events
    assert [type(event) for event in events] == [CreatorRegistered, FeePlanAssigned]
    with pytest.raises(CreatorAlreadyRegistered):
        history.decide(register_creator(CREATOR))


def test_assigning_the_same_plan_again_is_no_event() -> None:
    history = initiated()
    assert len(history.when(assign_fee_plan(CREATOR, 700)).events) == 1
    assert history.when(assign_fee_plan(CREATOR, 700)).events == []


@pytest.mark.parametrize("nobody", [uuid4(), PAYMENT])
def test_only_a_creator_gets_a_plan(nobody: UUID) -> None:
    with pytest.raises(CreatorNotFound):
        initiated().decide(assign_fee_plan(nobody))


def test_a_submission_names_its_attempt_claim_and_deadline() -> None:
    command = start_submission(PAYMENT, deadline_seconds=90)
    [event] = initiated().decide(command).events
    assert isinstance(event, PaymentSubmissionStarted)
    assert (event.attempt, event.claim) == (1, command.claim)
    assert event.deadline == NOON + timedelta(seconds=90)


def test_a_late_success_after_expiry_still_pays() -> None:
    history = initiated().at(EXPIRES_AT).given(expire_payment(PAYMENT))
    history.when(report_success(PAYMENT))
    payment = history.payment(PAYMENT)
    assert (payment.state, payment.late) == (PaymentState.SUCCEEDED, True)
    assert history.balances() == {
        ("provider:sandbox:collection", "KES"): 100_000,
        (f"creator:{CREATOR}:pending", "KES"): -88_400,
        ("platform:fees", "KES"): -10_000,
        ("tax:vat", "KES"): -1_600,
    }


def test_what_leaves_its_creator_nothing_has_nothing_to_wait_for() -> None:
    whole_fee = FeePlan(fee_basis_points=10_000, vat_basis_points=0)
    history = History().given(
        register_creator(CREATOR, plan=whole_fee), initiate_payment(CREATOR, payment_id=PAYMENT)
    )
    assert not history.payment(PAYMENT).flows.released
    history.given(report_success(PAYMENT))
    assert history.payment(PAYMENT).flows.released
    assert history.when(release_funds(PAYMENT)).events == []
    # What comes back to its creator after all does not wait either.
    for returned in (False, True):
        history.given(
            report_fee(
                PAYMENT,
                50,
                fee_reference="F-1",
                dispute="D-1",
                borne_by="creator",
                returned=returned,
            )
        )
    assert history.balances() == {
        ("provider:sandbox:collection", "KES"): GROSS,
        ("platform:fees", "KES"): -GROSS,
    }


def test_what_is_paid_too_much_waits_beside_the_success() -> None:
    history = submitted().given(report_success(PAYMENT, GROSS + 25))
    assert history.payment(PAYMENT).state is PaymentState.SUCCEEDED
    assert history.balances()["suspense:sandbox", "KES"] == -25
    assert history.balances()["provider:sandbox:collection", "KES"] == GROSS + 25


def test_the_right_amount_after_a_wrong_one_still_succeeds() -> None:
    history = submitted().given(report_success(PAYMENT, GROSS - 1), report_success(PAYMENT))
    assert history.payment(PAYMENT).state is PaymentState.SUCCEEDED
    assert history.balances()["suspense:sandbox", "KES"] == -(GROSS - 1)
    assert history.balances()[f"creator:{CREATOR}:pending", "KES"] == -88_400


def test_a_callback_may_be_faster_than_the_answer_to_the_call() -> None:
    history = initiated().given(start_submission(PAYMENT), report_success(PAYMENT))
    assert history.when(record_submitted(PAYMENT)).events == []
    assert history.payment(PAYMENT).state is PaymentState.SUCCEEDED


def test_the_reason_of_a_failure_is_kept_until_money_comes() -> None:
    history = submitted().given(
        report_without_money(PAYMENT, Claim.FAILED, reason="insufficient_funds")
    )
    assert history.payment(PAYMENT).reason == "insufficient_funds"
    history.given(report_success(PAYMENT))
    assert history.payment(PAYMENT).reason is None


def test_a_failure_without_a_reason_says_so() -> None:
    history = submitted().given(report_without_money(PAYMENT, Claim.FAILED))
    assert history.payment(PAYMENT).reason == "unspecified"


def test_a_payment_is_the_fold_of_its_events() -> None:
    history = submitted().given(report_success(PAYMENT, GROSS + 1), report_success(PAYMENT))
    again: Payment | None = None
    for event in history.events:
        if event.originator_id == PAYMENT:
            folded = evolve(again, event)
            assert isinstance(folded, Payment)
            again = folded
    assert again == history.payment(PAYMENT)
