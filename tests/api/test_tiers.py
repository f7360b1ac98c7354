"""What a creator offers, over HTTP: tiers, prices that are versions, and migrations with notice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest

from api.auth import Role
from tests.api.memberships import MONTHLY, PRICE, Catalog, Member, kes, told

if TYPE_CHECKING:
    from tests.api.deployment import Deployment

FORTNIGHT: Final = 14 * 24 * 3600
YEARLY: Final = {"unit": "year", "count": 1}
LATER: Final = "2126-01-01T00:00:00Z"


def migration(**changes: object) -> dict[str, Any]:
    """From the first price to the second, with as much notice as is asked for at least."""
    return {"from_version": 1, "to_version": 2, "begins_at": LATER, **changes}


def test_a_tier_is_made_priced_published_and_archived(doors: Deployment) -> None:
    catalog = Catalog(doors)
    answer = catalog.ask("", {"name": "  Friends ", "trial_days": 7})
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1{catalog.path}"
    tier = answer.json()["data"]
    assert (tier["name"], tier["trial_days"], tier["state"]) == ("Friends", 7, "draft")
    assert (tier["prices"], tier["migrations"]) == ([], [])
    priced = catalog.ask(f"/{tier['id']}/prices", {"money": kes(PRICE), "interval": MONTHLY})
    assert priced.status_code == 201
    assert priced.json()["data"]["prices"] == [
        {"version": 1, "money": kes(PRICE), "interval": MONTHLY, "current": True}
    ]
    published = catalog.done(f"/{tier['id']}/publish")
    assert published["state"] == "published"
    assert published["position"] > tier["position"]
    assert catalog.done(f"/{tier['id']}/publish")["state"] == "published"
    assert catalog.done(f"/{tier['id']}/archive")["state"] == "archived"
    assert catalog.done(f"/{tier['id']}/archive")["state"] == "archived"
    assert told(catalog.ask(f"/{tier['id']}/publish")) == (409, "tier_not_offered")


def test_fans_see_what_they_can_subscribe_to_and_the_creator_sees_everything(
    doors: Deployment,
) -> None:
    catalog = Catalog(doors)
    catalog.draft(name="Draft")
    offered = catalog.offered(name="Offered")
    catalog.price(offered, 60_000)
    catalog.price(offered, 500_000, YEARLY)
    catalog.done(f"/{offered}/price-migrations", migration())
    archived = catalog.offered(name="Archived")
    catalog.done(f"/{archived}/archive")
    for caller in (
        doors.fan(), doors.creator(), doors.auditor, doors.person(Role.SERVICE),
    ):  # fmt: skip
        [tier] = catalog.tiers(caller)
        assert (tier["id"], tier["state"], tier["migrations"]) == (offered, "published", [])
        assert [(each["version"], each["current"]) for each in tier["prices"]] == [
            (2, True),
            (3, True),
        ]
    for caller in (catalog.creator, doors.admin):
        tiers = catalog.tiers(caller)
        assert [tier["name"] for tier in tiers] == ["Draft", "Offered", "Archived"]
        assert [(each["version"], each["current"]) for each in tiers[1]["prices"]] == [
            (1, False),
            (2, True),
            (3, True),
        ]
        assert tiers[1]["migrations"] == [
            {
                "from_version": 1,
                "to_version": 2,
                "begins_at": "2126-01-01T00:00:00+00:00",
                "notice_seconds": FORTNIGHT,
            }
        ]


def test_tiers_that_are_still_the_same_are_not_sent_again(doors: Deployment) -> None:
    catalog, fan = Catalog(doors), doors.fan()
    catalog.offered()

    def read(etag: str | None = None, caller: Any = fan) -> Any:  # noqa: ANN401 - httpx's answer
        headers = {} if etag is None else {"if-none-match": etag}
        return doors.api.send(caller, "GET", catalog.path, headers=headers)

    etag = read().headers["etag"]
    assert read(etag).status_code == 304
    assert read(etag, catalog.creator).status_code == 200, "who sees more has not seen this"
    catalog.offered(name="Family")
    assert len(read(etag).json()["data"]["items"]) == 2


def test_a_position_that_is_not_there_yet_is_not_answered(doors: Deployment) -> None:
    catalog = Catalog(doors)
    position = catalog.done("", {"name": "Friends"})["position"]
    here = doors.api.send(doors.fan(), "GET", f"{catalog.path}?min_position={position}")
    assert here.json()["data"]["position"] >= position
    beyond = doors.api.send(doors.fan(), "GET", f"{catalog.path}?min_position={position + 10**6}")
    assert told(beyond) == (409, "position_not_reached")


def test_a_price_in_another_currency_is_refused_and_says_which(doors: Deployment) -> None:
    catalog = Catalog(doors)
    tier = catalog.draft()
    body = {"money": {"amount": 500, "currency": "UGX"}, "interval": MONTHLY}
    answer = catalog.ask(f"/{tier}/prices", body)
    assert told(answer) == (400, "currency_not_accepted")
    assert "KES" in answer.json()["error"]["message"]


def test_a_tier_without_a_price_is_not_published(doors: Deployment) -> None:
    catalog = Catalog(doors)
    assert told(catalog.ask(f"/{catalog.draft()}/publish")) == (404, "price_not_found")


def test_what_is_not_the_creators_own_is_not_found(doors: Deployment) -> None:
    catalog, other = Catalog(doors), Catalog(doors)
    anothers = other.offered()
    price = {"money": kes(1), "interval": MONTHLY}
    for tier in (anothers, str(uuid4())):
        for path, body in (
            ("prices", price),
            ("publish", None),
            ("archive", None),
            ("price-migrations", migration()),
        ):
            assert told(catalog.ask(f"/{tier}/{path}", body)) == (404, "tier_not_found")


def test_nobody_keeps_anothers_catalog(doors: Deployment) -> None:
    catalog = Catalog(doors)
    tier = catalog.offered()
    for caller in (doors.creator(), doors.fan(), doors.person(Role.SERVICE), doors.auditor):
        for path, body in (("", {"name": "Mine"}), (f"/{tier}/archive", None)):
            assert told(catalog.ask(path, body, caller=caller)) == (403, "forbidden")
    assert catalog.done(f"/{tier}/archive", caller=doors.admin)["state"] == "archived"


def test_an_unknown_creator_has_no_tiers(doors: Deployment) -> None:
    path = f"/creators/{uuid4()}/tiers"
    assert told(doors.api.send(doors.fan(), "GET", path)) == (404, "creator_not_found")
    answer = doors.api.send(doors.admin, "POST", path, key=str(uuid4()), json={"name": "Friends"})
    assert told(answer) == (404, "creator_not_found")
    fan = doors.fan()
    stream = f"/creators/{fan.id}/tiers"
    assert told(doors.api.send(fan, "GET", stream)) == (404, "creator_not_found")


def test_the_same_key_makes_one_tier_and_answers_alike(doors: Deployment) -> None:
    catalog = Catalog(doors)
    key, body = str(uuid4()), {"name": "Friends"}
    first = catalog.ask("", body, key=key)
    catalog.price(first.json()["data"]["id"])
    again = catalog.ask("", body, key=key)
    assert again.status_code == 201
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["data"] == first.json()["data"]
    assert told(catalog.ask("", {"name": "Family"}, key=key)) == (422, "idempotency_key_reused")
    assert len(catalog.tiers(catalog.creator)) == 1


def test_a_migration_needs_a_later_price_of_the_same_interval(doors: Deployment) -> None:
    catalog = Catalog(doors)
    tier = catalog.offered()
    catalog.price(tier, 60_000)
    catalog.price(tier, 500_000, YEARLY)
    path = f"/{tier}/price-migrations"
    for source, target in ((2, 1), (1, 1), (1, 3)):
        body = migration(from_version=source, to_version=target)
        assert told(catalog.ask(path, body)) == (400, "migration_not_possible")
    assert told(catalog.ask(path, migration(to_version=4))) == (404, "price_not_found")
    body = migration(notice_seconds=30 * 24 * 3600)
    [scheduled] = catalog.done(path, body)["migrations"]
    assert scheduled["notice_seconds"] == 30 * 24 * 3600


@pytest.mark.parametrize("notice_seconds", [0, FORTNIGHT - 1])
def test_fans_are_told_a_fortnight_before_at_least(doors: Deployment, notice_seconds: int) -> None:
    catalog = Catalog(doors)
    tier = catalog.offered()
    catalog.price(tier, 60_000)
    answer = catalog.ask(f"/{tier}/price-migrations", migration(notice_seconds=notice_seconds))
    assert told(answer) == (400, "validation_error")
    [detail] = answer.json()["error"]["details"]
    assert detail == {"field": "notice_seconds", "message": f"must be at least {FORTNIGHT}"}
    assert catalog.tiers(catalog.creator)[0]["migrations"] == []


def test_who_has_subscribed_keeps_an_archived_tier(doors: Deployment) -> None:
    catalog = Catalog(doors)
    tier = catalog.offered()
    member = Member(doors, catalog, tier)
    catalog.done(f"/{tier}/archive")
    path = f"/creators/{catalog.creator.id}/subscribers"
    [found] = doors.api.send(catalog.creator, "GET", path).json()["data"]["items"]
    assert (found["subscription_id"], found["state"]) == (str(member.subscription), "active")
