"""Reading is bounded, survives a restarted server, and knows where the log ends."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest

from projections.reader import PositionNotReached, Reader, ReadUnavailable
from tests.builders import register_creator
from tests.databases import superuser, through

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.application import Ledger
    from ledger.database.connections import BookLocation
    from tests.projections.conftest import Ask
    from tests.projections.histories import Naive

TERMINATE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def test_the_position_is_the_last_events(ask: Ask, naive: Naive) -> None:
    assert ask(lambda reader: reader.position()) == naive.head


def test_an_empty_book_is_at_position_zero(book: BookLocation) -> None:
    async def scenario() -> None:
        async with Reader(book) as reader:
            assert await reader.position() == 0
            assert await reader.position_at() == 0
            await reader.wait_for(0)

    asyncio.run(scenario())


def test_a_position_that_was_reached_is_not_waited_for(ask: Ask, naive: Naive) -> None:
    async def scenario(reader: Reader) -> None:
        await reader.wait_for(naive.head)
        await reader.wait_for(1)

    ask(scenario)


def test_a_position_beyond_the_head_is_refused_at_once(ask: Ask, naive: Naive) -> None:
    with pytest.raises(PositionNotReached, match=f"ends at position {naive.head}") as refused:
        ask(lambda reader: reader.wait_for(naive.head + 1))
    assert refused.value.head == naive.head
    assert refused.value.code == "position_not_reached"


def test_a_write_can_be_waited_for_with_its_position(ledger: Ledger, book: BookLocation) -> None:
    async def scenario() -> None:
        async with Reader(book) as reader:
            await reader.wait_for(0)
            position = ledger.execute_one(register_creator()).position
            await reader.wait_for(position)
            with pytest.raises(PositionNotReached):
                await reader.wait_for(position + 1)
            position = ledger.execute_one(register_creator()).position
            await reader.wait_for(position)

    asyncio.run(scenario())


def test_a_time_means_the_last_position_recorded_by_then(ask: Ask, naive: Naive) -> None:
    random = Random(1)
    instants = [random.choice(naive.recorded_at) for _ in range(20)]
    instants += [at + timedelta(microseconds=random.choice([-1, 1])) for at in instants]
    instants += [naive.recorded_at[0] - timedelta(days=1), naive.recorded_at[-1]]

    async def scenario(reader: Reader) -> None:
        for instant in instants:
            assert await reader.position_at(as_of=instant) == naive.position_at(instant)

    ask(scenario)


def test_of_a_position_and_a_time_the_earlier_counts(ask: Ask, naive: Naive) -> None:
    async def scenario(reader: Reader) -> None:
        middle = naive.head // 2
        at_middle = naive.position_at(naive.recorded_at[middle])
        recorded_at = naive.recorded_at[middle]
        assert await reader.position_at(as_of_position=3, as_of=recorded_at) == 3
        assert await reader.position_at(as_of_position=naive.head, as_of=recorded_at) == at_middle

    ask(scenario)


def test_what_a_future_position_holds_is_not_said(ask: Ask, naive: Naive) -> None:
    async def scenario(reader: Reader) -> None:
        for position in (naive.head + 1, 10**30):
            with pytest.raises(PositionNotReached):
                await reader.position_at(as_of_position=position)
        assert await reader.position_at(as_of_position=-(10**30)) == 0

    ask(scenario)


def test_a_restarted_server_is_not_noticed_by_readers(book: BookLocation) -> None:
    async def scenario() -> None:
        async with Reader(book) as reader:
            await asyncio.gather(*(reader.fetch("SELECT pg_sleep(0.1)") for _ in range(4)))
            with superuser(book.database) as connection:
                connection.execute(TERMINATE)
            assert await reader.position() == 0

    asyncio.run(scenario())


def test_a_server_that_is_away_is_said_to_be_in_bounded_time(
    book: BookLocation, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with Reader(through(tmp_path, book), connection_wait_seconds_max=0.2) as reader:
            with pytest.raises(ReadUnavailable, match="Try again"):
                await asyncio.wait_for(reader.position(), timeout=5)

    asyncio.run(scenario())


def test_a_server_that_comes_back_is_read_again(book: BookLocation, tmp_path: Path) -> None:
    from tests.databases import socket_of

    async def scenario() -> None:
        async with Reader(through(tmp_path, book), connection_wait_seconds_max=0.3) as reader:
            with pytest.raises(ReadUnavailable):
                await reader.position()
            await asyncio.sleep(1)
            socket = socket_of(book)
            (tmp_path / socket.name).symlink_to(socket)
            assert await reader.position() == 0

    asyncio.run(scenario())


def test_a_statement_that_takes_too_long_is_ended(book: BookLocation) -> None:
    async def scenario() -> None:
        async with Reader(book, connections_max=1) as reader:
            await reader.fetch("SELECT set_config('statement_timeout', '50ms', false)")
            with pytest.raises(ReadUnavailable):
                await reader.fetch("SELECT pg_sleep(5)")
            assert await reader.position() == 0

    asyncio.run(scenario())


def test_a_closed_reader_says_so(book: BookLocation) -> None:
    async def scenario() -> None:
        reader = Reader(book)
        async with reader:
            pass
        with pytest.raises(ReadUnavailable):
            await reader.position()

    asyncio.run(scenario())


def test_a_reader_has_no_right_to_write(ask: Ask) -> None:
    import psycopg

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask(lambda reader: reader.fetch("DELETE FROM ledger_events"))
