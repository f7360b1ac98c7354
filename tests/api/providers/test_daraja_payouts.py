"""Daraja's payouts: sent once an attempt, and proved by Transaction Status."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from api.providers.daraja_callbacks import Purpose, word_of
from api.providers.daraja_codes import NOT_MOVED, RESULT_REASONS, RETRYABLE
from api.providers.daraja_hints import HEARD
from api.providers.daraja_reports import (
    conversation_of,
    document_of,
    result,
)
from api.providers.port import (
    Accepted,
    CannotBeAskedError,
    Declined,
    NoAnswer,
    StatusUnavailableError,
)
from ledger.accounts import disbursement
from ledger.commands import (
    PayoutClaim,
    PayoutReport,
)
from tests.api.providers.asking import ask, payout, payout_inquiry
from tests.api.providers.daraja_scenes import (
    Known,
    SilentDaraja,
    confirmed,
    parameters,
    published,
    purpose_of,
    sent_to,
    told,
)
from tests.api.providers.mutations import CAMPAIGN, ORDINARY, mutated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.providers.port import PayoutOrder
    from tests.api.providers.fake import Sent

PAID, REFUSED, UNREGISTERED, UNTOLD, QUEUED = (
    f"+254700000{end}" for end in ["000", "001", "002", "003", "005"]
)


@pytest.fixture(scope="module")
def server() -> Iterator[SilentDaraja]:
    fake = SilentDaraja()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def daraja(server: SilentDaraja) -> SilentDaraja:
    return server.forget()


def send(daraja: SilentDaraja, phone: str) -> tuple[PayoutOrder, Known]:
    """A payout that Daraja took, and a ledger that knows it."""
    order = payout(phone, 50_000)
    answer = ask(daraja, lambda adapter: adapter.pay_out(order))
    assert isinstance(answer, Accepted)
    return order, Known(payouts=[payout_inquiry(order, answer.provider_reference)])


def test_a_payout_is_sent_as_it_is_documented(daraja: SilentDaraja) -> None:
    order, _ = send(daraja, PAID)
    [(path, sent)] = daraja.requests
    assert path == "/mpesa/b2c/v3/paymentrequest"
    assert sent | {"ResultURL": "", "QueueTimeOutURL": ""} == {
        "OriginatorConversationID": conversation_of(order.payout_id, 1),
        "InitiatorName": "payer",
        "SecurityCredential": "encrypted-payer",
        "CommandID": "BusinessPayment",
        "Amount": "500",
        "PartyA": "600997",
        "PartyB": "254700000000",
        "Remarks": "Payment",
        "Occassion": "",
        "ResultURL": "",
        "QueueTimeOutURL": "",
    }
    assert conversation_of(order.payout_id, 1) != conversation_of(order.payout_id, 2)


def test_a_payout_that_was_paid_is_proved_by_its_status(daraja: SilentDaraja) -> None:
    order, known = send(daraja, PAID)
    hint = told(daraja)
    assert purpose_of(hint) is Purpose.SENT
    receipt = result(document_of(hint.body)).transaction
    assert confirmed(daraja, hint, known) == (HEARD,)
    answer = told(daraja)
    assert purpose_of(answer) is Purpose.SENT_STATUS
    [report] = confirmed(daraja, answer, known)
    assert report == PayoutReport(
        provider="daraja",
        payout_id=order.payout_id,
        attempt=1,
        claim=PayoutClaim.PAID,
        paid=order.money,
        paid_from=disbursement("daraja"),
        provider_transaction=receipt,
        occurred_at=report.occurred_at,
    )
    assert report.occurred_at is not None


def test_a_payout_without_a_result_is_asked_about(daraja: SilentDaraja) -> None:
    order, known = send(daraja, UNTOLD)
    assert not daraja.sent
    with pytest.raises(StatusUnavailableError):
        ask(daraja, lambda adapter: adapter.payout_status(payout_inquiry(order)))
    [report] = confirmed(daraja, told(daraja), known)
    assert report.claim is PayoutClaim.PAID


def test_a_payout_that_waits_in_a_queue_is_unknown(daraja: SilentDaraja) -> None:
    _, known = send(daraja, QUEUED)
    hint = told(daraja)
    assert purpose_of(hint) is Purpose.SENT_LOST
    assert confirmed(daraja, hint, known) == (HEARD,)
    assert confirmed(daraja, told(daraja), known) == (HEARD,)


@pytest.mark.parametrize(
    ("phone", "reason", "retryable"),
    [(REFUSED, "insufficient_float", True), (UNREGISTERED, "receiver_unknown", False)],
)
def test_a_payout_that_failed_is_proved_by_its_status(
    daraja: SilentDaraja, phone: str, reason: str, *, retryable: bool
) -> None:
    order, known = send(daraja, phone)
    assert confirmed(daraja, told(daraja), known) == (HEARD,)
    [report] = confirmed(daraja, told(daraja), known)
    assert report == PayoutReport(
        provider="daraja",
        payout_id=order.payout_id,
        attempt=1,
        claim=PayoutClaim.FAILED,
        paid=order.money,
        paid_from=disbursement("daraja"),
        reason=reason,
        retryable=retryable,
    )


def status_of(
    daraja: SilentDaraja, code: str, body: bytes | dict[str, Any], receipt: str = ""
) -> tuple[Known, Sent]:
    """An answer to a query about a payout whose result said `code` and named this receipt."""
    order = payout(PAID, 1_000)
    words = (order.payout_id.hex, "1", word_of(code), word_of(receipt))
    known = Known(payouts=[payout_inquiry(order)])
    return known, sent_to(daraja, Purpose.SENT_STATUS, *words, body=body)


@pytest.mark.parametrize("code", sorted(RESULT_REASONS))
def test_every_documented_code_fails_a_payout_of_which_nothing_is_known(
    daraja: SilentDaraja, code: str
) -> None:
    known, sent = status_of(daraja, code, published("status.unknown"))
    [report] = confirmed(daraja, sent, known)
    assert (report.claim, report.reason) == (PayoutClaim.FAILED, RESULT_REASONS[code])
    assert report.retryable is (code in RETRYABLE)


@pytest.mark.parametrize("code", ["", "0", "4999", "77"])
def test_a_payout_that_no_result_calls_failed_may_be_on_its_way(
    daraja: SilentDaraja, code: str
) -> None:
    known, sent = status_of(daraja, code, published("status.unknown"))
    assert confirmed(daraja, sent, known) == (HEARD,)


def test_a_completed_status_pays_a_payout(daraja: SilentDaraja) -> None:
    known, sent = status_of(daraja, "0", parameters())
    [report] = confirmed(daraja, sent, known)
    assert (report.claim, report.provider_transaction) == (PayoutClaim.PAID, "LGR919G2AV")
    assert report.occurred_at == datetime(2017, 7, 27, 7, 14, 15, tzinfo=UTC)


@pytest.mark.parametrize("status", sorted(NOT_MOVED))
def test_a_status_that_says_so_fails_a_payout(daraja: SilentDaraja, status: str) -> None:
    known, sent = status_of(daraja, "17", parameters(TransactionStatus=status))
    [report] = confirmed(daraja, sent, known)
    assert (report.claim, report.reason) == (PayoutClaim.FAILED, "try_again")


@pytest.mark.parametrize("status", ["Pending", "Authorized", "Reversed", "completed", "", 1, None])
def test_a_status_that_is_not_final_changes_nothing(daraja: SilentDaraja, status: object) -> None:
    known, sent = status_of(daraja, "0", parameters(TransactionStatus=status))
    assert confirmed(daraja, sent, known) == (HEARD,)


@pytest.mark.parametrize("code", [1, 21, 26, 2001, 8006, "SFC_IC0003"])
def test_a_query_that_failed_says_nothing_of_the_payout(daraja: SilentDaraja, code: object) -> None:
    document = json.loads(published("status.unknown"))
    document["Result"]["ResultCode"] = code
    known, sent = status_of(daraja, "1", document)
    assert confirmed(daraja, sent, known) == (HEARD,)


@pytest.mark.parametrize(
    "values",
    [
        {"Amount": 11},
        {"Amount": 10.5},
        {"Amount": None},
        {"DebitPartyName": "174379 - Collections"},
        {"DebitPartyName": "6009970 - Payouts"},
        {"DebitPartyName": None},
        {"ReceiptNo": None},
        {"ReceiptNo": "LGR919G2AV\n"},
        {"OriginatorConversationID": "19455-773836-1"},
        {"Originator Conversation ID": "19455-773836-1"},
    ],
)
def test_a_status_of_something_else_waits_for_a_person(
    daraja: SilentDaraja, values: dict[str, object]
) -> None:
    known, sent = status_of(daraja, "0", parameters(**values))
    with pytest.raises(CannotBeAskedError):
        confirmed(daraja, sent, known)


def test_a_status_names_the_receipt_that_the_result_named(daraja: SilentDaraja) -> None:
    known, sent = status_of(daraja, "0", parameters(), receipt="LGR919G2AV")
    [report] = confirmed(daraja, sent, known)
    assert report.claim is PayoutClaim.PAID
    known, sent = status_of(daraja, "0", parameters(), receipt="LGR919G2AW")
    with pytest.raises(CannotBeAskedError):
        confirmed(daraja, sent, known)


def check_changed(daraja: SilentDaraja, count: int) -> None:
    """Whatever is changed in an answer, the payout is reported as it says, or not at all."""
    known, sent = status_of(daraja, "0", parameters(), receipt="LGR919G2AV")
    adapter, random = daraja.adapter(), Random(count)

    async def all_of_them() -> int:
        believed = 0
        callback = adapter.verify(daraja.delivery(sent))
        [genuine] = await adapter.confirm(callback.headers, sent.body, known)
        assert isinstance(genuine, PayoutReport)
        for _ in range(count):
            changed = mutated(sent, random)
            told = adapter.verify(daraja.delivery(changed))
            if not told.to_confirm:
                continue
            try:
                [report] = await adapter.confirm(told.headers, changed.body, known)
            except CannotBeAskedError:
                continue
            if report != HEARD:
                believed += 1
                assert isinstance(report, PayoutReport)
                assert replace(report, occurred_at=genuine.occurred_at) == genuine, changed
        await adapter.close()
        return believed

    assert 0 < asyncio.run(all_of_them()) < count


def test_an_answer_that_was_changed_reports_nothing_else(daraja: SilentDaraja) -> None:
    check_changed(daraja, ORDINARY)


@pytest.mark.slow
def test_thousands_of_changed_answers_report_nothing_else(daraja: SilentDaraja) -> None:
    check_changed(daraja, CAMPAIGN)


@pytest.mark.parametrize("name", ["payout.paid", "payout.failed"])
def test_a_published_result_is_asked_about(daraja: SilentDaraja, name: str) -> None:
    order = payout(PAID)
    sent = sent_to(daraja, Purpose.SENT, order.payout_id.hex, "1", body=published(name))
    assert confirmed(daraja, sent, Known(payouts=[payout_inquiry(order)])) == (HEARD,)
    [(path, asked)] = daraja.requests
    assert path == "/mpesa/transactionstatus/v1/query"
    conversation = conversation_of(order.payout_id, 1)
    assert asked["OriginatorConversationID"] == asked["OriginalConversationID"] == conversation
    assert (asked["PartyA"], asked["IdentifierType"]) == ("600997", "4")
    with pytest.raises(CannotBeAskedError):
        confirmed(daraja, sent, Known())


def test_a_payout_that_is_sent_twice_is_taken_once(daraja: SilentDaraja) -> None:
    order, _ = send(daraja, PAID)
    again = ask(daraja, lambda adapter: adapter.pay_out(order))
    assert again == NoAnswer("duplicate_reference")
    other = ask(daraja, lambda adapter: adapter.pay_out(replace(order, attempt=2)))
    assert isinstance(other, Accepted)


def test_a_payout_without_an_answer_is_sent_once(daraja: SilentDaraja) -> None:
    order = payout("+254700000008")
    assert ask(daraja, lambda adapter: adapter.pay_out(order)) == NoAnswer("timed_out")
    assert len(daraja.requests) == 1


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (500, "500.002.1001", NoAnswer("answered_500")),
        (500, "500.001.1001", NoAnswer("answered_500")),
        (500, "500.003.02", Declined("busy", retryable=True)),
        (400, "400.002.02", Declined("refused_400_002_02")),
        (502, "", NoAnswer("answered_502")),
    ],
)
def test_an_error_of_a_payout_is_read_as_it_is_meant(
    daraja: SilentDaraja, status: int, code: str, expected: object
) -> None:
    daraja.next_errors = [(status, {"errorCode": code, "errorMessage": "System internal error."})]
    assert ask(daraja, lambda adapter: adapter.pay_out(payout(PAID))) == expected


def test_a_payout_to_another_country_is_not_sent(daraja: SilentDaraja) -> None:
    answer = ask(daraja, lambda adapter: adapter.pay_out(payout("+256700000000")))
    assert answer == Declined("phone_not_of_this_provider")
