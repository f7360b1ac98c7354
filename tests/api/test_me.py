"""A fan about themself: phones that are theirs by a code, an address, and what is never told."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.api.deployment import PHONE_PREFIX, payment_body
from tests.api.payout_steps import told
from tests.api.subscriber import Offer, Subscriber

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.deployment import Deployment

OTHER: str = f"{PHONE_PREFIX}123"


@pytest.fixture(scope="module")
def asking(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    """Two API processes of a platform that prompts no phone that is not confirmed."""
    with deploy(PHONE_CONFIRMATION_REQUIRED="true").add_apis(2) as running:
        yield running


@pytest.fixture
def fan(asking: Deployment) -> Subscriber:
    return Subscriber(asking, confirmed=False)


def test_a_fan_of_whom_nothing_is_known_has_no_phone_and_no_address(fan: Subscriber) -> None:
    data = fan.done("GET", "/me")
    assert (data["fan_id"], data["phones"], data["email_set"]) == (str(fan.fan.id), [], False)


def test_a_phone_is_confirmed_by_the_code_that_was_sent_and_shown_masked(fan: Subscriber) -> None:
    answer = fan.ask("POST", "/me/phones", {"phone": fan.phone})
    data = answer.json()["data"]
    assert answer.status_code == 202
    assert set(data) == {"confirmation_id", "expires_at", "tries_left", "position"}
    confirmation = data["confirmation_id"]
    code = fan.right_code(confirmation)
    # The code is in the message to the phone, and nowhere else.
    assert code["code"] not in answer.text
    confirmed = fan.done("POST", f"/me/phones/{confirmation}/confirm", code)
    assert confirmed["phones"] == [f"•••{fan.phone[-3:]}"]
    assert fan.done("GET", "/me")["phones"] == confirmed["phones"]


def test_a_wrong_code_is_counted_and_after_five_the_right_one_is_too_late(fan: Subscriber) -> None:
    confirmation = fan.confirmation()
    path = f"/me/phones/{confirmation}/confirm"
    for left in (4, 3, 2, 1, 0):
        answer = fan.ask("POST", path, fan.wrong_code(confirmation))
        assert told(answer) == (400, "code_wrong")
        [detail] = answer.json()["error"]["details"]
        assert detail == {"field": "code", "message": f"is wrong; tries left: {left}"}
    answer = fan.ask("POST", path, fan.right_code(confirmation))
    assert told(answer) == (409, "confirmation_over")
    assert fan.done("GET", "/me")["phones"] == []


def test_the_same_wrong_code_sent_again_by_its_key_is_one_try(fan: Subscriber) -> None:
    confirmation, key = fan.confirmation(), str(uuid4())
    path = f"/me/phones/{confirmation}/confirm"
    first = fan.ask("POST", path, fan.wrong_code(confirmation), key=key)
    for _ in range(5):
        again = fan.ask("POST", path, fan.wrong_code(confirmation), key=key)
        assert again.headers["idempotency-replayed"] == "true"
        assert told(again) == told(first) == (400, "code_wrong")
        assert again.json()["error"]["details"] == first.json()["error"]["details"]
    assert fan.ask("POST", path, fan.right_code(confirmation)).status_code == 200


def test_a_newer_code_ends_an_older_one(fan: Subscriber) -> None:
    older, newer = fan.confirmation(), fan.confirmation(OTHER)
    answer = fan.ask("POST", f"/me/phones/{older}/confirm", fan.right_code(older))
    assert told(answer) == (404, "confirmation_not_found")
    fan.done("POST", f"/me/phones/{newer}/confirm", fan.right_code(newer))


def test_a_key_that_is_used_again_for_another_phone_gets_no_code(fan: Subscriber) -> None:
    key = str(uuid4())
    first = fan.ask("POST", "/me/phones", {"phone": fan.phone}, key=key)
    again = fan.ask("POST", "/me/phones", {"phone": fan.phone}, key=key)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    other = fan.ask("POST", "/me/phones", {"phone": OTHER}, key=key)
    assert told(other) == (422, "idempotency_key_reused")


def test_nobody_is_sent_more_than_five_codes_an_hour(fan: Subscriber) -> None:
    for _ in range(5):
        fan.confirmation()
    answer = fan.ask("POST", "/me/phones", {"phone": fan.phone})
    assert told(answer) == (409, "too_many_confirmations")


def test_anothers_confirmation_is_answered_like_one_that_does_not_exist(
    asking: Deployment, fan: Subscriber
) -> None:
    confirmation = fan.confirmation()
    other = Subscriber(asking, confirmed=False)
    other.confirmation()
    for unknown in (confirmation, str(uuid4())):
        answer = other.ask("POST", f"/me/phones/{unknown}/confirm", fan.right_code(unknown))
        assert told(answer) == (404, "confirmation_not_found")
    fan.done("POST", f"/me/phones/{confirmation}/confirm", fan.right_code(confirmation))


def test_no_phone_is_prompted_before_it_is_confirmed(asking: Deployment, fan: Subscriber) -> None:
    creator = asking.creator()
    before = asking.recorded()
    for _ in range(2):
        answer = asking.initiate(fan.fan, creator)
        assert told(answer) == (409, "phone_not_confirmed")
    assert asking.recorded()["vault_entries"] == before["vault_entries"]
    fan.confirm(fan.phone)
    other = {**payment_body(creator), "phone": OTHER}
    answer = fan.ask("POST", "/payments", other)
    assert told(answer) == (409, "phone_not_confirmed")
    # Every process knows it, also one that has not seen it yet.
    for api in asking.apis:
        for _ in range(2):
            assert asking.initiate(fan.fan, creator, api=api).status_code == 202


def test_a_confirmed_phone_is_known_after_a_restart_and_lies_in_the_vault_once(
    deploy: Callable[..., Deployment],
) -> None:
    platform = deploy(PHONE_CONFIRMATION_REQUIRED="true").add_apis(1)
    with platform:
        creator, fan = platform.creator(), Subscriber(platform)
        assert platform.initiate(fan.fan, creator).status_code == 202
        entries = platform.recorded()["vault_entries"]
        platform.api.terminate()
        platform.api.start()
        platform.api.wait_until_ready()
        assert platform.initiate(fan.fan, creator).status_code == 202
        fan.confirm(fan.phone)
        assert platform.recorded()["vault_entries"] == entries
        assert fan.done("GET", "/me")["phones"] == ["•••000"]


def test_anothers_confirmed_phone_is_not_confirmed(asking: Deployment, fan: Subscriber) -> None:
    fan.confirm(fan.phone)
    stranger = Subscriber(asking, confirmed=False)
    answer = asking.initiate(stranger.fan, asking.creator())
    assert told(answer) == (409, "phone_not_confirmed")


def test_an_address_is_set_changed_and_removed_and_never_told(fan: Subscriber) -> None:
    for address in ("a.fan@example.org", "another@example.org", "another@example.org"):
        answer = fan.ask("PUT", "/me/email", {"email": address})
        assert answer.json()["data"]["email_set"] is True
        assert "example" not in answer.text
    assert fan.done("GET", "/me")["email_set"] is True
    key = str(uuid4())
    assert fan.done("DELETE", "/me/email", key=key)["email_set"] is False
    assert fan.done("GET", "/me")["email_set"] is False
    fan.done("PUT", "/me/email", {"email": "again@example.org"})
    # Told again as it was then.
    assert fan.done("DELETE", "/me/email", key=key)["email_set"] is False
    assert fan.done("GET", "/me")["email_set"] is True


def test_who_never_set_an_address_may_remove_it(fan: Subscriber) -> None:
    assert fan.done("DELETE", "/me/email")["email_set"] is False


def test_the_same_address_again_changes_nothing(asking: Deployment, fan: Subscriber) -> None:
    fan.done("PUT", "/me/email", {"email": "a.fan@example.org"})
    before = asking.recorded()
    fan.done("PUT", "/me/email", {"email": "a.fan@example.org"})
    after = asking.recorded()
    assert (after["ledger_events"], after["vault_entries"]) == (
        before["ledger_events"],
        before["vault_entries"],
    )


def test_credit_is_shown_with_an_etag_and_where_it_is_true(asking: Deployment) -> None:
    fan = Subscriber(asking)
    answer = fan.ask("GET", "/me/balance")
    assert answer.json()["data"]["balances"] == []
    subscription = fan.member(Offer(asking))
    fan.post(subscription, "pause", {"when": "now"})
    read = fan.ask("GET", "/me/balance")
    data = read.json()["data"]
    [kes] = data["balances"]
    assert kes["currency"] == "KES"
    assert (kes["goodwill"], kes["reserved"]) == (0, 0)
    assert 0 < kes["credit"] <= 50_000
    assert read.headers["etag"] != answer.headers["etag"]
    headers = {"if-none-match": read.headers["etag"]}
    same = asking.api.send(fan.fan, "GET", "/me/balance", headers=headers)
    assert (same.status_code, same.content) == (304, b"")
    assert fan.ask("GET", f"/me/balance?min_position={data['position']}").status_code == 200
    far = fan.ask("GET", "/me/balance?min_position=9000000000")
    assert told(far) == (409, "position_not_reached")


def test_access_is_shown_of_every_creator_and_ends_with_the_subscription(
    asking: Deployment,
) -> None:
    fan, first, second = Subscriber(asking), Offer(asking), Offer(asking)
    assert fan.done("GET", "/me/entitlements")["items"] == []
    member, incomplete = fan.member(first), fan.subscribe(second)

    def access() -> dict[str, tuple[str, bool]]:
        return {
            each["subscription_id"]: (each["state"], each["entitled"])
            for each in fan.done("GET", "/me/entitlements")["items"]
        }

    assert access() == {member: ("active", True), incomplete: ("incomplete", False)}
    fan.post(member, "cancel", {"when": "now"})
    assert access()[member] == ("cancelled", False)
