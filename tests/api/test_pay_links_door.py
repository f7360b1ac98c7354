"""A pay-now link is opened without a login: it shows what is due and starts one prompt for it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.api.pay_links_of import Links
from tests.api.payout_steps import kes, told
from tests.api.subscriber import AT_THE_END, NOW, PRICE, Offer, Subscriber

if TYPE_CHECKING:
    from tests.api.deployment import Deployment


@pytest.fixture(scope="module")
def links(doors: Deployment) -> Links:
    return Links(doors)


@pytest.fixture
def offer(doors: Deployment) -> Offer:
    return Offer(doors)


@pytest.fixture
def fan(doors: Deployment) -> Subscriber:
    return Subscriber(doors)


def test_a_link_shows_what_is_due_and_of_whom_it_is_nothing(
    links: Links, offer: Offer, fan: Subscriber
) -> None:
    subscription = fan.member(offer)
    token = links.to(subscription, 2)
    assert links.shown(token) == {
        "creator_id": str(offer.creator.id),
        "tier_name": "Friends",
        "number": 2,
        "start": fan.read(subscription)["paid_until"],
        "end": None,
        "state": "due",
        "money": kes(PRICE),
    }
    assert str(fan.fan.id) not in links.open(token).text


def test_whoever_has_the_link_prompts_the_fans_own_phone_once(
    doors: Deployment, links: Links, offer: Offer, fan: Subscriber
) -> None:
    subscription = fan.member(offer)
    token = links.to(subscription, 2)
    answer = links.pay(token)
    assert answer.status_code == 202
    data = answer.json()["data"]
    assert (data["state"], data["money"]) == ("prompt_live", kes(PRICE))
    assert links.shown(token) == data
    payment = fan.live(subscription)
    [(_, started)] = [
        each for each in doors.events(subscription) if each[0] == "subscription.started.v1"
    ]
    [(_, initiated)] = doors.events(payment)
    assert initiated["instrument"] == started["method"]["instrument"]
    for _ in range(2):
        assert told(links.pay(token)) == (409, "prompt_live")
    fan.pay(subscription)
    paid = links.shown(token)
    assert (paid["state"], paid["money"]) == ("paid", None)
    assert told(links.pay(token)) == (409, "nothing_to_pay")


def test_a_prompt_that_failed_may_be_had_again(
    doors: Deployment, links: Links, offer: Offer, fan: Subscriber
) -> None:
    subscription = fan.member(offer)
    token = links.to(subscription, 2)
    links.pay(token)
    doors.api.deliver(doors.callback(fan.live(subscription), "failed"))
    assert links.shown(token)["state"] == "due"
    assert links.pay(token).status_code == 202


def test_a_trial_is_paid_by_a_link_before_it_ends(
    links: Links, offer: Offer, fan: Subscriber
) -> None:
    subscription = fan.subscribe(offer, trial=True)
    token = links.to(subscription, 1)
    assert links.shown(token)["state"] == "due"
    assert links.pay(token).status_code == 202
    fan.pay(subscription)
    assert fan.read(subscription)["state"] == "active"
    assert links.shown(token)["state"] == "paid"


@pytest.mark.parametrize("number", [3, 4, 1_000])
def test_a_link_pays_no_period_before_its_turn(
    doors: Deployment, links: Links, offer: Offer, fan: Subscriber, number: int
) -> None:
    token = links.to(subscription := fan.member(offer), number)
    topics = doors.topics(subscription)
    shown = links.shown(token)
    assert (shown["state"], shown["money"]) == ("nothing_to_pay", None)
    assert told(links.pay(token)) == (409, "nothing_to_pay")
    assert doors.topics(subscription) == topics


def test_what_ends_or_has_ended_is_not_paid_by_a_link(
    links: Links, offer: Offer, fan: Subscriber
) -> None:
    subscription = fan.member(offer)
    token = links.to(subscription, 2)
    fan.posted(subscription, "cancel", AT_THE_END)
    assert links.shown(token)["state"] == "nothing_to_pay"
    assert told(links.pay(token)) == (409, "nothing_to_pay")
    fan.posted(subscription, "cancel", NOW)
    assert links.shown(token)["state"] == "nothing_to_pay"
    assert told(links.pay(token)) == (409, "subscription_not_in_this_state")


def test_a_link_that_is_old_forged_or_of_nothing_is_answered_alike(
    doors: Deployment, links: Links, offer: Offer, fan: Subscriber
) -> None:
    subscription = fan.member(offer)
    good = links.to(subscription, 2)
    head, payload, signature = good.split(".")
    before = doors.recorded()
    answers = [
        answer
        for token in (
            "zqzq",
            "a.b.c",
            f"{head}.{payload}.{signature[::-1]}",
            f"{head}.{payload}.",
            links.to(subscription, 2, hours=-1),
            links.to(str(uuid4()), 2),
            links.to(str(fan.fan.id), 2),
            links.to(str(offer.creator.id), 2),
            fan.fan.token,
        )
        for answer in (links.open(token), links.pay(token))
    ]
    said = set()
    for answer in answers:
        error = answer.json()["error"]
        said.add((answer.status_code, error["code"], error["message"]))
    assert len(said) == 1
    assert told(answers[0]) == (404, "pay_link_not_found")
    assert doors.recorded() == before


def test_a_link_opens_nothing_else(doors: Deployment, links: Links, fan: Subscriber) -> None:
    token = links.to(str(uuid4()), 1)
    headers = {"authorization": f"Bearer {token}"}
    for path in ("/me", "/subscriptions", "/me/balance"):
        answer = doors.api.send(None, "GET", path, headers=headers)
        assert answer.status_code == 401
