"""Daraja's reversals and money at tills: asked for, and proved by Transaction Status."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from api.providers.daraja_callbacks import Purpose, word_of
from api.providers.daraja_hints import HEARD
from api.providers.daraja_reports import (
    account_reference,
    document_of,
    result,
    till,
)
from api.providers.port import (
    Accepted,
    CannotBeAskedError,
    Declined,
    StatusUnavailableError,
)
from ledger.accounts import collection
from ledger.commands import (
    Claim,
    ProviderReport,
    RefundClaim,
    RefundReport,
)
from ledger.manual_references import new_reference, payment_of
from tests.api.providers.asking import ask, refund
from tests.api.providers.daraja_scenes import (
    Known,
    SilentDaraja,
    confirmed,
    kes,
    parameters,
    published,
    sent_to,
    told,
)
from tests.api.providers.fakes.daraja import SHORT_CODE, Transfer, confirmation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.providers.port import RefundOrder


@pytest.fixture(scope="module")
def server() -> Iterator[SilentDaraja]:
    fake = SilentDaraja()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def daraja(server: SilentDaraja) -> SilentDaraja:
    return server.forget()


def reverse(daraja: SilentDaraja, **fields: Any) -> tuple[RefundOrder, Known]:  # noqa: ANN401 - an order's
    """A refund that Daraja took, and a ledger that knows it."""
    receipt = "SI00000000"
    daraja.transfers[receipt] = Transfer(receipt, "c", 500, "254700000000 - J", f"{SHORT_CODE} - C")
    order = replace(refund(receipt, uuid4(), 50_000), **fields)
    answer = ask(daraja, lambda adapter: adapter.refund(order))
    assert isinstance(answer, Accepted), answer
    return order, Known(orders=[replace(order, provider_reference=answer.provider_reference)])


def test_a_payment_is_sent_back_by_its_receipt(daraja: SilentDaraja) -> None:
    names = {"provider_transaction": "ws_CO_1", "also_known_as": ("SI00000000",)}
    order, known = reverse(daraja, **names)
    [(path, sent)] = daraja.requests
    assert path == "/mpesa/reversal/v1/request"
    assert sent | {"ResultURL": "", "QueueTimeOutURL": ""} == {
        "Initiator": "collector",
        "SecurityCredential": "encrypted-collector",
        "CommandID": "TransactionReversal",
        "TransactionID": "SI00000000",
        "Amount": "500",
        "ReceiverParty": "174379",
        "RecieverIdentifierType": "11",
        "Remarks": "Payment",
        "Occasion": "",
        "ResultURL": "",
        "QueueTimeOutURL": "",
    }
    hint = told(daraja)
    receipt = result(document_of(hint.body)).transaction
    assert confirmed(daraja, hint, known) == (HEARD,)
    [report] = confirmed(daraja, told(daraja), known)
    assert report == RefundReport(
        provider="daraja",
        stream_id=order.stream_id,
        refund_id=order.refund_id,
        claim=RefundClaim.SUCCEEDED,
        provider_refund=receipt,
        refunded=order.money,
        paid_from=collection("daraja"),
        occurred_at=report.occurred_at,
    )


def test_a_reversal_whose_answer_never_came_is_proved_by_its_receipt(daraja: SilentDaraja) -> None:
    order, _ = reverse(daraja)
    known = Known(orders=[order])
    with pytest.raises(CannotBeAskedError):
        ask(daraja, lambda adapter: adapter.refund_status(order))
    assert confirmed(daraja, told(daraja), known) == (HEARD,)
    [report] = confirmed(daraja, told(daraja), known)
    assert report.claim is RefundClaim.SUCCEEDED


def test_a_reversal_without_a_result_is_asked_about(daraja: SilentDaraja) -> None:
    _, known = reverse(daraja)
    daraja.sent.clear()
    [order] = known.orders
    with pytest.raises(StatusUnavailableError):
        ask(daraja, lambda adapter: adapter.refund_status(order))
    [report] = confirmed(daraja, told(daraja), known)
    assert report.claim is RefundClaim.SUCCEEDED


def test_a_reversal_of_an_unknown_transaction_fails(daraja: SilentDaraja) -> None:
    _, known = reverse(daraja, provider_transaction="SI99999999")
    assert confirmed(daraja, told(daraja), known) == (HEARD,)
    [report] = confirmed(daraja, told(daraja), known)
    assert (report.claim, report.reason) == (RefundClaim.FAILED, "transaction_unknown")


def test_what_somebody_reversed_by_hand_waits_for_a_person(daraja: SilentDaraja) -> None:
    order, known = reverse(daraja)
    document = json.loads(published("reversal.done"))
    document["Result"]["ResultCode"] = "R000001"
    words = (order.stream_id.hex, order.refund_id.hex)
    with pytest.raises(CannotBeAskedError):
        confirmed(daraja, sent_to(daraja, Purpose.REVERSED, *words, body=document), known)


def test_the_payment_itself_is_no_proof_of_its_reversal(daraja: SilentDaraja) -> None:
    order, _ = reverse(daraja)
    words = (order.stream_id.hex, order.refund_id.hex, "0", "0")
    body = parameters(DebitPartyName=f"{SHORT_CODE} - C", Amount=500, ReceiptNo="SI00000000")
    sent = sent_to(daraja, Purpose.REVERSED_STATUS, *words, body=body)
    with pytest.raises(CannotBeAskedError):
        confirmed(daraja, sent, Known(orders=[order]))


def test_a_payment_whose_receipt_is_not_known_is_not_sent_back(daraja: SilentDaraja) -> None:
    order = refund("ws_CO_21042021114416028704", uuid4())
    answer = ask(daraja, lambda adapter: adapter.refund(order))
    assert answer == Declined("receipt_unknown")
    assert not daraja.calls


# Tills.


@pytest.fixture
def at_the_till(daraja: SilentDaraja) -> SilentDaraja:
    ask(daraja, lambda adapter: adapter.register_tills())
    daraja.requests.clear()
    return daraja


def test_the_published_confirmation_is_read() -> None:
    found = till(document_of(published("till.confirmation")))
    assert (found.receipt, found.amount, found.reference) == ("LGR219G3EY", kes(10), None)


@pytest.mark.parametrize("typed", ["reference", "", "Mama Njeri", "PUSH1234"])
def test_money_at_a_till_is_proved_and_finds_its_payment(
    at_the_till: SilentDaraja, typed: str
) -> None:
    issued = new_reference()
    typed = issued.lower() if typed == "reference" else typed
    receipt = at_the_till.pay_at_till("1250.00", typed)
    hint, known = told(at_the_till), Known()
    assert confirmed(at_the_till, hint, known) == ()
    [report] = confirmed(at_the_till, told(at_the_till), known)
    assert report == ProviderReport(
        provider="daraja",
        payment_id=payment_of(issued) if typed == issued.lower() else None,
        claim=Claim.SUCCEEDED,
        provider_transaction=receipt,
        received=kes(1_250),
        occurred_at=report.occurred_at,
    )
    assert report.occurred_at is not None
    # Once it is in the books, the confirmation is settled without another question.
    known.transactions[receipt] = uuid4()
    at_the_till.requests.clear()
    [settled] = confirmed(at_the_till, hint, known)
    assert settled.provider_transaction == receipt
    assert not at_the_till.requests


def test_what_the_payer_of_a_prompt_pays_is_not_taken_again_at_the_till(
    at_the_till: SilentDaraja,
) -> None:
    typed = account_reference(UUID(int=7))
    receipt = at_the_till.pay_at_till("1250.00", typed)
    hint = told(at_the_till)
    assert confirmed(at_the_till, hint, Known()) == ()
    assert not at_the_till.requests
    [report] = confirmed(at_the_till, hint, Known(transactions={receipt: uuid4()}))
    assert report.payment_id is None


@pytest.mark.parametrize(
    "values",
    [
        {"ReceiptNo": "SI11111111"},
        {"CreditPartyName": "600000 - Another"},
        {"CreditPartyName": "254700000000 - J"},
        {"CreditPartyName": None},
        {"Amount": "12.345"},
        {"Amount": 11},
    ],
)
def test_a_receipt_of_something_else_is_no_money_at_our_till(
    daraja: SilentDaraja, values: dict[str, object]
) -> None:
    given = {"ReceiptNo": "LGR219G3EY", "CreditPartyName": f"{SHORT_CODE} - C", **values}
    words = (word_of("LGR219G3EY"), "0", f"{1_000:x}")
    sent = sent_to(daraja, Purpose.TILL_STATUS, *words, body=parameters(**given))
    with pytest.raises(CannotBeAskedError):
        confirmed(daraja, sent, Known())


def test_a_forged_confirmation_puts_nothing_into_the_books(at_the_till: SilentDaraja) -> None:
    body = confirmation("SI77777777", "1250.00", new_reference())
    forged = sent_to(at_the_till, Purpose.TILL, body=body)
    assert confirmed(at_the_till, forged, Known()) == ()
    assert confirmed(at_the_till, told(at_the_till), Known()) == (HEARD,)


@pytest.mark.parametrize("purpose", [Purpose.TILL_ASKED, Purpose.STATUS_LOST])
def test_questions_and_time_outs_are_only_heard(daraja: SilentDaraja, purpose: Purpose) -> None:
    words = ("7f",) if purpose is Purpose.STATUS_LOST else ()
    sent = sent_to(daraja, purpose, *words, body=published("till.confirmation"))
    assert confirmed(daraja, sent, Known()) == (HEARD,)
    assert not daraja.calls
