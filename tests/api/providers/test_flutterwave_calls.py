"""What Flutterwave is asked for and about, over HTTP."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from api.providers.port import (
    Accepted,
    CannotBeAskedError,
    ChargeRequest,
    Declined,
    NoAnswer,
    StatusUnavailableError,
)
from ledger.commands import Claim, DisputeReport, PayoutClaim, ProviderReport, RefundClaim
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
from tests.api.providers.fakes.flutterwave import FakeFlutterwave

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.providers.port import PaymentInquiry, RefundOrder
    from ledger.commands import AnyReport
    from tests.api.providers.fake import Charge


@pytest.fixture(scope="module")
def running() -> Iterator[FakeFlutterwave]:
    server = FakeFlutterwave()
    server.callbacks_begin_with = f"{server.url}/nowhere"
    server.delay_seconds = 0.01  # type: ignore[misc]  # of this one
    server.start()
    yield server
    server.stop()


@pytest.fixture
def fake(running: FakeFlutterwave) -> FakeFlutterwave:
    running.next_refund, running.keeps_comments = "completed", True
    running.refunded.clear()
    running.chargebacks.clear()
    return running


def charged(fake: FakeFlutterwave) -> Charge:
    """A charge that was paid."""
    request = prompt(fake.phone(Behaviour.SILENT))
    assert isinstance(ask(fake, lambda it: it.initiate(request)), Accepted)
    charge = fake.charges[str(request.payment_id)]
    wait_until(lambda: charge.state != "pending", what="it is paid")
    return charge


def inquiry_of(charge: Charge, *, is_answered: bool = True) -> PaymentInquiry:
    reference = charge.provider_reference if is_answered else None
    return inquiry(UUID(charge.reference), reference)


def order_of(charge: Charge, amount: int = 50_000) -> RefundOrder:
    return refund(charge.provider_reference, UUID(charge.reference), amount)


def confirmed(
    fake: FakeFlutterwave, event: str, data: dict[str, Any], known: KnownThings | None = None
) -> tuple[AnyReport, ...]:
    """What becomes of a hint."""
    body = json.dumps({"event": event, "data": data}).encode()
    reports: tuple[AnyReport, ...] = ask(
        fake, lambda it: it.confirm({}, body, known or KnownThings())
    )
    return reports


def test_a_charge_names_nobody(fake: FakeFlutterwave) -> None:
    charge = charged(fake)
    assert charge.details["customer"]["email"] == f"{charge.reference}@payments.invalid"
    assert charge.amount == 1250


def test_a_charge_is_taken_once(fake: FakeFlutterwave) -> None:
    request = prompt(fake.phone(Behaviour.SILENT))
    accepted = ask(fake, lambda it: it.initiate(request))
    assert accepted == Accepted(fake.charges[str(request.payment_id)].provider_reference)
    assert ask(fake, lambda it: it.initiate(request)) == NoAnswer("duplicate_reference")


def test_a_charge_that_is_refused_was_not_taken(fake: FakeFlutterwave) -> None:
    request = prompt(fake.phone(Behaviour.REFUSED))
    assert ask(fake, lambda it: it.initiate(request)) == Declined("refused_400")


def test_a_charge_without_an_answer_is_not_repeated_and_asked_about(fake: FakeFlutterwave) -> None:
    request = prompt(fake.phone(Behaviour.UNANSWERED))
    calls = len(fake.calls)
    assert ask(fake, lambda it: it.initiate(request)) == NoAnswer("timed_out")
    assert fake.calls[calls:] == [("POST", "/v3/charges")]
    report = ask(fake, lambda it: it.status(inquiry(request.payment_id)))
    assert report.claim is Claim.PENDING


@pytest.mark.parametrize(
    ("phone", "currency"),
    [
        *(("+256700000000", "KES"), ("+254700000000", "UGX"), ("+256720000000", "UGX")),
        ("+254700000000", "NGN"),
    ],
)
def test_a_phone_of_no_wallet_is_declined_unasked(
    fake: FakeFlutterwave, phone: str, currency: str
) -> None:
    calls = len(fake.calls)
    request = prompt(phone, 1_000, currency)
    assert ask(fake, lambda it: it.initiate(request)) == Declined("unknown_network")
    assert fake.calls[calls:] == []


@pytest.mark.parametrize(
    ("phone", "network"),
    [("+256770000003", "MTN"), ("+256390000003", "MTN"), ("+256750000003", "AIRTEL")],
)
def test_a_ugandan_phones_network_is_named(fake: FakeFlutterwave, phone: str, network: str) -> None:
    request = prompt(phone, 1_500, "UGX")
    # It answers with a page to open, and no id: then it is called by our reference.
    assert ask(fake, lambda it: it.initiate(request)) == Accepted(str(request.payment_id))
    charge = fake.charges[str(request.payment_id)]
    assert (charge.details["network"], charge.amount) == (network, 1_500)
    asked = inquiry(request.payment_id, str(request.payment_id))
    assert isinstance(ask(fake, lambda it: it.status(asked)), ProviderReport)


def test_a_provider_that_is_not_there_may_be_asked_again() -> None:
    nowhere = FakeFlutterwave()
    gone = Declined("provider_unreachable", retryable=True)
    assert ask(nowhere, lambda it: it.initiate(prompt("+254700000000"))) == gone
    assert ask(nowhere, lambda it: it.pay_out(payout("+254700000000"))) == gone
    with pytest.raises(StatusUnavailableError):
        ask(nowhere, lambda it: it.status(inquiry()))


def test_a_key_that_is_not_known_may_be_put_right(
    fake: FakeFlutterwave, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.api.providers.fakes.flutterwave.SECRET_KEY", "another")
    known = fake.adapter()
    monkeypatch.undo()
    monkeypatch.setattr(fake, "adapter", lambda: known)
    order = payout(f"+254700000{Behaviour.SUCCEEDS}")
    assert ask(fake, lambda it: it.pay_out(order)) == Declined("refused_401", retryable=True)


def test_what_flutterwave_does_not_have_is_declined(fake: FakeFlutterwave) -> None:
    request = prompt("+254700000000")
    card = ChargeRequest(payment_id=request.payment_id, card="token", money=request.money)
    assert ask(fake, lambda it: it.charge(card)) == Declined("not_supported")
    order = refund("chg_Hq4oBRTJ4r", request.payment_id)
    assert ask(fake, lambda it: it.refund(order)) == Declined("not_supported")


@pytest.mark.parametrize("is_answered", [True, False])
def test_a_query_names_the_transaction_as_a_callback_does(
    fake: FakeFlutterwave,
    is_answered: bool,
) -> None:
    charge = charged(fake)
    report = ask(fake, lambda it: it.status(inquiry_of(charge, is_answered=is_answered)))
    first, fee = confirmed(fake, "charge.completed", fake.transaction(charge))
    assert report == first
    assert report.provider_transaction == charge.provider_reference
    assert fee.fee == Money(amount=3_625, currency="KES")  # type: ignore[union-attr]  # a fee's


@pytest.mark.parametrize("changed", [{"status": "new"}, {"tx_ref": "another"}, {"amount": 0}])
def test_a_charge_of_which_nothing_can_be_said(
    fake: FakeFlutterwave, changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    charge = charged(fake)
    shown = fake.transaction(charge) | changed
    monkeypatch.setattr(fake, "transaction", lambda _: shown)
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda it: it.status(inquiry_of(charge)))


def test_a_charge_never_came_only_after_a_while(fake: FakeFlutterwave) -> None:
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda it: it.status(inquiry(age=timedelta(minutes=4))))
    assert ask(fake, lambda it: it.status(inquiry(age=timedelta(minutes=6)))) is None
    accepted = inquiry(reference="285959999", age=timedelta(minutes=6))
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda it: it.status(accepted))


def test_a_hint_lies_and_the_answer_to_it_counts(fake: FakeFlutterwave) -> None:
    charge = charged(fake)
    charge.state = "failed"
    [report] = confirmed(
        fake, "charge.completed", fake.transaction(charge) | {"status": "successful"}
    )
    assert isinstance(report, ProviderReport)
    assert report.claim is Claim.FAILED


def test_a_hint_about_a_charge_without_its_id_is_asked_about_by_our_reference(
    fake: FakeFlutterwave,
) -> None:
    charge = charged(fake)
    report, _ = confirmed(fake, "charge.completed", {"id": "x/../y", "tx_ref": charge.reference})
    assert isinstance(report, ProviderReport)
    assert report.provider_transaction == charge.provider_reference


def test_a_charge_that_is_open_or_unknown_is_asked_about_again(fake: FakeFlutterwave) -> None:
    charge = charged(fake)
    charge.state = "pending"
    assert confirmed(fake, "charge.completed", fake.transaction(charge)) == ()
    with pytest.raises(StatusUnavailableError):
        confirmed(fake, "charge.completed", {"id": 1, "tx_ref": str(uuid4())})


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ("charge.completed", {"id": None, "tx_ref": "somebody else's"}),
        ("transfer.completed", {"reference": "somebody else's"}),
        ("transfer.completed", {"reference": f"{uuid4()}-1"}),
        ("refund.completed", {"id": "../8612"}),
        ("chargeback.initiated", {"tx_ref": str(uuid4())}),
        ("subscription.cancelled", {}),
    ],
)
def test_what_names_nothing_of_ours_cannot_be_asked_about(
    fake: FakeFlutterwave, event: str, data: dict[str, Any]
) -> None:
    calls = len(fake.calls)
    with pytest.raises(CannotBeAskedError):
        confirmed(fake, event, data)
    assert len(fake.calls) == calls


async def _refund_status(adapter: Any, order: RefundOrder) -> Any:  # noqa: ANN401 - a test's
    return await adapter.refund_status(order)


@pytest.mark.parametrize(
    ("status", "claim"),
    [
        *(("completed", RefundClaim.SUCCEEDED), ("completed-momo", RefundClaim.SUCCEEDED)),
        *(("completed-bank-transfer", RefundClaim.SUCCEEDED), ("failed", RefundClaim.FAILED)),
        *(("pending", RefundClaim.PENDING), ("new", RefundClaim.PENDING)),
    ],
)
def test_every_status_of_a_refund(fake: FakeFlutterwave, status: str, claim: RefundClaim) -> None:
    order, fake.next_refund = order_of(charged(fake), 12_345), status
    accepted = ask(fake, lambda it: it.refund(order))
    for known in (order, replace(order, provider_reference=accepted.provider_reference)):
        report = ask(fake, partial(_refund_status, order=known))
        assert (report.claim, report.refund_id) == (claim, order.refund_id)
        assert report.provider_refund == accepted.provider_reference
        assert report.refunded == order.money


def test_a_refund_that_is_refused_was_not_taken(fake: FakeFlutterwave) -> None:
    order, fake.next_refund = order_of(charged(fake)), "refused"
    assert ask(fake, lambda it: it.refund(order)) == Declined("refused_400")
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda it: it.refund_status(order))


def test_a_refund_without_an_answer_is_found_by_its_comment(fake: FakeFlutterwave) -> None:
    order, fake.next_refund = order_of(charged(fake)), "unanswered"
    assert ask(fake, lambda it: it.refund(order)) == NoAnswer("timed_out")
    assert ask(fake, lambda it: it.refund_status(order)).claim is RefundClaim.SUCCEEDED


def test_a_refunds_callback_is_of_the_refund_that_we_asked_for(fake: FakeFlutterwave) -> None:
    charge = charged(fake)
    order = order_of(charge)
    accepted = ask(fake, lambda it: it.refund(order))
    known = KnownThings(payments=[inquiry_of(charge)], orders=[order])
    [report] = confirmed(fake, "refund.completed", {"id": int(accepted.provider_reference)}, known)
    assert report == ask(fake, partial(_refund_status, order=order))


def test_a_refund_that_lost_its_comment_is_known_by_its_name(fake: FakeFlutterwave) -> None:
    charge, fake.keeps_comments = charged(fake), False
    order = order_of(charge)
    name = ask(fake, lambda it: it.refund(order)).provider_reference
    known = KnownThings(payments=[inquiry_of(charge)], orders=[order])
    with pytest.raises(StatusUnavailableError):
        confirmed(fake, "refund.completed", {"id": int(name)}, known)
    known.orders = [replace(order, provider_reference=name)]
    [ours] = confirmed(fake, "refund.completed", {"id": int(name)}, known)
    assert ours.refund_id == order.refund_id  # type: ignore[union-attr]  # it is of a refund
    known.orders = []
    [unasked] = confirmed(fake, "refund.completed", {"id": int(name)}, known)
    assert (unasked.stream_id, unasked.refund_id) == (order.stream_id, None)  # type: ignore[union-attr]


def test_a_return_is_of_the_receipt_that_our_comment_names(fake: FakeFlutterwave) -> None:
    charge = charged(fake)
    order = replace(order_of(charge), stream_id=uuid4())
    accepted = ask(fake, lambda it: it.refund(order))
    [report] = confirmed(fake, "refund.completed", {"id": int(accepted.provider_reference)})
    assert report == ask(fake, partial(_refund_status, order=order))


def chargeback(charge: Charge, number: int, status: str) -> dict[str, Any]:
    return {
        "id": number,
        "amount": 500,
        "flw_ref": f"DRT{charge.transaction}",
        "status": status,
        "stage": "new",
        "comment": "Product/service not received",
        "meta": {"history": [{"action": status, "date": f"2026-04-0{number}T00:00:00.000Z"}]},
        "due_date": "2026-04-09T15:59:59.000Z",
        "settlement_id": "N/A",
        "created_at": "2026-04-01T00:00:00.000Z",
        "transaction_id": int(charge.provider_reference),
        "tx_ref": charge.reference,
    }


@pytest.mark.parametrize(
    ("statuses", "stage", "lost"),
    [
        *((["initiated"], "opened", None), (["declined"], "opened", None)),
        *((["lost"], "closed", 50_000), (["accepted"], "closed", 50_000)),
        *((["won"], "closed", 0), (["reversed"], "closed", 0)),
        # The bank goes on after the merchant's evidence, with another chargeback.
        (["declined", "lost"], "closed", 50_000),
        (["won", "initiated"], "opened", None),
    ],
)
def test_a_dispute_stands_where_its_newest_chargeback_does(
    fake: FakeFlutterwave, statuses: list[str], stage: str, lost: int | None
) -> None:
    charge = charged(fake)
    told = [chargeback(charge, number, status) for number, status in enumerate(statuses, 1)]
    fake.chargebacks.extend(reversed(told))
    known = KnownThings(payments=[inquiry_of(charge)])
    [report] = confirmed(fake, "chargeback.initiated", told[0], known)
    assert isinstance(report, DisputeReport)
    assert report.dispute == f"chargeback:{charge.provider_reference}"
    assert (report.stage, report.lost_amount) == (stage, lost)
    assert report.disputed == Money(amount=50_000, currency="KES")
    assert not report.funds_withdrawn
    assert report.occurred_at is not None
    assert report.occurred_at.day == len(statuses)


def test_a_chargeback_that_nobody_knows_yet_is_asked_about_again(fake: FakeFlutterwave) -> None:
    charge = charged(fake)
    known = KnownThings(payments=[inquiry_of(charge)])
    told = chargeback(charge, 1, "initiated")
    assert confirmed(fake, "chargeback.initiated", told, known) == ()
    fake.chargebacks.append(told | {"status": "new to us"})
    with pytest.raises(StatusUnavailableError):
        confirmed(fake, "chargeback.initiated", told, known)


@pytest.mark.parametrize(
    ("behaviour", "claim"),
    [
        (Behaviour.SUCCEEDS, PayoutClaim.PAID),
        (Behaviour.DECLINED, PayoutClaim.FAILED),
        (Behaviour.SILENT, PayoutClaim.PENDING),
    ],
)
def test_a_payout_is_asked_about_by_either_name_and_called_back(
    fake: FakeFlutterwave, behaviour: Behaviour, claim: PayoutClaim
) -> None:
    order = payout(f"+254700000{behaviour}")
    accepted = ask(fake, lambda it: it.pay_out(order))
    transfer = fake.transfers[f"{order.payout_id}-1"]
    assert accepted == Accepted(str(transfer["id"]))
    report = ask(fake, lambda it: it.payout_status(payout_inquiry(order)))
    assert (report.claim, report.payout_id, report.attempt) == (claim, order.payout_id, 1)
    assert (report.paid, report.provider_transaction) == (order.money, str(transfer["id"]))
    named = payout_inquiry(order, accepted.provider_reference)
    assert ask(fake, lambda it: it.payout_status(named)) == report
    said = confirmed(fake, "transfer.completed", transfer, KnownThings(payouts=[named]))
    assert said == (() if claim is PayoutClaim.PENDING else (report,))


def test_a_payout_without_an_answer_is_not_repeated_and_asked_about(fake: FakeFlutterwave) -> None:
    order = payout(f"+254700000{Behaviour.UNANSWERED}")
    calls = len(fake.calls)
    assert ask(fake, lambda it: it.pay_out(order)) == NoAnswer("timed_out")
    assert fake.calls[calls:] == [("POST", "/v3/transfers")]
    report = ask(fake, lambda it: it.payout_status(payout_inquiry(order)))
    assert report.claim is PayoutClaim.PAID
    assert ask(fake, lambda it: it.pay_out(order)) == NoAnswer("duplicate_reference")


def test_a_payout_from_an_empty_float_may_be_tried_again(fake: FakeFlutterwave) -> None:
    order = payout(f"+254700000{Behaviour.REFUSED}")
    assert ask(fake, lambda it: it.pay_out(order)) == Declined(
        "insufficient_balance", retryable=True
    )


def test_a_payout_that_is_in_no_list_is_not_nowhere(fake: FakeFlutterwave) -> None:
    order = payout("+254700000000")
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda it: it.payout_status(payout_inquiry(order)))
