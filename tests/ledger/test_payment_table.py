"""Every command in every state of a payment, until its money arrives or it ends without."""

from __future__ import annotations

from functools import partial
from typing import Final
from uuid import uuid4

import pytest

from ledger.callbacks import Verdict
from ledger.commands import Claim
from ledger.errors import (
    NotYetExpired,
    PaymentNotCancellable,
    PaymentNotFound,
    SubmissionAlreadyStarted,
    SubmissionNotAllowed,
)
from ledger.events import (
    ContradictionRecorded,
    OverpaymentParked,
    PaymentAuthorised,
    PaymentCancelled,
    PaymentExpired,
    PaymentFailed,
    PaymentMismatched,
    PaymentSubmissionStarted,
    PaymentSubmissionUnknown,
    PaymentSubmitted,
    PaymentSucceeded,
    PaymentVoided,
    SurplusReceived,
    UnmatchedReceiptRecorded,
)
from ledger.payment import GIVEN_UP, PaymentState
from tests.builders import (
    GROSS,
    cancel_payment,
    expire_payment,
    record_submission_unknown,
    record_submitted,
    report_success,
    report_without_money,
    start_submission,
)
from tests.ledger.given import History
from tests.ledger.scenes import EXPIRES_AT, FAN, MOMENT, OTHER_PAYMENT, PAYMENT, PAYMENT_STATES
from tests.ledger.tables import Table

TEXT: Final = """
                  none init ting mitt unkn auth succ fail canc expi review
cancel            !nf  canc !nc  !nc  !nc  !nc  !nc  !nc  !nc  !nc  !nc
cancel by another !nf  !nf  !nf  !nf  !nf  !nf  !nf  !nf  !nf  !nf  !nf
start submission  !nf  star !st  !st  !st  !st  !st  !st  !na  !na  !st
start too late    !nf  !na  !st  !st  !st  !st  !st  !st  !na  !na  !st
submitted         !nf  -    mitt -    mitt -    -    -    -    -    -
unknown           !nf  -    unkn -    -    -    -    -    -    -    -
expire too early  !nf  !ny  !ny  !ny  !ny  !ny  -    -    -    -    -
expire            !nf  expi expi expi expi expi -    -    -    -    -
pending           ign  ign  ign  ign  ign  ign  ign  ign  ign  ign  ign
authorised        ign  auth auth auth auth ign  ign  ign  ign  ign  ign
failed            ign  fail fail fail fail fail cont dup  dup  dup  cont
declined          ign  decl decl decl decl decl cont decl dup  dup  cont
voided            ign  void void void void void cont void dup  dup  cont
paid              unma succ succ succ succ succ surp succ succ succ succ
paid too much     unma over over over over over surp over over over over
paid too little   unma mism mism mism mism mism surp mism mism mism surp
other currency    unma mism mism mism mism mism surp mism mism mism surp
another's money   dup  cont cont cont cont cont cont cont cont cont cont
"""


def _with_anothers_money(state: str) -> History:
    history = PAYMENT_STATES[state]()
    history.claims["transaction:sandbox", "ANOTHERS"] = OTHER_PAYMENT
    return history


TABLE: Final = Table(
    text=TEXT,
    states={state: partial(_with_anothers_money, state) for state in PAYMENT_STATES},
    commands={
        "cancel": cancel_payment(PAYMENT, FAN),
        "cancel by another": cancel_payment(PAYMENT, uuid4()),
        "start submission": start_submission(PAYMENT),
        "start too late": start_submission(PAYMENT),
        "submitted": record_submitted(PAYMENT),
        "unknown": record_submission_unknown(PAYMENT),
        "expire too early": expire_payment(PAYMENT),
        "expire": expire_payment(PAYMENT),
        "pending": report_without_money(PAYMENT, Claim.PENDING),
        "authorised": report_without_money(PAYMENT, Claim.AUTHORISED),
        "failed": report_without_money(PAYMENT, Claim.FAILED),
        "declined": report_without_money(PAYMENT, Claim.CANCELLED),
        "voided": report_without_money(PAYMENT, Claim.VOIDED),
        "paid": report_success(PAYMENT),
        "paid too much": report_success(PAYMENT, GROSS + 1),
        "paid too little": report_success(PAYMENT, GROSS - 1),
        "other currency": report_success(PAYMENT, currency="UGX"),
        "another's money": report_success(PAYMENT, transaction="ANOTHERS"),
    },
    at={
        "start too late": EXPIRES_AT,
        "expire too early": EXPIRES_AT - MOMENT,
        "expire": EXPIRES_AT,
    },
    cells={
        "!nf": PaymentNotFound,
        "!nc": PaymentNotCancellable,
        "!st": SubmissionAlreadyStarted,
        "!na": SubmissionNotAllowed,
        "!ny": NotYetExpired,
        "-": ([], None),
        "canc": ([PaymentCancelled], None),
        "star": ([PaymentSubmissionStarted], None),
        "mitt": ([PaymentSubmitted], None),
        "unkn": ([PaymentSubmissionUnknown], None),
        "expi": ([PaymentExpired], None),
        "ign": ([], Verdict.IGNORED),
        "dup": ([], Verdict.DUPLICATE),
        "auth": ([PaymentAuthorised], Verdict.APPLIED),
        "fail": ([PaymentFailed], Verdict.APPLIED),
        "decl": ([PaymentCancelled], Verdict.APPLIED),
        "void": ([PaymentVoided], Verdict.APPLIED),
        "cont": ([ContradictionRecorded], Verdict.APPLIED),
        "succ": ([PaymentSucceeded], Verdict.APPLIED),
        "over": ([PaymentSucceeded, OverpaymentParked], Verdict.APPLIED),
        "mism": ([PaymentMismatched], Verdict.APPLIED),
        "surp": ([SurplusReceived], Verdict.APPLIED),
        "unma": ([UnmatchedReceiptRecorded], Verdict.APPLIED),
    },
)


def test_the_table_knows_every_state_of_a_payment() -> None:
    assert list(TABLE.states) == ["none", *PaymentState]
    for state in PaymentState:
        assert TABLE.states[state]().payment(PAYMENT).state is state


@pytest.mark.parametrize(("command", "state"), TABLE.matrix())
def test_a_command_in_a_state_is_decided_as_the_table_says(command: str, state: str) -> None:
    history = TABLE.happens(command, state)
    if history.events and isinstance(paid := history.events[-1], PaymentSucceeded):
        assert paid.late is (state in GIVEN_UP)
