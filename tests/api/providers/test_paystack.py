"""Paystack's callbacks: what is believed of them, and what they say."""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime
from hashlib import sha256, sha512
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import pytest

from api.providers.configuration import HalfConfiguredError
from api.providers.paystack import Paystack, configured
from api.providers.port import BadSignatureError
from api.settings import Settings
from ledger.commands import (
    Claim,
    DisputeReport,
    FeeReport,
    PayoutClaim,
    PayoutReport,
    ProviderReport,
    RefundClaim,
    RefundReport,
)
from ledger.money import Money
from tests.api.providers.asking import delivery
from tests.api.providers.fakes.paystack import SECRET_KEY, FakePaystack, signed_by_paystack
from tests.api.providers.mutations import CAMPAIGN, ORDINARY, check_mutations

if TYPE_CHECKING:
    from api.providers.port import VerifiedCallback
    from ledger.commands import AnyReport

GOLDEN: Final = Path(__file__).parent / "golden" / "paystack"
PAYMENT: Final = UUID("7d1f0a52-9c1b-4f5e-8a86-6f7f3ad7b001")


def naira(amount: int) -> Money:
    return Money(amount=amount, currency="NGN")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


PUBLISHED: Final[dict[str, tuple[str, AnyReport]]] = {
    "charge.success": (
        "charge.success:302961",
        ProviderReport(
            provider="paystack",
            payment_id=None,
            claim=Claim.SUCCEEDED,
            provider_transaction="302961",
            received=naira(10_000),
            occurred_at=at("2016-09-30T21:10:19"),
            also_known_as=("qTPrJoy9Bx",),
        ),
    ),
    "transfer.success": (
        "transfer.success:860703114",
        PayoutReport(
            provider="paystack",
            payout_id=None,
            attempt=0,
            claim=PayoutClaim.PAID,
            paid=naira(100_000),
            paid_from="provider:paystack:disbursement",
            provider_transaction="TRF_v5tip3zx8nna9o78",
            occurred_at=at("2025-08-04T10:32:40"),
        ),
    ),
    "transfer.failed": (
        "transfer.failed:69123462",
        PayoutReport(
            provider="paystack",
            payout_id=None,
            attempt=0,
            claim=PayoutClaim.FAILED,
            paid=naira(200_000),
            paid_from="provider:paystack:disbursement",
            provider_transaction="TRF_chs98y5rykjb47w",
            reason="transfer_failed",
            occurred_at=at("2021-04-12T15:41:21"),
        ),
    ),
    "transfer.reversed": (
        "transfer.reversed:20615868",
        PayoutReport(
            provider="paystack",
            payout_id=None,
            attempt=0,
            claim=PayoutClaim.RETURNED,
            paid=naira(10_000),
            paid_from="provider:paystack:disbursement",
            provider_transaction="TRF_js075pj9u07f34l",
            reason="transfer_reversed",
            occurred_at=at("2020-03-24T07:14:55"),
        ),
    ),
    "charge.dispute.create": (
        "charge.dispute.create:358950:None",
        DisputeReport(
            provider="paystack",
            payment_id=None,
            dispute="358950",
            stage="opened",
            disputed=naira(5_800),
            funds_withdrawn=False,
            occurred_at=at("2020-11-24T13:46:57"),
        ),
    ),
    "charge.dispute.remind": (
        "charge.dispute.remind:358950:None",
        DisputeReport(
            provider="paystack",
            payment_id=None,
            dispute="358950",
            stage="opened",
            disputed=naira(5_800),
            funds_withdrawn=False,
            occurred_at=at("2020-11-24T13:46:57"),
        ),
    ),
    "charge.dispute.resolve": (
        "charge.dispute.resolve:358949:2020-11-24T14:00:02.000Z",
        DisputeReport(
            provider="paystack",
            payment_id=None,
            dispute="358949",
            stage="closed",
            disputed=naira(5_700),
            lost_amount=5_700,
            funds_withdrawn=False,
            occurred_at=at("2020-11-24T14:00:02"),
        ),
    ),
}


@pytest.fixture(scope="module")
def fake() -> FakePaystack:
    return FakePaystack()


@pytest.fixture(scope="module")
def adapter(fake: FakePaystack) -> Paystack:
    return fake.adapter()


def told(adapter: Paystack, event: str, data: dict[str, Any]) -> VerifiedCallback:
    body = json.dumps({"event": event, "data": data}).encode()
    sent = signed_by_paystack(body)
    return adapter.verify(delivery(sent.headers, body))


def charge(**other: object) -> dict[str, Any]:
    return {
        "id": 2009945086,
        "status": "success",
        "reference": str(PAYMENT),
        "amount": 125_000,
        "currency": "KES",
        "paid_at": "2026-03-04T05:06:07.000Z",
        "fees": 1_875,
        **other,
    }


@pytest.mark.parametrize("event", PUBLISHED)
def test_a_published_callback_is_read(adapter: Paystack, event: str) -> None:
    body = (GOLDEN / f"{event}.json").read_bytes()
    callback = adapter.verify(delivery(signed_by_paystack(body).headers, body))
    assert (callback.natural_key, callback.reports[0]) == PUBLISHED[event]
    assert len(callback.reports) == 1
    assert set(callback.headers) == {"content-type", "x-paystack-signature"}


@pytest.mark.parametrize("event", ["refund.pending", "refund.processing"])
def test_a_published_refund_that_is_open_changes_nothing(adapter: Paystack, event: str) -> None:
    body = (GOLDEN / f"{event}.json").read_bytes()
    callback = adapter.verify(delivery(signed_by_paystack(body).headers, body))
    [report] = callback.reports
    assert isinstance(report, RefundReport)
    assert report.claim is RefundClaim.PENDING
    assert report.refunded == naira(10_000)  # which is the text "10000" in it


@pytest.mark.parametrize("event", ["refund.processed", "refund.failed"])
def test_a_published_refund_that_has_ended_is_asked_about(adapter: Paystack, event: str) -> None:
    body = (GOLDEN / f"{event}.json").read_bytes()
    callback = adapter.verify(delivery(signed_by_paystack(body).headers, body))
    assert callback.to_confirm
    assert callback.reports == ()
    assert callback.natural_key == f"hint:{sha256(body).hexdigest()}"


def test_a_success_is_told_with_its_fee(adapter: Paystack) -> None:
    report, fee = told(adapter, "charge.success", charge()).reports
    assert isinstance(report, ProviderReport)
    assert (report.payment_id, report.also_known_as) == (PAYMENT, ())
    assert report.received == Money(amount=125_000, currency="KES")
    assert fee == FeeReport(
        provider="paystack",
        payment_id=PAYMENT,
        fee_reference="fee:2009945086",
        fee=Money(amount=1_875, currency="KES"),
        occurred_at=at("2026-03-04T05:06:07"),
    )


def test_a_failure_gives_no_reason_that_was_written_by_hand(adapter: Paystack) -> None:
    failed = charge(status="failed", gateway_response="call +254700000001")
    [report] = told(adapter, "charge.failed", failed).reports
    assert report == ProviderReport(
        provider="paystack", payment_id=PAYMENT, claim=Claim.FAILED, reason="failed"
    )


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        (125_000, "KES", Money(amount=125_000, currency="KES")),
        ("125000", "GHS", Money(amount=125_000, currency="GHS")),
        (1, "ZAR", Money(amount=1, currency="ZAR")),
        # A hundred subunits to a major unit, and UGX and XOF have no smaller ones.
        (50_000, "UGX", Money(amount=500, currency="UGX")),
        (50_000, "XOF", Money(amount=500, currency="XOF")),
    ],
)
def test_amounts_are_in_subunits(
    adapter: Paystack, amount: object, currency: str, expected: Money
) -> None:
    said = charge(amount=amount, currency=currency, fees=None)
    [report] = told(adapter, "charge.success", said).reports
    assert isinstance(report, ProviderReport)
    assert report.received == expected


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        *((0, "KES"), (-100, "KES"), (12.5, "KES"), (True, "KES"), (None, "KES"), ([], "KES")),
        *(("1_000", "KES"), ("1e3", "KES"), (" 1", "KES"), (10**20, "KES"), ("9" * 40, "KES")),
        *((50_001, "UGX"), (100, "XXX"), (100, None), (100, 7)),
    ],
)
def test_an_odd_amount_is_kept_for_a_person(
    adapter: Paystack, amount: object, currency: object
) -> None:
    callback = told(adapter, "charge.success", charge(amount=amount, currency=currency))
    assert callback.reports == ()
    assert not callback.to_confirm
    assert callback.reason in {"unreadable_amount", "inexact_amount", "unknown_currency"}


@pytest.mark.parametrize(
    ("event", "data", "reason"),
    [
        ("charge.success", charge(status="failed"), "contradictory_status"),
        ("charge.success", charge(id=None), "unreadable_transaction"),
        ("charge.success", charge(id="a" * 200), "unreadable_transaction"),
        ("transfer.success", {"status": "failed"}, "contradictory_status"),
        ("charge.dispute.create", {"id": 1}, "unreadable_body"),
        ("subscription.create", {"status": "active"}, "unknown_event"),
        ("refund.needs-attention", {"status": "needs-attention"}, "unknown_event"),
    ],
)
def test_what_is_not_understood_is_kept_for_a_person(
    adapter: Paystack, event: str, data: dict[str, Any], reason: str
) -> None:
    callback = told(adapter, event, data)
    assert (callback.reports, callback.to_confirm, callback.reason) == ((), False, reason)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"event":"charge.success"}', b"\xff\xfe", b"[" * 100_000]
)
def test_bytes_that_are_no_document_are_kept_for_a_person(adapter: Paystack, body: bytes) -> None:
    callback = adapter.verify(delivery(signed_by_paystack(body).headers, body))
    assert (callback.reports, callback.reason) == ((), "unreadable_body")


@pytest.mark.parametrize(
    ("resolution", "refund_amount", "lost"),
    [("merchant-accepted", 2_000, 2_000), ("auto-accepted", 5_700, 5_700), ("declined", 0, 0)],
)
def test_a_dispute_is_lost_as_far_as_it_was_accepted(
    adapter: Paystack, resolution: str, refund_amount: int, lost: int
) -> None:
    document = json.loads((GOLDEN / "charge.dispute.resolve.json").read_bytes())
    data = document["data"] | {"resolution": resolution, "refund_amount": refund_amount}
    data["transaction"]["reference"] = str(PAYMENT)
    [report] = told(adapter, "charge.dispute.resolve", data).reports
    assert isinstance(report, DisputeReport)
    assert (report.payment_id, report.disputed, report.lost_amount) == (PAYMENT, naira(5_700), lost)


def test_a_resolution_that_is_not_known_is_kept_for_a_person(adapter: Paystack) -> None:
    document = json.loads((GOLDEN / "charge.dispute.resolve.json").read_bytes())
    data = document["data"] | {"resolution": "settled somehow"}
    assert told(adapter, "charge.dispute.resolve", data).reason == "unknown_resolution"


def test_a_dispute_without_an_amount_of_its_own_is_about_the_whole_charge(
    adapter: Paystack,
) -> None:
    document = json.loads((GOLDEN / "charge.dispute.create.json").read_bytes())
    data = document["data"] | {"refund_amount": None}
    [report] = told(adapter, "charge.dispute.create", data).reports
    assert isinstance(report, DisputeReport)
    assert report.disputed == naira(5_800)


def test_a_payouts_attempt_is_named_by_its_reference(adapter: Paystack) -> None:
    document = json.loads((GOLDEN / "transfer.success.json").read_bytes())
    payout = uuid4()
    for reference, expected in (
        (f"{payout}-3", (payout, 3)),
        (f"{payout}-03", (None, 0)),
        (f"{str(payout).upper()}-3", (None, 0)),
        (f"{payout}", (None, 0)),
        (f"{payout}-99999", (None, 0)),
    ):
        data = document["data"] | {"reference": reference}
        [report] = told(adapter, "transfer.success", data).reports
        assert isinstance(report, PayoutReport)
        assert (report.payout_id, report.attempt) == expected


def _digest(key: str, body: bytes, how: Any) -> str:  # noqa: ANN401 - a hash
    return hmac.digest(key.encode(), body, how).hex()


BODY: Final = b'{"event":"charge.success","data":{}}'
RIGHT: Final = _digest(SECRET_KEY, BODY, sha512)


@pytest.mark.parametrize(
    "signature",
    [
        *("", " ", "0" * 128, RIGHT.upper(), RIGHT[:-1], f"{RIGHT}0", f" {RIGHT}", f"{RIGHT},"),
        *(RIGHT[::-1], f"sha512={RIGHT}", "é" * 128, "\udcff", _digest(SECRET_KEY, BODY, sha256)),
        *(_digest("", BODY, sha512), _digest(f"{SECRET_KEY} ", BODY, sha512), SECRET_KEY),
        _digest(SECRET_KEY, b"", sha512),
    ],
)
def test_any_other_signature_is_refused(adapter: Paystack, signature: str) -> None:
    with pytest.raises(BadSignatureError):
        adapter.verify(delivery({"x-paystack-signature": signature}, BODY))


def test_a_callback_without_a_signature_is_refused(adapter: Paystack) -> None:
    with pytest.raises(BadSignatureError):
        adapter.verify(delivery({}, BODY))


@pytest.mark.parametrize("count", [ORDINARY, pytest.param(CAMPAIGN, marks=pytest.mark.slow)])
@pytest.mark.parametrize("event", ["charge.success", "refund.processed", "charge.dispute.resolve"])
def test_a_changed_callback_says_nothing_new(
    fake: FakePaystack, adapter: Paystack, event: str, count: int
) -> None:
    sent = signed_by_paystack((GOLDEN / f"{event}.json").read_bytes())
    check_mutations(fake, adapter, sent, count=count, random=Random(count))


@pytest.mark.parametrize(
    ("currency", "charged", "paid_out"),
    [
        ("KES", (100, 300, 25_000_000), (100, 1_000, 25_000_000)),
        ("GHS", (1, 10, 2_500_000), (1, 100, 2_500_000)),
        ("NGN", None, None),
        ("UGX", None, None),
        ("XXX", None, None),
    ],
)
def test_what_is_taken_and_paid_out_of_each_currency(
    adapter: Paystack,
    currency: str,
    charged: tuple[int, int, int] | None,
    paid_out: tuple[int, int, int] | None,
) -> None:
    terms = adapter.terms(currency, expires_after_seconds=60)
    limits = adapter.payout_terms(currency)
    assert charged == (terms and (terms.step, terms.minimum, terms.maximum))
    assert paid_out == (limits and (limits.step, limits.minimum, limits.maximum))


def test_half_a_configuration_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.model_construct()
    assert configured(settings) is None
    monkeypatch.setenv("HESABU_PAYSTACK_SECRET_KEY", SECRET_KEY)
    with pytest.raises(HalfConfiguredError, match="HESABU_PAYSTACK_EMAIL_DOMAIN"):
        configured(settings)
    monkeypatch.setenv("HESABU_PAYSTACK_EMAIL_DOMAIN", "payments.invalid")
    assert configured(settings) is not None
    monkeypatch.setenv("HESABU_PAYSTACK_SECRET_KEY", " ")
    with pytest.raises(HalfConfiguredError, match="HESABU_PAYSTACK_SECRET_KEY"):
        configured(settings)
