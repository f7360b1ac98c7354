"""A read model is built anew beside the one that is read; nothing is lost and nobody waits."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

import pytest

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.errors import IdempotencyKeyReused
from projections import rebuild as rebuilding_module
from projections.deployment import set_up_read_models
from projections.differences import Difference
from projections.feeder import PoisonedError, connect_to_fill
from projections.generations import TRY_LOCK, drop_retired, generations
from projections.model_statuses import ModelStatus, model_statuses
from projections.models import READ_MODELS
from projections.read_model import Recorded, Tables
from projections.rebuild import BeingRebuiltError, NewerVersionError, Rebuild, StoppedError
from projections.rebuild_requests import ask_for_rebuild
from projections.rebuilder import Rebuilder
from tests.api.processes import wait_until
from tests.builders import caller_key
from tests.databases import rows, superuser, value
from tests.ledger.lifecycles.play import Clock, play
from tests.projections.conftest import asker
from tests.projections.projecting import (
    ZONE,
    Tally,
    assert_equal_to_one_built_from_nothing,
    feeding,
    generation_of,
    head_of,
    pay,
    rebuild,
    rebuilding,
    said_by_the_log,
    said_by_the_table,
)
from tests.projections.test_projector import refusing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import LiteralString

    from ledger.database.location import DatabaseLocation


def built(book: BookLocation, ledger: Ledger, payments: int = 5) -> None:
    """A tally that is read and at the head."""
    pay(ledger, payments)
    with feeding(book, Tally) as fed:
        fed.catch_up()


def status(book: BookLocation, *models: type[Tally]) -> dict[str, ModelStatus]:
    found = asker(book)(lambda reader: model_statuses(reader, models))
    return {each.name: each for each in found.models}


def test_what_is_built_from_nothing_is_what_was_read(book: BookLocation, ledger: Ledger) -> None:
    built(book, ledger)
    told: list[Any] = []
    rebuilt = rebuild(book.database, Tally, tell=told.append)
    assert rebuilt == (2, head_of(book.database), [])
    assert generation_of(book.database, Tally).number == 2
    assert generation_of(book.database, Tally, "retired").number == 1
    assert said_by_the_table(book.database, 2) == said_by_the_log(book.database)[-1]
    assert (told[-1].position, told[-1].seconds_left) == (head_of(book.database), 0)
    assert all(progress.rate > 0 for progress in told)


def test_rows_that_differ_are_counted_and_replaced(book: BookLocation, ledger: Ledger) -> None:
    built(book, ledger)
    rows_changed = "UPDATE tally_g1 SET chain = 'tampered' WHERE position = 3"
    rows_removed = "DELETE FROM tally_g1 WHERE position = 4"
    with superuser(book.database) as connection:
        connection.execute(rows_changed)
        connection.execute(rows_removed)
    with rebuilding(book.database) as rebuilder:
        assert Rebuild(rebuilder, Tally, ZONE).compare() == [Difference("tally", 1, 2)]
        assert generation_of(book.database, Tally).number == 1
        assert value(book.database, "SELECT to_regclass('tally_g2') IS NULL")
    assert rebuild(book.database, Tally).differences == [Difference("tally", 1, 2)]
    assert said_by_the_table(book.database, 2) == said_by_the_log(book.database)[-1]


def test_one_that_nobody_feeds_is_built_to_the_head(book: BookLocation, ledger: Ledger) -> None:
    with feeding(book, Tally):
        pay(ledger, 5)
    assert rebuild(book.database, Tally) == (2, head_of(book.database), [])
    assert said_by_the_table(book.database, 2) == said_by_the_log(book.database)[-1]


def test_one_that_was_stopped_is_gone_on_with(
    book: BookLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    built(book, ledger)
    monkeypatch.setattr(rebuilding_module, "BATCH", 4)
    batches = iter([False, False, True])
    with pytest.raises(StoppedError):
        rebuild(book.database, Tally, stopping=lambda: next(batches))
    half = generation_of(book.database, Tally, "building")
    assert (half.number, half.position) == (2, 8)
    assert generation_of(book.database, Tally).number == 1
    assert status(book, Tally)["tally"].building is not None
    assert rebuild(book.database, Tally) == (2, head_of(book.database), [])
    assert said_by_the_table(book.database, 2) == said_by_the_log(book.database)[-1]


def test_a_half_built_one_that_is_ahead_of_the_live_one_is_compared_where_it_is(
    book: BookLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    built(book, ledger)
    pay(ledger, 5)
    monkeypatch.setattr(rebuilding_module, "LAST_PIECE", 0)
    monkeypatch.setattr(Rebuild, "_flip", lambda *_: (_ for _ in ()).throw(StoppedError))
    with pytest.raises(StoppedError):
        rebuild(book.database, Tally)
    monkeypatch.undo()
    half, live = (generation_of(book.database, Tally, each) for each in ("building", "live"))
    assert half.position > live.position
    assert rebuild(book.database, Tally).differences == []


def test_a_parked_one_is_built_by_the_fix(book: BookLocation, ledger: Ledger) -> None:
    """However far the log has gone on meanwhile."""
    pay(ledger, 4)
    with feeding(book, refusing(3)) as fed:
        fed.catch_up()
    pay(ledger, 1_500)
    rebuilt = rebuild(book.database, Tally)
    assert rebuilt.position == head_of(book.database)
    assert rebuilt.differences == []
    assert generation_of(book.database, Tally).parked_at is None
    assert said_by_the_table(book.database, 2) == said_by_the_log(book.database)[-1]


def test_a_poison_stops_the_rebuild_and_what_is_read_stays(
    book: BookLocation, ledger: Ledger
) -> None:
    built(book, ledger)
    with pytest.raises(PoisonedError):
        rebuild(book.database, refusing(4))
    assert generation_of(book.database, Tally).number == 1
    half = generation_of(book.database, Tally, "building")
    assert (half.position, half.parked_at, half.parked_error) == (3, 4, "RefusingError: 4")
    assert rebuild(book.database, Tally) == (2, head_of(book.database), [])
    assert generation_of(book.database, Tally).parked_at is None


def test_only_one_builds_a_model_at_a_time(book: BookLocation, ledger: Ledger) -> None:
    built(book, ledger)
    with rebuilding(book.database) as another, connect_to_fill(another.book) as connection:
        connection.execute(TRY_LOCK, ("tally",))
        with pytest.raises(BeingRebuiltError):
            rebuild(book.database, Tally)
    assert rebuild(book.database, Tally).generation == 2


class NewerTally(Tally):
    """A tally with another table."""

    version = 2
    tables = """
        CREATE TABLE tally_g{g} (position bigint PRIMARY KEY, chain text NOT NULL);
        CREATE TABLE tally_of_tallies_g{g} (count bigint NOT NULL);
    """
    names: ClassVar[Sequence[LiteralString]] = ("tally_g{g}", "tally_of_tallies_g{g}")


def test_a_deployment_begins_what_is_new_and_builds_what_is_older(
    book: BookLocation, ledger: Ledger
) -> None:
    rebuilder = BookLocation(book.database, DatabaseRole.REBUILDER)
    pay(ledger, 5)
    assert set_up_read_models(rebuilder, [Tally], ZONE) == {}
    with feeding(book, Tally) as fed:
        fed.catch_up()
    assert set_up_read_models(rebuilder, [Tally], ZONE) == {}
    head = head_of(book.database)
    # Half built by a deployment that was killed.
    with pytest.raises(StoppedError):
        rebuild(book.database, NewerTally, stopping=lambda: True)
    assert set_up_read_models(rebuilder, [NewerTally], ZONE) == {"tally": (2, head, None)}
    assert set_up_read_models(rebuilder, [NewerTally], ZONE) == {}
    live = generation_of(book.database, Tally)
    assert (live.number, live.version, live.position) == (2, 2, head)
    with pytest.raises(NewerVersionError):
        rebuild(book.database, Tally)
    # Each generation's own tables are dropped, whatever the code knows by now.
    rebuild(book.database, NewerTally)
    with connect_to_fill(rebuilder) as connection:
        assert drop_retired(connection, after_seconds=0) == [("tally", 1), ("tally", 2)]
    left = rows(
        book.database, "SELECT relname FROM pg_class WHERE relname ~ '^tally.*_g[0-9]+$' ORDER BY 1"
    )
    assert left == [("tally_g3",), ("tally_of_tallies_g3",)]


def test_a_retired_generation_that_is_being_read_is_dropped_later(
    book: BookLocation, ledger: Ledger
) -> None:
    built(book, ledger)
    rebuild(book.database, Tally)
    rebuilder = BookLocation(book.database, DatabaseRole.REBUILDER)
    with connect_to_fill(rebuilder) as connection:
        assert drop_retired(connection) == [], "too early"
        with superuser(book.database) as reader, reader.transaction():
            reader.execute("SELECT * FROM tally_g1")
            assert drop_retired(connection, after_seconds=0) == []
        assert drop_retired(connection, after_seconds=0) == [("tally", 1)]
        assert [each.number for each in generations(connection) if each.name == "tally"] == [2]
    tracked = "SELECT count(*) FROM ledger_tracking WHERE application_name LIKE 'tally.%'"
    assert value(book.database, tracked) == 1


# While the book is busy.


class SlowToHold(Tally):
    """A tally that takes too long, the first times that a generation is held for it."""

    tries: list[float] = []  # noqa: RUF012 - emptied by the test

    def apply(self, tables: Tables, batch: Sequence[Recorded]) -> None:
        if tables.fetch("SELECT current_setting('lock_timeout')") == [("100ms",)]:
            pause = self.tries.pop() if self.tries else 0.0
            tables.execute("SELECT pg_sleep(%s)", (pause,))
        super().apply(tables, batch)


class SlowToFlip(SlowToHold):
    """The same as a newer version, which is not compared: it is held for the flip alone."""

    version = 2


@pytest.mark.parametrize("model", [SlowToHold, SlowToFlip])
def test_whoever_holds_a_generation_too_long_lets_go_and_tries_again(
    book: BookLocation,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    model: type[SlowToHold],
) -> None:
    built(book, ledger)
    SlowToHold.tries[:] = [0.4, 0.4]
    fill = Rebuild._fill
    with feeding(book, Tally) as fed:

        def fill_and_write(self: Rebuild, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
            fill(self, *arguments, **options)
            if SlowToHold.tries:
                # There is something to catch up with while the live generation is held.
                pay(ledger)
                fed.catch_up()

        monkeypatch.setattr(Rebuild, "_fill", fill_and_write)
        rebuilt = rebuild(book.database, model)
    assert SlowToHold.tries == []
    assert rebuilt[:2] == (2, head_of(book.database))
    assert not rebuilt.differences
    assert said_by_the_table(book.database, 2) == said_by_the_log(book.database)[-1]


def test_models_are_built_anew_while_stories_go_on(database: DatabaseLocation) -> None:
    """All of them, again and again: never a difference, never a refusal that is none of ours."""
    book, clock = BookLocation(database, DatabaseRole.APP), Clock()
    ledger, over, failed = Ledger(book, clock=clock), threading.Event(), []

    def write() -> None:
        try:
            for seed in range(10_000):
                play(ledger, clock, range(seed * 8, seed * 8 + 8))
                if over.is_set():
                    return
        except BaseException as error:
            failed.append(error)
            raise

    def project() -> None:
        with feeding(book, *READ_MODELS) as fed:
            while not over.is_set():
                fed.catch_up()

    threads = [threading.Thread(target=each) for each in (write, project)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            for model in READ_MODELS:
                rebuilt = rebuild(database, model)
                assert rebuilt.differences == [], model.name
    finally:
        over.set()
        for thread in threads:
            thread.join()
        ledger.close()
    assert failed == []
    with feeding(book, *READ_MODELS) as fed:
        fed.catch_up()
    assert head_of(database) > 100
    assert_equal_to_one_built_from_nothing(database, *READ_MODELS)


# Asked for.


def test_what_admins_ask_for_is_built_once_and_they_are_told(
    book: BookLocation, ledger: Ledger
) -> None:
    built(book, ledger)
    key = caller_key()
    asked = ask_for_rebuild(book, "tally", key)
    assert ask_for_rebuild(book, "tally", key) == (asked.request_id, True)
    request = status(book, Tally)["tally"].request
    assert request is not None
    assert (request.request_id, request.state) == (asked.request_id, "waiting")
    with rebuilding(book.database) as rebuilder:
        Rebuilder(rebuilder, [Tally], ZONE).round()
        Rebuilder(rebuilder, [Tally], ZONE).round()
    told = status(book, Tally)["tally"]
    assert told.live is not None
    assert told.request is not None
    assert (told.live.number, told.retired) == (2, (1,))
    assert (told.request.state, told.request.generation, told.request.differences) == ("done", 2, 0)
    with pytest.raises(IdempotencyKeyReused):
        ask_for_rebuild(book, "tally", caller_key(key.key, fingerprint=b"another"))


def test_what_cannot_be_built_is_told_and_gone_on_with_after_the_fix(
    book: BookLocation, ledger: Ledger
) -> None:
    built(book, ledger)
    ask_for_rebuild(book, "tally", caller_key())
    ask_for_rebuild(book, f"nothing-{uuid4()}", caller_key())
    with rebuilding(book.database) as rebuilder:
        defective = Rebuilder(rebuilder, [refusing(4)], ZONE)
        defective.round()
        told = status(book, Tally)["tally"]
        assert told.request is not None
        assert (told.request.state, told.request.error) == (
            "failed",
            "The event at 4 cannot be applied. RefusingError: 4",
        )
        assert told.building is not None
        assert told.building.parked is not None
        assert told.building.parked.position == 4
        # It is not tried all the time, and by who has the fix at once.
        defective.round()
        Rebuilder(rebuilder, [Tally], ZONE).round()
    assert generation_of(book.database, Tally).number == 2
    assert value(book.database, "SELECT count(*) FROM rebuild_requests WHERE ended_at IS NULL") == 0


def test_in_its_thread_it_does_what_is_asked_for(book: BookLocation, ledger: Ledger) -> None:
    built(book, ledger)
    with rebuilding(book.database) as ledger_of_rebuilder:
        rebuilder = Rebuilder(ledger_of_rebuilder, [Tally], ZONE)
        rebuilder.start()
        ask_for_rebuild(book, "tally", caller_key())
        wait_until(lambda: generation_of(book.database, Tally).number == 2, what="it is built")
        rebuilder.close()
