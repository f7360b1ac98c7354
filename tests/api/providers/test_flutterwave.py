"""Flutterwave's callbacks: what is believed of them, and what they say."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256, sha512
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import pytest

from api.providers.configuration import HalfConfiguredError
from api.providers.flutterwave import Flutterwave, configured
from api.providers.port import BadSignatureError
from api.settings import Settings
from ledger.commands import Claim, FeeReport, PayoutClaim, PayoutReport, ProviderReport
from ledger.money import Money
from tests.api.providers.asking import delivery
from tests.api.providers.fake import Sent
from tests.api.providers.fakes.flutterwave import SECRET_HASH, FakeFlutterwave
from tests.api.providers.mutations import CAMPAIGN, ORDINARY, check_mutations

if TYPE_CHECKING:
    from api.providers.port import VerifiedCallback
    from ledger.commands import AnyReport

GOLDEN: Final = Path(__file__).parent / "golden" / "flutterwave"
PAYMENT: Final = UUID("7d1f0a52-9c1b-4f5e-8a86-6f7f3ad7b001")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def signature_of(body: bytes, secret: str = SECRET_HASH) -> str:
    return b64encode(hmac.digest(secret.encode(), body, sha256)).decode()


def signed(body: bytes) -> dict[str, str]:
    return {"content-type": "application/json", "flutterwave-signature": signature_of(body)}


PUBLISHED: Final[dict[str, tuple[str, AnyReport]]] = {
    "v3.charge.completed": (
        "charge.completed:288200108:successful",
        ProviderReport(
            provider="flutterwave",
            payment_id=None,
            claim=Claim.SUCCEEDED,
            provider_transaction="288200108",
            received=Money(amount=10_000, currency="NGN"),
            occurred_at=at("2020-07-15T14:31:16"),
            also_known_as=("YemiDesola/FLW275407301",),
        ),
    ),
    "v3.transfer.completed": (
        "transfer.completed:396435:FAILED",
        PayoutReport(
            provider="flutterwave",
            payout_id=None,
            attempt=0,
            claim=PayoutClaim.FAILED,
            paid=Money(amount=5_000, currency="KES"),
            paid_from="provider:flutterwave:disbursement",
            provider_transaction="396435",
            reason="unspecified",
            occurred_at=at("2023-03-11T01:14:35"),
        ),
    ),
    "v4.charge.completed": (
        "charge.completed:chg_Hq4oBRTJ4r:succeeded",
        ProviderReport(
            provider="flutterwave",
            payment_id=UUID("49c3c6f5-aedd-4443-9eb4-92c51758f04a"),
            claim=Claim.SUCCEEDED,
            provider_transaction="chg_Hq4oBRTJ4r",
            received=Money(amount=250_000, currency="KES"),
        ),
    ),
    "v4.transfer.disburse": (
        "transfer.disburse:trf_yMZATJ11yVPNkZ:SUCCESSFUL",
        PayoutReport(
            provider="flutterwave",
            payout_id=None,
            attempt=0,
            claim=PayoutClaim.PAID,
            paid=Money(amount=5_000_000, currency="NGN"),
            paid_from="provider:flutterwave:disbursement",
            provider_transaction="trf_yMZATJ11yVPNkZ",
        ),
    ),
}


@pytest.fixture(scope="module")
def fake() -> FakeFlutterwave:
    return FakeFlutterwave()


@pytest.fixture(scope="module")
def adapter(fake: FakeFlutterwave) -> Flutterwave:
    return fake.adapter()


def told(adapter: Flutterwave, event: str, data: dict[str, Any]) -> VerifiedCallback:
    body = json.dumps({"event": event, "data": data}).encode()
    return adapter.verify(delivery(signed(body), body))


def charge(**other: object) -> dict[str, Any]:
    return {
        "id": 285959875,
        "tx_ref": str(PAYMENT),
        "flw_ref": "DRT2185193369827039",
        "amount": 1250,
        "currency": "KES",
        "app_fee": 36.25,
        "status": "successful",
        "created_at": "2026-03-04T05:06:07.000Z",
        **other,
    }


def transfer(**other: object) -> dict[str, Any]:
    return {
        "id": 396435,
        "currency": "KES",
        "amount": 500,
        "status": "SUCCESSFUL",
        "reference": f"{PAYMENT}-2",
        "complete_message": "",
        **other,
    }


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_callback_that_is_signed_is_believed(adapter: Flutterwave, name: str) -> None:
    body = (GOLDEN / f"{name}.json").read_bytes()
    callback = adapter.verify(delivery(signed(body), body))
    assert (callback.natural_key, callback.reports[0]) == PUBLISHED[name]
    assert callback.headers == signed(body)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_same_with_the_secret_hash_alone_is_a_hint(adapter: Flutterwave, name: str) -> None:
    body = (GOLDEN / f"{name}.json").read_bytes()
    for header in ("verif-hash", "flutterwave-signature"):
        callback = adapter.verify(delivery({header: SECRET_HASH}, body))
        assert callback.to_confirm
        assert callback.reports == ()
        assert callback.natural_key == f"hint:{sha256(body).hexdigest()}"
        assert SECRET_HASH not in callback.headers.values()
        # Nor is it believed when it is read again.
        again = adapter.read(callback.headers, body, natural_key=callback.natural_key)
        assert again == callback


@pytest.mark.parametrize("event", ["refund.completed", "chargeback.initiated"])
def test_what_names_neither_currency_nor_us_is_asked_about_signed_or_not(
    adapter: Flutterwave, event: str
) -> None:
    callback = told(adapter, event, {"id": 8612, "tx_ref": str(PAYMENT)})
    assert (callback.to_confirm, callback.reports, callback.about) == (True, (), PAYMENT)


@pytest.mark.parametrize(
    ("event", "reference", "about"),
    [
        ("charge.completed", {"tx_ref": str(PAYMENT)}, PAYMENT),
        ("charge.completed", {"tx_ref": "somebody else's"}, None),
        ("transfer.completed", {"reference": f"{PAYMENT}-1"}, PAYMENT),
    ],
)
def test_a_hint_names_what_it_is_about(
    adapter: Flutterwave, event: str, reference: dict[str, str], about: UUID | None
) -> None:
    body = json.dumps({"event": event, "data": {"id": 1, **reference}}).encode()
    assert adapter.verify(delivery({"verif-hash": SECRET_HASH}, body)).about == about


def test_a_success_is_told_with_its_fee(adapter: Flutterwave) -> None:
    report, fee = told(adapter, "charge.completed", charge()).reports
    assert isinstance(report, ProviderReport)
    assert report.payment_id == PAYMENT
    assert report.also_known_as == ("DRT2185193369827039",)
    assert fee == FeeReport(
        provider="flutterwave",
        payment_id=PAYMENT,
        fee_reference="fee:285959875",
        fee=Money(amount=3_625, currency="KES"),
        occurred_at=at("2026-03-04T05:06:07"),
    )


@pytest.mark.parametrize("fee", [None, 0, 0.005, "free", -1])
def test_a_fee_that_is_none_or_in_fractions_does_not_hold_up_the_money(
    adapter: Flutterwave, fee: object
) -> None:
    assert len(told(adapter, "charge.completed", charge(app_fee=fee)).reports) == 1


@pytest.mark.parametrize("flw_ref", ["N/A", "", None, "short1", "no digits in it", "a b" * 9])
def test_a_name_that_many_have_is_not_taken(adapter: Flutterwave, flw_ref: object) -> None:
    report = told(adapter, "charge.completed", charge(flw_ref=flw_ref)).reports[0]
    assert isinstance(report, ProviderReport)
    assert report.also_known_as == ()


@pytest.mark.parametrize(
    ("status", "claim"),
    [
        *(("failed", Claim.FAILED), ("pending", Claim.PENDING), ("cancelled", Claim.CANCELLED)),
        *(("successful", Claim.SUCCEEDED), ("succeeded", Claim.SUCCEEDED)),
    ],
)
def test_every_status_of_a_charge(adapter: Flutterwave, status: str, claim: Claim) -> None:
    said = charge(status=status, processor_response="DISBURSE FAILED: call +254700000001")
    report = told(adapter, "charge.completed", said).reports[0]
    assert isinstance(report, ProviderReport)
    assert report.claim is claim
    assert report.reason in {None, "unspecified"}


def test_version_fours_codes_are_reasons(adapter: Flutterwave) -> None:
    said = charge(status="failed", processor_response={"type": "insufficient_funds", "code": "51"})
    report = told(adapter, "charge.completed", said).reports[0]
    assert isinstance(report, ProviderReport)
    assert report.reason == "insufficient_funds"


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        (1250, "KES", 125_000),
        (12.34, "KES", 1_234),
        ("12.50", "KES", 1_250),
        (500, "UGX", 500),
        (0.1, "NGN", 10),
    ],
)
def test_amounts_are_in_major_units(
    adapter: Flutterwave, amount: object, currency: str, expected: int
) -> None:
    report = told(adapter, "charge.completed", charge(amount=amount, currency=currency)).reports[0]
    assert isinstance(report, ProviderReport)
    assert report.received == Money(amount=expected, currency=currency)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        *((0, "KES"), (-1, "KES"), (12.345, "KES"), (True, "KES"), (None, "KES"), ({}, "KES")),
        *(("1_000", "KES"), ("1e3", "KES"), (" 1", "KES"), (10**20, "KES"), ("9" * 40, "KES")),
        *((0.5, "UGX"), (100, "XXX"), (100, None), (100, 7)),
    ],
)
def test_an_odd_amount_is_kept_for_a_person(
    adapter: Flutterwave, amount: object, currency: object
) -> None:
    callback = told(adapter, "charge.completed", charge(amount=amount, currency=currency))
    assert (callback.reports, callback.to_confirm) == ((), False)
    assert callback.reason in {"unreadable_amount", "inexact_amount", "unknown_currency"}


@pytest.mark.parametrize(
    ("event", "data", "expected"),
    [
        ("transfer.completed", {}, (PayoutClaim.PAID, None, False)),
        ("transfer.completed", {"status": "NEW"}, (PayoutClaim.PENDING, None, False)),
        ("transfer.completed", {"status": "PENDING"}, (PayoutClaim.PENDING, None, False)),
        (
            "transfer.completed",
            {"status": "FAILED", "complete_message": "DISBURSE FAILED: Insufficient funds"},
            (PayoutClaim.FAILED, "insufficient_balance", True),
        ),
        (
            "transfer.completed",
            {"status": "FAILED", "complete_message": "DISBURSE FAILED: call +254700000001"},
            (PayoutClaim.FAILED, "unspecified", False),
        ),
        (
            "transfer.disburse",
            {"status": "FAILED", "provider_response": {"type": "invalid_msisdn", "message": "?"}},
            (PayoutClaim.FAILED, "invalid_msisdn", False),
        ),
        (
            "transfer.reversal",
            {"status": "FAILED", "reversal": {"initial_status": "SUCCESSFUL"}},
            (PayoutClaim.RETURNED, "unspecified", False),
        ),
    ],
)
def test_every_status_of_a_transfer(
    adapter: Flutterwave, event: str, data: dict[str, Any], expected: tuple[object, ...]
) -> None:
    [report] = told(adapter, event, transfer(**data)).reports
    assert isinstance(report, PayoutReport)
    assert (report.payout_id, report.attempt) == (PAYMENT, 2)
    assert (report.claim, report.reason, report.retryable) == expected


@pytest.mark.parametrize(
    ("event", "data", "reason"),
    [
        ("charge.completed", charge(status="new to us"), "unknown_status"),
        ("charge.completed", charge(id=None), "unreadable_transaction"),
        ("transfer.completed", transfer(status="new to us"), "unknown_status"),
        ("subscription.cancelled", {"status": "deactivated"}, "unknown_event"),
    ],
)
def test_what_is_not_understood_is_kept_for_a_person(
    adapter: Flutterwave, event: str, data: dict[str, Any], reason: str
) -> None:
    callback = told(adapter, event, data)
    assert (callback.reports, callback.to_confirm, callback.reason) == ((), False, reason)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"event":"charge.completed"}', b"\xff", b"[" * 100_000]
)
@pytest.mark.parametrize("is_signed", [True, False])
def test_bytes_that_are_no_document_are_kept_for_a_person(
    adapter: Flutterwave,
    body: bytes,
    is_signed: bool,
) -> None:
    headers = signed(body) if is_signed else {"verif-hash": SECRET_HASH}
    callback = adapter.verify(delivery(headers, body))
    assert (callback.reports, callback.to_confirm) == ((), False)
    assert callback.reason == "unreadable_body"


BODY: Final = b'{"event":"charge.completed","data":{}}'
RIGHT: Final = signature_of(BODY)


@pytest.mark.parametrize(
    "signature",
    [
        *("", " ", RIGHT.lower(), RIGHT[:-1], f"{RIGHT}=", f" {RIGHT}", f"{RIGHT},{RIGHT}"),
        *("A" * 44, "é" * 44, "\udcff", signature_of(BODY, ""), signature_of(b"")),
        *(hmac.digest(SECRET_HASH.encode(), BODY, sha256).hex(), SECRET_HASH[:-1]),
        b64encode(hmac.digest(SECRET_HASH.encode(), BODY, sha512)).decode(),
    ],
)
@pytest.mark.parametrize("beside", [{}, {"verif-hash": SECRET_HASH}])
def test_any_other_signature_is_refused(
    adapter: Flutterwave, signature: str, beside: dict[str, str]
) -> None:
    with pytest.raises(BadSignatureError):
        adapter.verify(delivery({"flutterwave-signature": signature, **beside}, BODY))


@pytest.mark.parametrize(
    "secret", ["", " ", SECRET_HASH[:-1], f"{SECRET_HASH} ", SECRET_HASH.upper(), "é", "\udcff"]
)
def test_any_other_secret_hash_is_refused(adapter: Flutterwave, secret: str) -> None:
    with pytest.raises(BadSignatureError):
        adapter.verify(delivery({"verif-hash": secret}, BODY))
    with pytest.raises(BadSignatureError):
        adapter.verify(delivery({}, BODY))


@pytest.mark.parametrize("count", [ORDINARY, pytest.param(CAMPAIGN, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("is_signed", [True, False])
def test_a_changed_callback_says_nothing_new(
    fake: FakeFlutterwave,
    adapter: Flutterwave,
    name: str,
    is_signed: bool,
    count: int,
) -> None:
    body = (GOLDEN / f"{name}.json").read_bytes()
    headers = signed(body) if is_signed else {"verif-hash": SECRET_HASH}
    sent = Sent("POST", "", headers, body)
    check_mutations(fake, adapter, sent, count=count, random=Random(count))


@pytest.mark.parametrize(
    ("currency", "charged", "paid_out"),
    [
        ("KES", (100, 100, 25_000_000), (100, 1_000, 25_000_000)),
        ("UGX", (1, 500, 5_000_000), (1, 500, 5_000_000)),
        ("NGN", None, None),
        ("XXX", None, None),
    ],
)
def test_what_is_taken_and_paid_out_of_each_currency(
    adapter: Flutterwave,
    currency: str,
    charged: tuple[int, int, int] | None,
    paid_out: tuple[int, int, int] | None,
) -> None:
    terms = adapter.terms(currency, expires_after_seconds=60)
    limits = adapter.payout_terms(currency)
    assert charged == (terms and (terms.step, terms.minimum, terms.maximum))
    assert paid_out == (limits and (limits.step, limits.minimum, limits.maximum))


def test_half_a_configuration_stops_the_start(
    fake: FakeFlutterwave, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.model_construct()
    assert configured(settings) is None
    needed = {name: text for name, text in fake.settings().items() if not name.endswith("URL")}
    for number, (name, text) in enumerate(needed.items()):
        if number:
            with pytest.raises(HalfConfiguredError, match=f"HESABU_{name}"):
                configured(settings)
        monkeypatch.setenv(f"HESABU_{name}", text)
    assert configured(settings) is not None
    monkeypatch.setenv("HESABU_FLUTTERWAVE_SECRET_HASH", "")
    with pytest.raises(HalfConfiguredError, match="HESABU_FLUTTERWAVE_SECRET_HASH"):
        configured(settings)
