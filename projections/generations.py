"""Which generation of a read model is read, which is being built, and where each stands in the log.

    (nothing) ──▶ building ──flip──▶ live ──the next one's flip──▶ retired ──▶ (dropped)

A row in `read_models` names each; its position is the library's tracking row `{model}.g{number}`.
A query reads the live row in its own snapshot (projections/live.py), so a flip needs no lock on a
table that is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psycopg import sql

from projections.read_model import ReadModel, of, tracking_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import psycopg

READ_ALL: Final = """
    SELECT name, generation, version, state, coalesce(notification_id, 0), began_at,
           parked_at, parked_error, parked_trace
    FROM read_models
    LEFT JOIN ledger_tracking ON application_name = name || '.g' || generation
    ORDER BY name, generation
"""
NEXT_GENERATION: Final = "SELECT coalesce(max(generation), 0) + 1 FROM read_models WHERE name = %s"
INSERT: Final = """
    INSERT INTO read_models (name, generation, version, state) VALUES (%s, %s, %s, %s)
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
FORGET: Final = "DELETE FROM read_models WHERE name = %s AND generation = %s"
FORGET_TRACKING: Final = "DELETE FROM ledger_tracking WHERE application_name = %s"
LOCK_NAME: Final = "SELECT pg_advisory_lock(hashtextextended('hesabu: read model ' || %s, 0))"

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
    """Create the tables of a new generation, in the caller's transaction; its number."""
    row = connection.execute(NEXT_GENERATION, (model.name,)).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has a row
    number = int(row[0])
    connection.execute(of(model.tables, number))
    for table in model.names:
        _grant(connection, of(table, number))
    connection.execute(INSERT, (model.name, number, model.version, state))
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
    """Begin what is not there: a first generation is read at once, a newer version is built.

    Run at deployment, by whoever may create tables. The names of models that are to be built.
    """
    building: list[str] = []
    for model in models:
        with connection.transaction():
            connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
                (f"hesabu: read model {model.name}",),
            )
            known = [each for each in generations(connection) if each.name == model.name]
            if not any(each.state == "live" for each in known):
                begin(connection, model, state="live")
            elif max(each.version for each in known) < model.version:
                begin(connection, model, state="building")
                building.append(model.name)
    return building


def drop(connection: psycopg.Connection[Any], model: type[ReadModel], number: int) -> None:
    """Drop a generation's tables, in a transaction of its own."""
    with connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '2s'")
        for table in model.names:
            connection.execute(
                sql.SQL("DROP TABLE IF EXISTS {table}").format(
                    table=sql.Identifier(of(table, number))
                )
            )
        connection.execute(FORGET, (model.name, number))
        connection.execute(FORGET_TRACKING, (tracking_name(model.name, number),))
