"""Whoever knows the eventsourcing library can read the ledger with it."""

from __future__ import annotations

import threading
import time
from uuid import UUID, uuid4

import pytest
from eventsourcing.application import AggregateNotFoundError

from ledger.application import Ledger
from ledger.creator import Creator
from ledger.database.location import DatabaseLocation
from ledger.payment import Payment, PaymentState
from ledger.receipt import Receipt, receipt_id
from tests.builders import (
    GROSS,
    assign_fee_plan,
    initiate_payment,
    record_submitted,
    register_creator,
    report_success,
    start_submission,
)
from tests.databases import rows


@pytest.fixture
def paid(ledger: Ledger) -> UUID:
    """The stream of a payment that went all the way."""
    creator, payment = uuid4(), uuid4()
    ledger.execute(
        [
            register_creator(creator),
            initiate_payment(creator, payment_id=payment),
            start_submission(payment),
            record_submitted(payment),
            report_success(payment, GROSS + 1),
        ]
    )
    return payment


def get(ledger: Ledger, stream: UUID, version: int | None = None) -> object:
    found: object = ledger.repository.get(stream, version=version)
    return found


def test_an_aggregate_is_read_by_its_stream(ledger: Ledger, paid: UUID) -> None:
    payment = get(ledger, paid)
    assert isinstance(payment, Payment)
    assert (payment.state, payment.version) == (PaymentState.SUCCEEDED, 5)
    creator = get(ledger, payment.creator_id)
    assert isinstance(creator, Creator)
    assert creator.settlement_currency == "KES"


def test_an_aggregate_is_read_as_it_was_at_any_version(ledger: Ledger, paid: UUID) -> None:
    states = []
    for version in range(1, 6):
        payment = get(ledger, paid, version)
        assert isinstance(payment, Payment)
        assert payment.version == version
        states.append(payment.state)
    assert states == ["initiated", "submitting", "submitted", "succeeded", "succeeded"]


def test_a_receipt_is_found_by_its_transaction(ledger: Ledger) -> None:
    ledger.execute_one(report_success(None, 5, transaction="T1"))
    receipt = get(ledger, receipt_id(provider="sandbox", transaction="T1"))
    assert isinstance(receipt, Receipt)
    assert receipt.received.amount == 5


@pytest.mark.parametrize("version", [None, 1])
def test_a_stream_that_does_not_exist_is_not_found(ledger: Ledger, version: int | None) -> None:
    with pytest.raises(AggregateNotFoundError):
        get(ledger, uuid4(), version)


def test_the_notification_log_tells_every_event_in_order(ledger: Ledger, paid: UUID) -> None:
    notifications = ledger.notification_log.select(start=1, limit=100)
    assert [notification.id for notification in notifications] == list(range(1, 8))
    assert [notification.topic for notification in notifications] == [
        "creator.registered.v1",
        "creator.fee_plan_assigned.v1",
        "payment.initiated.v1",
        "payment.submission_started.v1",
        "payment.submitted.v1",
        "payment.succeeded.v2",
        "payment.overpayment_parked.v1",
    ]
    decoded = [ledger.mapper.to_domain_event(found) for found in notifications]
    assert [event.originator_version for event in decoded] == [1, 2, 1, 2, 3, 4, 5]
    assert [found.id for found in ledger.notification_log.select(start=6, limit=1)] == [6]
    assert ledger.recorder.max_notification_id() == 7


def test_the_log_is_read_by_topic(ledger: Ledger, paid: UUID) -> None:
    found = ledger.recorder.select_notifications(1, 100, topics=["payment.succeeded.v2"])
    assert [notification.id for notification in found] == [6]


def test_a_subscription_sees_old_events_and_is_woken_by_new_ones(ledger: Ledger) -> None:
    ledger.execute_one(register_creator())
    seen: list[tuple[int, float]] = []
    three = threading.Event()

    def follow() -> None:
        with ledger.recorder.subscribe(gt=1) as subscription:
            for notification in subscription:
                seen.append((int(notification.id), time.monotonic()))
                if len(seen) == 3:
                    three.set()
                    return

    follower = threading.Thread(target=follow)
    follower.start()
    deadline = time.monotonic() + 10
    while not seen and time.monotonic() < deadline:
        time.sleep(0.01)
    # The subscription has caught up; what comes now reaches it by NOTIFY alone.
    time.sleep(0.3)
    recorded_at = time.monotonic()
    ledger.execute_one(register_creator())
    assert three.wait(10)
    follower.join()
    assert [position for position, _ in seen] == [2, 3, 4]
    assert seen[-1][1] - recorded_at < 2


def test_followers_are_told_again_after_the_notifier_lost_its_connection(
    ledger: Ledger, database: DatabaseLocation
) -> None:
    with ledger.book.connect_reader() as follower:
        follower.execute("LISTEN ledger_events")
        ledger.execute_one(register_creator())
        assert len(list(follower.notifies(timeout=10, stop_after=1))) == 1
        [[ended]] = rows(
            database,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE query = 'NOTIFY ledger_events' AND datname = current_database()",
        )
        assert ended
        # This one's notification is lost with the connection; followers poll as well.
        ledger.execute_one(register_creator())
        list(follower.notifies(timeout=0.2))
        ledger.execute_one(register_creator())
        assert len(list(follower.notifies(timeout=10, stop_after=1))) == 1


def test_many_threads_read_while_turns_run(ledger: Ledger) -> None:
    creator = uuid4()
    ledger.execute_one(register_creator(creator))
    done = threading.Event()
    read: list[int] = []
    failures: list[Exception] = []

    def keep_reading() -> None:
        last = 0
        try:
            while not done.is_set():
                found = get(ledger, creator)
                assert isinstance(found, Creator)
                assert found.version >= last
                last = found.version
                read.append(last)
        except Exception as error:  # noqa: BLE001 - told to the test
            failures.append(error)

    threads = [threading.Thread(target=keep_reading) for _ in range(4)]
    for thread in threads:
        thread.start()
    for rate in range(100):
        ledger.execute_one(assign_fee_plan(creator, rate))
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert read
