"""Every command and report about a refund, and about the return of parked money, in every state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import pytest

from ledger.accounts import DISPUTES
from ledger.callbacks import Verdict
from ledger.commands import LedgerCommand, RecordRefundReport, RefundClaim
from ledger.errors import (
    RefundNotFound,
    ReportDisagrees,
    SubmissionAlreadyStarted,
    SubmissionNotAllowed,
)
from ledger.events import (
    AllocateReceipts,
    ContradictionRecorded,
    ReceiptReference,
    RefundFailed,
    RefundReopenedAsFailed,
    RefundReopenedAsSucceeded,
    RefundRequested,
    RefundSubmissionStarted,
    RefundSubmissionUnknown,
    RefundSubmitted,
    RefundSucceeded,
    ReturnReceipt,
)
from ledger.flows import Refund, RefundState
from ledger.payment import Payment
from ledger.receipt import Receipt
from tests.builders import GROSS, NOON, PROVIDER, expire_payment, initiate_payment
from tests.ledger.given import History
from tests.ledger.scenes import (
    CREATOR,
    EXPIRES_AT,
    MOMENT,
    NOBODY,
    OTHER_PAYMENT,
    PAYMENT,
    RECEIPT,
    REFUND,
    UNMATCHED,
    mismatched,
    succeeded,
    unmatched,
)
from tests.ledger.tables import Decided, Table
from tests.money_builders import (
    REASON,
    propose,
    refund_submitted,
    refund_unknown,
    report_dispute,
    report_refund,
    request_refund,
    start_refund,
    without_name,
)

FAILED: Final = RefundClaim.FAILED
NAME: Final = "RE-1"


def returned(history: History, stream: UUID, transaction: str) -> History:
    receipt = parked_at(stream, transaction)
    return history.given(propose(ReturnReceipt(refund_id=REFUND, receipt=receipt, reason=REASON)))


def parked_at(stream: UUID, transaction: str) -> ReceiptReference:
    return ReceiptReference(stream_id=stream, provider=PROVIDER, provider_transaction=transaction)


@dataclass(frozen=True)
class Kind:
    """Something that goes back: on which stream, how much, from where it starts."""

    stream: UUID
    amount: int
    before: Callable[[], History]
    requested: Callable[[], History]

    def report(
        self, claim: RefundClaim = RefundClaim.SUCCEEDED, occurred_at: datetime | None = None
    ) -> RecordRefundReport:
        return report_refund(
            self.stream,
            REFUND,
            self.amount,
            claim,
            provider_refund=NAME,
            occurred_at=occurred_at,
        )

    def submitted(self) -> History:
        return self.requested().given(
            start_refund(self.stream, REFUND), refund_submitted(self.stream, REFUND)
        )

    def failed(self) -> History:
        return self.submitted().given(self.report(FAILED, NOON))

    def states(self) -> dict[str, Callable[[], History]]:
        return {
            "none": self.before,
            "requested": self.requested,
            "submitting": lambda: self.requested().given(start_refund(self.stream, REFUND)),
            "submitted": self.submitted,
            "submission_unknown": lambda: self.requested().given(
                start_refund(self.stream, REFUND), refund_unknown(self.stream, REFUND)
            ),
            "succeeded": lambda: self.submitted().given(self.report(RefundClaim.SUCCEEDED, NOON)),
            "failed": self.failed,
        }

    def commands(self) -> dict[str, LedgerCommand]:
        stream, report = self.stream, self.report
        return {
            "start": start_refund(stream, REFUND),
            "start an unknown one": start_refund(stream, NOBODY),
            "submitted": refund_submitted(stream, REFUND),
            "unknown": refund_unknown(stream, REFUND),
            "pending": report(RefundClaim.PENDING),
            "succeeded": report(),
            "succeeded, older": report(RefundClaim.SUCCEEDED, NOON - MOMENT),
            "succeeded, newer": report(RefundClaim.SUCCEEDED, NOON + MOMENT),
            "succeeded, nameless": without_name(report()),
            "failed": report(FAILED),
            "failed, older": report(FAILED, NOON - MOMENT),
            "failed, newer": report(FAILED, NOON + MOMENT),
            "failed, nameless": without_name(report(FAILED)),
            "another amount": report_refund(stream, REFUND, self.amount - 1),
            "another amount fails": report_refund(stream, REFUND, self.amount - 1, FAILED),
            "another currency": report_refund(stream, REFUND, self.amount, currency="UGX"),
            "by its name alone": report_refund(stream, None, self.amount, provider_refund=NAME),
            "nobody's": report_refund(NOBODY, REFUND, self.amount),
        }


REFUND_OF_A_PAYMENT: Final = Kind(
    PAYMENT,
    40_000,
    succeeded,
    lambda: succeeded().given(request_refund(PAYMENT, 40_000, refund_id=REFUND)),
)
RETURN_ON_A_PAYMENT: Final = Kind(
    PAYMENT, GROSS - 1, mismatched, lambda: returned(mismatched(), PAYMENT, "LESS")
)
RETURN_ON_A_RECEIPT: Final = Kind(
    RECEIPT, GROSS, unmatched, lambda: returned(unmatched(), RECEIPT, UNMATCHED)
)


def spent(kind: Kind, transaction: str) -> History:
    """The return failed, and then the money paid another payment that had expired."""
    action = AllocateReceipts(
        payment_id=OTHER_PAYMENT,
        receipts=(parked_at(kind.stream, transaction),),
        settlement_delay_seconds=0,
        reason=REASON,
    )
    history = kind.failed().given(initiate_payment(CREATOR, payment_id=OTHER_PAYMENT))
    return history.at(EXPIRES_AT).given(expire_payment(OTHER_PAYMENT), propose(action))


REFUNDS: Final = """
                     none reqd ting mitt unkn succ fail unsent taken
start                !rnf star !st  !st  !st  !st  !st  !na    !na
start an unknown one !rnf !rnf !rnf !rnf !rnf !rnf !rnf !rnf   !rnf
submitted            !rnf -    mitt -    mitt -    -    -      -
unknown              !rnf -    unkn -    -    -    -    -      -
pending              ign  ign  ign  ign  ign  ign  ign  ign    ign
succeeded            unas succ succ succ succ dup  resu resu   resb
succeeded, older     unas succ succ succ succ dup  dup  resu   resb
succeeded, newer     unas succ succ succ succ dup  resu resu   resb
succeeded, nameless  !dis !dis !dis !dis !dis dup  !dis !dis   !dis
failed               ign  fail fail fail fail refa dup  dup    dup
failed, older        ign  fail fail fail fail dup  dup  dup    dup
failed, newer        ign  fail fail fail fail refa dup  dup    dup
failed, nameless     ign  fail fail fail fail refa dup  dup    dup
another amount       unas !dis !dis !dis !dis !dis !dis !dis   !dis
another amount fails ign  !dis !dis !dis !dis !dis !dis !dis   !dis
another currency     !dis !dis !dis !dis !dis !dis !dis !dis   !dis
by its name alone    unas unas unas unas unas dup  unas unas   unab
nobody's             !dis !dis !dis !dis !dis !dis !dis !dis   !dis
"""

RETURNS: Final = """
                     none reqd ting mitt unkn succ fail spent again
start                !rnf star !st  !st  !st  !st  !st  !st   !st
start an unknown one !rnf !rnf !rnf !rnf !rnf !rnf !rnf !rnf  !rnf
submitted            !rnf -    mitt -    mitt -    -    -     -
unknown              !rnf -    unkn -    -    -    -    -     -
pending              ign  ign  ign  ign  ign  ign  ign  ign   ign
succeeded            !dis succ succ succ succ dup  resu resb  dup
succeeded, older     !dis succ succ succ succ dup  dup  dup   dup
succeeded, newer     !dis succ succ succ succ dup  resu resb  dup
succeeded, nameless  !dis !dis !dis !dis !dis dup  !dis !dis  dup
failed               ign  fail fail fail fail refa dup  dup   refa
failed, older        ign  fail fail fail fail dup  dup  dup   dup
failed, newer        ign  fail fail fail fail refa dup  dup   refa
failed, nameless     ign  fail fail fail fail refa dup  dup   refa
another amount       !dis !dis !dis !dis !dis !dis !dis !dis  !dis
another amount fails ign  !dis !dis !dis !dis !dis !dis !dis  !dis
another currency     !dis !dis !dis !dis !dis !dis !dis !dis  !dis
by its name alone    !dis !dis !dis !dis !dis dup  !dis !dis  dup
nobody's             !dis !dis !dis !dis !dis !dis !dis !dis  !dis
"""

CELLS: Final[dict[str, Decided]] = {
    "!rnf": RefundNotFound,
    "!st": SubmissionAlreadyStarted,
    "!dis": ReportDisagrees,
    "-": ([], None),
    "ign": ([], Verdict.IGNORED),
    "dup": ([], Verdict.DUPLICATE),
    "star": ([RefundSubmissionStarted], None),
    "mitt": ([RefundSubmitted], None),
    "unkn": ([RefundSubmissionUnknown], None),
    "succ": ([RefundSucceeded], Verdict.APPLIED),
    "fail": ([RefundFailed], Verdict.APPLIED),
    "resu": ([RefundReopenedAsSucceeded], Verdict.APPLIED),
    "resb": ([RefundReopenedAsSucceeded, ContradictionRecorded], Verdict.APPLIED),
    "refa": ([RefundReopenedAsFailed], Verdict.APPLIED),
}
OF_REFUNDS: Final[dict[str, Decided]] = {
    "!na": SubmissionNotAllowed,
    "unas": ([RefundRequested, RefundSucceeded], Verdict.APPLIED),
    "unab": ([RefundRequested, RefundSucceeded, ContradictionRecorded], Verdict.APPLIED),
}


def _disputed(amount: int) -> History:
    """A dispute opened before the refund was taken to the provider: it failed."""
    return REFUND_OF_A_PAYMENT.requested().given(report_dispute(PAYMENT, "opened", amount))


TABLES: Final = {
    "refund": Table(
        text=REFUNDS,
        states={
            **REFUND_OF_A_PAYMENT.states(),
            "unsent": lambda: _disputed(1_000),
            "taken by a dispute": lambda: _disputed(GROSS),
        },
        commands=REFUND_OF_A_PAYMENT.commands(),
        cells={**CELLS, **OF_REFUNDS},
    ),
    "return on a payment": Table(
        text=RETURNS,
        states={
            **RETURN_ON_A_PAYMENT.states(),
            "spent": lambda: spent(RETURN_ON_A_PAYMENT, "LESS"),
            "spent and returned": lambda: spent(RETURN_ON_A_PAYMENT, "LESS").given(
                RETURN_ON_A_PAYMENT.report(RefundClaim.SUCCEEDED, NOON)
            ),
        },
        commands=RETURN_ON_A_PAYMENT.commands(),
        cells=CELLS,
    ),
    "return on a receipt": Table(
        text=RETURNS,
        states={
            **RETURN_ON_A_RECEIPT.states(),
            "spent": lambda: spent(RETURN_ON_A_RECEIPT, UNMATCHED),
            "spent and returned": lambda: spent(RETURN_ON_A_RECEIPT, UNMATCHED).given(
                RETURN_ON_A_RECEIPT.report(RefundClaim.SUCCEEDED, NOON)
            ),
        },
        commands=RETURN_ON_A_RECEIPT.commands(),
        cells=CELLS,
    ),
}


@pytest.mark.parametrize("kind", TABLES)
def test_the_tables_know_every_state_of_a_refund(kind: str) -> None:
    assert set(RefundState) < set(TABLES[kind].states)
    for name in RefundState:
        assert _refund_of(TABLES[kind].states[name]()).state is name


def _refund_of(history: History) -> Refund:
    owners = [each for each in history.aggregates.values() if isinstance(each, Payment | Receipt)]
    [refund] = [owner.flows.refunds[REFUND] for owner in owners if owner.flows.refunds]
    return refund


@pytest.mark.parametrize(
    ("kind", "command", "state"),
    [(kind, *pair) for kind, table in TABLES.items() for pair in table.matrix()],
)
def test_a_command_in_a_state_is_decided_as_the_table_says(
    kind: str, command: str, state: str
) -> None:
    TABLES[kind].happens(command, state)


def test_a_return_that_was_paid_after_all_is_an_expense_once_its_money_is_spent() -> None:
    kind = RETURN_ON_A_RECEIPT
    history = spent(kind, UNMATCHED)
    before = history.balances()
    history.given(kind.report(RefundClaim.SUCCEEDED, NOON))
    assert history.balances()[DISPUTES, "KES"] == kind.amount
    history.given(kind.report(FAILED, NOON + MOMENT))
    assert history.balances() == before
