"""Processes that act by themselves cannot append what a person decides, whatever they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import uuid4

import psycopg
import pytest

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.errors import DecisionFailed
from ledger.events import EVENT_CLASSES
from tests.builders import register_creator, report_success
from tests.databases import rows

if TYPE_CHECKING:
    from ledger.database.location import DatabaseLocation

HAPPENS_BY_ITSELF: Final = frozenset(
    {
        # What providers said, whoever heard it: a callback, or the answer to a status query.
        *("payment.authorised.v1", "payment.voided.v1", "payment.succeeded.v2"),
        *("payment.overpayment_parked.v1", "payment.mismatched.v1"),
        *("payment.surplus_received.v1", "payment.failed.v1"),
        *("payment.contradiction_recorded.v1", "payment.provider_fee_recorded.v1"),
        *("payment.received_as_credit.v1", "payment.receipts_credited.v1"),
        *("payment.credit_taken_back.v1", "payment.credit_restored.v1"),
        *("refund.requested.v1", "refund.succeeded.v1", "refund.failed.v1"),
        *("refund.reopened_as_failed.v1", "refund.reopened_as_succeeded.v1"),
        *("dispute.warned.v1", "dispute.opened.v1", "dispute.evidence_noted.v1"),
        *("dispute.closed.v1", "dispute.fee_charged.v1", "dispute.fee_returned.v1"),
        *("receipt.unmatched_recorded.v1", "receipt.spent.v1", "books.provider_settled.v1"),
        *("payout.attempt_failed.v1", "payout.paid.v1", "payout.failed.v1"),
        *("payout.returned.v1", "payout.contradiction_recorded.v1"),
        # What the dispatcher does.
        *("payment.submission_started.v1", "payment.submitted.v1"),
        *("payment.submission_unknown.v1", "payment.expired.v1"),
        *("refund.submission_started.v1", "refund.submitted.v1"),
        *("refund.submission_unknown.v1", "payout.submission_started.v1"),
        *("payout.submitted.v1", "payout.submission_unknown.v1", "payout.held.v1"),
        # What time does.
        *("payment.funds_released.v1", "creator.hold_released.v1", "payout.requested.v1"),
        *("payment.invoice_initiated.v1", "payment.credit_spent.v1"),
        "payment.unused_time_credited.v1",
        # The prompt of an invoice that is void.
        "payment.cancelled.v1",
    }
)
"""And everything of a subscription, which renews, lapses and changes by itself."""


def _decided_by_people(database: DatabaseLocation) -> set[str]:
    [(condition,)] = rows(
        database, "SELECT with_check FROM pg_policies WHERE policyname = 'what_happens_by_itself'"
    )
    return {event.TOPIC for event in EVENT_CLASSES if f"'{event.TOPIC}'" in condition}


def test_of_every_event_it_is_decided_who_may_append_it(database: DatabaseLocation) -> None:
    every = {event.TOPIC for event in EVENT_CLASSES}
    by_itself = {topic for topic in every if topic.startswith("subscription.")} | HAPPENS_BY_ITSELF
    assert by_itself <= every
    assert _decided_by_people(database) == every - by_itself


@pytest.mark.parametrize("role", [DatabaseRole.DISPATCHER, DatabaseRole.CLOCK])
def test_what_a_person_decides_is_refused_to_them_and_nothing_of_the_turn_stays(
    database: DatabaseLocation, role: DatabaseRole
) -> None:
    before = rows(database, "SELECT count(*), max(position) FROM turns")
    ledger = Ledger(BookLocation(database, role))
    try:
        with pytest.raises(DecisionFailed):
            ledger.execute_one(register_creator(uuid4()))
        # The process goes on with what is its own.
        ledger.execute_one(report_success(None))
    finally:
        ledger.close()
    creators = "SELECT count(*) FROM ledger_events WHERE topic LIKE 'creator%%'"
    assert rows(database, creators) == [(0,)]
    assert before != rows(database, "SELECT count(*), max(position) FROM turns")


@pytest.mark.parametrize("role", [DatabaseRole.DISPATCHER, DatabaseRole.CLOCK])
def test_no_statement_gets_around_it(database: DatabaseLocation, role: DatabaseRole) -> None:
    topics = sorted(_decided_by_people(database))
    with BookLocation(database, role).connect_writer() as connection:
        for topic in topics:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(
                    "INSERT INTO ledger_events VALUES (%s, 1, %s, '', 99)", (uuid4(), topic)
                )
        for statement in (
            "ALTER TABLE ledger_events DISABLE ROW LEVEL SECURITY",
            "DROP POLICY what_happens_by_itself ON ledger_events",
            "SET ROLE hesabu_app",
            "SET session_replication_role = replica",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


@pytest.mark.parametrize("role", [role for role in DatabaseRole if role is not DatabaseRole.OWNER])
def test_everybody_reads_the_whole_log(database: DatabaseLocation, role: DatabaseRole) -> None:
    ledger = Ledger(BookLocation(database, DatabaseRole.APP))
    ledger.execute_one(register_creator(uuid4()))
    ledger.close()
    with BookLocation(database, role).connect_reader() as connection:
        [row] = connection.execute("SELECT count(*), max(notification_id) FROM ledger_events")
    # One before it: the book's own beginning.
    assert row[0] == row[1] == 2
