"""Refunds over HTTP: who may ask for one, what the operator does with it, and where money ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from tests.api.deployment import GROSS, NET
from tests.api.processes import wait_until
from tests.invariants import assert_book_is_sound, balances

if TYPE_CHECKING:
    from tests.api.deployment import Deployment, Person

REASON = "the concert was called off"


class Paid:
    """A payment of GROSS that has succeeded, by a phone that chooses what comes after."""

    def __init__(self, stories: Deployment, digits: str = "000") -> None:
        self.stories = stories
        self.fan, self.creator = stories.fan(), stories.creator()
        self.id = stories.pay(self.fan, self.creator, digits=digits)
        assert stories.wait_for_end(self.fan, self.id)["state"] == "succeeded"

    def refund(
        self, caller: Person | None = None, *, key: str | None = None, **body: object
    ) -> httpx.Response:
        return self.stories.api.send(
            caller or self.creator,
            "POST",
            f"/payments/{self.id}/refunds",
            key=key or str(uuid4()),
            json={"reason": REASON, **body},
        )

    def read(self, caller: Person | None = None) -> dict[str, Any]:
        answer = self.stories.api.send(caller or self.fan, "GET", f"/payments/{self.id}")
        assert answer.status_code == httpx.codes.OK, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def wait_for_refund(self, state: str, number: int = 0) -> dict[str, Any]:
        wait_until(
            lambda: self.read()["refunds"][number]["state"] == state, what=f"refund is {state}"
        )
        refund: dict[str, Any] = self.read()["refunds"][number]
        return refund

    def pending(self) -> int:
        return self.stories.pending(self.creator)


def kes(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "KES"}


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_creator_refunds_all_and_everybody_gives_their_part_back(stories: Deployment) -> None:
    paid = Paid(stories)
    answer = paid.refund()
    assert answer.status_code == httpx.codes.ACCEPTED
    assert answer.headers["Location"] == f"/api/v1/payments/{paid.id}"
    [refund] = answer.json()["data"]["refunds"]
    assert refund["state"] == "requested"
    assert refund["legs"] == {"fee": 12_500, "vat": 2_000, "net": NET}
    paid.wait_for_refund("succeeded")
    assert paid.read()["refundable"] == 0
    assert paid.pending() == 0


def test_refunds_in_parts_end_exactly_at_the_split(stories: Deployment) -> None:
    paid = Paid(stories)
    for amount in (1, 3_333, 60_001):
        assert paid.refund(money=kes(amount)).status_code == httpx.codes.ACCEPTED
    rest = GROSS - 63_335
    assert paid.read()["refundable"] == rest
    assert code(paid.refund(money=kes(rest + 1))) == (400, "refund_exceeds_payment")
    assert paid.refund().status_code == httpx.codes.ACCEPTED
    for number in range(4):
        paid.wait_for_refund("succeeded", number)
    legs = [refund["legs"] for refund in paid.read()["refunds"]]
    assert sum(leg["fee"] for leg in legs) == 12_500
    assert sum(leg["vat"] for leg in legs) == 2_000
    assert paid.pending() == 0
    assert code(paid.refund()) == (400, "refund_exceeds_payment")


def test_the_same_key_refunds_once(stories: Deployment) -> None:
    paid = Paid(stories)
    first = paid.refund(key="once", money=kes(100))
    again = paid.refund(key="once", money=kes(100))
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["data"] == first.json()["data"]
    assert code(paid.refund(key="once", money=kes(101))) == (422, "idempotency_key_reused")
    assert len(paid.read()["refunds"]) == 1


@pytest.mark.parametrize("digits", ["026", "033"])
def test_a_refund_without_an_answer_or_a_callback_is_asked_about_and_ends(
    stories: Deployment, digits: str
) -> None:
    paid = Paid(stories, digits)
    paid.refund()
    paid.wait_for_refund("succeeded")
    assert stories.topics(paid.id).count("refund.submission_started.v1") == 1
    assert paid.pending() == 0


def test_a_refund_that_fails_gives_everybody_their_part_again(stories: Deployment) -> None:
    paid = Paid(stories, "024")
    paid.refund()
    assert paid.wait_for_refund("failed")["reason"] == "account_closed"
    assert paid.pending() == NET
    assert paid.read()["refundable"] == GROSS


def test_a_refund_that_comes_back_after_it_succeeded_is_reopened(stories: Deployment) -> None:
    paid = Paid(stories, "025")
    paid.refund()
    wait_until(
        lambda: stories.topics(paid.id)[-1] == "refund.reopened_as_failed.v1", what="reopened"
    )
    assert paid.read()["refunds"][0]["state"] == "failed"
    assert paid.pending() == NET


def test_a_creator_refunds_only_their_own_payments_and_a_fan_none(stories: Deployment) -> None:
    paid = Paid(stories)
    assert code(paid.refund(stories.creator())) == (404, "payment_not_found")
    assert code(paid.refund(paid.fan)) == (403, "forbidden")
    assert code(paid.refund(stories.auditor)) == (403, "forbidden")
    assert (
        paid.refund(stories.admin, money=kes(5)).json()["data"]["refunds"][0]["origin"] == "admin"
    )


def test_a_payment_is_seen_by_its_fan_and_its_creator_alone(stories: Deployment) -> None:
    paid = Paid(stories)
    assert paid.read(paid.creator) == paid.read(paid.fan) == paid.read(stories.admin)
    for stranger in (stories.creator(), stories.fan()):
        answer = stories.api.send(stranger, "GET", f"/payments/{paid.id}")
        assert code(answer) == (404, "payment_not_found")


def test_what_cannot_be_refunded_says_why(stories: Deployment) -> None:
    paid = Paid(stories)
    other = stories.pay(paid.fan, paid.creator, digits="001")
    stories.wait_for_end(paid.fan, other)
    failed = stories.api.send(
        paid.creator, "POST", f"/payments/{other}/refunds", key="x", json={"reason": REASON}
    )
    assert code(failed) == (409, "payment_not_refundable")
    assert "failed" in failed.json()["error"]["message"]
    euros = {"amount": 5, "currency": "EUR"}
    assert code(paid.refund(money=euros)) == (400, "currency_differs")
    assert code(paid.refund(request_id=str(uuid4()))) == (404, "fan_refund_not_found")
    unknown = stories.api.send(
        paid.creator, "POST", f"/payments/{uuid4()}/refunds", key="y", json={"reason": REASON}
    )
    assert code(unknown) == (404, "payment_not_found")
    for wrong in ("", "no", "call +254 700 000 000", "fan@example.com"):
        answer = paid.refund(reason=wrong)
        assert code(answer) == (400, "validation_error")
        assert answer.json()["error"]["details"][0]["field"] == "reason"
    assert paid.read()["refunds"] == []


def test_a_fan_asks_and_the_creator_grants_or_declines(stories: Deployment) -> None:
    paid = Paid(stories)

    def ask() -> httpx.Response:
        return stories.api.send(
            paid.fan,
            "POST",
            f"/payments/{paid.id}/refund-requests",
            key=str(uuid4()),
            json={"wish": "not_received"},
        )

    asked = ask()
    assert asked.status_code == httpx.codes.CREATED
    [wish] = asked.json()["data"]["refund_requests"]
    assert code(ask()) == (409, "fan_refund_already_open")
    declined = stories.api.send(
        paid.creator,
        "POST",
        f"/payments/{paid.id}/refund-requests/{wish}/decline",
        key=str(uuid4()),
        json={"reason": "it was delivered"},
    )
    assert declined.status_code == httpx.codes.OK
    assert declined.json()["data"]["refund_requests"] == []
    [second] = ask().json()["data"]["refund_requests"]
    assert second != wish
    granted = paid.refund(request_id=second)
    assert granted.json()["data"]["refund_requests"] == []
    paid.wait_for_refund("succeeded")
    assert code(ask()) == (400, "refund_exceeds_payment")


def test_evidence_is_noted_only_while_a_dispute_is_open(stories: Deployment) -> None:
    paid = Paid(stories, "028")
    wait_until(
        lambda: [d["state"] for d in paid.read()["disputes"]] == ["closed"], what="dispute closed"
    )
    [dispute] = paid.read()["disputes"]
    path = f"/admin/payments/{paid.id}/disputes/{dispute['dispute']}/evidence"
    late = stories.api.send(
        stories.admin, "POST", path, key="late", json={"note": "the delivery note"}
    )
    assert code(late) == (409, "not_in_this_state")
    other = stories.api.send(
        stories.admin,
        "POST",
        f"/admin/payments/{paid.id}/disputes/none/evidence",
        key="none",
        json={"note": "the delivery note"},
    )
    assert code(other) == (404, "dispute_not_found")


def test_after_all_of_it_the_book_is_sound_and_nothing_is_in_transit(stories: Deployment) -> None:
    wait_until(
        lambda: ("refunds:in_transit", "KES") not in balances(stories.database),
        what="no refund is in transit",
    )
    assert_book_is_sound(stories.database)
