"""A creator looks at their subscribers, over HTTP: what each has, and nothing of who they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.api.memberships import MONTHLY, PRICE, Catalog, Member, kes, told
from tests.subscription_builders import cancel_subscription

if TYPE_CHECKING:
    from tests.api.deployment import Deployment


def subscribers(catalog: Catalog, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - as httpx takes it
    """What the creator is told."""
    path = f"/creators/{catalog.creator.id}/subscribers"
    answer = catalog.doors.api.send(catalog.creator, "GET", path, params=params)
    assert answer.is_success, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def test_a_creator_sees_what_each_subscriber_has_and_nothing_of_who_they_are(
    doors: Deployment,
) -> None:
    catalog = Catalog(doors)
    tier = catalog.offered(trial_days=7)
    member = Member(doors, catalog, tier)
    ending = Member(doors, catalog, tier)
    ending.do(cancel_subscription(ending.subscription, "period_end"))
    trying = Member(doors, catalog, tier, trial=True)
    data = subscribers(catalog)
    assert data["next_cursor"] is None
    trial, leaving, staying = data["items"]
    assert [each["subscription_id"] for each in data["items"]] == [
        str(each.subscription) for each in (trying, ending, member)
    ]
    assert set(staying) == {
        "subscription_id", "tier_id", "price", "state", "since", "renews_at", "ends_at",
    }  # fmt: skip
    assert staying["tier_id"] == tier
    assert staying["price"] == {"version": 1, "money": kes(PRICE), "interval": MONTHLY}
    assert (staying["state"], staying["ends_at"]) == ("active", None)
    assert staying["since"] < staying["renews_at"]
    assert (leaving["state"], leaving["renews_at"]) == ("active", None)
    assert leaving["ends_at"] > leaving["since"]
    assert trial["state"] == "trialing"
    for person in (member, ending, trying):
        assert str(person.fan.id) not in str(data)


def test_they_are_found_by_state_and_tier_page_by_page(doors: Deployment) -> None:
    catalog = Catalog(doors)
    lower, higher = catalog.offered(name="Friends"), catalog.offered(name="Family")
    members = [Member(doors, catalog, tier) for tier in (lower, lower, higher)]
    waiting = Member(doors, catalog, lower, paid=False)

    def found(**params: Any) -> list[str]:  # noqa: ANN401 - as httpx takes it
        return [each["subscription_id"] for each in subscribers(catalog, **params)["items"]]

    newest_first = [str(each.subscription) for each in (waiting, *members[::-1])]
    assert found() == newest_first
    assert found(state="incomplete") == newest_first[:1]
    assert found(tier_id=higher) == newest_first[1:2]
    assert found(state="active", tier_id=lower) == newest_first[2:]
    first = subscribers(catalog, limit=3)
    assert [each["subscription_id"] for each in first["items"]] == newest_first[:3]
    assert found(limit=3, cursor=first["next_cursor"]) == newest_first[3:]


@pytest.mark.parametrize(
    "params", [{"state": "zqzq"}, {"state": ""}, {"tier_id": "zqzq"}, {"limit": 201}, {"limit": 0}]
)
def test_a_filter_that_is_none_is_refused(doors: Deployment, params: dict[str, Any]) -> None:
    catalog = Catalog(doors)
    path = f"/creators/{catalog.creator.id}/subscribers"
    answer = doors.api.send(catalog.creator, "GET", path, params=params)
    assert told(answer) == (400, "validation_error")
    assert "zqzq" not in answer.text


def test_nobody_but_admins_sees_anothers_subscribers(doors: Deployment) -> None:
    catalog = Catalog(doors)
    path = f"/creators/{catalog.creator.id}/subscribers"
    assert told(doors.api.send(doors.creator(), "GET", path)) == (403, "forbidden")
    assert doors.api.send(doors.admin, "GET", path).json()["data"]["items"] == []
    unknown = f"/creators/{uuid4()}/subscribers"
    assert told(doors.api.send(doors.admin, "GET", unknown)) == (404, "creator_not_found")


def test_a_position_that_is_not_there_yet_is_not_answered(doors: Deployment) -> None:
    catalog = Catalog(doors)
    position = subscribers(catalog)["position"]
    assert subscribers(catalog, min_position=position)["position"] >= position
    path = f"/creators/{catalog.creator.id}/subscribers?min_position={position + 10**6}"
    answer = doors.api.send(catalog.creator, "GET", path)
    assert told(answer) == (409, "position_not_reached")
