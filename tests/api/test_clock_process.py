"""`hesabu clock` as it is run: money becomes available by itself, and the balance says when."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest

from tests.api.deployment import NET
from tests.api.payout_steps import AVAILABLE, REASON, Payee, kes
from tests.api.processes import wait_until
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.deployment import Deployment, Person

DELAY_SECONDS: Final = 3
KILLS: Final = 50


@pytest.fixture(scope="module")
def timed(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    """Two clocks; money is pending for three seconds."""
    settings = {
        "SETTLEMENT_DELAY_SECONDS": str(DELAY_SECONDS),
        "DESTINATION_COOLING_SECONDS": "0",
    }
    with deploy(**settings).add_apis(1).add_clocks(2) as running:
        yield running


def paid(timed: Deployment, creator: Person) -> str:
    """A payment that has succeeded."""
    payment_id = timed.pay(timed.fan(), creator)
    assert timed.api.deliver(timed.callback(payment_id)).json()["data"]["verdict"] == "applied"
    return payment_id


def balance(timed: Deployment, creator: Person, query: str = "") -> dict[str, Any]:
    answer = timed.api.send(creator, "GET", f"/creators/{creator.id}/balance{query}")
    assert answer.is_success, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def funds(timed: Deployment, creator: Person) -> tuple[int, int]:
    """Pending and available, in KES."""
    [found] = balance(timed, creator)["balances"]
    return found["pending"], found["available"]


def wait_for_release(timed: Deployment, creator: Person, available: int) -> None:
    wait_until(
        lambda: (
            funds(timed, creator) == (0, available)
            and balance(timed, creator)["next_release"] is None
        ),
        what="the money is available and the clock knows it",
        seconds_max=30,
    )


def test_money_becomes_available_by_itself_and_the_balance_says_when(timed: Deployment) -> None:
    creator = timed.creator()
    assert balance(timed, creator)["next_release"] is None
    payment_id = paid(timed, creator)
    wait_until(lambda: balance(timed, creator)["next_release"] is not None, what="it is known")
    told = balance(timed, creator)
    release = told["next_release"]
    event = timed.events(payment_id)[-1][1]
    assert (release["amount"], release["currency"]) == (NET, "KES")
    assert datetime.fromisoformat(release["at"]) == datetime.fromisoformat(event["releases_at"])
    recorded_at = datetime.fromisoformat(event["recorded_at"])
    assert datetime.fromisoformat(release["at"]) == recorded_at + timedelta(seconds=DELAY_SECONDS)
    assert 0 < release["position"] <= told["position"]
    wait_for_release(timed, creator, NET)
    assert timed.topics(payment_id).count("payment.funds_released.v1") == 1
    past = balance(timed, creator, f"?as_of_position={told['position']}")
    assert past["next_release"] is None
    assert past["balances"][0]["pending"] == NET


def test_an_etag_is_another_once_the_clock_knows_more(timed: Deployment) -> None:
    creator = timed.creator()
    path = f"/creators/{creator.id}/balance"
    for clock in timed.clocks:
        clock.terminate()
    paid(timed, creator)
    first = timed.api.send(creator, "GET", path)
    assert first.json()["data"]["next_release"] is None
    known = {"if-none-match": first.headers["etag"]}
    assert timed.api.send(creator, "GET", path, headers=known).status_code == 304
    for clock in timed.clocks:
        clock.start()
    wait_until(
        lambda: timed.api.send(creator, "GET", path, headers=known).status_code == 200,
        what="the answer is another",
    )
    wait_for_release(timed, creator, NET)


def test_without_a_clock_money_stays_pending_and_the_position_tells(timed: Deployment) -> None:
    creator = timed.creator()
    paid(timed, creator)
    wait_until(lambda: balance(timed, creator)["next_release"] is not None, what="it is known")
    for clock in timed.clocks:
        clock.kill()
    paid(timed, creator)
    told = balance(timed, creator)
    release = told["next_release"]
    if release is not None:
        assert release["position"] < told["position"]
    assert told["balances"][0]["pending"] >= NET
    timed.clocks[0].start()
    wait_for_release(timed, creator, 2 * NET)
    timed.clocks[1].start()


def test_refunded_money_is_not_released(timed: Deployment) -> None:
    creator = timed.creator()
    payment_id = paid(timed, creator)
    body = {"reason": REASON, "money": kes(50_000)}
    path = f"/payments/{payment_id}/refunds"
    answer = timed.api.send(creator, "POST", path, key=str(uuid4()), json=body)
    assert answer.is_success, answer.text
    [left] = balance(timed, creator)["balances"]
    wait_for_release(timed, creator, left["pending"] + left["available"])
    assert 0 < funds(timed, creator)[1] < NET


def test_a_hold_ends_by_itself(timed: Deployment) -> None:
    payee = Payee(timed)
    expires_at = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    body = {"money": kes(1_000), "reason": REASON, "expires_at": expires_at}
    payee.done(timed.admin, "POST", f"/admin{payee.path}/holds", body)
    assert payee.funds()["reserved"] == 1_000
    wait_until(lambda: payee.funds()["reserved"] == 0, what="the hold has ended", seconds_max=30)
    assert payee.funds()["available"] == AVAILABLE
    assert timed.events(payee.creator.id)[-1][1]["expired"] is True
    assert payee.done(timed.admin, "GET", f"/admin{payee.path}")["holds"] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_clocks_that_are_killed_again_and_again_release_everything_once(
    deploy: Callable[..., Deployment],
) -> None:
    random = Random(5)
    with deploy(SETTLEMENT_DELAY_SECONDS="1").add_apis(1).add_clocks(2) as timed:
        creator = timed.creator()
        payments = []
        for number in range(KILLS):
            payments += [paid(timed, creator) for _ in range(4)]
            time.sleep(random.uniform(0, 3))
            clock = timed.clocks[number % 2]
            clock.kill()
            clock.start()
        wait_for_release(timed, creator, len(payments) * NET)
        for payment_id in payments:
            assert timed.topics(payment_id).count("payment.funds_released.v1") == 1
        assert_book_is_sound(timed.database)


def test_a_clock_that_is_told_to_stop_stops_and_nothing_was_done_twice(timed: Deployment) -> None:
    assert [clock.terminate() for clock in timed.clocks] == [0, 0]
    for clock in timed.clocks:
        assert '"level":"error"' not in clock.log_text()
    assert_book_is_sound(timed.database)
