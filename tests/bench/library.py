"""The eventsourcing library out of the box: an `Application` on PostgreSQL that saves events.

Its own tables, its own defaults, its own transcoder. The events hold what ours hold, so the stored
rows are as large; nothing is decided, no balance is kept and no key is checked.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from eventsourcing.application import Application
from eventsourcing.domain import DomainEvent
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import Jsonb

from ledger.decisions import Decision, States, decide, evolve
from ledger.serialization import encode_state
from tests.bench.payments import FEE_WITHOUT_TAX
from tests.builders import initiate_payment, occasion, register_creator, report_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.decisions import Aggregate
    from tests.bench.server import BenchServer

SAVES_A_RUN: Final = 1_000

CREATE_VIEW: Final = """
    CREATE TABLE IF NOT EXISTS payments_view (payment_id uuid PRIMARY KEY, body jsonb NOT NULL)
"""
FORGET: Final = sql.SQL("DELETE FROM {tracking} WHERE application_name = %s")
PUT: Final = """
    INSERT INTO payments_view VALUES (%s, %s)
    ON CONFLICT (payment_id) DO UPDATE SET body = excluded.body
"""


@dataclass(frozen=True)
class Recorded(DomainEvent):
    """Any fact, as an immutable event of the library's."""

    body: dict[str, Any]


class LibraryWork:
    """An application of the library's; measures events that are saved one by one."""

    def __init__(self, application: Application[UUID]) -> None:
        self._application = application
        self._bodies = payment_bodies()

    def saves_a_second(self) -> float:
        """Events a second, each saved by a call of its own."""
        events = [
            Recorded(
                originator_id=payment,
                originator_version=version,
                timestamp=Recorded.create_timestamp(),
                body=body,
            )
            for payment in (uuid4() for _ in range(SAVES_A_RUN // 2))
            for version, body in enumerate(self._bodies, 1)
        ]
        started = time.perf_counter()
        for event in events:
            self._application.save(event)
        return len(events) / (time.perf_counter() - started)


class PaymentsView(PostgresTrackingRecorder):
    """A table with a row a payment, written in the transaction of the library's tracking row."""

    def __init__(self, datastore: PostgresDatastore, **keywords: Any) -> None:  # noqa: ANN401 - the library's
        super().__init__(datastore, **keywords)
        self.sql_create_statements.append(sql.Composed([sql.SQL(CREATE_VIEW)]))

    def put(self, payment: UUID, body: dict[str, Any], tracking: Tracking) -> None:
        """One event, in one transaction."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(PUT, (payment, Jsonb(body)), prepare=True)

    def empty(self) -> None:
        """As if nothing had been seen."""
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute("TRUNCATE payments_view")
            tracking = sql.Identifier(self.tracking_table_name)
            cursor.execute(FORGET.format(tracking=tracking), (Facts.name,))


class PaymentsProjection(Projection[PaymentsView]):
    """The library's projection: the last event's body of each payment."""

    name = "payments"

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:  # noqa: ANN401
        self.view.put(domain_event.originator_id, domain_event.body, tracking)


class Facts(Application[UUID]):
    """An application of the library's, by a name that its runner can make it from."""

    name = "Facts"


class LibraryProjection:
    """Measures the library's runner on a log of events."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def events_a_second(self) -> float:
        """Events a second, from an empty view to the end of the log."""
        with ProjectionRunner(
            application_class=Facts,
            projection_class=PaymentsProjection,
            view_class=PaymentsView,
            env=self._environment,
        ) as runner:
            runner.wait(SAVES_A_RUN, timeout=60)
            runner.view.empty()
        # Begun and joined threads aside, it is measured from its first event to its last.
        started = time.perf_counter()
        with ProjectionRunner(
            application_class=Facts,
            projection_class=PaymentsProjection,
            view_class=PaymentsView,
            env=self._environment,
        ) as runner:
            runner.wait(SAVES_A_RUN, timeout=60)
            return SAVES_A_RUN / (time.perf_counter() - started)


@contextmanager
def library_projection(server: BenchServer) -> Iterator[LibraryProjection]:
    """The library's runner, with a log of a run's payments."""
    environment = _environment(server)
    facts = Facts(environment)
    try:
        LibraryWork(facts).saves_a_second()
    finally:
        facts.close()
    yield LibraryProjection(environment)


@contextmanager
def library_work(server: BenchServer) -> Iterator[LibraryWork]:
    """The library's application in a database of its own."""
    application: Application[UUID] = Application(_environment(server))
    try:
        yield LibraryWork(application)
    finally:
        application.close()


def _environment(server: BenchServer) -> dict[str, str]:
    """The library's settings for a database of its own."""
    connection = conninfo_to_dict(server.empty_database())
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "CREATE_TABLE": "y",
        "POSTGRES_DBNAME": str(connection["dbname"]),
        "POSTGRES_HOST": str(connection["host"]),
        "POSTGRES_PORT": str(connection["port"]),
        "POSTGRES_USER": str(connection["user"]),
        "POSTGRES_PASSWORD": "unused",
    }


def payment_states() -> list[bytes]:
    """The stored bytes of one payment's two events."""
    creator, payment = uuid4(), uuid4()
    aggregates: dict[UUID, Aggregate] = {}
    decisions: list[Decision] = []
    for command in (
        register_creator(creator, plan=FEE_WITHOUT_TAX),
        initiate_payment(creator, payment_id=payment),
        report_success(payment),
    ):
        decisions.append(decide(command, States(aggregates, {}, {}), occasion()))
        for event in decisions[-1].events:
            stream = event.originator_id
            aggregates[stream] = evolve(aggregates.get(stream), event)
    return [encode_state(event) for decision in decisions[1:] for event in decision.events]


def payment_bodies() -> list[dict[str, Any]]:
    """The same as JSON objects."""
    return [json.loads(state) for state in payment_states()]
