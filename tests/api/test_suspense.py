"""Money that was not understood finds its way, and what admins propose is decided by two."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from api.auth import Role
from tests.api.deployment import GROSS, NET, PHONE_PREFIX, Deployment, Person
from tests.api.operator_callbacks import sign

if TYPE_CHECKING:
    import httpx

REASON = "The fan sent the rest by a second transfer."
ABOVE = 1_000_001
"""More than one admin may move alone, in minor units."""


@dataclass(frozen=True)
class Desk:
    """The deployment as two admins use it."""

    doors: Deployment
    one: Person
    two: Person

    def propose(
        self, body: dict[str, Any], *, key: str | None = None, by: Person | None = None
    ) -> httpx.Response:
        return self.doors.api.send(
            by or self.one,
            "POST",
            "/admin/proposals",
            key=key or str(uuid4()),
            json={"reason": REASON, **body},
        )

    def decide(
        self, proposal_id: str, word: str, by: Person, *, key: str | None = None
    ) -> httpx.Response:
        body = {"json": {"reason": "Ask the fan first."}} if word == "reject" else {}
        path = f"/admin/proposals/{proposal_id}/{word}"
        return self.doors.api.send(by, "POST", path, key=key or str(uuid4()), **body)

    def proposal(self, proposal_id: str) -> dict[str, Any]:
        return data(self.doors.api.send(self.two, "GET", f"/admin/proposals/{proposal_id}"), 200)

    def parked(self, stream_id: str, *, state: str = "all") -> list[dict[str, Any]]:
        """What came into suspense for a payment, the newest first."""
        items: list[dict[str, Any]] = []
        cursor = None
        while True:
            params = {"state": state, "limit": 200, **({"cursor": cursor} if cursor else {})}
            page = data(self.doors.api.send(self.one, "GET", "/admin/suspense", params=params), 200)
            items += [each for each in page["items"] if each["stream_id"] == stream_id]
            if (cursor := page["next_cursor"]) is None:
                return items

    def balance(self, account: str, currency: str = "KES") -> int:
        """What an account has grown to, in minor units; zero before its first line."""
        path = f"/audit/accounts/{account}/entries?currency={currency}&newest_first=true&limit=1"
        answer = self.doors.api.send(self.doors.auditor, "GET", path)
        return 0 if answer.status_code == 404 else -int(data(answer, 200)["items"][0]["balance"])

    def returned(self, parked: dict[str, Any], refund_id: str, status: str) -> httpx.Response:
        """The operator's word about a return."""
        now = datetime.now(UTC).isoformat()
        reference = f"{parked['stream_id']}:{refund_id}"
        told = {
            "reference": reference,
            "refund": f"RF-{refund_id}",
            "amount": f"{parked['money']['amount'] / 100:.2f}",
            "currency": parked["money"]["currency"],
            "reason": None,
            "occurred_at": now,
        }
        body = json.dumps({"type": f"refund.{status}", "timestamp": now, "data": told})
        return self.doors.api.deliver(sign(self.doors.webhook_secret, body))


@pytest.fixture(scope="module")
def desk(doors: Deployment) -> Desk:
    return Desk(doors, doors.admin, doors.person(Role.ADMIN))


def data(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def code(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"]["code"])


def receipt(parked: dict[str, Any]) -> dict[str, Any]:
    return {name: parked[name] for name in ("stream_id", "provider", "provider_transaction")}


def allocation(payment_id: str, *parked: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "allocate_receipts",
        "payment_id": payment_id,
        "receipts": [receipt(each) for each in parked],
    }


def giving_back(parked: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "return_receipt", "receipt": receipt(parked)}


def adjustment(amount: int, debit: str, credit: str, currency: str = "KES") -> dict[str, Any]:
    postings = [
        {"account": debit, "amount": amount, "currency": currency},
        {"account": credit, "amount": -amount, "currency": currency},
    ]
    return {"kind": "post_adjustment", "postings": postings}


def paid(desk: Desk, amount: str, **fields: str) -> tuple[str, Person, Person]:
    """A payment of KES 1,250.00 for which another amount came; its fan and its creator."""
    fan, creator = desk.doors.fan(), desk.doors.creator()
    payment_id = desk.doors.pay(fan, creator)
    desk.doors.api.deliver(desk.doors.callback(payment_id, amount=amount, **fields))
    return payment_id, fan, creator


def test_too_little_pays_once_the_rest_has_come(desk: Desk) -> None:
    payment_id, fan, creator = paid(desk, "600.00")
    desk.doors.api.deliver(desk.doors.callback(payment_id, amount="650.00"))
    second, first = desk.parked(payment_id)
    assert [(each["why"], each["money"]["amount"]) for each in (first, second)] == [
        ("mismatched", 60_000),
        ("surplus", 65_000),
    ]
    assert {each["payment_id"] for each in (first, second)} == {payment_id}
    before = desk.balance("suspense:sandbox")

    done = data(desk.propose(allocation(payment_id, first, second)), 201)
    assert (done["state"], done["second_person"]) == ("carried_out", False)
    assert done["decided_by"] == done["proposed_by"] == f"admin:{desk.one.id}"
    assert done["action"]["reason"] == REASON
    payment = desk.doors.payment(fan, payment_id)
    assert payment["state"] == "succeeded"
    assert payment["split"] == {"fee": 12_500, "vat": 2_000, "net": NET}
    assert desk.doors.pending(creator) == NET
    assert desk.balance("suspense:sandbox") == before - GROSS
    assert [each["state"] for each in desk.parked(payment_id)] == ["spent", "spent"]
    assert desk.parked(payment_id, state="waiting") == []


def test_what_is_allocated_is_split_anew(desk: Desk) -> None:
    payment_id, fan, creator = paid(desk, "600.00")
    desk.doors.api.deliver(desk.doors.callback(payment_id, amount="500.01"))
    data(desk.propose(allocation(payment_id, *desk.parked(payment_id))), 201)
    # 110,001: a fee of 11,001, rounded up, and 16 per cent of it, half up.
    assert desk.doors.payment(fan, payment_id)["split"] == {
        "fee": 11_001,
        "vat": 1_760,
        "net": 97_240,
    }
    assert desk.doors.pending(creator) == 97_240


def test_what_was_too_much_goes_back_to_who_paid_it(desk: Desk) -> None:
    payment_id, fan, creator = paid(desk, "1500.00")
    [excess] = desk.parked(payment_id, state="waiting")
    assert (excess["why"], excess["money"]["amount"]) == ("overpaid", 25_000)
    done = data(desk.propose(giving_back(excess)), 201)
    refund_id = done["action"]["refund_id"]
    assert [each["state"] for each in desk.parked(payment_id)] == ["returning"]
    assert desk.returned(excess, refund_id, "succeeded").json()["data"]["verdict"] == "applied"
    assert [each["state"] for each in desk.parked(payment_id)] == ["returned"]
    assert desk.doors.payment(fan, payment_id)["state"] == "succeeded"
    assert desk.doors.pending(creator) == NET
    assert code(desk.propose(giving_back(excess)), 409) == "receipt_not_waiting"


def test_a_return_that_fails_waits_again_and_is_listed_once(desk: Desk) -> None:
    payment_id, _, _ = paid(desk, "1500.00")
    [excess] = desk.parked(payment_id)
    refund_id = data(desk.propose(giving_back(excess)), 201)["action"]["refund_id"]
    desk.returned(excess, refund_id, "failed")
    assert desk.parked(payment_id, state="waiting") == [excess]
    again = data(desk.propose(giving_back(excess)), 201)
    assert again["action"]["refund_id"] != refund_id


def test_another_currency_can_only_be_returned(desk: Desk) -> None:
    payment_id, fan, _ = paid(desk, "1250.00", currency="USD")
    [parked] = desk.parked(payment_id)
    assert parked["money"] == {"amount": GROSS, "currency": "USD"}
    assert code(desk.propose(allocation(payment_id, parked)), 400) == "currency_differs"
    done = data(desk.propose(giving_back(parked)), 201)
    desk.returned(parked, done["action"]["refund_id"], "succeeded")
    assert [each["state"] for each in desk.parked(payment_id)] == ["returned"]
    assert desk.doors.payment(fan, payment_id)["state"] == "needs_review"


def test_money_of_nobody_pays_a_payment_that_had_been_given_up(desk: Desk) -> None:
    fan, creator = desk.doors.fan(), desk.doors.creator()
    payment_id = desk.doors.pay(fan, creator)
    desk.doors.api.send(fan, "POST", f"/payments/{payment_id}/cancel", key=str(uuid4()))
    transaction = f"SB{uuid4().hex[:12]}"
    desk.doors.api.deliver(desk.doors.callback(uuid4(), transaction=transaction))
    page = data(desk.doors.api.send(desk.one, "GET", "/admin/suspense?limit=1"), 200)
    [unmatched] = page["items"]
    assert unmatched["provider_transaction"] == transaction
    assert (unmatched["why"], unmatched["payment_id"]) == ("unmatched", None)
    assert datetime.fromisoformat(unmatched["received_at"]) <= datetime.now(UTC)
    assert page["next_cursor"] is not None or unmatched["position"] <= page["position"]

    data(desk.propose(allocation(payment_id, unmatched)), 201)
    assert desk.doors.payment(fan, payment_id)["state"] == "succeeded"
    assert desk.doors.pending(creator) == NET
    assert [each["state"] for each in desk.parked(unmatched["stream_id"])] == ["spent"]


def test_only_a_payment_without_money_takes_an_allocation(desk: Desk) -> None:
    payment_id, _, _ = paid(desk, "1500.00")
    [excess] = desk.parked(payment_id)
    assert code(desk.propose(allocation(payment_id, excess)), 409) == "payment_not_allocatable"
    assert code(desk.propose(allocation(str(uuid4()), excess)), 404) == "payment_not_found"
    other = {**excess, "provider_transaction": "SBNONE"}
    assert code(desk.propose(giving_back(other)), 404) == "receipt_not_found"


def test_above_the_threshold_a_second_admin_must_agree(desk: Desk) -> None:
    fan, creator = desk.doors.fan(), desk.doors.creator()
    payment_id = desk.doors.pay(fan, creator, amount=2 * ABOVE)
    desk.doors.api.deliver(desk.doors.callback(payment_id, amount=f"{ABOVE / 100:.2f}"))
    [parked] = desk.parked(payment_id)
    answer = desk.propose(allocation(payment_id, parked))
    proposal = data(answer, 202)
    proposal_id = proposal["id"]
    assert answer.headers["location"].endswith(f"/admin/proposals/{proposal_id}")
    assert (proposal["state"], proposal["second_person"]) == ("open", True)
    assert proposal["decided_by"] is None
    assert desk.proposal(proposal_id)["state"] == "open"
    assert desk.doors.payment(fan, payment_id)["state"] == "needs_review"

    assert code(desk.decide(proposal_id, "approve", desk.one), 403) == "second_person_needed"
    assert desk.doors.payment(fan, payment_id)["state"] == "needs_review"
    done = data(desk.decide(proposal_id, "approve", desk.two), 200)
    assert (done["state"], done["decided_by"]) == ("carried_out", f"admin:{desk.two.id}")
    assert desk.doors.payment(fan, payment_id)["state"] == "succeeded"
    for word in ("approve", "reject"):
        assert code(desk.decide(proposal_id, word, desk.two), 409) == "proposal_decided"


def test_what_was_rejected_stays_rejected(desk: Desk) -> None:
    body = adjustment(ABOVE, "expense:goodwill", "bank:settlement")
    before = desk.balance("bank:settlement")
    proposal_id = data(desk.propose(body), 202)["id"]
    done = data(desk.decide(proposal_id, "reject", desk.two), 200)
    assert (done["state"], done["rejected_because"]) == ("rejected", "Ask the fan first.")
    assert code(desk.decide(proposal_id, "approve", desk.two), 409) == "proposal_decided"
    assert desk.proposal(proposal_id)["state"] == "rejected"
    assert desk.balance("bank:settlement") == before
    own = data(desk.propose(body), 202)["id"]
    assert data(desk.decide(own, "reject", desk.one), 200)["state"] == "rejected"


def test_an_approval_that_has_become_impossible_is_refused(desk: Desk) -> None:
    fan, creator = desk.doors.fan(), desk.doors.creator()
    payment_id = desk.doors.pay(fan, creator, amount=2 * ABOVE)
    desk.doors.api.deliver(desk.doors.callback(payment_id, amount=f"{ABOVE / 100:.2f}"))
    [parked] = desk.parked(payment_id)
    first, second = (data(desk.propose(giving_back(parked)), 202)["id"] for _ in range(2))
    data(desk.decide(first, "approve", desk.two), 200)
    assert code(desk.decide(second, "approve", desk.two), 409) == "receipt_not_waiting"
    assert desk.proposal(second)["state"] == "open"


def test_of_many_who_agree_at_once_one_carries_it_out(desk: Desk) -> None:
    body = adjustment(ABOVE, "expense:goodwill", "platform:fees")
    before = desk.balance("platform:fees")
    path = f"/admin/proposals/{data(desk.propose(body), 202)['id']}/approve"
    admins = [desk.doors.person(Role.ADMIN) for _ in range(8)]

    def approve(number: int) -> int:
        api = desk.doors.apis[number % len(desk.doors.apis)]
        return api.send(admins[number], "POST", path, key=str(uuid4())).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(approve, range(8))) == [200, *[409] * 7]
    assert desk.balance("platform:fees") == before + ABOVE


@pytest.mark.parametrize("amount", [500, ABOVE])
def test_a_request_that_is_repeated_is_answered_alike_and_done_once(
    desk: Desk, amount: int
) -> None:
    body, key = adjustment(amount, "expense:goodwill", "platform:fees"), str(uuid4())
    before = desk.balance("platform:fees")
    first, again = desk.propose(body, key=key), desk.propose(body, key=key)
    assert first.status_code == again.status_code == (201 if amount == 500 else 202)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    proposal_id = first.json()["data"]["id"]
    if amount == ABOVE:
        agreed = str(uuid4())
        approvals = [desk.decide(proposal_id, "approve", desk.two, key=agreed) for _ in range(2)]
        assert approvals[0].json() == approvals[1].json()
        # And the proposal is answered as it was, however it stands today.
        assert desk.propose(body, key=key).json() == first.json()
    assert desk.balance("platform:fees") == before + amount
    other = adjustment(amount + 1, "expense:goodwill", "platform:fees")
    assert code(desk.propose(other, key=key), 422) == "idempotency_key_reused"
    theirs = data(desk.propose(body, key=key, by=desk.two), first.status_code)
    assert theirs["id"] != proposal_id


@pytest.mark.parametrize(
    "account",
    ["suspense:sandbox", "refunds:in_transit", "provider:sandbox:disputed"],
)
def test_accounts_that_follow_from_payments_are_not_adjusted(desk: Desk, account: str) -> None:
    refused = desk.propose(adjustment(500, account, "platform:fees"))
    assert code(refused, 400) == "account_not_adjustable"


@pytest.mark.parametrize("funds", ["pending", "held", "reserved", "in_transit"])
def test_of_a_creators_accounts_only_the_available_is_adjusted(desk: Desk, funds: str) -> None:
    creator = desk.doors.creator()
    refused = desk.propose(adjustment(500, f"creator:{creator.id}:{funds}", "platform:fees"))
    assert code(refused, 400) == "account_not_adjustable"


def test_an_adjustment_reaches_nobody_who_does_not_exist(desk: Desk) -> None:
    nobody = adjustment(500, "platform:fees", f"creator:{uuid4()}:available")
    assert code(desk.propose(nobody), 404) == "creator_not_found"
    creator = desk.doors.creator()
    foreign = adjustment(500, "platform:fees", f"creator:{creator.id}:available", "USD")
    assert code(desk.propose(foreign), 400) == "currency_differs"
    elsewhere = adjustment(500, "bank:settlement", "provider:elsewhere:collection")
    answer = desk.propose(elsewhere)
    assert code(answer, 400) == "validation_error"
    assert answer.json()["error"]["details"][0]["field"] == "postings"


def test_an_adjustment_that_does_not_balance_is_refused(desk: Desk) -> None:
    body = adjustment(500, "expense:goodwill", "platform:fees")
    body["postings"][0]["amount"] = 501
    answer = desk.propose(body)
    assert code(answer, 400) == "validation_error"
    assert answer.json()["error"]["details"][0]["field"] == "postings"
    body["postings"] = body["postings"] * 60
    assert code(desk.propose(body), 400) == "validation_error"


def test_a_debt_is_written_off_up_to_what_is_owed(desk: Desk) -> None:
    creator = desk.doors.creator()
    available = f"creator:{creator.id}:available"
    data(desk.propose(adjustment(700, available, "platform:fees")), 201)
    debt = {"kind": "write_off_debt", "creator_id": str(creator.id)}
    too_much = {**debt, "debt": {"amount": 701, "currency": "KES"}}
    assert code(desk.propose(too_much), 409) == "no_debt"
    data(desk.propose({**debt, "debt": {"amount": 500, "currency": "KES"}}), 201)
    assert desk.balance(available) == -200


@pytest.mark.parametrize(
    "reason",
    [
        f"call {PHONE_PREFIX}000",
        "call 0709 481-000",
        "write to fan@example.org",
        "ok",
        "   ",
        "z" * 501,
    ],
)
def test_a_reason_names_nobody(desk: Desk, reason: str) -> None:
    before = desk.doors.recorded()
    body = {**adjustment(500, "expense:goodwill", "platform:fees"), "reason": reason}
    answer = desk.propose(body)
    assert code(answer, 400) == "validation_error"
    assert [each["field"] for each in answer.json()["error"]["details"]] == ["reason"]
    assert reason.strip()[-8:] not in answer.text or not reason.strip()
    path = f"/admin/proposals/{uuid4()}/reject"
    key = str(uuid4())
    answer = desk.doors.api.send(desk.two, "POST", path, key=key, json={"reason": reason})
    assert code(answer, 400) == "validation_error"
    assert desk.doors.recorded() == before


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "zqzq"}, "kind"),
        ({"kind": None}, "kind"),
        ({"kind": 1}, "kind"),
        ({"zqzq": 1}, "zqzq"),
        ({"postings": []}, "postings"),
        ({"postings": [{"account": "zqzq", "amount": 1, "currency": "KES"}]}, "postings"),
    ],
)
def test_a_wrong_body_is_named_by_its_field(desk: Desk, change: dict[str, Any], field: str) -> None:
    answer = desk.propose({**adjustment(500, "expense:goodwill", "platform:fees"), **change})
    assert code(answer, 400) == "validation_error"
    named = [each["field"] for each in answer.json()["error"]["details"]]
    assert any(name == field or name.startswith(f"{field}.") for name in named), named
    assert field == "zqzq" or "zqzq" not in answer.text


def test_what_is_no_proposal_is_not_found(desk: Desk) -> None:
    creator = desk.doors.creator()
    for unknown in (str(uuid4()), str(creator.id), str(UUID(int=0))):
        answer = desk.doors.api.send(desk.one, "GET", f"/admin/proposals/{unknown}")
        assert code(answer, 404) == "proposal_not_found"
        for word in ("approve", "reject"):
            assert code(desk.decide(unknown, word, desk.two), 404) == "proposal_not_found"


def test_pages_of_what_is_parked_lead_through_all_of_it_once(desk: Desk) -> None:
    for _ in range(3):
        paid(desk, "1500.00")
    for state in ("waiting", "all"):
        positions: list[int] = []
        cursor = None
        while True:
            params = {"state": state, "limit": 2, **({"cursor": cursor} if cursor else {})}
            page = data(desk.doors.api.send(desk.one, "GET", "/admin/suspense", params=params), 200)
            positions += [each["position"] for each in page["items"]]
            if (cursor := page["next_cursor"]) is None:
                break
        whole = data(
            desk.doors.api.send(desk.one, "GET", f"/admin/suspense?state={state}&limit=200"), 200
        )
        assert positions == [each["position"] for each in whole["items"]]
        assert positions == sorted(positions, reverse=True)
        assert len(set(positions)) == len(positions) >= 3
