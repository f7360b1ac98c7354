"""What Stripe is asked, and what is made of its answers: charges, refunds, and what they cost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

import httpx
import pytest

from api.providers import stripe_api, stripe_questions
from api.providers.port import (
    Accepted,
    CannotBeAskedError,
    ChargeRequest,
    Declined,
    NoAnswer,
    NothingOfOursError,
    StatusUnavailableError,
)
from api.providers.stripe import Stripe, StripeConfiguration
from ledger.commands import (
    Claim,
    DisputeReport,
    FeeReport,
    ProviderReport,
    RefundClaim,
    RefundReport,
    SettlementReport,
)
from ledger.money import Money
from tests.api.providers.asking import KnownThings, ask, inquiry, payout, payout_inquiry, prompt
from tests.api.providers.asking import refund as order_of
from tests.api.providers.fake import Behaviour
from tests.api.providers.fakes.stripe import FEE, FakeStripe, event, refund_object, signed_by_stripe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.commands import AnyReport
    from tests.api.providers.fake import Charge

AMOUNT: Final = 50_000
BACK: Final = 20_000
CREATED: Final = 1_772_600_767
AT: Final = datetime.fromtimestamp(CREATED, tz=UTC)


@dataclass
class Transactions(KnownThings):
    """The port's `Known`, of what a test says: also whose a transaction is."""

    transactions: dict[str, UUID] = field(default_factory=dict)

    async def payment_of(self, provider_transaction: str) -> UUID | None:
        return self.transactions.get(provider_transaction)


class Still(FakeStripe):
    """Nothing becomes of a charge by itself."""

    def take(self, charge: Charge) -> Charge:
        self.charges[charge.reference] = charge
        return charge


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeStripe]:
    server = Still()
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _as_usual(fake: FakeStripe) -> None:
    fake.next_refund, fake.page = "succeeded", 100
    fake.others.clear()


def request(
    behaviour: Behaviour = Behaviour.SUCCEEDS,
    *,
    amount: int = AMOUNT,
    currency: str = "KES",
    card: str | None = None,
) -> ChargeRequest:
    money = Money(amount=amount, currency=currency)
    token = card or FakeStripe().card(behaviour)
    return ChargeRequest(payment_id=uuid4(), card=token, money=money)


def charged(fake: FakeStripe, state: str = "succeeded") -> Charge:
    """A payment that ended so."""
    asked = request()
    ask(fake, lambda adapter: adapter.charge(asked))
    charge = fake.charges[str(asked.payment_id)]
    if state == "succeeded":
        fake.settle(charge)
    charge.state = state
    return charge


def kes(amount: int) -> Money:
    return Money(amount=amount, currency="KES")


def confirmed(
    fake: FakeStripe, kind: str, thing: dict[str, Any], known: KnownThings | None = None
) -> tuple[AnyReport, ...]:
    """What comes of an event that is to be completed."""
    sent = signed_by_stripe(event(kind, thing, created=CREATED))
    there = known or Transactions()

    async def confirm(adapter: Stripe) -> tuple[AnyReport, ...]:
        callback = adapter.verify(fake.delivery(sent))
        assert callback.to_confirm
        return await adapter.confirm(callback.headers, sent.body, there)

    return ask(fake, confirm)


def test_a_card_is_charged_off_session_and_named_by_its_payment_intent(fake: FakeStripe) -> None:
    asked = request()
    answer = ask(fake, lambda adapter: adapter.charge(asked))
    charge = fake.charges[str(asked.payment_id)]
    assert answer == Accepted(charge.provider_reference)
    assert (charge.amount, charge.currency) == (AMOUNT, "kes")
    assert charge.details["customer"] == "cus_Nobodys"
    assert charge.details["payment_method"] == "pm_1Nobodys000"


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        *((500, "UGX", 50_000), (5, "ISK", 500), (500, "JPY", 500), (700, "MGA", 7)),
        *((1_099, "USD", 1_099), (5_120, "KWD", 5_120)),
    ],
)
def test_an_amount_is_sent_in_stripes_own_units(
    fake: FakeStripe, amount: int, currency: str, units: int
) -> None:
    asked = request(amount=amount, currency=currency)
    assert isinstance(ask(fake, lambda adapter: adapter.charge(asked)), Accepted)
    assert fake.charges[str(asked.payment_id)].amount == units


@pytest.mark.parametrize(("amount", "currency"), [(701, "MGA"), (100, "SDG"), (100, "CLF")])
def test_an_amount_that_stripe_cannot_write_is_not_sent(
    fake: FakeStripe, amount: int, currency: str
) -> None:
    asked, before = request(amount=amount, currency=currency), len(fake.calls)
    answer = ask(fake, lambda adapter: adapter.charge(asked))
    assert answer == Declined("amount_not_payable")
    assert len(fake.calls) == before


@pytest.mark.parametrize(
    "card",
    [
        *("cus_1", "pm_1", "cus_1/", "/pm_1", "cus_1/pm_1/pm_2", "cus_1/tok_1", "cus_1/pm_1 "),
        *("pm_1/cus_1", "cus_1&amount=1/pm_1", "cus_1/pm_1\n", "sandbox:card:000", "cus_é/pm_1"),
    ],
)
def test_a_card_that_is_none_of_stripes_is_not_charged(fake: FakeStripe, card: str) -> None:
    asked, before = request(card=card), len(fake.calls)
    assert ask(fake, lambda adapter: adapter.charge(asked)) == Declined("unknown_card")
    assert len(fake.calls) == before


def test_a_declined_card_is_declined_for_the_issuers_reason(fake: FakeStripe) -> None:
    asked = request(Behaviour.REFUSED)
    answer = ask(fake, lambda adapter: adapter.charge(asked))
    assert answer == Declined("insufficient_funds")


def test_a_charge_that_is_asked_for_again_is_the_same_one(fake: FakeStripe) -> None:
    asked = request()
    first = ask(fake, lambda adapter: adapter.charge(asked))
    second = ask(fake, lambda adapter: adapter.charge(asked))
    assert isinstance(first, Accepted)
    assert first == second


def test_another_charge_under_the_same_payment_is_not_known_to_be_declined(
    fake: FakeStripe,
) -> None:
    asked = request()
    ask(fake, lambda adapter: adapter.charge(asked))
    other = ChargeRequest(payment_id=asked.payment_id, card=asked.card, money=kes(AMOUNT + 1))
    answer = ask(fake, lambda adapter: adapter.charge(other))
    assert answer == NoAnswer("duplicate_reference")


def test_an_answer_that_never_comes_leaves_it_open(fake: FakeStripe) -> None:
    asked = request(Behaviour.UNANSWERED)
    answer = ask(fake, lambda adapter: adapter.charge(asked))
    assert answer == NoAnswer("timed_out")


def test_a_provider_that_is_not_there_was_not_reached() -> None:
    fake = FakeStripe()
    asked = request()
    answer = ask(fake, lambda adapter: adapter.charge(asked))
    assert answer == Declined("provider_unreachable", retryable=True)


class Answering:
    """An adapter whose calls are answered by what a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: httpx.Response) -> None:
        self.asked: list[httpx.Request] = []
        left = list(answers)

        async def send(_: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
            self.asked.append(request)
            return left.pop(0) if len(left) > 1 else left[0]

        monkeypatch.setattr(httpx.AsyncClient, "send", send)
        configuration = StripeConfiguration(**FakeStripe().configuration())  # type: ignore[arg-type]
        self.adapter = Stripe(configuration, timeout_seconds=2.0)


def error(status: int, kind: str, code: str | None = None, **more: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"type": kind, "code": code, **more}})


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            error(402, "card_error", "card_declined", decline_code="lost_card"),
            Declined("lost_card"),
        ),
        (error(402, "card_error", "authentication_required"), Declined("authentication_required")),
        (error(402, "card_error", "Jo said no"), Declined("refused_402")),
        (error(400, "invalid_request_error", "amount_too_small"), Declined("amount_too_small")),
        (error(401, "invalid_request_error"), Declined("refused_401")),
        (error(403, "invalid_request_error"), Declined("refused_403")),
        (error(404, "invalid_request_error", "resource_missing"), Declined("resource_missing")),
        (error(429, "invalid_request_error", "rate_limit"), Declined("rate_limit", retryable=True)),
        (error(400, "idempotency_error"), NoAnswer("duplicate_reference")),
        (
            error(409, "invalid_request_error", "idempotency_key_in_use"),
            NoAnswer("duplicate_reference"),
        ),
        (error(500, "api_error"), NoAnswer("answered_500")),
        (httpx.Response(503, text="<html>"), NoAnswer("answered_503")),
        (httpx.Response(400, text="<html>"), Declined("refused_400")),
        (httpx.Response(200, text="<html>"), NoAnswer("unreadable_answer")),
        (httpx.Response(200, json={"id": None}), NoAnswer("unreadable_answer")),
        (httpx.Response(200, json={"id": "pi_1", "status": "processing"}), Accepted("pi_1")),
    ],
)
def test_every_documented_answer_is_understood(
    monkeypatch: pytest.MonkeyPatch,
    answer: httpx.Response,
    expected: Accepted | Declined | NoAnswer,
) -> None:
    asked, order = request(), order_of("pi_1", uuid4(), BACK)
    assert asyncio.run(Answering(monkeypatch, answer).adapter.charge(asked)) == expected
    assert asyncio.run(Answering(monkeypatch, answer).adapter.refund(order)) == expected


@pytest.mark.parametrize("status", [401, 403, 429])
def test_a_refusal_says_nothing_of_an_attempt_before_it(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    refusal = error(status, "invalid_request_error")
    stripe = Answering(monkeypatch, httpx.Response(502), refusal)
    answer = asyncio.run(stripe.adapter.charge(request()))
    assert answer == NoAnswer(f"answered_{status}")


def test_a_request_that_is_repeated_has_the_same_key_and_the_same_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = httpx.Response(200, json={"id": "pi_1"})
    stripe = Answering(monkeypatch, httpx.Response(502), httpx.Response(500), taken)
    asked = request()
    assert asyncio.run(stripe.adapter.charge(asked)) == Accepted("pi_1")
    assert len(stripe.asked) == 3
    [key] = {each.headers["idempotency-key"] for each in stripe.asked}
    [words] = {each.content for each in stripe.asked}
    assert key == f"payment:{asked.payment_id}"
    assert dict(parse_qsl(words.decode())) == {
        "amount": str(AMOUNT),
        "currency": "kes",
        "customer": "cus_Nobodys",
        "payment_method": "pm_1Nobodys000",
        "payment_method_types[]": "card",
        "confirm": "true",
        "off_session": "true",
        "error_on_requires_action": "true",
        "metadata[payment_id]": str(asked.payment_id),
        "metadata[platform]": "hesabu-tests",
    }
    [version] = {each.headers["stripe-version"] for each in stripe.asked}
    assert version == stripe_api.VERSION


@pytest.mark.parametrize(
    ("state", "claim"),
    [
        ("succeeded", Claim.SUCCEEDED),
        ("pending", Claim.PENDING),
        ("failed", Claim.FAILED),
    ],
)
def test_a_payment_is_asked_about_by_its_payment_intent(
    fake: FakeStripe, state: str, claim: Claim
) -> None:
    charge = charged(fake, state)
    asked = inquiry(UUID(charge.reference), charge.provider_reference, amount=AMOUNT)
    report = ask(fake, lambda adapter: adapter.status(asked))
    assert isinstance(report, ProviderReport)
    assert (report.payment_id, report.claim) == (UUID(charge.reference), claim)
    if claim is Claim.SUCCEEDED:
        assert report.provider_transaction == charge.provider_reference
        assert report.received == kes(AMOUNT)
        assert report.also_known_as == (charge.details["charge"],)


def test_a_payment_whose_answer_was_lost_is_found_however_many_came_since(
    fake: FakeStripe,
) -> None:
    charge = charged(fake)
    created = charge.details["created"]
    other = fake.intent(charge) | {"metadata": {}}
    fake.others += [other | {"id": f"pi_4{each:04}", "created": created} for each in range(30)]
    fake.page = 7
    asked = inquiry(UUID(charge.reference), amount=AMOUNT)
    report = ask(fake, lambda adapter: adapter.status(asked))
    assert report is not None
    assert report.provider_transaction == charge.provider_reference


def test_a_list_without_an_end_is_no_answer(
    fake: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge = charged(fake)
    other = fake.intent(charge) | {"metadata": {}, "created": charge.details["created"] + 5}
    fake.others += [other | {"id": f"pi_4{each:04}"} for each in range(10)]
    fake.page = 2
    monkeypatch.setattr(stripe_api, "PAGES_MAX", 3)
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda adapter: adapter.status(inquiry(UUID(charge.reference))))


def test_what_is_not_there_was_never_received_only_after_a_second_look(
    fake: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = inquiry(age=timedelta(hours=1))
    order = order_of(charged(fake).provider_reference, uuid4(), BACK)

    async def look_twice(adapter: Stripe) -> None:
        for question in (adapter.status(asked), adapter.refund_status(order)):
            with pytest.raises(StatusUnavailableError):
                await question
        with pytest.raises(StatusUnavailableError):
            await adapter.status(asked)
        monkeypatch.setattr(stripe_questions, "ABSENT_SECONDS_MIN", 0.0)
        assert await adapter.status(asked) is None
        assert await adapter.refund_status(order) is None

    ask(fake, look_twice)


@pytest.mark.parametrize(
    "answer",
    [
        error(404, "invalid_request_error", "resource_missing"),
        error(401, "invalid_request_error"),
        error(429, "invalid_request_error", "rate_limit"),
        httpx.Response(404, text="<html>"),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"object": "payment_intent", "status": "succeeded"}),
        httpx.Response(200, json={"object": "payment_intent", "status": "thinking"}),
        httpx.Response(200, json={"object": "list", "data": ["pi_1"], "has_more": False}),
        httpx.Response(200, json={"object": "list", "data": [], "has_more": True}),
        httpx.Response(503),
    ],
)
@pytest.mark.parametrize("reference", [None, "pi_1", "pi_1/../../v1/charges"])
def test_any_other_answer_says_nothing_of_a_payment(
    monkeypatch: pytest.MonkeyPatch, answer: httpx.Response, reference: str | None
) -> None:
    stripe = Answering(monkeypatch, answer)
    with pytest.raises(StatusUnavailableError):
        asyncio.run(stripe.adapter.status(inquiry(reference=reference)))
    assert ".." not in str(stripe.asked[0].url)


def test_an_answer_about_another_payment_is_not_believed(fake: FakeStripe) -> None:
    charge = charged(fake)
    asked = inquiry(uuid4(), charge.provider_reference)
    with pytest.raises(StatusUnavailableError):
        ask(fake, lambda adapter: adapter.status(asked))


@pytest.mark.parametrize(
    ("status", "claim"),
    [
        *(("succeeded", RefundClaim.SUCCEEDED), ("pending", RefundClaim.PENDING)),
        *(("requires_action", RefundClaim.PENDING), ("failed", RefundClaim.FAILED)),
        ("canceled", RefundClaim.FAILED),
    ],
)
def test_a_refund_is_asked_for_once_and_found_by_what_was_left_with_it(
    fake: FakeStripe, status: str, claim: RefundClaim
) -> None:
    charge = charged(fake)
    fake.next_refund = status
    order = order_of(charge.provider_reference, UUID(charge.reference), BACK)
    before = len(fake.refunded)
    first = ask(fake, lambda adapter: adapter.refund(order))
    second = ask(fake, lambda adapter: adapter.refund(order))
    assert isinstance(first, Accepted)
    assert first == second
    assert len(fake.refunded) == before + 1

    async def look(adapter: Stripe) -> None:
        for reference in (None, first.provider_reference):
            report = await adapter.refund_status(replace(order, provider_reference=reference))
            assert report is not None
            assert (report.stream_id, report.refund_id) == (order.stream_id, order.refund_id)
            assert (report.claim, report.refunded) == (claim, kes(BACK))
            assert report.provider_refund == first.provider_reference

    ask(fake, look)


def test_two_refunds_of_the_same_payment_are_two(fake: FakeStripe) -> None:
    charge = charged(fake)
    first, second = (
        order_of(charge.provider_reference, UUID(charge.reference), BACK) for _ in range(2)
    )
    once = ask(fake, lambda adapter: adapter.refund(first))
    again = ask(fake, lambda adapter: adapter.refund(second))
    assert isinstance(once, Accepted)
    assert isinstance(again, Accepted)
    assert once != again


def test_a_refund_at_the_dashboard_is_of_the_payment_and_of_the_time_of_its_event(
    fake: FakeStripe,
) -> None:
    charge = charged(fake)
    back = refund_object(charge, amount=BACK, status="succeeded", metadata={})
    [report] = confirmed(fake, "refund.created", back, of_ours(charge))
    assert isinstance(report, RefundReport)
    assert (report.stream_id, report.refund_id) == (UUID(charge.reference), None)
    assert (report.provider_refund, report.occurred_at) == (back["id"], AT)


def test_a_refund_of_what_only_a_statement_named_is_of_the_charge(fake: FakeStripe) -> None:
    charge = charged(fake)
    order = order_of(charge.details["charge"], UUID(charge.reference), BACK)
    assert isinstance(ask(fake, lambda adapter: adapter.refund(order)), Accepted)
    report = ask(fake, lambda adapter: adapter.refund_status(order))
    assert report is not None
    assert report.claim is RefundClaim.SUCCEEDED


def test_a_refund_that_is_refused_is_declined_for_stripes_reason(fake: FakeStripe) -> None:
    charge = charged(fake)
    fake.next_refund = "refused"
    order = order_of(charge.provider_reference, UUID(charge.reference), BACK)
    answer = ask(fake, lambda adapter: adapter.refund(order))
    assert answer == Declined("charge_already_refunded")


def test_nothing_is_prompted_for_and_nothing_paid_out_to_phones(fake: FakeStripe) -> None:
    order = payout("+254700000000")

    async def asked(adapter: Stripe) -> None:
        not_supported = Declined("not_supported")
        assert await adapter.initiate(prompt("+254700000000")) == not_supported
        assert await adapter.pay_out(order) == not_supported
        with pytest.raises(CannotBeAskedError):
            await adapter.payout_status(payout_inquiry(order))

    ask(fake, asked)


@pytest.mark.parametrize("kind", ["charge.succeeded", "charge.captured", "charge.updated"])
def test_what_a_charge_cost_is_asked_for(fake: FakeStripe, kind: str) -> None:
    charge = charged(fake)
    [report] = confirmed(fake, kind, fake.charge_object(charge))
    assert isinstance(report, FeeReport)
    assert (report.payment_id, report.fee) == (UUID(charge.reference), kes(FEE))
    assert report.fee_reference == f"fee:{charge.provider_reference}"


@pytest.mark.parametrize(
    ("fee", "currency", "expected"),
    [
        (0, "kes", NothingOfOursError),
        (-5, "kes", CannotBeAskedError),
        (5.5, "kes", CannotBeAskedError),
        ("5", "kes", CannotBeAskedError),
        (50, "ugx", CannotBeAskedError),
        (50, "zzz", CannotBeAskedError),
    ],
)
def test_an_odd_cost_waits_for_a_person(
    fake: FakeStripe, fee: object, currency: str, expected: type[Exception]
) -> None:
    thing = fake.charge_object(charged(fake))
    fake.fees[thing["balance_transaction"]] |= {"fee": fee, "currency": currency}
    with pytest.raises(expected):
        confirmed(fake, "charge.updated", thing)


def test_what_an_instant_payout_cost_is_a_part_of_the_settlement(fake: FakeStripe) -> None:
    fake.fees["txn_payout"] = {"id": "txn_payout", "fee": 150, "currency": "kes", "amount": -11_000}
    thing = {
        "id": "po_1",
        "object": "payout",
        "amount": 11_000,
        "arrival_date": 1_680_652_800,
        "balance_transaction": "txn_payout",
        "currency": "kes",
        "status": "paid",
    }
    [report] = confirmed(fake, "payout.paid", thing)
    assert isinstance(report, SettlementReport)
    assert (report.reference, report.settled, report.fees) == ("po_1", kes(11_150), 150)


def dispute(charge: Charge, status: str, **changes: object) -> dict[str, Any]:
    return {
        "id": "du_1Nobodys",
        "object": "dispute",
        "amount": AMOUNT,
        "balance_transactions": [],
        "charge": charge.details["charge"],
        "created": charge.details["created"],
        "currency": "kes",
        "evidence": {"customer_email_address": None},
        "payment_intent": charge.provider_reference,
        "reason": "fraudulent",
        "status": status,
        **changes,
    }


def of_ours(charge: Charge) -> Transactions:
    return Transactions(transactions={charge.provider_reference: UUID(charge.reference)})


@pytest.mark.parametrize(
    ("word", "status", "stage", "lost", "withdrawn"),
    [
        ("created", "warning_needs_response", "warned", None, False),
        ("created", "warning_under_review", "warned", None, False),
        ("created", "needs_response", "opened", None, True),
        ("created", "under_review", "opened", None, True),
        ("created", "lost", "opened", None, True),
        ("funds_withdrawn", "needs_response", "opened", None, True),
        ("closed", "won", "closed", 0, True),
        ("closed", "lost", "closed", AMOUNT, True),
        ("closed", "warning_closed", "closed", 0, False),
        ("closed", "prevented", "closed", 0, False),
        ("funds_reinstated", "won", "closed", 0, True),
        ("funds_reinstated", "lost", "closed", AMOUNT, True),
    ],
)
def test_every_status_of_a_dispute_is_read(
    fake: FakeStripe, word: str, status: str, stage: str, lost: int | None, *, withdrawn: bool
) -> None:
    charge = charged(fake)
    kind = f"charge.dispute.{word}"
    [report] = confirmed(fake, kind, dispute(charge, status), of_ours(charge))
    assert isinstance(report, DisputeReport)
    assert (report.payment_id, report.dispute) == (UUID(charge.reference), "du_1Nobodys")
    assert (report.stage, report.lost_amount) == (stage, lost)
    assert (report.disputed, report.funds_withdrawn) == (kes(AMOUNT), withdrawn)
    # By this one story is told from another, not by when the dispute was made.
    assert report.occurred_at == AT


def moved(amount: int, fee: int = 0, currency: str = "kes") -> dict[str, Any]:
    return {"id": f"txn_{amount}", "amount": amount, "fee": fee, "currency": currency}


@pytest.mark.parametrize(
    ("transactions", "lost"),
    [
        ([moved(-AMOUNT)], AMOUNT),
        ([moved(-AMOUNT), moved(BACK)], AMOUNT - BACK),
        ([moved(-AMOUNT), moved(AMOUNT)], 0),
        # Of another currency than the charge's it is not told how much of that came back.
        ([moved(-400, currency="usd"), moved(200, currency="usd")], AMOUNT),
        (None, AMOUNT),
    ],
)
def test_a_dispute_that_is_lost_takes_what_did_not_come_back(
    fake: FakeStripe, transactions: object, lost: int
) -> None:
    charge = charged(fake)
    thing = dispute(charge, "lost", balance_transactions=transactions)
    [report] = confirmed(fake, "charge.dispute.closed", thing, of_ours(charge))
    assert isinstance(report, DisputeReport)
    assert report.lost_amount == lost


def test_a_disputes_fee_is_charged_and_given_back_under_one_name(fake: FakeStripe) -> None:
    charge = charged(fake)
    transactions = [moved(-AMOUNT, 1_500), moved(AMOUNT, -1_500)]
    thing = dispute(charge, "won", balance_transactions=transactions)
    _, *fees = confirmed(fake, "charge.dispute.funds_reinstated", thing, of_ours(charge))
    assert fees == [
        FeeReport(
            provider="stripe",
            payment_id=UUID(charge.reference),
            fee_reference="fee:du_1Nobodys",
            fee=kes(1_500),
            dispute="du_1Nobodys",
            returned=returned,
        )
        for returned in (False, True)
    ]


def test_money_that_comes_back_while_a_dispute_is_open_waits_for_a_person(
    fake: FakeStripe,
) -> None:
    charge = charged(fake)
    thing = dispute(charge, "under_review")
    with pytest.raises(CannotBeAskedError):
        confirmed(fake, "charge.dispute.funds_reinstated", thing, of_ours(charge))


@pytest.mark.parametrize("kind", ["charge.dispute.created", "refund.created"])
def test_what_is_another_products_is_none_of_ours_and_what_may_be_ours_waits(
    fake: FakeStripe, kind: str
) -> None:
    charge = charged(fake)
    back = refund_object(charge, amount=BACK, status="succeeded", metadata={})
    thing = back if kind == "refund.created" else dispute(charge, "needs_response")
    with pytest.raises(StatusUnavailableError):
        confirmed(fake, kind, thing)
    assert confirmed(fake, kind, thing, of_ours(charge))
    other = fake.intent(charge) | {"id": "pi_4Others", "metadata": {"order": "6735"}}
    fake.others.append(other)
    with pytest.raises(NothingOfOursError):
        confirmed(fake, kind, thing | {"payment_intent": "pi_4Others"})
    with pytest.raises(StatusUnavailableError):
        confirmed(fake, kind, thing | {"payment_intent": "pi_4Nowhere"})


def test_all_refunds_of_a_charge_are_told_ours_and_others(fake: FakeStripe) -> None:
    charge = charged(fake)
    order = order_of(charge.provider_reference, UUID(charge.reference), BACK)
    ask(fake, lambda adapter: adapter.refund(order))
    for status in ("succeeded", "failed", "pending"):
        back = refund_object(charge, amount=1_000, status=status, metadata={})
        fake.refunded[back["id"]] = back
    reports = confirmed(fake, "charge.refunded", fake.charge_object(charge, refunded=True))
    assert [(each.refund_id, each.claim) for each in reports] == [  # type: ignore[union-attr]
        (None, RefundClaim.FAILED),
        (None, RefundClaim.SUCCEEDED),
        (order.refund_id, RefundClaim.SUCCEEDED),
    ]
    assert {each.stream_id for each in reports} == {UUID(charge.reference)}  # type: ignore[union-attr]
