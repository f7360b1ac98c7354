"""A payment ends as it truly did, though the operator or the database fails at the wrong moment."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from tests.api.deployment import NET, Deployment
from tests.api.processes import wait_until
from tests.databases import superuser, value
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXPIRY_SECONDS: Final = 4

REFUSE: Final = """
    CREATE FUNCTION refuse_for_a_while() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'not now' USING ERRCODE = 'check_violation';
    END $$;
    CREATE TRIGGER refuse_for_a_while BEFORE INSERT ON ledger_events FOR EACH ROW
        WHEN (NEW.topic = '{topic}') EXECUTE FUNCTION refuse_for_a_while();
"""
ALLOW: Final = """
    DROP TRIGGER refuse_for_a_while ON ledger_events;
    DROP FUNCTION refuse_for_a_while();
"""


@pytest.fixture(scope="module")
def hurried(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    """Payments that expire after four seconds, and a dispatcher that waits for nobody long."""
    settings = {
        "PAYMENT_EXPIRY_SECONDS": str(EXPIRY_SECONDS),
        "PROVIDER_TIMEOUT_SECONDS": "1",
        "SUBMISSION_MARGIN_SECONDS": "1",
        "STATUS_QUERY_SECONDS": "0.5",
    }
    with (
        deploy(**settings).add_operator(LATE_SECONDS="60").add_apis(1).add_dispatchers(1) as running
    ):
        yield running


def test_an_expired_payment_whose_callback_was_lost_is_found_by_a_later_look(
    deploy: Callable[..., Deployment],
) -> None:
    settings = {
        "PAYMENT_EXPIRY_SECONDS": "2",
        "STATUS_QUERY_SECONDS": "0.5",
        "LATE_LOOKS_SECONDS": "1,8,600",
    }
    nowhere = {"LATE_SECONDS": "5", "CALLBACK_URL": "http://127.0.0.1:1/lost"}
    late = deploy(**settings).add_operator(**nowhere).add_apis(1).add_dispatchers(1)
    with late:
        fan, creator = late.fan(), late.creator()
        paid, unpaid = (late.pay(fan, creator, digits=digits) for digits in ("006", "003"))
        assert late.wait_for_end(fan, paid)["state"] == "expired"
        assert late.wait_for_end(fan, unpaid)["state"] in {"expired", "failed"}
        wait_until(
            lambda: late.payment(fan, paid)["state"] == "succeeded", seconds_max=30, what="paid"
        )
        assert late.payment(fan, paid)["late"]
        assert late.pending(creator) == NET
        # Nothing is looked at any more but what may still be paid.
        left = f"SELECT count(*) FROM dispatcher_tasks WHERE task_id = '{paid}'"
        wait_until(lambda: value(late.database, left) == 0)


@contextmanager
def _refusing(hurried: Deployment, topic: str) -> Iterator[None]:
    """The database refuses every event of a topic."""
    with superuser(hurried.database) as connection:
        connection.execute(REFUSE.format(topic=topic).encode())
        try:
            yield
        finally:
            connection.execute(ALLOW.encode())


def test_a_payment_does_not_expire_while_nobody_can_say_whether_it_was_paid(
    hurried: Deployment,
) -> None:
    """The operator has the money and its callback is lost; it is frozen when the time is over."""
    fan, creator = hurried.fan(), hurried.creator()
    # It is asked half a second later at the earliest.
    payment_id = hurried.pay(fan, creator, digits="010")
    wait_until(lambda: hurried.operator.prompts().get(payment_id) == 1)
    with hurried.operator.paused():
        time.sleep(EXPIRY_SECONDS + 2)
        state = hurried.payment(fan, payment_id)["state"]
    assert state in {"submitted", "submission_unknown"}
    assert hurried.wait_for_end(fan, payment_id)["state"] == "succeeded"
    assert hurried.pending(creator) == NET
    assert hurried.operator.prompts()[payment_id] == 1


@pytest.mark.parametrize(
    ("digits", "topic", "state"),
    [
        ("012", "payment.failed.v1", "failed"),
        ("010", "payment.succeeded.v2", "succeeded"),
        ("006", "payment.expired.v1", "expired"),
    ],
)
def test_a_result_that_could_not_be_recorded_is_recorded_later(
    hurried: Deployment, digits: str, topic: str, state: str
) -> None:
    fan, creator = hurried.fan(), hurried.creator()
    with _refusing(hurried, topic):
        payment_id = hurried.pay(fan, creator, digits=digits)
        logged = f'"stream":"{payment_id}","event":"task_failed"'
        wait_until(lambda: logged in hurried.dispatchers[0].log_text(), what="it was tried")
    ended = hurried.wait_for_end(fan, payment_id)
    assert ended["state"] == state
    assert topic in hurried.topics(payment_id)


def test_when_all_has_ended_no_task_is_left_and_the_book_is_sound(hurried: Deployment) -> None:
    tasks = "SELECT count(*) FROM dispatcher_tasks WHERE kind <> 'late'"
    wait_until(lambda: value(hurried.database, tasks) == 0, what="no task is left")
    assert_book_is_sound(hurried.database)
