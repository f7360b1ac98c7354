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
from psycopg.conninfo import conninfo_to_dict

from ledger.decisions import Decision, States, decide, evolve
from ledger.serialization import encode_state
from tests.bench.payments import FEE_WITHOUT_TAX
from tests.builders import initiate_payment, occasion, register_creator, report_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.decisions import Aggregate
    from tests.bench.server import BenchServer

SAVES_A_RUN: Final = 1_000


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


@contextmanager
def library_work(server: BenchServer) -> Iterator[LibraryWork]:
    """The library's application in a database of its own."""
    connection = conninfo_to_dict(server.empty_database())
    application: Application[UUID] = Application(
        {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "CREATE_TABLE": "y",
            "POSTGRES_DBNAME": str(connection["dbname"]),
            "POSTGRES_HOST": str(connection["host"]),
            "POSTGRES_PORT": str(connection["port"]),
            "POSTGRES_USER": str(connection["user"]),
            "POSTGRES_PASSWORD": "unused",
        }
    )
    try:
        yield LibraryWork(application)
    finally:
        application.close()


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
