"""Who asks too often is told when to come back; nobody else notices, and no header helps."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from api.auth import Role
from api.rate_limit_storages import LocalWindows, SharedWindows
from api.rate_limits import network_of
from api.settings import Settings
from ledger.database.connections import BookLocation
from ledger.database.location import DatabaseLocation
from ledger.database.roles import DatabaseRole
from projections.reader import Reader, ReadUnavailable
from tests.api.deployment import API, Deployment, payment_body
from tests.databases import rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    import httpx

LIMITS = {
    "RATE_LIMIT_READS": "20/hour",
    "RATE_LIMIT_WRITES": "12/hour",
    "RATE_LIMIT_PROMPTS": "5/hour",
    "RATE_LIMIT_PHONE": "3/hour",
    "RATE_LIMIT_ANONYMOUS": "10/hour",
    "RATE_LIMIT_SERVICE": "40/hour",
}


@pytest.fixture(scope="module")
def limited(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    """Two processes with limits that a test reaches, counted for both in the database."""
    with deploy(**LIMITS, RATE_LIMITS_COUNTED="database").add_apis(2) as running:
        yield running


def _assert_too_often(answer: httpx.Response) -> None:
    assert answer.status_code == 429, answer.text
    assert answer.json()["error"]["code"] == "rate_limited"
    assert 1 <= int(answer.headers["retry-after"]) <= 3_600


def test_reads_of_one_subject_are_counted_and_nobody_elses(limited: Deployment) -> None:
    fan, another = limited.fan(), limited.fan()
    for _ in range(20):
        assert limited.api.send(fan, "GET", "/me").status_code == 200
    _assert_too_often(limited.api.send(fan, "GET", "/me"))
    _assert_too_often(limited.api.send(fan, "GET", "/me/balance"))
    assert limited.api.send(another, "GET", "/me").status_code == 200
    # The same id in another role is somebody else.
    creator = limited.person(Role.CREATOR, fan.id)
    assert limited.api.send(creator, "GET", f"/creators/{fan.id}/balance").status_code == 404


def test_prompts_are_counted_for_all_processes_together(limited: Deployment) -> None:
    creator, fan = limited.creator(), limited.fan()
    for number in range(5):
        body = payment_body(creator, digits=f"2{number}000"[:5])
        answer = limited.apis[number % 2].send(
            fan, "POST", "/payments", key=str(uuid4()), json=body
        )
        assert answer.status_code == 202, answer.text
    before = limited.recorded()
    for api in limited.apis:
        _assert_too_often(
            api.send(fan, "POST", "/payments", key=str(uuid4()), json=payment_body(creator))
        )
    # Refused before anything is written, also the key: it may be used later.
    assert limited.recorded() == before
    # What makes no phone ring may still be asked.
    confirm = f"/me/phones/{uuid4()}/confirm"
    answer = limited.api.send(fan, "POST", confirm, key=str(uuid4()), json={"code": "123456"})
    assert answer.status_code == 404


def test_one_phone_rings_only_so_often_whoever_asks(limited: Deployment) -> None:
    creator = limited.creator()
    body = payment_body(creator, digits="33000")
    answers = [
        limited.apis[number % 2].send(
            limited.fan(), "POST", "/payments", key=str(uuid4()), json=body
        )
        for number in range(4)
    ]
    assert [answer.status_code for answer in answers[:3]] == [202, 202, 202]
    _assert_too_often(answers[3])
    keys = " ".join(key for (key,) in rows(limited.database, "SELECT key FROM rate_limit_windows"))
    # Counted under a number that leads back to nobody.
    assert "phone" in keys
    assert body["phone"].removeprefix("+") not in keys


def test_refused_requests_count_too(limited: Deployment) -> None:
    fan = limited.fan()
    for _ in range(12):
        answer = limited.api.send(fan, "POST", "/admin/creators", key=str(uuid4()), json={})
        assert answer.status_code in {400, 403}
    answer = limited.api.send(fan, "POST", "/admin/creators", key=str(uuid4()), json={})
    _assert_too_often(answer)


def test_a_service_has_limits_of_its_own(limited: Deployment) -> None:
    service = limited.person(Role.SERVICE)
    path = f"/entitlements?fan_id={uuid4()}"
    statuses = [limited.api.send(service, "GET", path).status_code for _ in range(41)]
    assert 429 not in statuses[:40]
    assert statuses[40] == 429


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_all_addresses_of_one_subscriber_count_as_one(address: str, network: str) -> None:
    assert network_of(address) == network


def test_without_a_token_the_address_counts_and_headers_change_nothing(
    limited: Deployment,
) -> None:
    api = limited.apis[1]
    for number in range(10):
        headers = {
            "x-forwarded-for": f"203.0.113.{number}",
            "forwarded": f"for=203.0.113.{number}",
            "x-real-ip": f"203.0.113.{number}",
            "authorization": f"Bearer {number}",
        }
        assert api.client.get(f"{API}/me", headers=headers).status_code == 401
    answer = api.client.get(f"{API}/me", headers={"x-forwarded-for": "198.51.100.7"})
    _assert_too_often(answer)
    _assert_too_often(api.client.get("/pay/zqzq"))
    # Who has a right token is not one of them, wherever they ask from.
    assert api.send(limited.fan(), "GET", "/me").status_code == 200


def test_a_proxy_that_is_trusted_is_believed_and_nobody_behind_it(
    deploy: Callable[..., Deployment],
) -> None:
    limits = {"RATE_LIMIT_ANONYMOUS": "3/hour", "TRUSTED_PROXIES": "127.0.0.1"}
    with deploy(**limits).add_apis(1) as proxied:

        def ask(forwarded_for: str) -> int:
            headers = {"x-forwarded-for": forwarded_for}
            return proxied.api.client.get(f"{API}/me", headers=headers).status_code

        assert [ask("203.0.113.1") for _ in range(4)] == [401, 401, 401, 429]
        assert ask("203.0.113.2") == 401
        # The last one was added by the proxy; what stands before it was sent by the caller.
        assert ask("203.0.113.3, 203.0.113.1") == 429


def test_callbacks_are_never_too_many(limited: Deployment) -> None:
    creator = limited.creator()
    payment = limited.pay(limited.fan(), creator)
    for _ in range(60):
        assert limited.api.deliver(limited.callback(payment)).status_code == 200


@asynccontextmanager
async def _shared(database: DatabaseLocation) -> AsyncIterator[SharedWindows]:
    book = BookLocation(database, DatabaseRole.APP)
    async with Reader(book, connections_max=2, connection_wait_seconds_max=1.0) as tables:
        yield SharedWindows(tables)


def test_hits_at_once_are_each_counted_once(database: DatabaseLocation) -> None:
    async def play() -> None:
        async with _shared(database) as one, _shared(database) as other:
            counted = await asyncio.gather(
                *((one, other)[number % 2].incr(f"key {number % 3}", 60) for number in range(600))
            )
            assert sorted(counted) == sorted(list(range(1, 201)) * 3)
            assert await one.get("key 0") == 200
            await one.clear("key 0")
            assert await other.get("key 0") == 0
            assert await other.check()
            assert await other.reset() == 2

    asyncio.run(play())


@pytest.mark.parametrize("shared", [False, True])
def test_a_window_ends(database: DatabaseLocation, *, shared: bool) -> None:
    async def play() -> None:
        async with _shared(database) as windows:
            storage = windows if shared else LocalWindows()
            assert [await storage.incr("key", 1) for _ in range(3)] == [1, 2, 3]
            assert 0 < await storage.get_expiry("key") - time.time() <= 1.0
            await asyncio.sleep(1.1)
            assert await storage.get("key") == 0
            assert await storage.incr("key", 1) == 1

    asyncio.run(play())


def test_what_cannot_be_counted_is_an_error_for_everybody_who_waits() -> None:
    """A write is then refused with 503: nothing is let through uncounted."""
    nowhere = DatabaseLocation.from_url("postgresql://nobody@127.0.0.1:1/nothing")

    async def play() -> None:
        async with _shared(nowhere) as windows:
            results = await asyncio.gather(
                *(windows.incr("key", 60) for _ in range(5)), return_exceptions=True
            )
            assert [type(result) for result in results] == [ReadUnavailable] * 5

    asyncio.run(play())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rate_limit_reads", ""),
        ("rate_limit_reads", "many"),
        ("rate_limit_prompts", "5/fortnight"),
        ("rate_limits_counted", "redis"),
        ("cors_origins", "*"),
        ("cors_origins", "https://app.example.com/"),
        ("cors_origins", "https://*.example.com"),
        ("cors_origins", "null"),
        ("trusted_proxies", "*"),
        ("trusted_proxies", "proxy.example.com"),
        ("connections_max", "0"),
    ],
)
def test_a_setting_of_the_doors_that_is_none_is_named(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"HESABU_{name.upper()}", text)
    with pytest.raises(ValueError, match=name):
        Settings()
