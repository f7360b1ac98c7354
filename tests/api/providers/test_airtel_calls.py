"""What Airtel is asked for and about, over HTTP."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from api.providers.airtel import Airtel
from api.providers.airtel_configuration import AirtelConfiguration
from api.providers.airtel_reports import payout_reference
from api.providers.port import (
    Accepted,
    CannotBeAskedError,
    ChargeRequest,
    Declined,
    NoAnswer,
    StatusUnavailableError,
)
from ledger.commands import (
    Claim,
    PayoutClaim,
    PayoutReport,
    ProviderReport,
    RefundClaim,
    RefundReport,
)
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
from tests.api.providers.fakes.airtel import FakeAirtel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.providers.port import PaymentInquiry, PayoutOrder, RefundOrder
    from tests.api.providers.fake import Charge, Sent

LONG_AGO = timedelta(hours=1)


class SecondAirtel(FakeAirtel):
    """Version 2, whose requests are signed."""

    version = "v2"
    signs = True


class CollectingAirtel(FakeAirtel):
    """It has an adapter that pays nothing out."""

    def adapter(self) -> Airtel:
        fields = self.configured_by()
        collections = {name: fields[name] for name in fields if not name.startswith("pin")}
        configuration = AirtelConfiguration(**collections)  # type: ignore[arg-type] # from text
        return Airtel(configuration, timeout_seconds=2.0)


def started(server: FakeAirtel) -> Iterator[FakeAirtel]:
    server.callbacks_begin_with = f"{server.url}/nowhere"
    server.delay_seconds = 0.01  # type: ignore[misc]  # of this one
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def running() -> Iterator[FakeAirtel]:
    yield from started(FakeAirtel())


@pytest.fixture(scope="module")
def running_second() -> Iterator[FakeAirtel]:
    yield from started(SecondAirtel())


def forgotten(server: FakeAirtel) -> FakeAirtel:
    """As it was at first."""
    server.next_answers, server.next_refund = [], "SUCCESS"
    server.refunds_are_named, server.enquiry_message = True, "Success"
    for each in (server.charges, server.payouts, server.requests, server.calls, server.refunded):
        each.clear()
    return server


@pytest.fixture
def fake(running: FakeAirtel) -> FakeAirtel:
    return forgotten(running)


@pytest.fixture
def second(running_second: FakeAirtel) -> FakeAirtel:
    return forgotten(running_second)


def charged(fake: FakeAirtel, behaviour: Behaviour = Behaviour.SILENT) -> Charge:
    """A payment that has ended."""
    request = prompt(fake.phone(behaviour))
    assert isinstance(ask(fake, lambda it: it.initiate(request)), Accepted)
    charge = fake.charges[request.payment_id.hex]
    wait_until(lambda: charge.state != "pending", what="it has ended")
    return charge


def inquiry_of(charge: Charge) -> PaymentInquiry:
    return inquiry(UUID(hex=charge.reference), charge.reference)


def order_of(charge: Charge) -> RefundOrder:
    """A refund of all of it."""
    order = refund(charge.provider_reference, UUID(hex=charge.reference), 125_000)
    return replace(order, is_whole=True)


def paid_out(fake: FakeAirtel, behaviour: Behaviour) -> tuple[PayoutOrder, Any]:
    """A payout, and what became of the request."""
    order = payout(fake.phone(behaviour))
    return order, ask(fake, lambda it: it.pay_out(order))


def confirmed(fake: FakeAirtel, sent: Sent, known: KnownThings) -> tuple[Any, ...]:
    """What becomes of a callback."""

    async def confirm(adapter: Airtel) -> tuple[Any, ...]:
        callback = adapter.verify(fake.delivery(sent))
        return await adapter.confirm(callback.headers, sent.body, known)

    return ask(fake, confirm)


def status(code: str, result: str = "ESB000011") -> dict[str, Any]:
    """An answer that has codes only."""
    return {"status": {"response_code": code, "result_code": result, "message": "0733123456"}}


def shown(**transaction: object) -> dict[str, Any]:
    """An enquiry's answer."""
    return {"data": {"transaction": transaction}, "status": {"response_code": "DP00800001001"}}


def test_a_prompt_says_what_is_documented(fake: FakeAirtel) -> None:
    request = prompt(fake.phone(Behaviour.SILENT))
    assert ask(fake, lambda it: it.initiate(request)) == Accepted(request.payment_id.hex)
    [(path, headers, body)] = fake.requests
    assert path == "/merchant/v1/payments/"
    assert body == {
        "reference": "Payment",
        "subscriber": {"country": "KE", "currency": "KES", "msisdn": "733000003"},
        "transaction": {
            "amount": 1250,
            "country": "KE",
            "currency": "KES",
            "id": request.payment_id.hex,
        },
    }
    assert (headers["x-country"], headers["x-currency"]) == ("KE", "KES")
    assert "x-signature" not in headers


def test_a_token_is_kept_and_renewed_once_it_has_expired(fake: FakeAirtel) -> None:
    async def four(adapter: Airtel) -> list[object]:
        answers: list[object] = []
        for number in range(4):
            answers.append(await adapter.initiate(prompt(fake.phone(Behaviour.SILENT))))
            if number == 1:
                fake.tokens.clear()
        return answers

    assert all(isinstance(each, Accepted) for each in ask(fake, four))
    assert len([path for _, path in fake.calls if path.endswith("/token")]) == 2


def test_a_prompt_is_taken_once(fake: FakeAirtel) -> None:
    request = prompt(fake.phone(Behaviour.SILENT))
    assert isinstance(ask(fake, lambda it: it.initiate(request)), Accepted)
    assert ask(fake, lambda it: it.initiate(request)) == NoAnswer("duplicate_reference")
    assert len(fake.charges) == 1


def test_a_prompt_without_an_answer_is_not_repeated_and_asked_about(fake: FakeAirtel) -> None:
    request = prompt(fake.phone(Behaviour.UNANSWERED))
    assert ask(fake, lambda it: it.initiate(request)) == NoAnswer("timed_out")
    assert len(fake.requests) == 1
    report = ask(fake, lambda it: it.status(inquiry(request.payment_id)))
    assert report.claim is Claim.PENDING


@pytest.mark.parametrize(
    ("http", "document", "answer"),
    [
        (200, status("DP00800001001"), Accepted),
        (200, status("DP00800001006"), Accepted),
        (200, shown(status="SUCCESS"), Accepted),
        (200, status("DP00800001000"), NoAnswer("ambiguous")),
        (200, status("DP00800001024"), NoAnswer("ambiguous")),
        (400, status("", "ESB000001"), NoAnswer("ambiguous")),
        (400, status("", "ESB000004"), NoAnswer("ambiguous")),
        (400, status("ROUTER117"), NoAnswer("ambiguous")),
        (408, {}, NoAnswer("answered_408")),
        (400, status("", "ESB000041"), NoAnswer("duplicate_reference")),
        (200, {}, NoAnswer("unreadable_answer")),
        (200, status("DP00899999999", "ESB000010"), NoAnswer("unreadable_answer")),
        (500, status("DP00800001005"), NoAnswer("answered_500")),
        (503, {}, NoAnswer("answered_503")),
        (400, status("DP00800001002"), Declined("wrong_pin")),
        (200, status("DP00800001003"), Declined("limit_exceeded")),
        (400, status("DP00800001004"), Declined("below_minimum")),
        (400, status("DP00800001005"), Declined("no_pin_entered")),
        (400, status("DP00800001007"), Declined("insufficient_funds")),
        (400, status("DP00800001008"), Declined("refused")),
        (400, status("DP00800001009"), Declined("do_not_honour")),
        (400, status("DP00800001010"), Declined("payee_not_permitted")),
        (403, status("DP00800001026"), Declined("signature_refused")),
        (400, status("DP00800001029"), Declined("prompt_expired")),
        (400, status("ROUTER001"), Declined("refused_esb000011")),
        (400, status("", "ESB000008"), Declined("refused_esb000008")),
        (400, {"status": {"message": "Mr John of 0733123456"}}, Declined("refused_400")),
        (401, {}, Declined("refused_401")),
        (403, {}, Declined("refused_403")),
        (429, {}, Declined("refused_429", retryable=True)),
        (200, shown(status="TF") | status("DP00800001007"), Declined("insufficient_funds")),
        (200, shown(status="TE"), Declined("prompt_expired")),
        (200, shown(status="TA"), NoAnswer("ambiguous")),
    ],
)
def test_an_answer_says_whether_a_prompt_was_taken(
    fake: FakeAirtel, http: int, document: dict[str, Any], answer: object
) -> None:
    fake.next_answers = [(http, document)] * 2
    request = prompt(fake.phone(Behaviour.SILENT))
    found = ask(fake, lambda it: it.initiate(request))
    assert found == (Accepted(request.payment_id.hex) if answer is Accepted else answer)


def test_a_provider_that_is_not_there_may_be_asked_again() -> None:
    nowhere = FakeAirtel()
    declined = Declined("provider_unreachable", retryable=True)
    assert ask(nowhere, lambda it: it.initiate(prompt("+254733000000"))) == declined
    assert ask(nowhere, lambda it: it.pay_out(payout("+254733000000"))) == declined
    with pytest.raises(StatusUnavailableError):
        ask(nowhere, lambda it: it.status(inquiry()))


def test_wrong_credentials_reach_nobody(fake: FakeAirtel) -> None:
    fields: dict[str, Any] = {**fake.configured_by(), "client_id": "another"}
    configuration = AirtelConfiguration(**fields)

    async def initiate(_: Airtel) -> object:
        adapter = Airtel(configuration, timeout_seconds=2.0)
        try:
            return await adapter.initiate(prompt(fake.phone(Behaviour.SILENT)))
        finally:
            await adapter.close()

    assert ask(fake, initiate) == Declined("provider_unreachable", retryable=True)
    assert fake.requests == []


@pytest.mark.parametrize("phone", ["+256750000000", "254733000000", "0733000000", ""])
def test_a_phone_of_another_country_is_declined_unasked(fake: FakeAirtel, phone: str) -> None:
    declined = Declined("phone_not_of_this_provider")
    assert ask(fake, lambda it: it.initiate(prompt(phone))) == declined
    assert ask(fake, lambda it: it.pay_out(payout(phone))) == declined
    assert fake.calls == []


def test_stored_methods_are_not_charged(fake: FakeAirtel) -> None:
    charge = ChargeRequest(payment_id=uuid4(), card="x", money=Money(amount=100, currency="KES"))
    assert ask(fake, lambda it: it.charge(charge)) == Declined("not_supported")


def test_a_success_has_its_transaction_and_the_amount_that_was_asked_for(fake: FakeAirtel) -> None:
    charge = charged(fake)
    assert ask(fake, lambda it: it.status(inquiry_of(charge))) == ProviderReport(
        provider="airtel",
        payment_id=UUID(hex=charge.reference),
        claim=Claim.SUCCEEDED,
        provider_transaction=charge.provider_reference,
        received=Money(amount=125_000, currency="KES"),
    )


@pytest.mark.parametrize(
    ("letters", "code", "claim", "reason"),
    [
        ("TIP", "DP00800001006", Claim.PENDING, None),
        ("TA", "DP00800001000", Claim.PENDING, None),
        ("TE", "DP00800001006", Claim.FAILED, "prompt_expired"),
        ("TE", "DP00800001029", Claim.FAILED, "prompt_expired"),
        ("TF", "DP00800001002", Claim.FAILED, "wrong_pin"),
        ("TF", "DP00800001003", Claim.FAILED, "limit_exceeded"),
        ("TF", "DP00800001004", Claim.FAILED, "below_minimum"),
        ("TF", "DP00800001005", Claim.FAILED, "no_pin_entered"),
        ("TF", "DP00800001007", Claim.FAILED, "insufficient_funds"),
        ("TF", "DP00800001008", Claim.FAILED, "refused"),
        ("TF", "DP00800001024", Claim.FAILED, "timed_out"),
        ("TF", "Mr John", Claim.FAILED, "unspecified"),
    ],
)
def test_every_status_is_understood(
    fake: FakeAirtel, letters: str, code: str, claim: Claim, reason: str | None
) -> None:
    fake.next_answers = [(200, shown(status=letters) | status(code))]
    report = ask(fake, lambda it: it.status(inquiry()))
    assert (report.claim, report.reason) == (claim, reason)
    assert report.provider_transaction is None


@pytest.mark.parametrize(
    "transaction",
    [
        *({}, {"status": None}, {"status": "ts"}, {"status": "SUCCESS"}, {"status": ["TS"]}),
        *({"status": "TS"}, {"status": "TS", "airtel_money_id": ""}),
        *({"status": "TS", "airtel_money_id": "a b"}, {"status": "TS", "airtel_money_id": "é"}),
        {"status": "TS", "airtel_money_id": "9" * 200},
        {"status": "TS", "airtel_money_id": "MP1", "id": "another"},
        {"status": "TF", "id": "another"},
        {"status": "TS", "airtel_money_id": "MP1", "message": "Paid KES 1,249 to A"},
        {"status": "TS", "airtel_money_id": "MP1", "message": "Paid KES 1,250.01 to A"},
        {"status": "TS", "airtel_money_id": "MP1", "message": "Paid UGX 1,250 to A"},
        {"status": "TS", "airtel_money_id": "MP1", "message": "Paid KES 0 to A"},
    ],
)
def test_a_success_that_is_not_as_documented_is_asked_about_again(
    fake: FakeAirtel, transaction: dict[str, object]
) -> None:
    fake.next_answers = [(200, shown(**transaction))]
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda it: it.status(inquiry()))


@pytest.mark.parametrize(
    "message",
    [
        *(None, 7, "", "success", "Vous avez paye 5 KES", "You paid KES 5 to A", "Paid KES to A"),
        *("Paid KES 1,250 to A", "Paid KES 1250 to A", "Paid KES1,250.00 to A Charge KES 5"),
    ],
)
def test_a_message_that_names_no_other_amount_says_nothing(
    fake: FakeAirtel, message: object
) -> None:
    told = {"status": "TS", "airtel_money_id": "MP1", "id": False, "message": message}
    fake.next_answers = [(200, shown(**told))]
    report = ask(fake, lambda it: it.status(inquiry()))
    assert report.received == Money(amount=125_000, currency="KES")


@pytest.mark.parametrize("http", [400, 401, 403, 404, 429, 500, 503])
def test_an_error_says_nothing_of_a_payment(fake: FakeAirtel, http: int) -> None:
    fake.next_answers = [(http, status("ESB000014"))] * 5
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda it: it.status(inquiry(age=LONG_AGO)))


def test_what_airtel_does_not_know_never_came_but_not_at_once(fake: FakeAirtel) -> None:
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda it: it.status(inquiry(age=timedelta(minutes=9))))
    assert ask(fake, lambda it: it.status(inquiry(age=timedelta(minutes=11)))) is None


# Payouts.


def test_a_payout_that_was_paid(fake: FakeAirtel) -> None:
    order, accepted = paid_out(fake, Behaviour.SUCCEEDS)
    reference = payout_reference(order.payout_id, 1)
    assert accepted == Accepted(reference)
    [(path, _, body)] = fake.requests
    assert path == "/standard/v1/disbursements/"
    assert body.pop("pin") != "4094"
    assert body == {
        "payee": {"msisdn": "733000000"},
        "reference": reference,
        "transaction": {"amount": 500, "id": reference},
    }
    paid = PayoutReport(
        provider="airtel",
        payout_id=order.payout_id,
        attempt=1,
        claim=PayoutClaim.PAID,
        paid=Money(amount=50_000, currency="KES"),
        paid_from="provider:airtel:disbursement",
        provider_transaction=reference,
    )
    assert ask(fake, lambda it: it.payout_status(payout_inquiry(order))) == paid
    sent = fake.hashed({"id": reference, "status_code": "TS", "airtel_money_id": "CI1"})
    assert confirmed(fake, sent, KnownThings(payouts=[payout_inquiry(order)])) == (paid,)


@pytest.mark.parametrize(
    ("behaviour", "answer", "claim", "reason"),
    [
        (Behaviour.REFUSED, Declined("receiver_invalid"), "failed", "receiver_invalid"),
        (
            Behaviour.DECLINED,
            Declined("insufficient_float", retryable=True),
            "failed",
            "insufficient_float",
        ),
        (Behaviour.SILENT, NoAnswer("ambiguous"), "paid", None),
        (Behaviour.OTHER_AMOUNT, NoAnswer("ambiguous"), "failed", "failed"),
        (Behaviour.UNANSWERED, NoAnswer("timed_out"), "paid", None),
        (Behaviour.LATE, Accepted, "pending", None),
    ],
)
def test_a_payout_that_was_not_paid_at_once(
    fake: FakeAirtel, behaviour: Behaviour, answer: object, claim: str, reason: str | None
) -> None:
    order, found = paid_out(fake, behaviour)
    reference = payout_reference(order.payout_id, 1)
    assert found == (Accepted(reference) if answer is Accepted else answer)
    report = ask(fake, lambda it: it.payout_status(payout_inquiry(order)))
    assert (report.claim, report.reason) == (PayoutClaim(claim), reason)
    assert report.retryable == (reason == "insufficient_float")
    sent = fake.hashed({"id": reference, "status_code": "TS", "airtel_money_id": "CI1"})
    expected = () if claim == "pending" else (report,)
    assert confirmed(fake, sent, KnownThings(payouts=[payout_inquiry(order)])) == expected


def test_a_payout_is_sent_once_an_attempt(fake: FakeAirtel) -> None:
    order, accepted = paid_out(fake, Behaviour.SUCCEEDS)
    assert isinstance(accepted, Accepted)
    assert ask(fake, lambda it: it.pay_out(order)) == NoAnswer("duplicate_reference")
    again = replace(order, attempt=2)
    assert isinstance(ask(fake, lambda it: it.pay_out(again)), Accepted)
    assert len(fake.payouts) == 2


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("DP00900001003", Declined("daily_limit")),
        ("DP00900001004", Declined("amount_out_of_range")),
        ("DP00900001005", Declined("failed")),
        ("DP00900001007", Declined("insufficient_float", retryable=True)),
        ("DP00900001009", Declined("receiver_invalid")),
        ("DP00900001010", Declined("sender_not_allowed")),
        ("DP00900001011", NoAnswer("duplicate_reference")),
        ("DP00900001012", Declined("receiver_invalid")),
        ("DP00900001013", Declined("refused")),
        ("DP00900001014", NoAnswer("ambiguous")),
        ("DP00900001016", Declined("signature_refused")),
        ("DP00900001017", NoAnswer("duplicate_reference")),
        ("DP00900001018", Declined("signature_refused")),
        ("DP00900001019", Declined("sender_barred")),
        ("ROUTER114", Declined("pin_refused")),
        ("ROUTER115", Declined("pin_refused")),
        ("ROUTER116", Declined("pin_refused")),
    ],
)
def test_an_answer_says_whether_a_payout_was_taken(
    fake: FakeAirtel, code: str, answer: object
) -> None:
    fake.next_answers = [(400, status(code))]
    assert paid_out(fake, Behaviour.SUCCEEDS)[1] == answer


def test_a_payout_that_airtel_does_not_know_never_came_but_not_at_once(fake: FakeAirtel) -> None:
    asked = payout_inquiry(payout(fake.phone(Behaviour.SUCCEEDS)))
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda it: it.payout_status(asked))
    long_ago = replace(asked, requested_at=datetime.now(UTC) - LONG_AGO)
    assert ask(fake, lambda it: it.payout_status(long_ago)) is None


def test_without_a_pin_nothing_is_sent() -> None:
    bare, order = CollectingAirtel(), payout("+254733000000")
    assert ask(bare, lambda it: it.pay_out(order)) == Declined("not_supported")
    with pytest.raises(CannotBeAskedError):
        ask(bare, lambda it: it.payout_status(payout_inquiry(order)))


# Version 2, and signed requests.


def test_a_signed_request_is_the_one_that_is_sent(second: FakeAirtel) -> None:
    order, accepted = paid_out(second, Behaviour.SUCCEEDS)
    assert isinstance(accepted, Accepted)
    [(path, headers, body)] = second.requests
    assert path == "/standard/v2/disbursements/"
    assert headers["x-signature"]
    assert (body["transaction"]["type"], body["payee"]["currency"]) == ("B2C", "KES")
    report = ask(second, lambda it: it.payout_status(payout_inquiry(order)))
    assert report.claim is PayoutClaim.PAID
    charge = charged(second)
    assert second.requests[-1][0] == "/merchant/v2/payments/"
    assert isinstance(ask(second, lambda it: it.refund(order_of(charge))), Accepted)
    assert second.requests[-1][0] == "/standard/v2/payments/refund"


@pytest.mark.parametrize(
    ("behaviour", "claim"),
    [
        *((Behaviour.LATE, "pending"), (Behaviour.DECLINED, "failed")),
        (Behaviour.OTHER_AMOUNT, "failed"),
    ],
)
def test_an_enquiry_that_has_only_a_code_is_understood(
    second: FakeAirtel, behaviour: Behaviour, claim: str
) -> None:
    order, _ = paid_out(second, behaviour)
    report = ask(second, lambda it: it.payout_status(payout_inquiry(order)))
    assert report.claim is PayoutClaim(claim)
    second.next_answers = [(200, status("DP00999999999"))]
    with pytest.raises(StatusUnavailableError):
        ask(second, lambda it: it.payout_status(payout_inquiry(order)))


def test_a_key_is_fetched_once_and_anew_once_it_is_refused(second: FakeAirtel) -> None:
    async def three(adapter: Airtel) -> list[object]:
        requests = [prompt(second.phone(Behaviour.SILENT)) for _ in range(3)]
        answers: list[object] = [await adapter.initiate(requests[0])]
        answers.append(await adapter.initiate(requests[1]))
        second.next_answers = [(403, status("DP00800001026"))]
        answers.append(await adapter.initiate(requests[2]))
        return answers

    assert all(isinstance(each, Accepted) for each in ask(second, three))
    assert len([path for _, path in second.calls if path.endswith("encryption-keys")]) == 2
    assert len(second.charges) == 3


@pytest.mark.parametrize(
    ("http", "document"),
    [(200, {}), (200, {"data": {"key": "x"}}), (403, {}), (200, {"data": None})],
)
def test_without_a_key_nothing_is_sent(
    second: FakeAirtel, http: int, document: dict[str, Any]
) -> None:
    second.next_answers = [(http, document)] * 3
    answer = ask(second, lambda it: it.initiate(prompt(second.phone(Behaviour.SILENT))))
    assert answer == Declined("no_encryption_key", retryable=True)
    assert second.requests == []


# Refunds.


def test_a_refund_is_of_the_whole_payment(fake: FakeAirtel) -> None:
    charge = charged(fake)
    order = order_of(charge)
    part = replace(order, is_whole=False)
    assert ask(fake, lambda it: it.refund(part)) == Declined("only_whole_refunds")
    accepted = ask(fake, lambda it: it.refund(order))
    assert isinstance(accepted, Accepted)
    assert accepted.provider_reference.startswith("CI210603.1235.")
    assert fake.refunded == [charge.provider_reference]
    answered = replace(order, provider_reference=accepted.provider_reference)
    assert ask(fake, lambda it: it.refund_status(answered)) == RefundReport(
        provider="airtel",
        stream_id=order.stream_id,
        refund_id=order.refund_id,
        claim=RefundClaim.SUCCEEDED,
        provider_refund=accepted.provider_reference,
        refunded=order.money,
        paid_from="provider:airtel:collection",
    )
    assert ask(fake, lambda it: it.refund(order)) == Declined("refused_dp00800001025")


def test_a_refund_that_is_named_as_its_payment_has_a_name_of_its_own(fake: FakeAirtel) -> None:
    fake.refunds_are_named = False
    charge = charged(fake)
    accepted = ask(fake, lambda it: it.refund(order_of(charge)))
    assert accepted == Accepted(f"{charge.provider_reference}:refund")


def test_a_refund_without_an_answer_cannot_be_asked_about(fake: FakeAirtel) -> None:
    fake.next_refund = "unanswered"
    order = order_of(charged(fake))
    assert ask(fake, lambda it: it.refund(order)) == NoAnswer("timed_out")
    assert len(fake.refunded) == 1
    with pytest.raises(CannotBeAskedError):
        ask(fake, lambda it: it.refund_status(order))


@pytest.mark.parametrize(
    ("http", "document", "answer"),
    [
        (200, shown(status="TIP", airtel_money_id="CI1"), NoAnswer("ambiguous")),
        (200, shown(status="SUCCESS"), NoAnswer("unreadable_answer")),
        (200, shown(status="SUCCESS", airtel_money_id="a b"), NoAnswer("unreadable_answer")),
        (200, status("DP00800001006"), NoAnswer("ambiguous")),
        (200, {}, NoAnswer("unreadable_answer")),
        (200, shown(status="TF") | status("DP00800001008"), Declined("refused")),
        (400, status("DP00800001025"), Declined("refused_dp00800001025")),
        (500, {}, NoAnswer("answered_500")),
    ],
)
def test_only_a_refund_that_was_done_is_accepted(
    fake: FakeAirtel, http: int, document: dict[str, Any], answer: object
) -> None:
    order = order_of(charged(fake))
    fake.next_answers = [(http, document)]
    assert ask(fake, lambda it: it.refund(order)) == answer


# Hints.


@pytest.mark.parametrize("form", ["transaction", "payload"])
def test_a_callback_that_lies_is_not_believed(fake: FakeAirtel, form: str) -> None:
    fake.hash_form = form
    charge = charged(fake)
    known = KnownThings(payments=[inquiry_of(charge)])
    for state, claim in (("failed", Claim.FAILED), ("succeeded", Claim.SUCCEEDED)):
        charge.state = state
        for told in ("pending", "succeeded", "failed"):
            [report] = confirmed(fake, fake.callback(charge, told), known)
            assert report.claim is claim
            assert report.also_known_as == ()
    charge.state = "pending"
    assert confirmed(fake, fake.callback(charge, "succeeded"), known) == ()


def test_a_callback_about_nothing_of_ours_cannot_be_confirmed(fake: FakeAirtel) -> None:
    charge = charged(fake)
    with pytest.raises(CannotBeAskedError):
        confirmed(fake, fake.callback(charge, "succeeded"), KnownThings())
    sent = fake.hashed({"id": payout_reference(uuid4(), 1), "status_code": "TS"})
    with pytest.raises(CannotBeAskedError):
        confirmed(fake, sent, KnownThings())


@pytest.mark.parametrize("paid", [1, 625, 1_249, 1_251, 125_000])
def test_a_callback_that_names_another_amount_waits_for_a_person(
    fake: FakeAirtel, paid: int
) -> None:
    charge = charged(fake)
    charge.paid = paid
    known = KnownThings(payments=[inquiry_of(charge)])
    with pytest.raises(CannotBeAskedError):
        confirmed(fake, fake.callback(charge, "succeeded"), known)


def test_another_name_of_a_transaction_is_kept_with_it(fake: FakeAirtel) -> None:
    charge = charged(fake)
    sent = fake.hashed({"id": charge.reference, "status_code": "TS", "airtel_money_id": "CI7"})
    [report] = confirmed(fake, sent, KnownThings(payments=[inquiry_of(charge)]))
    asked = charge.provider_reference
    assert report.provider_transaction == asked
    assert report.also_known_as == ("CI7", f"{asked}=CI7")


def test_what_airtel_does_not_know_yet_is_asked_about_again(fake: FakeAirtel) -> None:
    recent, old = inquiry(), inquiry(age=LONG_AGO)
    sent = fake.hashed({"id": old.payment_id.hex, "status_code": "TS"})
    assert confirmed(fake, sent, KnownThings(payments=[old])) == ()
    sent = fake.hashed({"id": recent.payment_id.hex, "status_code": "TS"})
    with pytest.raises(StatusUnavailableError):
        confirmed(fake, sent, KnownThings(payments=[recent]))
