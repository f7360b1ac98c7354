"""What Daraja is configured by, which addresses it is told, and what it takes and pays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from api.providers.configuration import HalfConfiguredError
from api.providers.daraja import Daraja, configured
from api.providers.daraja_callbacks import Purpose
from api.providers.daraja_tills import main
from api.providers.port import Declined, PayoutLimits
from api.settings import Settings
from ledger.commands import PaymentTerms
from tests.api.providers.asking import ask, payout, prompt, refund
from tests.api.providers.daraja_scenes import NEEDED, adapter_of, addresses
from tests.api.providers.fakes.daraja import FakeDaraja

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "HESABU_DARAJA_"


@pytest.fixture
def settings() -> Settings:
    return Settings.model_construct(
        callbacks_begin_with="https://pay.example.com/api/v1/webhooks",
        provider_timeout_seconds=2.0,
    )


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """All of its settings, in the environment."""
    fields = FakeDaraja().configured_by()
    for name, value in fields.items():
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", value)
    return fields


class Bare(FakeDaraja):
    """It has an adapter that only pushes prompts."""

    def adapter(self) -> Daraja:
        return adapter_of()


def test_without_settings_there_is_no_daraja(settings: Settings) -> None:
    assert configured(settings) is None


def test_with_all_settings_there_is(settings: Settings, given: dict[str, str]) -> None:
    assert given
    adapter = configured(settings)
    assert adapter is not None
    assert adapter.name == "daraja"


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("value", ["", " "])
def test_half_of_a_configuration_stops_the_start(
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    given: dict[str, str],
    name: str,
    value: str,
) -> None:
    assert name in given
    monkeypatch.setenv(f"{PREFIX}{name.upper()}", value)
    with pytest.raises(HalfConfiguredError, match=f"Set {PREFIX}{name.upper()} too"):
        configured(settings)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("security_credential", "SECURITY_CREDENTIAL"),
        ("initiator", "INITIATOR"),
        ("payout_initiator", "PAYOUT_INITIATOR"),
        ("payout_security_credential", "PAYOUT_SECURITY_CREDENTIAL"),
        ("payout_short_code", "PAYOUT_SHORT_CODE"),
        ("payout_consumer_secret", "PAYOUT_CONSUMER_SECRET"),
    ],
)
def test_half_of_a_group_stops_the_start(
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    given: dict[str, str],
    name: str,
    missing: str,
) -> None:
    assert name in given
    monkeypatch.delenv(f"{PREFIX}{name.upper()}")
    with pytest.raises(HalfConfiguredError, match=f"{PREFIX}{missing} too"):
        configured(settings)


def test_an_app_for_payouts_without_payouts_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, given: dict[str, str]
) -> None:
    for name in given:
        if name.startswith("payout_") and "consumer" not in name:
            monkeypatch.delenv(f"{PREFIX}{name.upper()}")
    with pytest.raises(HalfConfiguredError, match="PAYOUT_SHORT_CODE"):
        configured(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [("callback_secret", "short"), ("addresses", "196.201.214"), ("first_query_seconds", "0")],
)
def test_a_setting_that_cannot_be_right_stops_the_start(
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    given: dict[str, str],
    name: str,
    value: str,
) -> None:
    assert name in given
    monkeypatch.setenv(f"{PREFIX}{name.upper()}", value)
    with pytest.raises(ValidationError, match=name) as refused:
        configured(settings)
    assert "short" not in str(refused.value)


@pytest.mark.parametrize(
    "begin",
    ["https://mpesa.example.com/webhooks", "https://example.com/M-PESA", "https://a.safaricom.x"],
)
def test_an_address_that_daraja_refuses_stops_the_start(
    settings: Settings, given: dict[str, str], begin: str
) -> None:
    assert given
    refused = settings.model_copy(update={"callbacks_begin_with": begin})
    with pytest.raises(ValueError, match="HESABU_CALLBACKS_BEGIN_WITH"):
        configured(refused)


# What it takes.


@pytest.mark.parametrize(
    ("currency", "terms"),
    [
        ("KES", {"step": 100, "minimum": 100, "maximum": 25_000_000}),
        ("UGX", None),
        ("TZS", None),
        ("USD", None),
        ("", None),
    ],
)
def test_it_takes_whole_shillings_of_kenya(currency: str, terms: dict[str, Any] | None) -> None:
    expected = None
    if terms is not None:
        expected = PaymentTerms(provider="daraja", expires_after_seconds=60, **terms)
    assert adapter_of().terms(currency, expires_after_seconds=60) == expected


def test_it_pays_out_where_a_short_code_for_payouts_is_set() -> None:
    full = FakeDaraja().adapter()
    limits = PayoutLimits(provider="daraja", step=100, minimum=1_000, maximum=25_000_000)
    assert full.payout_terms("KES") == limits
    assert full.payout_terms("UGX") is None
    assert adapter_of().payout_terms("KES") is None


def test_what_is_not_set_up_is_not_supported() -> None:
    bare = Bare()
    assert ask(bare, lambda adapter: adapter.pay_out(payout("+254700000000"))) == Declined(
        "not_supported"
    )
    order = refund("SI00000000", uuid4())
    assert ask(bare, lambda adapter: adapter.refund(order)) == Declined("not_supported")


@pytest.mark.parametrize(
    ("till", "kind", "receiver"),
    [("", "CustomerPayBillOnline", "174379"), ("5001234", "CustomerBuyGoodsOnline", "5001234")],
)
def test_a_till_is_paid_as_goods_are(till: str, kind: str, receiver: str) -> None:
    server = FakeDaraja()
    server.start()

    class Till(FakeDaraja):
        def adapter(self) -> Daraja:
            return adapter_of(url=server.url, till=till)

    try:
        ask(Till(), lambda adapter: adapter.initiate(prompt("+254700000001")))
    finally:
        server.stop()
    [(_, sent)] = server.requests
    assert (sent["TransactionType"], sent["PartyB"]) == (kind, receiver)
    assert sent["BusinessShortCode"] == "174379"


# Registering a till.


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaraja]:
    fake = FakeDaraja()
    fake.start()
    for name, value in fake.configured_by().items():
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", value)
    yield fake
    fake.stop()


def test_the_command_registers_both_addresses(
    server: FakeDaraja, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main() == 0
    assert server.registered["ShortCode"] == "174379"
    assert server.registered["ResponseType"] == "Completed"
    read = addresses(server).read
    urls = [server.registered[name] for name in ("ConfirmationURL", "ValidationURL")]
    tokens = [url.rpartition("/")[2] for url in urls]
    assert [read(token).purpose for token in tokens] == [Purpose.TILL, Purpose.TILL_ASKED]
    server.next_errors = [(400, {"errorCode": "400.003.02", "errorMessage": "Invalid"})]
    assert main() == 1
    assert "400.003.02" in capsys.readouterr().err


def test_the_command_says_that_daraja_is_not_configured(
    monkeypatch: pytest.MonkeyPatch, server: FakeDaraja, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in server.configured_by():
        monkeypatch.delenv(f"{PREFIX}{name.upper()}")
    assert main() == 2
    assert "HESABU_DARAJA_" in capsys.readouterr().err
