"""What the server checks before it serves: settings under which a ledger would lie.

Each check names the setting and what to do; the first that fails stops the process.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from ledger.database.migrate import current_revision, newest_revision

if TYPE_CHECKING:
    import psycopg

    from ledger.database.connections import BookLocation

MAJOR_VERSION_MIN: Final = 17
"""`transaction_timeout`, which bounds a turn, appeared in it."""
DATABASE_FUNCTIONS: Final = "POSTGRES_ENABLE_DB_FUNCTIONS"
SAFE_SETTINGS: Final = ("fsync", "full_page_writes", "synchronous_commit")
APPEND_ONLY: Final = (
    "ledger_events",
    "turns",
    # What is read, where it lies, and both together: each has rights of its own.
    "journal_lines",
    "journal_lines_odd",
    "journal_lines_even",
    "journal_lines_of_both_sides",
    "creator_subscriptions",
    "access_records",
    "token_revocations",
    "merkle_tiles",
    "checkpoints",
    "erasures",
    "vault_looks",
    "provider_statements",
    "provider_statement_parts",
    "provider_statement_uploads",
    "provider_statement_balances",
    "provider_statement_lines",
    "provider_statement_rows",
    "provider_statement_words",
    "provider_statement_amounts",
    "provider_entries",
    "reconciled_entries",
    "reconciliation_items",
    "reconciliation_decisions",
    "webhook_endpoint_changes",
)


class UnsafeDatabaseError(RuntimeError):
    """The database is not safe for money; the message says which setting and what to do."""


def check_database(book: BookLocation) -> None:
    """Refuse to start on unsafe settings. Raises `UnsafeDatabaseError` with the reason."""
    if os.environ.get(DATABASE_FUNCTIONS, "").lower() in {"y", "yes", "t", "true", "on", "1"}:
        message = f"{DATABASE_FUNCTIONS} is set: it drops the append lock. Unset it."
        raise UnsafeDatabaseError(message)
    with book.connect_reader() as connection, book.connect_reader() as other:
        _check_settings(connection)
        _check_schema(connection)
        _check_privileges(connection)
        _check_lock_excludes(connection, other)


def _check_settings(connection: psycopg.Connection[Any]) -> None:
    if connection.info.server_version < MAJOR_VERSION_MIN * 10_000:
        message = f"PostgreSQL {MAJOR_VERSION_MIN} or newer is needed."
        raise UnsafeDatabaseError(message)
    for setting in SAFE_SETTINGS:
        row = connection.execute("SELECT current_setting(%s)", (setting,)).fetchone()
        if row is None or row[0] == "off":
            message = f"{setting} is off: acknowledged payments could be lost. Turn it on."
            raise UnsafeDatabaseError(message)


def _check_schema(connection: psycopg.Connection[Any]) -> None:
    found, newest = current_revision(connection), newest_revision()
    if found != newest:
        message = (
            f"The schema is at migration {found or 'none'}, the code needs {newest}. "
            "Run: hesabu migrate"
        )
        raise UnsafeDatabaseError(message)


def _check_privileges(connection: psycopg.Connection[Any]) -> None:
    for table in APPEND_ONLY:
        row = connection.execute(
            "SELECT has_table_privilege(%s, 'UPDATE, DELETE, TRUNCATE')", (table,)
        ).fetchone()
        if row is None or row[0]:
            message = (
                f"This process may change {table}, which is append-only. Let it come as a role "
                "of its own, not as the owner or a superuser."
            )
            raise UnsafeDatabaseError(message)


def _check_lock_excludes(
    connection: psycopg.Connection[Any], other: psycopg.Connection[Any]
) -> None:
    key = "hashtextextended(current_schema() || ': preflight', 0)"
    with connection.transaction(), other.transaction():
        connection.execute(f"SELECT pg_advisory_xact_lock({key})")
        row = other.execute(f"SELECT pg_try_advisory_xact_lock({key})").fetchone()
        if row is None or row[0]:
            message = (
                "The append lock does not exclude a second connection (a pooler between us and "
                "the database?). Connect to PostgreSQL directly."
            )
            raise UnsafeDatabaseError(message)
