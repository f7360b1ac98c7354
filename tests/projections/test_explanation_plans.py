"""An explanation goes by index, a comparison costs what changed: in a long book, by their plans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from projections.account_changes import READ_ENDS, READ_PAGE, READ_SLICE
from projections.evidence import READ_EARLIER, READ_KEPT
from projections.explanations import READ_BALANCE, READ_EXPLAINED
from projections.reader import LOOK_UP_SETTINGS
from projections.what_if_log import READ_EVENTS
from tests.databases import superuser
from tests.projections.long_book import HEAD, creator, fill
from tests.projections.test_plans import PLAN_MODES, explained, read_whole, rows_read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.databases import Databases
    from tests.projections.test_plans import Parameters

MOMENT = HEAD // 2
ACCOUNT = {"account": "provider:sandbox:collection", "currency": "KES", "end": MOMENT}
RANGE = {"first": MOMENT, "second": MOMENT + 100}
PAGE = 200

INBOX = """
    INSERT INTO inbox (inbox_id, provider, natural_key, received_at, headers, key_id,
                       of_unknown_origin, body_hash, ciphertext, verdict, position)
    SELECT stream(n), 'sandbox', n::text, clock_timestamp(), '{}', stream(n), false, '', '',
           'applied', n
    FROM generate_series(1, 20000) AS n;
    ANALYZE inbox;
"""

QUESTIONS: dict[str, tuple[str, Parameters, int]] = {
    "balance": (READ_BALANCE, ACCOUNT, 10),
    "lines": (
        READ_EXPLAINED,
        {**ACCOUNT, "position": MOMENT, "line": 0, "limit": PAGE + 1},
        8 * PAGE,
    ),
    "evidence": (
        READ_EARLIER,
        {
            "streams": [creator(n) for n in range(2_000, 2_000 + PAGE)],
            "versions": [1] * PAGE,
            "limit": 50,
        },
        8 * PAGE,
    ),
    "inbox": (READ_KEPT, ([creator(n) for n in range(2_000, 2_000 + PAGE)],), 8 * PAGE),
    "changes": (READ_PAGE, {**RANGE, "account": "", "currency": "", "limit": PAGE + 1}, 12 * PAGE),
    "slice": (READ_SLICE, RANGE, 4 * PAGE),
    "ends": (READ_ENDS, {**RANGE, "accounts": list(range(1, PAGE + 1))}, 12 * PAGE),
    "what-if": (READ_EVENTS, (MOMENT, MOMENT + PAGE), 4 * PAGE),
}
"""What is asked, and how many rows it may look at, however long the book is."""


@pytest.fixture(scope="module")
def long_inbox(databases: Databases) -> BookLocation:
    """The long book, with many callbacks kept."""
    database = databases.create()
    fill(database)
    with superuser(database) as connection:
        connection.execute(INBOX)
    return BookLocation(database, DatabaseRole.APP)


@pytest.fixture
def connection(long_inbox: BookLocation) -> Iterator[psycopg.Connection[Any]]:
    """A connection to it, as the reader connects."""
    conninfo = long_inbox.conninfo(LOOK_UP_SETTINGS)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("mode", PLAN_MODES)
@pytest.mark.parametrize("name", QUESTIONS)
def test_it_goes_by_index_and_looks_at_few_rows(
    connection: psycopg.Connection[Any], name: str, mode: str
) -> None:
    query, parameters, rows_max = QUESTIONS[name]
    plan = explained(connection, mode, query, parameters)
    assert read_whole(plan) == set()
    assert plan[0]["Actual Rows"] > 0
    assert rows_read(plan) <= rows_max
