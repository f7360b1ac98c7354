"""Refunds at the sandbox operator: over HTTP, by callbacks, and by the phone that paid."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.api.sandbox_operator.conftest import refused, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.api.sandbox_operator.conftest import OperatorProcess, Receiver

GOOD_REFUND = {
    "reference": "refund-1",
    "transaction": "SB0",
    "amount": "1250.00",
    "currency": "KES",
}


def test_a_payment_is_refunded(
    operator: OperatorProcess, receiver: Receiver, reference: str, refund: str
) -> None:
    transaction = operator.pay(reference, "000")
    accepted = operator.refund(refund, transaction, amount="12.5")
    assert accepted.status_code == 202
    operator_reference = accepted.json()["operator_reference"]
    assert accepted.json() == {"operator_reference": operator_reference, "reference": refund}

    [callback] = receiver.wait_for(refund, 1)
    assert callback.type == "refund.succeeded"
    assert datetime.fromisoformat(callback.payload["timestamp"]).tzinfo is not None
    assert datetime.fromisoformat(callback.data["occurred_at"]).tzinfo is not None
    assert callback.data == {
        "reference": refund,
        "operator_reference": operator_reference,
        "refund": callback.data["refund"],
        "transaction": transaction,
        "payment_reference": reference,
        "status": "succeeded",
        "reason": None,
        "amount": "12.50",
        "currency": "KES",
        "occurred_at": callback.data["occurred_at"],
    }
    assert callback.data["refund"]
    assert operator.refund_status(refund) == callback.data


def test_a_reference_is_refunded_once(
    operator: OperatorProcess, receiver: Receiver, reference: str, refund: str
) -> None:
    transaction = operator.pay(reference, "000")
    assert operator.refund(refund, transaction, amount="1.00").status_code == 202
    for amount in ("1.00", "2.00"):
        again = operator.refund(refund, transaction, amount=amount)
        assert refused(again) == (409, "duplicate_reference")
    receiver.wait_for(refund, 1)
    assert operator.refund_status(refund)["amount"] == "1.00"


def test_a_repeat_of_the_last_refund_is_a_duplicate_and_not_too_much(
    operator: OperatorProcess, reference: str, refund: str
) -> None:
    transaction = operator.pay(reference, "000")
    assert operator.refund(refund, transaction).status_code == 202
    assert refused(operator.refund(refund, transaction)) == (409, "duplicate_reference")


def test_no_more_is_refunded_than_was_paid(
    operator: OperatorProcess, receiver: Receiver, reference: str, refund: str
) -> None:
    transaction = operator.pay(reference, "000")
    assert refused(operator.refund(f"{refund}-a", transaction, amount="1250.01")) == (
        409,
        "refund_exceeds_payment",
    )
    assert operator.refund(f"{refund}-a", transaction, amount="1000.00").status_code == 202
    # A refund that is still pending counts.
    assert refused(operator.refund(f"{refund}-b", transaction, amount="250.01")) == (
        409,
        "refund_exceeds_payment",
    )
    receiver.wait_for(f"{refund}-a", 1)
    assert refused(operator.refund(f"{refund}-b", transaction, amount="250.01")) == (
        409,
        "refund_exceeds_payment",
    )
    assert operator.refund(f"{refund}-b", transaction, amount="250.00").status_code == 202
    assert refused(operator.refund(f"{refund}-c", transaction, amount="0.01")) == (
        409,
        "refund_exceeds_payment",
    )


def test_what_was_not_accepted_is_unknown(
    operator: OperatorProcess, reference: str, refund: str
) -> None:
    assert refused(operator.client.get(f"/v1/refunds/{refund}")) == (404, "unknown_reference")
    assert refused(operator.refund(refund, "SB0")) == (404, "unknown_transaction")
    transaction = operator.pay(reference, "000")
    operator.refund(refund, transaction, amount="1250.01")
    assert refused(operator.refund(refund, transaction, amount="1250", currency="UGX")) == (
        409,
        "currency_mismatch",
    )
    assert refused(operator.client.get(f"/v1/refunds/{refund}")) == (404, "unknown_reference")
    # None of these refusals used up the reference.
    assert operator.refund(refund, transaction).status_code == 202


@pytest.mark.parametrize(
    ("digits", "asked", "paid"),
    [
        ("007", ("1251", "UGX"), ("625", "UGX")),
        ("008", ("1250.00", "KES"), ("2500.00", "KES")),
        ("009", ("1250.00", "KES"), ("1250.00", "USD")),
    ],
)
def test_what_was_really_paid_can_be_refunded(
    operator: OperatorProcess,
    receiver: Receiver,
    reference: str,
    refund: str,
    *,
    digits: str,
    asked: tuple[str, str],
    paid: tuple[str, str],
) -> None:
    transaction = operator.pay(reference, digits, amount=asked[0], currency=asked[1])
    whole = operator.refund(refund, transaction, amount=paid[0], currency=paid[1])
    assert whole.status_code == 202
    [callback] = receiver.wait_for(refund, 1)
    assert (callback.data["amount"], callback.data["currency"]) == paid
    more = operator.refund(f"{refund}-more", transaction, amount="1", currency=paid[1])
    assert refused(more) == (409, "refund_exceeds_payment")


def test_both_transactions_of_a_prompt_can_be_refunded(
    operator: OperatorProcess, receiver: Receiver, reference: str, refund: str
) -> None:
    operator.push(reference, "016")
    for number, paid in enumerate(receiver.wait_for(reference, 2)):
        transaction = paid.data["transaction"]
        assert operator.refund(f"{refund}-{number}", transaction).status_code == 202
        [callback] = receiver.wait_for(f"{refund}-{number}", 1)
        assert callback.data["transaction"] == transaction
        assert callback.data["payment_reference"] == reference


def test_a_failed_refund_leaves_the_money_to_be_refunded(
    operator: OperatorProcess, receiver: Receiver, reference: str, refund: str
) -> None:
    transaction = operator.pay(reference, "024")
    operator.refund(refund, transaction)
    [callback] = receiver.wait_for(refund, 1)
    assert callback.type == "refund.failed"
    assert (callback.data["status"], callback.data["reason"]) == ("failed", "account_closed")
    assert operator.refund_status(refund) == callback.data
    assert operator.refund(f"{refund}-again", transaction).status_code == 202
    # The failed one is over, but its reference stays taken.
    assert refused(operator.refund(refund, transaction)) == (409, "duplicate_reference")


def test_a_refund_fails_after_it_had_succeeded(
    operator: OperatorProcess, receiver: Receiver, reference: str, refund: str
) -> None:
    transaction = operator.pay(reference, "025")
    operator.refund(refund, transaction)
    success, failure = receiver.wait_for(refund, 2)
    assert (success.type, failure.type) == ("refund.succeeded", "refund.failed")
    assert success.webhook_id != failure.webhook_id
    assert success.data["refund"] == failure.data["refund"]
    assert (success.data["reason"], failure.data["reason"]) == (None, "sent_back")
    assert success.data["occurred_at"] < failure.data["occurred_at"]
    assert operator.refund_status(refund) == failure.data
    assert operator.refund(f"{refund}-again", transaction).status_code == 202


def test_a_refund_is_answered_after_it_has_succeeded(
    operator: OperatorProcess, receiver: Receiver, reference: str, refund: str
) -> None:
    transaction = operator.pay(reference, "026")
    asked_at = time.monotonic()
    assert operator.refund(refund, transaction).status_code == 202
    answered_at = time.monotonic()
    [callback] = receiver.wait_for(refund, 1)
    assert callback.type == "refund.succeeded"
    assert callback.answered_at < answered_at
    assert answered_at - asked_at >= 1.0


def test_a_refund_that_hangs_is_a_duplicate_for_whoever_asks_again(
    operator: OperatorProcess, receiver: Receiver, reference: str, refund: str
) -> None:
    transaction = operator.pay(reference, "026")
    with pytest.raises(httpx.ReadTimeout):
        operator.client.post(
            "/v1/refunds",
            json=GOOD_REFUND | {"reference": refund, "transaction": transaction},
            timeout=0.2,
        )
    assert refused(operator.refund(refund, transaction)) == (409, "duplicate_reference")
    receiver.wait_for(refund, 1)


def test_only_the_status_query_knows_of_a_silent_refund(
    operator: OperatorProcess, receiver: Receiver, reference: str, refund: str
) -> None:
    transaction = operator.pay(reference, "033")
    operator.refund(refund, transaction)
    wait_until(lambda: operator.refund_status(refund)["status"] == "succeeded")
    receiver.wait_for(refund, 0)
    assert operator.attempts(refund) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reference", ""),
        ("reference", "a/b"),
        ("reference", "a" * 101),
        ("reference", None),
        ("transaction", ""),
        ("transaction", "S" * 129),
        ("transaction", 7),
        ("amount", 12.5),
        ("amount", "0.00"),
        ("amount", "-1.00"),
        ("amount", "12.500"),
        ("currency", "ZZZ"),
        ("currency", "kes"),
        ("surprise", "field"),
    ],
)
def test_bad_input_is_refused_without_being_echoed(
    operator: OperatorProcess, field: str, value: object
) -> None:
    answer = operator.client.post("/v1/refunds", json=GOOD_REFUND | {field: value})
    assert refused(answer) == (400, "invalid_request")
    for secret in ("surprise", "ZZZ"):
        assert secret not in answer.json()["error"]["message"]


def test_the_oldest_payment_is_forgotten_for_a_new_one(
    start_operator: Callable[..., AbstractContextManager[OperatorProcess]],
    reference: str,
    refund: str,
) -> None:
    with start_operator(TRANSACTIONS_KEPT_MAX="1") as operator:
        first = operator.pay(reference, "000")
        second = operator.pay(f"{reference}-2", "000")
        assert refused(operator.refund(refund, first)) == (404, "unknown_transaction")
        assert operator.refund(refund, second).status_code == 202


def test_a_refund_is_pending_before_it_ends_and_another_is_refused_if_none_can_be_forgotten(
    start_operator: Callable[..., AbstractContextManager[OperatorProcess]],
    receiver: Receiver,
    reference: str,
    refund: str,
) -> None:
    with start_operator(REFUNDS_KEPT_MAX="1", DELAY_SECONDS="0.5") as operator:
        transaction = operator.pay(reference, "000", amount="2.00")
        assert operator.refund(refund, transaction, amount="1.00").status_code == 202
        other = f"{refund}-2"
        assert refused(operator.refund(other, transaction, amount="1.00")) == (503, "operator_busy")
        pending = operator.refund_status(refund)
        assert (pending["status"], pending["reason"]) == ("pending", None)
        [callback] = receiver.wait_for(refund, 1)
        assert pending["refund"] == callback.data["refund"]
        assert pending["occurred_at"] < callback.data["occurred_at"]
        # The refusal held nothing of the payment back.
        assert operator.refund(other, transaction, amount="1.00").status_code == 202
        assert refused(operator.client.get(f"/v1/refunds/{refund}")) == (404, "unknown_reference")
