"""Daraja's prompts: how they are pushed, asked about and called back, and what is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from api.providers.daraja_codes import PROMPT_ENDS
from api.providers.daraja_reports import account_reference
from api.providers.port import (
    Accepted,
    CannotBeAskedError,
    Declined,
    NoAnswer,
    StatusUnavailableError,
)
from ledger.commands import Claim, ProviderReport
from tests.api.providers.asking import ask, inquiry, prompt
from tests.api.providers.daraja_scenes import SilentDaraja, charge_of
from tests.api.providers.fakes.daraja import FakeDaraja

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.providers.daraja import Daraja

CHECKOUT = "ws_CO_21042021114416028704"


@pytest.fixture(scope="module")
def server() -> Iterator[SilentDaraja]:
    fake = SilentDaraja()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def daraja(server: SilentDaraja) -> SilentDaraja:
    return server.forget()


def error(code: str, message: str) -> dict[str, Any]:
    return {"requestId": "4788-81090592-4", "errorCode": code, "errorMessage": message}


# Pushing.


def test_a_prompt_is_pushed_as_it_is_documented(daraja: SilentDaraja) -> None:
    request = prompt("+254700000003", 125_000)
    answer = ask(daraja, lambda adapter: adapter.initiate(request))
    [(path, sent)] = daraja.requests
    [charge] = daraja.charges.values()
    assert answer == Accepted(charge.provider_reference)
    assert path == "/mpesa/stkpush/v1/processrequest"
    assert sent | {"Password": "", "Timestamp": "", "CallBackURL": ""} == {
        "BusinessShortCode": "174379",
        "Password": "",
        "Timestamp": "",
        "TransactionType": "CustomerPayBillOnline",
        "Amount": 1_250,
        "PartyA": "254700000003",
        "PartyB": "174379",
        "PhoneNumber": "254700000003",
        "CallBackURL": "",
        "AccountReference": account_reference(request.payment_id),
        "TransactionDesc": "Payment",
    }
    assert "/daraja/pushed-" in sent["CallBackURL"]


def test_what_a_fan_sees_as_the_account_is_short_and_always_the_same() -> None:
    names = {account_reference(UUID(int=number)) for number in range(2_000)}
    assert len(names) == 2_000
    assert all(len(name) == 12 and name.isalnum() for name in names)
    assert account_reference(UUID(int=7)) == account_reference(UUID(int=7))


@pytest.mark.parametrize("phone", ["+255700000000", "+25470000000", "+2547000000000", "700000000"])
def test_a_phone_of_another_country_is_not_prompted(daraja: SilentDaraja, phone: str) -> None:
    answer = ask(daraja, lambda adapter: adapter.initiate(prompt(phone)))
    assert answer == Declined("phone_not_of_this_provider")
    assert not daraja.calls


@pytest.mark.parametrize(
    ("status", "document", "expected"),
    [
        (400, error("400.002.02", "Bad Request - Invalid Amount"), Declined("refused_400_002_02")),
        (400, {}, Declined("refused_400")),
        (403, {"errorCode": "x" * 40}, Declined("refused_403")),
        (500, error("500.003.02", "Spike arrest violation"), Declined("busy", retryable=True)),
        (429, error("500.003.03", "Quota Violation"), Declined("busy", retryable=True)),
        (
            500,
            error("500.001.1001", "Unable to lock subscriber, a transaction is already in process"),
            Declined("another_prompt"),
        ),
        (500, error("500.001.1001", "Merchant does not exist"), Declined("refused_500")),
        (500, error("500.002.1001", "System internal error."), NoAnswer("answered_500")),
        (503, {}, NoAnswer("answered_503")),
        (200, {"ResponseCode": "1"}, Declined("refused_1")),
        (200, {"ResponseCode": "0"}, NoAnswer("unreadable_answer")),
        (
            200,
            {"ResponseCode": "0", "CheckoutRequestID": "a\nb"},
            NoAnswer("unreadable_answer"),
        ),
        (200, {}, NoAnswer("unreadable_answer")),
    ],
)
def test_an_answer_to_a_push_is_read_as_it_is_meant(
    daraja: SilentDaraja, status: int, document: dict[str, Any], expected: object
) -> None:
    daraja.next_errors = [(status, document)]
    assert ask(daraja, lambda adapter: adapter.initiate(prompt("+254700000003"))) == expected
    assert len(daraja.requests) == 0


def test_a_provider_that_is_not_there_has_not_taken_anything() -> None:
    request = prompt("+254700000003")
    answer = ask(FakeDaraja(), lambda adapter: adapter.initiate(request))
    assert answer == Declined("provider_unreachable", retryable=True)


def test_a_push_without_an_answer_is_pushed_once(daraja: SilentDaraja) -> None:
    answer = ask(daraja, lambda adapter: adapter.initiate(prompt("+254700000008")))
    assert answer == NoAnswer("timed_out")
    assert len(daraja.requests) == 1


def test_a_stored_card_is_not_charged(daraja: SilentDaraja) -> None:
    assert not daraja.adapter().charges_stored_methods
    assert ask(daraja, lambda adapter: adapter.charge(None)) == Declined("not_supported")


@pytest.mark.parametrize("status", [401, 404])
def test_a_token_that_has_expired_is_replaced_and_the_call_is_made(
    daraja: SilentDaraja, status: int
) -> None:
    async def twice(adapter: Daraja) -> object:
        assert isinstance(await adapter.initiate(prompt("+254700000003")), Accepted)
        daraja.tokens.clear()
        daraja.token_refusal = status
        return await adapter.initiate(prompt("+254711000003"))

    assert isinstance(ask(daraja, twice), Accepted)
    tokens = [path for _, path in daraja.calls if path == "/oauth/v1/generate"]
    assert len(tokens) == 2


# Asking.


def test_a_prompt_that_succeeded_has_paid_what_we_pushed(daraja: SilentDaraja) -> None:
    asked = inquiry(reference=CHECKOUT)
    charge_of(daraja, asked)
    assert ask(daraja, lambda adapter: adapter.status(asked)) == ProviderReport(
        provider="daraja",
        payment_id=asked.payment_id,
        claim=Claim.SUCCEEDED,
        provider_transaction=CHECKOUT,
        received=asked.money,
    )


@pytest.mark.parametrize(
    ("status", "document"),
    [
        (500, error("500.001.1001", "The transaction is being processed")),
        (200, {"ResponseCode": "0", "ResultCode": "4999", "ResultDesc": "still processing"}),
    ],
)
def test_a_prompt_that_is_still_shown_is_pending(
    daraja: SilentDaraja, status: int, document: dict[str, Any]
) -> None:
    asked = inquiry(reference=CHECKOUT)

    async def often(adapter: Daraja) -> set[Claim]:
        # An error that is an answer opens no circuit.
        reports = [await adapter.status(asked) for _ in range(12)]
        return {report.claim for report in reports if report is not None}

    daraja.next_errors = [(status, document)] * 12
    assert ask(daraja, often) == {Claim.PENDING}


@pytest.mark.parametrize("code", [*PROMPT_ENDS, "2028", "SFC_IC0003"])
def test_every_documented_code_ends_a_prompt_without_money(daraja: SilentDaraja, code: str) -> None:
    daraja.next_errors = [(200, {"ResponseCode": "0", "ResultCode": code})]
    report = ask(daraja, lambda adapter: adapter.status(inquiry(reference=CHECKOUT)))
    assert report is not None
    expected = (Claim.FAILED, f"result_{code.lower()}")
    assert (report.claim, report.reason) == PROMPT_ENDS.get(code, expected)
    assert report.claim is (Claim.CANCELLED if code == "1032" else Claim.FAILED)
    assert report.received is None


@pytest.mark.parametrize(
    ("status", "document"),
    [
        (500, error("500.001.1001", "Wrong credentials")),
        (500, error("500.003.02", "Spike arrest violation")),
        (400, error("400.002.02", "Bad Request - Invalid CheckoutRequestID")),
        (200, {"ResponseCode": "0"}),
        (200, {"ResponseCode": "0", "ResultCode": True}),
        (200, {"ResponseCode": "0", "ResultCode": "0\n"}),
        (200, {"ResponseCode": "0", "ResultCode": "0", "CheckoutRequestID": "ws_CO_another"}),
        (200, {"ResponseCode": "1", "ResultCode": "0"}),
        (200, {}),
    ],
)
def test_an_answer_that_says_nothing_of_the_prompt_is_none(
    daraja: SilentDaraja, status: int, document: dict[str, Any]
) -> None:
    daraja.next_errors = [(status, document)] * 3
    with pytest.raises(StatusUnavailableError):
        ask(daraja, lambda adapter: adapter.status(inquiry(reference=CHECKOUT)))


def test_a_prompt_whose_push_was_not_answered_cannot_be_asked_about(daraja: SilentDaraja) -> None:
    with pytest.raises(CannotBeAskedError):
        ask(daraja, lambda adapter: adapter.status(inquiry(reference=None)))
    assert not daraja.calls
