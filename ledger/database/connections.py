"""How a connection to the book is opened: its role, its schema, and its time-outs.

A stopped writer must not stop the book, so the server itself ends a writer's session that sits
idle in a turn, and a dead peer is noticed by the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

if TYPE_CHECKING:
    from ledger.database.location import DatabaseLocation
    from ledger.database.roles import DatabaseRole

SCHEMA: Final = "hesabu"
"""The default book: one ledger in one schema."""

WRITER_SETTINGS: Final = {
    "idle_in_transaction_session_timeout": "2s",
    "lock_timeout": "5s",
    # The turn's look-ups go by key; a plan made while a table was empty must not scan it later.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
"""Settings of a connection that runs turns."""

READER_SETTINGS: Final = {
    "statement_timeout": "10s",
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "5s",
    "jit": "off",
}
"""Settings of a connection that answers queries."""

KEEPALIVE: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 8_000,
}
"""Seconds, and milliseconds for `tcp_user_timeout`: a vanished server is noticed in about 10 s."""


@dataclass(frozen=True, slots=True)
class BookLocation:
    """One book: a database, the schema in it, and the role with which this process comes."""

    database: DatabaseLocation
    role: DatabaseRole
    schema: str = SCHEMA

    def conninfo(self, settings: dict[str, str]) -> str:
        """A connection string with `settings` and the book's schema as search path."""
        base = self.database.conninfo(self.role)
        given = conninfo_to_dict(base).get("options") or ""
        ours = {"search_path": self.schema, "timezone": "UTC", **settings}
        options = " ".join(f"-c {name}={value}" for name, value in ours.items())
        return make_conninfo(
            base,
            **KEEPALIVE,
            options=f"{given} {options}".strip(),
            application_name=self.role.value,
        )

    def connect_writer(self) -> psycopg.Connection[Any]:
        """An autocommit connection for turns; every statement is prepared at first use."""
        connection = psycopg.connect(self.conninfo(WRITER_SETTINGS), autocommit=True)
        connection.prepare_threshold = 0
        return connection

    def connect_reader(self) -> psycopg.Connection[Any]:
        """An autocommit connection for queries."""
        return psycopg.connect(self.conninfo(READER_SETTINGS), autocommit=True)
