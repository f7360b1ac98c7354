"""Who may call Daraja's addresses, and which addresses it is told."""

from __future__ import annotations

import time
from dataclasses import replace
from random import Random
from uuid import UUID, uuid4

import pytest

from api.providers.daraja_callbacks import FORBIDDEN, CallbackAddresses, Purpose
from api.providers.port import BadSignatureError
from ledger.manual_references import new_reference
from tests.api.providers.daraja_scenes import adapter_of, addresses, sent_to
from tests.api.providers.fakes.daraja import FakeDaraja


@pytest.mark.parametrize(
    ("allowed", "address", "believed"),
    [
        ("", "203.0.113.7", True),
        ("", None, True),
        ("196.201.214.200", "196.201.214.200", True),
        ("196.201.214.0/24, 196.201.213.44", "196.201.213.44", True),
        ("196.201.214.0/24", "196.201.213.44", False),
        ("196.201.214.0/24", "::ffff:196.201.214.1", False),
        ("196.201.214.0/24", None, False),
        ("196.201.214.0/24", "not an address", False),
    ],
)
def test_only_addresses_that_are_listed_may_call_back(
    allowed: str, address: str | None, *, believed: bool
) -> None:
    adapter = adapter_of(addresses=allowed)
    fake = FakeDaraja()
    sent = sent_to(fake, Purpose.PUSHED, uuid4().hex, body=b"{}")
    delivery = replace(fake.delivery(sent), address=address)
    if believed:
        assert adapter.verify(delivery).to_confirm
    else:
        with pytest.raises(BadSignatureError):
            adapter.verify(delivery)


@pytest.mark.parametrize(
    "token",
    [
        None,
        "",
        "-",
        "pushed",
        "pushed-",
        f"pushed-{UUID(int=7).hex}",
        f"pushed-{UUID(int=7).hex}-",
        f"pushed-{UUID(int=7).hex}-{'0' * 32}",
        f"pushed-{UUID(int=7).hex}-\u0660",
        "till-" + "0" * 32,
        "x" * 10_000,
    ],
)
def test_an_address_that_we_did_not_make_is_none(token: str | None) -> None:
    with pytest.raises(BadSignatureError):
        addresses(FakeDaraja()).read(token)


def token_of(made: CallbackAddresses, purpose: Purpose, *words: str) -> str:
    return made.address(purpose, *words).rpartition("/")[2]


def test_an_address_is_of_one_secret_and_one_purpose() -> None:
    ours = addresses(FakeDaraja())
    others = CallbackAddresses(
        secret="another secret of 24 bytes", begin_with="http://x", name="daraja"
    )
    token = token_of(ours, Purpose.PUSHED, uuid4().hex)
    assert ours.read(token).purpose is Purpose.PUSHED
    for refused in (token.upper(), token.replace("pushed", "sent"), f"{token}0", token[:-1]):
        with pytest.raises(BadSignatureError):
            ours.read(refused)
    with pytest.raises(BadSignatureError):
        others.read(token)


def test_an_address_for_one_query_is_another_each_time_and_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, words = addresses(FakeDaraja()), (uuid4().hex, "1", "0", "0")
    first, second = (token_of(ours, Purpose.SENT_STATUS, *words) for _ in range(2))
    assert first != second
    assert ours.read(first).words[:4] == words
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 24 * 3600 + 1)
    with pytest.raises(BadSignatureError):
        ours.read(first)


def test_no_address_has_a_word_in_it_that_daraja_refuses() -> None:
    ours, random = addresses(FakeDaraja()), Random(7)
    for purpose in Purpose:
        for _ in range(200):
            typed = new_reference().encode().hex()
            words = (UUID(int=random.getrandbits(128)).hex, f"{random.getrandbits(8):x}", typed)
            address = ours.address(purpose, *words)
            assert FORBIDDEN.search(address) is None
            assert len(address) < 400
    assert FORBIDDEN.search("https://x/MPesa/y") is not None
