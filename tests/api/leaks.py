"""Is anything where it must not be? Canaries are planted in every story; here they are sought."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql

from tests.databases import superuser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.database.location import DatabaseLocation

CANARY_NAME: Final = "Wanjiku Zqcanary"
PHONE_RANGE: Final = "7094"
"""In every phone number of these tests, before two of a line and three that choose a behaviour."""

PHONE_DIGITS: Final = f"{PHONE_RANGE}81"
"""With the line that most of them are on."""

PERSONAL: Final = re.compile(
    # Within a longer run of hexadecimal digits it would be chance.
    rf"254{PHONE_RANGE}|(?<![0-9a-f])0?{PHONE_RANGE}\d{{5}}(?![0-9a-f])|zqcanary|wanjiku",
    re.IGNORECASE,
)
HINTS: Final = (PHONE_RANGE, "anary", "ANARY", "anjiku", "ANJIKU")
"""Whatever `PERSONAL` finds has one of these in it, which is a hundred times quicker to see."""

TOKEN: Final = re.compile(r"eyJ[A-Za-z0-9_-]{10,}\.|Bearer\s+\S{20,}")

USER_TABLES: Final = """
    SELECT schemaname, tablename FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""


def texts_of_tables(database: DatabaseLocation) -> Iterator[tuple[str, str]]:
    """Every value of every column of every table, as text, and where it lies."""
    with superuser(database) as connection:
        for schema, table in connection.execute(USER_TABLES).fetchall():
            query = sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, table))
            cursor = connection.execute(query)
            columns = [column.name for column in cursor.description or ()]
            for row in cursor:
                for column, value in zip(columns, row, strict=True):
                    # A running balance passes through every number, of a phone too.
                    if column != "balance":
                        yield f"{schema}.{table}.{column}", as_text(value)


def as_text(value: Any) -> str:  # noqa: ANN401 - whatever the database holds
    """A value as text that can be searched; bytes as the characters that they would be."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def personal_data_in_tables(database: DatabaseLocation) -> set[str]:
    """The columns in which a phone number or a name can be read; there must be none."""
    return {
        place
        for place, text in texts_of_tables(database)
        if any(hint in text for hint in HINTS) and PERSONAL.search(text)
    }


def leaks_in_log(path: Path, *secrets: str) -> list[str]:
    """Lines of a log with personal data, a token or a secret; there must be none."""
    return [
        f"{path.name}: {line}"
        for line in path.read_text(errors="replace").splitlines()
        if PERSONAL.search(line) or TOKEN.search(line) or any(secret in line for secret in secrets)
    ]
