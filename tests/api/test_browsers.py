"""What a browser may do with answers: only from origins that are named, and keep nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.deployment import API

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.deployment import Deployment

OURS = "https://app.example.com"


@pytest.fixture(scope="module")
def with_origins(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    with deploy(CORS_ORIGINS=f"{OURS}, http://localhost:3000").add_apis(1) as running:
        yield running


@pytest.mark.parametrize("origin", [OURS, "http://localhost:3000"])
def test_a_named_origin_may_read_and_send(with_origins: Deployment, origin: str) -> None:
    client = with_origins.api.client
    asked = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,idempotency-key",
    }
    answer = client.options(f"{API}/payments", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert "access-control-allow-credentials" not in answer.headers
    fan = with_origins.fan()
    answer = with_origins.api.send(fan, "GET", "/me", headers={"origin": origin})
    assert answer.headers["access-control-allow-origin"] == origin
    assert "ETag" in answer.headers["access-control-expose-headers"]
    # A refusal can be read by the page, too.
    answer = client.get(f"{API}/me", headers={"origin": origin})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com.evil.example",
        "https://evil.example",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://sub.app.example.com",
        "null",
        "*",
    ],
)
def test_no_other_origin_may(with_origins: Deployment, doors: Deployment, origin: str) -> None:
    for deployment in (with_origins, doors):
        headers = {"origin": origin, "access-control-request-method": "GET"}
        for answer in (
            deployment.api.client.options(f"{API}/me", headers=headers),
            deployment.api.send(deployment.fan(), "GET", "/me", headers={"origin": origin}),
        ):
            assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", [f"{API}/me", "/healthz", "/nowhere", "/pay/zqzq"])
def test_every_answer_says_what_a_browser_must_not_do(doors: Deployment, path: str) -> None:
    headers = doors.api.client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers
    # Only where TLS is.
    assert "strict-transport-security" not in headers


def test_an_answer_with_an_etag_is_kept_by_its_own_reader_and_asked_for_again(
    doors: Deployment,
) -> None:
    creator = doors.creator()
    answer = doors.api.send(creator, "GET", f"/creators/{creator.id}/balance")
    assert answer.headers["cache-control"] == "private, no-cache"
    again = doors.api.send(
        creator,
        "GET",
        f"/creators/{creator.id}/balance",
        headers={"if-none-match": answer.headers["etag"]},
    )
    assert again.status_code == 304


def test_the_documentation_s_own_pages_may_load_their_scripts(doors: Deployment) -> None:
    answer = doors.api.client.get("/docs")
    assert answer.status_code == 200
    assert "https://cdn.jsdelivr.net" in answer.headers["content-security-policy"]
