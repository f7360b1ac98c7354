"""Every command in every state of a payment, and the rules behind the table as sentences."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final, get_args
from uuid import UUID, uuid4

import pytest

from ledger.callbacks import Verdict
from ledger.commands import (
    AssignFeePlan,
    Claim,
    InitiatePayment,
    ParkCallback,
    PaymentTerms,
    RegisterCreator,
)
from ledger.decisions import LedgerCommand, evolve
from ledger.errors import (
    AmountNotPayable,
    CreatorAlreadyRegistered,
    CreatorNotFound,
    CurrencyNotAccepted,
    FeePlanExceedsPayment,
    FeePlanMissing,
    NotYetExpired,
    PaymentNotCancellable,
    PaymentNotFound,
    Refused,
    SelfPayment,
    SubmissionAlreadyStarted,
    SubmissionNotAllowed,
)
from ledger.events import (
    ContradictionRecorded,
    CreatorRegistered,
    FeePlanAssigned,
    OverpaymentParked,
    PaymentCancelled,
    PaymentExpired,
    PaymentFailed,
    PaymentInitiated,
    PaymentMismatched,
    PaymentSubmissionStarted,
    PaymentSubmissionUnknown,
    PaymentSubmitted,
    PaymentSucceeded,
    SurplusReceived,
    UnmatchedReceiptRecorded,
)
from ledger.money import Split
from ledger.payment import Payment, PaymentState
from ledger.postings import FeePlan
from tests.builders import (
    GROSS,
    NOON,
    PLAN,
    assign_fee_plan,
    cancel_payment,
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

CREATOR: Final = UUID(int=1)
FAN: Final = UUID(int=2)
PAYMENT: Final = UUID(int=3)
OTHER_PAYMENT: Final = UUID(int=4)
EXPIRES_AT: Final = NOON + timedelta(hours=1)
MOMENT: Final = timedelta(microseconds=1)


def initiated() -> History:
    """A creator, and a payment that waits to be taken to the provider."""
    return History().given(
        register_creator(CREATOR),
        initiate_payment(CREATOR, payment_id=PAYMENT, fan_id=FAN),
    )


def submitted() -> History:
    return initiated().given(start_submission(PAYMENT), record_submitted(PAYMENT))


STATES: Final[dict[str, Callable[[], History]]] = {
    "none": History,
    "initiated": initiated,
    "submitting": lambda: initiated().given(start_submission(PAYMENT)),
    "submitted": submitted,
    "submission_unknown": lambda: initiated().given(
        start_submission(PAYMENT), record_submission_unknown(PAYMENT)
    ),
    "succeeded": lambda: submitted().given(report_success(PAYMENT)),
    "failed": lambda: submitted().given(report_without_money(PAYMENT, Claim.FAILED)),
    "cancelled": lambda: initiated().given(cancel_payment(PAYMENT, FAN)),
    "expired": lambda: initiated().at(EXPIRES_AT).given(expire_payment(PAYMENT)).at(NOON),
    "needs_review": lambda: submitted().given(report_success(PAYMENT, GROSS - 1)),
}

COMMANDS: Final[dict[str, LedgerCommand]] = {
    "cancel": cancel_payment(PAYMENT, FAN),
    "cancel by another": cancel_payment(PAYMENT, uuid4()),
    "start submission": start_submission(PAYMENT),
    "start too late": start_submission(PAYMENT),
    "submitted": record_submitted(PAYMENT),
    "unknown": record_submission_unknown(PAYMENT),
    "expire too early": expire_payment(PAYMENT),
    "expire": expire_payment(PAYMENT),
    "pending": report_without_money(PAYMENT, Claim.PENDING),
    "failed": report_without_money(PAYMENT, Claim.FAILED),
    "declined": report_without_money(PAYMENT, Claim.CANCELLED),
    "paid": report_success(PAYMENT),
    "paid too much": report_success(PAYMENT, GROSS + 1),
    "paid too little": report_success(PAYMENT, GROSS - 1),
    "other currency": report_success(PAYMENT, currency="UGX"),
    "another's money": report_success(PAYMENT, transaction="ANOTHERS"),
}

AT: Final = {
    "start too late": EXPIRES_AT,
    "expire too early": EXPIRES_AT - MOMENT,
    "expire": EXPIRES_AT,
}
"""When the command comes, where that is not noon."""

TABLE: Final = """
                  none init ting mitt unkn succ fail canc expi review
cancel            !nf  canc !nc  !nc  !nc  !nc  !nc  !nc  !nc  !nc
cancel by another !nf  !nf  !nf  !nf  !nf  !nf  !nf  !nf  !nf  !nf
start submission  !nf  star !st  !st  !st  !st  !st  !na  !na  !st
start too late    !nf  !na  !st  !st  !st  !st  !st  !na  !na  !st
submitted         !nf  -    mitt -    mitt -    -    -    -    -
unknown           !nf  -    unkn -    -    -    -    -    -    -
expire too early  !nf  !ny  !ny  !ny  !ny  -    -    -    -    -
expire            !nf  expi expi expi expi -    -    -    -    -
pending           ign  ign  ign  ign  ign  ign  ign  ign  ign  ign
failed            ign  fail fail fail fail cont dup  dup  dup  cont
declined          ign  decl decl decl decl cont decl dup  dup  cont
paid              unma succ succ succ succ surp late late late succ
paid too much     unma over over over over surp lovr lovr lovr over
paid too little   unma mism mism mism mism surp mism mism mism surp
other currency    unma mism mism mism mism surp mism mism mism surp
another's money   dup  cont cont cont cont cont cont cont cont cont
"""

Decided = tuple[list[type], Verdict | None] | type[Refused]

CELLS: Final[dict[str, Decided]] = {
    "!nf": PaymentNotFound,
    "!nc": PaymentNotCancellable,
    "!st": SubmissionAlreadyStarted,
    "!na": SubmissionNotAllowed,
    "!ny": NotYetExpired,
    "-": ([], None),
    "canc": ([PaymentCancelled], None),
    "decl": ([PaymentCancelled], Verdict.APPLIED),
    "star": ([PaymentSubmissionStarted], None),
    "mitt": ([PaymentSubmitted], None),
    "unkn": ([PaymentSubmissionUnknown], None),
    "expi": ([PaymentExpired], None),
    "ign": ([], Verdict.IGNORED),
    "dup": ([], Verdict.DUPLICATE),
    "fail": ([PaymentFailed], Verdict.APPLIED),
    "cont": ([ContradictionRecorded], Verdict.APPLIED),
    "succ": ([PaymentSucceeded], Verdict.APPLIED),
    "late": ([PaymentSucceeded], Verdict.APPLIED),
    "over": ([PaymentSucceeded, OverpaymentParked], Verdict.APPLIED),
    "lovr": ([PaymentSucceeded, OverpaymentParked], Verdict.APPLIED),
    "mism": ([PaymentMismatched], Verdict.APPLIED),
    "surp": ([SurplusReceived], Verdict.APPLIED),
    "unma": ([UnmatchedReceiptRecorded], Verdict.APPLIED),
}


def matrix() -> dict[tuple[str, str], str]:
    head, *lines = TABLE.strip("\n").splitlines()
    width = head.index("none")
    assert len(head.split()) == len(STATES)
    return {
        (line[:width].strip(), state): cell
        for line in lines
        for state, cell in zip(STATES, line[width:].split(), strict=True)
    }


def test_the_table_knows_every_state_and_every_command_about_a_payment() -> None:
    assert set(matrix()) == {(command, state) for command in COMMANDS for state in STATES}
    assert set(STATES) - {"none"} == {state.value for state in PaymentState}
    others = {RegisterCreator, AssignFeePlan, InitiatePayment, ParkCallback}
    assert {type(command) for command in COMMANDS.values()} == set(get_args(LedgerCommand)) - others


@pytest.mark.parametrize(("command", "state"), matrix())
def test_a_command_in_a_state_is_decided_as_the_table_says(command: str, state: str) -> None:
    history = STATES[state]()
    if state != "none":
        assert history.payment(PAYMENT).state == state
    history.claims["transaction:sandbox", "ANOTHERS"] = OTHER_PAYMENT
    history.at(AT.get(command, NOON))
    before = dict(history.aggregates)
    cell = matrix()[command, state]
    expected = CELLS[cell]
    if isinstance(expected, type):
        with pytest.raises(expected) as refused:
            history.decide(COMMANDS[command])
        assert refused.value.code == expected.code
        return
    events, verdict = expected
    decision = history.decide(COMMANDS[command])
    assert [type(event) for event in decision.events] == events
    assert decision.verdict is verdict
    assert history.aggregates == before, "a decision changes nothing"
    if events and isinstance(paid := decision.events[0], PaymentSucceeded):
        assert paid.late is cell.startswith("l")
    for event in decision.events:
        if event.originator_id == PAYMENT:
            history.aggregates[PAYMENT] = evolve(history.aggregates.get(PAYMENT), event)
            assert history.payment(PAYMENT).version == event.originator_version


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
