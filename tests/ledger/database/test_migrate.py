"""Migrations: on nothing, on a book in use, again, and from many processes at once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from uuid import uuid4

import pytest

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.location import DatabaseLocation
from ledger.database.migrate import current_revision, migrate, newest_revision
from ledger.database.preflight import check_database
from ledger.database.roles import DatabaseRole
from tests.builders import initiate_payment, register_creator, report_success
from tests.databases import Databases, rows, superuser
from tests.invariants import assert_book_is_sound


@pytest.fixture
def empty(databases: Databases) -> Iterator[DatabaseLocation]:
    """A database that was never migrated."""
    database = databases.create_without_a_book()
    yield database
    databases.drop(database)


def pay(book: BookLocation) -> None:
    creator, payment = uuid4(), uuid4()
    ledger = Ledger(book)
    outcomes = ledger.execute(
        [
            register_creator(creator),
            initiate_payment(creator, payment_id=payment),
            report_success(payment),
        ]
    )
    ledger.close()
    assert [outcome.error for outcome in outcomes] == [None, None, None]


def everything(database: DatabaseLocation, schema: str) -> dict[str, list[tuple[object, ...]]]:
    with superuser(database, schema=schema) as connection:
        names = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,)
        ).fetchall()
        return {
            name: connection.execute(
                f"SELECT row.*::text FROM {name} AS row ORDER BY 1".encode()
            ).fetchall()
            for (name,) in names
        }


def test_an_empty_database_becomes_a_book(empty: DatabaseLocation) -> None:
    with superuser(empty) as connection:
        assert current_revision(connection) is None
    migrate(empty)
    with superuser(empty) as connection:
        assert current_revision(connection) == newest_revision()
    book = BookLocation(empty, DatabaseRole.APP)
    check_database(book)
    pay(book)
    assert_book_is_sound(empty)


def test_migrating_a_book_in_use_again_changes_nothing(book: BookLocation) -> None:
    pay(book)
    before = everything(book.database, "hesabu")
    migrate(book.database)
    assert everything(book.database, "hesabu") == before
    pay(book)
    assert_book_is_sound(book.database)


def test_many_processes_may_migrate_at_once(empty: DatabaseLocation) -> None:
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as processes:
        for started in [processes.submit(migrate, empty) for _ in range(8)]:
            started.result(timeout=100)
    check_database(BookLocation(empty, DatabaseRole.APP))
    assert rows(empty, "SELECT position FROM turns") == [(0,)]


def test_two_books_live_in_one_database_and_do_not_see_each_other(
    database: DatabaseLocation,
) -> None:
    migrate(database, schema="second")
    first = BookLocation(database, DatabaseRole.APP)
    second = BookLocation(database, DatabaseRole.APP, schema="second")
    check_database(second)
    pay(first)
    before = everything(database, "hesabu")
    pay(second)
    pay(second)
    assert everything(database, "hesabu") == before
    with superuser(database, schema="second") as connection:
        assert connection.execute("SELECT max(position) FROM turns").fetchone() == (8,)


def test_the_schema_belongs_to_the_owner_and_to_nobody_who_serves(
    database: DatabaseLocation,
) -> None:
    """Generations of read models belong to whoever makes and drops them; not the journal's."""
    tables = dict(
        rows(database, "SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'hesabu'")
    )
    made = "SELECT unnest(tables) FROM read_models WHERE NOT inline"
    [generations] = zip(*rows(database, made), strict=True)
    assert {tables.pop(name) for name in generations} == {"hesabu_rebuilder"}
    assert set(tables.values()) == {"hesabu_owner"}
