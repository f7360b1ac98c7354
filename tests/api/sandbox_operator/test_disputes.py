"""Disputes at the sandbox operator: by the phone that paid, and as somebody asks for them."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.sandbox_operator.conftest import refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.api.sandbox_operator.conftest import Delivery, OperatorProcess, Receiver


def of_one_dispute(paid: Delivery, *callbacks: Delivery) -> list[dict[str, Any]]:
    """The data of callbacks, which are about one dispute of one payment."""
    told = [callback.data for callback in callbacks]
    assert paid.type == "payment.succeeded"
    assert len({each["dispute"] for each in told}) == 1
    assert {each["transaction"] for each in told} == {paid.data["transaction"]}
    assert len({callback.webhook_id for callback in callbacks}) == len(callbacks)
    for callback in (paid, *callbacks):
        assert datetime.fromisoformat(callback.payload["timestamp"]).tzinfo is not None
        assert datetime.fromisoformat(callback.data["occurred_at"]).tzinfo is not None
    return told


def in_the_order_of_time(*callbacks: Delivery) -> bool:
    moments = [datetime.fromisoformat(callback.data["occurred_at"]) for callback in callbacks]
    return all(earlier < later for earlier, later in pairwise(moments))


def test_a_dispute_is_won(operator: OperatorProcess, receiver: Receiver, reference: str) -> None:
    transaction = operator.pay(reference, "027")
    callbacks = receiver.wait_for(reference, 4)
    paid, warned, opened, closed = callbacks
    assert [each.type for each in callbacks[1:]] == [
        "dispute.warned",
        "dispute.opened",
        "dispute.closed",
    ]
    told = of_one_dispute(paid, warned, opened, closed)
    assert in_the_order_of_time(*callbacks)
    assert [each["funds_withdrawn"] for each in told] == [False, True, True]
    for each in told:
        assert each == {
            "dispute": told[0]["dispute"],
            "reference": reference,
            "transaction": transaction,
            "amount": "1250.00",
            "lost_amount": "0.00",
            "currency": "KES",
            "funds_withdrawn": each["funds_withdrawn"],
            "occurred_at": each["occurred_at"],
        }


def test_a_dispute_is_lost_and_costs_a_fee(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    transaction = operator.pay(reference, "028")
    callbacks = receiver.wait_for(reference, 4)
    paid, opened, charged, closed = callbacks
    assert [each.type for each in callbacks[1:]] == [
        "dispute.opened",
        "dispute.fee_charged",
        "dispute.closed",
    ]
    of_one_dispute(paid, opened, charged, closed)
    assert in_the_order_of_time(*callbacks)
    assert (opened.data["funds_withdrawn"], opened.data["lost_amount"]) == (True, "0.00")
    assert (closed.data["amount"], closed.data["lost_amount"]) == ("1250.00", "1250.00")
    assert charged.data["fee"]
    assert charged.data == {
        "dispute": opened.data["dispute"],
        "reference": reference,
        "transaction": transaction,
        "fee": charged.data["fee"],
        "amount": "125.00",
        "currency": "KES",
        "occurred_at": charged.data["occurred_at"],
    }


def test_a_dispute_is_closed_before_it_is_opened(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    operator.pay(reference, "035")
    paid, closed, opened = receiver.wait_for(reference, 3)
    assert (closed.type, opened.type) == ("dispute.closed", "dispute.opened")
    of_one_dispute(paid, closed, opened)
    assert in_the_order_of_time(paid, opened, closed)
    assert (closed.data["lost_amount"], opened.data["lost_amount"]) == ("1250.00", "0.00")
    assert opened.payload["timestamp"] < closed.payload["timestamp"]


def test_a_late_dispute_waits_until_somebody_asks_for_it(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    transaction = operator.pay(reference, "029")
    receiver.wait_for(reference, 1)
    opened = operator.control("disputes", transaction=transaction, stage="opened")
    assert opened.status_code == 202
    # What was asked for and nothing else: whoever drives the operator decides how it ends.
    [_, told] = receiver.wait_for(reference, 2)
    assert told.type == "dispute.opened"
    assert opened.json() == {"dispute": told.data["dispute"]}


def test_a_late_dispute_comes_after_its_setting_and_is_lost(
    start_operator: Callable[..., AbstractContextManager[OperatorProcess]],
    receiver: Receiver,
    reference: str,
) -> None:
    with start_operator(DISPUTE_LATE_SECONDS="0.5") as operator:
        operator.pay(reference, "029")
        paid, opened, closed = receiver.wait_for(reference, 3)
    assert (opened.type, closed.type) == ("dispute.opened", "dispute.closed")
    of_one_dispute(paid, opened, closed)
    assert opened.arrived_at - paid.arrived_at >= 0.5
    assert opened.data["funds_withdrawn"]
    assert closed.data["lost_amount"] == "1250.00"


def test_any_order_of_a_dispute_can_be_asked_for_and_is_kept(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    transaction = operator.pay(reference, "000")
    order = ["reopened", "closed", "warned", "opened", "closed"]
    receiver.wait_for(reference, 1)
    receiver.answers[reference] = [500, 500]
    for stage in order:
        answer = operator.control(
            "disputes", transaction=transaction, stage=stage, dispute="their-own-1"
        )
        assert (answer.status_code, answer.json()) == (202, {"dispute": "their-own-1"})
    # The first one is refused twice: those after it wait until it is acknowledged.
    callbacks = receiver.wait_for(reference, 1 + 2 + len(order))[1:]
    assert [each.type for each in callbacks] == [
        f"dispute.{stage}" for stage in ["reopened", "reopened", *order]
    ]
    assert in_the_order_of_time(*callbacks[2:])
    assert {each.data["dispute"] for each in callbacks} == {"their-own-1"}


def test_a_callback_that_is_never_acknowledged_holds_up_no_other_payment(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    other = f"{reference}-2"
    stuck = operator.pay(reference, "000")
    free = operator.pay(other, "000")
    receiver.wait_for(reference, 1)
    receiver.wait_for(other, 1)
    receiver.slowness_seconds[reference] = 1.0
    operator.control("disputes", transaction=stuck, stage="opened")
    operator.control("disputes", transaction=free, stage="opened")
    [_, told] = receiver.wait_for(other, 2)
    [_, slow] = receiver.wait_for(reference, 2)
    assert told.answered_at < slow.answered_at


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"stage": "opened"}, ("1250.00", "0.00", True)),
        ({"stage": "opened", "amount": "12.5"}, ("12.50", "0.00", True)),
        ({"stage": "warned", "funds_withdrawn": False}, ("1250.00", "0.00", False)),
        ({"stage": "closed"}, ("1250.00", "0.00", True)),
        ({"stage": "closed", "lost_amount": "0"}, ("1250.00", "0.00", True)),
        ({"stage": "closed", "lost_amount": "1250"}, ("1250.00", "1250.00", True)),
        ({"stage": "closed", "amount": "5", "lost_amount": "4.99"}, ("5.00", "4.99", True)),
    ],
)
def test_a_dispute_is_about_what_was_asked_for(
    operator: OperatorProcess,
    receiver: Receiver,
    reference: str,
    *,
    asked: dict[str, object],
    told: tuple[str, str, bool],
) -> None:
    transaction = operator.pay(reference, "000")
    assert operator.control("disputes", transaction=transaction, **asked).status_code == 202
    [dispute] = [each.data for each in receiver.wait_for(reference, 2) if "dispute" in each.data]
    assert (dispute["amount"], dispute["lost_amount"], dispute["funds_withdrawn"]) == told
    assert (dispute["reference"], dispute["transaction"]) == (reference, transaction)


def test_a_payment_of_nothing_can_be_neither_disputed_nor_refunded(
    operator: OperatorProcess, reference: str
) -> None:
    transaction = operator.pay(reference, "007", amount="0.01")
    disputed = operator.control("disputes", transaction=transaction, stage="opened")
    assert refused(disputed) == (409, "amount_exceeds_payment")
    for refusal in (
        operator.control("reversals", transaction=transaction),
        operator.refund(f"{reference}-r", transaction, amount="0.01"),
    ):
        assert refused(refusal) == (409, "refund_exceeds_payment")


def test_the_second_transaction_of_a_prompt_can_be_disputed(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    operator.push(reference, "016")
    _, second = receiver.wait_for(reference, 2)
    transaction = second.data["transaction"]
    operator.control("disputes", transaction=transaction, stage="opened")
    *_, dispute = receiver.wait_for(reference, 3)
    assert (dispute.type, dispute.data["transaction"]) == ("dispute.opened", transaction)


def test_the_fee_of_a_dispute_is_charged_and_returned(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    fields = {"transaction": operator.pay(reference, "000"), "dispute": "d-1", "amount": "9.5"}
    receiver.wait_for(reference, 1)
    fee = operator.control("disputes/fees", **fields).json()["fee"]
    returned = operator.control("disputes/fees", **fields, fee=fee, returned=True)
    assert (returned.status_code, returned.json()) == (202, {"fee": fee})
    _, charged, given_back = receiver.wait_for(reference, 3)
    assert (charged.type, given_back.type) == ("dispute.fee_charged", "dispute.fee_returned")
    for callback in (charged, given_back):
        assert callback.data == {
            "dispute": "d-1",
            "reference": reference,
            "transaction": fields["transaction"],
            "fee": fee,
            "amount": "9.50",
            "currency": "KES",
            "occurred_at": callback.data["occurred_at"],
        }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"transaction": "SB0"}, (404, "unknown_transaction")),
        ({"transaction": None}, (400, "invalid_request")),
        ({"stage": "lost"}, (400, "invalid_request")),
        ({"stage": None}, (400, "invalid_request")),
        ({"amount": "0"}, (400, "invalid_request")),
        ({"amount": "1.234"}, (400, "invalid_request")),
        ({"amount": 7}, (400, "invalid_request")),
        ({"amount": "1250.01"}, (409, "amount_exceeds_payment")),
        ({"dispute": "a/b"}, (400, "invalid_request")),
        ({"lost_amount": "1"}, (400, "invalid_request")),
        ({"stage": "closed", "lost_amount": "-1"}, (400, "invalid_request")),
        ({"stage": "closed", "lost_amount": "1250.01"}, (409, "amount_exceeds_payment")),
        ({"stage": "closed", "amount": "5", "lost_amount": "6"}, (409, "amount_exceeds_payment")),
        ({"funds_withdrawn": "yes"}, (400, "invalid_request")),
        ({"surprise": "field"}, (400, "invalid_request")),
    ],
)
def test_a_dispute_that_cannot_be_is_refused_and_not_told(
    operator: OperatorProcess,
    receiver: Receiver,
    reference: str,
    *,
    fields: dict[str, object],
    expected: tuple[int, str],
) -> None:
    transaction = operator.pay(reference, "000")
    good: dict[str, object] = {"transaction": transaction, "stage": "opened"}
    answer = operator.control("disputes", **(good | fields))
    assert refused(answer) == expected
    for secret in ("surprise", "a/b"):
        assert secret not in answer.json()["error"]["message"]
    receiver.wait_for(reference, 1)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"transaction": "SB0"}, (404, "unknown_transaction")),
        ({"dispute": None}, (400, "invalid_request")),
        ({"fee": ""}, (400, "invalid_request")),
        ({"amount": "0"}, (400, "invalid_request")),
        ({"amount": "1.234"}, (400, "invalid_request")),
        ({"returned": 1}, (400, "invalid_request")),
    ],
)
def test_a_fee_of_a_dispute_that_cannot_be_is_refused(
    operator: OperatorProcess,
    reference: str,
    fields: dict[str, object],
    expected: tuple[int, str],
) -> None:
    transaction = operator.pay(reference, "000")
    good: dict[str, object] = {"transaction": transaction, "dispute": "d-1", "amount": "9.50"}
    assert refused(operator.control("disputes/fees", **(good | fields))) == expected


def test_a_callback_is_not_asked_for_while_too_many_wait(
    start_operator: Callable[..., AbstractContextManager[OperatorProcess]],
    receiver: Receiver,
    reference: str,
) -> None:
    with start_operator(ANNOUNCEMENTS_OPEN_MAX="1") as operator:
        transaction = operator.pay(reference, "000", amount="1.00")
        receiver.wait_for(reference, 1)
        receiver.slowness_seconds[reference] = 0.5
        fields = {"transaction": transaction, "stage": "opened"}
        assert operator.control("disputes", **fields).status_code == 202
        assert refused(operator.control("disputes", **fields)) == (503, "operator_busy")
        refusal = operator.control("reversals", transaction=transaction)
        assert refused(refusal) == (503, "operator_busy")
        receiver.wait_for(reference, 2)
        assert operator.control("disputes", **fields).status_code == 202
        # The refused reversal has left the payment to be refunded.
        assert operator.refund(f"{reference}-r", transaction, amount="1.00").status_code == 202
        receiver.wait_for(f"{reference}-r", 1)
