"""Projectors and rebuilds are killed under load: every read model equals one built from nothing."""

from __future__ import annotations

import multiprocessing
import random
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.replay import replay
from projections.models import EVERY_MODEL, READ_MODELS
from projections.projector import Projector
from tests.api.processes import Process, wait_until
from tests.databases import rows, socket_of, superuser, through, value
from tests.faults.proxy import CuttingProxy
from tests.faults.rebuilding import rebuild_without_end
from tests.ledger.lifecycles.play import Clock, play
from tests.projections.projecting import (
    ZONE,
    assert_equal_to_one_built_from_nothing,
    head_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database.location import DatabaseLocation

STANDS = """
    SELECT min(notification_id) FROM ledger_tracking
    JOIN read_models ON application_name = name || '.g' || generation
    WHERE state = 'live' AND name = ANY(%s)
"""
RUNNING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'hesabu_projector'
      AND query LIKE '%FROM read_models%'
"""
"""Whether it leads or stands by, a projector looks again and again where the generations stand."""
PARKED = "SELECT name, parked_at, parked_error FROM read_models WHERE parked_at IS NOT NULL"
BUILDING = """
    SELECT name, notification_id FROM read_models
    JOIN ledger_tracking ON application_name = name || '.g' || generation
    WHERE state = 'building'
"""
KILLS_MANY = 20
NAMES = [model.name for model in READ_MODELS]


@contextmanager
def stories(database: DatabaseLocation) -> Iterator[None]:
    """Whole lives of payments, subscriptions and payouts are played meanwhile."""
    over, clock = threading.Event(), Clock()
    ledger = Ledger(BookLocation(database, DatabaseRole.APP), clock=clock)

    def write() -> None:
        seed = 0
        while not over.is_set():
            play(ledger, clock, range(seed, seed + 20))
            seed += 20

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        ledger.close()


def stands(database: DatabaseLocation) -> int:
    """Where the read model is that is furthest behind."""
    return int(value(database, STANDS, NAMES))


def wait_until_caught_up(database: DatabaseLocation) -> None:
    wait_until(lambda: stands(database) == head_of(database), what="all are at the head")
    assert rows(database, PARKED) == []


def both_run(database: DatabaseLocation) -> bool:
    return int(value(database, RUNNING)) == 2


def projector(database: DatabaseLocation, directory: Path, number: int) -> Process:
    environment = {
        "DATABASE_URL": database.owner_conninfo(),
        "HESABU_DATA_DIRECTORY": str(directory),
    }
    return Process(f"projector-{number}", ["api.cli", "projector"], environment, directory)


def kill_projectors(database: DatabaseLocation, directory: Path, kills: int) -> None:
    """Two of them; one after the other is killed and started again, whether it leads or not."""
    processes = [projector(database, directory, number) for number in range(2)]
    for process in processes:
        process.start()
    try:
        with stories(database):
            wait_until(lambda: stands(database) > 0, what="it has begun")
            for number in range(kills):
                wait_until(lambda: both_run(database), what="both run")
                time.sleep(random.uniform(0.0, 1.0))
                processes[number % 2].kill()
                before = stands(database)
                # The other takes over within seconds, as far as the machine has time for it.
                wait_until(lambda: stands(database) > before, what="the other goes on")  # noqa: B023
                processes[number % 2].start()
        wait_until_caught_up(database)
        wait_until(lambda: both_run(database), what="both run")
        assert [process.terminate() for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    assert_equal_to_one_built_from_nothing(database, *READ_MODELS)


def test_read_models_survive_killed_projectors(database: DatabaseLocation, tmp_path: Path) -> None:
    kill_projectors(database, tmp_path, 3)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_read_models_survive_a_hundred_killed_projectors(
    database: DatabaseLocation, tmp_path: Path
) -> None:
    kill_projectors(database, tmp_path, 100)


def kill_rebuilds(database: DatabaseLocation, directory: Path, kills: int) -> None:
    """A process that builds all models again and again is killed, and another goes on."""
    context = multiprocessing.get_context("spawn")
    book = BookLocation(database, DatabaseRole.REBUILDER)
    running, half_built = projector(database, directory, 0), set[str]()
    # Enough that a rebuild takes its time.
    with stories(database):
        wait_until(lambda: head_of(database) > 3_000, what="there is a past")
        running.start()
        wait_until(lambda: stands(database) > 3_000, what="it is read")
        try:
            for _ in range(kills):
                ours, theirs = context.Pipe()
                process = context.Process(target=rebuild_without_end, args=(book, ZONE, theirs))
                process.start()
                assert ours.poll(60)
                time.sleep(random.uniform(0.1, 1.5))
                process.kill()
                process.join()
                half_built |= {name for name, _ in rows(database, BUILDING)}
                assert stands(database) > 3_000, "what is read is never one that is half built"
            wait_until(lambda: rows(database, BUILDING) == [], what="what was left is gone on with")
        finally:
            running.terminate()
    assert half_built, "no rebuild was killed in the middle"
    assert kills < KILLS_MANY or "journal" in half_built
    with through_to_the_head(database):
        assert rows(database, PARKED) == []
        assert_equal_to_one_built_from_nothing(database, *EVERY_MODEL)
    assert replay(BookLocation(database, DatabaseRole.AUDITOR)).ok


@contextmanager
def through_to_the_head(database: DatabaseLocation) -> Iterator[None]:
    """Feed what is read up to the head, once nobody writes any more."""
    ledger = Ledger(BookLocation(database, DatabaseRole.PROJECTOR))
    projecting = Projector(ledger, READ_MODELS, ZONE)
    thread = threading.Thread(target=projecting.run)
    thread.start()
    try:
        wait_until_caught_up(database)
        yield
    finally:
        projecting.stop()
        thread.join()
        ledger.close()


def test_read_models_survive_killed_rebuilds(database: DatabaseLocation, tmp_path: Path) -> None:
    kill_rebuilds(database, tmp_path, 3)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_read_models_survive_twenty_killed_rebuilds(
    database: DatabaseLocation, tmp_path: Path
) -> None:
    kill_rebuilds(database, tmp_path, KILLS_MANY)


def test_a_line_that_is_cut_anywhere_in_a_batch_loses_and_doubles_nothing(
    database: DatabaseLocation,
) -> None:
    book = BookLocation(database, DatabaseRole.PROJECTOR)
    with tempfile.TemporaryDirectory(prefix="hesabu-proxy-") as directory:
        proxy = CuttingProxy(Path(directory), socket_of(book))
        ledger = Ledger(through(proxy.directory, book))
        projecting = Projector(ledger, READ_MODELS, ZONE)
        thread = threading.Thread(target=projecting.run)
        thread.start()
        try:
            with stories(database):
                for _ in range(12):
                    cuts = proxy.cuts
                    proxy.cut_after_bytes = random.randrange(100, 60_000)
                    wait_until(lambda: proxy.cuts > cuts, what="the line is cut")  # noqa: B023
            wait_until_caught_up(database)
        finally:
            projecting.stop()
            thread.join()
            ledger.close()
            proxy.close()
    assert_equal_to_one_built_from_nothing(database, *READ_MODELS)


def test_the_test_notices_a_row_that_is_missing(database: DatabaseLocation) -> None:
    """The control: a model that lost one row is not equal to one built from nothing."""
    with stories(database):
        wait_until(lambda: head_of(database) > 300, what="there is a past")
    with through_to_the_head(database), superuser(database) as connection:
        lost = connection.execute(
            "DELETE FROM payments_g1 WHERE opened = (SELECT min(opened) FROM payments_g1)"
        )
        assert lost.rowcount == 1
        with pytest.raises(AssertionError, match="payments"):
            assert_equal_to_one_built_from_nothing(database, *READ_MODELS)
