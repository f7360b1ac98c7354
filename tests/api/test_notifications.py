"""Whoever is told of something is told once, or it is known that nobody knows."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import pytest

from api.notifications import notices
from api.notifications.notice import Notice
from api.notifications.outbox import PAUSE, PAUSE_MAX, TRIED_FOR, pause
from api.notifications.port import Channel, Refused, Sent, TryLater, Unknown
from api.notifications.texts import PhoneCode
from ledger.events import PaymentSucceeded
from ledger.vault import PersonalData
from tests.api.leaks import personal_data_in_tables
from tests.api.notification_scenes import PHONE, Scene
from tests.databases import rows, superuser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from api.notifications.notice import History, Sources
    from api.notifications.port import Result
    from ledger.database.connections import BookLocation
    from ledger.key_store import KeyStore

EMAIL: Final = "zqcanary@fans.example"


@pytest.fixture
def scene(book: BookLocation, key_store: KeyStore, tmp_path: Path) -> Iterator[Scene]:
    opened = Scene(book, key_store, tmp_path)
    yield opened
    opened.close()


def test_a_fan_who_paid_gets_one_receipt_by_sms(scene: Scene) -> None:
    payment_id = scene.pay()
    scene.work()
    [message] = scene.sms.given
    assert message.address == PHONE
    assert message.text.startswith("We received KES 1,000.00 on ")
    assert str(payment_id) in message.text
    assert scene.kept(payment_id) == [("receipt", "sms", "sent", None, True)]
    assert scene.waiting() == 0
    assert personal_data_in_tables(scene.database) == set()


def test_the_log_followed_twice_tells_nobody_twice(scene: Scene) -> None:
    payment_id = scene.pay()
    scene.work()
    scene.follow_again()
    assert scene.waiting() == 1
    scene.work()
    assert len(scene.sms.given) == 1
    assert scene.kept(payment_id) == [("receipt", "sms", "sent", None, True)]
    assert scene.waiting() == 0


def test_a_payment_that_failed_has_no_receipt(scene: Scene) -> None:
    scene.initiate()
    scene.follow()
    assert scene.waiting() == 0


def test_whoever_has_an_email_gets_the_receipt_there_alone_and_at_the_last_address(
    scene: Scene,
) -> None:
    fan_id, kind = uuid4(), PersonalData.EMAIL
    scene.know(fan_id, kind, "old@fans.example")
    scene.know(fan_id, kind, EMAIL)
    payment_id = scene.pay(fan_id)
    scene.work()
    assert [message.address for message in scene.email.given] == [EMAIL]
    assert scene.sms.given == []
    assert scene.kept(payment_id) == [("receipt", "email", "sent", None, True)]
    assert personal_data_in_tables(scene.database) == set()


def test_a_creator_without_an_email_is_told_nothing_of_a_payout(scene: Scene) -> None:
    payout_id = scene.pay_out()
    scene.work()
    assert scene.kept(payout_id) == []
    assert scene.email.given == scene.sms.given == []
    assert scene.waiting() == 0


def test_a_creator_with_an_email_is_told_of_a_payout(scene: Scene) -> None:
    scene.know(scene.creator_id, PersonalData.EMAIL, EMAIL)
    payout_id = scene.pay_out()
    scene.work()
    [message] = scene.email.given
    assert message.text.startswith("We sent you KES ")
    assert scene.kept(payout_id) == [("payout_paid", "email", "sent", None, True)]


def test_what_a_dead_holder_was_sending_is_unknown_and_not_sent_again(scene: Scene) -> None:
    payment_id = scene.pay()
    scene.follow()
    [task] = scene.claim()
    # It dies between its commit and the answer.
    assert scene.outbox._begin(task) is not None
    assert scene.kept(payment_id) == [("receipt", "sms", "sending", None, False)]
    scene.hurry()
    scene.work()
    assert scene.sms.given == []
    assert scene.kept(payment_id) == [("receipt", "sms", "unknown", "holder_lost", False)]
    assert scene.waiting() == 0


def test_a_holder_that_was_only_slow_still_says_what_it_knows(scene: Scene) -> None:
    payment_id = scene.pay()
    scene.follow()
    [task] = scene.claim()
    scene.sms.silent_seconds = 0.1

    async def both() -> None:
        slow = asyncio.create_task(scene.outbox.step(task))
        await asyncio.sleep(0.05)
        assert await scene.another().step(task) is None
        assert await slow is None

    asyncio.run(both())
    assert len(scene.sms.given) == 1
    assert scene.kept(payment_id) == [("receipt", "sms", "sent", None, True)]


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (Refused("answered_550"), "failed", "answered_550"),
        (Unknown("cut"), "unknown", "cut"),
    ],
)
def test_what_was_refused_or_is_unknown_is_not_sent_again(
    scene: Scene, answer: Result, state: str, reason: str
) -> None:
    scene.sms.answers = [answer]
    payment_id = scene.pay()
    scene.work()
    scene.follow_again()
    scene.hurry()
    scene.work()
    assert len(scene.sms.given) == 1
    assert scene.kept(payment_id) == [("receipt", "sms", state, reason, False)]
    assert scene.waiting() == 0


def test_a_carrier_that_does_not_come_back_leaves_it_unknown(scene: Scene) -> None:
    scene.sms.silent_seconds = 30
    payment_id = scene.pay()
    scene.work()
    assert scene.kept(payment_id) == [("receipt", "sms", "unknown", "timed_out", False)]


def test_what_was_certainly_not_taken_is_tried_again_with_the_same_id(scene: Scene) -> None:
    scene.sms.answers = [TryLater("unreachable"), TryLater("answered_503"), Sent()]
    payment_id = scene.pay()
    scene.work()
    assert scene.kept(payment_id) == [("receipt", "sms", "waiting", "unreachable", False)]
    # Not before its pause is over.
    scene.work()
    assert len(scene.sms.given) == 1
    scene.hurry()
    scene.work()
    scene.hurry()
    scene.work()
    assert len({message.notification_id for message in scene.sms.given}) == 1
    assert len(scene.sms.given) == 3
    assert scene.kept(payment_id) == [("receipt", "sms", "sent", None, True)]


def test_after_a_day_it_is_given_up(scene: Scene) -> None:
    scene.sms.answers = [TryLater("unreachable")]
    payment_id = scene.pay()
    scene.work()
    with superuser(scene.database) as connection:
        connection.execute("UPDATE notifications SET created_at = now() - interval '24 hours'")
    scene.hurry()
    scene.work()
    assert scene.kept(payment_id) == [("receipt", "sms", "failed", "unreachable", False)]
    assert scene.waiting() == 0


def test_pauses_grow_to_four_hours_so_that_a_day_has_some_fifteen_tries() -> None:
    pauses = [pause(tries) for tries in range(1, 100)]
    assert pauses[:3] == [PAUSE, 2 * PAUSE, 4 * PAUSE]
    assert pauses == sorted(pauses)
    assert pauses[-1] == PAUSE_MAX
    spent, tries = timedelta(), 0
    while spent < TRIED_FOR:
        spent, tries = spent + pauses[tries], tries + 1
    assert 10 <= tries <= 20


def test_an_erased_person_gets_nothing(scene: Scene) -> None:
    payment_id = scene.pay()
    for (key_id,) in rows(scene.database, "SELECT key_id FROM vault_entries"):
        scene.key_store.destroy(key_id)
    scene.work()
    assert scene.sms.given == []
    assert scene.kept(payment_id) == [("receipt", "sms", "failed", "person_erased", False)]


def test_two_dispatchers_share_many_notices_and_send_each_once(scene: Scene) -> None:
    payments = [scene.pay() for _ in range(30)]
    scene.follow()
    tasks = scene.claim()
    assert len(tasks) == len(payments)
    other = scene.another()

    async def all_at_once() -> None:
        # Each task at both, as if a lease had been too short.
        await asyncio.gather(*(each.step(task) for task in tasks for each in (scene.outbox, other)))

    asyncio.run(all_at_once())
    told = [message.notification_id for message in scene.sms.given]
    assert len(told) == len(set(told)) == len(payments)
    assert {scene.kept(payment)[0][2] for payment in payments} == {"sent"}


def _code(history: History, sources: Sources) -> Notice:
    return Notice(
        person_id=uuid4(),
        channels=(Channel.SMS,),
        phone=history[0].phone,  # type: ignore[union-attr]  # of a payment's first event
        letter=PhoneCode(code=sources.codes.code(UUID(int=1)), minutes=10),
        useful_until=datetime.now(UTC) - timedelta(seconds=1),
    )


def test_what_is_of_no_use_any_more_is_not_sent(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "MAKERS", {PaymentSucceeded: {"receipt": _code}})
    payment_id = scene.pay()
    scene.work()
    assert scene.sms.given == []
    assert scene.kept(payment_id) == [("phone_code", "sms", "failed", "too_late", False)]


def test_a_batch_of_the_log_becomes_tasks_in_one_statement(scene: Scene) -> None:
    payments = [scene.pay() for _ in range(5)]
    scene.follow()
    query = "SELECT stream_id, provider, version FROM dispatcher_tasks WHERE kind = 'notification'"
    found = rows(scene.database, query)
    assert {stream for stream, _, _ in found} == set(payments)
    assert {(provider, version) for _, provider, version in found} == {("notifications", 2)}
