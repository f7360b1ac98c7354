"""Each behaviour of the sandbox operator, seen from outside: over HTTP and by its callbacks."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.api.sandbox_operator.conftest import OperatorProcess, Receiver


# From 020 on the digits are about refunds, payouts or disputes, and the prompt is paid as asked.
@pytest.mark.parametrize("digits", ["000", "999", "020", "024", "026", "029", "036", "037"])
def test_a_person_pays_what_was_asked(
    operator: OperatorProcess, receiver: Receiver, reference: str, digits: str
) -> None:
    accepted = operator.push(reference, digits)
    assert accepted.status_code == 202
    operator_reference = accepted.json()["operator_reference"]
    assert accepted.json() == {
        "operator_reference": operator_reference,
        "reference": reference,
        "status": "pending",
    }

    [callback] = receiver.wait_for(reference, 1)
    data = callback.data
    transaction, occurred_at = data["transaction"], data["occurred_at"]
    assert transaction
    assert datetime.fromisoformat(occurred_at).tzinfo is not None
    assert datetime.fromisoformat(callback.payload["timestamp"]).tzinfo is not None
    assert callback.type == "payment.succeeded"
    status = {
        "reference": reference,
        "operator_reference": operator_reference,
        "status": "succeeded",
        "transaction": transaction,
        "amount": "1250.00",
        "currency": "KES",
        "reason": None,
        "occurred_at": occurred_at,
    }
    assert data == status | {"phone": f"+254700000{digits}"}
    assert operator.status(reference) == status


@pytest.mark.parametrize(
    ("digits", "status", "reason"),
    [
        ("001", "failed", "insufficient_funds"),
        ("002", "cancelled", "cancelled_by_payer"),
        ("003", "failed", "timeout"),
    ],
)
def test_a_prompt_ends_without_money(
    operator: OperatorProcess,
    receiver: Receiver,
    reference: str,
    *,
    digits: str,
    status: str,
    reason: str,
) -> None:
    operator.push(reference, digits)
    assert operator.status(reference)["status"] == "pending"
    [callback] = receiver.wait_for(reference, 1)
    assert callback.type == f"payment.{status}"
    assert (callback.data["status"], callback.data["reason"]) == (status, reason)
    assert callback.data["transaction"] is None
    assert operator.status(reference)["reason"] == reason


def test_a_person_who_never_answers_fails_no_later_than_the_prompt_expires(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    operator.push(reference, "003", expires_in_seconds=0.001)
    accepted_at = datetime.fromisoformat(operator.status(reference)["occurred_at"])
    [callback] = receiver.wait_for(reference, 1)
    ended_at = datetime.fromisoformat(callback.data["occurred_at"])
    assert callback.data["reason"] == "timeout"
    assert ended_at - accepted_at < timedelta(seconds=0.3)


def test_the_same_callback_is_delivered_five_times_at_once(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    receiver.slowness_seconds[reference] = 0.3
    operator.push(reference, "004")
    callbacks = receiver.wait_for(reference, 5)
    assert receiver.in_flight_max[reference] == 5
    assert len({callback.webhook_id for callback in callbacks}) == 1
    assert len({callback.body for callback in callbacks}) == 1
    assert {callback.type for callback in callbacks} == {"payment.succeeded"}


def test_success_arrives_before_pending(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    operator.push(reference, "005")
    success, pending = receiver.wait_for(reference, 2)
    assert (success.type, pending.type) == ("payment.succeeded", "payment.pending")
    assert success.webhook_id != pending.webhook_id
    assert pending.data["transaction"] is None
    assert pending.data["status"] == "pending"
    assert pending.payload["timestamp"] < success.payload["timestamp"]
    assert operator.status(reference)["status"] == "succeeded"


def test_success_comes_after_the_prompt_expired(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    pushed_at = time.monotonic()
    operator.push(reference, "006", expires_in_seconds=0.2)
    while time.monotonic() < pushed_at + 0.4:
        assert operator.status(reference)["status"] == "pending"
    [callback] = receiver.wait_for(reference, 1)
    assert callback.arrived_at >= pushed_at + 0.6
    assert callback.type == "payment.succeeded"


@pytest.mark.parametrize(
    ("digits", "asked", "paid"),
    [
        ("007", ("1250.01", "KES"), ("625.00", "KES")),
        ("007", ("1251", "UGX"), ("625", "UGX")),
        ("008", ("1250.01", "KES"), ("2500.02", "KES")),
        ("009", ("1250.50", "KES"), ("1250.50", "USD")),
        ("009", ("1250", "UGX"), ("1250.00", "USD")),
        ("009", ("7.25", "USD"), ("7.25", "EUR")),
    ],
)
def test_something_else_is_paid_than_was_asked(
    operator: OperatorProcess,
    receiver: Receiver,
    reference: str,
    *,
    digits: str,
    asked: tuple[str, str],
    paid: tuple[str, str],
) -> None:
    operator.push(reference, digits, amount=asked[0], currency=asked[1])
    [callback] = receiver.wait_for(reference, 1)
    status = operator.status(reference)
    for facts in (callback.data, status):
        assert facts["status"] == "succeeded"
        assert (facts["amount"], facts["currency"]) == paid


def test_only_the_status_query_knows_of_a_silent_success(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    operator.push(reference, "010")
    assert operator.wait_for_status(reference, "succeeded")["transaction"]
    receiver.wait_for(reference, 0)
    assert operator.attempts(reference) == []


def test_the_callback_is_acknowledged_before_the_push_is_answered(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    receiver.slowness_seconds[reference] = 0.3
    answer = operator.push(reference, "011")
    answered_at = time.monotonic()
    assert answer.status_code == 202
    [callback] = receiver.wait_for(reference, 1)
    assert callback.type == "payment.succeeded"
    assert callback.answered_at < answered_at


def test_a_push_fails_and_nothing_was_accepted(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    answer = operator.push(reference, "012")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    unknown = operator.client.get(f"/v1/prompts/{reference}")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_reference")
    assert operator.prompts(reference) == 0
    receiver.wait_for(reference, 0)


def test_a_push_fails_though_it_was_accepted(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    assert operator.push(reference, "013").status_code == 500
    [callback] = receiver.wait_for(reference, 1)
    assert callback.type == "payment.succeeded"
    assert operator.prompts(reference) == 1


def test_a_push_is_answered_after_its_success(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    pushed_at = time.monotonic()
    assert operator.push(reference, "014").status_code == 202
    answered_at = time.monotonic()
    [callback] = receiver.wait_for(reference, 1)
    assert callback.answered_at < answered_at
    assert answered_at - pushed_at >= 1.0


def test_a_push_that_hangs_succeeds_though_nobody_waits_for_its_answer(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    with (
        httpx.Client(
            base_url=operator.client.base_url,
            headers=operator.client.headers,
            timeout=0.2,
            trust_env=False,
        ) as impatient,
        pytest.raises(httpx.ReadTimeout),
    ):
        impatient.post(
            "/v1/prompts",
            json={
                "reference": reference,
                "phone": "+254700000014",
                "amount": "1.00",
                "currency": "KES",
            },
        )
    [callback] = receiver.wait_for(reference, 1)
    assert callback.type == "payment.succeeded"


def test_a_failure_contradicts_the_success_before_it(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    operator.push(reference, "015")
    success, failure = receiver.wait_for(reference, 2)
    assert (success.type, failure.type) == ("payment.succeeded", "payment.failed")
    assert success.webhook_id != failure.webhook_id
    assert success.data["operator_reference"] == failure.data["operator_reference"]
    assert failure.data["reason"] == "timeout"
    assert operator.status(reference)["status"] == "succeeded"


def test_a_second_success_has_another_transaction(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    operator.push(reference, "016")
    first, second = receiver.wait_for(reference, 2)
    assert first.type == second.type == "payment.succeeded"
    assert first.webhook_id != second.webhook_id
    assert first.data["transaction"] != second.data["transaction"]
    assert operator.status(reference)["transaction"] == first.data["transaction"]


def test_the_callback_is_lost_three_times_while_the_status_query_fails(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    operator.push(reference, "017")
    [callback] = receiver.wait_for(reference, 1)
    assert callback.type == "payment.succeeded"
    attempts = operator.attempts(reference)
    assert [attempt["error"] for attempt in attempts] == ["lost", "lost", "lost", None]
    assert [attempt["status_code"] for attempt in attempts] == [None, None, None, 200]
    moments = [datetime.fromisoformat(attempt["attempted_at"]) for attempt in attempts]
    assert all(earlier < later for earlier, later in pairwise(moments))
    assert operator.client.get(f"/v1/prompts/{reference}").status_code == 500


def test_one_transaction_is_told_under_two_webhook_ids(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    operator.push(reference, "018")
    first, second = receiver.wait_for(reference, 2)
    assert first.webhook_id != second.webhook_id
    assert first.data == second.data
    assert first.type == "payment.succeeded"
