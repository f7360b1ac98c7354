"""What may become of money in suspense, by its state and by that of the payment it may pay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID, uuid4

import pytest

from ledger.commands import LedgerCommand, RefundClaim
from ledger.errors import (
    AlreadyExists,
    AmountOutOfBounds,
    CurrencyDiffers,
    FeePlanExceedsPayment,
    PaymentNotAllocatable,
    PaymentNotFound,
    ProposalNotFound,
    ReceiptNotFound,
    ReceiptNotWaiting,
)
from ledger.events import (
    AllocateReceipts,
    ProposalCarriedOut,
    ProposalMade,
    ReceiptReference,
    ReceiptReturnRequested,
    ReceiptsAllocated,
    ReceiptSpent,
    ReturnReceipt,
)
from ledger.flows import ParkedState
from ledger.money import AMOUNT_MAX, Split
from ledger.payment import Payment, PaymentState
from ledger.postings import FeePlan
from ledger.receipt import Receipt, receipt_id
from tests.builders import (
    GROSS,
    NOON,
    PROVIDER,
    expire_payment,
    initiate_payment,
    register_creator,
    report_success,
)
from tests.ledger.given import History
from tests.ledger.scenes import (
    CREATOR,
    EXPIRES_AT,
    NOBODY,
    OTHER_PAYMENT,
    PAYMENT,
    PAYMENT_STATES,
    RECEIPT,
    REFUND,
    UNMATCHED,
    mismatched,
    unmatched,
)
from tests.ledger.tables import Decided, Table
from tests.money_builders import REASON, approve_proposal, propose, report_refund

TARGET: Final = uuid4()
TO_ALLOCATE: Final = uuid4()
TO_RETURN: Final = uuid4()
RETURN: Final = uuid4()


def reference(stream: UUID, transaction: str, provider: str = PROVIDER) -> ReceiptReference:
    return ReceiptReference(stream_id=stream, provider=provider, provider_transaction=transaction)


def elsewhere(transaction: str) -> ReceiptReference:
    """Money that came with no payment lies on a stream of its own."""
    return reference(receipt_id(provider=PROVIDER, transaction=transaction), transaction)


def allocate(payment: UUID, *receipts: ReceiptReference) -> AllocateReceipts:
    return AllocateReceipts(
        payment_id=payment, receipts=receipts, settlement_delay_seconds=60, reason=REASON
    )


def give_back(receipt: ReceiptReference, refund_id: UUID) -> ReturnReceipt:
    return ReturnReceipt(refund_id=refund_id, receipt=receipt, reason=REASON)


def expired(history: History, payment: UUID) -> History:
    """With a payment that expired, which the money may pay."""
    history.given(initiate_payment(CREATOR, payment_id=payment))
    return history.at(EXPIRES_AT).given(expire_payment(payment)).at(NOON)


@dataclass(frozen=True)
class Kind:
    """Money in suspense: on the stream of a payment that it was too little for, or on its own."""

    stream: UUID
    transaction: str
    amount: int
    parked: Callable[[], History]

    @property
    def receipt(self) -> ReceiptReference:
        return reference(self.stream, self.transaction)

    def waiting(self) -> History:
        """With two open proposals about it."""
        history = expired(expired(self.parked(), OTHER_PAYMENT), TARGET)
        return history.given(
            propose(self.allocation, proposal_id=TO_ALLOCATE, second_person_above=0),
            propose(self.way_back, proposal_id=TO_RETURN, second_person_above=0),
        )

    @property
    def allocation(self) -> AllocateReceipts:
        return allocate(TARGET, self.receipt)

    @property
    def way_back(self) -> ReturnReceipt:
        return give_back(self.receipt, RETURN)

    def returning(self) -> History:
        return self.waiting().given(propose(give_back(self.receipt, REFUND)))

    def states(self) -> dict[str, Callable[[], History]]:
        returned = report_refund(self.stream, REFUND, self.amount)
        failed = report_refund(self.stream, REFUND, self.amount, RefundClaim.FAILED)
        return {
            "none": lambda: expired(registered(), TARGET),
            "waiting": self.waiting,
            "spent": lambda: self.waiting().given(propose(allocate(OTHER_PAYMENT, self.receipt))),
            "returning": self.returning,
            "returned": lambda: self.returning().given(returned),
            "waiting again": lambda: self.returning().given(failed),
        }

    def commands(self) -> dict[str, LedgerCommand]:
        others = reference(self.stream, self.transaction, "other")
        return {
            "allocate": propose(self.allocation),
            "allocate it twice": propose(allocate(TARGET, self.receipt, self.receipt)),
            "allocate to nobody": propose(allocate(NOBODY, self.receipt)),
            "allocate another's": propose(allocate(TARGET, others)),
            "return": propose(give_back(self.receipt, uuid4())),
            "return by a used id": propose(give_back(self.receipt, REFUND)),
            "return another's": propose(give_back(others, uuid4())),
            "agree to allocate": approve_proposal(TO_ALLOCATE, self.allocation),
            "agree to return": approve_proposal(TO_RETURN, self.way_back),
        }


def registered() -> History:
    return History().given(register_creator(CREATOR))


KINDS: Final = {
    "on a payment": Kind(PAYMENT, "LESS", GROSS - 1, mismatched),
    "on its own": Kind(RECEIPT, UNMATCHED, GROSS, unmatched),
}

BY_STATE: Final = """
                    none wait spent retg retd again
allocate            !rec allo !wai  !wai !wai allo
allocate it twice   !rec allo !wai  !wai !wai allo
allocate to nobody  !pay !pay !pay  !pay !pay !pay
allocate another's  !rec !rec !rec  !rec !rec !rec
return              !rec back !wai  !wai !wai back
return by a used id !rec back !wai  !exi !exi !exi
return another's    !rec !rec !rec  !rec !rec !rec
agree to allocate   !pro agal !wai  !wai !wai agal
agree to return     !pro agba !wai  !wai !wai agba
"""

ALLOCATED: Final[list[type]] = [ReceiptsAllocated, ReceiptSpent, ProposalCarriedOut]
RETURNED: Final[list[type]] = [ReceiptReturnRequested, ProposalCarriedOut]

OF_MONEY: Final[dict[str, Decided]] = {
    "!rec": ReceiptNotFound,
    "!wai": ReceiptNotWaiting,
    "!pay": PaymentNotFound,
    "!pro": ProposalNotFound,
    "!exi": AlreadyExists,
    "allo": ([ProposalMade, *ALLOCATED], None),
    "back": ([ProposalMade, *RETURNED], None),
    "agal": (ALLOCATED, None),
    "agba": (RETURNED, None),
}

TABLES: Final = {
    name: Table(text=BY_STATE, states=kind.states(), commands=kind.commands(), cells=OF_MONEY)
    for name, kind in KINDS.items()
}


@pytest.mark.parametrize("name", KINDS)
def test_the_tables_know_every_state_of_parked_money(name: str) -> None:
    kind = KINDS[name]
    for state in ParkedState:
        owner = TABLES[name].states[state]().aggregates[kind.stream]
        assert isinstance(owner, Payment | Receipt)
        assert owner.flows.parked[kind.transaction].state is state


@pytest.mark.parametrize(
    ("name", "command", "state"),
    [(name, *pair) for name, table in TABLES.items() for pair in table.matrix()],
)
def test_a_command_in_a_state_is_decided_as_the_table_says(
    name: str, command: str, state: str
) -> None:
    TABLES[name].happens(command, state)


# In every state of the payment that it may pay.

RECEIVED: Final = (
    report_success(None, 60_000, transaction="R-1"),
    report_success(None, 50_000, transaction="R-2"),
    report_success(None, 700, transaction="R-3", currency="UGX"),
    report_success(None, AMOUNT_MAX, transaction="R-4"),
)

BY_PAYMENT: Final = """
                    none init ting mitt unkn auth succ fail canc expi review
a receipt           !pay !all !all !all !all !all !all allo allo allo allo
two that add up     !pay !all !all !all !all !all !all two  two  two  two
its own             !pay !all !all !all !all !all !all !rec !rec !rec own
its own and another !pay !all !all !all !all !all !all !rec !rec !rec allo
another currency    !pay !all !all !all !all !all !all !cur !cur !cur !cur
too much altogether !pay !all !all !all !all !all !all !amt !amt !amt !amt
an unknown one      !pay !all !all !all !all !all !all !rec !rec !rec !rec
"""

OF_PAYMENTS: Final[dict[str, Decided]] = {
    "!pay": PaymentNotFound,
    "!all": PaymentNotAllocatable,
    "!rec": ReceiptNotFound,
    "!cur": CurrencyDiffers,
    "!amt": AmountOutOfBounds,
    "allo": ([ProposalMade, ReceiptsAllocated, ReceiptSpent, ProposalCarriedOut], None),
    "two": (
        [ProposalMade, ReceiptsAllocated, ReceiptSpent, ReceiptSpent, ProposalCarriedOut],
        None,
    ),
    "own": ([ProposalMade, ReceiptsAllocated, ProposalCarriedOut], None),
}

ALLOCATIONS: Final = {
    "a receipt": allocate(PAYMENT, elsewhere("R-1")),
    "two that add up": allocate(PAYMENT, elsewhere("R-1"), elsewhere("R-2")),
    "its own": allocate(PAYMENT, reference(PAYMENT, "LESS")),
    "its own and another": allocate(PAYMENT, reference(PAYMENT, "LESS"), elsewhere("R-1")),
    "another currency": allocate(PAYMENT, elsewhere("R-3")),
    "too much altogether": allocate(PAYMENT, elsewhere("R-1"), elsewhere("R-4")),
    "an unknown one": allocate(PAYMENT, elsewhere("R-9")),
}


def _with_receipts(state: str) -> History:
    return PAYMENT_STATES[state]().given(*RECEIVED)


PAYMENT_TABLE: Final = Table(
    text=BY_PAYMENT,
    states={state: partial(_with_receipts, state) for state in PAYMENT_STATES},
    commands={name: propose(action) for name, action in ALLOCATIONS.items()},
    cells=OF_PAYMENTS,
)


@pytest.mark.parametrize(("command", "state"), PAYMENT_TABLE.matrix())
def test_money_is_allocated_to_a_payment_as_the_table_says(command: str, state: str) -> None:
    PAYMENT_TABLE.happens(command, state)


def test_the_split_is_of_what_the_receipts_add_up_to() -> None:
    history = _with_receipts("needs_review").given(propose(ALLOCATIONS["two that add up"]))
    payment = history.payment(PAYMENT)
    assert payment.state is PaymentState.SUCCEEDED
    assert payment.split == Split(fee=11_000, vat=1_760, net=97_240)
    assert history.balances()[f"creator:{CREATOR}:pending", "KES"] == -97_240
    # What had come for it before still waits.
    assert history.balances()["suspense:sandbox", "KES"] == -(GROSS - 1) - AMOUNT_MAX


def test_so_little_that_fee_and_tax_would_be_more_is_not_allocated() -> None:
    plan = FeePlan(fee_basis_points=8_600, vat_basis_points=1_600)
    history = expired(History().given(register_creator(CREATOR, plan=plan)), PAYMENT)
    history.given(report_success(None, 4, transaction="R-1"))
    with pytest.raises(FeePlanExceedsPayment):
        history.decide(propose(allocate(PAYMENT, elsewhere("R-1"))))
