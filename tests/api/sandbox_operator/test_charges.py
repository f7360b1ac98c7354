"""Stored cards at the sandbox operator: charged once, told and asked about like prompts."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import pytest

from api.providers.port import (
    Accepted,
    ChargeRequest,
    Declined,
    Delivery,
    Initiation,
    NoAnswer,
    PaymentInquiry,
)
from api.providers.sandbox import Sandbox
from ledger.commands import Claim, ProviderReport
from ledger.money import Money
from tests.api.sandbox_operator.conftest import API_KEY, WEBHOOK_SECRET, refused

if TYPE_CHECKING:
    from tests.api.sandbox_operator.conftest import OperatorProcess, Receiver

GOOD_CHARGE: Final = {
    "reference": "charge-1",
    "card": "card_000",
    "amount": "1250.00",
    "currency": "KES",
}


# Nobody is asked, so nobody pays something else; from 020 on the digits are about other things.
@pytest.mark.parametrize("digits", ["000", "999", "007", "008", "009", "020", "024", "036"])
def test_a_card_pays_what_was_asked(
    operator: OperatorProcess, receiver: Receiver, reference: str, digits: str
) -> None:
    accepted = operator.charge(reference, digits)
    assert accepted.status_code == 202
    assert accepted.json() == {
        "operator_reference": accepted.json()["operator_reference"],
        "reference": reference,
        "status": "pending",
    }

    [callback] = receiver.wait_for(reference, 1)
    status = operator.status(reference)
    assert callback.type == "payment.succeeded"
    assert callback.data == status | {"phone": None}
    assert status["transaction"]
    assert status["operator_reference"] == accepted.json()["operator_reference"]
    assert (status["amount"], status["currency"]) == ("1250.00", "KES")


@pytest.mark.parametrize(
    ("digits", "reason"),
    [("001", "insufficient_funds"), ("002", "insufficient_funds"), ("003", "timeout")],
)
def test_a_card_that_does_not_pay_has_failed(
    operator: OperatorProcess, receiver: Receiver, reference: str, *, digits: str, reason: str
) -> None:
    operator.charge(reference, digits)
    assert operator.status(reference)["status"] == "pending"
    [callback] = receiver.wait_for(reference, 1)
    assert callback.type == "payment.failed"
    assert (callback.data["reason"], callback.data["transaction"]) == (reason, None)
    assert operator.status(reference)["status"] == "failed"


def test_a_card_that_is_late_succeeds_though_nothing_expires(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    charged_at = time.monotonic()
    operator.charge(reference, "006")
    [callback] = receiver.wait_for(reference, 1)
    assert callback.type == "payment.succeeded"
    assert callback.arrived_at >= charged_at + 0.4


@pytest.mark.parametrize(("digits", "count"), [("004", 5), ("005", 2), ("015", 2), ("018", 2)])
def test_callbacks_about_a_card_misbehave_as_those_about_a_phone(
    operator: OperatorProcess, receiver: Receiver, reference: str, *, digits: str, count: int
) -> None:
    operator.charge(reference, digits)
    receiver.wait_for(reference, count)
    assert operator.status(reference)["status"] == "succeeded"


def test_only_the_status_query_knows_of_a_silent_charge(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    operator.charge(reference, "010")
    assert operator.wait_for_status(reference, "succeeded")["transaction"]
    receiver.wait_for(reference, 0)


@pytest.mark.parametrize(("digits", "callbacks"), [("012", 0), ("013", 1)])
def test_a_charge_that_fails_may_have_been_accepted(
    operator: OperatorProcess, receiver: Receiver, reference: str, *, digits: str, callbacks: int
) -> None:
    assert refused(operator.charge(reference, digits)) == (500, "internal_error")
    receiver.wait_for(reference, callbacks)
    assert operator.prompts(reference) == callbacks


def test_a_card_is_charged_once_whatever_is_asked_under_its_reference(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    assert operator.charge(reference, "000").status_code == 202
    for digits, amount in (("000", "1250.00"), ("001", "7.00")):
        again = operator.charge(reference, digits, amount=amount)
        assert refused(again) == (409, "duplicate_reference")
    [callback] = receiver.wait_for(reference, 1)
    assert refused(operator.charge(reference, "000")) == (409, "duplicate_reference")
    assert operator.status(reference)["transaction"] == callback.data["transaction"]
    assert operator.prompts(reference) == 1


def test_what_a_card_paid_is_refunded_like_any_payment(
    operator: OperatorProcess, receiver: Receiver, reference: str, refund: str
) -> None:
    operator.charge(reference, "000")
    [paid] = receiver.wait_for(reference, 1)
    assert operator.refund(refund, paid.data["transaction"]).status_code == 202
    [refunded] = receiver.wait_for(refund, 1)
    assert (refunded.type, refunded.data["payment_reference"]) == ("refund.succeeded", reference)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reference", "a/b"),
        ("card", ""),
        ("card", "4242 4242"),
        ("card", "c" * 129),
        ("card", 7),
        ("card", "card_\u0660\u0660\u0660"),
        ("amount", "0.00"),
        ("amount", 1250),
        ("currency", "ZZZ"),
        ("phone", "+254700000000"),
    ],
)
def test_a_charge_that_cannot_be_is_refused_without_being_echoed(
    operator: OperatorProcess, field: str, value: object
) -> None:
    answer = operator.client.post("/v1/charges", json=GOOD_CHARGE | {field: value})
    assert refused(answer) == (400, "invalid_request")
    for secret in ("4242", "ZZZ", "254700000000"):
        assert secret not in answer.json()["error"]["message"]


def test_the_adapter_charges_once_and_reads_callback_and_status_alike(
    operator: OperatorProcess, receiver: Receiver
) -> None:
    payment_id = uuid4()
    sandbox = adapter(operator)
    assert sandbox.charges_stored_methods
    first, second = charge(sandbox, payment_id, payment_id)
    assert isinstance(first, Accepted)
    assert second == NoAnswer("duplicate_reference")

    [delivery] = receiver.wait_for(str(payment_id), 1)
    told = (
        adapter(operator).verify(Delivery(headers=delivery.headers, body=delivery.body)).reports[0]
    )
    assert told == asked(adapter(operator), payment_id)
    assert isinstance(told, ProviderReport)
    assert (told.payment_id, told.claim) == (payment_id, Claim.SUCCEEDED)
    assert told.received == Money(amount=125_000, currency="KES")


@pytest.mark.parametrize("digits", ["012", "013"])
def test_the_adapter_does_not_know_whether_a_charge_that_broke_was_taken(
    operator: OperatorProcess, receiver: Receiver, digits: str
) -> None:
    payment_id = uuid4()
    assert charge(adapter(operator), payment_id, digits=digits) == [NoAnswer("answered_500")]
    accepted = digits == "013"
    receiver.wait_for(str(payment_id), int(accepted))
    assert (asked(adapter(operator), payment_id) is not None) == accepted


def test_the_adapter_declines_where_nobody_listens_and_never_shows_the_token() -> None:
    nobody = Sandbox(
        url="http://127.0.0.1:1", api_key="-", webhook_secret="whsec_AAAA", timeout_seconds=1
    )
    assert charge(nobody, uuid4()) == [Declined("provider_unreachable", retryable=True)]
    request = ChargeRequest(
        payment_id=uuid4(), card="card_secret", money=Money(amount=1, currency="KES")
    )
    assert "secret" not in repr(request)


def adapter(operator: OperatorProcess) -> Sandbox:
    return Sandbox(
        url=str(operator.client.base_url),
        api_key=API_KEY,
        webhook_secret=WEBHOOK_SECRET,
        timeout_seconds=5,
    )


def charge(sandbox: Sandbox, *payments: UUID, digits: str = "000") -> list[Initiation]:
    """Charge a card for each of these, one after the other; the adapter is closed then."""

    async def each_in_turn() -> list[Initiation]:
        money = Money(amount=125_000, currency="KES")
        answers = [
            await sandbox.charge(
                ChargeRequest(payment_id=payment, card=f"card_{digits}", money=money)
            )
            for payment in payments
        ]
        await sandbox.close()
        return answers

    return asyncio.run(each_in_turn())


def inquiry(payment_id: UUID) -> PaymentInquiry:
    """About a payment whose answer never came."""
    return PaymentInquiry(
        payment_id=payment_id,
        provider_reference=None,
        method="card",
        money=Money(amount=1_000, currency="KES"),
        initiated_at=datetime.now(UTC),
    )


def asked(sandbox: Sandbox, payment_id: UUID) -> ProviderReport | None:
    """What the status query says; the adapter is closed then."""

    async def ask() -> ProviderReport | None:
        report = await sandbox.status(inquiry(payment_id))
        await sandbox.close()
        return report

    return asyncio.run(ask())
