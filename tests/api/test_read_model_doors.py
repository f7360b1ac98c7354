"""What read models say over HTTP: as new as was asked for, page by page, to whom it concerns."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest

from api.auth import Role
from tests.api.deployment import GROSS, NET, Deployment, Person
from tests.api.payout_steps import Payee, kes
from tests.api.search_requests import OF_A_CREATOR, RULES, THIS_MONTH
from tests.api.subscriber import NOW, Offer, Subscriber
from tests.api.subscription_requests import CARD
from tests.databases import superuser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PRICE: Final = 50_000
BEYOND: Final = 10**12
"""A position that no test's log reaches."""


@pytest.fixture(scope="module")
def read(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    """Two API processes, and a projector that feeds what they read."""
    # A day is too long to wait for a destination to cool.
    settings = {"DESTINATION_COOLING_SECONDS": "0"}
    with deploy(**settings).add_apis(2).add_projectors(1) as running:
        yield running


def ask(doors: Deployment, caller: Person, path: str, **params: object) -> httpx.Response:
    return doors.api.send(caller, "GET", path, params=params)


def data_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == httpx.codes.OK, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def now(doors: Deployment, caller: Person, path: str, **params: object) -> dict[str, Any]:
    """What is true at the head of the log, or later."""
    balance = data_of(ask(doors, doors.auditor, "/audit/trial-balance"))
    return data_of(ask(doors, caller, path, min_position=balance["position"], **params))


def paid(doors: Deployment, fan: Person, creator: Person, *, amount: int = GROSS) -> str:
    """A payment of an amount that has succeeded; its id."""
    payment = doors.pay(fan, creator, amount=amount)
    said = doors.callback(payment, amount=f"{amount // 100}.{amount % 100:02d}")
    assert doors.api.deliver(said).json()["data"]["verdict"] == "applied"
    return payment


def ids(data: dict[str, Any]) -> list[str]:
    return [str(item["id"]) for item in data["items"]]


def test_a_payment_is_found_at_the_position_of_its_own_answer(read: Deployment) -> None:
    fan, creator = read.fan(), read.creator()
    begun = read.initiate(fan, creator).json()["data"]
    for caller, path, params in (
        (read.admin, "/admin/payments", {"fan_id": str(fan.id)}),
        (read.admin, "/admin/payments", {"creator_id": str(creator.id), "state": "initiated"}),
        (creator, f"/creators/{creator.id}/payments", {}),
        (fan, "/me/payments", {}),
    ):
        found = data_of(ask(read, caller, path, min_position=begun["position"], **params))
        assert ids(found) == [begun["id"]]
        assert found["position"] >= begun["position"]
        [payment] = found["items"]
        assert (payment["state"], payment["money"]) == ("initiated", begun["money"])


def test_what_is_written_through_one_process_is_read_through_another(read: Deployment) -> None:
    fan, creator = read.fan(), read.creator()
    for _ in range(20):
        begun = read.initiate(fan, creator).json()["data"]
        other = read.apis[1].send(
            fan, "GET", "/me/payments", params={"min_position": begun["position"], "limit": 1}
        )
        assert ids(data_of(other)) == [begun["id"]]


def test_admins_find_a_payment_by_what_they_know_of_it(read: Deployment) -> None:
    fan, creator = read.fan(), read.creator()
    before = datetime.now(UTC)
    payment = paid(read, fan, creator)
    paid(read, read.fan(), read.creator())
    [found] = now(read, read.admin, "/admin/payments", fan_id=str(fan.id))["items"]
    assert (found["id"], found["state"]) == (payment, "succeeded")
    assert sum(found["split"].values()) == found["money"]["amount"] == GROSS
    transaction = found["provider_transaction"]
    times = {"since": before.isoformat(), "until": "2100-01-01T00:00:00Z"}
    for known, there in (
        ({"provider_transaction": transaction}, True),
        ({"creator_id": str(creator.id), "state": "succeeded", **times}, True),
        ({"fan_id": str(fan.id), "state": "failed"}, False),
        ({"fan_id": str(fan.id), "until": before.isoformat()}, False),
        ({"provider_transaction": transaction.lower()}, False),
    ):
        assert ids(now(read, read.admin, "/admin/payments", **known)) == [payment] * there


def test_admins_find_payouts_proposals_and_money_in_suspense(read: Deployment) -> None:
    payee = Payee(read, available=300_000)
    payout = payee.payout(200_000)
    filters = {"creator_id": str(payee.creator.id), "provider": "sandbox"}
    [found] = now(read, read.admin, "/admin/payouts", **filters)["items"]
    assert (found["id"], found["money"]) == (payout, kes(200_000))
    assert sum(found["legs"].values()) == 200_000
    assert ids(now(read, read.admin, "/admin/payouts", **filters, state="paid")) == []
    adjusting = now(read, read.admin, "/admin/proposals", state="carried_out", limit=1)["items"]
    assert [(each["kind"], each["money"]) for each in adjusting] == [
        ("post_adjustment", kes(300_000))
    ]
    assert now(read, read.admin, "/admin/proposals")["items"] == []
    fan = read.fan()
    payment = read.pay(fan, payee.creator)
    read.api.deliver(read.callback(payment, amount="100.00"))
    [receipt] = now(read, read.admin, "/admin/suspense/receipts", stream_id=payment)["items"]
    assert (receipt["why"], receipt["state"], receipt["money"]) == (
        "mismatched",
        "waiting",
        kes(10_000),
    )
    by_transaction = {"provider_transaction": receipt["provider_transaction"], "state": "waiting"}
    assert now(read, read.admin, "/admin/suspense/receipts", **by_transaction)["items"] == [receipt]
    review = now(read, read.admin, "/admin/payments", state="needs_review", fan_id=str(fan.id))
    assert ids(review) == [payment]


def test_pages_neither_skip_nor_repeat_while_others_write(read: Deployment) -> None:
    creator, fan = read.creator(), read.fan()
    before = [read.pay(fan, creator) for _ in range(30)][::-1]
    path = f"/creators/{creator.id}/payments"
    first = now(read, creator, path, limit=3)
    pages, cursor, stop = ids(first), first["next_cursor"], threading.Event()
    written: list[str] = []

    def write() -> None:
        while not stop.is_set():
            payment = read.pay(fan, creator)
            # One that is new, and one that is on a page changes its state.
            read.api.deliver(read.callback(before[len(written) % 30]))
            written.append(payment)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while cursor is not None:
            page = now(read, creator, path, limit=3, cursor=cursor)
            pages += ids(page)
            cursor = page["next_cursor"]
    finally:
        stop.set()
        writer.join()
    assert pages == before
    assert len(written) > 1
    whole = now(read, creator, path, limit=200)
    assert ids(whole) == written[::-1] + before


def test_who_holds_an_etag_is_told_when_something_changed(read: Deployment) -> None:
    creator, fan = read.creator(), read.fan()
    paid(read, fan, creator)
    of_creator = ("earnings", "transactions", "subscribers", "payouts", "statements")
    asked = [(creator, f"/creators/{creator.id}/{name}") for name in of_creator]
    asked += [(fan, path) for path in ("/me/payments", "/me/invoices", "/subscriptions")]
    for caller, path in asked:
        now(read, caller, path)
        tag = ask(read, caller, path).headers["etag"]
        assert tag.startswith('W/"')
        # Something happens to others: the position moves on, and nothing else.
        head = read.initiate(read.fan(), read.creator()).json()["data"]["position"]
        for names in (tag, tag.removeprefix("W/"), f'"another", {tag}', "*"):
            answer = read.api.send(
                caller,
                "GET",
                path,
                params={"min_position": head},
                headers={"if-none-match": names},
            )
            assert (answer.status_code, answer.content) == (304, b""), names
            assert answer.headers["etag"] == tag
        stale = {"if-none-match": '"another"'}
        assert read.api.send(caller, "GET", path, headers=stale).status_code == 200
    tag = ask(read, fan, "/me/payments").headers["etag"]
    head = read.initiate(fan, creator).json()["data"]["position"]
    changed = read.api.send(
        fan,
        "GET",
        "/me/payments",
        params={"min_position": head},
        headers={"if-none-match": tag},
    )
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


FROM_THE_LOG: Final = ("/receipt", "/statements", "/statements/{month}")
"""What is never behind, and asks no read model that a projector feeds."""
ASKING: Final = sorted(route.path for route in RULES if not route.path.endswith(FROM_THE_LOG))


@pytest.mark.parametrize("path", ASKING)
def test_every_answer_says_where_it_is_true_and_what_is_not_there_yet_is_refused(
    read: Deployment, path: str
) -> None:
    creator = read.creator()
    caller = read.fan() if path.startswith("/me/") else read.admin
    path = path.replace("{creator_id}", str(creator.id))
    answer = ask(read, caller, path)
    assert data_of(answer)["position"] >= 0
    assert "etag" in answer.headers
    early = ask(read, caller, path, min_position=BEYOND)
    assert (early.status_code, early.json()["error"]["code"]) == (409, "position_not_reached")


def test_a_read_model_that_does_not_come_is_no_reason_for_a_stale_answer(
    read: Deployment,
) -> None:
    fan, creator = read.fan(), read.creator()
    first = read.initiate(fan, creator).json()["data"]
    assert ids(now(read, fan, "/me/payments")) == [first["id"]]
    with read.projectors[0].paused():
        second = read.initiate(fan, creator).json()["data"]
        late = ask(read, fan, "/me/payments", min_position=second["position"])
        assert (late.status_code, late.json()["error"]["code"]) == (503, "read_model_behind")
        assert late.headers["retry-after"] == "1"
        # Who does not ask for more gets what there is, and where it was so.
        old = data_of(ask(read, fan, "/me/payments"))
        assert ids(old) == [first["id"]]
        assert old["position"] < second["position"]
    again = data_of(ask(read, fan, "/me/payments", min_position=second["position"]))
    assert ids(again) == [second["id"], first["id"]]


def test_a_read_model_that_was_never_begun_is_missed_in_a_clear_word(
    deploy: Callable[..., Deployment],
) -> None:
    with deploy().add_apis(1) as bare:
        with superuser(bare.database) as connection:
            connection.execute("DELETE FROM read_models WHERE name = 'payments'")
        missing = ask(bare, bare.fan(), "/me/payments")
        assert (missing.status_code, missing.json()["error"]["code"]) == (503, "read_model_missing")
        assert missing.headers["retry-after"] == "1"


def test_earnings_are_what_the_balance_says_by_whatever_period(read: Deployment) -> None:
    creator = read.creator()
    for _ in range(3):
        paid(read, read.fan(), creator)
    path = f"/creators/{creator.id}/earnings"
    today = datetime.now(ZoneInfo("Africa/Nairobi")).date()
    for interval, first_day in (
        ("day", today),
        ("week", today.fromordinal(today.toordinal() - today.weekday())),
        ("month", today.replace(day=1)),
    ):
        [period] = now(read, creator, path, interval=interval)["items"]
        assert (period["first_day"], period["by_source"]) == (first_day.isoformat(), None)
        assert (period["gross"], period["net"]) == (3 * GROSS, 3 * NET)
        assert period["net"] == read.pending(creator)
        assert period["fee"] + period["vat"] + period["net"] == period["gross"]
    [period] = now(read, creator, path, by_source="true")["items"]
    assert period["by_source"]["tips"]["net"] == 3 * NET
    long_ago = now(read, creator, path, since="2020-01-01", until="2020-02-01")
    assert (long_ago["items"], long_ago["since"]) == ([], "2020-01-01")
    too_long = ask(read, creator, path, since="2000-01-01", until="2030-01-01")
    assert (too_long.status_code, too_long.json()["error"]["code"]) == (400, "range_too_long")
    backwards = ask(read, creator, path, since="2026-01-02", until="2026-01-02")
    assert backwards.json()["error"]["details"][0]["field"] == "until"


def test_supporters_have_one_name_for_one_creator_and_another_for_the_next(
    read: Deployment,
) -> None:
    fans = [read.fan() for _ in range(3)]
    creators = [read.creator(), read.creator()]
    for creator in creators:
        for number, fan in enumerate(fans, 1):
            paid(read, fan, creator, amount=number * 10_000)
    month = datetime.now(ZoneInfo("Africa/Nairobi")).strftime("%Y-%m")
    names = []
    for creator in creators:
        path = f"/creators/{creator.id}/supporters"
        top = now(read, creator, path)
        assert (top["currency"], top["month"]) == ("KES", None)
        assert [each["paid"] for each in top["items"]] == [30_000, 20_000, 10_000]
        assert now(read, creator, path, month=month)["items"] == top["items"]
        assert now(read, creator, path, limit=1)["items"] == top["items"][:1]
        assert now(read, creator, path, currency="UGX")["items"] == []
        names.append({each["supporter_id"] for each in top["items"]})
    assert not names[0] & names[1]
    assert not (names[0] | names[1]) & {str(fan.id) for fan in fans}


def test_recurring_tells_who_pays_and_who_left_as_two_integers(read: Deployment) -> None:
    offer = Offer(read)
    for stays in (True, True, False):
        subscriber = Subscriber(read, confirmed=False)
        subscription = subscriber.member(offer, method=CARD)
        if not stays:
            subscriber.posted(subscription, "cancel", NOW)
    path = f"/creators/{offer.creator.id}/recurring"
    told = now(read, offer.creator, path)
    assert told["before"] == {"active": 0, "recurring": 0}
    assert told["end"] == {"active": 2, "recurring": 2 * PRICE}
    assert (told["began"], told["cancelled"]) == (3, 1)
    assert told["churn"] == {"left": 1, "active_before": 0}
    days = now(read, offer.creator, f"{path}/days")["items"]
    assert sum(day["began"] for day in days) == 3
    assert (days[0]["active"], days[0]["recurring"]) == (2, 2 * PRICE)
    tomorrow = datetime.fromordinal(datetime.now(UTC).toordinal() + 2).date()
    later = now(read, offer.creator, path, since=tomorrow, until="2100-01-01")
    assert later["churn"] == {"left": 0, "active_before": 2}
    late = ask(read, offer.creator, path, since=tomorrow)
    assert late.json()["error"]["details"][0]["field"] == "since"


def test_a_creator_sees_nothing_of_who_pays(read: Deployment) -> None:
    offer = Offer(read)
    subscriber = Subscriber(read, confirmed=False)
    subscription = subscriber.member(offer, method=CARD)
    creator, fan = offer.creator, subscriber.fan
    payment = paid(read, fan, creator)
    [seen, _] = now(read, read.admin, "/admin/payments", fan_id=str(fan.id))["items"]
    mine = now(read, fan, "/me/payments")
    assert mine["items"][0]["provider_transaction"] == seen["provider_transaction"]
    for route in RULES:
        if route.path.startswith(OF_A_CREATOR):
            path = route.path.replace("{creator_id}", str(creator.id))
            path = path.replace("{month}", THIS_MONTH)
            text = str(now(read, creator, path))
            assert str(fan.id) not in text
            assert seen["provider_transaction"] not in text
    [tip, first] = now(read, creator, f"/creators/{creator.id}/payments")["items"]
    assert (tip["id"], first["subscription_id"]) == (payment, subscription)


def test_invoices_are_seen_by_their_creator_and_their_fan(read: Deployment) -> None:
    offer = Offer(read)
    subscriber = Subscriber(read, confirmed=False)
    paid_for = subscriber.member(offer, method=CARD)
    other = Subscriber(read, confirmed=False)
    waits = other.subscribe(offer, method=CARD)
    path = f"/creators/{offer.creator.id}/invoices"
    for state, subscription in (("paid", paid_for), ("open", waits)):
        [invoice] = now(read, offer.creator, path, state=state)["items"]
        assert (invoice["subscription_id"], invoice["money"]) == (subscription, kes(PRICE))
    [mine] = now(read, subscriber.fan, "/me/invoices")["items"]
    assert (mine["state"], mine["cash"], mine["credit"]) == ("paid", PRICE, 0)
    assert [each["id"] for each in subscriber.invoices(paid_for)] == [mine["id"]]


def test_what_succeeded_has_a_receipt_for_its_fan(read: Deployment) -> None:
    fan, creator = read.fan(), read.creator()
    payment = read.pay(fan, creator)
    path = f"/payments/{payment}/receipt"
    early = ask(read, fan, path)
    assert (early.status_code, early.json()["error"]["code"]) == (409, "no_receipt")
    read.api.deliver(read.callback(payment))
    receipt = data_of(ask(read, fan, path))
    assert (receipt["money"], receipt["refunded"]) == (kes(GROSS), 0)
    [transaction] = receipt["transactions"]
    [found] = now(read, fan, "/me/payments")["items"]
    assert transaction["provider_transaction"] == found["provider_transaction"]
    assert ask(read, creator, path).status_code == 403
    assert ask(read, read.fan(), path).status_code == 404
    tag = ask(read, fan, path).headers["etag"]
    same = read.api.send(fan, "GET", path, headers={"if-none-match": tag})
    assert same.status_code == 304


def test_an_unknown_creator_has_nothing_to_be_seen(read: Deployment) -> None:
    unknown = read.person(Role.CREATOR, uuid4())
    for route in RULES:
        if route.path.startswith(OF_A_CREATOR):
            path = route.path.replace("{creator_id}", str(unknown.id))
            path = path.replace("{month}", THIS_MONTH)
            assert ask(read, read.admin, path).status_code == 404
            assert ask(read, unknown, path).status_code == 404
