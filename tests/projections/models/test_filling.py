"""However the log is cut into batches, a read model's tables are the same."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from projections.models import READ_MODELS
from tests.databases import superuser
from tests.projections.models.conftest import live_through
from tests.projections.models.filling import contents, fill

if TYPE_CHECKING:
    from ledger.database.location import DatabaseLocation
    from tests.databases import Databases
    from tests.projections.models.conftest import Lived


def tables(database: DatabaseLocation, numbers: dict[str, int]) -> dict[str, Any]:
    with superuser(database) as connection:
        return contents(connection, numbers)


@pytest.fixture(scope="module")
def short(databases: Databases) -> DatabaseLocation:
    """A book that is short enough to be read event by event."""
    database = databases.create()
    live_through(database, stories=40, fans=6, days=60)
    return database


def test_one_event_at_a_time_and_all_at_once_give_equal_tables(short: DatabaseLocation) -> None:
    at_once = tables(short, fill(short, lambda: 100_000))
    assert tables(short, fill(short, lambda: 1)) == at_once
    assert all(at_once.values()), "a table that is empty shows nothing"


@pytest.mark.parametrize("seed", range(3))
def test_batches_of_any_size_give_equal_tables(lived: Lived, seed: int) -> None:
    random = Random(seed)
    sizes = fill(lived.database, lambda: random.choice((3, 7, 50, 400, 2_000)))
    assert tables(lived.database, sizes) == tables(lived.database, lived.numbers)


def test_every_table_of_the_long_book_says_something(lived: Lived) -> None:
    assert all(tables(lived.database, lived.numbers).values())


def test_read_models_have_names_of_their_own() -> None:
    names = [model.name for model in READ_MODELS]
    assert len(set(names)) == len(names)
    of_tables = [table for model in READ_MODELS for table in model.names]
    assert len(set(of_tables)) == len(of_tables)
