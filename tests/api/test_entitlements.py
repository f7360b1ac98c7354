"""A platform's backend asks who may see what, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from api.auth import Role
from tests.api.memberships import Catalog, Member, told
from tests.subscription_builders import cancel_subscription

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from tests.api.deployment import ApiProcess, Deployment, Person


@pytest.fixture(scope="module")
def backend(doors: Deployment) -> Person:
    """A platform's own backend."""
    return doors.person(Role.SERVICE)


@pytest.fixture
def member(doors: Deployment) -> Member:
    """A fan who has paid the first month."""
    catalog = Catalog(doors)
    return Member(doors, catalog, catalog.offered())


class Frontend:
    """Asks whether a fan may see what a creator offers."""

    def __init__(self, doors: Deployment, backend: Person, fan: UUID, creator: UUID) -> None:
        self._doors = doors
        self._backend = backend
        self._params = {"fan_id": str(fan), "creator_id": str(creator)}

    def ask(
        self,
        params: Mapping[str, str | int] | None = None,
        *,
        etag: str | None = None,
        api: ApiProcess | None = None,
    ) -> httpx.Response:
        headers = {} if etag is None else {"if-none-match": etag}
        return (api or self._doors.api).send(
            self._backend,
            "GET",
            "/entitlements",
            params={**self._params, **(params or {})},
            headers=headers,
        )

    def told(self, **params: str | int) -> dict[str, Any]:
        answer = self.ask(params)
        assert answer.is_success, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data


def of(member: Member, backend: Person) -> Frontend:
    return Frontend(member.doors, backend, member.fan.id, member.creator.id)


def test_a_member_may_see_it_until_the_period_ends(member: Member, backend: Person) -> None:
    data = of(member, backend).told()
    until, at = datetime.fromisoformat(data["until"]), datetime.fromisoformat(data["at"])
    assert timedelta(days=27) < until - at < timedelta(days=32)
    assert data == {
        "fan_id": str(member.fan.id),
        "creator_id": str(member.creator.id),
        "at": data["at"],
        "entitled": True,
        "tier_id": member.tier,
        "until": data["until"],
        "subscription_id": str(member.subscription),
        "state": "active",
        "position": data["position"],
    }


def test_a_stranger_may_not(doors: Deployment, member: Member, backend: Person) -> None:
    for fan, creator in (
        (uuid4(), member.creator.id),
        (member.fan.id, doors.creator().id),
        (member.fan.id, uuid4()),
        (member.creator.id, member.creator.id),
    ):
        data = Frontend(doors, backend, fan, creator).told()
        assert data["entitled"] is False
        for name in ("tier_id", "until", "subscription_id", "state"):
            assert data[name] is None


def test_access_ends_the_moment_it_is_cancelled_in_every_process(
    doors: Deployment, member: Member, backend: Person
) -> None:
    frontend = of(member, backend)
    before = frontend.told()
    for api in doors.apis:
        assert frontend.ask(api=api).json()["data"]["entitled"] is True
    member.do(cancel_subscription(member.subscription, "now"))
    for api in doors.apis:
        data = frontend.ask(api=api).json()["data"]
        assert (data["entitled"], data["state"]) == (False, "cancelled")
        assert (data["tier_id"], data["until"]) == (None, None)
    then = frontend.told(at=before["at"])
    assert (then["entitled"], then["tier_id"], then["until"]) == (
        True,
        member.tier,
        before["until"],
    )
    assert then["position"] <= before["position"]


def test_before_they_subscribed_they_had_no_access(member: Member, backend: Person) -> None:
    frontend = of(member, backend)
    long_ago = (datetime.now(UTC) - timedelta(days=365)).isoformat()
    data = frontend.told(at=long_ago)
    assert (data["entitled"], data["subscription_id"], data["position"]) == (False, None, 0)
    assert datetime.fromisoformat(data["at"]) == datetime.fromisoformat(long_ago)


def test_what_is_to_come_is_sure_until_the_period_ends(member: Member, backend: Person) -> None:
    frontend = of(member, backend)
    until = datetime.fromisoformat(frontend.told()["until"])
    sooner = frontend.told(at=(until - timedelta(seconds=1)).isoformat())
    assert (sooner["entitled"], sooner["until"]) == (True, until.isoformat())
    assert frontend.told(at=until.isoformat())["entitled"] is False


def test_what_has_not_changed_is_not_sent_again(member: Member, backend: Person) -> None:
    frontend = of(member, backend)
    first = frontend.ask()
    etag = first.headers["etag"]
    assert frontend.ask(etag=etag).status_code == 304
    # The log grows, and access stays as it is.
    member.doors.pay(member.doors.fan(), member.creator)
    assert frontend.ask(etag=etag).status_code == 304
    member.do(cancel_subscription(member.subscription, "period_end"))
    member.do(cancel_subscription(member.subscription, "now"))
    changed = frontend.ask(etag=etag)
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


def test_a_position_that_is_not_there_yet_is_not_answered(member: Member, backend: Person) -> None:
    frontend = of(member, backend)
    position = frontend.told()["position"]
    assert frontend.told(min_position=position)["position"] >= position
    answer = frontend.ask({"min_position": position + 10**6})
    assert told(answer) == (409, "position_not_reached")


def test_only_the_platform_may_ask(doors: Deployment, member: Member) -> None:
    params = {"fan_id": str(member.fan.id), "creator_id": str(member.creator.id)}
    for caller in (member.fan, member.creator, doors.auditor):
        answer = doors.api.send(caller, "GET", "/entitlements", params=params)
        assert told(answer) == (403, "forbidden")
    admin = doors.api.send(doors.admin, "GET", "/entitlements", params=params)
    assert admin.json()["data"]["entitled"] is True


@pytest.mark.parametrize("missing", ["fan_id", "creator_id"])
def test_who_and_whom_must_be_said(doors: Deployment, backend: Person, missing: str) -> None:
    params = {"fan_id": str(uuid4()), "creator_id": str(uuid4())}
    del params[missing]
    answer = doors.api.send(backend, "GET", "/entitlements", params=params)
    assert told(answer) == (400, "validation_error")
    [detail] = answer.json()["error"]["details"]
    assert detail["field"] == missing
