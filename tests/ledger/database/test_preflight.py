"""An unsafe database is refused before anything is served, and the message says which setting."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from ledger.database import preflight
from ledger.database.connections import BookLocation
from ledger.database.embedded import EmbeddedPostgres
from ledger.database.location import DatabaseLocation
from ledger.database.migrate import migrate
from ledger.database.preflight import UnsafeDatabaseError, check_database
from ledger.database.roles import DatabaseRole
from tests.databases import Databases, superuser


def test_a_careful_server_and_a_migrated_book_are_accepted(book: BookLocation) -> None:
    check_database(book)


@pytest.mark.parametrize("role", [DatabaseRole.APP, DatabaseRole.DISPATCHER])
def test_whoever_runs_turns_is_checked(database: DatabaseLocation, role: DatabaseRole) -> None:
    check_database(BookLocation(database, role))


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_may_lose_or_tear_pages_is_refused(setting: str) -> None:
    with tempfile.TemporaryDirectory(prefix="hesabu-unsafe-") as directory:
        Path(directory).chmod(0o755)
        with EmbeddedPostgres(Path(directory) / "server", settings={setting: "off"}) as server:
            server.ensure_database("book")
            book = BookLocation(DatabaseLocation.from_embedded(server, "book"), DatabaseRole.APP)
            migrate(book.database)
            with pytest.raises(UnsafeDatabaseError, match=f"^{setting} is off"):
                check_database(book)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER DATABASE {database} SET synchronous_commit = off",
        "ALTER ROLE hesabu_app IN DATABASE {database} SET synchronous_commit = off",
    ],
)
def test_acknowledging_before_the_disk_has_it_is_refused(
    book: BookLocation, statement: str
) -> None:
    with superuser(book.database) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL(statement).format(database=name))
    with pytest.raises(UnsafeDatabaseError, match=r"^synchronous_commit is off"):
        check_database(book)


@pytest.mark.parametrize("value", ["y", "yes", "true", "1", "ON"])
def test_the_librarys_database_functions_are_refused(
    book: BookLocation, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("POSTGRES_ENABLE_DB_FUNCTIONS", value)
    with pytest.raises(UnsafeDatabaseError, match="POSTGRES_ENABLE_DB_FUNCTIONS is set"):
        check_database(book)


@pytest.mark.parametrize("value", ["", "n", "false", "0"])
def test_the_librarys_database_functions_turned_off_are_fine(
    book: BookLocation, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("POSTGRES_ENABLE_DB_FUNCTIONS", value)
    check_database(book)


@pytest.fixture
def unmigrated(databases: Databases) -> Iterator[DatabaseLocation]:
    database = databases.create_without_a_book()
    yield database
    databases.drop(database)


def test_a_database_without_a_book_is_refused(unmigrated: DatabaseLocation) -> None:
    with pytest.raises(UnsafeDatabaseError, match=r"migration none.*Run: hesabu migrate"):
        check_database(BookLocation(unmigrated, DatabaseRole.APP))


def test_another_schema_is_another_book(database: DatabaseLocation) -> None:
    with pytest.raises(UnsafeDatabaseError, match="migration none"):
        check_database(BookLocation(database, DatabaseRole.APP, schema="elsewhere"))


@pytest.mark.parametrize("revision", ["0000", "9999"])
def test_a_book_that_is_older_or_newer_than_the_code_is_refused(
    book: BookLocation, revision: str
) -> None:
    with superuser(book.database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", (revision,))
    with pytest.raises(UnsafeDatabaseError, match=f"at migration {revision}, the code needs"):
        check_database(book)


def test_coming_as_the_owner_is_refused(database: DatabaseLocation) -> None:
    with pytest.raises(UnsafeDatabaseError, match="may change ledger_events, which is append-only"):
        check_database(BookLocation(database, DatabaseRole.OWNER))


def test_coming_as_a_superuser_is_refused(database: DatabaseLocation) -> None:
    as_superuser = DatabaseLocation(
        database.owner_conninfo(), dict.fromkeys(DatabaseRole, database.owner_conninfo())
    )
    with pytest.raises(UnsafeDatabaseError, match="not as the owner or a superuser"):
        check_database(BookLocation(as_superuser, DatabaseRole.APP))


@pytest.mark.parametrize(
    "table",
    [
        "ledger_events",
        "turns",
        "journal_lines",
        "journal_lines_odd",
        "journal_lines_even",
        "journal_lines_of_both_sides",
        "creator_subscriptions",
    ],
)
@pytest.mark.parametrize("right", ["UPDATE", "DELETE", "TRUNCATE"])
def test_any_right_to_change_what_is_recorded_is_refused(
    book: BookLocation, table: str, right: str
) -> None:
    with superuser(book.database) as connection:
        connection.execute(f"GRANT {right} ON {table} TO hesabu_app".encode())
    with pytest.raises(UnsafeDatabaseError, match=f"may change {table}"):
        check_database(book)


def test_a_lock_that_does_not_exclude_is_refused(
    book: BookLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a pooler that hands one server connection to two clients."""
    with book.connect_reader() as only:

        class Pooled:
            """A connection that is always the same one."""

            def __enter__(self) -> psycopg.Connection[tuple[object, ...]]:
                return only

            def __exit__(self, *_: object) -> None:
                return None

        monkeypatch.setattr(BookLocation, "connect_reader", lambda _: Pooled())
        with pytest.raises(UnsafeDatabaseError, match="append lock does not exclude"):
            check_database(book)


def test_a_server_that_is_too_old_is_refused(
    book: BookLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "MAJOR_VERSION_MIN", 1_000)
    with pytest.raises(UnsafeDatabaseError, match="PostgreSQL 1000 or newer"):
        check_database(book)
