"""Airtel's callbacks and settings: what is believed of a callback, what is taken and paid out."""

from __future__ import annotations

import hmac
import json
import time
from base64 import b64decode, b64encode
from hashlib import sha1, sha256
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from api.providers.airtel import configured
from api.providers.airtel_configuration import MARKETS, AirtelConfiguration
from api.providers.airtel_reports import (
    Said,
    attempt_of,
    payment_of,
    payment_reference,
    payout_reference,
    said,
)
from api.providers.airtel_secrets import callback_hash, encrypted, public_key_of
from api.providers.configuration import HalfConfiguredError
from api.providers.port import ABOUT_HEADER, BadSignatureError
from api.providers.words import json_object
from api.settings import Settings
from ledger.money import AMOUNT_MAX
from tests.api.providers.asking import delivery
from tests.api.providers.fake import Sent
from tests.api.providers.fakes.airtel import CALLBACK_KEY, KEY, PUBLIC_KEY, FakeAirtel
from tests.api.providers.mutations import CAMPAIGN, ORDINARY, check_mutations, mutated

if TYPE_CHECKING:
    from api.providers.airtel import Airtel

GOLDEN: Final = Path(__file__).parent / "golden" / "airtel"
PUBLISHED: Final = (GOLDEN / "callback.json").read_bytes()
PAYMENT: Final = UUID("7d1f0a52-9c1b-4f5e-8a86-6f7f3ad7b001")
TRANSACTION: Final = {
    "id": PAYMENT.hex,
    "message": "Paid KES 1,250 to CAFÉ LIMITED Charge KES 14, Trans ID MP210603.1234.L06941.",
    "status_code": "TS",
    "airtel_money_id": "MP210603.1234.L06941",
}
NEEDED: Final = ("country", "client_id", "client_secret", "callback_key")
PAYOUTS: Final = ("pin", "pin_public_key")


@pytest.fixture
def fake() -> FakeAirtel:
    return FakeAirtel()


@pytest.fixture
def adapter(fake: FakeAirtel) -> Airtel:
    return fake.adapter()


@pytest.fixture
def given(fake: FakeAirtel, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """All of its settings, in the environment."""
    for name, value in fake.configured_by().items():
        monkeypatch.setenv(f"HESABU_AIRTEL_{name.upper()}", value)
    return monkeypatch


def written(document: object) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def hashed(text: str, key: str = CALLBACK_KEY) -> str:
    return b64encode(hmac.digest(key.encode(), text.encode(), sha256)).decode()


def body_with(transaction: str, digest: str) -> bytes:
    return f'{{"transaction":{transaction},"hash":"{digest}"}}'.encode()


def configuration(fake: FakeAirtel, **changed: Any) -> AirtelConfiguration:  # noqa: ANN401 - settings
    return AirtelConfiguration(**{**fake.configured_by(), **changed})


COMPACT: Final = written(TRANSACTION)
SPACED: Final = json.dumps(TRANSACTION, indent=2)
FORMS: Final = {
    "the transaction": body_with(COMPACT, hashed(COMPACT)),
    "the payload": body_with(COMPACT, hashed(f'{{"transaction":{COMPACT}}}')),
    "the transaction, sent with spaces": body_with(SPACED, hashed(COMPACT)),
    "the transaction as sent": body_with(SPACED, hashed(SPACED)),
    "the payload as sent": body_with(SPACED, hashed(f'{{"transaction":{SPACED}}}')),
    "the payload with the hash first": (
        f'{{ "hash" : "{hashed(written({"transaction": TRANSACTION}))}" ,'
        f' "transaction" : {SPACED} }}'.encode()
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_callback_is_a_hint_in_whichever_form_it_is_hashed(adapter: Airtel, form: str) -> None:
    callback = adapter.verify(delivery({}, FORMS[form]))
    assert callback.to_confirm
    assert callback.reports == ()
    assert callback.about == PAYMENT
    assert callback.headers == {ABOUT_HEADER: str(PAYMENT)}
    assert callback.natural_key == f"hint:{sha256(FORMS[form]).hexdigest()}"


def test_the_published_callback_is_read_and_its_hash_is_not_ours(adapter: Airtel) -> None:
    with pytest.raises(BadSignatureError):
        adapter.verify(delivery({}, PUBLISHED))
    callback = adapter.read({}, PUBLISHED, natural_key="hint:1")
    # Nothing of ours is called so.
    assert callback.reason == "unknown_reference"
    ours = PUBLISHED.replace(b"BBZMiscxy", PAYMENT.hex.encode())
    assert adapter.read({}, ours, natural_key="hint:1").about == PAYMENT


def test_a_callback_about_a_payout_says_so(fake: FakeAirtel, adapter: Airtel) -> None:
    sent = fake.hashed({**TRANSACTION, "id": payout_reference(PAYMENT, 3)})
    callback = adapter.verify(fake.delivery(sent))
    assert callback.to_confirm
    assert callback.about == PAYMENT
    assert callback.headers == {}


@pytest.mark.parametrize(
    "digest",
    [
        *("", " ", "=", "0" * 44, hashed(COMPACT)[:-1], f"{hashed(COMPACT)}=", hashed("")),
        *(f" {hashed(COMPACT)}", hashed(COMPACT).lower(), hashed(COMPACT)[::-1], "é"),
        *(hashed(COMPACT, ""), hashed(COMPACT, f"{CALLBACK_KEY} "), CALLBACK_KEY),
        hmac.digest(CALLBACK_KEY.encode(), COMPACT.encode(), sha256).hex(),
        b64encode(hmac.digest(CALLBACK_KEY.encode(), COMPACT.encode(), sha1)).decode(),
        b64encode(sha256(COMPACT.encode()).digest()).decode(),
    ],
)
def test_any_other_hash_is_refused(adapter: Airtel, digest: str) -> None:
    with pytest.raises(BadSignatureError):
        adapter.verify(delivery({}, body_with(COMPACT, digest)))


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"null", b"[]", b'""', b"\xff", b"[" * 9_999),
        *(b'{"hash":"x"}', b'{"transaction":{}}', COMPACT.encode()),
        f'{{"transaction":{COMPACT}}}'.encode(),
        *(body_with(COMPACT, "x")[:-3], FORMS["the transaction"] + b" {}"),
        f'{{"transaction":{COMPACT},"hash":null}}'.encode(),
        f'{{"transaction":{COMPACT},"hash":["{hashed(COMPACT)}"]}}'.encode(),
        # What was hashed stands before, or after, something else of the same name.
        f'{{"transaction":{COMPACT},"transaction":{{}},"hash":"{hashed(COMPACT)}"}}'.encode(),
        f'{{"transaction":{{}},"transaction":{COMPACT},"hash":"{hashed(COMPACT)}"}}'.encode(),
        body_with(COMPACT.replace('"id"', '"id":"x","id"', 1), hashed(COMPACT)),
    ],
)
def test_a_body_without_its_hash_is_refused(adapter: Airtel, body: bytes) -> None:
    with pytest.raises(BadSignatureError):
        adapter.verify(delivery({}, body))


LENGTH: Final = 1 << 18
NESTED: Final = '{"transaction":' * 300 + '"' + "x" * LENGTH + '"' + "}" * 299


@pytest.mark.parametrize(
    "body",
    [
        '{"transaction":{},"hash":"x"' + " " * LENGTH + "}",
        " " * LENGTH + '{"transaction":{},"hash":"x"}',
        '{"transaction":{},"hash":"x","a":"' + ",  " * (LENGTH // 3) + '"}',
        '{"transaction":{},"hash":"x","a":[' + ",".join(['{"hash" :1}'] * (LENGTH // 12)) + "]}",
        '{"transaction":{},"hash":"x","a":' + "9" * LENGTH + "}",
        '{"a":' + NESTED + '},"transaction":{},"hash":"x"}',
        NESTED + ',"hash":"x"}',
    ],
    ids=range(7),
)
def test_a_body_that_was_made_to_be_slow_is_refused_at_once(adapter: Airtel, body: str) -> None:
    began = time.perf_counter()
    with pytest.raises(BadSignatureError):
        adapter.verify(delivery({}, body.encode()))
    assert time.perf_counter() - began < 1.0


def test_a_number_is_hashed_as_it_was_sent(adapter: Airtel) -> None:
    text = COMPACT.replace('"TS"', '"TS","amount":1250.50,"fee":1e2')
    assert adapter.verify(delivery({}, body_with(text, hashed(text)))).to_confirm


@pytest.mark.parametrize("count", [ORDINARY, pytest.param(CAMPAIGN, marks=pytest.mark.slow)])
@pytest.mark.parametrize("form", FORMS)
def test_a_changed_callback_says_nothing_new(
    fake: FakeAirtel, adapter: Airtel, form: str, count: int
) -> None:
    sent = Sent("POST", "", {"content-type": "application/json"}, FORMS[form])
    check_mutations(fake, adapter, sent, count=count, random=Random(count))


@pytest.mark.parametrize("count", [ORDINARY, pytest.param(CAMPAIGN, marks=pytest.mark.slow)])
@pytest.mark.parametrize("form", FORMS)
def test_whatever_is_believed_is_about_what_was_hashed(
    fake: FakeAirtel, adapter: Airtel, form: str, count: int
) -> None:
    sent = Sent("POST", "", {"content-type": "application/json"}, FORMS[form])
    random, refused = Random(form), 0
    for _ in range(count):
        changed = mutated(sent, random)
        try:
            adapter.verify(fake.delivery(changed))
        except BadSignatureError:
            refused += 1
        else:
            assert json.loads(changed.body)["transaction"] == TRANSACTION
    assert refused > count // 2


def test_what_is_published_is_understood() -> None:
    read = {
        path.stem: said(json_object(path.read_bytes()))
        for path in GOLDEN.glob("*.json")
        if path.stem != "callback"
    }
    letters = {name: answer.letters for name, answer in read.items()}
    assert letters == {
        "enquiry.succeeded": "TS",
        "enquiry.failed": "TF",
        "payout.paid": "TS",
        "refund.done": "SUCCESS",
    }
    assert read["enquiry.failed"].reason == "no_pin_entered"
    assert read["payout.paid"].codes == {"ESB000010", "DP00900001001"}
    assert read["refund.done"].transaction["airtel_money_id"] == "CI2****29"


@pytest.mark.parametrize(
    "document",
    [
        *({}, {"data": None}, {"data": []}, {"data": {"transaction": "x"}}, {"status": "x"}),
        {"status": {"response_code": 7, "result_code": None}},
        {"status": {"response_code": "Mr John of 0733123456"}, "data": {"transaction": []}},
    ],
)
def test_what_is_of_another_shape_is_not_there(document: dict[str, Any]) -> None:
    assert said(document) == Said(frozenset(), None, {})
    assert said(document).reason == "unspecified"


def test_references_are_of_letters_and_digits_and_come_back() -> None:
    payment, attempt = payment_reference(PAYMENT), payout_reference(PAYMENT, 9_999)
    assert payment.isalnum()
    assert attempt.isalnum()
    assert len(attempt) <= 40
    assert payment_of(payment) == PAYMENT
    assert attempt_of(attempt) == (PAYMENT, 9_999)
    for none in (attempt, payment.upper(), f"{payment} ", str(PAYMENT), "", None, 7, ["a"]):
        assert payment_of(none) is None
    for none in (payment, f"{payment}A0", f"{payment}A01", f"{payment}B1", f"{attempt}0", None):
        assert attempt_of(none) == (None, 0)


def test_a_pin_is_encrypted_for_airtel_and_never_twice_alike() -> None:
    key = public_key_of(PUBLIC_KEY)
    first, second = encrypted("4094", key), encrypted("4094", key)
    assert first != second
    for each in (first, second):
        assert KEY.decrypt(b64decode(each), PKCS1v15()) == b"4094"


@pytest.mark.parametrize(
    ("country", "currency", "limits"),
    [
        ("KE", "KES", (100, 1_000, 25_000_000)),
        ("UG", "UGX", (1, 500, 5_000_000)),
        ("RW", "RWF", (1, 1, AMOUNT_MAX)),
        ("ZM", "ZMW", (100, 100, AMOUNT_MAX - AMOUNT_MAX % 100)),
        ("NE", "XOF", (1, 1, AMOUNT_MAX)),
        ("CD", "CDF", (100, 100, AMOUNT_MAX - AMOUNT_MAX % 100)),
    ],
)
def test_what_is_taken_and_paid_out_in_each_country(
    fake: FakeAirtel, country: str, currency: str, limits: tuple[int, int, int]
) -> None:
    airtel = adapter_of(configuration(fake, country=country))
    terms = airtel.terms(currency, expires_after_seconds=60)
    paid_out = airtel.payout_terms(currency)
    assert terms is not None
    assert (terms.step, terms.minimum, terms.maximum) == limits
    assert terms.expires_after_seconds == 60
    assert paid_out is not None
    assert (paid_out.step, paid_out.minimum, paid_out.maximum) == limits
    for other in ({"UGX", "RWF", "KES", "ZMW", "XXX"}) - {currency}:
        assert airtel.terms(other, expires_after_seconds=60) is None
        assert airtel.payout_terms(other) is None


def adapter_of(settings: AirtelConfiguration) -> Airtel:
    """An adapter with these settings."""
    return type(FakeAirtel().adapter())(settings, timeout_seconds=1)


def test_a_contracts_own_limits_count(fake: FakeAirtel) -> None:
    limits = configuration(fake, minimum=5_000, maximum=7_000_000).limits
    assert limits == (100, 5_000, 7_000_000)


@pytest.mark.parametrize("country", MARKETS)
def test_every_countrys_currency_is_one_of_ours(fake: FakeAirtel, country: str) -> None:
    limits = configuration(fake, country=country).limits
    assert 0 < limits.step <= limits.minimum < limits.maximum
    assert limits.minimum % limits.step == limits.maximum % limits.step == 0


def settings() -> Settings:
    return Settings.model_construct(provider_timeout_seconds=2.0)


def test_without_settings_there_is_no_airtel() -> None:
    assert configured(settings()) is None


@pytest.mark.usefixtures("given")
def test_with_all_settings_there_is() -> None:
    adapter = configured(settings())
    assert adapter is not None
    assert adapter.verify(delivery({}, FORMS["the transaction"])).to_confirm


@pytest.mark.parametrize("name", [*NEEDED, *PAYOUTS])
def test_half_a_configuration_stops_the_start(given: pytest.MonkeyPatch, name: str) -> None:
    given.setenv(f"HESABU_AIRTEL_{name.upper()}", "")
    with pytest.raises(HalfConfiguredError, match=f"HESABU_AIRTEL_{name.upper()}"):
        configured(settings())


def test_without_a_pin_nothing_is_paid_out(given: pytest.MonkeyPatch) -> None:
    for name in PAYOUTS:
        given.delenv(f"HESABU_AIRTEL_{name.upper()}")
    adapter = configured(settings())
    assert adapter is not None
    assert adapter.terms("KES", expires_after_seconds=60) is not None
    assert adapter.payout_terms("KES") is None


def test_payouts_alone_are_half_a_configuration(given: pytest.MonkeyPatch) -> None:
    for name in NEEDED:
        given.delenv(f"HESABU_AIRTEL_{name.upper()}")
    with pytest.raises(HalfConfiguredError, match="HESABU_AIRTEL_CLIENT_ID"):
        configured(settings())


ELLIPTIC: Final = (
    generate_private_key(SECP256R1())
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("country", "XX"), ("country", "ke"), ("callback_key", "short"), ("version", "v3")),
        *(("first_query_seconds", "0"), ("minimum", "0"), ("maximum", "-5")),
        *(("pin_public_key", "x"), ("pin_public_key", "bm90IGEga2V5")),
        ("pin_public_key", b64encode(ELLIPTIC).decode()),
    ],
)
def test_a_setting_that_cannot_be_stops_the_start(
    given: pytest.MonkeyPatch, name: str, value: str
) -> None:
    given.setenv(f"HESABU_AIRTEL_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name):
        configured(settings())


def test_no_secret_is_in_what_a_wrong_setting_says(given: pytest.MonkeyPatch) -> None:
    given.setenv("HESABU_AIRTEL_CALLBACK_KEY", "a-short-secret")
    with pytest.raises(ValidationError) as raised:
        configured(settings())
    assert "a-short-secret" not in str(raised.value)


def test_a_hash_is_over_the_bytes_that_were_sent() -> None:
    assert callback_hash(COMPACT, CALLBACK_KEY) == hashed(COMPACT)
