"""Databases for tests: copies of one migrated template, and what lies in them."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.database.connections import SCHEMA, BookLocation
from ledger.database.location import DatabaseLocation
from ledger.database.migrate import migrate
from ledger.database.roles import DatabaseRole
from projections.feeder import connect_to_fill
from projections.generations import ensure
from projections.models import READ_MODELS

if TYPE_CHECKING:
    from ledger.database.embedded import EmbeddedPostgres

TEMPLATE: Final = "template_book"
# WAL_LOG copies block by block; the other strategy costs two checkpoints of the whole server.
COPY_TEMPLATE: Final = sql.SQL(
    "CREATE DATABASE {name} OWNER {owner} TEMPLATE {template} STRATEGY wal_log"
)

DROP_DATABASE: Final = sql.SQL("DROP DATABASE {name} WITH (FORCE)")


class Databases:
    """Makes databases on a running server, each with an empty book."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self._numbers = count(1)
        server.ensure_database(TEMPLATE)
        template = DatabaseLocation.from_embedded(server, TEMPLATE)
        migrate(template)
        with connect_to_fill(BookLocation(template, DatabaseRole.REBUILDER)) as rebuilder:
            ensure(rebuilder, READ_MODELS)

    def create(self) -> DatabaseLocation:
        """Create a database with an empty book."""
        name = f"book_{next(self._numbers)}"
        with psycopg.connect(self.server.owner_conninfo(), autocommit=True) as connection:
            connection.execute(
                COPY_TEMPLATE.format(
                    name=sql.Identifier(name),
                    owner=sql.Identifier(DatabaseRole.OWNER),
                    template=sql.Identifier(TEMPLATE),
                )
            )
        return DatabaseLocation.from_embedded(self.server, name)

    def drop(self, database: DatabaseLocation) -> None:
        """Drop a database, so that the disk stays small and the server stops fast."""
        name = str(conninfo_to_dict(database.owner_conninfo())["dbname"])
        with psycopg.connect(self.server.owner_conninfo(), autocommit=True) as connection:
            connection.execute(DROP_DATABASE.format(name=sql.Identifier(name)))

    def create_without_a_book(self) -> DatabaseLocation:
        """Create a database that was never migrated."""
        name = f"empty_{next(self._numbers)}"
        self.server.ensure_database(name)
        return DatabaseLocation.from_embedded(self.server, name)


def superuser(
    database: DatabaseLocation, *, schema: str = SCHEMA
) -> psycopg.Connection[tuple[Any, ...]]:
    """An autocommit connection that may do anything, as an attacker on the server could."""
    conninfo = make_conninfo(database.owner_conninfo(), options=f"-c search_path={schema}")
    return psycopg.connect(conninfo, autocommit=True)


def rows(database: DatabaseLocation, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """All rows of a query over the book's schema."""
    with superuser(database) as connection:
        return connection.execute(query.encode(), parameters or None).fetchall()


def value(database: DatabaseLocation, query: str, *parameters: object) -> Any:  # noqa: ANN401 - SQL's
    """The only value of a query over the book's schema."""
    [[only]] = rows(database, query, *parameters)
    return only


def through(directory: Path, book: BookLocation) -> BookLocation:
    """The same book, reached by the socket in another directory."""
    there = {"host": str(directory)}
    return BookLocation(
        DatabaseLocation(
            make_conninfo(book.database.owner_conninfo(), **there),
            {role: make_conninfo(book.database.conninfo(role), **there) for role in DatabaseRole},
        ),
        book.role,
        book.schema,
    )


def socket_of(book: BookLocation) -> Path:
    """The socket on which the book's server listens."""
    parameters = conninfo_to_dict(book.database.owner_conninfo())
    return Path(str(parameters["host"])) / f".s.PGSQL.{parameters['port']}"
