"""The projector feeds every read model each event once, and one model's trouble is its own."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.serialization import UnknownTopicError
from projections.feeder import BATCH, Feeder, PoisonedError, connect_to_fill
from projections.projector import LEAD, RETRY_PARKED_SECONDS, Projector
from projections.read_model import Recorded, Tables
from tests.api.processes import wait_until
from tests.databases import rows, superuser
from tests.projections.projecting import (
    ZONE,
    Registrations,
    Said,
    Tally,
    begin_models,
    feeding,
    generation_of,
    head_of,
    insert_raw,
    pay,
    said_by_the_log,
    said_by_the_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ledger.database.location import DatabaseLocation

LEADERS = """
    SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND datname = current_database()
      AND application_name = 'hesabu_projector'
"""


class Watch:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class RefusingError(Exception):
    """A defect of a read model."""


class Refusing(Tally):
    """A tally that has a defect: it cannot apply the event at a position."""

    refused: set[int] = set()  # noqa: RUF012 - each test makes a class of its own

    def look_at(self, recorded: Recorded) -> None:
        if recorded.position in self.refused:
            raise RefusingError(recorded.position)


def refusing(*positions: int) -> type[Refusing]:
    return type("RefusingSome", (Refusing,), {"refused": set(positions)})


@contextmanager
def running(book: BookLocation, *models: type[Tally], count: int = 1) -> Iterator[list[Projector]]:
    """Projectors that run, each in a thread."""
    begin_models(book.database, *models)
    ledgers = [Ledger(BookLocation(book.database, DatabaseRole.PROJECTOR)) for _ in range(count)]
    projectors = [Projector(ledger, models, ZONE) for ledger in ledgers]
    threads = [threading.Thread(target=projector.run) for projector in projectors]
    for thread in threads:
        thread.start()
    try:
        yield projectors
    finally:
        for projector in projectors:
            projector.stop()
        for thread in threads:
            thread.join()
        for ledger in ledgers:
            ledger.close()


def wait_until_it_is_caught_up(database: DatabaseLocation) -> None:
    wait_until(
        lambda: generation_of(database, Tally).position == head_of(database),
        what="the tally is at the head",
        seconds_max=30,
    )


def test_every_event_is_applied_once_and_in_order(book: BookLocation, ledger: Ledger) -> None:
    pay(ledger, BATCH)
    assert head_of(book.database) > 2 * BATCH
    with feeding(book, Tally, Registrations) as fed:
        assert fed.projector.catch_up(fed.connection) == 2
        assert generation_of(book.database, Tally).position == BATCH
        fed.catch_up()
    assert said_by_the_table(book.database) == said_by_the_log(book.database)[-1]
    assert said_by_the_table(book.database).events == 2 * BATCH


def test_the_position_passes_by_what_a_model_does_not_read(
    book: BookLocation, ledger: Ledger
) -> None:
    pay(ledger)
    with feeding(book, Registrations) as fed:
        fed.catch_up()
    assert generation_of(book.database, Registrations).position == head_of(book.database)
    assert said_by_the_table(book.database, name="registrations").last == 1


def test_the_same_batch_twice_changes_nothing(book: BookLocation, ledger: Ledger) -> None:
    pay(ledger, 5)
    with feeding(book, Tally) as fed:
        feeder = Feeder(ledger, [Tally], ZONE)
        before = generation_of(book.database, Tally)
        batch, up_to = feeder.read(0, ["tally"])
        assert feeder.apply(fed.connection, before, batch, up_to) is True
        once = said_by_the_table(book.database)
        assert feeder.apply(fed.connection, before, batch, up_to) is False
        # Also a batch that begins before where the model stands.
        now = generation_of(book.database, Tally)
        assert feeder.apply(fed.connection, now, batch, up_to) is True
    assert said_by_the_table(book.database) == once == said_by_the_log(book.database)[-1]


def test_many_projectors_at_once_double_nothing(book: BookLocation, ledger: Ledger) -> None:
    """None of them leads: what keeps them apart is the tracking row alone."""
    begin_models(book.database, Tally, Registrations)
    writing = threading.Event()

    def project() -> None:
        with feeding(book, Tally, Registrations) as fed:
            while not writing.is_set():
                fed.catch_up()
            fed.catch_up()

    threads = [threading.Thread(target=project) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(60):
        pay(ledger, 3)
    writing.set()
    for thread in threads:
        thread.join()
    expected = said_by_the_log(book.database)[-1]
    assert expected.events == 60 * 6
    assert said_by_the_table(book.database) == expected
    assert (
        said_by_the_table(book.database, name="registrations")
        == said_by_the_log(book.database, Registrations)[-1]
    )


class CutInHalf(Tally):
    """A tally whose connection is lost once a part of its batch is written."""

    cut = False

    def apply(self, tables: Tables, batch: Sequence[Recorded]) -> None:
        half = len(batch) // 2
        super().apply(tables, batch[:half])
        if not CutInHalf.cut:
            CutInHalf.cut = True
            tables.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        super().apply(tables, batch[half:])


def test_a_batch_that_was_cut_in_half_was_not_applied(book: BookLocation, ledger: Ledger) -> None:
    pay(ledger, 50)
    with feeding(book, CutInHalf) as fed:
        with pytest.raises(psycopg.OperationalError):
            fed.projector.catch_up(fed.connection)
        assert said_by_the_table(book.database) == Said(0, None, None)
        assert generation_of(book.database, Tally).position == 0
        with connect_to_fill(fed.projector._ledger.book) as another:
            assert fed.projector.catch_up(another) == 1
    assert said_by_the_table(book.database) == said_by_the_log(book.database)[-1]


# Poison.


def test_a_model_that_cannot_apply_an_event_is_parked_before_it_and_the_others_go_on(
    book: BookLocation, ledger: Ledger
) -> None:
    pay(ledger, 10)
    model = refusing(6)
    with feeding(book, model, Registrations) as fed:
        fed.catch_up()
        pay(ledger, 10)
        fed.catch_up()
    parked = generation_of(book.database, Tally)
    assert (parked.position, parked.parked_at) == (5, 6)
    assert parked.parked_error == "RefusingError: 6"
    assert "look_at" in (parked.parked_trace or "")
    assert said_by_the_table(book.database) == said_by_the_log(book.database)[5]
    assert generation_of(book.database, Registrations).position == head_of(book.database)


def test_after_a_fix_it_goes_on_from_there(book: BookLocation, ledger: Ledger) -> None:
    pay(ledger, 10)
    model, watch = refusing(6, 9), Watch()
    with feeding(book, model, monotonic=watch) as fed:
        fed.catch_up()
        model.refused.discard(6)
        fed.catch_up()
        assert generation_of(book.database, Tally).parked_at == 6, "it is not tried all the time"
        watch.seconds += RETRY_PARKED_SECONDS
        fed.catch_up()
        assert generation_of(book.database, Tally).parked_at == 9
    # A projector that is started with the fix tries at once.
    with feeding(book, Tally) as fed:
        fed.catch_up()
    fixed = generation_of(book.database, Tally)
    assert (fixed.parked_at, fixed.parked_error, fixed.parked_trace) == (None, None, None)
    assert said_by_the_table(book.database) == said_by_the_log(book.database)[-1]


def test_an_event_that_nobody_can_decode_parks_those_that_read_it(
    book: BookLocation, ledger: Ledger
) -> None:
    pay(ledger, 2)
    broken = insert_raw(book.database, "payment.initiated.v1", b'{"nonsense":true}')
    pay(ledger, 2)
    with feeding(book, Tally, Registrations) as fed:
        fed.catch_up()
    parked = generation_of(book.database, Tally)
    assert (parked.position, parked.parked_at) == (broken - 1, broken)
    assert (parked.parked_error or "").startswith("ValidationError: ")
    assert said_by_the_table(book.database) == said_by_the_log(book.database)[broken - 1]
    assert generation_of(book.database, Registrations).position == head_of(book.database)


def test_a_later_version_of_an_event_parks_those_that_read_the_earlier_one(
    book: BookLocation, ledger: Ledger
) -> None:
    """Passing it by would leave them wrong for ever."""
    pay(ledger)
    later = insert_raw(book.database, "payment.initiated.v9")
    with feeding(book, Tally, Registrations) as fed:
        fed.catch_up()
        parked = generation_of(book.database, Tally)
        assert (parked.position, parked.parked_at) == (later - 1, later)
        assert (parked.parked_error or "").startswith(UnknownTopicError.__name__)
        assert generation_of(book.database, Registrations).position == later


def test_a_kind_of_event_that_is_not_known_yet_parks_nobody(
    book: BookLocation, ledger: Ledger
) -> None:
    """A model that will read it will be of another version, and is built anew."""
    pay(ledger)
    new = insert_raw(book.database, "loan.granted.v1")
    with feeding(book, Tally) as fed:
        fed.catch_up()
    assert generation_of(book.database, Tally).position == new


def test_of_two_poisons_in_one_batch_the_first_parks(book: BookLocation, ledger: Ledger) -> None:
    pay(ledger, 4)
    insert_raw(book.database, "payment.initiated.v1", b"{}")
    with feeding(book, refusing(3), Registrations) as fed:
        fed.catch_up()
        assert generation_of(book.database, Registrations).position == head_of(book.database)
    assert generation_of(book.database, Tally).parked_at == 3


def test_an_error_that_holds_a_nul_can_be_told(book: BookLocation, ledger: Ledger) -> None:
    class Nul(Tally):
        def look_at(self, recorded: Recorded) -> None:
            raise RefusingError("\0")

    pay(ledger)
    with feeding(book, Nul) as fed:
        fed.catch_up()
    assert generation_of(book.database, Tally).parked_error == "RefusingError: \\0"


def test_who_does_not_know_better_parks_nothing_that_has_gone_on(
    book: BookLocation, ledger: Ledger
) -> None:
    """Two projectors during a deployment: the older has the defect, the newer has the fix."""
    pay(ledger, 4)
    with feeding(book, Tally) as newer, feeding(book, refusing(3)) as older:
        before = generation_of(book.database, Tally)
        newer.catch_up()
        poison = PoisonedError(3, RefusingError(3))
        older.projector._park(older.connection, before, poison)
    assert generation_of(book.database, Tally).parked_at is None


class Slow(Tally):
    """A tally whose statement takes longer than the server allows."""

    def apply(self, tables: Tables, batch: Sequence[Recorded]) -> None:
        tables.execute("SET LOCAL statement_timeout = '1ms'")
        tables.execute("SELECT pg_sleep(1)")


def test_a_model_that_is_too_slow_stops_no_other_and_is_not_parked(
    book: BookLocation, ledger: Ledger
) -> None:
    pay(ledger)
    with feeding(book, Slow, Registrations) as fed:
        fed.catch_up()
        assert not fed.connection.closed
    assert generation_of(book.database, Registrations).position == head_of(book.database)
    slow = generation_of(book.database, Tally)
    assert (slow.position, slow.parked_at) == (0, None)


def test_a_model_that_fails_at_a_batch_and_at_no_event_goes_on(
    book: BookLocation, ledger: Ledger
) -> None:
    class OneByOne(Tally):
        def apply(self, tables: Tables, batch: Sequence[Recorded]) -> None:
            if len(batch) > 1:
                raise RefusingError
            super().apply(tables, batch)

    pay(ledger, 3)
    with feeding(book, OneByOne) as fed:
        fed.catch_up()
    assert generation_of(book.database, Tally).parked_at is None
    assert said_by_the_table(book.database) == said_by_the_log(book.database)[-1]


def test_a_held_generation_holds_up_no_other(book: BookLocation, ledger: Ledger) -> None:
    pay(ledger)
    with (
        feeding(book, Tally, Registrations) as fed,
        superuser(book.database) as holder,
        holder.transaction(),
    ):
        holder.execute("SELECT FROM ledger_tracking WHERE application_name = 'tally.g1' FOR UPDATE")
        fed.projector.catch_up(fed.connection)
        assert generation_of(book.database, Registrations).position == head_of(book.database)
        assert generation_of(book.database, Tally).position == 0


def test_a_generation_of_another_version_is_left_to_those_who_know_it(
    book: BookLocation, ledger: Ledger
) -> None:
    class Newer(Tally):
        version = 2

    pay(ledger)
    with feeding(book, Newer), feeding(book, Tally, Registrations) as older:
        older.catch_up()
        assert generation_of(book.database, Tally).position == 0
        assert generation_of(book.database, Registrations).position == head_of(book.database)


# As processes run it.


def test_it_follows_the_log_and_stops_when_it_is_told(book: BookLocation, ledger: Ledger) -> None:
    with running(book, Tally):
        for _ in range(3):
            pay(ledger, 2)
            wait_until_it_is_caught_up(book.database)
    assert said_by_the_table(book.database) == said_by_the_log(book.database)[-1]


def test_one_leads_and_another_takes_over_when_its_connection_is_gone(
    book: BookLocation, ledger: Ledger
) -> None:
    with running(book, Tally, count=2):
        wait_until(lambda: len(rows(book.database, LEADERS)) == 1, what="one leads")
        [[first]] = rows(book.database, LEADERS)
        rows(book.database, "SELECT pg_terminate_backend(%s)", first)
        pay(ledger, 2)
        wait_until_it_is_caught_up(book.database)
        wait_until(
            lambda: rows(book.database, LEADERS) not in ([], [(first,)]), what="another leads"
        )
        assert len(rows(book.database, LEADERS)) == 1
    assert said_by_the_table(book.database) == said_by_the_log(book.database)[-1]


def test_a_leader_that_does_nothing_is_not_waited_for(book: BookLocation, ledger: Ledger) -> None:
    """Its lock may outlive it, when its machine is gone or it is stopped."""
    with connect_to_fill(BookLocation(book.database, DatabaseRole.PROJECTOR)) as idle:
        assert idle.execute(LEAD).fetchone() == (True,)
        with running(book, Tally):
            for _ in range(2):
                pay(ledger, 2)
                wait_until_it_is_caught_up(book.database)
    assert said_by_the_table(book.database) == said_by_the_log(book.database)[-1]


def test_memory_is_bounded_by_the_batch(book: BookLocation, ledger: Ledger) -> None:
    largest = []

    class Measuring(Tally):
        def apply(self, tables: Tables, batch: Sequence[Recorded]) -> None:
            largest.append(len(batch))
            super().apply(tables, batch)

    pay(ledger, 2 * BATCH)
    with feeding(book, Measuring) as fed:
        fed.catch_up()
    assert sum(largest) == 4 * BATCH
    assert max(largest) <= BATCH
