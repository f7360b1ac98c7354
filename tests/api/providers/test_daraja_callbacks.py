"""Daraja's callbacks about prompts: what is believed of them, and what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from api.providers.amounts import UnreadableError
from api.providers.daraja_callbacks import Purpose
from api.providers.daraja_reports import EAST_AFRICA, document_of, pushed
from api.providers.port import BadSignatureError, CannotBeAskedError
from ledger.commands import Claim, ProviderReport
from tests.api.providers.asking import ask, inquiry
from tests.api.providers.daraja_scenes import (
    Known,
    SilentDaraja,
    charge_of,
    confirmed,
    kes,
    published,
    sent_to,
)
from tests.api.providers.mutations import CAMPAIGN, ORDINARY, mutated

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


@pytest.mark.parametrize("reference", [CHECKOUT, None])
def test_the_published_success_is_confirmed_with_its_receipt(
    daraja: SilentDaraja, reference: str | None
) -> None:
    then = datetime(2021, 4, 21, 8, 44, 20, tzinfo=UTC)
    asked = replace(inquiry(reference=reference, amount=100), initiated_at=then)
    charge_of(daraja, asked, checkout=CHECKOUT)
    sent = sent_to(daraja, Purpose.PUSHED, asked.payment_id.hex, body=published("prompt.succeeded"))
    [report] = confirmed(daraja, sent, Known(payments=[asked]))
    assert report == ProviderReport(
        provider="daraja",
        payment_id=asked.payment_id,
        claim=Claim.SUCCEEDED,
        provider_transaction=CHECKOUT,
        received=kes(1),
        occurred_at=datetime(2021, 4, 21, 8, 44, 25, tzinfo=UTC),
        also_known_as=("PDL72RWAVZ", f"{CHECKOUT}=PDL72RWAVZ"),
    )


def test_the_order_of_items_does_not_matter_and_others_may_come(daraja: SilentDaraja) -> None:
    document = document_of(published("prompt.succeeded"))
    items = document["Body"]["stkCallback"]["CallbackMetadata"]["Item"]
    expected = pushed(document)
    items.append({"Name": "FuelLevy", "Value": 3})
    for seed in range(20):
        Random(seed).shuffle(items)
        assert pushed(document) == expected
    assert expected.amount == kes(1)


def test_a_time_of_another_zone_is_not_kept(daraja: SilentDaraja) -> None:
    asked = inquiry(reference=CHECKOUT)
    charge = charge_of(daraja, asked)
    sent = daraja.callback(charge, "succeeded")
    moment = datetime.now(EAST_AFRICA).strftime("%Y%m%d%H%M")
    in_utc = (datetime.now(EAST_AFRICA) - timedelta(hours=3)).strftime("%Y%m%d%H%M")
    told = sent._replace(body=sent.body.replace(moment.encode(), in_utc.encode()))
    [kept] = confirmed(daraja, sent, Known(payments=[asked]))
    [dropped] = confirmed(daraja, told, Known(payments=[asked]))
    assert kept.occurred_at is not None
    assert dropped.occurred_at is None


@pytest.mark.parametrize("name", ["prompt.cancelled", "prompt.unknown-operator"])
def test_a_published_failure_is_asked_about(daraja: SilentDaraja, name: str) -> None:
    told = pushed(document_of(published(name)))
    asked = inquiry(reference=told.checkout)
    sent = sent_to(daraja, Purpose.PUSHED, asked.payment_id.hex, body=published(name))
    daraja.next_errors = [(200, {"ResponseCode": "0", "ResultCode": told.code})]
    [report] = confirmed(daraja, sent, Known(payments=[asked]))
    assert report.claim in {Claim.CANCELLED, Claim.FAILED}


def test_a_callback_that_lies_is_not_believed(daraja: SilentDaraja) -> None:
    asked = inquiry(reference=CHECKOUT)
    charge = charge_of(daraja, asked, state="failed")
    [report] = confirmed(daraja, daraja.callback(charge, "succeeded"), Known(payments=[asked]))
    assert report.claim is Claim.CANCELLED
    charge.state = "pending"
    assert confirmed(daraja, daraja.callback(charge, "succeeded"), Known(payments=[asked])) == ()
    charge.state = "succeeded"
    [report] = confirmed(daraja, daraja.callback(charge, "failed"), Known(payments=[asked]))
    assert report.claim is Claim.SUCCEEDED
    assert report.also_known_as == ()


@pytest.mark.parametrize("amount", [1, 1_249, 1_249.99, 1_250.01, 1_251, 125_000])
def test_another_amount_than_ours_waits_for_a_person(daraja: SilentDaraja, amount: float) -> None:
    asked = inquiry(reference=CHECKOUT)
    charge = charge_of(daraja, asked)
    charge.paid = amount
    with pytest.raises(CannotBeAskedError):
        confirmed(daraja, daraja.callback(charge, "succeeded"), Known(payments=[asked]))


def test_a_callback_names_the_prompt_that_was_pushed_for_its_payment(daraja: SilentDaraja) -> None:
    asked = inquiry(reference="ws_CO_another")
    sent = sent_to(daraja, Purpose.PUSHED, asked.payment_id.hex, body=published("prompt.succeeded"))
    with pytest.raises(CannotBeAskedError):
        confirmed(daraja, sent, Known(payments=[asked]))
    with pytest.raises(CannotBeAskedError):
        confirmed(daraja, sent, Known())
    assert not daraja.requests


@pytest.mark.parametrize("value", ["1.5e3", " 1250", "1250 ", "-1", "NaN", None, True, 0, [1]])
def test_an_amount_that_is_none_is_not_understood(value: object) -> None:
    document = document_of(published("prompt.succeeded"))
    document["Body"]["stkCallback"]["CallbackMetadata"]["Item"][0]["Value"] = value
    with pytest.raises(UnreadableError, match="amount"):
        pushed(document)


def test_an_amount_that_is_told_twice_is_not_understood() -> None:
    document = document_of(published("prompt.succeeded"))
    items = document["Body"]["stkCallback"]["CallbackMetadata"]["Item"]
    items.append({"Name": "Amount", "Value": 2})
    with pytest.raises(UnreadableError, match="unreadable_amount"):
        pushed(document)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"\xff", b'{"Body":', b'"' + b"[" * 10_000, b"[" * 100_000]
)
def test_what_is_no_json_object_is_kept_for_a_person(daraja: SilentDaraja, body: bytes) -> None:
    sent = sent_to(daraja, Purpose.PUSHED, uuid4().hex, body=body)
    callback = daraja.adapter().verify(daraja.delivery(sent))
    assert (callback.reason, callback.to_confirm) == ("unreadable_body", False)


def test_a_callback_is_a_hint_that_keeps_no_name_of_the_provider(daraja: SilentDaraja) -> None:
    payment = uuid4()
    sent = sent_to(daraja, Purpose.PUSHED, payment.hex, body=published("prompt.succeeded"))
    callback = daraja.adapter().verify(daraja.delivery(sent))
    again = daraja.adapter().read(callback.headers, sent.body, natural_key=callback.natural_key)
    assert again == callback
    assert callback.about == payment
    assert callback.natural_key.startswith("hint:")
    kept = json.dumps([callback.natural_key, dict(callback.headers)])
    assert "ws_CO" not in kept
    assert "PDL72RWAVZ" not in kept
    other = sent_to(daraja, Purpose.PUSHED, uuid4().hex, body=sent.body)
    assert daraja.adapter().verify(daraja.delivery(other)).natural_key != callback.natural_key


# Changed on the way.


def check_changed(daraja: SilentDaraja, count: int) -> None:
    """Whatever is changed, the payment is reported as the genuine callback has it, or not at all.

    A receipt may be another one: it names the same money, which the query has confirmed.
    """

    async def all_of_them(adapter: Daraja) -> int:
        asked, believed, random = inquiry(reference=CHECKOUT), 0, Random(count)
        sent = daraja.callback(charge_of(daraja, asked), "succeeded")
        known = Known(payments=[asked])
        callback = adapter.verify(daraja.delivery(sent))
        [genuine] = await adapter.confirm(callback.headers, sent.body, known)
        assert isinstance(genuine, ProviderReport)
        for _ in range(count):
            changed = mutated(sent, random)
            told = adapter.verify(daraja.delivery(changed))
            assert not told.reports
            assert (told.natural_key == callback.natural_key) == (changed.body == sent.body)
            if not told.to_confirm:
                continue
            try:
                [report] = await adapter.confirm(told.headers, changed.body, known)
            except CannotBeAskedError:
                continue
            believed += 1
            assert isinstance(report, ProviderReport)
            report = replace(report, also_known_as=genuine.also_known_as)
            assert replace(report, occurred_at=genuine.occurred_at) == genuine, changed
        return believed

    assert 0 < ask(daraja, all_of_them) < count


def test_a_callback_that_was_changed_reports_nothing_else(daraja: SilentDaraja) -> None:
    check_changed(daraja, ORDINARY)


@pytest.mark.slow
def test_thousands_of_changed_callbacks_report_nothing_else(daraja: SilentDaraja) -> None:
    check_changed(daraja, CAMPAIGN)


def test_an_address_that_was_changed_is_refused(daraja: SilentDaraja) -> None:
    sent = sent_to(daraja, Purpose.PUSHED, uuid4().hex, body=published("prompt.succeeded"))
    adapter, random = daraja.adapter(), Random(7)
    for _ in range(2_000):
        at, added = random.randrange(1, len(sent.path)), chr(random.randrange(33, 127))
        path = (
            sent.path[:at] + random.choice([added, "", added + sent.path[at]]) + sent.path[at + 1 :]
        )
        if path == sent.path:
            continue
        with pytest.raises(BadSignatureError):
            adapter.verify(daraja.delivery(sent._replace(path=path)))
