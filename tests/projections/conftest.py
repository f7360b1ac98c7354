"""Books to read: one with a varied past, one with a long one."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from projections.reader import Reader
from tests.projections.histories import Life, Naive, live
from tests.projections.hledger_program import NoHledger, find_hledger
from tests.projections.long_book import fill

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from typing import LiteralString

    from tests.databases import Databases
    from tests.projections.hledger_program import Hledger

    Ask = Callable[[Callable[["CountingReader"], Awaitable[Any]]], Any]


class CountingReader(Reader):
    """A reader that counts the statements it sends."""

    statements = 0

    async def fetch(
        self, query: LiteralString, parameters: Sequence[object] | Mapping[str, object] = ()
    ) -> list[tuple[Any, ...]]:
        self.statements += 1
        return await super().fetch(query, parameters)


@pytest.fixture(scope="session")
def past() -> Life:
    """What happens in `varied_book`."""
    return Life(seed=20_260_301)


@pytest.fixture(scope="session")
def varied_book(databases: Databases, past: Life) -> BookLocation:
    """A book in which payments ended in every way; only for reading, by all tests together."""
    book = BookLocation(databases.create(), DatabaseRole.APP)
    live(book, past)
    return book


@pytest.fixture(scope="session")
def naive(varied_book: BookLocation) -> Naive:
    """The same past, told naively."""
    return Naive(varied_book.database)


@pytest.fixture(scope="session")
def long_book(databases: Databases) -> BookLocation:
    """A book of 100,000 journal lines, made of nothing but rows; only for reading."""
    database = databases.create()
    fill(database)
    return BookLocation(database, DatabaseRole.AUDITOR)


@pytest.fixture(scope="session")
def hledger() -> Hledger:
    """Never skipped where HESABU_REQUIRE_HLEDGER says so."""
    try:
        return find_hledger()
    except NoHledger as error:
        if os.environ.get("HESABU_REQUIRE_HLEDGER") == "1":
            raise
        pytest.skip(str(error))


@pytest.fixture
def ask(varied_book: BookLocation) -> Ask:
    """Ask `varied_book` a question: a function of a reader."""
    return asker(varied_book)


def asker(book: BookLocation) -> Ask:
    """Run an asynchronous question against a book."""

    def ask(question: Callable[[CountingReader], Awaitable[Any]]) -> Any:  # noqa: ANN401 - whatever it answers
        async def run() -> Any:  # noqa: ANN401 - the same
            async with CountingReader(book) as reader:
                return await question(reader)

        return asyncio.run(run())

    return ask
