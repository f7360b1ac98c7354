"""PostgreSQL is killed under load: what was acknowledged is there, once, and nothing else is."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from ledger.application import Ledger
from ledger.commands import InitiatePayment
from ledger.database.connections import BookLocation
from ledger.database.embedded import EmbeddedPostgres
from ledger.database.location import DatabaseLocation
from ledger.database.migrate import migrate
from ledger.database.roles import DatabaseRole
from ledger.errors import NothingRecorded, OutcomeUnknown, Overloaded
from ledger.outcome import Outcome
from tests.builders import initiate_payment, register_creator
from tests.databases import superuser
from tests.invariants import assert_book_is_sound

WRITERS = 6
UNAVAILABLE = (NothingRecorded, OutcomeUnknown, Overloaded)


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    """A server of this test's own, to be killed."""
    with tempfile.TemporaryDirectory(prefix="hesabu-killed-") as directory:
        Path(directory).chmod(0o755)
        with EmbeddedPostgres(Path(directory) / "server") as started:
            started.ensure_database("book")
            migrate(DatabaseLocation.from_embedded(started, "book"))
            yield started


def kill(server: EmbeddedPostgres) -> None:
    """Kill the server and every process of it with no chance to write anything."""
    pid_file = server.directory / "data" / "postmaster.pid"
    postmaster = int(pid_file.read_text().split()[0])
    with psycopg.connect(server.owner_conninfo()) as connection:
        children = connection.execute("SELECT pid FROM pg_stat_activity").fetchall()
    for process in (postmaster, *(child for (child,) in children)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


@dataclass
class Load:
    """Threads that pay without pause, and what they were told."""

    ledger: Ledger
    creator: UUID
    acknowledged: dict[InitiatePayment, Outcome] = field(default_factory=dict)
    unavailable: list[InitiatePayment] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.stop.is_set():
            commands = [initiate_payment(self.creator) for _ in range(random.choice([1, 1, 20]))]
            for command, outcome in zip(commands, self.ledger.execute(commands), strict=True):
                if outcome.error is None:
                    self.acknowledged[command] = outcome
                elif isinstance(outcome.error, UNAVAILABLE):
                    self.unavailable.append(command)
                    time.sleep(0.01)
                else:
                    self.other.append(outcome.error.code)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        self.stop.clear()
        threads = [threading.Thread(target=self.run) for _ in range(WRITERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()


def kill_under_load(server: EmbeddedPostgres, load: Load) -> None:
    with load.running():
        time.sleep(random.uniform(0.1, 0.6))
        kill(server)
        # Long enough for some to be refused, short enough to be under way when it is back.
        time.sleep(random.uniform(0.0, 0.3))
        server.start()
        time.sleep(0.2)


def stored(database: DatabaseLocation) -> dict[UUID, tuple[int, int]]:
    with superuser(database) as connection:
        found = connection.execute(
            "SELECT originator_id, notification_id, originator_version FROM ledger_events "
            "WHERE topic = 'payment.initiated.v1'"
        ).fetchall()
    return {stream: (position, version) for stream, position, version in found}


def lost(load: Load, database: DatabaseLocation) -> list[UUID]:
    """Payments that were acknowledged and are not there as they were acknowledged."""
    found = stored(database)
    return [
        command.payment_id
        for command, outcome in load.acknowledged.items()
        if found.get(command.payment_id) != (outcome.position, outcome.version)
    ]


def kill_again_and_again(server: EmbeddedPostgres, rounds: int) -> None:
    book = BookLocation(DatabaseLocation.from_embedded(server, "book"), DatabaseRole.APP)
    creator, ledger = uuid4(), Ledger(book)
    ledger.execute_one(register_creator(creator))
    for _ in range(rounds):
        load = Load(ledger, creator)
        kill_under_load(server, load)
        assert load.other == []
        assert load.acknowledged
        assert lost(load, book.database) == []
        # Whoever was told that it is not known repeats, and learns what happened.
        before = stored(book.database)
        outcomes = ledger.execute(load.unavailable)
        for command, outcome in zip(load.unavailable, outcomes, strict=True):
            assert outcome.error is None
            assert outcome.replayed == (command.payment_id in before)
            load.acknowledged[command] = outcome
        assert lost(load, book.database) == []
        assert_book_is_sound(book.database)
    ledger.close()


def test_what_was_acknowledged_survives_a_killed_server_once(server: EmbeddedPostgres) -> None:
    kill_again_and_again(server, 3)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_what_was_acknowledged_survives_a_hundred_killed_servers(
    server: EmbeddedPostgres,
) -> None:
    kill_again_and_again(server, 100)


def test_the_test_notices_a_server_that_acknowledges_too_early(server: EmbeddedPostgres) -> None:
    """The control: without waiting for the disk, killing must lose what was acknowledged."""
    database = DatabaseLocation.from_embedded(server, "book")
    with psycopg.connect(server.owner_conninfo(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {book} SET synchronous_commit = off").format(
                book=sql.Identifier("book")
            )
        )
    for _ in range(10):
        creator, ledger = uuid4(), Ledger(BookLocation(database, DatabaseRole.APP))
        ledger.execute_one(register_creator(creator))
        load = Load(ledger, creator)
        # Let the background writer flush the creator, without which nothing could be decided.
        time.sleep(0.5)
        kill_under_load(server, load)
        ledger.close()
        if lost(load, database):
            return
    pytest.fail("ten kills lost nothing although nothing waited for the disk")
