"""A payout by mobile money, once for each thing that an operator may do with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import httpx
import pytest

from api.auth import Role
from api.sandbox_operator.behaviours import Behaviour
from tests.api.processes import wait_until
from tests.invariants import assert_book_is_sound, balances

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.api.deployment import Deployment, Person

AVAILABLE: Final = 90_000
ASKED: Final = 60_000


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a payout must end: its state, what the creator has then, its facts after approval.

    The answer to a call may come before or after a callback, so it is left out of `topics`.
    """

    state: str
    available: int
    topics: tuple[str, ...]
    attempts: int = 1


PAID: Final = Ending(state="paid", available=AVAILABLE - ASKED, topics=("payout.paid.v1",))
ENDINGS: Final[Mapping[Behaviour, Ending]] = {
    Behaviour.SUCCESS: PAID,
    Behaviour.PAYOUT_HANGS: PAID,
    Behaviour.PAYOUT_SILENT: PAID,
    Behaviour.PAYOUT_PUSH_FAILS_ACCEPTED: PAID,
    Behaviour.PAYOUT_PAID_THEN_RETURNED: Ending(
        state="returned", available=AVAILABLE, topics=("payout.paid.v1", "payout.returned.v1")
    ),
    Behaviour.PAYOUT_FAILS: Ending(
        state="failed", available=AVAILABLE, topics=("payout.failed.v1",)
    ),
    Behaviour.PAYOUT_FLOAT_EMPTY_ONCE: Ending(
        state="paid",
        available=AVAILABLE - ASKED,
        topics=("payout.attempt_failed.v1", "payout.paid.v1"),
        attempts=2,
    ),
    Behaviour.PAYOUT_FAILED_THEN_PAID: Ending(
        state="paid",
        available=AVAILABLE - ASKED,
        topics=("payout.failed.v1", "payout.paid.v1"),
    ),
    Behaviour.PAYOUT_PUSH_FAILS_UNACCEPTED: Ending(
        state="submission_unknown", available=AVAILABLE - ASKED, topics=()
    ),
}
ANSWERS: Final = {"payout.submitted.v1", "payout.submission_unknown.v1"}


@pytest.fixture(scope="module")
def paying(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    settings = {
        "PROVIDER_TIMEOUT_SECONDS": "2",
        "STATUS_QUERY_SECONDS": "1",
        "SUBMISSION_MARGIN_SECONDS": "1",
        "DESTINATION_COOLING_SECONDS": "0",
        "PAYOUT_APPROVALS_REQUIRED": "1",
    }
    with (
        deploy(**settings).add_operator(HANG_SECONDS="4").add_apis(1).add_dispatchers(1) as running
    ):
        yield running


class Asked:
    """A creator with AVAILABLE, and a payout of ASKED to a phone of theirs."""

    def __init__(self, paying: Deployment, digits: str, *, approve: bool = True) -> None:
        self.paying = paying
        self.creator = paying.creator()
        self.path = f"/creators/{self.creator.id}"
        self._give()
        admin = paying.admin
        paying.api.send(
            admin,
            "PUT",
            f"/admin{self.path}/verification",
            key=str(uuid4()),
            json={"verification": "verified"},
        )
        phone = f"+254700{paying_phone()}{digits}"
        self.destination = self.post(self.creator, f"{self.path}/destinations", phone=phone)["id"]
        self.post(admin, f"{self.path}/destinations/{self.destination}/verify")
        self.id = self.post(
            self.creator,
            f"{self.path}/payouts",
            destination_id=self.destination,
            money={"amount": ASKED, "currency": "KES"},
        )["id"]
        if approve:
            self.post(admin, f"/admin/payouts/{self.id}/approve")

    def _give(self) -> None:
        postings = [
            {"account": "bank:settlement", "amount": AVAILABLE, "currency": "KES"},
            {
                "account": f"creator:{self.creator.id}:available",
                "amount": -AVAILABLE,
                "currency": "KES",
            },
        ]
        self.post(
            self.paying.admin,
            "/admin/proposals",
            kind="post_adjustment",
            reason="carried over from another book",
            postings=postings,
        )

    def post(self, caller: Person, path: str, **body: object) -> dict[str, Any]:
        answer = self.paying.api.send(caller, "POST", path, key=str(uuid4()), json=body or None)
        assert answer.is_success, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def read(self) -> dict[str, Any]:
        answer = self.paying.api.send(self.creator, "GET", f"{self.path}/payouts/{self.id}")
        assert answer.status_code == httpx.codes.OK, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def balance(self) -> dict[str, int]:
        answer = self.paying.api.send(self.creator, "GET", f"{self.path}/balance")
        [found] = answer.json()["data"]["balances"]
        balance: dict[str, int] = found
        return balance

    def facts(self) -> list[str]:
        """What followed approval, without starts and answers."""
        seen = self.paying.topics(self.id)[2:]
        return [topic for topic in seen if topic not in ANSWERS | {"payout.submission_started.v1"}]


def paying_phone() -> str:
    """Digits in the middle of a number that nobody else has."""
    return f"{uuid4().int % 1_000:03d}"


@pytest.fixture(scope="module")
def asked(paying: Deployment) -> dict[Behaviour, Asked]:
    """One payout for each behaviour, all begun at once."""
    return {behaviour: Asked(paying, behaviour.value) for behaviour in ENDINGS}


def test_there_is_an_ending_for_every_behaviour_of_payouts() -> None:
    payouts = {behaviour for behaviour in Behaviour if behaviour.name.startswith("PAYOUT_")}
    assert set(ENDINGS) == payouts | {Behaviour.SUCCESS}


@pytest.mark.parametrize("behaviour", ENDINGS, ids=lambda behaviour: behaviour.name.lower())
def test_a_payout_ends_as_it_should_whatever_the_operator_does(
    asked: dict[Behaviour, Asked], behaviour: Behaviour
) -> None:
    ending, payout = ENDINGS[behaviour], asked[behaviour]
    wait_until(
        lambda: payout.facts() == list(ending.topics) and payout.read()["state"] == ending.state,
        what=f"the end of {behaviour.name}",
    )
    assert payout.balance()["available"] == ending.available
    assert payout.read()["attempts"] == ending.attempts
    topics = payout.paying.topics(payout.id)
    assert topics.count("payout.submission_started.v1") == ending.attempts


def test_an_unknown_payout_fails_only_when_two_people_attest_it(
    paying: Deployment, asked: dict[Behaviour, Asked]
) -> None:
    payout = asked[Behaviour.PAYOUT_PUSH_FAILS_UNACCEPTED]
    wait_until(lambda: payout.read()["state"] == "submission_unknown", what="it is unknown")
    path = f"/admin/payouts/{payout.id}/attest-failure"
    evidence = {"evidence": "it is not in the operator's statement"}
    payout.post(paying.admin, path, **evidence)
    again = paying.api.send(paying.admin, "POST", path, key=str(uuid4()), json=evidence)
    assert (again.status_code, again.json()["error"]["code"]) == (403, "second_person_needed")
    assert payout.balance()["in_transit"] == ASKED
    payout.post(paying.person(Role.ADMIN), path, **evidence)
    assert payout.read()["state"] == "failed"
    assert payout.balance() == payout.balance() | {"available": AVAILABLE, "in_transit": 0}


def test_a_payout_waits_for_its_approval_and_is_sent_at_once_then(paying: Deployment) -> None:
    payout = Asked(paying, "000", approve=False)
    assert payout.read()["state"] == "requested"
    payout.post(paying.admin, f"/admin/payouts/{payout.id}/approve")
    wait_until(lambda: payout.read()["state"] == "paid", seconds_max=20, what="it is paid")


def test_after_all_of_it_nothing_is_in_transit_and_the_book_is_sound(
    paying: Deployment, asked: dict[Behaviour, Asked]
) -> None:
    waiting = {f"creator:{payout.creator.id}:in_transit" for payout in asked.values()}
    assert not waiting & {account for account, _ in balances(paying.database)}
    assert_book_is_sound(paying.database)
