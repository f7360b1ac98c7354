"""What the ledger wrote is what its events say: in one snapshot, while writes go on."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest

from ledger.database.connections import BookLocation
from ledger.database.location import DatabaseLocation
from ledger.database.roles import DatabaseRole
from ledger.replay import ReplayReport, replay
from ledger.replay_differences import Differences
from ledger.replay_order import Streams
from ledger.serialization import decode_event
from tests.builders import (
    assign_fee_plan,
    initiate_payment,
    record_submitted,
    register_creator,
    report_success,
    start_submission,
)
from tests.databases import rows, value
from tests.projections.histories import Life, live

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.application import Ledger
    from ledger.events import LedgerEvent


def test_an_empty_book_is_what_no_events_say(book: BookLocation) -> None:
    report = replay(book)
    assert report.ok
    assert (report.position, report.events, report.lines, report.accounts) == (0, 0, 0, 0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_book_that_the_ledger_wrote_is_what_its_events_say(book: BookLocation, seed: int) -> None:
    live(book, Life(seed))
    report = replay(book)
    assert report.ok, report.differences
    assert report.differences == ()
    for count, query in (
        (report.position, "SELECT max(notification_id) FROM ledger_events"),
        (report.events, "SELECT count(*) FROM ledger_events"),
        (report.lines, "SELECT count(*) FROM journal_lines"),
        (report.accounts, "SELECT count(*) FROM balances"),
    ):
        assert count == value(book.database, query)
        assert count > 0


def test_whoever_may_only_read_may_replay(ledger: Ledger, book: BookLocation) -> None:
    ledger.execute_one(register_creator())
    assert replay(BookLocation(book.database, DatabaseRole.AUDITOR)).ok


def test_progress_is_told_up_to_the_head(ledger: Ledger, book: BookLocation) -> None:
    ledger.execute([register_creator() for _ in range(1_500)])
    told: list[tuple[int, int]] = []
    replay(book, progress=lambda position, head: told.append((position, head)))
    assert told == [(2_000, 3_000), (3_000, 3_000)]


def test_it_works_while_payments_go_on(ledger: Ledger, book: BookLocation) -> None:
    creators = [uuid4() for _ in range(3)]
    ledger.execute([register_creator(creator) for creator in creators])
    enough = threading.Event()
    reports: list[ReplayReport] = []

    def write() -> None:
        while not enough.is_set():
            payments = ledger.execute([initiate_payment(creator) for creator in creators * 5])
            ledger.execute([report_success(outcome.stream) for outcome in payments])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        reports += [replay(book) for _ in range(5)]
    finally:
        enough.set()
        writer.join()
    reports.append(replay(book))
    assert [report.differences for report in reports] == [()] * 6
    positions = [report.position for report in reports]
    assert positions == sorted(positions)
    assert positions[-1] > positions[0]


def test_it_is_one_snapshot_from_the_first_batch_to_the_last(
    ledger: Ledger, book: BookLocation
) -> None:
    creator = uuid4()
    ledger.execute_one(register_creator(creator))
    for _ in range(3):
        ledger.execute([initiate_payment(creator) for _ in range(1_000)])

    def write_meanwhile(_position: int, _head: int) -> None:
        payment = initiate_payment(creator)
        ledger.execute([payment, report_success(payment.payment_id)])

    report = replay(book, progress=write_meanwhile)
    assert report.ok, report.differences
    assert report.position == 3_002
    assert replay(book).position == 3_002 + 2 * 2


def stored(book: BookLocation) -> list[tuple[int, LedgerEvent]]:
    """The log, decoded."""
    return [
        (
            position,
            decode_event(topic, state, originator_id=stream, originator_version=version),
        )
        for position, stream, version, topic, state in rows(
            book.database,
            "SELECT notification_id, originator_id, originator_version, topic, state "
            "FROM ledger_events ORDER BY notification_id",
        )
    ]


def fold(streams: Streams, log: Sequence[tuple[int, LedgerEvent]], *, batch: int) -> None:
    """Fold the log in batches."""
    for start in range(0, len(log), batch):
        part = log[start : start + batch]
        places = [(event.originator_id, event.originator_version) for _, event in part]
        streams.recall(places, first_position=part[0][0])
        for position, event in part:
            streams.follow(position, event)


def write_long_streams(ledger: Ledger) -> None:
    """Seven streams that take turns."""
    creators, payments = [uuid4() for _ in range(3)], [uuid4() for _ in range(4)]
    ledger.execute([register_creator(creator) for creator in creators])
    ledger.execute([initiate_payment(creators[0], payment_id=payment) for payment in payments])
    ledger.execute([start_submission(payment) for payment in payments])
    ledger.execute([assign_fee_plan(creator, 7) for creator in creators])
    ledger.execute([record_submitted(payment) for payment in payments])
    ledger.execute([report_success(payment) for payment in payments])


@pytest.mark.parametrize("batch", [1, 3, 50])
@pytest.mark.parametrize("remembered_max", [0, 1, 4])
def test_streams_that_were_forgotten_are_read_again(
    ledger: Ledger, book: BookLocation, batch: int, remembered_max: int
) -> None:
    write_long_streams(ledger)
    differences = Differences(10)
    with book.connect_reader() as connection:
        streams = Streams(connection, differences, remembered_max=remembered_max)
        fold(streams, stored(book), batch=batch)
    assert differences.first == []


@pytest.mark.parametrize("batch", [1, 5, 50])
def test_streams_that_are_remembered_are_read_once(
    ledger: Ledger, book: BookLocation, batch: int
) -> None:
    write_long_streams(ledger)
    differences = Differences(10)
    with book.connect_reader() as connection:
        pass
    # Closed, so that reading anything again would raise.
    fold(Streams(connection, differences), stored(book), batch=batch)
    assert differences.first == []


def test_a_book_that_cannot_be_reached_is_no_report(book: BookLocation) -> None:
    nowhere = BookLocation(
        DatabaseLocation.from_url("postgresql://nobody@/nowhere?host=/nonexistent"),
        DatabaseRole.AUDITOR,
    )
    with pytest.raises(psycopg.OperationalError):
        replay(nowhere)
