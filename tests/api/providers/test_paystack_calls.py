"""What Paystack is asked for and about, over HTTP."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from api.providers.port import (
    Accepted,
    CannotBeAskedError,
    ChargeRequest,
    Declined,
    NoAnswer,
    StatusUnavailableError,
)
from ledger.commands import Claim, PayoutClaim, RefundClaim
from ledger.money import Money
from tests.api.processes import wait_until
from tests.api.providers.asking import (
    KnownThings,
    ask,
    inquiry,
    payout,
    payout_inquiry,
    prompt,
    refund,
)
from tests.api.providers.fake import Behaviour
from tests.api.providers.fakes.paystack import FakePaystack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.providers.port import PromptRequest, RefundOrder
    from ledger.commands import AnyReport
    from tests.api.providers.fake import Charge


@pytest.fixture(scope="module")
def running() -> Iterator[FakePaystack]:
    server = FakePaystack()
    server.callbacks_begin_with = f"{server.url}/nowhere"
    server.delay_seconds = 0.01  # type: ignore[misc]  # of this one
    server.start()
    yield server
    server.stop()


@pytest.fixture
def fake(running: FakePaystack) -> FakePaystack:
    running.next_refund, running.keeps_notes = "processed", True
    running.refunded.clear()
    return running


def charged(fake: FakePaystack, behaviour: Behaviour = Behaviour.SILENT) -> Charge:
    """A charge that was paid."""
    request = prompt(fake.phone(behaviour))
    assert isinstance(ask(fake, lambda it: it.initiate(request)), Accepted)
    charge = fake.charges[str(request.payment_id)]
    wait_until(lambda: charge.state != "pending", what="it is paid")
    return charge


def order_of(fake: FakePaystack, charge: Charge, amount: int = 50_000) -> RefundOrder:
    report = ask(fake, lambda it: it.status(inquiry_of(charge)))
    return refund(report.provider_transaction, report.payment_id, amount)


def inquiry_of(charge: Charge) -> Any:  # noqa: ANN401 - an inquiry
    return inquiry(payment_id=UUID(charge.reference), reference=charge.reference)


def test_a_charge_names_nobody(fake: FakePaystack) -> None:
    charge = charged(fake)
    assert charge.details["customer"]["email"] == f"{charge.reference}@payments.invalid"
    assert charge.details["customer"]["phone"] == fake.phone(Behaviour.SILENT)


def test_a_charge_is_taken_once(fake: FakePaystack) -> None:
    request = prompt(fake.phone(Behaviour.SILENT))
    assert ask(fake, lambda it: it.initiate(request)) == Accepted(str(request.payment_id))
    assert ask(fake, lambda it: it.initiate(request)) == NoAnswer("duplicate_reference")


def test_a_charge_that_is_refused_was_not_taken(fake: FakePaystack) -> None:
    request = prompt(fake.phone(Behaviour.REFUSED))
    assert ask(fake, lambda it: it.initiate(request)) == Declined("refused_400")


def test_a_charge_without_an_answer_is_not_repeated_and_asked_about(fake: FakePaystack) -> None:
    request = prompt(fake.phone(Behaviour.UNANSWERED))
    calls = len(fake.calls)
    assert ask(fake, lambda it: it.initiate(request)) == NoAnswer("timed_out")
    assert fake.calls[calls:] == [("POST", "/charge")]
    report = ask(fake, lambda it: it.status(inquiry(request.payment_id)))
    assert report.claim is Claim.PENDING


@pytest.mark.parametrize(
    ("phone", "currency"),
    [("+256700000000", "KES"), ("+254700000000", "GHS"), ("+233300000000", "GHS")],
)
def test_a_phone_of_no_wallet_is_declined_unasked(
    fake: FakePaystack, phone: str, currency: str
) -> None:
    calls = len(fake.calls)
    request = prompt(phone, 1_000, currency)
    assert ask(fake, lambda it: it.initiate(request)) == Declined("unknown_network")
    order = payout(phone, 1_000, currency)
    assert ask(fake, lambda it: it.pay_out(order)) == Declined("unknown_network")
    assert fake.calls[calls:] == []


def test_a_provider_that_is_not_there_may_be_asked_again() -> None:
    nowhere = FakePaystack()
    request, order = prompt("+254700000000"), payout("+254700000000")
    gone = Declined("provider_unreachable", retryable=True)
    assert ask(nowhere, lambda it: it.initiate(request)) == gone
    assert ask(nowhere, lambda it: it.pay_out(order)) == gone
    with pytest.raises(StatusUnavailableError):
        ask(nowhere, lambda it: it.status(inquiry()))


def test_a_key_that_is_not_known_may_be_put_right(
    fake: FakePaystack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.api.providers.fakes.paystack.SECRET_KEY", "another")
    known = fake.adapter()
    monkeypatch.undo()
    monkeypatch.setattr(fake, "adapter", lambda: known)
    order = payout(f"+254700000{Behaviour.SUCCEEDS}")
    assert ask(fake, lambda it: it.pay_out(order)) == Declined("refused_401", retryable=True)


def test_a_stored_card_is_not_charged(fake: FakePaystack) -> None:
    request: PromptRequest = prompt("+254700000000")
    charge = ChargeRequest(payment_id=request.payment_id, card="AUTH_x", money=request.money)
    assert ask(fake, lambda it: it.charge(charge)) == Declined("not_supported")


def test_a_query_names_the_transaction_as_a_callback_does(fake: FakePaystack) -> None:
    charge = charged(fake)
    report = ask(fake, lambda it: it.status(inquiry_of(charge)))
    callback = ask(fake, lambda it: _verified(it, fake, charge))
    assert report == callback.reports[0]
    assert report.provider_transaction == str(charge.details["id"])


async def _verified(adapter: Any, fake: FakePaystack, charge: Charge) -> Any:  # noqa: ANN401
    return adapter.verify(fake.delivery(fake.callback(charge, "succeeded")))


@pytest.mark.parametrize(
    ("status", "claim"),
    [
        *(("success", Claim.SUCCEEDED), ("failed", Claim.FAILED), ("abandoned", Claim.PENDING)),
        *(("ongoing", Claim.PENDING), ("pending", Claim.PENDING), ("queued", Claim.PENDING)),
        ("processing", Claim.PENDING),
    ],
)
def test_every_status_of_a_charge(
    fake: FakePaystack, status: str, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge = charged(fake)
    shown = fake.transaction(charge) | {"status": status}
    monkeypatch.setattr(fake, "transaction", lambda _: shown)
    assert ask(fake, lambda it: it.status(inquiry_of(charge))).claim is claim


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"status": "reversed"}, CannotBeAskedError),
        ({"status": "new to us"}, StatusUnavailableError),
        ({"reference": "another"}, StatusUnavailableError),
        ({"amount": 0}, StatusUnavailableError),
    ],
)
def test_a_charge_of_which_nothing_can_be_said(
    fake: FakePaystack,
    changed: dict[str, Any],
    error: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    charge = charged(fake)
    shown = fake.transaction(charge) | changed
    monkeypatch.setattr(fake, "transaction", lambda _: shown)
    with pytest.raises(error):
        ask(fake, lambda it: it.status(inquiry_of(charge)))


def test_a_charge_never_came_only_after_a_while(fake: FakePaystack) -> None:
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda it: it.status(inquiry(age=timedelta(minutes=4))))
    assert ask(fake, lambda it: it.status(inquiry(age=timedelta(minutes=6)))) is None
    accepted = inquiry(reference="it was accepted", age=timedelta(minutes=6))
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda it: it.status(accepted))


@pytest.mark.parametrize(
    ("status", "claim"),
    [
        *(("processed", RefundClaim.SUCCEEDED), ("failed", RefundClaim.FAILED)),
        *(("pending", RefundClaim.PENDING), ("processing", RefundClaim.PENDING)),
        ("needs-attention", RefundClaim.PENDING),
    ],
)
def test_every_status_of_a_refund(fake: FakePaystack, status: str, claim: RefundClaim) -> None:
    order, fake.next_refund = order_of(fake, charged(fake)), status
    accepted = ask(fake, lambda it: it.refund(order))
    assert isinstance(accepted, Accepted)
    for known in (order, _answered(order, accepted.provider_reference)):
        report = ask(fake, partial(_refund_status, order=known))
        assert (report.claim, report.refund_id) == (claim, order.refund_id)
        assert report.provider_refund == accepted.provider_reference
        assert report.refunded == order.money


async def _refund_status(adapter: Any, order: RefundOrder) -> Any:  # noqa: ANN401 - a test's
    return await adapter.refund_status(order)


def _answered(order: RefundOrder, reference: str) -> RefundOrder:
    return replace(order, provider_reference=reference)


def test_a_refund_that_is_refused_was_not_taken(fake: FakePaystack) -> None:
    order, fake.next_refund = order_of(fake, charged(fake)), "refused"
    assert ask(fake, lambda it: it.refund(order)) == Declined("refused_400")


def test_a_refund_without_an_answer_is_found_by_its_note(fake: FakePaystack) -> None:
    order, fake.next_refund = order_of(fake, charged(fake)), "unanswered"
    assert ask(fake, lambda it: it.refund(order)) == NoAnswer("timed_out")
    assert ask(fake, lambda it: it.refund_status(order)).claim is RefundClaim.SUCCEEDED


def test_a_refund_that_is_in_no_list_is_asked_about_again(fake: FakePaystack) -> None:
    order = order_of(fake, charged(fake))
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda it: it.refund_status(order))


def told_of(
    fake: FakePaystack, charge: Charge, known: KnownThings, status: str = "processed"
) -> tuple[AnyReport, ...]:
    """What becomes of a refund's callback."""
    data = {
        "status": status,
        "transaction_reference": charge.reference,
        "refund_reference": "132013318360",
        "amount": "50000",
        "currency": "KES",
    }
    body = json.dumps({"event": f"refund.{status}", "data": data}).encode()
    reports: tuple[AnyReport, ...] = ask(fake, lambda it: it.confirm({}, body, known))
    return reports


def test_a_refund_of_ours_is_found_by_its_note_when_it_is_called_back(fake: FakePaystack) -> None:
    charge = charged(fake)
    order = order_of(fake, charge)
    accepted = ask(fake, lambda it: it.refund(order))
    [report] = told_of(fake, charge, KnownThings(orders=[order]))
    assert report == ask(
        fake, lambda it: it.refund_status(_answered(order, accepted.provider_reference))
    )


def test_a_refund_that_lost_its_note_is_known_by_its_name(fake: FakePaystack) -> None:
    charge, fake.keeps_notes = charged(fake), False
    order = order_of(fake, charge)
    accepted = ask(fake, lambda it: it.refund(order))
    with pytest.raises(StatusUnavailableError):
        # It may be ours, whose answer was not recorded yet, or another of the same money.
        told_of(fake, charge, KnownThings(orders=[order]))
    known = KnownThings(orders=[_answered(order, accepted.provider_reference)])
    [report] = told_of(fake, charge, known)
    assert report.refund_id == order.refund_id  # type: ignore[union-attr]  # it is of a refund


def test_a_refund_that_nobody_asked_for_is_of_its_payment(fake: FakePaystack) -> None:
    charge, fake.keeps_notes = charged(fake), False
    order = order_of(fake, charge)
    ask(fake, lambda it: it.refund(order))
    [report] = told_of(fake, charge, KnownThings())
    assert (report.stream_id, report.refund_id) == (order.stream_id, None)  # type: ignore[union-attr]


def test_a_refund_that_a_dispute_made_is_the_disputes(fake: FakePaystack) -> None:
    charge = charged(fake)
    order = order_of(fake, charge)
    ask(fake, lambda it: it.refund(order))
    for each in fake.refunded.values():
        each["dispute"] = 358949
    assert told_of(fake, charge, KnownThings(orders=[order])) == ()


def test_a_callback_that_comes_before_the_truth_waits(fake: FakePaystack) -> None:
    charge, fake.next_refund = charged(fake), "pending"
    order = order_of(fake, charge)
    ask(fake, lambda it: it.refund(order))
    assert told_of(fake, charge, KnownThings(orders=[order])) == ()
    assert told_of(fake, charge, KnownThings(orders=[order]), "failed") == ()


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"event":"charge.success","data":{}}',
        b'{"event":"refund.processed","data":{"transaction_reference":"../refund"}}',
        b'{"event":"refund.processed","data":{"transaction_reference":null}}',
    ],
)
def test_what_names_no_charge_cannot_be_asked_about(fake: FakePaystack, body: bytes) -> None:
    calls = len(fake.calls)
    with pytest.raises(CannotBeAskedError):
        ask(fake, lambda it: it.confirm({}, body, KnownThings()))
    assert len(fake.calls) == calls


@pytest.mark.parametrize(
    ("behaviour", "claim"),
    [
        (Behaviour.SUCCEEDS, PayoutClaim.PAID),
        (Behaviour.DECLINED, PayoutClaim.FAILED),
        (Behaviour.SILENT, PayoutClaim.PENDING),
        (Behaviour.LATE, PayoutClaim.PENDING),
    ],
)
def test_a_payout_is_asked_about_by_our_reference(
    fake: FakePaystack, behaviour: Behaviour, claim: PayoutClaim
) -> None:
    order = payout(f"+254700000{behaviour}")
    accepted = ask(fake, lambda it: it.pay_out(order))
    assert accepted == Accepted(fake.transfers[f"{order.payout_id}-1"]["transfer_code"])
    report = ask(fake, lambda it: it.payout_status(payout_inquiry(order)))
    assert (report.claim, report.payout_id, report.attempt) == (claim, order.payout_id, 1)
    assert report.paid == order.money
    assert report.provider_transaction == accepted.provider_reference


def test_a_payout_that_came_back_is_returned(fake: FakePaystack) -> None:
    order = payout(f"+254700000{Behaviour.SUCCEEDS}")
    ask(fake, lambda it: it.pay_out(order))
    fake.transfers[f"{order.payout_id}-1"]["status"] = "reversed"
    report = ask(fake, lambda it: it.payout_status(payout_inquiry(order)))
    assert (report.claim, report.reason) == (PayoutClaim.RETURNED, "transfer_reversed")


def test_a_payout_without_an_answer_is_not_repeated_and_asked_about(fake: FakePaystack) -> None:
    order = payout(f"+254700000{Behaviour.UNANSWERED}")
    calls = len(fake.calls)
    assert ask(fake, lambda it: it.pay_out(order)) == NoAnswer("timed_out")
    assert fake.calls[calls:] == [("POST", "/transferrecipient"), ("POST", "/transfer")]
    report = ask(fake, lambda it: it.payout_status(payout_inquiry(order)))
    assert report.claim is PayoutClaim.PAID
    assert ask(fake, lambda it: it.pay_out(order)) == NoAnswer("duplicate_reference")


def test_only_what_is_taken_once_is_sent_again(fake: FakePaystack) -> None:
    order = payout(f"+254700000{Behaviour.SUCCEEDS}")
    calls, fake.gateway_failures = len(fake.calls), 1
    assert isinstance(ask(fake, lambda it: it.pay_out(order)), Accepted)
    assert [path for _, path in fake.calls[calls:]] == [*["/transferrecipient"] * 2, "/transfer"]
    calls, fake.gateway_failures = len(fake.calls), 1
    assert ask(fake, lambda it: it.initiate(prompt("+254700000003"))) == NoAnswer("answered_502")
    assert [path for _, path in fake.calls[calls:]] == ["/charge"]


def test_a_payout_from_an_empty_float_may_be_tried_again(fake: FakePaystack) -> None:
    order = payout(f"+254700000{Behaviour.REFUSED}")
    assert ask(fake, lambda it: it.pay_out(order)) == Declined(
        "insufficient_balance", retryable=True
    )


def test_a_payout_that_paystack_does_not_know(fake: FakePaystack) -> None:
    order = payout("+254700000000")
    assert ask(fake, lambda it: it.payout_status(payout_inquiry(order))) is None


def test_a_recipient_is_nobodys_name(fake: FakePaystack) -> None:
    order = payout(f"+254700000{Behaviour.SUCCEEDS}", 12_345)
    ask(fake, lambda it: it.pay_out(order))
    assert set(fake.recipients.values()) >= {f"0700000{Behaviour.SUCCEEDS}"}
    assert (
        fake.transfers[f"{order.payout_id}-1"]["amount"]
        == Money(amount=12_345, currency="KES").amount
    )
