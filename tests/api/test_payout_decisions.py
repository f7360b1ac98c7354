"""Admins decide about payouts: enough of them, nobody who is involved, and only while they may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import pytest

from ledger.application import Ledger
from ledger.commands import PayoutClaim
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from tests.api.payout_steps import AVAILABLE, REASON, Payee, admins, told
from tests.money_builders import (
    attest_failure,
    payout_submitted,
    payout_unknown,
    report_payout,
    start_payout,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.decisions import LedgerCommand
    from tests.api.deployment import Deployment, Person

ASKED: Final = 60_000

BODIES: Final[dict[str, dict[str, Any] | None]] = {
    "approve": None,
    "hold": {"reason": REASON},
    "release": None,
    "reject": {"reason": REASON},
    "cancel": None,
    "attest-failure": {"evidence": "it is not in the statement of the day"},
}
POSSIBLE: Final = {
    "requested": {"approve", "hold", "reject", "cancel"},
    "held": {"approve", "release", "reject", "cancel"},
    "approved": {"hold", "reject", "cancel"},
    "submitting": set(),
    "submitted": set(),
    "submission_unknown": {"attest-failure"},
    "paid": set(),
    "failed": set(),
    "returned": set(),
    "rejected": set(),
    "cancelled": set(),
}

DECIDED_BY: Final = {"held": "hold", "rejected": "reject", "cancelled": "cancel"}


@pytest.fixture(scope="module")
def ledger(doors: Deployment) -> Iterator[Ledger]:
    """What dispatcher and provider would record: they are not here. People's part is the API's."""
    opened = Ledger(BookLocation(doors.database, DatabaseRole.APP))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def people(doors: Deployment) -> list[Person]:
    return admins(doors, 4)


def _decide(payee: Payee, payout: str, action: str, caller: Person) -> Any:  # noqa: ANN401 - httpx's
    below = payee.path if action == "cancel" else "/admin"
    return payee.ask(caller, "POST", f"{below}/payouts/{payout}/{action}", BODIES[action])


def _bring_to(state: str, payee: Payee, people: list[Person], ledger: Ledger) -> str:
    """A payout in this state, by the shortest way."""
    payout = payee.payout(ASKED)
    if state in DECIDED_BY:
        assert _decide(payee, payout, DECIDED_BY[state], people[0]).is_success
    if state == "requested" or state in DECIDED_BY:
        return payout
    payee.approve(payout, *people[:2])
    stream = UUID(payout)
    paid = report_payout(stream, ASKED)
    way: dict[str, list[LedgerCommand]] = {
        "approved": [],
        "submitting": [],
        "submitted": [payout_submitted(stream)],
        "submission_unknown": [payout_unknown(stream)],
        "paid": [paid],
        "failed": [report_payout(stream, ASKED, PayoutClaim.FAILED)],
        "returned": [paid, report_payout(stream, ASKED, PayoutClaim.RETURNED)],
    }
    started = [] if state == "approved" else [start_payout(stream, payee.creator.id)]
    for command in (*started, *way[state]):
        ledger.execute_one(command)
    return payout


@pytest.mark.parametrize("state", POSSIBLE)
def test_what_is_not_possible_in_a_state_is_refused_and_names_it(
    doors: Deployment, ledger: Ledger, people: list[Person], state: str
) -> None:
    payee = Payee(doors)
    payout = _bring_to(state, payee, people, ledger)
    read = payee.done(payee.creator, "GET", f"/payouts/{payout}")
    assert read["state"] == state
    funds = payee.funds()
    for action in BODIES.keys() - POSSIBLE[state]:
        answer = _decide(payee, payout, action, people[3])
        assert told(answer) == (409, "payout_not_in_this_state"), action
        assert f"The payout is {state};" in answer.json()["error"]["message"]
    assert payee.done(payee.creator, "GET", f"/payouts/{payout}")["state"] == state
    assert payee.funds() == funds


@pytest.mark.parametrize(
    ("state", "action"),
    [(state, action) for state in POSSIBLE for action in sorted(POSSIBLE[state])],
)
def test_what_is_possible_in_a_state_is_done(
    doors: Deployment, ledger: Ledger, people: list[Person], state: str, action: str
) -> None:
    payee = Payee(doors)
    payout = _bring_to(state, payee, people, ledger)
    answer = _decide(payee, payout, action, people[3])
    assert answer.status_code == 200, answer.text
    after = {"hold": "held", "reject": "rejected", "cancel": "cancelled", "release": "requested"}
    assert answer.json()["data"]["state"] == after.get(action, state)
    given_back = action in {"reject", "cancel"}
    assert payee.funds()["available"] == AVAILABLE - (0 if given_back else ASKED)


def test_it_is_approved_by_as_many_people_as_are_needed(
    doors: Deployment, people: list[Person]
) -> None:
    payee = Payee(doors)
    payout = payee.payout(ASKED)
    first = payee.approve(payout, people[0])
    assert (first["state"], first["approvals"]) == ("requested", 1)
    second = payee.approve(payout, people[1])
    assert (second["state"], second["approvals"]) == ("approved", 2)
    assert second["approved_by"] == [f"admin:{person.id}" for person in people[:2]]
    third = payee.ask(people[2], "POST", f"/admin/payouts/{payout}/approve")
    assert told(third) == (409, "payout_not_in_this_state")
    assert payee.done(people[2], "GET", f"/admin/payouts/{payout}") == second


def test_nobody_approves_twice(doors: Deployment, people: list[Person]) -> None:
    payee = Payee(doors)
    payout, key = payee.payout(ASKED), str(uuid4())
    path = f"/admin/payouts/{payout}/approve"
    first = payee.ask(people[0], "POST", path, key=key)
    # Repeated it is the same approval; with another key it would be a second one.
    again = payee.ask(people[0], "POST", path, key=key, api=doors.apis[1])
    assert (again.status_code, again.json()) == (200, first.json())
    refused = payee.ask(people[0], "POST", path)
    assert told(refused) == (403, "approver_involved")
    assert "nobody twice" in refused.json()["error"]["message"]
    read = payee.done(people[0], "GET", f"/admin/payouts/{payout}")
    assert (read["state"], read["approvals"]) == ("requested", 1)


def test_whoever_asked_for_it_does_not_approve_it(doors: Deployment, people: list[Person]) -> None:
    payee = Payee(doors)
    payout = payee.payout(ASKED, caller=people[0])
    refused = payee.ask(people[0], "POST", f"/admin/payouts/{payout}/approve")
    assert told(refused) == (403, "approver_involved")
    assert payee.approve(payout, *people[1:3])["state"] == "approved"


def test_whoever_edited_the_destination_does_not_approve_it(
    doors: Deployment, people: list[Person]
) -> None:
    payee = Payee(doors)
    destination = payee.add_destination(people[0], digits="001")
    payee.verify_destination(destination)
    payout = payee.request(ASKED, destination=destination).json()["data"]["id"]
    refused = payee.ask(people[0], "POST", f"/admin/payouts/{payout}/approve")
    assert told(refused) == (403, "approver_involved")
    assert "edited its destination" in refused.json()["error"]["message"]
    read = payee.done(people[1], "GET", f"/admin/payouts/{payout}")
    assert read["destination_edited_by"] == f"admin:{people[0].id}"
    assert payee.approve(payout, *people[1:3])["state"] == "approved"


def test_a_held_payout_goes_on_where_its_approvals_have_brought_it(
    doors: Deployment, people: list[Person]
) -> None:
    payee = Payee(doors)
    payout = payee.payout(ASKED)
    hold = payee.done(people[0], "POST", f"/admin/payouts/{payout}/hold", BODIES["hold"])
    assert (hold["state"], hold["reason"]) == ("held", REASON)
    assert payee.approve(payout, *people[:2])["state"] == "held"
    released = payee.done(people[0], "POST", f"/admin/payouts/{payout}/release")
    assert (released["state"], released["reason"]) == ("approved", None)


def test_an_unknown_payout_fails_when_two_people_have_evidence(
    doors: Deployment, ledger: Ledger, people: list[Person]
) -> None:
    payee = Payee(doors)
    payout = _bring_to("submission_unknown", payee, people, ledger)
    path = f"/admin/payouts/{payout}/attest-failure"
    first = payee.done(people[0], "POST", path, BODIES["attest-failure"])
    assert first["state"] == "submission_unknown"
    assert first["failure_attested_by"] == f"admin:{people[0].id}"
    alone = payee.ask(people[0], "POST", path, BODIES["attest-failure"])
    assert told(alone) == (403, "second_person_needed")
    assert payee.funds()["available"] == AVAILABLE - ASKED
    second = payee.done(people[1], "POST", path, BODIES["attest-failure"])
    assert (second["state"], second["reason"]) == ("failed", "attested_by_two_people")
    assert payee.funds()["available"] == AVAILABLE


def test_an_attestation_is_nothing_before_the_payout_is_unknown(
    doors: Deployment, ledger: Ledger, people: list[Person]
) -> None:
    payee = Payee(doors)
    payout = _bring_to("submission_unknown", payee, people, ledger)
    ledger.execute_one(attest_failure(UUID(payout), f"admin:{people[0].id}"))
    ledger.execute_one(payout_submitted(UUID(payout)))
    answer = _decide(payee, payout, "attest-failure", people[1])
    assert told(answer) == (409, "payout_not_in_this_state")


@pytest.mark.parametrize("action", ["hold", "reject", "attest-failure"])
@pytest.mark.parametrize("text", ["", "no", "call +254 709 481 000", "x" * 501, "a@b.example"])
def test_a_reason_names_nobody_and_is_none_of_what_is_refused(
    doors: Deployment, people: list[Person], action: str, text: str
) -> None:
    body = {next(iter(BODIES[action] or {})): text}
    answer = doors.api.send(
        people[0], "POST", f"/admin/payouts/{uuid4()}/{action}", key=str(uuid4()), json=body
    )
    assert answer.status_code == 400
    assert [detail["field"] for detail in answer.json()["error"]["details"]] == list(body)
