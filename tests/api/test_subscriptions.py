"""A fan subscribes over HTTP: from the first prompt to what becomes of it, each request once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from api.routers import subscription_payments
from ledger.application import Ledger
from ledger.commands import IdempotencyKey
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.key_store import KeyStore
from ledger.manual_references import normalised, payment_of
from tests.api.deployment import PHONE_PREFIX
from tests.api.operator_callbacks import till_payment
from tests.api.payout_steps import kes, told
from tests.api.subscriber import (
    AT_THE_END,
    HIGHER,
    MONTH,
    NOW,
    PRICE,
    TRIAL_DAYS,
    YEAR,
    Offer,
    Subscriber,
)
from tests.builders import initiate_payment
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from tests.api.deployment import Deployment

REPLAYED: str = "idempotency-replayed"


@pytest.fixture
def offer(doors: Deployment) -> Offer:
    return Offer(doors)


@pytest.fixture
def fan(doors: Deployment) -> Subscriber:
    return Subscriber(doors)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


# Beginning.


def test_a_prompt_is_answered_on_the_phone_and_the_subscription_is_active(
    stories: Deployment,
) -> None:
    """With the operator and the dispatcher: nothing is told to the API by hand."""
    fan, offer = Subscriber(stories, line="61"), Offer(stories)
    answer = fan.ask("POST", "/subscriptions", fan.body(offer))
    begun = answer.json()["data"]
    assert (answer.status_code, begun["state"]) == (202, "incomplete")
    assert answer.headers["location"] == f"/api/v1/subscriptions/{begun['id']}"
    [invoice] = begun["open_invoices"]
    assert (invoice["kind"], invoice["due"], invoice["money"]) == ("first", PRICE, kes(PRICE))
    active = fan.wait_for(begun["id"], "active")
    assert active["tier"] == {"id": offer.tier, "name": "Friends"}
    assert active["open_invoices"] == []
    assert active["next_renewal"] == {"at": active["paid_until"], "money": kes(PRICE)}
    [access] = fan.done("GET", "/me/entitlements")["items"]
    assert (access["entitled"], access["until"]) == (True, active["paid_until"])
    [paid] = fan.invoices(begun["id"])
    assert (paid["state"], paid["end"]) == ("paid", active["paid_until"])
    payment = stories.payment(fan.fan, paid["payments"][0])
    assert (payment["purpose"], payment["subscription_id"]) == ("invoice", begun["id"])


def test_a_fan_who_declines_the_prompt_is_asked_again_when_they_say_so(
    doors: Deployment, offer: Offer, fan: Subscriber
) -> None:
    subscription = fan.subscribe(offer)
    first = fan.live(subscription)
    assert told(fan.post(subscription, "pay-now")) == (409, "prompt_live")
    doors.api.deliver(doors.callback(first, "failed"))
    [invoice] = fan.read(subscription)["open_invoices"]
    assert [each["state"] for each in invoice["attempts"]] == ["failed"]
    assert fan.post(subscription, "pay-now").status_code == 202
    assert fan.live(subscription) != first
    fan.pay(subscription)
    [paid] = fan.invoices(subscription)
    assert [each["state"] for each in paid["attempts"]] == ["failed", "succeeded"]
    # And the next period early.
    assert fan.posted(subscription, "pay-now")["open_invoices"][0]["number"] == 2


def test_a_trial_costs_nothing_and_there_is_one(
    doors: Deployment, offer: Offer, fan: Subscriber
) -> None:
    trial = fan.done("POST", "/subscriptions", fan.body(offer, trial=True))
    lasts = instant(trial["trial_ends_at"]) - instant(trial["started_at"])
    assert trial["state"] == "trialing"
    assert lasts == timedelta(days=TRIAL_DAYS)
    assert trial["open_invoices"] == []
    assert trial["next_renewal"] == {"at": trial["trial_ends_at"], "money": kes(PRICE)}
    [access] = fan.done("GET", "/me/entitlements")["items"]
    assert (access["entitled"], access["until"]) == (True, trial["trial_ends_at"])
    fan.posted(trial["id"], "cancel", NOW)
    again = fan.ask("POST", "/subscriptions", fan.body(offer, trial=True))
    assert told(again) == (409, "trial_used")
    assert fan.subscribe(offer)


def test_a_trial_that_is_paid_early_goes_on_after_its_end(offer: Offer, fan: Subscriber) -> None:
    trial = fan.done("POST", "/subscriptions", fan.body(offer, trial=True))
    fan.post(trial["id"], "pay-now")
    fan.pay(trial["id"])
    active = fan.read(trial["id"])
    assert active["state"] == "active"
    [invoice] = fan.invoices(trial["id"])
    assert invoice["start"] == trial["trial_ends_at"]


def test_a_card_is_charged_without_a_phone(offer: Offer, doors: Deployment) -> None:
    fan = Subscriber(doors, confirmed=False)
    card = {"kind": "card", "card": "card_000", "provider": "sandbox"}
    subscription = fan.member(offer, method=card)
    assert fan.read(subscription)["method"] == {"kind": "card", "provider": "sandbox"}


def test_the_time_zone_is_the_books_unless_the_fan_has_another(
    offer: Offer, fan: Subscriber, doors: Deployment
) -> None:
    assert fan.read(fan.subscribe(offer))["time_zone"] == "Africa/Nairobi"
    other = Subscriber(doors)
    assert other.read(other.subscribe(offer, time_zone="Africa/Cairo"))["time_zone"] == (
        "Africa/Cairo"
    )


def test_an_incomplete_one_is_replaced_and_a_live_one_is_not(offer: Offer, fan: Subscriber) -> None:
    first, second = fan.subscribe(offer), fan.subscribe(offer)
    replaced = fan.read(first)
    assert (replaced["state"], replaced["reason"]) == ("cancelled", "replaced")
    fan.pay(second)
    again = fan.ask("POST", "/subscriptions", fan.body(offer))
    assert told(again) == (409, "already_subscribed")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"tier_id": str(uuid4())}, (404, "tier_not_found")),
        ({"creator_id": str(uuid4())}, (404, "creator_not_found")),
        ({"interval": {"unit": "week", "count": 3}}, (404, "price_not_found")),
        (
            {"method": {"kind": "phone", "phone": f"{PHONE_PREFIX}999"}},
            (409, "phone_not_confirmed"),
        ),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    doors: Deployment,
    offer: Offer,
    fan: Subscriber,
    changes: dict[str, Any],
    expected: tuple[int, str],
) -> None:
    before = doors.recorded()
    answer = fan.ask("POST", "/subscriptions", fan.body(offer, **changes))
    assert told(answer) == expected
    after = doors.recorded()
    assert {**after, "idempotency_keys": 0, "turns": 0} == {
        **before,
        "idempotency_keys": 0,
        "turns": 0,
    }


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"time_zone": "Africa/Zqzq"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"method": {"kind": "phone"}}, "method.phone"),
        ({"method": {"kind": "card"}}, "method.card"),
        ({"method": {"kind": "card", "card": "4111111111111111"}}, "method.card"),
        ({"method": {"kind": "card", "card": "c", "phone": "+254700000000"}}, "method.phone"),
        ({"method": {"kind": "card", "card": "c", "provider": "another"}}, "method.provider"),
    ],
)
def test_what_is_not_right_is_named(
    offer: Offer, fan: Subscriber, changes: dict[str, Any], field: str
) -> None:
    answer = fan.ask("POST", "/subscriptions", fan.body(offer, **changes))
    assert told(answer) == (400, "validation_error")
    assert [each["field"] for each in answer.json()["error"]["details"]] == [field]


# Each request once.


def test_the_same_request_again_is_answered_as_the_first_time_whatever_happened_since(
    doors: Deployment, offer: Offer, fan: Subscriber
) -> None:
    key = str(uuid4())
    first = fan.ask("POST", "/subscriptions", fan.body(offer), key=key)
    subscription = first.json()["data"]["id"]
    fan.pay(subscription)
    ended, end = str(uuid4()), fan.post(subscription, "cancel", NOW)
    before = doors.recorded()
    for api in doors.apis:
        again = fan.ask("POST", "/subscriptions", fan.body(offer), key=key, api=api)
        assert again.headers[REPLAYED] == "true"
        assert (again.status_code, again.json()) == (202, first.json())
        assert again.headers["location"] == first.headers["location"]
    assert doors.recorded() == before
    assert told(fan.post(subscription, "cancel", NOW, key=ended)) == (
        409,
        "subscription_not_in_this_state",
    )
    assert end.json()["data"]["state"] == "cancelled"
    changed = fan.body(offer, trial=True)
    assert told(fan.ask("POST", "/subscriptions", changed, key=key)) == (
        422,
        "idempotency_key_reused",
    )


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("cancel", AT_THE_END),
        ("pause", NOW),
        ("pause", AT_THE_END),
        ("prepay", {"count": 2}),
        ("pay-now", None),
        ("pay-by-hand", None),
    ],
)
def test_whatever_is_asked_of_a_subscription_is_done_once_a_key(
    doors: Deployment, offer: Offer, fan: Subscriber, what: str, body: dict[str, Any] | None
) -> None:
    subscription, key = fan.member(offer), str(uuid4())
    first = fan.post(subscription, what, body, key=key)
    assert first.is_success, first.text
    fan.post(subscription, "cancel", NOW)
    before = doors.recorded()
    for api in doors.apis:
        again = fan.post(subscription, what, body, key=key, api=api)
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        assert again.headers[REPLAYED] == "true"
    assert doors.recorded() == before


# Ending, and going on.


def test_what_is_cancelled_with_the_period_is_open_until_then_and_can_be_taken_back(
    offer: Offer, fan: Subscriber
) -> None:
    subscription = fan.member(offer)
    scheduled = fan.posted(subscription, "cancel", AT_THE_END)
    assert scheduled["state"] == "active"
    assert scheduled["cancel_at"] == scheduled["paid_until"]
    assert scheduled["next_renewal"] is None
    again = fan.post(subscription, "cancel", AT_THE_END)
    assert told(again) == (409, "already_scheduled")
    assert fan.done("GET", "/me/entitlements")["items"][0]["entitled"] is True
    revoked = fan.posted(subscription, "uncancel")
    assert (revoked["cancel_at"], revoked["next_renewal"]["at"]) == (None, revoked["paid_until"])
    assert told(fan.post(subscription, "uncancel")) == (409, "nothing_scheduled")


def test_what_is_paused_gives_credit_and_is_resumed_with_it(
    doors: Deployment, offer: Offer, fan: Subscriber
) -> None:
    subscription = fan.member(offer)
    paused = fan.posted(subscription, "pause", NOW)
    assert (paused["state"], paused["paid_until"]) == ("paused", None)
    [note] = fan.invoices(subscription)[0]["credit_notes"]
    [funds] = fan.done("GET", "/me/balance")["balances"]
    # A moment of the month is gone.
    assert PRICE - 5 <= note["money"]["amount"] == funds["credit"] < PRICE
    resumed = fan.posted(subscription, "resume")
    [invoice] = resumed["open_invoices"]
    assert (invoice["kind"], invoice["number"]) == ("renewal", 2)
    assert invoice["due"] + invoice["credit"] == PRICE
    assert invoice["credit"] == funds["credit"]
    fan.pay(subscription)
    assert fan.read(subscription)["open_invoices"] == []
    [funds] = fan.done("GET", "/me/balance")["balances"]
    assert (funds["credit"], funds["reserved"]) == (0, 0)
    assert_book_is_sound(doors.database)


def test_periods_that_are_paid_ahead_become_credit_when_it_ends(
    doors: Deployment, offer: Offer, fan: Subscriber
) -> None:
    subscription = fan.member(offer)
    before = fan.read(subscription)
    ordered = fan.posted(subscription, "prepay", {"count": 3})
    [invoice] = ordered["open_invoices"]
    assert (invoice["kind"], invoice["count"], invoice["due"]) == ("prepayment", 3, 3 * PRICE)
    fan.pay(subscription)
    after = fan.read(subscription)
    assert instant(after["paid_until"]) - instant(before["paid_until"]) >= timedelta(days=89)
    fan.posted(subscription, "cancel", AT_THE_END)
    [funds] = fan.done("GET", "/me/balance")["balances"]
    assert funds["credit"] == 3 * PRICE
    assert_book_is_sound(doors.database)


# Another tier.


def test_what_a_preview_says_is_what_then_happens(
    doors: Deployment, offer: Offer, fan: Subscriber
) -> None:
    subscription = fan.member(offer)
    before = doors.recorded()
    quote = fan.done("GET", fan.preview(subscription, offer.higher))
    assert doors.recorded() == before
    assert quote["kind"] == "upgrade"
    assert HIGHER - PRICE - 5 <= quote["amount_due"] <= HIGHER - PRICE
    assert quote["price"]["money"] == kes(HIGHER)
    held = instant(quote["valid_until"]) - instant(quote["quoted_at"])
    assert held == timedelta(minutes=15)
    wanted = {
        "tier_id": offer.higher,
        "interval": MONTH,
        "quoted_at": quote["quoted_at"],
        "amount_due": quote["amount_due"],
    }
    asked = fan.posted(subscription, "change-tier", wanted)
    [invoice] = asked["open_invoices"]
    assert (invoice["kind"], invoice["due"]) == ("change", quote["amount_due"])
    # It holds when it is paid.
    assert asked["tier"]["name"] == "Friends"
    fan.pay(subscription)
    changed = fan.read(subscription)
    assert changed["tier"] == {"id": offer.higher, "name": "Family"}
    assert changed["price"] == quote["price"]
    assert fan.invoices(subscription)[0]["money"] == kes(quote["amount_due"])


def test_another_interval_holds_from_the_next_renewal_on_and_can_be_taken_back(
    offer: Offer, fan: Subscriber
) -> None:
    subscription = fan.member(offer)
    quote = fan.done("GET", fan.preview(subscription, offer.tier, YEAR))
    assert (quote["kind"], quote["amount_due"]) == ("at_renewal", 0)
    wanted = {"tier_id": offer.tier, "quoted_at": quote["quoted_at"], "amount_due": 0}
    changed = fan.posted(subscription, "change-tier", {**wanted, "interval": YEAR})
    assert quote["holds_from"] == changed["paid_until"] == changed["next_renewal"]["at"]
    assert changed["next_renewal"]["money"] == kes(10 * PRICE)
    assert changed["scheduled_change"]["price"] == quote["price"]
    back = fan.done("GET", fan.preview(subscription, offer.tier, MONTH))
    assert back["kind"] == "revoke"
    wanted["quoted_at"] = back["quoted_at"]
    revoked = fan.posted(subscription, "change-tier", {**wanted, "interval": MONTH})
    assert revoked["scheduled_change"] is None


def test_a_change_that_was_not_previewed_like_that_is_refused(
    offer: Offer, fan: Subscriber
) -> None:
    subscription = fan.member(offer)
    quote = fan.done("GET", fan.preview(subscription, offer.higher))
    wanted = {
        "tier_id": offer.higher,
        "interval": MONTH,
        "quoted_at": quote["quoted_at"],
        "amount_due": quote["amount_due"] - 1,
    }
    assert told(fan.post(subscription, "change-tier", wanted)) == (409, "quote_outdated")
    old = instant(quote["quoted_at"]) - timedelta(minutes=16)
    wanted = {**wanted, "amount_due": quote["amount_due"], "quoted_at": old.isoformat()}
    assert told(fan.post(subscription, "change-tier", wanted)) == (409, "quote_outdated")
    same = fan.ask("GET", fan.preview(subscription, offer.tier))
    assert told(same) == (400, "nothing_changes")


# Another way to pay.


def test_a_subscription_is_paid_from_another_phone_only_once_that_is_confirmed(
    doors: Deployment, offer: Offer, fan: Subscriber
) -> None:
    subscription, other = fan.member(offer), f"{PHONE_PREFIX}777"
    wanted = {"method": fan.by_phone(other)}
    before = doors.recorded()["vault_entries"]
    answer = fan.post(subscription, "payment-method", wanted)
    assert told(answer) == (409, "phone_not_confirmed")
    assert doors.recorded()["vault_entries"] == before
    fan.confirm(other)
    fan.posted(subscription, "payment-method", wanted)
    topics = doors.topics(subscription)
    assert topics[-1] == "subscription.payment_method_changed.v1"
    # To the same again: nothing changes.
    fan.posted(subscription, "payment-method", wanted)
    assert doors.topics(subscription) == topics


def _at_the_till(doors: Deployment, reference: str, amount: str) -> httpx.Response:
    told_ = till_payment(
        doors.webhook_secret, reference, transaction=f"SB{uuid4().hex}", amount=amount
    )
    return doors.api.deliver(told_)


def test_a_first_period_is_paid_by_hand_at_the_till(
    doors: Deployment, offer: Offer, fan: Subscriber
) -> None:
    subscription, key = fan.subscribe(offer), str(uuid4())
    answer = fan.post(subscription, "pay-by-hand", key=key)
    data = answer.json()["data"]
    assert answer.status_code == 201
    assert normalised(data["reference"]) == data["reference"]
    assert data["money"] == kes(PRICE)
    waits = instant(data["expires_at"]) - instant(fan.read(subscription)["updated_at"])
    assert waits == timedelta(days=3)
    # The prompt is live besides; the same request is told the same reference by every process.
    for api in doors.apis:
        again = fan.post(subscription, "pay-by-hand", key=key, api=api)
        assert again.json() == answer.json()
    other = fan.posted(subscription, "pay-by-hand")
    assert other["reference"] != data["reference"]
    assert _at_the_till(doors, data["reference"], "500.00").json()["data"]["verdict"] == "applied"
    assert fan.read(subscription)["state"] == "active"
    payment = str(payment_of(data["reference"]))
    assert fan.invoices(subscription)[0]["payments"] == [payment]
    assert doors.payment(fan.fan, payment)["method"] == "till"
    assert fan.post(subscription, "pay-by-hand", key=key).json() == answer.json()
    # Who pays by both has the second as credit.
    assert _at_the_till(doors, other["reference"], "500.00").json()["data"]["verdict"] == "applied"
    [funds] = fan.done("GET", "/me/balance")["balances"]
    assert funds["credit"] == PRICE
    assert_book_is_sound(doors.database)


def test_a_reference_that_was_given_to_somebody_before_is_not_given_again(
    doors: Deployment, offer: Offer, fan: Subscriber
) -> None:
    """It would take billions of references for that to happen by chance."""
    store = KeyStore(doors.directory / "keys" / "key_store.sqlite3")
    secret = store.secret("manual_references")
    store.close()
    key = str(uuid4())
    asked = IdempotencyKey(f"fan:{fan.fan.id}", key)
    first, second = (subscription_payments._reference(secret, asked, draw) for draw in (0, 1))
    ledger = Ledger(BookLocation(doors.database, DatabaseRole.APP))
    ledger.execute_one(initiate_payment(offer.creator.id, payment_id=payment_of(first)))
    ledger.close()
    subscription = fan.subscribe(offer)
    answer = fan.post(subscription, "pay-by-hand", key=key)
    assert answer.json()["data"]["reference"] == second
    before = doors.recorded()
    for api in doors.apis:
        again = fan.post(subscription, "pay-by-hand", key=key, api=api)
        assert again.headers[REPLAYED] == "true"
        assert again.json() == answer.json()
    assert doors.recorded() == before
    assert doors.topics(payment_of(first)) == ["payment.initiated.v1"]


def test_what_credit_pays_needs_no_reference(
    doors: Deployment, offer: Offer, fan: Subscriber
) -> None:
    other = fan.posted(subscription := fan.subscribe(offer), "pay-by-hand")
    fan.pay(subscription)
    _at_the_till(doors, other["reference"], "500.00")
    data = fan.posted(subscription, "pay-by-hand")
    assert (data["reference"], data["money"], data["expires_at"]) == (None, None, None)
    assert [each["state"] for each in fan.invoices(subscription)] == ["paid", "paid"]


# Looking.


def test_another_fans_is_answered_like_one_that_does_not_exist(
    doors: Deployment, offer: Offer, fan: Subscriber
) -> None:
    subscription, stranger = fan.member(offer), Subscriber(doors)
    events = doors.topics(subscription)
    quote = f"change-preview?tier_id={offer.higher}&interval_unit=month"
    for unknown in (subscription, str(uuid4()), str(offer.creator.id), str(fan.fan.id)):
        for method, what, body in (
            ("GET", "", None),
            ("GET", "/invoices", None),
            ("GET", f"/{quote}", None),
            ("POST", "/cancel", NOW),
            ("POST", "/uncancel", None),
            ("POST", "/pause", NOW),
            ("POST", "/resume", None),
            ("POST", "/pay-now", None),
            ("POST", "/pay-by-hand", None),
            ("POST", "/prepay", {"count": 1}),
            ("POST", "/payment-method", {"method": stranger.by_phone()}),
        ):
            answer = stranger.ask(method, f"/subscriptions/{unknown}{what}", body)
            assert told(answer) == (404, "subscription_not_found"), what
    assert doors.topics(subscription) == events
    assert doors.api.send(doors.admin, "GET", f"/subscriptions/{subscription}").is_success


def test_a_fans_subscriptions_are_listed_newest_first_in_pages_and_no_others(
    doors: Deployment, fan: Subscriber
) -> None:
    ids = [fan.subscribe(Offer(doors)) for _ in range(5)]
    stranger = Subscriber(doors)
    stranger.subscribe(Offer(doors))
    whole = fan.done("GET", "/subscriptions")
    assert [each["id"] for each in whole["items"]] == ids[::-1]
    assert whole["next_cursor"] is None
    page = fan.done("GET", "/subscriptions?limit=2")
    found = page["items"]
    while page["next_cursor"] is not None:
        page = fan.done("GET", f"/subscriptions?limit=2&cursor={page['next_cursor']}")
        found += page["items"]
    assert found == whole["items"]
    assert Subscriber(doors, confirmed=False).done("GET", "/subscriptions")["items"] == []


def test_invoices_are_listed_newest_first_in_pages(offer: Offer, fan: Subscriber) -> None:
    subscription = fan.member(offer)
    for _ in range(2):
        fan.posted(subscription, "prepay", {"count": 1})
        fan.pay(subscription)
    path = f"/subscriptions/{subscription}/invoices"
    whole = fan.done("GET", path)["items"]
    assert [each["number"] for each in whole] == [3, 2, 1]
    page = fan.done("GET", f"{path}?limit=1")
    of_invoices = page["next_cursor"]
    found = page["items"]
    while page["next_cursor"] is not None:
        page = fan.done("GET", f"{path}?limit=1&cursor={page['next_cursor']}")
        found += page["items"]
    assert found == whole
    wrong = fan.ask("GET", f"/subscriptions?cursor={of_invoices}")
    assert told(wrong) == (400, "invalid_cursor")
