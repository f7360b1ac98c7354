"""Migrations own every table of a book; the library creates none.

Alembic runs the files in ledger/migrations/versions as the schema's owner, under a lock, so that
any number of processes may start at once. They run on an empty and on a populated database.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from ledger.database.connections import SCHEMA
from ledger.database.roles import DatabaseRole, ensure_roles

if TYPE_CHECKING:
    from ledger.database.location import DatabaseLocation

MIGRATIONS: Final = Path(__file__).parent.parent / "migrations"

LOCK_MIGRATIONS: Final = "SELECT pg_advisory_lock(hashtextextended('hesabu: migrate', 0))"


def migrate(database: DatabaseLocation, *, schema: str = SCHEMA, revision: str = "head") -> None:
    """Create roles and schema where missing, then run the migrations up to `revision`.

    Raises `RolesUnavailable` when the administrative login may not create the roles.
    """
    with psycopg.connect(database.owner_conninfo(), autocommit=True) as administrator:
        administrator.execute(LOCK_MIGRATIONS)
        ensure_roles(administrator)
        _ensure_schema(administrator, schema)
        _upgrade(database, schema, revision)


def _ensure_schema(administrator: psycopg.Connection[Any], schema: str) -> None:
    administrator.execute(
        sql.SQL("CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner}").format(
            schema=sql.Identifier(schema), owner=sql.Identifier(DatabaseRole.OWNER)
        )
    )


def _upgrade(database: DatabaseLocation, schema: str, revision: str) -> None:
    def connect() -> psycopg.Connection[Any]:
        connection = psycopg.connect(database.conninfo(DatabaseRole.OWNER))
        connection.execute(
            sql.SQL("SET search_path TO {schema}").format(schema=sql.Identifier(schema))
        )
        connection.commit()
        return connection

    engine = create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def newest_revision() -> str:
    """The migration that this code needs."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None  # noqa: S101 - there is at least one migration
    return revision


def current_revision(connection: psycopg.Connection[Any]) -> str | None:
    """The migration that the connection's schema is at, or None before the first."""
    row = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
    if row is None or row[0] is None:
        return None
    found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if found is None else str(found[0])
