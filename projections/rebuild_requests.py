"""Rebuilds that admins ask for: written down here, done by whoever may create tables.

A request is kept with what came of it. The same idempotency key asks once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from uuid_utils.compat import uuid7

from ledger.errors import IdempotencyKeyReused

if TYPE_CHECKING:
    import psycopg

    from ledger.commands import IdempotencyKey
    from ledger.database.connections import BookLocation
    from projections.rebuild import Rebuilt

INSERT: Final = """
    INSERT INTO rebuild_requests (request_id, name, scope, key, fingerprint)
    VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (scope, key) DO NOTHING
"""
READ_BY_KEY: Final = """
    SELECT request_id, fingerprint FROM rebuild_requests WHERE scope = %s AND key = %s
"""
READ_OPEN: Final = """
    SELECT request_id, name FROM rebuild_requests WHERE ended_at IS NULL ORDER BY asked_at
"""
END: Final = """
    UPDATE rebuild_requests
    SET ended_at = now(), generation = %s, position = %s, differences = %s, error = %s
    WHERE request_id = %s
"""


class Asked(NamedTuple):
    """A request as it was written down; `again` if its key had been used before."""

    request_id: UUID
    again: bool


class OpenRequest(NamedTuple):
    """A rebuild that is asked for and not done."""

    request_id: UUID
    name: str


def ask_for_rebuild(book: BookLocation, name: str, key: IdempotencyKey) -> Asked:
    """Write down that a read model is to be built anew.

    Raises `IdempotencyKeyReused` when the key was used for another request.
    """
    request_id = UUID(int=uuid7().int)
    with book.connect_reader() as connection:
        connection.execute(INSERT, (request_id, name, key.scope, key.key, key.fingerprint))
        row = connection.execute(READ_BY_KEY, (key.scope, key.key)).fetchone()
    assert row is not None  # noqa: S101 - inserted just now, or before
    if row[1] != key.fingerprint:
        raise IdempotencyKeyReused
    return Asked(row[0], again=row[0] != request_id)


def open_requests(connection: psycopg.Connection[Any]) -> list[OpenRequest]:
    """What is to be done, in the order in which it was asked for."""
    return [OpenRequest(*row) for row in connection.execute(READ_OPEN).fetchall()]


def done(connection: psycopg.Connection[Any], request: OpenRequest, rebuilt: Rebuilt) -> None:
    """Note that a new generation is read, and how many rows differ, where they were compared."""
    found = rebuilt.differences
    differing = None if found is None else sum(each.only_old + each.only_new for each in found)
    connection.execute(
        END, (rebuilt.generation, rebuilt.position, differing, None, request.request_id)
    )


def failed(connection: psycopg.Connection[Any], request: OpenRequest, error: str) -> None:
    """Note why there is none."""
    connection.execute(END, (None, None, None, error, request.request_id))
