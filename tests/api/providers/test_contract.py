"""The same payments at every provider: whatever it does on the way, the money ends where it is.

All of them are started at once, and each test waits for its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.api.processes import wait_until
from tests.api.providers.fake import Behaviour
from tests.api.providers.fakes.stripe import event, signed_by_stripe
from tests.databases import rows

if TYPE_CHECKING:
    from tests.api.deployment import Deployment, Person
    from tests.api.providers.fake import FakeProvider

END_SECONDS_MAX = 45.0
UNPAID = {"failed", "cancelled", "expired"}


@dataclass
class Life:
    """A payment that was started: who pays whom, at which provider."""

    doors: Deployment
    fake: FakeProvider
    fan: Person
    creator: Person
    payment: str

    @property
    def state(self) -> str:
        return str(self.doors.payment(self.fan, self.payment)["state"])

    def wait_for(self, *states: str) -> str:
        """The state, once it is one of these."""
        wait_until(
            lambda: self.state in states,
            seconds_max=END_SECONDS_MAX,
            what=f"{self.fake.name}: {self.payment} is {states}, it is {self.state}",
        )
        return self.state

    @property
    def pending(self) -> int:
        answer = self.doors.api.send(
            self.creator, "GET", f"/creators/{self.creator.id}/balance"
        ).json()["data"]
        return sum(each["pending"] for each in answer["balances"])

    @property
    def net(self) -> int:
        return int(self.doors.payment(self.fan, self.payment)["split"]["net"])

    def topics(self) -> list[str]:
        return [topic for topic, _ in self.doors.events(self.payment)]

    def check_paid_once(self) -> None:
        assert self.pending == self.net > 0
        assert sum(topic.startswith("payment.succeeded") for topic in self.topics()) == 1

    def check_not_paid(self) -> None:
        assert self.pending == 0
        assert not any(topic.startswith("payment.succeeded") for topic in self.topics())

    def verdicts(self) -> set[str]:
        """Of everything that this provider has told."""
        found = rows(
            self.doors.database, "SELECT verdict FROM inbox WHERE provider = %s", self.fake.name
        )
        return {verdict for (verdict,) in found}


@pytest.fixture(scope="session")
def lives(
    platform: Deployment, fakes: dict[str, FakeProvider]
) -> dict[tuple[str, Behaviour], Life]:
    started = {}
    for behaviour in Behaviour:
        for fake in fakes.values():
            fan, creator = platform.fan(), platform.creator(currency=fake.currency)
            payment = fake.pay(platform, fan, creator, behaviour)
            started[fake.name, behaviour] = Life(platform, fake, fan, creator, payment)
    return started


@pytest.fixture
def life(
    lives: dict[tuple[str, Behaviour], Life], fake: FakeProvider, behaviour: Behaviour
) -> Life:
    return lives[fake.name, behaviour]


@pytest.mark.parametrize("behaviour", [Behaviour.SUCCEEDS])
def test_a_payment_succeeds(life: Life) -> None:
    life.wait_for("succeeded")
    life.check_paid_once()


@pytest.mark.parametrize("behaviour", [Behaviour.REFUSED, Behaviour.DECLINED])
def test_a_payment_that_was_refused_moves_nothing(life: Life) -> None:
    life.wait_for("failed", "cancelled")
    life.check_not_paid()


@pytest.mark.parametrize("behaviour", [Behaviour.SILENT])
def test_a_provider_that_never_calls_back_is_asked(life: Life) -> None:
    life.wait_for("succeeded")
    life.check_paid_once()


@pytest.mark.parametrize("behaviour", [Behaviour.TWICE])
def test_a_callback_that_comes_three_times_pays_once(life: Life) -> None:
    life.wait_for("succeeded")
    reference = life.fake.reference_of(life.payment)
    wait_until(
        lambda: (
            len([sent for sent in life.fake.sent if reference.encode() in sent.body]) >= 3
            or len(life.fake.sent) >= 3
        ),
        what="three copies were sent",
    )
    life.check_paid_once()


@pytest.mark.parametrize("behaviour", [Behaviour.LATE])
def test_a_success_after_the_payment_has_expired_still_pays(life: Life) -> None:
    life.wait_for("expired", "succeeded")
    life.wait_for("succeeded")
    assert life.doors.payment(life.fan, life.payment)["late"]
    life.check_paid_once()


@pytest.mark.parametrize("behaviour", [Behaviour.OTHER_AMOUNT])
def test_another_amount_pays_nobody_and_waits_for_a_person(life: Life) -> None:
    if life.fake.tells_amounts:
        life.wait_for("needs_review")
    else:
        wait_until(lambda: "parked" in life.verdicts(), what="its callback waits for a person")
    life.check_not_paid()


@pytest.mark.parametrize("behaviour", [Behaviour.OUT_OF_ORDER])
def test_what_was_said_before_a_success_takes_nothing_back(life: Life) -> None:
    life.wait_for("succeeded")
    life.check_paid_once()
    assert life.state == "succeeded"


@pytest.mark.parametrize("behaviour", [Behaviour.UNANSWERED])
def test_a_request_without_an_answer_is_sent_once_and_pays(life: Life) -> None:
    life.wait_for("succeeded")
    life.check_paid_once()
    assert "payment.submission_unknown.v1" in life.topics()


@pytest.mark.parametrize("behaviour", [Behaviour.LIES])
def test_an_unsigned_word_is_not_believed(life: Life) -> None:
    if not life.fake.calls_back_unsigned:
        # Its signature would be genuine: then the provider itself has said so.
        life.wait_for("succeeded", *UNPAID)
        return
    life.wait_for(*UNPAID)
    life.check_not_paid()


def test_what_is_genuine_and_nothing_of_ours_is_kept_and_ignored(
    platform: Deployment, fakes: dict[str, FakeProvider]
) -> None:
    stripe = fakes["stripe"]
    told = signed_by_stripe(event("customer.created", {"id": "cus_Others", "object": "customer"}))
    answer = stripe.send(told)
    assert answer.json()["data"] == {"verdict": "ignored"}
    kept = "SELECT verdict, reason FROM inbox WHERE provider = %s AND natural_key = %s"
    key = json.loads(told.body)["id"]
    assert rows(platform.database, kept, "stripe", key) == [("ignored", "nothing_of_ours")]
    # A second copy of it is another copy of the same.
    assert stripe.send(told).json()["data"] == {"verdict": "ignored"}
    assert rows(platform.database, kept, "stripe", key) == [("ignored", "nothing_of_ours")]
