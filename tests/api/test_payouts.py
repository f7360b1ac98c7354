"""A creator asks for their money over HTTP: reserved at once, once however often, or refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import httpx
import pytest

from tests.api.payout_steps import AVAILABLE, REASON, Payee, admins, kes, told
from tests.databases import value
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.deployment import Deployment

THREADS: Final = 16
REPLAYED: Final = "idempotency-replayed"


@pytest.fixture(scope="module")
def charging(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    """A platform that takes a fee of KES 10.00 and 1 % for a payout, with VAT; two approvals."""
    settings = {
        "DESTINATION_COOLING_SECONDS": "0",
        "PAYOUT_FIXED_FEE": "1000",
        "PAYOUT_FEE_BASIS_POINTS": "100",
        "PAYOUT_VAT_BASIS_POINTS": "1600",
    }
    with deploy(**settings).add_apis(1) as running:
        yield running


def test_the_money_is_reserved_when_it_is_asked_for(doors: Deployment) -> None:
    payee = Payee(doors)
    answer = payee.request(60_000)
    payout = answer.json()["data"]
    assert answer.status_code == 202
    assert payout["state"] == "requested"
    assert payout["money"] == kes(60_000)
    assert payout["legs"] == {"net": 60_000, "fee": 0, "vat": 0, "withholding": 0}
    assert (payout["approvals"], payout["approvals_required"]) == (0, 2)
    assert answer.headers["location"] == f"/api/v1{payee.path}/payouts/{payout['id']}"
    read = doors.api.client.get(answer.headers["location"], headers=payee.creator.headers)
    assert read.json()["data"] == payout
    funds = payee.funds()
    assert (funds["available"], funds["in_transit"]) == (AVAILABLE - 60_000, 60_000)


def test_without_an_amount_everything_available_is_paid_out(doors: Deployment) -> None:
    payee = Payee(doors)
    assert payee.request().json()["data"]["money"] == kes(AVAILABLE)
    assert payee.funds()["available"] == 0
    assert told(payee.request()) == (409, "insufficient_funds")


def test_the_same_request_again_is_the_same_payout_whatever_happened_meanwhile(
    doors: Deployment,
) -> None:
    payee, key = Payee(doors), str(uuid4())
    first = payee.request(60_000, key=key)
    before = doors.recorded()
    payout = first.json()["data"]["id"]
    for api in doors.apis:
        again = payee.request(60_000, key=key, api=api)
        assert again.headers[REPLAYED] == "true"
        assert (again.status_code, again.json()) == (202, first.json())
        assert again.headers["location"] == first.headers["location"]
    assert doors.recorded() == before
    payee.done(payee.creator, "POST", f"/payouts/{payout}/cancel")
    payee.done(payee.creator, "DELETE", f"/destinations/{payee.destination}")
    again = payee.request(60_000, key=key)
    assert (again.status_code, again.json()) == (202, first.json())
    assert told(payee.request(60_001, key=key)) == (422, "idempotency_key_reused")


def test_a_refusal_is_repeated_too(doors: Deployment) -> None:
    payee, key = Payee(doors), str(uuid4())
    assert told(payee.request(AVAILABLE + 1, key=key)) == (409, "insufficient_funds")
    payee.give(AVAILABLE)
    again = payee.request(AVAILABLE + 1, key=key)
    assert told(again) == (409, "insufficient_funds")
    assert again.headers[REPLAYED] == "true"
    assert payee.request(AVAILABLE + 1).status_code == 202


def test_many_who_ask_at_once_are_paid_no_more_than_there_is(doors: Deployment) -> None:
    payee = Payee(doors)
    together = Barrier(THREADS)

    def ask(number: int) -> httpx.Response:
        together.wait()
        return payee.request(20_000, api=doors.apis[number % 2])

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(ask, range(THREADS)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [202] * (AVAILABLE // 20_000) + [409] * (THREADS - AVAILABLE // 20_000)
    assert payee.funds()["available"] == AVAILABLE % 20_000
    assert_book_is_sound(doors.database)


# What is not paid out.


def _unverified(doors: Deployment) -> tuple[Payee, dict[str, Any]]:
    payee = Payee(doors)
    return payee, {"destination_id": payee.add_destination()}


def _unknown(doors: Deployment) -> tuple[Payee, dict[str, Any]]:
    return Payee(doors), {"destination_id": str(uuid4())}


def _anothers(doors: Deployment) -> tuple[Payee, dict[str, Any]]:
    return Payee(doors), {"destination_id": Payee(doors).destination}


def _removed(doors: Deployment) -> tuple[Payee, dict[str, Any]]:
    payee = Payee(doors)
    payee.done(payee.creator, "DELETE", f"/destinations/{payee.destination}")
    return payee, {"destination_id": payee.destination}


def _nobody_known(doors: Deployment) -> tuple[Payee, dict[str, Any]]:
    payee = Payee(doors)
    payee.verify("submitted")
    return payee, {"destination_id": payee.destination}


def _suspended(doors: Deployment) -> tuple[Payee, dict[str, Any]]:
    payee = Payee(doors)
    payee.done(doors.admin, "POST", f"/admin{payee.path}/suspend", {"reason": REASON})
    return payee, {"destination_id": payee.destination}


def _too_much(doors: Deployment) -> tuple[Payee, dict[str, Any]]:
    payee = Payee(doors)
    return payee, {"destination_id": payee.destination, "money": kes(AVAILABLE + 1)}


def _nothing_there(doors: Deployment) -> tuple[Payee, dict[str, Any]]:
    payee = Payee(doors, available=0)
    return payee, {"destination_id": payee.destination}


def _other_currency(doors: Deployment) -> tuple[Payee, dict[str, Any]]:
    payee = Payee(doors)
    return payee, {
        "destination_id": payee.destination,
        "money": {"amount": 1, "currency": "UGX"},
    }


@pytest.mark.parametrize(
    ("prepare", "status", "code", "says"),
    [
        (_unverified, 409, "destination_not_usable", "unverified"),
        (_unknown, 404, "destination_not_found", "Add one first"),
        (_anothers, 404, "destination_not_found", "Add one first"),
        (_removed, 404, "destination_not_found", "Add one first"),
        (_nobody_known, 409, "verification_missing", "submitted"),
        (_suspended, 409, "creator_suspended", "until an admin reinstates"),
        (_too_much, 409, "insufficient_funds", f"Only {AVAILABLE} minor units of KES"),
        (_nothing_there, 409, "insufficient_funds", "Ask for less, or wait"),
        (_other_currency, 400, "currency_differs", "Use KES"),
    ],
)
def test_what_cannot_be_paid_is_refused_and_says_why(
    doors: Deployment,
    prepare: Callable[[Deployment], tuple[Payee, dict[str, Any]]],
    status: int,
    code: str,
    says: str,
) -> None:
    payee, body = prepare(doors)
    funds = payee.funds()
    events = doors.recorded()["ledger_events"]
    answer = payee.ask(payee.creator, "POST", "/payouts", body)
    assert told(answer) == (status, code)
    assert says in answer.json()["error"]["message"]
    assert doors.recorded()["ledger_events"] == events
    assert payee.funds() == funds


def test_no_payout_goes_to_a_destination_that_has_not_cooled(
    deploy: Callable[..., Deployment],
) -> None:
    with deploy().add_apis(1) as cautious:
        answer = Payee(cautious).request(1_000)
    assert told(answer) == (409, "destination_not_usable")
    assert "cooling" in answer.json()["error"]["message"]


def test_somebody_who_is_no_creator_is_not_found(doors: Deployment) -> None:
    path = f"/creators/{uuid4()}"
    body = {"destination_id": str(uuid4())}
    for method, where, sent in (
        ("POST", f"{path}/payouts", body),
        ("GET", f"{path}/payouts", None),
        ("GET", f"{path}/payouts/estimate?destination_id={uuid4()}", None),
        ("GET", f"{path}/destinations", None),
        ("GET", f"{path}/payout-schedule", None),
        ("DELETE", f"{path}/destinations/{uuid4()}", None),
    ):
        key = None if method == "GET" else str(uuid4())
        answer = doors.api.send(doors.admin, method, where, key=key, json=sent)
        assert told(answer) == (404, "creator_not_found"), where


# What it would give.


@pytest.mark.parametrize("amount", [None, 1_160 + 12, 5_000, 89_999, AVAILABLE])
def test_an_estimate_is_what_is_then_decided_and_records_nothing(
    charging: Deployment, amount: int | None
) -> None:
    payee = Payee(charging)
    tax = {"country": "KE", "withholding_basis_points": 500}
    payee.done(charging.admin, "PUT", f"/admin{payee.path}/tax-profile", tax)
    before = charging.recorded()
    query = "" if amount is None else f"&amount={amount}"
    path = f"/payouts/estimate?destination_id={payee.destination}{query}"
    answer = payee.ask(payee.creator, "GET", path)
    assert charging.recorded() == before
    asked = payee.request(amount)
    if not answer.is_success:
        assert told(answer) == told(asked) == (400, "payout_too_small")
        return
    estimate = answer.json()["data"]
    assert estimate["available"] == AVAILABLE
    assert estimate["gross"] + estimate["remainder"] == (amount or AVAILABLE)
    payout = asked.json()["data"]
    assert payout["legs"] == estimate["legs"]
    assert payout["money"] == kes(estimate["gross"])
    assert estimate["legs"]["withholding"] > 0 < estimate["legs"]["vat"]


def test_an_estimate_is_refused_as_the_payout_would_be(charging: Deployment) -> None:
    payee = Payee(charging)
    for query, expected in (
        (f"destination_id={payee.destination}&amount=1000", (400, "payout_too_small")),
        (f"destination_id={payee.destination}&amount={AVAILABLE + 1}", (409, "insufficient_funds")),
        (f"destination_id={uuid4()}", (404, "destination_not_found")),
    ):
        answer = payee.ask(payee.creator, "GET", f"/payouts/estimate?{query}")
        assert told(answer) == expected
    answer = payee.request(1_000)
    assert told(answer) == (400, "payout_too_small")
    assert "Ask for more" in answer.json()["error"]["message"]


# Looking at them, and taking them back.


def test_payouts_are_listed_newest_first_in_pages_and_no_other_creators_are(
    doors: Deployment,
) -> None:
    payee, other = Payee(doors), Payee(doors)
    asked = [payee.payout(1_000 + number) for number in range(5)]
    other.payout(1_000)
    payee.done(payee.creator, "POST", f"/payouts/{asked[2]}/cancel")
    whole = payee.done(payee.creator, "GET", "/payouts")
    assert [each["id"] for each in whole["items"]] == asked[::-1]
    assert [each["state"] for each in whole["items"]].count("cancelled") == 1
    assert whole["next_cursor"] is None
    page = payee.done(payee.creator, "GET", "/payouts?limit=2")
    found = page["items"]
    while page["next_cursor"] is not None:
        path = f"/payouts?limit=2&cursor={page['next_cursor']}"
        page = payee.done(payee.creator, "GET", path)
        found += page["items"]
        assert page["position"] >= whole["position"]
    assert found == whole["items"]
    assert payee.done(other.creator, "GET", f"{other.path}/payouts")["items"][0]["id"] not in asked


def test_a_creator_without_payouts_has_an_empty_list(doors: Deployment) -> None:
    payee = Payee(doors, available=0)
    data = payee.done(payee.creator, "GET", "/payouts")
    assert (data["items"], data["next_cursor"]) == ([], None)


def test_a_payout_that_was_taken_back_gives_the_money_back_once(doors: Deployment) -> None:
    payee = Payee(doors)
    payout = payee.payout(60_000)
    key = str(uuid4())
    first = payee.ask(payee.creator, "POST", f"/payouts/{payout}/cancel", key=key)
    assert (first.status_code, first.json()["data"]["state"]) == (200, "cancelled")
    again = payee.ask(payee.creator, "POST", f"/payouts/{payout}/cancel", key=key)
    assert (again.status_code, again.json()) == (200, first.json())
    refused = payee.ask(payee.creator, "POST", f"/payouts/{payout}/cancel")
    assert told(refused) == (409, "payout_not_in_this_state")
    assert "cancelled" in refused.json()["error"]["message"]
    assert payee.funds()["available"] == AVAILABLE


def test_anothers_payout_is_answered_like_one_that_does_not_exist(doors: Deployment) -> None:
    payee, other = Payee(doors), Payee(doors)
    payout = payee.payout(1_000)
    for unknown in (payout, str(uuid4()), str(payee.creator.id)):
        for method, path in (
            ("GET", f"{other.path}/payouts/{unknown}"),
            ("POST", f"{other.path}/payouts/{unknown}/cancel"),
        ):
            for caller in (other.creator, doors.admin):
                answer = payee.ask(caller, method, path)
                assert told(answer) == (404, "payout_not_found"), path
    for unknown in (str(uuid4()), str(payee.creator.id)):
        answer = payee.ask(doors.admin, "GET", f"/admin/payouts/{unknown}")
        assert told(answer) == (404, "payout_not_found")
    assert payee.funds()["in_transit"] == 1_000


def test_a_payout_that_is_approved_can_still_be_taken_back(doors: Deployment) -> None:
    payee = Payee(doors)
    payout = payee.payout(60_000)
    assert payee.approve(payout, *admins(doors, 2))["state"] == "approved"
    assert payee.done(payee.creator, "POST", f"/payouts/{payout}/cancel")["state"] == "cancelled"
    assert payee.funds()["available"] == AVAILABLE
    topics = "SELECT count(*) FROM ledger_events WHERE originator_id = %s::uuid"
    assert value(doors.database, topics, payout) == 4
