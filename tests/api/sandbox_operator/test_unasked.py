"""Refunds, fees and settlements that the sandbox operator makes though its caller did not ask."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from tests.api.sandbox_operator.conftest import refused

if TYPE_CHECKING:
    from tests.api.sandbox_operator.conftest import OperatorProcess, Receiver


def test_a_payment_is_refunded_though_nobody_asked(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    transaction = operator.pay(reference, "030")
    receiver.wait_for(reference, 1)
    [callback] = receiver.wait_for(f"unasked refund of {reference}", 1)
    assert callback.type == "refund.succeeded"
    assert callback.data["operator_reference"]
    assert callback.data["refund"]
    assert datetime.fromisoformat(callback.data["occurred_at"]).tzinfo is not None
    assert callback.data == {
        "reference": None,
        "operator_reference": callback.data["operator_reference"],
        "refund": callback.data["refund"],
        "transaction": transaction,
        "payment_reference": reference,
        "status": "succeeded",
        "reason": None,
        "amount": "1250.00",
        "currency": "KES",
        "occurred_at": callback.data["occurred_at"],
    }
    refusal = operator.refund(f"{reference}-r", transaction, amount="0.01")
    assert refused(refusal) == (409, "refund_exceeds_payment")


@pytest.mark.parametrize(("amount", "told"), [(None, "1000.00"), ("12.5", "12.50")])
def test_somebody_makes_the_operator_refund_what_was_not_refunded_yet(
    operator: OperatorProcess,
    receiver: Receiver,
    reference: str,
    refund: str,
    *,
    amount: str | None,
    told: str,
) -> None:
    transaction = operator.pay(reference, "000")
    operator.refund(refund, transaction, amount="250.00")
    answer = operator.control("reversals", transaction=transaction, amount=amount)
    assert answer.status_code == 202
    [callback] = receiver.wait_for(f"unasked refund of {reference}", 1)
    assert callback.type == "refund.succeeded"
    assert callback.data["refund"] == answer.json()["refund"]
    assert callback.data["reference"] is None
    assert (callback.data["payment_reference"], callback.data["amount"]) == (reference, told)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"transaction": "SB0"}, (404, "unknown_transaction")),
        ({"transaction": ""}, (400, "invalid_request")),
        ({"amount": "0.00"}, (400, "invalid_request")),
        ({"amount": "1250.01"}, (409, "refund_exceeds_payment")),
        ({"surprise": "field"}, (400, "invalid_request")),
    ],
)
def test_a_reversal_that_cannot_be_is_refused(
    operator: OperatorProcess,
    reference: str,
    fields: dict[str, object],
    expected: tuple[int, str],
) -> None:
    good: dict[str, object] = {"transaction": operator.pay(reference, "000")}
    assert refused(operator.control("reversals", **(good | fields))) == expected


def test_a_payment_is_not_reversed_twice(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    transaction = operator.pay(reference, "000")
    assert operator.control("reversals", transaction=transaction).status_code == 202
    again = operator.control("reversals", transaction=transaction)
    assert refused(again) == (409, "refund_exceeds_payment")
    receiver.wait_for(f"unasked refund of {reference}", 1)


@pytest.mark.parametrize(
    ("amount", "currency", "fee"), [("1250.00", "KES", "37.50"), ("7", "UGX", "1")]
)
def test_a_fee_is_charged_some_time_after_the_payment(
    operator: OperatorProcess,
    receiver: Receiver,
    reference: str,
    *,
    amount: str,
    currency: str,
    fee: str,
) -> None:
    transaction = operator.pay(reference, "031", amount=amount, currency=currency)
    paid, charged = receiver.wait_for(reference, 2)
    assert (paid.type, charged.type) == ("payment.succeeded", "fee.charged")
    assert charged.arrived_at - paid.arrived_at >= 0.4
    assert datetime.fromisoformat(charged.data["occurred_at"]).tzinfo is not None
    assert charged.data["fee"]
    assert charged.data == {
        "fee": charged.data["fee"],
        "reference": reference,
        "transaction": transaction,
        "amount": fee,
        "currency": currency,
        "occurred_at": charged.data["occurred_at"],
    }


def test_somebody_makes_the_operator_charge_a_fee(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    transaction = operator.pay(reference, "000")
    receiver.wait_for(reference, 1)
    answers = [
        operator.control("fees", transaction=transaction, amount=amount)
        for amount in ("3.5", "9999.00")
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    _, *charged = receiver.wait_for(reference, 3)
    assert [each.type for each in charged] == ["fee.charged", "fee.charged"]
    assert [each.data["amount"] for each in charged] == ["3.50", "9999.00"]
    assert [{"fee": each.data["fee"]} for each in charged] == [each.json() for each in answers]
    assert len({each.data["fee"] for each in charged}) == 2


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"transaction": "SB0"}, (404, "unknown_transaction")),
        ({"amount": None}, (400, "invalid_request")),
        ({"amount": "0.00"}, (400, "invalid_request")),
        ({"amount": "1.234"}, (400, "invalid_request")),
        ({"surprise": "field"}, (400, "invalid_request")),
    ],
)
def test_a_fee_that_cannot_be_is_refused(
    operator: OperatorProcess,
    reference: str,
    fields: dict[str, object],
    expected: tuple[int, str],
) -> None:
    good: dict[str, object] = {"transaction": operator.pay(reference, "000"), "amount": "1.00"}
    assert refused(operator.control("fees", **(good | fields))) == expected


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"currency": "KES", "amount": "10000", "fees": "12.5"}, ("10000.00", "12.50")),
        ({"currency": "KES", "amount": "0.01", "fees": "0.01"}, ("0.01", "0.01")),
        ({"currency": "UGX", "amount": "10000"}, ("10000", "0")),
    ],
)
def test_somebody_makes_the_operator_settle(
    operator: OperatorProcess,
    receiver: Receiver,
    *,
    asked: dict[str, object],
    told: tuple[str, str],
) -> None:
    answer = operator.control("settlements", **asked)
    assert answer.status_code == 202
    settlement = answer.json()["settlement"]
    [callback] = receiver.wait_for(settlement, 1)
    assert callback.type == "settlement.paid"
    assert datetime.fromisoformat(callback.data["occurred_at"]).tzinfo is not None
    assert callback.data == {
        "settlement": settlement,
        "amount": told[0],
        "fees": told[1],
        "currency": asked["currency"],
        "occurred_at": callback.data["occurred_at"],
    }
    deliveries = operator.client.get("/v1/statistics/deliveries").json()["deliveries"]
    [delivery] = [each for each in deliveries if each["webhook_id"] == callback.webhook_id]
    assert (delivery["type"], delivery["reference"]) == ("settlement.paid", None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("currency", "ZZZ"),
        ("currency", None),
        ("amount", "0"),
        ("amount", "1.234"),
        ("amount", 7),
        ("fees", "-1"),
        ("fees", "100.01"),
        ("surprise", "field"),
    ],
)
def test_a_settlement_that_cannot_be_is_refused_without_being_echoed(
    operator: OperatorProcess, field: str, value: object
) -> None:
    good: dict[str, object] = {"currency": "KES", "amount": "100.00", "fees": "1.00"}
    answer = operator.control("settlements", **(good | {field: value}))
    assert refused(answer) == (400, "invalid_request")
    for secret in ("surprise", "ZZZ"):
        assert secret not in answer.json()["error"]["message"]
