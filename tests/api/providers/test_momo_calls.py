"""What MoMo is asked for and about, over HTTP."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from api.providers.momo import Momo
from api.providers.momo_callbacks import of_payment, of_payout, of_refund
from api.providers.momo_configuration import MomoConfiguration
from api.providers.port import (
    Accepted,
    CannotBeAskedError,
    ChargeRequest,
    Declined,
    NoAnswer,
    StatusUnavailableError,
)
from ledger.commands import Claim, PayoutClaim, PayoutReport, ProviderReport, RefundClaim
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
from tests.api.providers.fakes.momo import ENVIRONMENT, SUBSCRIPTIONS, FakeMomo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.providers.port import PaymentInquiry, PayoutOrder, RefundOrder
    from tests.api.providers.fake import Charge, Sent

LONG_AGO = timedelta(hours=1)


class CollectingMomo(FakeMomo):
    """It has an adapter without disbursements."""

    def adapter(self) -> Momo:
        fields = self.configured_by()
        collections = {name: fields[name] for name in fields if "disbursement" not in name}
        return Momo(
            MomoConfiguration(**collections),  # type: ignore[arg-type] # from text
            callbacks_begin_with="http://127.0.0.1:9",
            timeout_seconds=2.0,
        )


@pytest.fixture(scope="module")
def running() -> Iterator[FakeMomo]:
    server = FakeMomo()
    server.callbacks_begin_with = f"{server.url}/nowhere"
    server.delay_seconds = 0.01  # type: ignore[misc]  # of this one
    server.start()
    yield server
    server.stop()


@pytest.fixture
def fake(running: FakeMomo) -> FakeMomo:
    running.next_refund, running.reason = ("SUCCESSFUL", None), "APPROVAL_REJECTED"
    running.next_errors = []
    for each in (running.charges, running.transfers, running.refunded, running.requests):
        each.clear()
    running.calls.clear()
    running.sent.clear()
    return running


def charged(fake: FakeMomo, behaviour: Behaviour = Behaviour.SILENT) -> Charge:
    """A request to pay that has ended."""
    request = prompt(fake.phone(behaviour), currency="UGX")
    assert isinstance(ask(fake, lambda it: it.initiate(request)), Accepted)
    charge = fake.charges[str(request.payment_id)]
    wait_until(lambda: charge.state != "pending", what="it has ended")
    return charge


def inquiry_of(charge: Charge) -> PaymentInquiry:
    return inquiry(UUID(charge.reference), charge.provider_reference, currency="UGX")


def order_of(charge: Charge, amount: int = 50_000) -> RefundOrder:
    return refund(charge.details["transaction"], UUID(charge.reference), amount, "UGX")


def paid_out(fake: FakeMomo, behaviour: Behaviour) -> tuple[PayoutOrder, Any]:
    """A payout, and what became of the request."""
    order = payout(fake.phone(behaviour), currency="UGX")
    return order, ask(fake, lambda it: it.pay_out(order))


def confirmed(fake: FakeMomo, sent: Sent, known: KnownThings) -> tuple[Any, ...]:
    """What becomes of a callback."""

    async def confirm(adapter: Momo) -> tuple[Any, ...]:
        callback = adapter.verify(fake.delivery(sent))
        return await adapter.confirm(callback.headers, sent.body, known)

    return ask(fake, confirm)


def test_a_request_to_pay_says_what_is_documented(fake: FakeMomo) -> None:
    request = prompt(fake.phone(Behaviour.SILENT), currency="UGX")
    accepted = ask(fake, lambda it: it.initiate(request))
    [(path, headers, body)] = fake.requests
    assert path == "/collection/v1_0/requesttopay"
    assert body == {
        "amount": "125000",
        "currency": "UGX",
        "externalId": str(request.payment_id),
        "payer": {"partyIdType": "MSISDN", "partyId": "256770000003"},
        "payerMessage": "Payment",
        "payeeNote": "Payment",
    }
    reference = str(of_payment(request.payment_id).reference)
    assert accepted == Accepted(reference)
    assert headers["x-reference-id"] == reference
    assert headers["x-target-environment"] == ENVIRONMENT
    assert headers["ocp-apim-subscription-key"] == SUBSCRIPTIONS["collection"]
    assert f"/momo/payment-{request.payment_id.hex}-" in headers["x-callback-url"]


def test_each_product_has_a_token_of_its_own(fake: FakeMomo) -> None:
    async def both(adapter: Momo) -> None:
        for _ in range(3):
            await adapter.initiate(prompt(fake.phone(Behaviour.SILENT), currency="UGX"))
            await adapter.pay_out(payout(fake.phone(Behaviour.SILENT), currency="UGX"))

    ask(fake, both)
    tokens = [path for _, path in fake.calls if path.endswith("/token/")]
    assert sorted(tokens) == ["/collection/token/", "/disbursement/token/"]
    assert len(fake.requests) == 6


def test_a_token_that_has_expired_is_renewed(fake: FakeMomo) -> None:
    async def twice(adapter: Momo) -> list[object]:
        answers: list[object] = []
        for _ in range(2):
            request = prompt(fake.phone(Behaviour.SILENT), currency="UGX")
            answers.append(await adapter.initiate(request))
            fake.tokens.clear()
        return answers

    assert all(isinstance(each, Accepted) for each in ask(fake, twice))
    assert len([path for _, path in fake.calls if path.endswith("/token/")]) == 2


def test_what_is_sent_again_is_taken_once(fake: FakeMomo) -> None:
    request = prompt(fake.phone(Behaviour.SILENT), currency="UGX")
    first = ask(fake, lambda it: it.initiate(request))
    assert ask(fake, lambda it: it.initiate(request)) == first
    assert len(fake.charges) == 1
    order, sent = paid_out(fake, Behaviour.SILENT)
    assert ask(fake, lambda it: it.pay_out(order)) == sent
    assert len(fake.transfers) == 1
    another = replace(order, attempt=2)
    assert ask(fake, lambda it: it.pay_out(another)) != sent
    assert len(fake.transfers) == 2


def test_a_gateways_error_is_overcome_by_sending_again(fake: FakeMomo) -> None:
    fake.next_errors = [(502, None)]
    request = prompt(fake.phone(Behaviour.SILENT), currency="UGX")
    assert isinstance(ask(fake, lambda it: it.initiate(request)), Accepted)
    assert len([path for _, path in fake.calls if path.endswith("requesttopay")]) == 2


@pytest.mark.parametrize(
    "refusal", [(400, None), (429, None), (500, {"code": "NOT_ENOUGH_FUNDS", "message": ""})]
)
def test_what_may_have_been_taken_before_is_not_declined(
    fake: FakeMomo, refusal: tuple[int, dict[str, Any] | None]
) -> None:
    fake.next_errors = [(502, None), refusal]
    assert paid_out(fake, Behaviour.SUCCEEDS)[1] == NoAnswer(f"refused_{refusal[0]}")


@pytest.mark.parametrize(
    ("status", "code", "answer"),
    [
        (400, None, Declined("refused_400")),
        (400, "REQUEST_REJECTED", Declined("request_rejected")),
        (401, None, Declined("refused_401")),
        (403, "NOT_ALLOWED", Declined("not_allowed")),
        (404, "RESOURCE_NOT_FOUND", Declined("resource_not_found")),
        (429, None, Declined("busy", retryable=True)),
        (500, "PAYER_NOT_FOUND", Declined("payer_not_found")),
        (500, "PAYEE_NOT_FOUND", Declined("payee_not_found")),
        (500, "NOT_ALLOWED", Declined("not_allowed")),
        (500, "NOT_ALLOWED_TARGET_ENVIRONMENT", Declined("not_allowed_target_environment")),
        (500, "INVALID_CALLBACK_URL_HOST", Declined("invalid_callback_url_host")),
        (500, "INVALID_CURRENCY", Declined("invalid_currency")),
        (500, "NOT_ENOUGH_FUNDS", Declined("not_enough_funds", retryable=True)),
        (500, "PAYER_LIMIT_REACHED", Declined("payer_limit_reached")),
        (500, "PAYEE_NOT_ALLOWED_TO_RECEIVE", Declined("payee_not_allowed_to_receive")),
        (500, "INTERNAL_PROCESSING_ERROR", NoAnswer("answered_500")),
        (500, "COULD_NOT_PERFORM_TRANSACTION", NoAnswer("answered_500")),
        (503, "SERVICE_UNAVAILABLE", NoAnswer("answered_503")),
        (500, "Insufficient funds of 0772123456", NoAnswer("answered_500")),
        (400, "Mr John of 0772123456", Declined("refused_400")),
        (502, None, NoAnswer("answered_502")),
    ],
)
def test_an_error_says_whether_a_request_was_taken(
    fake: FakeMomo, status: int, code: str | None, answer: object
) -> None:
    document = None if code is None else {"code": code, "message": "0772123456"}
    fake.next_errors = [(status, document)] * 5
    request = prompt(fake.phone(Behaviour.SILENT), currency="UGX")
    assert ask(fake, lambda it: it.initiate(request)) == answer


def test_a_request_without_an_answer_is_asked_about(fake: FakeMomo) -> None:
    request = prompt(fake.phone(Behaviour.UNANSWERED), currency="UGX")
    assert ask(fake, lambda it: it.initiate(request)) == NoAnswer("timed_out")
    report = ask(fake, lambda it: it.status(inquiry(request.payment_id, currency="UGX")))
    assert report.claim is Claim.PENDING


def test_a_provider_that_is_not_there_may_be_asked_again() -> None:
    nowhere = FakeMomo()
    request, order = prompt("+256770000000", currency="UGX"), payout("+256770000000")
    declined = Declined("provider_unreachable", retryable=True)
    assert ask(nowhere, lambda it: it.initiate(request)) == declined
    assert ask(nowhere, lambda it: it.pay_out(order)) == declined
    with pytest.raises(StatusUnavailableError):
        ask(nowhere, lambda it: it.status(inquiry()))


@pytest.mark.parametrize("phone", ["+254700000000", "256770000000", "0770000000", ""])
def test_a_phone_of_another_country_is_declined_unasked(fake: FakeMomo, phone: str) -> None:
    declined = Declined("phone_not_of_this_provider")
    assert ask(fake, lambda it: it.initiate(prompt(phone, currency="UGX"))) == declined
    assert ask(fake, lambda it: it.pay_out(payout(phone, currency="UGX"))) == declined
    assert fake.calls == []


def test_stored_methods_are_not_charged(fake: FakeMomo) -> None:
    charge = ChargeRequest(payment_id=uuid4(), card="x", money=Money(amount=1, currency="UGX"))
    assert ask(fake, lambda it: it.charge(charge)) == Declined("not_supported")


def test_a_success_has_its_transaction_and_its_amount(fake: FakeMomo) -> None:
    charge = charged(fake)
    transaction, reference = charge.details["transaction"], charge.provider_reference
    assert ask(fake, lambda it: it.status(inquiry_of(charge))) == ProviderReport(
        provider="momo",
        payment_id=UUID(charge.reference),
        claim=Claim.SUCCEEDED,
        provider_transaction=transaction,
        received=Money(amount=125_000, currency="UGX"),
        also_known_as=(reference, f"{transaction}={reference}"),
    )


@pytest.mark.parametrize(
    ("reason", "claim", "said"),
    [
        ("APPROVAL_REJECTED", Claim.CANCELLED, "approval_rejected"),
        ("TRANSACTION_CANCELED", Claim.CANCELLED, "transaction_canceled"),
        ("EXPIRED", Claim.FAILED, "expired"),
        ("PAYER_NOT_FOUND", Claim.FAILED, "payer_not_found"),
        ("PAYEE_NOT_FOUND", Claim.FAILED, "payee_not_found"),
        ("NOT_ENOUGH_FUNDS", Claim.FAILED, "not_enough_funds"),
        ("PAYER_LIMIT_REACHED", Claim.FAILED, "payer_limit_reached"),
        ("PAYER_DELAYED", Claim.FAILED, "payer_delayed"),
        ("INTERNAL_PROCESSING_ERROR", Claim.FAILED, "internal_processing_error"),
        ("COULD_NOT_PERFORM_TRANSACTION", Claim.FAILED, "could_not_perform_transaction"),
        (
            "LOW_BALANCE_OR_PAYEE_LIMIT_REACHED_OR_NOT_ALLOWED",
            Claim.FAILED,
            "low_balance_or_payee_limit_reached_or_not_allowed",
        ),
        ({"code": "PAYER_NOT_FOUND", "message": "0772123456"}, Claim.FAILED, "payer_not_found"),
        *((None, Claim.FAILED, "unspecified"), (7, Claim.FAILED, "unspecified")),
        ("JOHN", Claim.FAILED, "unspecified"),
        ("PAYER 0772123456", Claim.FAILED, "unspecified"),
    ],
)
def test_why_a_payment_failed_is_told_by_code(
    fake: FakeMomo, reason: object, claim: Claim, said: str
) -> None:
    fake.reason = reason
    charge = charged(fake, Behaviour.DECLINED)
    report = ask(fake, lambda it: it.status(inquiry_of(charge)))
    assert (report.claim, report.reason) == (claim, said)
    assert report.provider_transaction is None


@pytest.mark.parametrize(
    ("status", "claim"),
    [
        *(("PENDING", Claim.PENDING), ("CREATED", Claim.PENDING), ("ONGOING", Claim.PENDING)),
        *(("FAILED", Claim.FAILED), ("TIMEOUT", Claim.FAILED), ("REJECTED", Claim.CANCELLED)),
    ],
)
def test_every_status_is_understood(fake: FakeMomo, status: str, claim: Claim) -> None:
    fake.next_errors = [(200, {"status": status})]
    assert ask(fake, lambda it: it.status(inquiry())).claim is claim


SUCCESS = {
    "status": "SUCCESSFUL",
    "financialTransactionId": "1947913865",
    "amount": "600",
    "currency": "UGX",
}


@pytest.mark.parametrize(
    "changed",
    [
        *({"status": None}, {"status": "successful"}, {"status": "PAID"}, {"status": ["FAILED"]}),
        *({"externalId": "another"}, {"externalId": None}),
        *({"financialTransactionId": None}, {"financialTransactionId": ""}),
        *({"financialTransactionId": "19 47"}, {"financialTransactionId": "9" * 200}),
        *({"amount": None}, {"amount": "600.5"}, {"amount": "-600"}, {"amount": "0"}),
        *({"amount": "6e2"}, {"amount": " 600"}, {"amount": "6_00"}, {"amount": "600."}),
        *({"amount": True}, {"amount": "NaN"}, {"amount": "9" * 40}, {"amount": "٦٠٠"}),
        *({"currency": None}, {"currency": "ugx"}, {"currency": "XXX"}, {"currency": 800}),
    ],
)
def test_a_success_that_is_not_as_documented_is_asked_about_again(
    fake: FakeMomo, changed: dict[str, object]
) -> None:
    fake.next_errors = [(200, SUCCESS | changed)]
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda it: it.status(inquiry(currency="UGX")))


@pytest.mark.parametrize(
    ("amount", "minor"), [("600", 600), ("600.00", 600), (600, 600), ("1", 1), ("007", 7)]
)
def test_an_amount_is_read_exactly(fake: FakeMomo, amount: object, minor: int) -> None:
    fake.next_errors = [(200, SUCCESS | {"amount": amount})]
    report = ask(fake, lambda it: it.status(inquiry(currency="UGX")))
    assert report.received == Money(amount=minor, currency="UGX")


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500, 503])
def test_an_error_says_nothing_of_a_payment(fake: FakeMomo, status: int) -> None:
    fake.next_errors = [(status, {"code": "NOT_ALLOWED"})] * 5
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda it: it.status(inquiry(age=LONG_AGO)))


def test_what_mtn_does_not_know_never_came_but_not_at_once(fake: FakeMomo) -> None:
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda it: it.status(inquiry(age=timedelta(minutes=9))))
    assert ask(fake, lambda it: it.status(inquiry(age=timedelta(minutes=11)))) is None


def test_a_404_of_the_gateway_is_not_mtns(fake: FakeMomo) -> None:
    fake.next_errors = [(404, {"statusCode": 404, "message": "Resource not found"})]
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda it: it.status(inquiry(age=LONG_AGO)))


# Payouts.


def test_a_payout_that_was_paid(fake: FakeMomo) -> None:
    order, accepted = paid_out(fake, Behaviour.SUCCEEDS)
    reference = str(of_payout(order.payout_id, 1).reference)
    assert accepted == Accepted(reference)
    [(path, headers, body)] = fake.requests
    assert path == "/disbursement/v1_0/transfer"
    assert headers["ocp-apim-subscription-key"] == SUBSCRIPTIONS["disbursement"]
    assert body["payee"] == {"partyIdType": "MSISDN", "partyId": "256770000000"}
    assert body["externalId"] == f"{order.payout_id}-1"
    transaction = fake.transfers[reference]["financialTransactionId"]
    paid = PayoutReport(
        provider="momo",
        payout_id=order.payout_id,
        attempt=1,
        claim=PayoutClaim.PAID,
        paid=Money(amount=50_000, currency="UGX"),
        paid_from="provider:momo:disbursement",
        provider_transaction=transaction,
    )
    assert ask(fake, lambda it: it.payout_status(payout_inquiry(order))) == paid
    [sent] = fake.sent
    assert sent.method == "PUT"
    known = KnownThings(payouts=[payout_inquiry(order)])
    assert confirmed(fake, sent, known) == (paid,)


@pytest.mark.parametrize(
    ("behaviour", "reason", "retryable"),
    [
        (Behaviour.DECLINED, "payee_not_found", False),
        (Behaviour.OTHER_AMOUNT, "not_enough_funds", True),
    ],
)
def test_a_payout_that_failed(
    fake: FakeMomo, behaviour: Behaviour, reason: str, *, retryable: bool
) -> None:
    order, accepted = paid_out(fake, behaviour)
    assert isinstance(accepted, Accepted)
    report = ask(fake, lambda it: it.payout_status(payout_inquiry(order)))
    assert report.claim is PayoutClaim.FAILED
    assert (report.reason, report.retryable) == (reason, retryable)
    [sent] = fake.sent
    assert confirmed(fake, sent, KnownThings(payouts=[payout_inquiry(order)])) == (report,)


def test_a_payout_that_is_refused_at_once(fake: FakeMomo) -> None:
    _, answer = paid_out(fake, Behaviour.REFUSED)
    assert answer == Declined("not_allowed")


def test_a_payout_that_is_not_final_says_nothing_yet(fake: FakeMomo) -> None:
    order, _ = paid_out(fake, Behaviour.LATE)
    report = ask(fake, lambda it: it.payout_status(payout_inquiry(order)))
    assert report.claim is PayoutClaim.PENDING
    [sent] = fake.sent
    assert confirmed(fake, sent, KnownThings(payouts=[payout_inquiry(order)])) == ()


def test_a_payout_without_an_answer_is_found(fake: FakeMomo) -> None:
    order, answer = paid_out(fake, Behaviour.UNANSWERED)
    assert answer == NoAnswer("timed_out")
    report = ask(fake, lambda it: it.payout_status(payout_inquiry(order)))
    assert report.claim is PayoutClaim.PAID


def test_a_payout_that_mtn_does_not_know_never_came_but_not_at_once(fake: FakeMomo) -> None:
    asked = payout_inquiry(payout("+256770000000", currency="UGX"))
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda it: it.payout_status(asked))
    long_ago = replace(asked, requested_at=datetime.now(UTC) - LONG_AGO)
    assert ask(fake, lambda it: it.payout_status(long_ago)) is None


# Refunds.


def test_a_refund_names_the_request_that_it_is_of(fake: FakeMomo) -> None:
    charge = charged(fake)
    order = order_of(charge)
    reference = str(of_refund(order.stream_id, order.refund_id).reference)
    assert ask(fake, lambda it: it.refund(order)) == Accepted(reference)
    assert ask(fake, lambda it: it.refund(order)) == Accepted(reference)
    assert len(fake.refunded) == 1
    report = ask(fake, lambda it: it.refund_status(order))
    assert (report.claim, report.refunded) == (RefundClaim.SUCCEEDED, order.money)
    assert report.paid_from == "provider:momo:disbursement"
    assert report.provider_refund == fake.refunded[reference]["financialTransactionId"]
    known = KnownThings(orders=[order])
    assert confirmed(fake, fake.sent[-1], known) == (report,)


def test_a_refund_of_another_streams_money_names_its_request(fake: FakeMomo) -> None:
    charge = charged(fake)
    order = replace(order_of(charge), stream_id=uuid4())
    assert ask(fake, lambda it: it.refund(order)) == Declined("resource_not_found")
    report = ask(fake, lambda it: it.status(inquiry_of(charge)))
    named = replace(order, refund_id=uuid4(), also_known_as=("x", report.also_known_as[0]))
    assert isinstance(ask(fake, lambda it: it.refund(named)), Accepted)


@pytest.mark.parametrize(
    ("ended", "claim", "reason"),
    [
        (("FAILED", "NOT_ENOUGH_FUNDS"), RefundClaim.FAILED, "not_enough_funds"),
        (("FAILED", None), RefundClaim.FAILED, "unspecified"),
        (("PENDING", None), RefundClaim.PENDING, None),
    ],
)
def test_a_refund_that_has_not_succeeded(
    fake: FakeMomo, ended: tuple[str, str | None], claim: RefundClaim, reason: str | None
) -> None:
    fake.next_refund = ended
    order = order_of(charged(fake))
    assert isinstance(ask(fake, lambda it: it.refund(order)), Accepted)
    report = ask(fake, lambda it: it.refund_status(order))
    assert (report.claim, report.reason) == (claim, reason)
    assert report.provider_refund is None


def test_a_refund_that_mtn_does_not_know_never_came_but_not_at_once(fake: FakeMomo) -> None:
    order = order_of(charged(fake))
    recent = replace(order, requested_at=datetime.now(UTC))
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda it: it.refund_status(order))
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda it: it.refund_status(recent))
    long_ago = replace(order, requested_at=datetime.now(UTC) - LONG_AGO)
    assert ask(fake, lambda it: it.refund_status(long_ago)) is None


def test_without_disbursements_nothing_is_sent() -> None:
    bare = CollectingMomo()
    order, back = payout("+256770000000", currency="UGX"), refund("1", uuid4(), currency="UGX")
    assert ask(bare, lambda it: it.pay_out(order)) == Declined("not_supported")
    assert ask(bare, lambda it: it.refund(back)) == Declined("not_supported")
    with pytest.raises(CannotBeAskedError):
        ask(bare, lambda it: it.payout_status(payout_inquiry(order)))
    with pytest.raises(CannotBeAskedError):
        ask(bare, lambda it: it.refund_status(back))


# Hints.


def test_a_callback_that_lies_is_not_believed(fake: FakeMomo) -> None:
    charge = charged(fake)
    known = KnownThings(payments=[inquiry_of(charge)])
    for state, claim in (("failed", Claim.CANCELLED), ("succeeded", Claim.SUCCEEDED)):
        charge.state = state
        for told in ("pending", "succeeded", "failed"):
            [report] = confirmed(fake, fake.callback(charge, told), known)
            assert report.claim is claim
    charge.state = "pending"
    assert confirmed(fake, fake.callback(charge, "succeeded"), known) == ()


def test_a_callback_about_nothing_of_ours_cannot_be_confirmed(fake: FakeMomo) -> None:
    charge = charged(fake)
    with pytest.raises(CannotBeAskedError):
        confirmed(fake, fake.callback(charge, "succeeded"), KnownThings())
    _, accepted = paid_out(fake, Behaviour.SUCCEEDS)
    assert isinstance(accepted, Accepted)
    with pytest.raises(CannotBeAskedError):
        confirmed(fake, fake.sent[-1], KnownThings())
