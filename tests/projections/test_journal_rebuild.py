"""Balances and the journal are built anew while money moves; they come out identical, or stay."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.migrate import migrate
from ledger.database.roles import DatabaseRole
from ledger.recorder import LOCK
from ledger.replay import replay
from projections import generations as generations_module
from projections import journal_rebuild
from projections import rebuild as rebuilding_module
from projections.differences import Difference
from projections.feeder import Feeder, connect_to_fill
from projections.generations import TRY_LOCK, UNLOCK, drop_retired
from projections.journal_rebuild import JournalRebuild
from projections.models.journal import JournalModel
from projections.rebuild import BeingRebuiltError, DifferentError, StoppedError
from tests.databases import Databases, rows, superuser, value
from tests.invariants import assert_book_is_sound
from tests.ledger.lifecycles.play import Clock, play
from tests.projections.projecting import (
    ZONE,
    generation_of,
    head_of,
    pay,
    rebuild,
    rebuilding,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database.location import DatabaseLocation

BALANCES = "SELECT account_id, account, currency, balance, position FROM {} ORDER BY account_id"
LINES = """
    SELECT position, line, account_id, amount, balance, recorded_at, effective_at
    FROM {} ORDER BY position, line
"""
NOTHING: tuple[list[Any], list[Any]] = ([], [])

UNBALANCED = """
    SELECT account_id FROM balances
    FULL JOIN (
        SELECT DISTINCT ON (account_id) account_id, balance FROM journal_lines
        ORDER BY account_id, position DESC, line DESC
    ) AS last USING (account_id)
    WHERE balances.balance IS DISTINCT FROM last.balance
"""
SUMS = "SELECT currency, sum(balance) FROM balances GROUP BY currency"


def said(database: DatabaseLocation, side: str = "") -> tuple[list[Any], list[Any]]:
    """All balances and lines: those that are read, or those of a side."""
    return (
        rows(database, BALANCES.format(f"balances{side}")),
        rows(database, LINES.format(f"journal_lines{side}")),
    )


def tamper(database: DatabaseLocation, statement: str) -> None:
    with superuser(database) as connection:
        connection.execute("SET session_replication_role = replica")
        assert connection.execute(statement.encode()).rowcount > 0


@contextmanager
def lived(book: BookLocation) -> Iterator[Ledger]:
    """A ledger in which many payments, subscriptions and payouts have run their course."""
    clock = Clock()
    with closing(Ledger(book, clock=clock)) as ledger:
        play(ledger, clock, range(30))
        yield ledger


def test_what_is_built_from_nothing_is_what_was_read(book: BookLocation) -> None:
    told: list[Any] = []
    with lived(book):
        before = said(book.database)
        rebuilt = rebuild(book.database, JournalModel, tell=told.append)
        assert rebuilt == (2, head_of(book.database), [])
    assert (told[-1].position, told[-1].seconds_left) == (head_of(book.database), 0)
    assert said(book.database) == said(book.database, "_even") == before
    assert len(before[1]) > 500


def test_the_turn_writes_to_the_generation_that_is_live(book: BookLocation, ledger: Ledger) -> None:
    """On both sides in turn; and the one that nobody reads any more is emptied."""
    for generation, side, other in ((2, "_even", "_odd"), (3, "_odd", "_even")):
        pay(ledger, 5)
        assert rebuild(book.database, JournalModel).generation == generation
        stale = said(book.database, other)
        pay(ledger, 5)
        assert said(book.database) == said(book.database, side)
        assert said(book.database, other) == stale
        assert_book_is_sound(book.database)
        assert replay(book).ok
        with connect_to_fill(BookLocation(book.database, DatabaseRole.REBUILDER)) as connection:
            assert drop_retired(connection, after_seconds=0) == [("journal", generation - 1)]
        assert said(book.database, other) == NOTHING
    assert_book_is_sound(book.database)


def test_what_was_retired_a_moment_ago_makes_room(book: BookLocation, ledger: Ledger) -> None:
    pay(ledger, 5)
    for generation in (2, 3, 4):
        assert rebuild(book.database, JournalModel).generation == generation
    assert rows(
        book.database, "SELECT generation, state FROM read_models WHERE inline ORDER BY generation"
    ) == [(3, "retired"), (4, "live")]
    assert replay(book).ok


def test_nothing_is_emptied_while_somebody_builds_into_the_same_side(
    book: BookLocation, ledger: Ledger
) -> None:
    """The rows of the next generation lie where those of the one before the last do."""
    pay(ledger, 5)
    rebuild(book.database, JournalModel)
    stale = said(book.database, "_odd")
    rebuilders = BookLocation(book.database, DatabaseRole.REBUILDER)
    with connect_to_fill(rebuilders) as builder, connect_to_fill(rebuilders) as dropper:
        builder.execute(TRY_LOCK, ("journal",))
        assert drop_retired(dropper, after_seconds=0) == []
        assert said(book.database, "_odd") == stale
        builder.execute(UNLOCK, ("journal",))
        assert drop_retired(dropper, after_seconds=0) == [("journal", 1)]
        # And it does not keep the lock.
        assert builder.execute(TRY_LOCK, ("journal",)).fetchone() == (True,)


def test_a_generation_that_is_not_retired_any_more_is_left_alone(
    book: BookLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was listed as retired, and by the time of its turn another lies in its tables."""
    pay(ledger, 5)
    rebuild(book.database, JournalModel)
    monkeypatch.setattr(generations_module, "READ_RETIRED", "SELECT 'journal', 2 WHERE %s = 0")
    with connect_to_fill(BookLocation(book.database, DatabaseRole.REBUILDER)) as dropper:
        assert drop_retired(dropper, after_seconds=0) == []
    assert replay(book).ok


def test_what_somebody_else_has_fed_is_not_flipped(
    book: BookLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay(ledger, 5)
    monkeypatch.setattr(rebuilding_module, "BATCH", 5)
    monkeypatch.setattr(Feeder, "apply", _refuse_after(2))
    with pytest.raises(BeingRebuiltError):
        rebuild(book.database, JournalModel)
    assert generation_of(book.database, JournalModel).number == 1


def _refuse_after(times: int) -> Any:  # noqa: ANN401 - a method
    apply, calls = Feeder.apply, iter(range(100))

    def refusing(self: Feeder, *arguments: Any) -> bool:  # noqa: ANN401 - its own
        return next(calls) < times and apply(self, *arguments)

    return refusing


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (
            "UPDATE journal_lines_odd SET amount = amount + 1 WHERE position = 9 AND line = 1",
            [Difference("journal_lines", 1, 1)],
        ),
        (
            (
                "UPDATE journal_lines_odd "
                "SET effective_at = effective_at - interval '1 microsecond' "
                "WHERE position = 9 AND line = 0"
            ),
            [Difference("journal_lines", 1, 1)],
        ),
        (
            "DELETE FROM journal_lines_odd WHERE position = 8 AND line = 2",
            [Difference("journal_lines", 0, 1)],
        ),
        (
            (
                "INSERT INTO journal_lines_odd "
                "(position, line, account_id, amount, balance, recorded_at, effective_at) "
                "SELECT 2, 0, 1, 1, 1, recorded_at, effective_at FROM journal_lines_odd LIMIT 1"
            ),
            [Difference("journal_lines", 1, 0)],
        ),
        (
            "UPDATE balances_odd SET balance = balance + 100 WHERE account_id = 1",
            [Difference("balances", 1, 1)],
        ),
        (
            "UPDATE balances_odd SET position = position - 1 WHERE account_id = 1",
            [Difference("balances", 1, 1)],
        ),
        (
            "UPDATE balances_odd SET account = 'suspense:mine' WHERE account_id = 2",
            [Difference("balances", 1, 1)],
        ),
        (
            "DELETE FROM balances_odd WHERE account_id = 2",
            [Difference("balances", 0, 1)],
        ),
        (
            (
                "INSERT INTO balances_odd (account_id, account, currency, balance, position) "
                "VALUES (99, 'suspense:mine', 'KES', 0, 7)"
            ),
            [Difference("balances", 1, 0)],
        ),
    ],
)
def test_what_the_log_does_not_say_is_found_and_replaced_only_when_told_to(
    book: BookLocation, ledger: Ledger, statement: str, found: list[Difference]
) -> None:
    pay(ledger, 5)
    sound = said(book.database)
    tamper(book.database, statement)
    tampered = said(book.database)
    with rebuilding(book.database) as rebuilder:
        assert JournalRebuild(rebuilder, ZONE).compare() == found
        with pytest.raises(DifferentError) as different:
            JournalRebuild(rebuilder, ZONE).run()
        assert different.value.differences == found
        assert said(book.database) == tampered
        # Nothing is left that somebody would go on with.
        assert value(book.database, "SELECT count(*) FROM read_models WHERE inline") == 1
        assert said(book.database, "_even") == NOTHING
        rebuilt = JournalRebuild(rebuilder, ZONE, accept_differences=True).run()
    assert rebuilt.differences == found
    assert said(book.database) == sound
    assert replay(book).ok


def test_balances_that_moved_after_the_position_that_is_compared_are_compared_too(
    book: BookLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay(ledger, 20)
    tamper(book.database, "UPDATE balances_odd SET balance = balance + 1 WHERE account_id = 1")
    monkeypatch.setattr(rebuilding_module, "BATCH", 25)
    with rebuilding(book.database) as rebuilder:
        assert JournalRebuild(rebuilder, ZONE).compare() == [Difference("balances", 1, 0)]
    tamper(book.database, "UPDATE balances_odd SET balance = balance - 1 WHERE account_id = 1")
    with rebuilding(book.database) as rebuilder:
        assert JournalRebuild(rebuilder, ZONE).compare() == []


def test_one_that_was_stopped_is_gone_on_with(
    book: BookLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay(ledger, 10)
    monkeypatch.setattr(rebuilding_module, "BATCH", 4)
    monkeypatch.setattr(rebuilding_module, "LAST_PIECE", 0)
    batches = iter([False, False, True])
    with pytest.raises(StoppedError):
        rebuild(book.database, JournalModel, stopping=lambda: next(batches))
    half = generation_of(book.database, JournalModel, "building")
    assert (half.number, half.position) == (2, 8)
    assert said(book.database) == said(book.database, "_odd")
    pay(ledger, 10)
    assert rebuild(book.database, JournalModel) == (2, head_of(book.database), [])
    assert replay(book).ok


def test_money_moves_and_is_read_meanwhile(book: BookLocation) -> None:
    """No reader sees half of anything; nobody who writes is refused; nothing differs."""
    over, clock = threading.Event(), Clock()
    seen: list[int] = []
    wrong: list[Any] = []

    def write() -> None:
        with closing(Ledger(book, clock=clock)) as writer:
            seed = 0
            while not over.is_set():
                play(writer, clock, range(seed, seed + 10))
                seed += 10

    def read() -> None:
        with book.connect_reader() as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            while not over.is_set():
                with connection.transaction():
                    sums = connection.execute(SUMS).fetchall()
                    wrong.extend(each for each in sums if each[1] != 0)
                    wrong.extend(connection.execute(UNBALANCED).fetchall())
                seen.append(len(sums))

    threads = [threading.Thread(target=write), threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    try:
        rebuilt = [rebuild(book.database, JournalModel) for _ in range(6)]
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert [each.differences for each in rebuilt] == [[]] * 6
    assert [each.generation for each in rebuilt] == [2, 3, 4, 5, 6, 7]
    assert rebuilt[-1].position > rebuilt[0].position > 0
    assert not wrong
    assert max(seen) > 0
    assert_book_is_sound(book.database)
    assert replay(book).ok


def test_who_began_to_read_before_reads_on_what_was_read(
    book: BookLocation, ledger: Ledger
) -> None:
    """Even when it is retired and emptied before they first look at it."""
    pay(ledger, 5)
    with book.connect_reader() as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        before = said(book.database)
        with connection.transaction():
            connection.execute("SELECT max(position) FROM turns")
            assert rebuild(book.database, JournalModel).generation == 2
            pay(ledger, 5)
            with connect_to_fill(BookLocation(book.database, DatabaseRole.REBUILDER)) as rebuilder:
                drop_retired(rebuilder, after_seconds=0)
            assert connection.execute(BALANCES.format("balances").encode()).fetchall() == before[0]
            assert (
                connection.execute(LINES.format("journal_lines").encode()).fetchall() == before[1]
            )
        now = connection.execute(LINES.format("journal_lines").encode()).fetchall()
        assert len(now) == 2 * len(before[1])


def test_a_flip_that_does_not_get_the_lock_lets_go_and_tries_again(
    book: BookLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay(ledger, 5)
    monkeypatch.setattr(
        journal_rebuild, "TURN_WAITS", "SELECT set_config('lock_timeout', '50ms', true)"
    )
    tries: list[int | None] = []
    flip = JournalRebuild._flip

    with closing(book.connect_writer()) as holder:

        def counted(self: JournalRebuild, *arguments: Any) -> int | None:  # noqa: ANN401 - its own
            tries.append(flip(self, *arguments))
            if len(tries) == 2:
                holder.execute("ROLLBACK")
            return tries[-1]

        monkeypatch.setattr(JournalRebuild, "_flip", counted)
        holder.execute("BEGIN")
        holder.execute(LOCK)
        rebuilt = rebuild(book.database, JournalModel)
    assert tries == [None, None, head_of(book.database)]
    assert rebuilt.differences == []


def test_a_book_of_before_is_copied(databases: Databases) -> None:
    """Each line and balance, as it was; and the turn goes on where it stood."""
    database = databases.create_without_a_book()
    migrate(database, revision="0005")
    with superuser(database) as connection:
        connection.execute(
            "INSERT INTO balances VALUES (1, 'a', 'KES', 100, 3), (2, 'b', 'KES', -100, 3)"
        )
        connection.execute(
            "INSERT INTO journal_lines VALUES (3, 0, 1, 100, 100, now(), now() - interval '1 day'),"
            " (3, 1, 2, -100, -100, now(), now())"
        )
    before = said(database)
    migrate(database)
    assert said(database) == said(database, "_odd") == before
    with closing(Ledger(BookLocation(database, DatabaseRole.APP))) as ledger:
        pay(ledger, 1)
    assert value(database, "SELECT min(account_id) FROM balances WHERE position > 0") == 1
    assert value(database, "SELECT count(*) FROM balances_even") == 0
    databases.drop(database)
