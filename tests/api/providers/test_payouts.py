"""Payouts by MoMo and Airtel over HTTP: from a creator's wish to what has left, or has not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import pytest

from api.providers.airtel_reports import payout_reference
from api.providers.momo_callbacks import of_payout
from tests.api.payout_steps import admins
from tests.api.processes import wait_until
from tests.api.providers.fake import Behaviour
from tests.api.providers.fakes.airtel import FakeAirtel
from tests.api.providers.fakes.momo import FakeMomo
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from tests.api.deployment import Deployment, Person
    from tests.api.providers.fake import FakeProvider

AVAILABLE: Final = 900_000
ASKED: Final = 600_000
END_SECONDS_MAX: Final = 40.0

PAID: Final = (Behaviour.SUCCEEDS, Behaviour.SILENT, Behaviour.UNANSWERED)
WITHOUT_RECEIVER: Final = {"momo": Behaviour.DECLINED, "airtel": Behaviour.REFUSED}
WITHOUT_FLOAT: Final = {"momo": Behaviour.OTHER_AMOUNT, "airtel": Behaviour.DECLINED}


@dataclass
class Payout:
    """A payout that was approved."""

    doors: Deployment
    fake: FakeProvider
    creator: Person
    id: str

    def read(self) -> dict[str, Any]:
        path = f"/creators/{self.creator.id}/payouts/{self.id}"
        data: dict[str, Any] = self.doors.api.send(self.creator, "GET", path).json()["data"]
        return data

    def wait_for(self, state: str) -> None:
        wait_until(
            lambda: self.read()["state"] == state,
            seconds_max=END_SECONDS_MAX,
            what=f"{self.fake.name}: a payout is {state}",
        )

    def available(self) -> int:
        path = f"/creators/{self.creator.id}/balance"
        [found] = self.doors.api.send(self.creator, "GET", path).json()["data"]["balances"]
        return int(found["available"])

    def is_at_the_provider(self, attempt: int) -> bool:
        """Whether this attempt came there."""
        if isinstance(self.fake, FakeMomo):
            return str(of_payout(UUID(self.id), attempt).reference) in self.fake.transfers
        assert isinstance(self.fake, FakeAirtel)
        return payout_reference(UUID(self.id), attempt) in self.fake.payouts


def begun(doors: Deployment, fake: FakeProvider, behaviour: Behaviour) -> Payout:
    """A creator with AVAILABLE asks for ASKED, and two people approve it."""
    creator = doors.creator(currency=fake.currency)
    path = f"/creators/{creator.id}"

    def done(caller: Person, method: str, where: str, **body: object) -> dict[str, Any]:
        answer = doors.api.send(caller, method, where, key=str(uuid4()), json=body or None)
        assert answer.is_success, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def money(amount: int) -> dict[str, Any]:
        return {"amount": amount, "currency": fake.currency}

    postings = [
        {"account": "bank:settlement", **money(AVAILABLE)},
        {"account": f"creator:{creator.id}:available", **money(-AVAILABLE)},
    ]
    admin, *others = admins(doors, 3)
    proposed = {"kind": "post_adjustment", "reason": "carried over", "postings": postings}
    done(admin, "POST", "/admin/proposals", **proposed)
    done(admin, "PUT", f"/admin{path}/verification", verification="verified")
    phone = {"phone": fake.phone(behaviour), "provider": fake.name}
    destination = done(creator, "POST", f"{path}/destinations", **phone)["id"]
    done(admin, "POST", f"{path}/destinations/{destination}/verify")
    wish = {"destination_id": destination, "money": money(ASKED)}
    payout = done(creator, "POST", f"{path}/payouts", **wish)["id"]
    for other in others:
        done(other, "POST", f"/admin/payouts/{payout}/approve")
    return Payout(doors, fake, creator, str(payout))


@pytest.fixture(scope="session", params=["momo", "airtel"])
def payouts(
    request: pytest.FixtureRequest, platform: Deployment, fakes: dict[str, FakeProvider]
) -> dict[str, Payout]:
    """One for each ending, all begun at once."""
    fake = fakes[request.param]
    begin = {behaviour.name: behaviour for behaviour in PAID}
    begin["without receiver"] = WITHOUT_RECEIVER[fake.name]
    begin["without float"] = WITHOUT_FLOAT[fake.name]
    return {name: begun(platform, fake, behaviour) for name, behaviour in begin.items()}


@pytest.mark.parametrize("name", [behaviour.name for behaviour in PAID])
def test_a_payout_is_paid_once(payouts: dict[str, Payout], name: str) -> None:
    payout = payouts[name]
    payout.wait_for("paid")
    assert payout.available() == AVAILABLE - ASKED
    assert payout.is_at_the_provider(1)
    assert not payout.is_at_the_provider(2)
    assert_book_is_sound(payout.doors.database)


def test_a_payout_without_a_receiver_goes_back_to_its_creator(payouts: dict[str, Payout]) -> None:
    payout = payouts["without receiver"]
    payout.wait_for("failed")
    assert payout.available() == AVAILABLE
    assert not payout.is_at_the_provider(2)


def test_a_payout_without_float_is_tried_again_under_another_reference(
    payouts: dict[str, Payout],
) -> None:
    payout = payouts["without float"]
    wait_until(
        lambda: payout.is_at_the_provider(2),
        seconds_max=END_SECONDS_MAX,
        what=f"{payout.fake.name}: another attempt came",
    )
    assert payout.available() == AVAILABLE - ASKED
