"""Whom the dispatcher asks for a period, how, at which hours, and whom it does not ask any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import pytest

from ledger.dunning import NOT_PUSHED_PAUSE
from ledger.payment import PaymentState
from ledger.subscription import SubscriptionState
from tests.api.clock_scenes import GROSS
from tests.api.notification_scenes import PHONE
from tests.api.subscription_scenes import LOCAL, days
from tests.api.told_scenes import CARD, Told
from tests.builders import PROVIDER, TERMS, report_success
from tests.databases import rows, superuser
from tests.invariants import assert_book_is_sound
from tests.subscription_builders import cancel_subscription, pay_invoice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from api.dispatcher_tasks import Task
    from ledger.database.connections import BookLocation
    from ledger.key_store import KeyStore
    from ledger.payment import Payment

KINDS: Final = "SELECT kind FROM dispatcher_tasks WHERE provider = %s"


@pytest.fixture
def scene(book: BookLocation, key_store: KeyStore, tmp_path: Path) -> Iterator[Told]:
    with Told(book, key_store, tmp_path) as opened:
        yield opened
        assert_book_is_sound(opened.book.database)
        opened.close()


def april(scene: Told, day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(scene.time.now.year, 4, day, hour, minute, tzinfo=LOCAL)


def due_for_renewal(scene: Told, hour: int, *, card: bool = False) -> tuple[UUID, Task]:
    """A month has ended at an hour of the first of April; the payment's task, claimed."""
    scene.at(datetime(scene.time.now.year, 3, 1, 12, tzinfo=LOCAL).replace(day=2, hour=hour))
    subscription = scene.member(scene.offer(), card=card)
    scene.until(april(scene, 2, hour), subscription)
    [task] = scene.payment_tasks()
    return subscription, task


def hurry(scene: Told) -> None:
    """Let every pause be over."""
    with superuser(scene.book.database) as connection:
        connection.execute("UPDATE dispatcher_tasks SET due_at = now()")


def payment_of(scene: Told, task: Task) -> Payment:
    found: Payment = scene.ledger.repository.get(task.stream_id)
    return found


def tasks(scene: Told) -> list[str]:
    """Kinds of what is to be asked of the provider, sooner or later."""
    scene.read_log()
    return [kind for (kind,) in rows(scene.book.database, KINDS, PROVIDER)]


# Prompts and charges.


def test_a_renewal_is_a_prompt_on_the_fan_s_phone(scene: Told) -> None:
    subscription, task = due_for_renewal(scene, 12)
    assert scene.take(task) is not None
    [prompt] = scene.operator.prompted
    assert (prompt.phone, prompt.money.amount, prompt.payment_id) == (PHONE, GROSS, task.stream_id)
    assert 0 < prompt.expires_in_seconds <= 900
    scene.pay(subscription)
    assert tasks(scene) == []


def test_a_stored_card_is_charged_at_night(scene: Told) -> None:
    subscription, task = due_for_renewal(scene, 2, card=True)
    scene.take(task)
    [charge] = scene.operator.charged
    assert (charge.card, charge.money.amount, charge.payment_id) == (CARD, GROSS, task.stream_id)
    assert scene.operator.prompted == []
    scene.pay(subscription)
    assert scene.state_of(subscription).next_number == 3


def test_renewals_on_one_phone_wait_for_each_other(scene: Told) -> None:
    """Every phone of the scene has the same number."""
    offer = scene.offer()
    first, second = scene.member(offer), scene.member(offer)
    scene.until(april(scene, 1), first, second)
    one, other = scene.payment_tasks()
    scene.take(one)
    later = scene.take(other)
    assert later is not None
    assert [prompt.payment_id for prompt in scene.operator.prompted] == [one.stream_id]
    scene.do(report_success(one.stream_id, GROSS))
    [woken] = scene.payment_tasks()
    assert woken.stream_id == other.stream_id
    scene.take(woken)
    assert len(scene.operator.prompted) == 2


# Nobody is asked any more.


def test_a_prompt_of_what_was_cancelled_is_not_pushed(scene: Told) -> None:
    subscription, task = due_for_renewal(scene, 12)
    scene.do(cancel_subscription(subscription))
    assert payment_of(scene, task).state is PaymentState.CANCELLED
    assert scene.take(task) is None
    assert scene.operator.prompted == []
    assert tasks(scene) == []


def test_a_prompt_of_what_was_paid_at_a_till_meanwhile_is_not_pushed_and_expires(
    scene: Told,
) -> None:
    subscription, task = due_for_renewal(scene, 12)
    till = uuid4()
    scene.do(pay_invoice(subscription, till_payment=till), report_success(till, GROSS))
    assert scene.state_of(subscription).invoice is None
    later = scene.take(task)
    assert later is not None
    scene.at(payment_of(scene, task).expires_at + timedelta(seconds=1))
    hurry(scene)
    [again] = scene.payment_tasks()
    assert scene.take(again) is None
    assert payment_of(scene, task).state is PaymentState.EXPIRED
    assert scene.operator.prompted == []
    assert scene.state_of(subscription).state is SubscriptionState.ACTIVE
    assert tasks(scene) == []


# Hours.


def test_what_the_clock_asks_for_in_the_last_moment_of_the_day_is_asked_for_in_the_morning(
    scene: Told,
) -> None:
    """It lives for a second at least, and the day is over within that second."""
    scene.at(april(scene, 1, 20).replace(month=3) - timedelta(microseconds=300_000))
    subscription = scene.member(scene.offer())
    scene.until(april(scene, 1, 20) - timedelta(microseconds=300_000), subscription)
    [task] = scene.payment_tasks()
    scene.at(april(scene, 1, 20))
    later = scene.take(task)
    assert later is not None
    assert later > scene.time.now
    assert scene.operator.prompted == []
    assert payment_of(scene, task).state is PaymentState.INITIATED
    # It comes back when it has expired, and nobody was asked by it.
    scene.at(later)
    hurry(scene)
    [again] = scene.payment_tasks()
    assert scene.take(again) is None
    assert payment_of(scene, task).state is PaymentState.EXPIRED
    state = scene.state_of(subscription)
    assert state.state is SubscriptionState.ACTIVE
    assert state.invoice is not None
    assert state.invoice.pushes == 0
    assert scene.come(subscription) == april(scene, 2, 8)
    [morning] = scene.payment_tasks()
    scene.take(morning)
    assert len(scene.operator.prompted) == 1


def test_what_a_dispatcher_was_not_there_for_expires_and_is_asked_for_again(scene: Told) -> None:
    subscription, task = due_for_renewal(scene, 19)
    scene.at(april(scene, 2, 21))
    assert scene.take(task) is None
    assert payment_of(scene, task).state is PaymentState.EXPIRED
    assert scene.come(subscription) == april(scene, 3, 8)


def test_by_day_it_is_asked_for_again_after_a_quarter_of_an_hour(scene: Told) -> None:
    subscription, task = due_for_renewal(scene, 12)
    scene.at(april(scene, 2, 13))
    assert scene.take(task) is None
    assert scene.come(subscription) == april(scene, 2, 13) + NOT_PUSHED_PAUSE


def test_a_fan_who_asks_for_it_themself_is_asked_at_any_hour(scene: Told) -> None:
    subscription, _ = due_for_renewal(scene, 12)
    scene.pay(subscription)
    scene.at(april(scene, 3, 23))
    scene.do(pay_invoice(subscription))
    [task] = scene.payment_tasks()
    scene.take(task)
    assert [prompt.payment_id for prompt in scene.operator.prompted] == [task.stream_id]


# At a till.


def test_a_till_payment_is_never_pushed_and_expires_after_its_days(scene: Told) -> None:
    subscription, prompt = due_for_renewal(scene, 12)
    scene.take(prompt)
    scene.operator.prompted.clear()
    till = uuid4()
    terms = replace(TERMS, expires_after_seconds=int(days(3).total_seconds()))
    scene.do(pay_invoice(subscription, till_payment=till, terms=terms))
    [task] = [each for each in scene.payment_tasks() if each.task_id == till]
    assert task.kind == "till"
    asked_at = scene.time.now
    assert scene.take(task) == asked_at + days(3)
    hurry(scene)
    scene.at(asked_at + days(3) - timedelta(seconds=1))
    [again] = [each for each in scene.payment_tasks() if each.task_id == till]
    assert scene.take(again) == asked_at + days(3)
    scene.at(asked_at + days(3) + timedelta(seconds=1))
    hurry(scene)
    [again] = [each for each in scene.payment_tasks() if each.task_id == till]
    assert scene.take(again) is None
    assert payment_of(scene, again).state is PaymentState.EXPIRED
    assert scene.operator.prompted == []


def test_a_till_payment_whose_money_came_is_looked_at_no_more(scene: Told) -> None:
    subscription, task = due_for_renewal(scene, 12)
    scene.take(task)
    till = uuid4()
    scene.do(pay_invoice(subscription, till_payment=till))
    assert sorted(tasks(scene)) == ["payment", "till"]
    scene.do(report_success(till, GROSS))
    assert tasks(scene) == ["payment"]
