"""A read model answers with its position, waits for another one, and never says what is half."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from projections import live
from projections.feeder import connect_to_fill
from projections.generations import drop_retired
from projections.live import LiveModel, ReadModelBehind, ReadModelMissing
from projections.models import READ_MODELS
from projections.models.payments import PaymentsModel, search_payments
from projections.reader import PositionNotReached
from tests.databases import superuser
from tests.projections.conftest import asker
from tests.projections.projecting import (
    Tally,
    begin_models,
    feeding,
    head_of,
    pay,
    read_tally,
    rebuild,
    rebuilding,
    said_by_the_log,
)
from tests.projections.test_projector import refusing

if TYPE_CHECKING:
    from ledger.application import Ledger
    from ledger.database.connections import BookLocation
    from projections.reader import Reader


FLIPS = 8


def ask(book: BookLocation, **options: Any) -> Any:  # noqa: ANN401 - `read_tally`'s
    return asker(book)(lambda reader: read_tally(LiveModel(reader, Tally), **options))


def test_an_answer_is_true_at_its_position(book: BookLocation, ledger: Ledger) -> None:
    with feeding(book, Tally) as fed:
        assert ask(book) == (0, said_by_the_log(book.database)[0])
        pay(ledger, 3)
        assert ask(book) == (0, said_by_the_log(book.database)[0])
        fed.catch_up()
        head = head_of(book.database)
        assert ask(book, min_position=head) == (head, said_by_the_log(book.database)[head])


def test_it_waits_until_the_position_is_reached(book: BookLocation, ledger: Ledger) -> None:
    with feeding(book, Tally) as fed:
        pay(ledger, 3)
        head = head_of(book.database)
        later = threading.Timer(0.3, fed.catch_up)
        later.start()
        assert ask(book, min_position=head)[0] == head
        later.join()


def test_it_waits_no_longer_than_it_may_and_says_so(
    book: BookLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "WAIT_SECONDS_MAX", 0.2)
    begin_models(book.database, Tally)
    pay(ledger)
    with pytest.raises(ReadModelBehind) as raised:
        ask(book, min_position=1)
    assert str(raised.value) == "This read model is at position 0, and 1 was asked for. Ask again."


def test_a_position_beyond_the_log_is_answered_at_once(
    book: BookLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LOOK_AGAIN_SECONDS", 3_600)
    begin_models(book.database, Tally)
    pay(ledger)
    with pytest.raises(PositionNotReached):
        ask(book, min_position=head_of(book.database) + 1)


def test_a_parked_model_is_not_waited_for(
    book: BookLocation, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LOOK_AGAIN_SECONDS", 3_600)
    pay(ledger, 3)
    with feeding(book, refusing(3)) as fed:
        fed.catch_up()
    with pytest.raises(ReadModelBehind):
        ask(book, min_position=3)
    # What it has is true where it stands.
    assert ask(book, min_position=2) == (2, said_by_the_log(book.database)[2])


def test_a_model_that_was_never_begun_says_what_to_do(book: BookLocation) -> None:
    with pytest.raises(ReadModelMissing, match="hesabu migrate"):
        ask(book)


def test_a_model_of_which_nothing_is_left_is_not_asked_for_ever(book: BookLocation) -> None:
    with feeding(book, Tally):
        with superuser(book.database) as connection:
            connection.execute(
                "DELETE FROM hesabu.ledger_tracking WHERE application_name ~ '^tally'"
            )
        with pytest.raises(ReadModelMissing):
            ask(book)


def test_who_asks_again_after_the_old_generation_was_dropped_is_answered_by_the_new_one(
    book: BookLocation, ledger: Ledger
) -> None:
    pay(ledger, 3)
    with feeding(book, Tally) as fed:
        fed.catch_up()

    async def ask_twice(reader: Reader) -> list[Any]:
        model = LiveModel(reader, Tally)
        answers = [await read_tally(model)]
        await asyncio.to_thread(rebuild, book.database, Tally)
        with rebuilding(book.database) as another, connect_to_fill(another.book) as connection:
            assert drop_retired(connection, after_seconds=0) == [("tally", 1)]
        return [*answers, await read_tally(model)]

    first, second = asker(book)(ask_twice)
    assert first == second == (head_of(book.database), said_by_the_log(book.database)[-1])


def test_readers_never_see_half_of_a_generation_while_one_follows_another(
    book: BookLocation, ledger: Ledger
) -> None:
    """Each answer is held against what the log says at its position, through flips and drops."""
    answers: list[tuple[int, Any]] = []
    over = threading.Event()
    flips = 0

    def write() -> None:
        while not over.is_set():
            pay(ledger, 5)

    def project() -> None:
        with feeding(book, Tally) as fed:
            while not over.is_set():
                fed.catch_up()

    def rebuild_again_and_again() -> None:
        nonlocal flips
        try:
            with rebuilding(book.database) as builder, connect_to_fill(builder.book) as connection:
                while flips < FLIPS and not over.is_set():
                    assert rebuild(book.database, Tally).differences == []
                    flips += 1
                    drop_retired(connection, after_seconds=0.2)
        finally:
            over.set()

    async def read(reader: Reader) -> None:
        models = [LiveModel(reader, Tally) for _ in range(3)]
        seen = [0, 0, 0]
        while not over.is_set():
            for number, model in enumerate(models):
                position, said = await read_tally(model)
                assert position >= seen[number], "time went backwards"
                seen[number] = position
                answers.append((position, said))
            # The third asks rarely: meanwhile its generation may be gone.
            models[2] = models[2] if len(answers) % 7 else LiveModel(reader, Tally)
            await asyncio.sleep(0)

    begin_models(book.database, Tally)
    threads = [threading.Thread(target=each) for each in (write, project, rebuild_again_and_again)]
    for thread in threads:
        thread.start()
    try:
        asker(book)(read)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert flips == FLIPS
    log = said_by_the_log(book.database)
    assert len({position for position, _ in answers}) > FLIPS
    assert [(position, log[position]) for position, _ in answers] == answers


def test_payments_are_found_at_their_position(book: BookLocation, ledger: Ledger) -> None:
    assert PaymentsModel in READ_MODELS
    pay(ledger, 3)
    with feeding(book, PaymentsModel) as fed:
        fed.catch_up()
    head = head_of(book.database)
    page = asker(book)(
        lambda reader: search_payments(
            LiveModel(reader, PaymentsModel), state="succeeded", min_position=head
        )
    )
    assert (page.position, len(page.items)) == (head, 3)
