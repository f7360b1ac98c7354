"""The book's time may run ahead of the database's: then all who go by it go on from there."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from ledger.application import Ledger
from ledger.book_time import DatabaseTime, GivenTime, RatchetingTime, read_head
from ledger.recorder import Head
from tests.builders import NOON, register_creator
from tests.databases import superuser, value
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from ledger.book_time import BookTime
    from ledger.database.connections import BookLocation

DAY = timedelta(days=1)
MONTH = timedelta(days=30)
SECOND = timedelta(seconds=1)


def head(recorded_at: datetime, now: datetime) -> Head:
    return Head(position=7, recorded_at=recorded_at, now=now)


@pytest.mark.parametrize("time", [DatabaseTime(), RatchetingTime()])
def test_it_is_the_database_s_time_as_long_as_nobody_ran_ahead(time: BookTime) -> None:
    assert time.now(head(NOON - DAY, NOON)) == NOON
    assert time.now(head(NOON, NOON + SECOND)) == NOON + SECOND
    assert time.ahead == timedelta()


def test_the_database_s_time_does_not_know_what_was_recorded() -> None:
    assert DatabaseTime().now(head(NOON + MONTH, NOON)) == NOON


def test_a_given_time_is_asked_each_time() -> None:
    times = [NOON, NOON + MONTH]
    given = GivenTime(lambda: times.pop(0))
    asked = head(NOON - DAY, NOON - DAY)
    assert [given.now(asked), given.now(asked)] == [NOON, NOON + MONTH]


def test_time_goes_on_from_what_was_recorded() -> None:
    time = RatchetingTime()
    assert time.now(head(NOON + MONTH, NOON)) == NOON + MONTH
    assert time.ahead == MONTH
    assert time.now(head(NOON + MONTH, NOON + SECOND)) == NOON + MONTH + SECOND


def test_time_never_goes_back() -> None:
    time = RatchetingTime()
    time.now(head(NOON + MONTH, NOON))
    # A head that was read before the other one.
    assert time.now(head(NOON - DAY, NOON)) == NOON + MONTH
    assert time.ahead == MONTH


def test_one_who_starts_later_goes_on_from_there_too() -> None:
    stopped_at = NOON + MONTH
    assert RatchetingTime().now(head(stopped_at, NOON + DAY)) == stopped_at
    assert RatchetingTime().now(head(stopped_at, NOON + 2 * MONTH)) == NOON + 2 * MONTH


def recorded_by(ledger: Ledger) -> datetime:
    """When this ledger records something now."""
    ledger.execute_one(register_creator(uuid4()))
    recorded_at: datetime = value(ledger.book.database, "SELECT max(recorded_at) FROM turns")
    return recorded_at


def test_where_one_process_runs_ahead_the_others_go_on_from_there(book: BookLocation) -> None:
    moment = NOON
    with (
        closing(Ledger(book, clock=lambda: moment)) as fast,
        closing(Ledger(book, book_time=RatchetingTime())) as other,
        closing(Ledger(book)) as plain,
    ):
        moment = recorded_by(other) + MONTH
        assert recorded_by(fast) == moment
        # The database's time alone would stand still until it has caught up.
        assert recorded_by(plain) == recorded_by(plain) == moment
        following = [recorded_by(other) for _ in range(3)]
        assert moment == following[0] < following[1] < following[2] < moment + DAY
        moment = following[-1] + MONTH
        recorded_by(fast)
        assert moment == recorded_by(other) < recorded_by(other) < moment + DAY
    assert_book_is_sound(book.database)


def test_one_who_only_reads_sees_how_far_ahead_it_is(book: BookLocation) -> None:
    reader, plain = RatchetingTime(), DatabaseTime()
    with superuser(book.database) as connection:
        started_at = read_head(connection).now
        with closing(Ledger(book, clock=lambda: started_at + MONTH)) as fast:
            recorded_by(fast)
        for time in (reader, plain):
            time.renew(connection)
    assert MONTH - DAY < reader.ahead <= MONTH
    assert plain.ahead == timedelta()
