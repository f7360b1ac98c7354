"""A clock that runs fast does nothing before it is due, and nothing long after."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest

from api.clock_pace import Pace
from ledger.application import Ledger
from ledger.book_time import RatchetingTime
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from tests.api.clock_scenes import DELAY, NET, RealTime, Scene
from tests.api.deployment import NET as DEPLOYED_NET
from tests.api.processes import wait_until
from tests.api.subscription_scenes import Subscribers
from tests.builders import register_creator
from tests.databases import superuser, value
from tests.invariants import assert_book_is_sound
from tests.money_builders import hold_funds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.clock_scenes import Timekeeper
    from tests.api.deployment import Deployment

DAY: Final = timedelta(days=1)
DAY_A_SECOND: Final = 86_400
ROUND: Final = DAY / 2
"""What passes from round to round, at a day a second."""

PROMPT: Final = """
    INSERT INTO dispatcher_tasks (kind, task_id, stream_id, provider, due_at)
    VALUES (%(kind)s, %(id)s, %(id)s, 'sandbox', now())
"""


@pytest.fixture
def real() -> RealTime:
    return RealTime()


@pytest.fixture
def scene(book: BookLocation) -> Iterator[Scene]:
    with Scene(book) as opened:
        yield opened
        assert_book_is_sound(book.database)


@pytest.fixture
def fast(scene: Scene, real: RealTime) -> Timekeeper:
    """A clock that runs at a day a second, as far as the test lets seconds pass."""
    return scene.another(Pace(DAY_A_SECOND, monotonic=real))


def rounds(keeper: Timekeeper, real: RealTime, days: float) -> int:
    """Let so many days pass, half a day a round; how many commands were done."""
    done = 0
    for _ in range(round(days * 2)):
        keeper.follow()
        done += asyncio.run(keeper.clock.round())
        real.now += ROUND / DAY
    keeper.follow()
    return done


def head_recorded_at(scene: Scene) -> datetime:
    found: datetime = value(scene.book.database, "SELECT max(recorded_at) FROM turns")
    return found


def test_money_is_released_when_its_time_has_come_and_others_go_on_from_there(
    scene: Scene, real: RealTime, fast: Timekeeper
) -> None:
    creator = scene.creator()
    payment = scene.paid(creator)
    releases_at = scene.time.now + DELAY
    assert rounds(fast, real, 2.5) == 0
    assert rounds(fast, real, 1) == 1
    assert scene.topics(payment)[-1] == "payment.funds_released.v1"
    assert releases_at <= head_recorded_at(scene) <= releases_at + ROUND
    people = BookLocation(scene.book.database, DatabaseRole.APP)
    with closing(Ledger(people, book_time=RatchetingTime())) as other:
        for _ in range(2):
            other.execute_one(register_creator(uuid4()))
        assert releases_at < head_recorded_at(scene) < releases_at + DAY


def test_an_ordinary_clock_goes_by_the_book_s_time(scene: Scene, real: RealTime) -> None:
    ordinary = scene.another(Pace(monotonic=real))
    creator = scene.creator()
    scene.paid(creator)
    assert rounds(ordinary, real, 5) == 0
    # Somebody has run ahead, past the time of release.
    scene.after(days=4)
    scene.creator()
    assert rounds(ordinary, real, 0.5) == 1
    assert scene.balance(creator, "available") == NET


def test_what_comes_while_it_is_on_its_way_to_something_far_is_done_in_time(
    scene: Scene, real: RealTime, fast: Timekeeper
) -> None:
    creator = scene.creator()
    scene.give(creator, 5_000)
    far = scene.time.now + 100 * DAY
    scene.do(hold_funds(creator, 1_000, far))
    assert rounds(fast, real, 50) == 0
    scene.paid(creator)
    releases_at = scene.time.now + DELAY
    assert rounds(fast, real, 0.5) == 1
    assert releases_at <= head_recorded_at(scene) <= releases_at + ROUND
    assert rounds(fast, real, 95) == 0
    assert rounds(fast, real, 5) == 1
    assert far <= head_recorded_at(scene) <= far + ROUND


def test_a_week_passes_from_one_scheduled_payout_to_the_next(
    scene: Scene, real: RealTime, fast: Timekeeper
) -> None:
    creator, _ = scene.payee()
    scene.give(creator, 7_000)
    first = scene.due("payout_schedule")[creator][3]
    assert rounds(fast, real, 15) == 1
    assert first <= head_recorded_at(scene) <= first + ROUND


@pytest.mark.parametrize("kind", ["payment", "payout", "till"])
def test_it_stands_still_while_a_prompt_is_under_way(
    scene: Scene, real: RealTime, fast: Timekeeper, kind: str
) -> None:
    creator = scene.creator()
    scene.paid(creator)
    with superuser(scene.book.database) as connection:
        connection.execute(PROMPT, {"kind": kind, "id": uuid4()})
    assert rounds(fast, real, 20) == (kind != "payment")
    with superuser(scene.book.database) as connection:
        connection.execute("DELETE FROM dispatcher_tasks")
    assert rounds(fast, real, 4) == (kind == "payment")


def test_a_payment_that_the_dispatcher_has_not_read_yet_counts_as_a_prompt(
    scene: Scene, real: RealTime, fast: Timekeeper
) -> None:
    scene.paid(scene.creator())
    with superuser(scene.book.database) as connection:
        connection.execute("INSERT INTO ledger_tracking VALUES ('dispatcher', 1)")
    assert rounds(fast, real, 20) == 0
    with superuser(scene.book.database) as connection:
        connection.execute(
            "UPDATE ledger_tracking SET notification_id = 3 WHERE application_name = 'dispatcher'"
        )
    assert rounds(fast, real, 4) == 1


def test_a_renewal_that_the_dispatcher_has_not_read_yet_counts_as_a_prompt(
    book: BookLocation, real: RealTime
) -> None:
    with Subscribers(book) as scene:
        subscription = scene.member(scene.offer())
        position = value(book.database, "SELECT max(position) FROM turns")
        with superuser(book.database) as connection:
            connection.execute("INSERT INTO ledger_tracking VALUES ('dispatcher', %s)", (position,))
        fast = scene.another(Pace(DAY_A_SECOND, monotonic=real))
        # Two reminders and the renewal; then its fan has real minutes.
        rounds(fast, real, 60)
        asked = scene.live_payment(subscription)
        assert head_recorded_at(scene) == asked.initiated_at
        assert asked.initiated_at < scene.time.now + 32 * DAY


def test_days_pass_in_seconds_and_payments_still_have_their_minutes(
    deploy: Callable[..., Deployment],
) -> None:
    with (
        deploy(TIME_MAY_RUN_AHEAD="true")
        .add_operator()
        .add_apis(1)
        .add_dispatchers(1)
        .add_clocks(1, speed=DAY_A_SECOND) as running
    ):
        fan, creator = running.fan(), running.creator()
        payment_id = ""
        for number in range(1, 4):
            payment_id = running.pay(fan, creator)
            assert running.wait_for_end(fan, payment_id)["state"] == "succeeded"
            assert running.operator.prompts()[payment_id] == 1
            wait_until(lambda: running.pending(creator) == 0, what="the money is released")
            recorded = [
                datetime.fromisoformat(event["recorded_at"])
                for _, event in running.events(payment_id)
            ]
            assert recorded[-2] - recorded[0] < timedelta(minutes=1)
            assert DELAY <= recorded[-1] - recorded[-2] < DELAY + DAY
            assert recorded[-1] > datetime.now(UTC) + number * DELAY - DAY
        assert running.topics(payment_id)[-1] == "payment.funds_released.v1"
        answer = running.api.send(creator, "GET", f"/creators/{creator.id}/balance")
        assert answer.json()["data"]["balances"][0]["available"] == 3 * DEPLOYED_NET
        assert_book_is_sound(running.database)
