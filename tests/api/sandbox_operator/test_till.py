"""Customers who pay at the sandbox operator's till: any money, and whatever they type."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import pytest

from api.providers.port import Delivery
from api.providers.sandbox import Sandbox
from ledger.commands import Claim, ProviderReport
from ledger.manual_references import payment_of
from ledger.money import Money
from tests.api.operator_callbacks import till_payment
from tests.api.sandbox_operator.conftest import API_KEY, WEBHOOK_SECRET, refused

if TYPE_CHECKING:
    from tests.api.sandbox_operator.conftest import OperatorProcess, Receiver

OURS: Final = "7GM3W2QH"
CARELESS: Final = " 7gm3-w2qh "
GOOD_PAYMENT: Final = {
    "account_reference": OURS,
    "phone": "+254700000000",
    "amount": "1250.00",
    "currency": "KES",
}


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    """The adapter; it calls nobody here."""
    return Sandbox(
        url="http://127.0.0.1:1",
        api_key=API_KEY,
        webhook_secret=WEBHOOK_SECRET,
        timeout_seconds=1,
    )


@pytest.mark.parametrize("typed", [OURS, CARELESS, "rent, march", ""])
def test_a_customer_pays_at_the_till(
    operator: OperatorProcess, receiver: Receiver, typed: str
) -> None:
    answer = operator.pay_at_till(typed, amount="12.5")
    assert answer.status_code == 202
    transaction = answer.json()["transaction"]
    [callback] = receiver.wait_for(transaction, 1)
    assert callback.type == "till.payment.received"
    assert datetime.fromisoformat(callback.data["occurred_at"]).tzinfo is not None
    assert callback.data == {
        "transaction": transaction,
        "account_reference": typed,
        "phone": "+254700000000",
        "amount": "12.50",
        "currency": "KES",
        "occurred_at": callback.data["occurred_at"],
    }


@pytest.mark.parametrize(
    ("typed", "payment_id"),
    [(OURS, payment_of(OURS)), (CARELESS, payment_of(OURS)), ("rent, march", None)],
)
def test_the_adapter_finds_the_payment_by_what_was_typed(
    operator: OperatorProcess,
    receiver: Receiver,
    sandbox: Sandbox,
    *,
    typed: str,
    payment_id: UUID | None,
) -> None:
    transaction = operator.pay_at_till(typed).json()["transaction"]
    [callback] = receiver.wait_for(transaction, 1)
    told = sandbox.verify(Delivery(headers=callback.headers, body=callback.body))
    [report] = told.reports
    assert report == ProviderReport(
        provider="sandbox",
        payment_id=payment_id,
        claim=Claim.SUCCEEDED,
        provider_transaction=transaction,
        received=Money(amount=125_000, currency="KES"),
        occurred_at=datetime.fromisoformat(callback.data["occurred_at"]),
    )


@pytest.mark.parametrize("typed", [None, 7, ["7"], {}, True, "\ud800", "x" * 1_000])
def test_the_adapter_takes_money_whatever_was_typed(sandbox: Sandbox, typed: object) -> None:
    told = till_payment(WEBHOOK_SECRET, typed, transaction="SB1")
    report = sandbox.verify(Delivery(headers=told.headers, body=told.body)).reports[0]
    assert isinstance(report, ProviderReport)
    assert (report.claim, report.payment_id) == (Claim.SUCCEEDED, None)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"amount": "0.00"}, "inexact_amount"),
        ({"amount": 1250}, "unreadable_amount"),
        ({"currency": "ZZZ"}, "unreadable_amount"),
        ({"transaction": None}, "unreadable_transaction"),
        ({"occurred_at": "yesterday"}, "unreadable_body"),
    ],
)
def test_the_adapter_does_not_read_money_that_cannot_be(
    sandbox: Sandbox, fields: dict[str, object], reason: str
) -> None:
    told = till_payment(WEBHOOK_SECRET, OURS, **({"transaction": "SB1"} | fields))
    read = sandbox.verify(Delivery(headers=told.headers, body=told.body))
    assert (read.reports, read.reason) == ((), reason)


def test_money_from_the_till_can_be_given_back(
    operator: OperatorProcess, receiver: Receiver, refund: str
) -> None:
    transaction = operator.pay_at_till("rent, march").json()["transaction"]
    assert operator.refund(refund, transaction).status_code == 202
    [callback] = receiver.wait_for(refund, 1)
    assert callback.type == "refund.succeeded"
    assert (callback.data["transaction"], callback.data["payment_reference"]) == (transaction, None)
    again = operator.refund(f"{refund}-2", transaction, amount="0.01")
    assert refused(again) == (409, "refund_exceeds_payment")


def test_the_phone_that_paid_at_the_till_says_how_its_refunds_end(
    operator: OperatorProcess, receiver: Receiver, refund: str
) -> None:
    transaction = operator.pay_at_till(OURS, phone="+254700000024").json()["transaction"]
    operator.refund(refund, transaction)
    [callback] = receiver.wait_for(refund, 1)
    assert callback.type == "refund.failed"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account_reference", "r" * 65),
        ("account_reference", None),
        ("phone", "0700000000"),
        ("amount", "0.00"),
        ("amount", 7),
        ("currency", "ZZZ"),
        ("reference", "payment-1"),
    ],
)
def test_a_payment_that_cannot_be_is_refused_without_being_echoed(
    operator: OperatorProcess, field: str, value: object
) -> None:
    answer = operator.client.post("/v1/till/payments", json=GOOD_PAYMENT | {field: value})
    assert refused(answer) == (400, "invalid_request")
    for secret in ("rrr", "0700000000", "ZZZ", "payment-1"):
        assert secret not in answer.json()["error"]["message"]
