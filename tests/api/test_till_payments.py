"""Money that a customer pays at a till: it finds its payment by what was typed, or it waits."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.manual_references import new_reference, payment_of
from ledger.receipt import receipt_id
from tests.api.deployment import GROSS, NET
from tests.api.operator_callbacks import till_payment
from tests.builders import initiate_payment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.deployment import Deployment, Person


@pytest.fixture(scope="module")
def ledger(doors: Deployment) -> Iterator[Ledger]:
    opened = Ledger(BookLocation(doors.database, DatabaseRole.APP))
    yield opened
    opened.close()


@pytest.fixture
def transaction() -> str:
    return f"SB{uuid4().hex[:12].upper()}"


@pytest.fixture
def fan(doors: Deployment) -> Person:
    return doors.fan()


@pytest.fixture
def creator(doors: Deployment) -> Person:
    return doors.creator()


@pytest.fixture
def reference(ledger: Ledger, fan: Person, creator: Person) -> str:
    """The reference of a payment that waits for KES 1,250.00."""
    issued = new_reference()
    outcome = ledger.execute_one(
        initiate_payment(creator.id, GROSS, payment_id=payment_of(issued), fan_id=fan.id)
    )
    assert outcome.error is None
    return issued


def pay(doors: Deployment, typed: object, transaction: str, **fields: object) -> str:
    """Tell that a customer has paid; the verdict."""
    told = till_payment(doors.webhook_secret, typed, transaction=transaction, **fields)
    answer = doors.api.deliver(told)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["verdict"])


def receipt(transaction: str) -> UUID:
    """The stream of money that found no payment."""
    return receipt_id(provider="sandbox", transaction=transaction)


@pytest.mark.parametrize(
    "typed", ["7GM3W2QH", "", "Zqcanary Wanjiku", "254709481000", None, 7, "\ud800"]
)
def test_money_that_names_no_payment_waits_for_a_person(
    doors: Deployment, transaction: str, typed: object
) -> None:
    assert pay(doors, typed, transaction) == "applied"
    assert doors.topics(receipt(transaction)) == ["receipt.unmatched_recorded.v1"]
    assert pay(doors, typed, transaction) == "duplicate"
    assert len(doors.topics(receipt(transaction))) == 1


def test_money_that_names_a_payment_pays_it_once(
    doors: Deployment, fan: Person, creator: Person, *, reference: str, transaction: str
) -> None:
    payment_id = payment_of(reference)
    assert pay(doors, reference, transaction) == "applied"
    assert doors.payment(fan, str(payment_id))["state"] == "succeeded"
    assert doors.pending(creator) == NET
    assert pay(doors, reference, transaction) == "duplicate"
    assert doors.topics(payment_id)[1:] == ["payment.succeeded.v2"]
    assert doors.topics(receipt(transaction)) == []


def test_a_reference_pays_however_it_was_typed(
    doors: Deployment, fan: Person, *, reference: str, transaction: str
) -> None:
    typed = f" {reference[:4]}-{reference[4:]}".lower().replace("1", "l").replace("0", "o")
    assert pay(doors, typed, transaction) == "applied"
    assert doors.payment(fan, str(payment_of(reference)))["state"] == "succeeded"


def test_a_slip_of_one_character_pays_nobody(
    doors: Deployment, fan: Person, *, reference: str, transaction: str
) -> None:
    other = "2" if reference[2] != "2" else "3"
    assert pay(doors, reference[:2] + other + reference[3:], transaction) == "applied"
    assert doors.topics(receipt(transaction)) == ["receipt.unmatched_recorded.v1"]
    assert doors.payment(fan, str(payment_of(reference)))["state"] == "initiated"


def test_too_little_and_a_second_time_wait_for_a_person_at_the_payment(
    doors: Deployment, fan: Person, reference: str
) -> None:
    payment_id = payment_of(reference)
    for amount, state in (
        ("1249.99", "needs_review"),
        ("1250.00", "succeeded"),
        ("1250.00", "succeeded"),
    ):
        assert pay(doors, reference, f"SB{uuid4().hex}", amount=amount) == "applied"
        assert doors.payment(fan, str(payment_id))["state"] == state
    assert doors.topics(payment_id)[1:] == [
        "payment.mismatched.v1",
        "payment.succeeded.v2",
        "payment.surplus_received.v1",
    ]
