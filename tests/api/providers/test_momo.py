"""MoMo's callbacks and settings: what is believed of a callback, what is taken and paid out."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from api.providers.amounts import UnreadableError
from api.providers.configuration import HalfConfiguredError
from api.providers.momo import configured
from api.providers.momo_callbacks import about_of, of_payment, of_payout, of_refund
from api.providers.momo_configuration import MARKETS, MomoConfiguration
from api.providers.momo_reports import Said, said
from api.providers.port import ABOUT_HEADER, BadSignatureError, Delivery
from api.providers.words import json_object
from api.settings import Settings
from ledger.commands import Claim
from ledger.money import AMOUNT_MAX, Money
from tests.api.providers.fake import Sent
from tests.api.providers.fakes.momo import FakeMomo
from tests.api.providers.mutations import CAMPAIGN, ORDINARY, mutated

if TYPE_CHECKING:
    from api.providers.momo import Momo
    from api.providers.momo_callbacks import About

GOLDEN: Final = Path(__file__).parent / "golden" / "momo"
BODY: Final = (GOLDEN / "callback.json").read_bytes()
PAYMENT: Final = UUID("7d1f0a52-9c1b-4f5e-8a86-6f7f3ad7b001")
NEEDED: Final = (
    *("target_environment", "collection_user", "collection_key"),
    *("collection_subscription_key", "callback_secret"),
)
DISBURSEMENTS: Final = (
    *("disbursement_user", "disbursement_key", "disbursement_subscription_key"),
)


@pytest.fixture
def fake() -> FakeMomo:
    return FakeMomo()


@pytest.fixture
def adapter(fake: FakeMomo) -> Momo:
    return fake.adapter()


@pytest.fixture
def given(fake: FakeMomo, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """All of its settings, in the environment."""
    for name, value in fake.configured_by().items():
        monkeypatch.setenv(f"HESABU_MOMO_{name.upper()}", value)
    return monkeypatch


def sent_to(adapter: Momo, about: About, body: bytes = BODY) -> Sent:
    """A callback to an address of ours."""
    token = adapter.addresses.address(about).rpartition("/")[2]
    return Sent("PUT", f"/{token}", {"content-type": "application/json"}, body)


def configuration(fake: FakeMomo, **changed: Any) -> MomoConfiguration:  # noqa: ANN401 - settings
    return MomoConfiguration(**{**fake.configured_by(), **changed})


ABOUTS: Final = {
    "payment": of_payment(PAYMENT),
    "payout": of_payout(PAYMENT, 3),
    "refund": of_refund(PAYMENT, uuid4()),
}


@pytest.mark.parametrize("kind", ABOUTS)
def test_a_callback_is_a_hint_about_what_its_address_says(
    fake: FakeMomo, adapter: Momo, kind: str
) -> None:
    about = ABOUTS[kind]
    callback = adapter.verify(fake.delivery(sent_to(adapter, about)))
    assert callback.to_confirm
    assert callback.reports == ()
    assert callback.about == PAYMENT
    assert callback.natural_key.startswith("hint:")
    assert about_of(callback.headers["hesabu-address"]) == about
    # A query says how much came, so that nothing waits for what a hint says of it.
    assert ABOUT_HEADER not in callback.headers


def test_the_same_words_at_two_addresses_are_two_callbacks(fake: FakeMomo, adapter: Momo) -> None:
    keys = {
        adapter.verify(fake.delivery(sent_to(adapter, of_payment(uuid4())))).natural_key
        for _ in range(3)
    }
    assert len(keys) == 3


@pytest.mark.parametrize(
    "token",
    [
        None,
        *("", "-", "payment", "é", "\udcff", f"payment-{PAYMENT.hex}", f"payment-{PAYMENT}"),
        *(f"payment-{PAYMENT.hex}-", f"payment-{PAYMENT.hex}-{'0' * 32}"),
    ],
)
def test_an_address_that_is_none_of_ours_is_refused(adapter: Momo, token: str | None) -> None:
    with pytest.raises(BadSignatureError):
        adapter.verify(Delivery(headers={}, body=BODY, token=token))


def test_an_address_proves_itself_and_no_other(fake: FakeMomo, adapter: Momo) -> None:
    token = sent_to(adapter, of_payment(PAYMENT)).path.removeprefix("/")
    other = configuration(fake, callback_secret="another secret, as long as the first")
    stranger = type(adapter)(other, callbacks_begin_with="http://a.example", timeout_seconds=1)
    payout = f"payout-{PAYMENT.hex}-1-{token.rpartition('-')[2]}"
    for forged in (token.upper(), f"{token}0", token[:-1], f" {token}", payout):
        with pytest.raises(BadSignatureError):
            adapter.verify(Delivery(headers={}, body=BODY, token=forged))
    with pytest.raises(BadSignatureError):
        stranger.verify(Delivery(headers={}, body=BODY, token=token))
    assert adapter.verify(Delivery(headers={}, body=BODY, token=token)).to_confirm


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b'{"a":NaN}', b"[" * 9_999])
def test_a_body_that_is_no_object_waits_for_a_person(
    fake: FakeMomo, adapter: Momo, body: bytes
) -> None:
    callback = adapter.verify(fake.delivery(sent_to(adapter, of_payment(PAYMENT), body)))
    assert callback.reason == "unreadable_body"
    assert not callback.to_confirm


@pytest.mark.parametrize("count", [ORDINARY, pytest.param(CAMPAIGN, marks=pytest.mark.slow)])
def test_a_changed_callback_says_nothing_by_itself(
    fake: FakeMomo, adapter: Momo, count: int
) -> None:
    sent, random = sent_to(adapter, of_payment(PAYMENT)), Random(count)
    genuine = adapter.verify(fake.delivery(sent))
    for _ in range(count):
        changed = mutated(sent, random)
        callback = adapter.verify(fake.delivery(changed))
        assert callback.reports == ()
        assert callback.about == PAYMENT
        assert (callback.natural_key == genuine.natural_key) == (changed.body == sent.body)


@pytest.mark.parametrize("count", [ORDINARY, pytest.param(CAMPAIGN, marks=pytest.mark.slow)])
def test_a_changed_address_is_refused(fake: FakeMomo, adapter: Momo, count: int) -> None:
    sent, random = sent_to(adapter, of_payment(PAYMENT)), Random(count)
    for _ in range(count):
        token = mutated(sent._replace(body=sent.path.encode()), random).body.decode(
            errors="surrogateescape"
        )
        if token != sent.path:
            with pytest.raises(BadSignatureError):
                adapter.verify(fake.delivery(sent._replace(path=token)))


PUBLISHED: Final = {
    "callback": (
        "6353636",
        Said(Claim.SUCCEEDED, "1947913865", Money(amount=600, currency="EUR")),
    ),
    "payment.succeeded": (
        "947354",
        Said(Claim.SUCCEEDED, "23503452", Money(amount=100, currency="UGX")),
    ),
    "payment.failed": ("947354", Said(Claim.FAILED, reason="payer_not_found")),
    "refund.succeeded": (
        "6353636",
        Said(Claim.SUCCEEDED, "1947913865", Money(amount=600, currency="EUR")),
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_published_is_understood(name: str) -> None:
    external_id, expected = PUBLISHED[name]
    document = json_object((GOLDEN / f"{name}.json").read_bytes())
    assert said(document, external_id) == expected
    with pytest.raises(UnreadableError, match="another_request"):
        said(document, str(PAYMENT))


def test_mtns_names_of_requests_are_of_version_four_and_each_its_own() -> None:
    references = [
        *(of_payment(PAYMENT).reference, of_payment(uuid4()).reference),
        *(of_payout(PAYMENT, attempt).reference for attempt in range(1, 11)),
        *(of_refund(PAYMENT, uuid4()).reference for _ in range(3)),
    ]
    assert len(set(references)) == len(references)
    assert {reference.version for reference in references} == {4}
    assert of_payout(PAYMENT, 3).reference == of_payout(PAYMENT, 3).reference
    assert of_payment(PAYMENT).reference == UUID("5807a319-a343-4004-8ddb-3bd9b84190ef")


@pytest.mark.parametrize(
    ("environment", "currency", "limits"),
    [
        ("mtnuganda", "UGX", (1, 500, 5_000_000)),
        ("mtnrwanda", "RWF", (1, 1, AMOUNT_MAX)),
        ("mtnghana", "GHS", (1, 100, AMOUNT_MAX)),
        ("mtnzambia", "ZMW", (1, 100, AMOUNT_MAX)),
        ("mtncameroon", "XAF", (1, 1, AMOUNT_MAX)),
        ("sandbox", "EUR", (1, 100, AMOUNT_MAX)),
    ],
)
def test_what_is_taken_and_paid_out_in_each_country(
    fake: FakeMomo, environment: str, currency: str, limits: tuple[int, int, int]
) -> None:
    momo = adapter_of(configuration(fake, target_environment=environment))
    terms = momo.terms(currency, expires_after_seconds=60)
    paid_out = momo.payout_terms(currency)
    assert terms is not None
    assert (terms.step, terms.minimum, terms.maximum) == limits
    assert terms.expires_after_seconds == 60
    assert paid_out is not None
    assert (paid_out.step, paid_out.minimum, paid_out.maximum) == limits
    for other in ({"UGX", "RWF", "GHS", "EUR", "KES", "XXX"}) - {currency}:
        assert momo.terms(other, expires_after_seconds=60) is None
        assert momo.payout_terms(other) is None


def adapter_of(settings: MomoConfiguration) -> Momo:
    """An adapter with these settings."""
    adapter = FakeMomo().adapter()
    return type(adapter)(settings, callbacks_begin_with="http://a.example", timeout_seconds=1)


def test_a_contracts_own_limits_count(fake: FakeMomo) -> None:
    momo = adapter_of(configuration(fake, minimum=1_000, maximum=2_000_000))
    terms = momo.terms("UGX", expires_after_seconds=60)
    assert terms is not None
    assert (terms.minimum, terms.maximum) == (1_000, 2_000_000)


def test_every_countrys_currency_is_one_of_ours(fake: FakeMomo) -> None:
    for environment in MARKETS:
        market = configuration(fake, target_environment=environment).market
        assert market.minimum is not None
        assert market.maximum is not None
        assert 0 < market.minimum < market.maximum
        assert market.phones_begin_with.startswith("+")


def settings() -> Settings:
    return Settings.model_construct(
        callbacks_begin_with="https://pay.example.com/api/v1/webhooks",
        provider_timeout_seconds=2.0,
    )


def test_without_settings_there_is_no_momo() -> None:
    assert configured(settings()) is None


@pytest.mark.usefixtures("given")
def test_with_all_settings_there_is() -> None:
    adapter = configured(settings())
    assert adapter is not None
    assert adapter.polling.first_seconds == 1.0
    address = adapter.addresses.address(of_payment(PAYMENT))
    assert address.startswith(
        f"https://pay.example.com/api/v1/webhooks/momo/payment-{PAYMENT.hex}-"
    )


@pytest.mark.parametrize("name", [*NEEDED, *DISBURSEMENTS])
def test_half_a_configuration_stops_the_start(given: pytest.MonkeyPatch, name: str) -> None:
    given.setenv(f"HESABU_MOMO_{name.upper()}", "")
    with pytest.raises(HalfConfiguredError, match=f"HESABU_MOMO_{name.upper()}"):
        configured(settings())


def test_collections_alone_are_enough_and_pay_nothing_out(given: pytest.MonkeyPatch) -> None:
    for name in DISBURSEMENTS:
        given.delenv(f"HESABU_MOMO_{name.upper()}")
    adapter = configured(settings())
    assert adapter is not None
    assert adapter.terms("UGX", expires_after_seconds=60) is not None
    assert adapter.payout_terms("UGX") is None


def test_disbursements_alone_are_half_a_configuration(given: pytest.MonkeyPatch) -> None:
    for name in NEEDED:
        given.delenv(f"HESABU_MOMO_{name.upper()}")
    with pytest.raises(HalfConfiguredError, match="HESABU_MOMO_COLLECTION_USER"):
        configured(settings())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("target_environment", "mtnmars"),
        ("callback_secret", "short"),
        *(("first_query_seconds", "0"), ("minimum", "0"), ("maximum", "-5")),
    ],
)
def test_a_setting_that_cannot_be_stops_the_start(
    given: pytest.MonkeyPatch, name: str, value: str
) -> None:
    given.setenv(f"HESABU_MOMO_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name):
        configured(settings())
