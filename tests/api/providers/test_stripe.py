"""Stripe's callbacks: what is believed of them, and what they say."""

from __future__ import annotations

import hmac
import json
import time
from datetime import UTC, datetime
from hashlib import sha256, sha512
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import pytest
import stripe
from stripe import SignatureVerificationError

from api.providers.configuration import HalfConfiguredError
from api.providers.port import BadSignatureError
from api.providers.stripe import Stripe, configured, is_signed
from api.providers.words import hint_key
from api.settings import Settings
from ledger.commands import (
    Claim,
    ProviderReport,
    RefundClaim,
    RefundReport,
    SettlementReport,
)
from ledger.money import Money
from tests.api.providers.asking import delivery
from tests.api.providers.fakes.stripe import (
    PLATFORM,
    WEBHOOK_SECRET,
    FakeStripe,
    event,
    signed_by_stripe,
)
from tests.api.providers.mutations import CAMPAIGN, ORDINARY, check_mutations

if TYPE_CHECKING:
    from api.providers.port import VerifiedCallback
    from tests.api.providers.fake import Sent

GOLDEN: Final = Path(__file__).parent / "golden" / "stripe"
PAYMENT: Final = UUID("7d1f0a52-9c1b-4f5e-8a86-6f7f3ad7b001")
REFUND: Final = UUID("7d1f0a52-9c1b-4f5e-8a86-6f7f3ad7b002")
OURS: Final = {"platform": PLATFORM, "payment_id": str(PAYMENT)}
CREATED: Final = 1_772_600_767
AT: Final = datetime.fromtimestamp(CREATED, tz=UTC)


@pytest.fixture(scope="module")
def fake() -> FakeStripe:
    return FakeStripe()


@pytest.fixture(scope="module")
def adapter(fake: FakeStripe) -> Stripe:
    return fake.adapter()


def usd(amount: int) -> Money:
    return Money(amount=amount, currency="USD")


def published(name: str, **changes: object) -> dict[str, Any]:
    """An object of Stripe's documentation, with these values in it."""
    document: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_bytes())
    assert changes.keys() <= document.keys()
    return document | changes


def told(adapter: Stripe, kind: str, thing: dict[str, Any], **changes: object) -> VerifiedCallback:
    sent = signed_by_stripe(event(kind, thing, created=CREATED, **changes))
    return adapter.verify(delivery(sent.headers, sent.body))


def intent(status: str, **changes: object) -> dict[str, Any]:
    received = {"amount_received": 1_099} if status == "succeeded" else {}
    return published("payment_intent", status=status, metadata=OURS, **{**received, **changes})


def as_sent(name: str, kind: str, *replaced: tuple[str, str]) -> Sent:
    """An event around a published object, byte for byte but for what is replaced."""
    body = (GOLDEN / f"{name}.json").read_bytes().strip()
    for before, after in replaced:
        assert body.count(before.encode()) == 1
        body = body.replace(before.encode(), after.encode())
    head = f'{{"id":"evt_1Nobodys","object":"event","created":{CREATED},"type":"{kind}",'
    return signed_by_stripe(head.encode() + b'"data":{"object":' + body + b"}}")


def test_a_published_payment_intent_that_succeeded_is_read(adapter: Stripe) -> None:
    sent = as_sent(
        "payment_intent",
        "payment_intent.succeeded",
        ('"requires_payment_method"', '"succeeded"'),
        ('"amount_received": 0', '"amount_received": 1099'),
        ('"latest_charge": null', '"latest_charge": "ch_1MoS6f"'),
        ('"metadata": {}', f'"metadata": {json.dumps(OURS)}'),
    )
    callback = adapter.verify(delivery(sent.headers, sent.body))
    assert callback.natural_key == "payment_intent.succeeded:pi_1MoS6fLgUG5tbmjca6AdBPsl"
    assert callback.reports == (
        ProviderReport(
            provider="stripe",
            payment_id=PAYMENT,
            claim=Claim.SUCCEEDED,
            provider_transaction="pi_1MoS6fLgUG5tbmjca6AdBPsl",
            received=usd(1_099),
            occurred_at=AT,
            also_known_as=("ch_1MoS6f",),
        ),
    )
    assert set(callback.headers) == {"content-type", "stripe-signature"}


def test_a_published_refund_of_ours_is_read(adapter: Stripe) -> None:
    note = json.dumps({"platform": PLATFORM, "refund": f"{PAYMENT}:{REFUND}"})
    sent = as_sent("refund", "refund.created", ('"metadata": {}', f'"metadata": {note}'))
    callback = adapter.verify(delivery(sent.headers, sent.body))
    assert callback.natural_key == "evt_1Nobodys"
    assert callback.reports == (
        RefundReport(
            provider="stripe",
            stream_id=PAYMENT,
            refund_id=REFUND,
            claim=RefundClaim.SUCCEEDED,
            provider_refund="re_1Nispe2eZvKYlo2Cd31jOCgZ",
            refunded=usd(1_000),
            paid_from="provider:stripe:collection",
            occurred_at=AT,
        ),
    )


def test_a_published_refund_by_the_dashboard_is_completed_first(adapter: Stripe) -> None:
    sent = as_sent("refund", "refund.created")
    callback = adapter.verify(delivery(sent.headers, sent.body))
    assert (callback.reports, callback.to_confirm) == ((), True)


def test_a_published_dispute_without_a_payment_intent_is_none_of_ours(adapter: Stripe) -> None:
    sent = as_sent("dispute", "charge.dispute.created")
    callback = adapter.verify(delivery(sent.headers, sent.body))
    assert (callback.reports, callback.to_confirm, callback.nothing_of_ours) == ((), False, True)


def test_a_published_dispute_of_a_payment_intent_is_completed_first(adapter: Stripe) -> None:
    of_one = ('"payment_intent": null', '"payment_intent": "pi_1GszsK2eZvKYlo2CfhZyoZLp"')
    sent = as_sent("dispute", "charge.dispute.created", of_one)
    assert adapter.verify(delivery(sent.headers, sent.body)).to_confirm


def test_a_published_payout_is_our_settlement(adapter: Stripe) -> None:
    paid = ('"status": "pending"', '"status": "paid"')
    sent = as_sent("payout", "payout.paid", paid)
    callback = adapter.verify(delivery(sent.headers, sent.body))
    # What it cost is asked for.
    assert callback.to_confirm
    assert callback.natural_key == "payout.paid:po_1OaFDbEcg9tTZuTgNYmX0PKB"
    free = ('"balance_transaction": "txn_1OaFDcEcg9tTZuTgYMR25tSe"', '"balance_transaction": null')
    sent = as_sent("payout", "payout.paid", paid, free)
    assert adapter.verify(delivery(sent.headers, sent.body)).reports == (
        SettlementReport(
            provider="stripe",
            reference="po_1OaFDbEcg9tTZuTgNYmX0PKB",
            settled=usd(1_100),
            fees=0,
            occurred_at=datetime.fromtimestamp(1_680_652_800, tz=UTC),
        ),
    )


@pytest.mark.parametrize(
    ("kind", "status", "claim", "reason"),
    [
        ("payment_failed", "requires_payment_method", Claim.FAILED, "insufficient_funds"),
        ("canceled", "canceled", Claim.CANCELLED, "canceled"),
        ("processing", "processing", Claim.PENDING, None),
        ("requires_action", "requires_action", Claim.PENDING, None),
        ("requires_action", "requires_confirmation", Claim.PENDING, None),
        ("amount_capturable_updated", "requires_capture", Claim.AUTHORISED, None),
    ],
)
def test_every_status_of_a_payment_intent_is_read(
    adapter: Stripe, kind: str, status: str, claim: Claim, reason: str | None
) -> None:
    error = {"code": "card_declined", "decline_code": "insufficient_funds", "message": "Call Jo"}
    said = intent(status, last_payment_error=error if claim is Claim.FAILED else None)
    [report] = told(adapter, f"payment_intent.{kind}", said).reports
    assert report == ProviderReport(
        provider="stripe", payment_id=PAYMENT, claim=claim, reason=reason, occurred_at=AT
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"code": "card_declined", "decline_code": "do_not_honor"}, "do_not_honor"),
        ({"code": "authentication_required"}, "authentication_required"),
        ({"code": "expired_card", "decline_code": None}, "expired_card"),
        ({"code": "Call +254700000001", "decline_code": "Jo said no"}, "payment_failed"),
        (None, "payment_failed"),
        ("card_declined", "payment_failed"),
    ],
)
def test_only_codes_are_kept_of_why_a_card_was_declined(
    adapter: Stripe, error: object, reason: str
) -> None:
    said = intent("requires_payment_method", last_payment_error=error)
    [report] = told(adapter, "payment_intent.payment_failed", said).reports
    assert isinstance(report, ProviderReport)
    assert (report.claim, report.reason) == (Claim.FAILED, reason)


def test_a_cancellation_says_why(adapter: Stripe) -> None:
    for given, reason in (
        ("abandoned", "abandoned"),
        ("Jo did it", "canceled"),
        (None, "canceled"),
    ):
        said = intent("canceled", cancellation_reason=given)
        [report] = told(adapter, "payment_intent.canceled", said).reports
        assert isinstance(report, ProviderReport)
        assert report.reason == reason


@pytest.mark.parametrize(
    ("status", "claim"),
    [
        ("pending", RefundClaim.PENDING),
        ("requires_action", RefundClaim.PENDING),
        ("succeeded", RefundClaim.SUCCEEDED),
        ("failed", RefundClaim.FAILED),
        ("canceled", RefundClaim.FAILED),
    ],
)
@pytest.mark.parametrize(
    "kind", ["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"]
)
def test_every_status_of_a_refund_is_read(
    adapter: Stripe, kind: str, status: str, claim: RefundClaim
) -> None:
    note = {"platform": PLATFORM, "refund": f"{PAYMENT}:{REFUND}"}
    said = published("refund", status=status, metadata=note)
    [report] = told(adapter, kind, said | {"failure_reason": "lost_or_stolen_card"}).reports
    assert isinstance(report, RefundReport)
    assert (report.stream_id, report.refund_id, report.claim) == (PAYMENT, REFUND, claim)
    assert report.reason == ("lost_or_stolen_card" if claim is RefundClaim.FAILED else None)


@pytest.mark.parametrize(
    ("units", "currency", "expected"),
    [
        (1_099, "usd", usd(1_099)),
        (125_000, "kes", Money(amount=125_000, currency="KES")),
        (500, "jpy", Money(amount=500, currency="JPY")),
        (5_000, "xof", Money(amount=5_000, currency="XOF")),
        # Five hundred shillings are sent as fifty thousand.
        (50_000, "ugx", Money(amount=500, currency="UGX")),
        (500, "isk", Money(amount=5, currency="ISK")),
        # Stripe has no decimals of what ISO 4217 gives two.
        (7, "mga", Money(amount=700, currency="MGA")),
        (5_120, "kwd", Money(amount=5_120, currency="KWD")),
    ],
)
def test_amounts_are_in_stripes_own_units(
    adapter: Stripe, units: int, currency: str, expected: Money
) -> None:
    said = intent("succeeded", amount_received=units, currency=currency)
    [report] = told(adapter, "payment_intent.succeeded", said).reports
    assert isinstance(report, ProviderReport)
    assert report.received == expected


@pytest.mark.parametrize(
    ("units", "currency"),
    [
        *((0, "usd"), (-1, "usd"), (10.5, "usd"), (1.0, "usd"), ("1099", "usd"), (True, "usd")),
        *((None, "usd"), ([], "usd"), (10**40, "usd"), (10**16, "usd"), (50_001, "ugx")),
        *((100, "xxx"), (100, ""), (100, None), (100, 7), (100, "us\u0131"), (100, "clf")),
    ],
)
def test_an_odd_amount_is_kept_for_a_person(
    adapter: Stripe, units: object, currency: object
) -> None:
    said = intent("succeeded", amount_received=units, currency=currency)
    callback = told(adapter, "payment_intent.succeeded", said)
    assert (callback.reports, callback.to_confirm, callback.nothing_of_ours) == ((), False, False)
    assert callback.reason in {"unreadable_amount", "inexact_amount", "unknown_currency"}


@pytest.mark.parametrize(
    ("kind", "thing", "reason"),
    [
        ("payment_intent.succeeded", intent("processing"), "contradictory_status"),
        ("payment_intent.processing", intent("succeeded"), "contradictory_status"),
        ("payment_intent.payment_failed", intent("succeeded"), "contradictory_status"),
        ("payment_intent.canceled", intent("requires_capture"), "contradictory_status"),
        ("payment_intent.processing", intent("thinking"), "unknown_status"),
        ("payment_intent.succeeded", intent("succeeded", id=None), "unreadable_transaction"),
        ("payment_intent.succeeded", intent("succeeded", id="a" * 200), "unreadable_transaction"),
        ("payout.failed", published("payout", status="failed"), "payout_failed"),
        (
            "payout.paid",
            published("payout", balance_transaction=None),
            "contradictory_status",
        ),
        (
            "payout.paid",
            published("payout", balance_transaction=None, status="paid", amount=-5),
            "inexact_amount",
        ),
    ],
)
def test_what_is_not_understood_is_kept_for_a_person(
    adapter: Stripe, kind: str, thing: dict[str, Any], reason: str
) -> None:
    callback = told(adapter, kind, thing)
    assert (callback.reports, callback.to_confirm, callback.reason) == ((), False, reason)
    assert not callback.nothing_of_ours


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        None,
        [],
        {"payment_id": str(PAYMENT)},
        {"platform": PLATFORM},
        {"platform": "shop", "payment_id": str(PAYMENT)},
        {"platform": PLATFORM, "payment_id": str(PAYMENT).upper()},
        {"platform": PLATFORM, "payment_id": f"{PAYMENT} "},
    ],
)
def test_what_names_no_payment_of_ours_is_another_products(
    adapter: Stripe, metadata: object
) -> None:
    succeeded = intent("succeeded") | {"metadata": metadata}
    charge = {"id": "ch_1", "metadata": metadata, "balance_transaction": "txn_1"}
    for kind, thing in (
        ("payment_intent.succeeded", succeeded),
        ("payment_intent.payment_failed", succeeded),
        ("charge.succeeded", charge),
        ("charge.updated", charge),
        ("charge.refunded", charge),
    ):
        callback = told(adapter, kind, thing)
        assert callback.nothing_of_ours, kind
        assert (callback.reports, callback.to_confirm) == ((), False)


@pytest.mark.parametrize(
    "kind",
    [
        *("customer.created", "invoice.paid", "checkout.session.completed", "payout.created"),
        *("payment_intent.created", "charge.failed", "charge.pending", "charge.dispute.updated"),
        *("balance.available", "payout.updated", "payout.canceled", ""),
    ],
)
def test_events_that_move_nothing_of_ours_are_ignored(adapter: Stripe, kind: str) -> None:
    assert told(adapter, kind, intent("succeeded")).nothing_of_ours


def test_an_event_of_a_connected_account_is_none_of_ours(adapter: Stripe) -> None:
    said = told(adapter, "payment_intent.succeeded", intent("succeeded"), account="acct_1")
    assert said.nothing_of_ours


def test_a_charge_whose_cost_is_not_known_yet_tells_nothing(adapter: Stripe) -> None:
    charge = {"id": "ch_1", "metadata": OURS, "payment_intent": "pi_1", "balance_transaction": None}
    assert told(adapter, "charge.succeeded", charge).nothing_of_ours
    known = told(adapter, "charge.updated", charge | {"balance_transaction": "txn_1"})
    assert (known.to_confirm, known.about) == (True, PAYMENT)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"{}", b'{"object":"event"}', b"\xff\xfe", b"[" * 100_000, b"NaN"],
)
def test_bytes_that_are_no_event_are_kept_for_a_person(adapter: Stripe, body: bytes) -> None:
    sent = signed_by_stripe(body)
    callback = adapter.verify(delivery(sent.headers, body))
    assert (callback.reports, callback.to_confirm, callback.nothing_of_ours) == ((), False, False)
    assert callback.reason in {"unreadable_body", "unknown_event", "unreadable_transaction"}
    assert callback.natural_key == hint_key(body)


def test_what_happens_once_has_one_key_however_many_events_tell_it(adapter: Stripe) -> None:
    said = intent("succeeded")
    first, second = (told(adapter, "payment_intent.succeeded", said) for _ in range(2))
    assert first.natural_key == second.natural_key
    failed = intent("requires_payment_method")
    # A card may be declined again, and a refund may fail later.
    first, second = (told(adapter, "payment_intent.payment_failed", failed) for _ in range(2))
    assert first.natural_key != second.natural_key


def test_a_callback_is_read_again_as_it_was_read_at_first(adapter: Stripe) -> None:
    sent = signed_by_stripe(event("payment_intent.succeeded", intent("succeeded")))
    callback = adapter.verify(delivery(sent.headers, sent.body))
    again = adapter.read(callback.headers, sent.body, natural_key=callback.natural_key)
    assert again == callback


BODY: Final = b'{"id": "evt_1", "object": "event", "type": "a.b", "data": {"object": {}}}'


def header(at: int, body: bytes = BODY, secret: str = WEBHOOK_SECRET) -> str:
    return f"t={at},v1={digest(at, body, secret)}"


def digest(at: int, body: bytes = BODY, secret: str = WEBHOOK_SECRET) -> str:
    return hmac.digest(secret.encode(), b"%d." % at + body, sha256).hex()


def official(signature: str, body: bytes = BODY) -> bool:
    """What Stripe's own package says of it."""
    try:
        stripe.Webhook.construct_event(body, signature, WEBHOOK_SECRET)
    except (SignatureVerificationError, UnicodeError, ValueError, TypeError):
        return False
    return True


def now() -> int:
    return int(time.time())


ACCEPTED: Final = (
    "t={t},v1={v1}",
    "v1={v1},t={t}",
    "t={t},v1={zeros},v1={v1}",
    "t={t},v1={v1},v1={zeros}",
    "t={t},v1={v1},v0={zeros},v2=x",
    "t={t},v1={v1},unknown",
)
REFUSED: Final = (
    *("", " ", ",", "=", "t=", "v1=", "t={t}", "v1={v1}", "t={t},v1=", "t={t},v0={v1}"),
    *("t={t} v1={v1}", "t={t};v1={v1}", "t={t},v1={zeros}", "t={t},V1={v1}", "T={t},v1={v1}"),
    *("t={t},v1={v1}0", "t={t}, v1={v1}", "t=-{t},v1={v1}", "t=1e9,v1={v1}", "t=,v1={v1}"),
    *("t={t}0,v1={v1}", "t=1{t},v1={v1}", "t={zeros},v1={v1}", "t={t},v1=whsec_nobodys"),
    *("t={t},v1=\u00e9\udcff", "t={t}.v1={v1}", "{v1}", "sha256={v1}"),
)
STRICTER: Final = (
    *(
        "t={t},t={t},v1={v1}",
        "t=0{t},v1={v1}",
        "t={t},v1={v1}=",
        "t= {t},v1={v1}",
        "t=+{t},v1={v1}",
    ),
)
"""What the package reads leniently, and Stripe never sends."""


def written(pattern: str) -> str:
    at = now()
    return pattern.format(t=at, v1=digest(at), zeros="0" * 64)


@pytest.mark.parametrize("pattern", ACCEPTED)
def test_a_right_signature_is_right_to_stripes_own_package_too(pattern: str) -> None:
    signature = written(pattern)
    assert is_signed(signature, BODY, WEBHOOK_SECRET)
    assert official(signature)


@pytest.mark.parametrize("pattern", REFUSED)
def test_any_other_signature_is_refused_as_by_stripes_own_package(
    adapter: Stripe, pattern: str
) -> None:
    signature = written(pattern)
    assert not official(signature)
    with pytest.raises(BadSignatureError):
        adapter.verify(delivery({"stripe-signature": signature}, BODY))


def test_a_signature_of_anything_else_is_refused_as_by_stripes_own_package() -> None:
    at = now()
    for signature in (
        header(at, BODY + b" "),
        header(at, b""),
        header(at, BODY[:-1]),
        header(at, secret=""),
        header(at, secret=f"{WEBHOOK_SECRET} "),
        header(at, secret=WEBHOOK_SECRET.removeprefix("whsec_")),
        header(0),
        f"t={at},v1={digest(at - 1)}",
        f"t={at},v1={digest(at).upper()}",
        f"t={at},v1={hmac.digest(WEBHOOK_SECRET.encode(), BODY, sha256).hex()}",
        f"t={at},v1={hmac.digest(WEBHOOK_SECRET.encode(), b'%d.' % at + BODY, sha512).hex()}",
    ):
        assert not is_signed(signature, BODY, WEBHOOK_SECRET)
        assert not official(signature)


@pytest.mark.parametrize("pattern", STRICTER)
def test_what_stripe_never_writes_is_refused_though_its_package_reads_it(pattern: str) -> None:
    signature = written(pattern)
    assert official(signature)
    assert not is_signed(signature, BODY, WEBHOOK_SECRET)


def test_what_stripes_own_package_signs_is_right() -> None:
    random = Random(7)
    for number in range(200):
        text = "".join(chr(random.choice((33, 0x4E2D, 0x1F600, random.randint(32, 0x7FF)))))
        body = json.dumps({"id": number, "object": "event", "text": text}, ensure_ascii=False)
        made = stripe.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET)
        assert is_signed(made, body.encode(), WEBHOOK_SECRET)
        assert not is_signed(made, body.encode() + b"\n", WEBHOOK_SECRET)


def test_a_signature_is_right_for_three_hundred_seconds() -> None:
    for age, is_right in ((0, True), (298, True), (302, False), (86_400, False)):
        signature = header(now() - age)
        assert is_signed(signature, BODY, WEBHOOK_SECRET) is is_right
        assert official(signature) is is_right


def test_a_callback_without_a_signature_is_refused(adapter: Stripe) -> None:
    with pytest.raises(BadSignatureError):
        adapter.verify(delivery({}, BODY))


@pytest.mark.parametrize("count", [ORDINARY, pytest.param(CAMPAIGN, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("payment_intent", "payment_intent.succeeded"),
        ("refund", "refund.created"),
        ("dispute", "charge.dispute.created"),
        ("payout", "payout.paid"),
    ],
)
def test_a_changed_callback_says_nothing_new(
    fake: FakeStripe, adapter: Stripe, name: str, kind: str, count: int
) -> None:
    sent = as_sent(name, kind)
    if name == "payment_intent":
        sent = signed_by_stripe(event(kind, intent("succeeded"), created=CREATED))
    check_mutations(fake, adapter, sent, count=count, random=Random(count))


@pytest.mark.parametrize(
    ("currency", "taken"),
    [
        ("KES", (1, 1, 99_999_999)),
        ("USD", (1, 50, 99_999_999)),
        ("GBP", (1, 30, 99_999_999)),
        ("EUR", (1, 50, 99_999_999)),
        ("HUF", (1, 17_500, 99_999_999)),
        ("IDR", (1, 1, 999_999_999_999)),
        ("JPY", (1, 50, 99_999_999)),
        ("RWF", (1, 1, 99_999_999)),
        ("XOF", (1, 1, 99_999_999)),
        # Written with two decimals that are always zero.
        ("UGX", (1, 1, 999_999)),
        ("ISK", (1, 1, 999_999)),
        # No decimals there, and two of them here.
        ("MGA", (100, 100, 9_999_999_900)),
        # The last of three decimals is always zero.
        ("KWD", (10, 10, 99_999_990)),
        ("TND", (10, 10, 99_999_990)),
        ("SDG", None),
        ("XXX", None),
        ("XAU", None),
        ("CLF", None),
    ],
)
def test_what_is_taken_of_each_currency(
    adapter: Stripe, currency: str, taken: tuple[int, int, int] | None
) -> None:
    terms = adapter.terms(currency, expires_after_seconds=60)
    assert taken == (terms and (terms.step, terms.minimum, terms.maximum))
    assert adapter.payout_terms(currency) is None


def test_an_empty_secret_and_half_a_configuration_open_no_door(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings.model_construct()
    assert configured(settings) is None
    monkeypatch.setenv("HESABU_STRIPE_SECRET_KEY", "sk_test_nobodys")
    with pytest.raises(HalfConfiguredError, match="HESABU_STRIPE_WEBHOOK_SECRET"):
        configured(settings)
    monkeypatch.setenv("HESABU_STRIPE_WEBHOOK_SECRET", " ")
    with pytest.raises(HalfConfiguredError, match="HESABU_STRIPE_WEBHOOK_SECRET"):
        configured(settings)
    monkeypatch.setenv("HESABU_STRIPE_WEBHOOK_SECRET", f"whsec_{uuid4().hex}")
    assert configured(settings) is not None
