"""Do two generations of a read model say the same? Row by row, in the caller's snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psycopg import sql

from projections.read_model import ReadModel, of

if TYPE_CHECKING:
    import psycopg

AT_LEISURE: Final = """
    SELECT set_config('statement_timeout', '0', true), set_config('enable_seqscan', 'on', true),
           set_config('work_mem', '64MB', true)
"""
COUNT_ONLY: Final = sql.SQL("""
    SELECT count(*)
    FROM (SELECT * FROM {first} EXCEPT ALL SELECT * FROM {second}) AS difference
""")


class Difference(NamedTuple):
    """Rows of a table that only one of two generations has."""

    table: str
    only_old: int
    only_new: int


def differences(
    connection: psycopg.Connection[Any], model: type[ReadModel], *, old: int, new: int
) -> list[Difference]:
    """The tables in which two generations differ, in the caller's transaction."""
    connection.execute(AT_LEISURE)
    found: list[Difference] = []
    for table in model.names:
        only_old = _count_only(connection, of(table, old), of(table, new))
        only_new = _count_only(connection, of(table, new), of(table, old))
        if only_old or only_new:
            found.append(Difference(table.replace("_g{g}", ""), only_old, only_new))
    return found


def _count_only(connection: psycopg.Connection[Any], first: str, second: str) -> int:
    query = COUNT_ONLY.format(first=sql.Identifier(first), second=sql.Identifier(second))
    row = connection.execute(query).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has a row
    return int(row[0])
