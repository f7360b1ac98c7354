"""A pay-now link opens one period of one subscription, and no other text opens anything."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import jwt
import pytest

from api.auth import Role
from api.pay_links import InvalidPayLink, PayLink, PayLinks
from api.settings import Settings
from api.tokens import issue_token

if TYPE_CHECKING:
    from pathlib import Path

SECRET: Final = b"s" * 32
LINKS: Final = PayLinks(SECRET, "https://hesabu.example")
SUBSCRIPTION: Final = UUID(int=7)
HEADER: Final = {"alg": "HS256", "typ": "pay-now+jwt"}


def soon() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)


def claims(**changes: object) -> dict[str, Any]:
    """The claims of a good token, changed; None leaves one out."""
    good: dict[str, Any] = {
        "aud": "pay-now",
        "purpose": "pay_period",
        "sub": str(SUBSCRIPTION),
        "number": 3,
        "exp": int(time.time()) + 3_600,
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(payload: dict[str, Any] | bytes, header: dict[str, Any] | None = None) -> str:
    """Whatever it is, signed with the right key."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return jwt.api_jws.encode(body, SECRET, algorithm="HS256", headers=header or HEADER)


def part(document: object) -> str:
    return urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def test_a_token_says_what_was_issued() -> None:
    expires_at, subscription = soon(), uuid4()
    token = LINKS.issue(subscription, 12, expires_at)
    assert LINKS.read(token) == PayLink(subscription, 12, expires_at)
    assert len(token) < 400
    assert LINKS.read(signed(claims())).number == 3


def test_a_link_begins_with_the_public_address() -> None:
    expires_at = soon()
    link = LINKS.link(SUBSCRIPTION, 1, expires_at)
    assert link.startswith("https://hesabu.example/pay/ey")
    assert LINKS.read(link.rpartition("/")[2]) == PayLink(SUBSCRIPTION, 1, expires_at)


def test_the_address_is_the_host_and_port_unless_it_is_set() -> None:
    settings = Settings.model_construct(host="127.0.0.1", port=8000, public_url=None)
    assert settings.links_begin_with == "http://127.0.0.1:8000"
    named = Settings.model_construct(public_url="https://hesabu.example/")
    assert named.links_begin_with == "https://hesabu.example"


BAD: Final = {
    "nothing": "",
    "not a token": "a.b.c",
    "two parts": part(HEADER) + "." + part(claims()),
    "not ascii": "é" * 20,
    "half a surrogate": "\ud800.\ud800.\ud800",
    "expired": signed(claims(exp=int(time.time()) - 1)),
    "no expiry": signed(claims(exp=None)),
    "an expiry beyond all time": signed(claims(exp=10**30)),
    "an expiry that is true": signed(claims(exp=True)),
    "an expiry in fractions": signed(claims(exp=time.time() + 60)),
    "an expiry in words": signed(claims(exp="9999999999")),
    "another audience": signed(claims(aud="hesabu")),
    "several audiences": signed(claims(aud=["pay-now", "hesabu"])),
    "no audience": signed(claims(aud=None)),
    "another purpose": signed(claims(purpose="log_in")),
    "no purpose": signed(claims(purpose=None)),
    "no subscription": signed(claims(sub=None)),
    "a subscription without an id": signed(claims(sub="everybody's")),
    "a subscription that is a number": signed(claims(sub=7)),
    "no number": signed(claims(number=None)),
    "number zero": signed(claims(number=0)),
    "a number that is true": signed(claims(number=True)),
    "a number in words": signed(claims(number="3")),
    "a number in fractions": signed(claims(number=3.0)),
    "a claim too many": signed(claims(role="admin")),
    "issued in the future": signed(claims(iat=int(time.time()) + 600)),
    "a list": signed(b"[]"),
    "no json": signed(b"{"),
    "brackets without end": signed(b"[" * 2_000),
    "another type": signed(claims(), {"alg": "HS256", "typ": "JWT"}),
    "a header too many": signed(claims(), {**HEADER, "kid": "1"}),
    "critical": signed(claims(), {**HEADER, "crit": ["b64"], "b64": True}),
    "no signature": f"{part({**HEADER, 'alg': 'none'})}.{part(claims())}.",
    "too long": signed(claims(purpose="x" * 4_096)),
    "another key": jwt.encode(claims(), b"t" * 32, algorithm="HS256", headers=HEADER),
    "another algorithm": jwt.encode(claims(), SECRET * 2, algorithm="HS512", headers=HEADER),
    "the same key, longer hash": jwt.encode(claims(), SECRET * 2, algorithm="HS256"),
}


@pytest.mark.parametrize("token", BAD.values(), ids=BAD.keys())
def test_no_other_text_opens_anything(token: str) -> None:
    with pytest.raises(InvalidPayLink) as refused:
        LINKS.read(token)
    # One message for all: it does not say what was wrong.
    assert str(refused.value) == "The link is not one of ours, or it is too old."


def test_no_bit_of_a_token_can_be_changed() -> None:
    token = LINKS.issue(SUBSCRIPTION, 1, soon())
    for place, letter in enumerate(token):
        other = "A" if letter != "A" else "B"
        changed = token[:place] + other + token[place + 1 :]
        try:
            # The last letter of a signature has bits that are not of it.
            assert LINKS.read(changed) == LINKS.read(token)
            assert place == len(token) - 1
        except InvalidPayLink:
            pass


@pytest.mark.parametrize("role", list(Role))
def test_a_login_opens_no_link(tmp_path: Path, role: Role) -> None:
    settings = Settings.model_construct(data_directory=tmp_path)
    with pytest.raises(InvalidPayLink):
        LINKS.read(issue_token(settings, role=role, subject=SUBSCRIPTION))
