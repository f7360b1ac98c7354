"""Payouts at the sandbox operator: over HTTP, by callbacks, and by the phone paid out to."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest

from tests.api.sandbox_operator.conftest import refused, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.api.sandbox_operator.conftest import OperatorProcess, Receiver

GOOD_PAYOUT = {
    "reference": "payout-1",
    "phone": "+254700000000",
    "amount": "1250.00",
    "currency": "KES",
}


# 001 and 024 are about prompts and refunds, and say nothing of payouts.
@pytest.mark.parametrize("digits", ["000", "001", "024", "999"])
def test_a_payout_is_paid(
    operator: OperatorProcess, receiver: Receiver, reference: str, digits: str
) -> None:
    accepted = operator.pay_out(reference, digits, amount="12.5")
    assert accepted.status_code == 202
    operator_reference = accepted.json()["operator_reference"]
    assert accepted.json() == {"operator_reference": operator_reference, "reference": reference}

    [callback] = receiver.wait_for(reference, 1)
    assert callback.type == "payout.paid"
    assert datetime.fromisoformat(callback.payload["timestamp"]).tzinfo is not None
    assert datetime.fromisoformat(callback.data["occurred_at"]).tzinfo is not None
    assert callback.data["transaction"]
    assert callback.data == {
        "reference": reference,
        "operator_reference": operator_reference,
        "transaction": callback.data["transaction"],
        "status": "paid",
        "reason": None,
        "retryable": False,
        "amount": "12.50",
        "currency": "KES",
        "occurred_at": callback.data["occurred_at"],
    }
    assert operator.payout_status(reference) == callback.data


def test_a_reference_is_paid_out_once(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    assert operator.pay_out(reference, "000").status_code == 202
    assert refused(operator.pay_out(reference, "000")) == (409, "duplicate_reference")
    [callback] = receiver.wait_for(reference, 1)
    assert refused(operator.pay_out(reference, "022")) == (409, "duplicate_reference")
    receiver.wait_for(reference, 1)
    assert operator.payout_status(reference) == callback.data


def test_a_reference_that_was_not_paid_out_is_unknown(
    operator: OperatorProcess, reference: str
) -> None:
    unknown = operator.client.get(f"/v1/payouts/{reference}")
    assert refused(unknown) == (404, "unknown_reference")


def test_a_payout_is_answered_after_it_was_paid(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    asked_at = time.monotonic()
    assert operator.pay_out(reference, "020").status_code == 202
    answered_at = time.monotonic()
    [callback] = receiver.wait_for(reference, 1)
    assert callback.type == "payout.paid"
    assert callback.answered_at < answered_at
    assert answered_at - asked_at >= 1.0


def test_a_payout_that_hangs_is_a_duplicate_for_whoever_asks_again(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    hanging = GOOD_PAYOUT | {"reference": reference, "phone": "+254700000020"}
    with pytest.raises(httpx.ReadTimeout):
        operator.client.post("/v1/payouts", json=hanging, timeout=0.2)
    assert refused(operator.pay_out(reference, "020")) == (409, "duplicate_reference")
    receiver.wait_for(reference, 1)


def test_a_paid_payout_comes_back(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    operator.pay_out(reference, "021")
    paid, returned = receiver.wait_for(reference, 2)
    assert (paid.type, returned.type) == ("payout.paid", "payout.returned")
    assert (paid.data["status"], returned.data["status"]) == ("paid", "returned")
    assert paid.webhook_id != returned.webhook_id
    assert paid.data["transaction"] == returned.data["transaction"] is not None
    assert paid.data["occurred_at"] < returned.data["occurred_at"]
    assert (paid.data["reason"], returned.data["reason"]) == (None, "recipient_wallet_closed")
    assert operator.payout_status(reference) == returned.data


def test_a_payout_fails_for_good(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    operator.pay_out(reference, "022")
    [failed] = receiver.wait_for(reference, 1)
    assert (failed.type, failed.data["status"]) == ("payout.failed", "failed")
    assert (failed.data["reason"], failed.data["retryable"]) == ("recipient_unknown", False)
    assert failed.data["transaction"] is None
    assert operator.payout_status(reference) == failed.data


def test_the_float_is_empty_once_for_each_phone(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    for number in range(2):
        phone = f"+{uuid4().int % 10**8 + 10**8}023"
        first, second = f"{reference}-{number}-1", f"{reference}-{number}-2"
        operator.pay_out(first, "023", phone=phone)
        operator.pay_out(second, "023", phone=phone)
        [failed] = receiver.wait_for(first, 1)
        assert failed.type == "payout.failed"
        assert (failed.data["reason"], failed.data["retryable"]) == ("float_empty", True)
        assert failed.data["transaction"] is None
        [paid] = receiver.wait_for(second, 1)
        assert (paid.type, paid.data["retryable"]) == ("payout.paid", False)


def test_only_the_status_query_knows_of_a_silent_payout(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    operator.pay_out(reference, "032")
    wait_until(lambda: operator.payout_status(reference)["status"] == "paid")
    assert operator.payout_status(reference)["transaction"]
    receiver.wait_for(reference, 0)
    assert operator.attempts(reference) == []


def test_a_failed_payout_turns_out_to_be_paid(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    operator.pay_out(reference, "034")
    failed, paid = receiver.wait_for(reference, 2)
    assert (failed.type, paid.type) == ("payout.failed", "payout.paid")
    assert (failed.data["reason"], paid.data["reason"]) == ("processing_timeout", None)
    assert (failed.data["retryable"], failed.data["transaction"]) == (False, None)
    assert failed.data["occurred_at"] < paid.data["occurred_at"]
    assert operator.payout_status(reference) == paid.data


def test_a_payout_breaks_and_nothing_was_accepted(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    for _ in range(2):
        assert refused(operator.pay_out(reference, "036")) == (500, "internal_error")
    receiver.wait_for(reference, 0)
    unknown = operator.client.get(f"/v1/payouts/{reference}")
    assert refused(unknown) == (404, "unknown_reference")
    assert operator.pay_out(reference, "000").status_code == 202


def test_a_payout_breaks_though_it_was_accepted(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    assert refused(operator.pay_out(reference, "037")) == (500, "internal_error")
    assert refused(operator.pay_out(reference, "037")) == (409, "duplicate_reference")
    [callback] = receiver.wait_for(reference, 1)
    assert callback.type == "payout.paid"
    assert operator.payout_status(reference) == callback.data


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reference", ""),
        ("reference", "a/b"),
        ("reference", "a" * 101),
        ("phone", "0700000000"),
        ("phone", None),
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
    answer = operator.client.post("/v1/payouts", json=GOOD_PAYOUT | {field: value})
    assert refused(answer) == (400, "invalid_request")
    for secret in ("surprise", "ZZZ", "0700000000"):
        assert secret not in answer.json()["error"]["message"]


def test_a_payout_is_pending_before_it_ends_and_another_is_refused_if_none_can_be_forgotten(
    start_operator: Callable[..., AbstractContextManager[OperatorProcess]],
    receiver: Receiver,
    reference: str,
) -> None:
    with start_operator(PAYOUTS_KEPT_MAX="1", DELAY_SECONDS="0.5") as operator:
        assert operator.pay_out(reference, "000").status_code == 202
        other = f"{reference}-2"
        assert refused(operator.pay_out(other, "000")) == (503, "operator_busy")
        pending = operator.payout_status(reference)
        assert (pending["status"], pending["transaction"]) == ("pending", None)
        [callback] = receiver.wait_for(reference, 1)
        assert pending["occurred_at"] < callback.data["occurred_at"]
        assert operator.pay_out(other, "000").status_code == 202
        unknown = operator.client.get(f"/v1/payouts/{reference}")
        assert refused(unknown) == (404, "unknown_reference")
