"""A writer that is stopped in the middle of its turn does not stop the book."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from ledger import turn
from ledger.application import Ledger
from ledger.decisions import LedgerCommand, decide
from ledger.errors import NotFound
from tests.builders import (
    assign_fee_plan,
    expire_payment,
    initiate_payment,
    register_creator,
    report_success,
)
from tests.databases import rows, value
from tests.faults.workers import write_in_bulk
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from ledger.database.connections import BookLocation
    from ledger.database.location import DatabaseLocation
    from ledger.decisions import Decision, States
    from ledger.events import Occasion

OTHERS_WAIT_SECONDS_MAX = 3.0

HOLDERS = """
    SELECT pid FROM pg_locks
    WHERE locktype = 'advisory' AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.fixture
def creator(ledger: Ledger) -> UUID:
    stream = uuid4()
    ledger.execute_one(register_creator(stream))
    return stream


Writer = tuple["SpawnProcess", "Connection"]


@pytest.fixture
def bulk_writer(book: BookLocation, creator: UUID) -> Iterator[Writer]:
    """Another process that writes without pause."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=write_in_bulk, args=(book, creator, theirs))
    process.start()
    assert ours.poll(60)
    assert ours.recv() == "writing"
    yield process, ours
    # This ends a stopped one too.
    process.kill()
    process.join()


def stop_in_the_middle_of_a_turn(writer: SpawnProcess, database: DatabaseLocation) -> None:
    """Stop the process again and again until it stands still with the lock in its hand."""
    assert writer.ident is not None
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(random.uniform(0.0, 0.03))
        os.kill(writer.ident, signal.SIGSTOP)
        # A COMMIT that was on its way is over by then, and the lock is free.
        time.sleep(0.1)
        if rows(database, HOLDERS):
            return
        os.kill(writer.ident, signal.SIGCONT)
    pytest.fail("the writer was never caught in the middle of a turn")


def events(database: DatabaseLocation) -> int:
    return int(value(database, "SELECT count(*) FROM ledger_events"))


def wait_until_somebody_writes(database: DatabaseLocation) -> None:
    """Whoever is stopped again before it wrote may at last have to say that it does not know."""
    before, deadline = events(database), time.monotonic() + 10
    while events(database) == before and time.monotonic() < deadline:
        time.sleep(0.02)


def stop_and_measure(
    rounds: int, ledger: Ledger, creator: UUID, bulk_writer: Writer
) -> list[float]:
    process, connection = bulk_writer
    assert process.ident is not None
    waits = []
    for _ in range(rounds):
        stop_in_the_middle_of_a_turn(process, ledger.book.database)
        began = time.monotonic()
        outcome = ledger.execute([initiate_payment(creator)])[0]
        waits.append(time.monotonic() - began)
        os.kill(process.ident, signal.SIGCONT)
        assert outcome.error is None
        wait_until_somebody_writes(ledger.book.database)
    connection.send("stop")
    assert connection.poll(60)
    recorded, failures = connection.recv()
    assert failures == {}, "what was stopped is run again once it goes on"
    assert events(ledger.book.database) == 2 + recorded + rounds
    assert_book_is_sound(ledger.book.database)
    return waits


def test_others_go_on_when_a_writer_is_stopped_holding_the_lock(
    ledger: Ledger, creator: UUID, bulk_writer: Writer
) -> None:
    waits = stop_and_measure(3, ledger, creator, bulk_writer)
    assert max(waits) < OTHERS_WAIT_SECONDS_MAX, waits


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_others_go_on_twenty_times_when_a_writer_is_stopped_holding_the_lock(
    ledger: Ledger, creator: UUID, bulk_writer: Writer
) -> None:
    waits = stop_and_measure(20, ledger, creator, bulk_writer)
    assert max(waits) < OTHERS_WAIT_SECONDS_MAX, waits


@pytest.mark.parametrize(
    "commands",
    [
        [register_creator()],
        [register_creator(), register_creator(), register_creator()],
        [report_success(None, 5)],
        [assign_fee_plan(uuid4())],
        [expire_payment(uuid4())],
    ],
    ids=["one", "several", "with balances to read", "refused", "with nothing to write"],
)
def test_a_turn_that_paused_too_long_is_run_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, commands: list[LedgerCommand]
) -> None:
    """The server has ended the session meanwhile; nothing is wrong with the commands."""
    pauses = [2.3]

    def pause_once(command: LedgerCommand, states: States, at: Occasion) -> Decision:
        if pauses:
            time.sleep(pauses.pop())
        return decide(command, states, at)

    monkeypatch.setattr(turn, "decide", pause_once)
    outcomes = ledger.execute(commands)
    for outcome in outcomes:
        assert outcome.error is None or isinstance(outcome.error, NotFound)
        assert not outcome.replayed
    assert_book_is_sound(ledger.book.database)
