"""A provider calls back: what it has signed is stored and answered, everything else is nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.inbox import SALT_BYTES, unseal_callback
from ledger.key_store import KeyStore
from ledger.vault import NONCE_BYTES
from tests.api.deployment import API, GROSS, NET, ApiProcess, Deployment, Person
from tests.api.operator_callbacks import SignedCallback, callback, sign
from tests.databases import rows, value
from tests.invariants import assert_book_is_sound, balances

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.documentation import Documentation

TOLERANCE: Final = timedelta(minutes=5)
MUTATIONS: Final = 500
MUTATIONS_SLOW: Final = 5_000
NOBODY: Final = "whsec_" + base64.b64encode(b"somebody else's secret, and long").decode()


@contextmanager
def _nothing_recorded(doors: Deployment) -> Iterator[None]:
    before = doors.recorded()
    yield
    assert doors.recorded() == before


@pytest.fixture
def fan(doors: Deployment) -> Person:
    return doors.fan()


@pytest.fixture
def creator(doors: Deployment) -> Person:
    return doors.creator()


@pytest.fixture
def payment_id(doors: Deployment, fan: Person, creator: Person) -> str:
    """A payment that waits for the operator's word."""
    return doors.pay(fan, creator)


def _verdict(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["verdict"])


def _inbox(doors: Deployment, webhook_id: str) -> tuple[str, str | None, int]:
    """Verdict, reason and number of copies of a callback."""
    [[verdict, reason, copies]] = rows(
        doors.database,
        "SELECT verdict, reason, copies FROM inbox WHERE natural_key = %s",
        webhook_id,
    )
    return verdict, reason, copies


def _assert_refused(answer: httpx.Response, code: str = "bad_signature") -> None:
    assert answer.status_code == {"bad_signature": 401, "not_found": 404}[code], answer.text
    assert answer.json()["error"]["code"] == code


def test_a_signed_callback_is_taken(
    doors: Deployment, creator: Person, fan: Person, payment_id: str
) -> None:
    """The negative control of everything below."""
    assert _verdict(doors.api.deliver(doors.callback(payment_id))) == "applied"
    assert doors.payment(fan, payment_id)["state"] == "succeeded"
    assert doors.pending(creator) == NET


def test_a_callback_with_an_older_signature_beside_the_right_one_is_taken(
    doors: Deployment, payment_id: str
) -> None:
    signed = doors.callback(payment_id)
    other = sign(NOBODY, signed.body.decode(), webhook_id=signed.webhook_id).signature
    both = signed.altered(signature=f"v1a,abc {other} {signed.signature}")
    assert _verdict(doors.api.deliver(both)) == "applied"


def _without(name: str) -> Callable[[SignedCallback], dict[str, str]]:
    return lambda signed: {key: text for key, text in signed.headers.items() if key != name}


def _with(name: str, change: Callable[[str], str]) -> Callable[[SignedCallback], dict[str, str]]:
    return lambda signed: {**signed.headers, name: change(signed.headers[name])}


def _in_other_digits(signature: str) -> str:
    """The same bytes in base64 that nobody would write: the last digit has two bits to spare."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = f"{signature[:-2]}{digits[digits.index(signature[-2]) + 1]}="
    assert base64.b64decode(other[3:]) == base64.b64decode(signature[3:])
    return other


def _in_hex(signature: str) -> str:
    return base64.b64decode(signature[3:]).hex()


BAD_HEADERS: Final[dict[str, Callable[[SignedCallback], dict[str, str]]]] = {
    "none at all": lambda _: {},
    "no id": _without("webhook-id"),
    "no timestamp": _without("webhook-timestamp"),
    "no signature": _without("webhook-signature"),
    "an empty id": _with("webhook-id", lambda _: ""),
    "an empty timestamp": _with("webhook-timestamp", lambda _: ""),
    "an empty signature": _with("webhook-signature", lambda _: ""),
    "another id": _with("webhook-id", lambda text: f"{text}0"),
    "another timestamp": _with("webhook-timestamp", lambda text: str(int(text) - 1)),
    "a timestamp in milliseconds": _with("webhook-timestamp", lambda text: f"{text}000"),
    "a timestamp as a float": _with("webhook-timestamp", lambda text: f"{text}.0"),
    "a timestamp with a fraction": _with("webhook-timestamp", lambda text: f"{text}.9"),
    "a timestamp with an exponent": _with("webhook-timestamp", lambda text: f"{text}e0"),
    "a timestamp with underscores": _with("webhook-timestamp", lambda text: f"1_{text[1:]}"),
    "a timestamp with a sign": _with("webhook-timestamp", lambda text: f"+{text}"),
    "a timestamp with a zero": _with("webhook-timestamp", lambda text: f"0{text}"),
    "a timestamp that is not one": _with("webhook-timestamp", lambda _: "NaN"),
    "an endless timestamp": _with("webhook-timestamp", lambda _: "inf"),
    "a huge timestamp": _with("webhook-timestamp", lambda _: "9" * 400),
    "a date": _with("webhook-timestamp", lambda _: "2026-01-01T00:00:00Z"),
    "no version": _with("webhook-signature", lambda text: text.removeprefix("v1,")),
    "another version": _with("webhook-signature", lambda text: f"v2,{text[3:]}"),
    "a version in capitals": _with("webhook-signature", lambda text: f"V{text[1:]}"),
    "no comma": _with("webhook-signature", lambda text: text.replace(",", "")),
    "two commas": _with("webhook-signature", lambda text: text.replace(",", ",,")),
    "only commas": _with("webhook-signature", lambda _: ",,,,"),
    "only spaces": _with("webhook-signature", lambda _: "v1, v1, v1,"),
    "no base64": _with("webhook-signature", lambda _: "v1,\u00e9\u00e9\u00e9"),
    "base64 with junk": _with("webhook-signature", lambda text: f"{text[:10]}*{text[10:]}"),
    "base64 of another ending": _with("webhook-signature", _in_other_digits),
    "base64 unpadded": _with("webhook-signature", lambda text: text.rstrip("=")),
    "base64 cut": _with("webhook-signature", lambda text: text[:-5]),
    "an empty mac": _with("webhook-signature", lambda _: "v1,"),
    "a mac of zeros": _with("webhook-signature", lambda _: f"v1,{'A' * 43}="),
    "hexadecimal": _with("webhook-signature", lambda text: f"v1,{_in_hex(text)}"),
    "thousands of signatures": _with("webhook-signature", lambda _: "v1,AAAA " * 3_500 + "v1,"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_headers_that_are_not_as_they_were_signed_are_refused(
    doors: Deployment, payment_id: str, name: str
) -> None:
    signed = doors.callback(payment_id)
    with _nothing_recorded(doors):
        headers = {
            key.encode(): text.encode("latin-1") for key, text in BAD_HEADERS[name](signed).items()
        }
        answer = doors.api.client.post(
            f"{API}/webhooks/sandbox", content=signed.body, headers=headers
        )
        _assert_refused(answer)


@pytest.mark.parametrize(
    "alter",
    [
        lambda body: body.replace(b"1250.00", b"9250.00"),
        lambda body: body + b" ",
        lambda body: b" " + body,
        lambda body: body[:-1],
        lambda _: b"",
        lambda _: b"{}",
        lambda body: body + b"\0",
        lambda body: body.replace(b"KES", b"K\xc3\x89S"),
        lambda body: b"\xff" + body,
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: body.decode().encode("utf-16"),
        lambda body: body.upper(),
        lambda body: body[::-1],
        lambda body: json.dumps(json.loads(body), indent=1).encode(),
    ],
)
def test_a_body_that_is_not_as_it_was_signed_is_refused(
    doors: Deployment, payment_id: str, alter: Callable[[bytes], bytes]
) -> None:
    signed = doors.callback(payment_id)
    with _nothing_recorded(doors):
        _assert_refused(doors.api.deliver(signed.altered(body=alter(signed.body))))


def test_a_signed_body_that_is_not_utf_8_is_refused_and_does_not_fail(doors: Deployment) -> None:
    """Standard Webhooks signs text; whatever its package raises for other bytes, it is a 401."""
    with _nothing_recorded(doors):
        for body in (b"\xff\xfe", b"{\xe9}", b"\xed\xa0\x80", b"\x80" * 1_000):
            signed = doors.callback(uuid4()).altered(body=body)
            _assert_refused(doors.api.deliver(signed))


def test_somebody_elses_secret_signs_nothing_here(doors: Deployment, payment_id: str) -> None:
    with _nothing_recorded(doors):
        for secret in (NOBODY, doors.webhook_secret[:-8] + "AAAAAAA=", "whsec_QQ=="):
            _assert_refused(doors.api.deliver(callback(secret, payment_id)))


def test_a_callback_is_good_for_five_minutes_and_not_from_the_future(
    doors: Deployment, payment_id: str
) -> None:
    now, moment = datetime.now(UTC), timedelta(seconds=15)
    with _nothing_recorded(doors):
        for sent_at in (
            now - TOLERANCE - moment, now - timedelta(days=1), now + TOLERANCE + moment,
            now + timedelta(days=365), datetime(1970, 1, 1, tzinfo=UTC),
        ):  # fmt: skip
            _assert_refused(doors.api.deliver(doors.callback(payment_id, sent_at=sent_at)))
    old = doors.callback(payment_id, sent_at=now - TOLERANCE + moment)
    assert _verdict(doors.api.deliver(old)) == "applied"


def test_an_overlong_webhook_id_is_refused_before_it_reaches_the_index(
    doors: Deployment, payment_id: str
) -> None:
    noise = base64.b64encode(random.Random(1).randbytes(9_000)).decode()
    with _nothing_recorded(doors):
        for length in (256, 3_000, 12_000):
            signed = doors.callback(payment_id, webhook_id=noise[:length])
            _assert_refused(doors.api.deliver(signed))
    longest = doors.callback(payment_id, webhook_id=f"msg-{noise[:251]}")
    assert _verdict(doors.api.deliver(longest)) == "applied"


def test_a_provider_that_is_not_here_is_not_found(doors: Deployment, payment_id: str) -> None:
    signed = doors.callback(payment_id)
    with _nothing_recorded(doors):
        for provider in (
            "daraja",
            "Sandbox",
            "SANDBOX",
            "sandbox%20",
            "sandbox%00",
            "..",
            "sandbo",
            "*",
        ):
            answer = doors.api.deliver(signed, to=provider)
            assert answer.status_code == 404, provider
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            answer = doors.api.client.request(
                method, f"{API}/webhooks/sandbox", content=signed.body, headers=signed.headers
            )
            assert answer.status_code == 405
        answer = doors.api.client.post(
            f"{API}/webhooks/sandbox/", content=signed.body, headers=signed.headers
        )
        assert answer.status_code == 404


WEAK_SECRETS: Final = (
    "",
    "whsec_",
    "whsec_" + base64.b64encode(b"short").decode(),
    "whsec_" + "=" * 64,
    "whsec_" + "!" * 64,
    "!" * 60 + "QUJD",
)


def test_a_provider_with_a_weak_secret_is_not_there(
    doors: Deployment, documentation: Documentation, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """An empty key signs, and everybody has it."""
    processes = []
    for number, secret in enumerate(WEAK_SECRETS[1:4:2]):
        environment = {**doors.environment(), "HESABU_SANDBOX_WEBHOOK_SECRET": secret}
        directory = tmp_path_factory.mktemp("weak")
        processes.append(ApiProcess(f"api-weak-{number}", environment, directory, documentation))
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.wait_until_ready()
            with _nothing_recorded(doors):
                signed = doors.callback(uuid4())
                for signature in (signed.signature, "v1," + "A" * 43 + "=", "v1,"):
                    answer = process.deliver(signed.altered(signature=signature))
                    _assert_refused(answer, "not_found")
    finally:
        for process in processes:
            process.client.close()
            process.terminate()


@pytest.mark.parametrize("secret", WEAK_SECRETS)
def test_a_weak_secret_configures_no_provider(secret: str) -> None:
    from api.providers.registry import providers_of
    from api.settings import Settings

    settings = Settings.model_validate(
        {
            "sandbox_url": "http://127.0.0.1:1",
            "sandbox_api_key": "k",
            "sandbox_webhook_secret": secret,
        }
    )
    assert providers_of(settings) == {}


def _mutated(
    signed: SignedCallback, other: SignedCallback, chance: random.Random
) -> SignedCallback:
    """The callback with one thing changed, whatever it is."""
    part = chance.choice(["body", "body", "webhook_id", "timestamp", "signature"])
    before: str | bytes = getattr(signed, part)
    raw = before if isinstance(before, bytes) else before.encode()
    at = chance.randrange(len(raw))
    kind = chance.choice(["flip", "insert", "delete", "cut", "append", "double", "swap", "other"])
    printable = chance.randrange(0x21, 0x7F)
    byte = bytes([chance.randrange(256) if part == "body" else printable])
    changed = {
        "flip": raw[:at] + bytes([raw[at] ^ (1 << chance.randrange(7))]) + raw[at + 1 :],
        "insert": raw[:at] + byte + raw[at:],
        "delete": raw[:at] + raw[at + 1 :],
        "cut": raw[:at],
        "append": raw + byte,
        "double": raw + raw,
        "swap": raw[at:] + raw[:at],
        "other": _bytes_of(other, part),
    }[kind]
    if part != "body":
        # A client cannot send a header that begins or ends with a space.
        changed = changed.strip()
    if part != "body" and not all(0x20 < byte < 0x7F for byte in changed.replace(b" ", b"")):
        changed = raw + b"0"
    if changed.strip() == raw.strip():
        changed = raw + b"0"
    return signed.altered(**{part: changed if part == "body" else changed.decode()})


def _bytes_of(signed: SignedCallback, part: str) -> bytes:
    found: str | bytes = getattr(signed, part)
    return found if isinstance(found, bytes) else found.encode()


@pytest.mark.parametrize(
    "count",
    [MUTATIONS, pytest.param(MUTATIONS_SLOW, marks=[pytest.mark.slow, pytest.mark.timeout(600)])],
)
def test_no_mutation_of_a_signed_callback_is_taken(doors: Deployment, count: int) -> None:
    chance = random.Random(20_260_301)
    fan, creator = doors.fan(), doors.creator()
    pairs = [
        (doors.callback(doors.pay(fan, creator)), doors.callback(doors.pay(fan, creator)))
        for _ in range(10)
    ]
    with _nothing_recorded(doors):
        for number in range(count):
            mutated = _mutated(*pairs[number % len(pairs)], chance)
            provider = "sandbox" if chance.random() < 0.95 else chance.choice(["daraja", "sand"])
            answer = doors.api.deliver(mutated, to=provider)
            assert answer.status_code == (401 if provider == "sandbox" else 404), mutated
    # What was mutated is still good as it was signed.
    for signed, _ in pairs[:3]:
        assert _verdict(doors.api.deliver(signed)) == "applied"


def _with_data(**changes: object) -> dict[str, Any]:
    data: dict[str, Any] = {
        "reference": str(uuid4()),
        "status": "succeeded",
        "transaction": f"SB{uuid4().hex[:12]}",
        "amount": "1250.00",
        "currency": "KES",
        "occurred_at": datetime.now(UTC).isoformat(),
        **changes,
    }
    return {name: value for name, value in data.items() if value is not ...}


def _body(kind: str = "payment.succeeded", **changes: object) -> str:
    return json.dumps({"type": kind, "data": _with_data(**changes)})


UNREADABLE: Final[dict[str, str]] = {
    "nothing": "",
    "no JSON": "paid!",
    "half of it": '{"type": "payment.succeeded", "data": {',
    "a list": "[]",
    "null": "null",
    "a number": "1",
    "a number of 5,000 digits": "9" * 5_000,
    "an object of nothing": "{}",
    "no data": '{"type": "payment.succeeded"}',
    "data that is text": '{"type": "payment.succeeded", "data": "paid"}',
    "data that is null": '{"type": "payment.succeeded", "data": null}',
    "data that is a list": '{"type": "payment.succeeded", "data": []}',
    "no type": '{"data": {}}',
    "nested deep": "[" * 30_000,
    "nested deep in data": '{"type": "payment.succeeded", "data": ' + '{"a":' * 10_000,
    "an unknown type": _body("payment.refunded"),
    "a type of something else": _body("refund.succeeded"),
    "a type in capitals": _body("PAYMENT.SUCCEEDED"),
    "a type that is a number": '{"type": 1, "data": {}}',
    "no reference": _body(reference=...),
    "no amount": _body(amount=...),
    "no currency": _body(currency=...),
    "an amount that is a number": _body(amount=1250.00),
    "an amount that is text": _body(amount="much"),
    "an empty amount": _body(amount=""),
    "nothing paid": _body(amount="0.00"),
    "less than nothing paid": _body(amount="-1250.00"),
    "an endless amount": _body(amount="Infinity"),
    "an amount that is none": _body(amount="NaN"),
    "a signalling amount": _body(amount="sNaN"),
    "an amount too exact": _body(amount="1250.001"),
    "an amount beyond the bound": _body(amount="10000000000000.01"),
    "an amount of a million digits": _body(amount="1e999999"),
    "an amount of almost a million digits": _body(amount="1e999990"),
    "a number beyond any exponent": '{"type": "payment.succeeded", "data": 1e9999999999999999999}',
    "an amount beyond any exponent": _body(amount="1e999999999999999999"),
    "a tiny amount": _body(amount="1e-999999"),
    "a currency of nowhere": _body(currency="XYZ"),
    "gold": _body(currency="XAU"),
    "a currency that is a list": _body(currency=["KES"]),
    "no transaction": _body(transaction=...),
    "a transaction that is null": _body(transaction=None),
    "an empty transaction": _body(transaction=""),
    "a transaction that is a number": _body(transaction=1),
    "an overlong transaction": _body(transaction="T" * 129),
    "a transaction with NUL": _body(transaction="T\0"),
    "a transaction with a lone surrogate": _body(transaction="T\ud800"),
    "a transaction in Arabic digits": _body(transaction="\u0661\u0662"),
    "a time that is none": _body(occurred_at="yesterday"),
    "a time without zone": _body(occurred_at="2026-01-01T00:00:00"),
    "a time that is a number": _body(occurred_at=1_700_000_000),
    "a time beyond the calendar": _body(occurred_at="10000-01-01T00:00:00Z"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_signed_and_not_understood_is_kept_for_a_person(
    doors: Deployment, name: str
) -> None:
    signed = sign(doors.webhook_secret, UNREADABLE[name])
    before = doors.recorded()
    assert _verdict(doors.api.deliver(signed)) == "parked"
    assert doors.recorded() == {**before, "inbox": before["inbox"] + 1}
    verdict, reason, copies = _inbox(doors, signed.webhook_id)
    assert (verdict, copies) == ("parked", 1)
    assert reason
    assert _unsealed(doors, signed.webhook_id) == signed.body


def test_a_parked_callback_that_comes_again_is_one_row(doors: Deployment) -> None:
    signed = sign(doors.webhook_secret, "paid!")
    for api in (*doors.apis, doors.api):
        assert _verdict(api.deliver(signed)) == "parked"
    assert _inbox(doors, signed.webhook_id) == ("parked", "unreadable_body", 3)


@pytest.mark.parametrize(
    "occurred_at",
    [
        "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59-14:00",
        "9999-12-31T23:59:59+00:00", "1969-12-31T23:59:59+00:00", None,
    ],
)  # fmt: skip
def test_money_is_taken_whatever_time_is_told_and_can_be_read_afterwards(
    doors: Deployment, creator: Person, payment_id: str, occurred_at: str | None
) -> None:
    """Beyond the calendar it is parked; it is never lost, and never in the way of a reader."""
    signed = doors.callback(payment_id, occurred_at=occurred_at)
    verdict = _verdict(doors.api.deliver(signed))
    assert verdict == ("parked" if occurred_at and "14:00" in occurred_at else "applied")
    assert _unsealed(doors, signed.webhook_id) == signed.body
    lines = doors.api.send(creator, "GET", f"/creators/{creator.id}/transactions")
    assert len(lines.json()["data"]["items"]) == (verdict == "applied")
    entries = f"/audit/accounts/creator:{creator.id}:pending/entries?currency=KES"
    answer = doors.api.send(doors.auditor, "GET", entries)
    assert answer.status_code == (200 if verdict == "applied" else 404)


def test_free_text_is_not_stored_as_a_reason(
    doors: Deployment, fan: Person, creator: Person
) -> None:
    for said in ("254709481000", "Wanjiku", "a" * 1_000, 7, ["timeout"], "TIMEOUT"):
        payment_id = doors.pay(fan, creator)
        signed = doors.callback(payment_id, "failed", reason=said)
        assert _verdict(doors.api.deliver(signed)) == "applied"
        assert doors.payment(fan, payment_id)["reason"] == "unspecified"


def test_the_raw_body_can_be_read_again_with_the_payers_key_and_is_the_evidence(
    doors: Deployment, payment_id: str
) -> None:
    signed = doors.callback(payment_id)
    doors.api.deliver(signed)
    events = dict(doors.events(payment_id))
    [[payers_key]] = rows(
        doors.database,
        "SELECT key_id FROM vault_entries WHERE entry_id = %s::uuid",
        events["payment.initiated.v1"]["phone"],
    )
    [[inbox_id, key_id, unknown, body_hash, ciphertext]] = rows(
        doors.database,
        "SELECT inbox_id, key_id, of_unknown_origin, body_hash, ciphertext FROM inbox "
        "WHERE natural_key = %s",
        signed.webhook_id,
    )
    assert (key_id, unknown) == (payers_key, False)
    assert _unsealed(doors, signed.webhook_id) == signed.body
    assert events["payment.succeeded.v2"]["evidence"] == body_hash
    assert events["payment.succeeded.v2"]["causation_id"] == f"callback:{inbox_id}"
    salted = _salted(doors, inbox_id, key_id, ciphertext)
    assert hashlib.sha256(salted).hexdigest() == body_hash
    assert salted[SALT_BYTES:] == signed.body
    assert hashlib.sha256(signed.body).hexdigest() != body_hash


def _salted(doors: Deployment, inbox_id: UUID, key_id: UUID, ciphertext: bytes) -> bytes:
    store = KeyStore(doors.directory / "keys" / "key_store.sqlite3")
    try:
        secret = store.get(key_id).secret
    finally:
        store.close()
    nonce, sealed = ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:]
    return AESGCM(secret).decrypt(nonce, sealed, inbox_id.bytes)


def _unsealed(doors: Deployment, webhook_id: str) -> bytes:
    [[inbox_id, key_id, ciphertext]] = rows(
        doors.database,
        "SELECT inbox_id, key_id, ciphertext FROM inbox WHERE natural_key = %s",
        webhook_id,
    )
    store = KeyStore(doors.directory / "keys" / "key_store.sqlite3")
    try:
        return unseal_callback(store, inbox_id=inbox_id, key_id=key_id, ciphertext=ciphertext)
    finally:
        store.close()


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled", "pending"])
def test_a_duplicate_gets_the_first_verdict_and_changes_nothing(
    doors: Deployment, creator: Person, payment_id: str, status: str
) -> None:
    signed = doors.callback(payment_id, status)
    first = _verdict(doors.api.deliver(signed))
    assert first == ("ignored" if status == "pending" else "applied")
    before, inbox = doors.recorded(), _inbox(doors, signed.webhook_id)
    for api in (*doors.apis, *doors.apis):
        assert _verdict(api.deliver(signed)) == first
    assert doors.recorded() == before
    assert _inbox(doors, signed.webhook_id) == inbox
    assert doors.pending(creator) == (NET if status == "succeeded" else 0)


def test_the_same_money_under_another_id_is_a_duplicate(
    doors: Deployment, creator: Person, payment_id: str
) -> None:
    for expected in ("applied", "duplicate", "duplicate"):
        signed = doors.callback(payment_id, transaction=f"T-{payment_id}")
        assert _verdict(doors.api.deliver(signed)) == expected
    assert doors.pending(creator) == NET


def _suspense(doors: Deployment) -> int:
    return -balances(doors.database).get(("suspense:sandbox", "KES"), 0)


@pytest.mark.parametrize("kind", ["unknown", "no uuid", "a creator", "a fan", "a number", "a list"])
def test_money_for_a_reference_that_is_no_payment_goes_to_suspense(
    doors: Deployment, creator: Person, fan: Person, kind: str
) -> None:
    reference: Any = {
        "unknown": str(uuid4()),
        "no uuid": "till 4711",
        "a creator": str(creator.id),
        "a fan": str(fan.id),
        "a number": 4_711,
        "a list": [str(uuid4())],
    }[kind]
    before, streams = _suspense(doors), doors.topics(creator.id)
    signed = doors.callback(uuid4(), reference=reference)
    assert _verdict(doors.api.deliver(signed)) == "applied"
    assert _suspense(doors) == before + GROSS
    assert doors.topics(creator.id) == streams
    assert doors.pending(creator) == 0
    of_unknown_origin = "SELECT of_unknown_origin FROM inbox WHERE natural_key = %s"
    assert value(doors.database, of_unknown_origin, signed.webhook_id) is True
    assert _unsealed(doors, signed.webhook_id) == signed.body


def test_unknown_money_that_is_told_twice_is_there_once(doors: Deployment) -> None:
    before, reference = _suspense(doors), uuid4()
    for expected in ("applied", "duplicate"):
        signed = doors.callback(reference, transaction=f"T-{reference}")
        assert _verdict(doors.api.deliver(signed)) == expected
    assert _suspense(doors) == before + GROSS


def test_a_failure_of_an_unknown_payment_is_ignored(doors: Deployment) -> None:
    before = doors.recorded()
    for status in ("failed", "cancelled", "pending"):
        assert _verdict(doors.api.deliver(doors.callback(uuid4(), status))) == "ignored"
    after = doors.recorded()
    assert after["ledger_events"] == before["ledger_events"]
    assert after["inbox"] == before["inbox"] + 3


def test_after_all_of_this_the_book_is_sound(doors: Deployment) -> None:
    assert_book_is_sound(doors.database)
