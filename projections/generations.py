"""Which generation of a read model is read, which is being built, and where each stands in the log.

    (nothing) ──▶ building ──flip──▶ live ──the next one's flip──▶ retired ──▶ (dropped)

A row in `read_models` names each; its position is the library's tracking row `{model}.g{number}`.
A query reads the live row in its own snapshot (projections/live.py), so a flip needs no lock on a
table that is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg import sql

from ledger.journal_tables import tables_of
from projections.read_model import ReadModel, of, tracking_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

READ_ALL: Final = """
    SELECT name, generation, version, state,
           CASE WHEN inline AND state = 'live' THEN (SELECT max(position) FROM turns)
                ELSE coalesce(notification_id, 0) END,
           began_at, parked_at, parked_error, parked_trace
    FROM read_models
    LEFT JOIN ledger_tracking ON application_name = name || '.g' || generation
    ORDER BY name, generation
"""
NEXT_GENERATION: Final = "SELECT coalesce(max(generation), 0) + 1 FROM read_models WHERE name = %s"
READ_LIVE_VERSION: Final = "SELECT version FROM read_models WHERE name = %s AND state = 'live'"
INSERT: Final = """
    INSERT INTO read_models (name, generation, version, state, tables, inline)
    VALUES (%s, %s, %s, %s, %s, %s)
"""
START_TRACKING: Final = "INSERT INTO ledger_tracking VALUES (%s, 0)"
RETIRE: Final = """
    UPDATE read_models SET state = 'retired', retired_at = now() WHERE name = %s AND state = 'live'
"""
MAKE_LIVE: Final = "UPDATE read_models SET state = 'live' WHERE name = %s AND generation = %s"
PARK: Final = """
    UPDATE read_models SET parked_at = %s, parked_error = %s, parked_trace = %s
    WHERE name = %s AND generation = %s
"""
UNPARK: Final = """
    UPDATE read_models SET parked_at = NULL, parked_error = NULL, parked_trace = NULL
    WHERE name = %s AND generation = %s AND parked_at IS NOT NULL
"""
READ_INLINE: Final = """
    SELECT generation FROM read_models WHERE name = %s AND generation = %s AND inline
"""
FORGET: Final = """
    DELETE FROM read_models WHERE name = %s AND generation = %s
    RETURNING CASE WHEN inline THEN '{}' ELSE tables END
"""
FORGET_TRACKING: Final = "DELETE FROM ledger_tracking WHERE application_name = %s"
READ_STILL_RETIRED: Final = """
    SELECT generation FROM read_models WHERE name = %s AND generation = %s AND state = 'retired'
"""
READ_RETIRED: Final = """
    SELECT name, generation FROM read_models
    WHERE state = 'retired' AND retired_at < now() - make_interval(secs => %s)
    ORDER BY name, generation
"""

LOCK: Final = """
    SELECT pg_advisory_xact_lock(
        hashtextextended('hesabu: read model ' || current_schema() || '.' || %s, 0))
"""
TRY_LOCK: Final = """
    SELECT pg_try_advisory_lock(
        hashtextextended('hesabu: read model ' || current_schema() || '.' || %s, 0))
"""
"""Whoever builds or drops generations of a model holds it, for as long as they are connected."""
UNLOCK: Final = """
    SELECT pg_advisory_unlock(
        hashtextextended('hesabu: read model ' || current_schema() || '.' || %s, 0))
"""

SET_DROP_TIMEOUT: Final = "SET LOCAL lock_timeout = '100ms'"
"""So long at most do those wait behind a drop who still read what is dropped."""
DROP_AFTER_SECONDS: Final = 60.0
"""Longer than any query takes that began with the old generation."""

READERS: Final = ("hesabu_app", "hesabu_dispatcher", "hesabu_clock", "hesabu_auditor")
WRITERS: Final = ("hesabu_projector", "hesabu_rebuilder")


class Generation(NamedTuple):
    """A generation as it stands. `parked_at` is the event that could not be applied, if any."""

    name: str
    number: int
    version: int
    state: str
    position: int
    began_at: datetime
    parked_at: int | None
    parked_error: str | None
    parked_trace: str | None


def generations(connection: psycopg.Connection[Any]) -> list[Generation]:
    """All of them."""
    return [Generation(*row) for row in connection.execute(READ_ALL).fetchall()]


def begin(connection: psycopg.Connection[Any], model: type[ReadModel], *, state: str) -> int:
    """Create the tables of a new generation, in the caller's transaction; its number.

    An inline model's are there, and empty.
    """
    row = connection.execute(NEXT_GENERATION, (model.name,)).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has a row
    number = int(row[0])
    tables = [of(table, number) for table in model.names]
    if not model.inline:
        connection.execute(of(model.tables, number))
        for table in tables:
            _grant(connection, table)
    connection.execute(INSERT, (model.name, number, model.version, state, tables, model.inline))
    connection.execute(START_TRACKING, (tracking_name(model.name, number),))
    return number


def _grant(connection: psycopg.Connection[Any], table: str) -> None:
    name = sql.Identifier(table)
    readers = sql.SQL(", ").join(map(sql.Identifier, (*READERS, *WRITERS)))
    writers = sql.SQL(", ").join(map(sql.Identifier, WRITERS))
    connection.execute(
        sql.SQL("GRANT SELECT ON {table} TO {roles}").format(table=name, roles=readers)
    )
    connection.execute(
        sql.SQL("GRANT INSERT, UPDATE, DELETE ON {table} TO {roles}").format(
            table=name, roles=writers
        )
    )


def ensure(connection: psycopg.Connection[Any], models: Iterable[type[ReadModel]]) -> list[str]:
    """Begin what is not there, to be read at once; the names of what is read in an older version.

    Run at deployment, by whoever may create tables.
    """
    outdated: list[str] = []
    for model in models:
        version = _live_version(connection, model)
        if version is None:
            with connection.transaction():
                connection.execute(LOCK, (model.name,))
                if _live_version(connection, model) is None:
                    begin(connection, model, state="live")
        elif version < model.version:
            outdated.append(model.name)
    return outdated


def _live_version(connection: psycopg.Connection[Any], model: type[ReadModel]) -> int | None:
    row = connection.execute(READ_LIVE_VERSION, (model.name,)).fetchone()
    return None if row is None else int(row[0])


def drop(connection: psycopg.Connection[Any], name: str, number: int) -> None:
    """Drop a generation's tables, whatever they were, in a transaction of its own.

    Those of an inline model are emptied; the caller holds the model's lock, or the rows of a next
    generation, which lies in the same tables, would go too. Raises psycopg's `LockNotAvailable`
    when somebody reads them: nobody is kept waiting behind it.
    """
    if connection.execute(READ_INLINE, (name, number)).fetchone() is not None:
        tables_of(number).empty(connection)
    with connection.transaction():
        connection.execute(SET_DROP_TIMEOUT)
        for (tables,) in connection.execute(FORGET, (name, number)).fetchall():
            for table in tables:
                connection.execute(
                    sql.SQL("DROP TABLE IF EXISTS {table}").format(table=sql.Identifier(table))
                )
        connection.execute(FORGET_TRACKING, (tracking_name(name, number),))


def drop_retired(
    connection: psycopg.Connection[Any], *, after_seconds: float = DROP_AFTER_SECONDS
) -> list[tuple[str, int]]:
    """Drop what nobody reads any more; those that somebody holds are dropped another time."""
    retired = connection.execute(READ_RETIRED, (after_seconds,)).fetchall()
    return [(name, number) for name, number in retired if _drops(connection, name, number)]


def _drops(connection: psycopg.Connection[Any], name: str, number: int) -> bool:
    """Whether a retired generation was dropped, while nobody else built or dropped its model's."""
    row = connection.execute(TRY_LOCK, (name,)).fetchone()
    if row is None or not row[0]:
        return False
    try:
        if connection.execute(READ_STILL_RETIRED, (name, number)).fetchone() is None:
            return False
        drop(connection, name, number)
    except psycopg.errors.LockNotAvailable:
        return False
    finally:
        connection.execute(UNLOCK, (name,))
    return True
