"""Fans' credit, over HTTP: given back, given as goodwill, spent, and credit again when refunded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import pytest

from api.auth import Role
from ledger.events import CreditSpent
from tests.api.memberships import PRICE, Catalog, Member, book_of, kes, told
from tests.invariants import assert_book_is_sound
from tests.subscription_builders import by_card, subscribe

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.api.deployment import Deployment, Person

REASON: Final = "the fan was charged for a month of outage"
NOTHING: Final = {"credit": 0, "goodwill": 0, "reserved": 0}


@pytest.fixture(autouse=True)
def the_book_stays_sound(doors: Deployment) -> Iterator[None]:
    """Whatever is asked here."""
    yield
    assert_book_is_sound(doors.database)


def balance(doors: Deployment, fan: Person) -> list[dict[str, Any]]:
    """A fan's credit as an admin sees it."""
    answer = doors.api.send(doors.admin, "GET", f"/fans/{fan.id}/balance")
    assert answer.is_success, answer.text
    data = answer.json()["data"]
    assert data["fan_id"] == str(fan.id)
    found: list[dict[str, Any]] = data["balances"]
    return found


def in_kes(**funds: int) -> list[dict[str, Any]]:
    """So much credit, all of it in shillings."""
    return [{"currency": "KES", **NOTHING, **funds}]


def give_goodwill(doors: Deployment, fan: Person, amount: int) -> httpx.Response:
    """An admin proposes that the platform gives a fan goodwill, or takes some back."""
    postings = [
        {"account": "expense:goodwill", **kes(amount)},
        {"account": f"fan:{fan.id}:goodwill", **kes(-amount)},
    ]
    body = {"kind": "post_adjustment", "reason": REASON, "postings": postings}
    return doors.api.send(doors.admin, "POST", "/admin/proposals", key=str(uuid4()), json=body)


def refund(
    doors: Deployment, payment: UUID, what: str = "credit-refunds", **body: object
) -> httpx.Response:
    """An admin refunds credit that a payment brought, or the payment itself."""
    return doors.api.send(
        doors.admin,
        "POST",
        f"/payments/{payment}/{what}",
        key=str(uuid4()),
        json={"reason": REASON, **body},
    )


def read(doors: Deployment, payment: UUID) -> dict[str, Any]:
    """A payment as an admin sees it."""
    answer = doors.api.send(doors.admin, "GET", f"/payments/{payment}")
    data: dict[str, Any] = answer.json()["data"]
    return data


def spend(doors: Deployment, fan: Person) -> UUID:
    """A fan whose credit covers a month subscribes: the payment by which credit paid it."""
    catalog = Catalog(doors)
    tier = catalog.offered()
    with book_of(doors) as ledger:
        outcome = ledger.execute_one(
            subscribe(fan.id, catalog.creator.id, UUID(tier), by_card(uuid4()))
        )
    [spent] = [event for event in outcome.events if isinstance(event, CreditSpent)]
    return spent.originator_id


def test_money_that_came_too_late_is_credit_and_goes_back_by_its_payment(
    doors: Deployment,
) -> None:
    catalog = Catalog(doors)
    member = Member(doors, catalog, catalog.offered(), paid=False)
    payment = member.pay_too_late()
    assert balance(doors, member.fan) == in_kes(credit=PRICE)
    data = read(doors, payment)
    assert (data["credited"], data["credit_left"], data["refundable"]) == (PRICE, PRICE, 0)
    part = refund(doors, payment, money=kes(20_000))
    assert part.status_code == 202
    assert part.headers["Location"] == f"/api/v1/payments/{payment}"
    [first] = part.json()["data"]["refunds"]
    assert (first["state"], first["from_credit"], first["money"]) == (
        "requested",
        True,
        kes(20_000),
    )
    assert first["legs"] == {"fee": 0, "vat": 0, "net": 0}
    assert balance(doors, member.fan) == in_kes(credit=30_000)
    rest = refund(doors, payment).json()["data"]
    assert [each["money"]["amount"] for each in rest["refunds"]] == [20_000, 30_000]
    assert (rest["credited"], rest["credit_left"]) == (PRICE, 0)
    assert balance(doors, member.fan) == in_kes()
    assert told(refund(doors, payment)) == (409, "no_credit_left")


def test_no_more_credit_is_refunded_than_there_is(doors: Deployment) -> None:
    catalog = Catalog(doors)
    member = Member(doors, catalog, catalog.offered(), paid=False)
    payment = member.pay_too_late()
    assert told(refund(doors, payment, money=kes(PRICE + 1))) == (409, "no_credit_left")
    other = {"amount": 1, "currency": "UGX"}
    assert told(refund(doors, payment, money=other)) == (400, "currency_differs")
    spend(doors, member.fan)
    assert balance(doors, member.fan) == in_kes()
    assert read(doors, payment)["credit_left"] == PRICE, "what is spent is spent"
    assert told(refund(doors, payment)) == (409, "no_credit_left")


def test_a_payment_that_brought_no_credit_has_none_to_refund(doors: Deployment) -> None:
    catalog = Catalog(doors)
    member = Member(doors, catalog, catalog.offered())
    assert told(refund(doors, member.payments[-1])) == (409, "no_credit_left")
    assert told(refund(doors, uuid4())) == (404, "payment_not_found")


def test_only_admins_give_credit_back_or_see_it(doors: Deployment) -> None:
    catalog = Catalog(doors)
    member = Member(doors, catalog, catalog.offered(), paid=False)
    payment = member.pay_too_late()
    for caller in (member.fan, member.creator, doors.auditor, doors.person(Role.SERVICE)):
        key, body = str(uuid4()), {"reason": REASON}
        path = f"/payments/{payment}/credit-refunds"
        answer = doors.api.send(caller, "POST", path, key=key, json=body)
        assert told(answer) == (403, "forbidden")
        answer = doors.api.send(caller, "GET", f"/fans/{member.fan.id}/balance")
        assert told(answer) == (403, "forbidden")


def test_the_same_key_refunds_credit_once(doors: Deployment) -> None:
    catalog = Catalog(doors)
    payment = Member(doors, catalog, catalog.offered(), paid=False).pay_too_late()
    path, key = f"/payments/{payment}/credit-refunds", str(uuid4())
    body = {"reason": REASON, "money": kes(10)}
    first, again = (doors.api.send(doors.admin, "POST", path, key=key, json=body) for _ in range(2))
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["data"] == first.json()["data"]
    assert len(read(doors, payment)["refunds"]) == 1


def test_a_fan_of_whom_nothing_is_known_has_no_credit(doors: Deployment) -> None:
    assert balance(doors, doors.fan()) == []


def test_credit_that_has_not_changed_is_not_sent_again(doors: Deployment) -> None:
    fan = doors.fan()
    give_goodwill(doors, fan, 700)
    path = f"/fans/{fan.id}/balance"
    first = doors.api.send(doors.admin, "GET", path)
    headers = {"if-none-match": first.headers["etag"]}
    assert doors.api.send(doors.admin, "GET", path, headers=headers).status_code == 304
    give_goodwill(doors, fan, 1)
    changed = doors.api.send(doors.admin, "GET", path, headers=headers)
    assert changed.json()["data"]["balances"] == in_kes(goodwill=701)


def test_goodwill_is_given_by_a_proposal_and_spent_on_an_invoice(doors: Deployment) -> None:
    fan = doors.fan()
    assert give_goodwill(doors, fan, PRICE).status_code == 201
    assert balance(doors, fan) == in_kes(goodwill=PRICE)
    payment = spend(doors, fan)
    assert balance(doors, fan) == in_kes()
    data = read(doors, payment)
    assert (data["state"], data["method"], data["provider"]) == (
        "succeeded",
        "credit",
        "fan_goodwill",
    )


def test_much_goodwill_needs_a_second_person(doors: Deployment) -> None:
    fan = doors.fan()
    answer = give_goodwill(doors, fan, 1_000_001)
    assert answer.status_code == 202
    assert balance(doors, fan) == []
    path = f"/admin/proposals/{answer.json()['data']['id']}/approve"
    another = doors.person(Role.ADMIN)
    approved = doors.api.send(another, "POST", path, key=str(uuid4()))
    assert approved.is_success, approved.text
    assert balance(doors, fan) == in_kes(goodwill=1_000_001)


def test_goodwill_is_taken_back_as_far_as_it_is_there(doors: Deployment) -> None:
    fan = doors.fan()
    give_goodwill(doors, fan, 500)
    assert told(give_goodwill(doors, fan, -501)) == (409, "insufficient_funds")
    assert give_goodwill(doors, fan, -500).status_code == 201
    assert balance(doors, fan) == in_kes()


@pytest.mark.parametrize("account", ["credit", "credit_reserved"])
def test_what_follows_from_payments_is_not_adjusted(doors: Deployment, account: str) -> None:
    postings = [
        {"account": "expense:goodwill", **kes(100)},
        {"account": f"fan:{uuid4()}:{account}", **kes(-100)},
    ]
    body = {"kind": "post_adjustment", "reason": REASON, "postings": postings}
    answer = doors.api.send(doors.admin, "POST", "/admin/proposals", key=str(uuid4()), json=body)
    assert told(answer) == (400, "account_not_adjustable")


@pytest.mark.parametrize("source", ["credit", "goodwill"])
def test_what_credit_had_paid_is_credit_again_when_it_is_refunded(
    doors: Deployment, source: str
) -> None:
    if source == "goodwill":
        fan = doors.fan()
        give_goodwill(doors, fan, PRICE)
    else:
        catalog = Catalog(doors)
        member = Member(doors, catalog, catalog.offered(), paid=False)
        member.pay_too_late()
        fan = member.fan
    payment = spend(doors, fan)
    assert read(doors, payment)["refundable"] == PRICE
    part = refund(doors, payment, "refunds", money=kes(10_000))
    assert part.status_code == 201, "nobody has to confirm it"
    assert (part.json()["data"]["credited"], part.json()["data"]["refunds"]) == (10_000, [])
    assert balance(doors, fan) == in_kes(**{source: 10_000})
    rest = refund(doors, payment, "refunds")
    assert (rest.json()["data"]["credited"], rest.json()["data"]["refundable"]) == (PRICE, 0)
    assert rest.json()["data"]["credit_left"] == 0, "it had come by another payment"
    assert balance(doors, fan) == in_kes(**{source: PRICE})
    assert told(refund(doors, payment, "refunds")) == (400, "refund_exceeds_payment")


def test_a_payment_says_which_invoice_it_is_for(doors: Deployment) -> None:
    catalog = Catalog(doors)
    member = Member(doors, catalog, catalog.offered())
    data = read(doors, member.payments[-1])
    assert (data["purpose"], data["method"], data["attempt"]) == ("invoice", "card", 1)
    assert data["subscription_id"] == str(member.subscription)
    assert data["invoice_id"] is not None
    fan = doors.fan()
    give_goodwill(doors, fan, PRICE)
    by_credit = read(doors, spend(doors, fan))
    assert (by_credit["purpose"], by_credit["method"]) == ("invoice", "credit")
    assert by_credit["attempt"] is None
    assert by_credit["subscription_id"] is not None
    tip = doors.payment(fan, doors.pay(fan, catalog.creator))
    assert (tip["purpose"], tip["method"]) == ("tip", "phone")
    for name in ("subscription_id", "invoice_id", "attempt"):
        assert tip[name] is None
