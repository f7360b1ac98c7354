"""A phone shows one prompt at a time; who else wants to be paid there waits, and is not lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import pytest

from api.live_prompts import SECONDS_MAX, fingerprint, forget_phones, give_back_phones, take_phone
from ledger.commands import Claim
from tests.api.notification_scenes import PHONE, Scene
from tests.api.processes import wait_until
from tests.builders import PROVIDER, cancel_payment, report_without_money
from tests.databases import rows, superuser, value
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ledger.database.connections import BookLocation
    from ledger.key_store import KeyStore
    from tests.api.deployment import Deployment

HMAC: Final = fingerprint(b"k" * 32, PHONE)
FAN: Final = UUID(int=11)
TAKERS: Final = 8
ROUNDS: Final = 40

LIVE: Final = "SELECT payment_id FROM live_prompts"
OVER: Final = "UPDATE live_prompts SET until = now() - interval '1 s'"
DUE: Final = "SELECT due_at <= now() FROM dispatcher_tasks WHERE task_id = %s"


@pytest.fixture
def scene(book: BookLocation, key_store: KeyStore, tmp_path: Path) -> Iterator[Scene]:
    opened = Scene(book, key_store, tmp_path)
    yield opened
    opened.close()


def take(scene: Scene, payment_id: UUID, seconds: float = 300.0) -> timedelta | None:
    with scene.board.connection() as connection:
        return take_phone(connection, HMAC, payment_id, seconds)


def give_back(scene: Scene, *payment_ids: UUID) -> None:
    with scene.board.connection() as connection:
        give_back_phones(connection, payment_ids)


def claimed(scene: Scene, number: int = 2) -> list[UUID]:
    """Payments whose tasks a dispatcher has."""
    made = [scene.initiate() for _ in range(number)]
    scene.follow()
    assert {task.task_id for task in scene.board.claim(PROVIDER, 100, 60.0)} == set(made)
    return made


def test_a_phone_that_is_taken_says_for_how_long_at_most(scene: Scene) -> None:
    first, second = uuid4(), uuid4()
    assert take(scene, first, 300.0) is None
    left = take(scene, second)
    assert left is not None
    assert timedelta(seconds=295) < left <= timedelta(seconds=300)
    # The same payment may be looked at again, by another dispatcher too.
    assert take(scene, first, 200.0) is None
    assert rows(scene.database, LIVE) == [(first,)]


def test_no_phone_is_taken_for_longer_than_a_prompt_can_stay(scene: Scene) -> None:
    assert take(scene, uuid4(), 7 * 24 * 3600.0) is None
    left = take(scene, uuid4())
    assert left is not None
    assert left <= timedelta(seconds=SECONDS_MAX)


def test_a_phone_whose_time_is_over_is_free_though_nobody_gave_it_back(scene: Scene) -> None:
    first, second = uuid4(), uuid4()
    assert take(scene, first) is None
    with superuser(scene.database) as connection:
        connection.execute(OVER)
    assert take(scene, second) is None
    assert rows(scene.database, LIVE) == [(second,)]
    # What ends late takes nothing from the other.
    give_back(scene, first)
    assert rows(scene.database, LIVE) == [(second,)]


def test_what_nobody_gave_back_is_forgotten(scene: Scene) -> None:
    assert take(scene, uuid4()) is None
    with superuser(scene.database) as connection:
        connection.execute(OVER)
    with scene.board.connection() as connection:
        assert forget_phones(connection) == 1
        assert forget_phones(connection) == 0


def test_of_many_that_want_a_phone_at_once_one_has_it(scene: Scene) -> None:
    for _ in range(ROUNDS):
        payments, start = [uuid4() for _ in range(TAKERS)], threading.Barrier(TAKERS)

        def one(payment_id: UUID, start: threading.Barrier = start) -> timedelta | None:
            start.wait()
            return take(scene, payment_id)

        with ThreadPoolExecutor(TAKERS) as pool:
            answers = list(pool.map(one, payments))
        assert answers.count(None) == 1
        assert rows(scene.database, LIVE) == [(payments[answers.index(None)],)]
        give_back(scene, *payments)


@pytest.mark.parametrize(
    "end",
    [
        lambda payment_id: cancel_payment(payment_id, FAN),
        lambda payment_id: report_without_money(payment_id, Claim.FAILED, reason="refused"),
    ],
    ids=["cancelled", "failed"],
)
def test_whoever_waits_is_woken_when_the_other_has_ended(
    scene: Scene, end: Callable[[UUID], Any]
) -> None:
    first, second = scene.initiate(FAN), scene.initiate()
    scene.follow()
    assert len(scene.board.claim(PROVIDER, 100, 60.0)) == 2
    assert take(scene, first) is None
    assert take(scene, second) is not None
    scene.follow()
    assert value(scene.database, DUE, second) is False
    scene.do(end(first))
    scene.follow()
    assert rows(scene.database, LIVE) == []
    assert value(scene.database, DUE, second) is True
    [task] = scene.board.claim(PROVIDER, 100, 60.0)
    assert task.task_id == second
    assert take(scene, second) is None


def test_no_wake_is_lost_between_taking_and_giving_back(scene: Scene) -> None:
    first, second = claimed(scene)
    for _ in range(ROUNDS):
        assert take(scene, first) is None
        start = threading.Barrier(2)

        def ask(start: threading.Barrier = start) -> timedelta | None:
            start.wait()
            return take(scene, second)

        def end(start: threading.Barrier = start) -> None:
            start.wait()
            give_back(scene, first)

        with ThreadPoolExecutor(2) as pool:
            asked, ended = pool.submit(ask), pool.submit(end)
            left = asked.result()
            ended.result()
        # It has the phone, or it is due at once.
        assert left is None or value(scene.database, DUE, second) is True
        give_back(scene, second)
        with superuser(scene.database) as connection:
            connection.execute("UPDATE dispatcher_tasks SET due_at = now() + interval '1 h'")


TURNS: Final = """
    SELECT originator_id,
           min(notification_id) FILTER (WHERE topic = 'payment.submission_started.v1'),
           max(notification_id) FILTER (WHERE topic = 'payment.succeeded.v2')
    FROM ledger_events WHERE originator_id = ANY(%s) GROUP BY originator_id ORDER BY 2
"""
TASKS: Final = "SELECT count(*) FROM dispatcher_tasks"
SENT: Final = "SELECT stream_id, state FROM notifications"
PAID: Final = "SELECT originator_id FROM ledger_events WHERE topic = 'payment.succeeded.v2'"
EXPIRED: Final = "SELECT count(*) FROM ledger_events WHERE topic = 'payment.expired.v1'"


@pytest.fixture(scope="module")
def shared(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    """Two dispatchers, and people who take a moment to answer."""
    settings = {"PAYMENT_EXPIRY_SECONDS": "30", "STATUS_QUERY_SECONDS": "1"}
    deployment = deploy(**settings).add_operator(DELAY_SECONDS="0.4")
    with deployment.add_apis(1).add_dispatchers(2) as running:
        yield running


def test_fans_who_share_a_phone_are_asked_one_after_the_other(shared: Deployment) -> None:
    creator, fans = shared.creator(), [shared.fan() for _ in range(6)]
    with ThreadPoolExecutor(len(fans)) as pool:
        payments = list(pool.map(lambda fan: shared.pay(fan, creator), fans))
    for fan, payment_id in zip(fans, payments, strict=True):
        assert shared.wait_for_end(fan, payment_id)["state"] == "succeeded"
    turns = rows(shared.database, TURNS, [UUID(payment_id) for payment_id in payments])
    assert len(turns) == len(fans)
    assert all(ended < started for (_, _, ended), (_, started, _) in pairwise(turns))
    prompts = shared.operator.prompts()
    assert {prompts[payment_id] for payment_id in payments} == {1}
    assert value(shared.database, EXPIRED) == 0


def test_phones_that_are_not_shared_wait_for_nobody(shared: Deployment) -> None:
    creator, fans = shared.creator(), [shared.fan() for _ in range(6)]
    payments = [
        shared.pay(fan, creator, digits=f"{line}0000"[:5])
        for line, fan in zip(range(1, 7), fans, strict=True)
    ]
    for fan, payment_id in zip(fans, payments, strict=True):
        assert shared.wait_for_end(fan, payment_id)["state"] == "succeeded"
    turns = rows(shared.database, TURNS, [UUID(payment_id) for payment_id in payments])
    assert any(started < ended for (_, _, ended), (_, started, _) in pairwise(turns))
    assert rows(shared.database, LIVE) == []
    assert_book_is_sound(shared.database)


def test_everybody_who_paid_has_one_receipt_that_a_developer_can_read(
    shared: Deployment,
) -> None:
    wait_until(lambda: value(shared.database, TASKS) == 0, what="no task is left")
    sent = rows(shared.database, SENT)
    assert {stream for stream, _ in sent} == {stream for (stream,) in rows(shared.database, PAID)}
    assert {state for _, state in sent} == {"sent"}
    texts = (shared.directory / "logs" / "notifications.ndjson").read_text().splitlines()
    assert len(texts) == len(sent)
    assert all(any(str(stream) in text for text in texts) for stream, _ in sent)
