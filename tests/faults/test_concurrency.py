"""Many at once on one creator: each is decided on the state that the one before it left."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from ledger.application import Ledger
from ledger.database.location import DatabaseLocation
from tests.builders import register_creator
from tests.databases import value
from tests.faults.workers import assign_from_threads
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from ledger.database.connections import BookLocation

COMMANDS = 1_000
THREADS = 8


@pytest.fixture
def creator(book: BookLocation) -> UUID:
    stream = uuid4()
    ledger = Ledger(book)
    ledger.execute_one(register_creator(stream))
    ledger.close()
    return stream


def assert_each_was_decided_on_the_one_before(
    answers: list[tuple[int, int, str | None]], database: DatabaseLocation
) -> None:
    assert len(answers) == THREADS * COMMANDS
    assert {code for *_, code in answers} == {None}
    # Each version was answered to the one who made it; the same plan again is no new version.
    versions = sorted(version for version, *_ in answers)
    highest = versions[-1]
    assert set(versions) == set(range(3, highest + 1))
    assert highest > THREADS * COMMANDS * 0.9
    assert all(position == version for version, position, _ in answers)
    assert value(database, "SELECT count(*) FROM ledger_events") == highest
    assert_book_is_sound(database)


def test_eight_threads_send_a_thousand_commands_each_to_one_creator(
    book: BookLocation, creator: UUID
) -> None:
    answers = assign_from_threads(book, creator, THREADS, COMMANDS, 0)
    assert_each_was_decided_on_the_one_before(answers, book.database)


def test_two_processes_with_four_threads_each_do_the_same(
    book: BookLocation, creator: UUID
) -> None:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        parts = [
            processes.submit(assign_from_threads, book, creator, THREADS // 2, COMMANDS, offset)
            for offset in (0, THREADS // 2 * COMMANDS)
        ]
        answers = [answer for part in parts for answer in part.result(timeout=100)]
    assert_each_was_decided_on_the_one_before(answers, book.database)
