"""Nor do questions about suspense, documents, the inbox and coverage read more than they must."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from ledger.commands.books import DOCUMENTS
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.events import CreatorRegistered
from projections.coverage import READ_COVERAGE
from projections.creator_taxes import READ_BOUNDS, READ_CREATOR_TAXES
from projections.documents import READ_DOCUMENT, READ_DOCUMENT_BY_KEY, READ_DOCUMENTS
from projections.inbox import READ_KEPT, READ_WAITING
from projections.reader import POSITION_MAX
from projections.suspense import READ_PARKED
from tests.databases import superuser
from tests.projections.long_book import CREATORS, HEAD, OTHER_SIDE, creator, fill
from tests.projections.test_plans import (
    PLAN_MODES,
    SETTINGS,
    Parameters,
    explained,
    read_whole,
    rows_read,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.databases import Databases

PARKED: Final = 20_000
ISSUED: Final = 20_000
PAGE: Final = 201

ADD: Final = """
    -- Every payment has a fee and VAT, as the third and fourth line of its entry.
    INSERT INTO balances_odd (account_id, account, currency, balance, position) VALUES
        (1002, 'platform:fees', 'KES', -500000, 51000), (1003, 'tax:vat', 'KES', -50000, 51000),
        (1004, 'suspense:sandbox', 'KES', 0, 71000), (1005, 'suspense:other', 'USD', 0, 71000);
    INSERT INTO journal_lines_odd
        (position, line, account_id, amount, balance, recorded_at, effective_at)
    SELECT n, line, 1000 + line, -10, -10, clock_timestamp(), clock_timestamp()
    FROM generate_series(1001, 51000) AS n, generate_series(2, 3) AS line;

    -- Half of what came after them was parked, and each time allocated by the next event.
    INSERT INTO ledger_events
        (originator_id, originator_version, topic, state, notification_id)
    SELECT stream(51000 + n / 2), 1 + n % 2, 'receipt.unmatched_recorded.v1',
           convert_to('{}', 'UTF8'), 51000 + n
    FROM generate_series(2, 40001) AS n;
    INSERT INTO journal_lines_odd
        (position, line, account_id, amount, balance, recorded_at, effective_at)
    SELECT 51000 + n, 1, 1004 + (n / 2) % 2, CASE n % 2 WHEN 0 THEN -100 ELSE 100 END, 0,
           clock_timestamp(), clock_timestamp()
    FROM generate_series(2, 40001) AS n;
    INSERT INTO turns SELECT n, clock_timestamp() FROM generate_series(51010, 91000, 10) AS n;

    -- Every creator has twenty documents, all of one series.
    INSERT INTO ledger_events
        (originator_id, originator_version, topic, state, notification_id)
    SELECT stream(900000), n, 'document.issued.v1', convert_to('{}', 'UTF8'), 91001 + n
    FROM generate_series(1, 20000) AS n;
    INSERT INTO idempotency_keys
    SELECT 'document', stream(1 + n % 1000) || ':20' || 10 + n / 1000 || '-01:fee_invoice', NULL,
           stream(900000), n + 1, 91002 + n, NULL, NULL, NULL, clock_timestamp(), true
    FROM generate_series(0, 19999) AS n;
    INSERT INTO idempotency_keys
    SELECT 'fan:' || n, 'key', '', stream(n), 1, n, NULL, NULL, NULL, clock_timestamp(), false
    FROM generate_series(1, 20000) AS n;

    -- Of many callbacks every hundredth waits for a person.
    INSERT INTO inbox
    SELECT stream(n), 'sandbox', n::text, clock_timestamp(), '{}', stream(n), false, '', '',
           CASE n % 100 WHEN 0 THEN 'parked' ELSE 'applied' END, NULL, n, 1
    FROM generate_series(1, 50000) AS n;
"""

SERIES: Final = creator(900_000)
CREATOR: Final = {"creator_id": creator(1), "registered": CreatorRegistered.TOPIC}
KEYS: Final = {"scope": DOCUMENTS, "before": f"{creator(1)}::", "limit": PAGE}

LONG_AGO: Final = "2000-01-01 00:00+00"
WAITING: Final = {"received_at": LONG_AGO, "inbox_id": creator(1), "limit": PAGE}

QUESTIONS: dict[str, tuple[str, Parameters]] = {
    "waiting callbacks": (READ_WAITING, WAITING),
    "a callback": (READ_KEPT, [creator(7)]),
    "parked": (READ_PARKED, {"position": POSITION_MAX, "line": 0, "limit": PAGE}),
    "parked, later": (READ_PARKED, {"position": 71_000, "line": 1, "limit": PAGE}),
    "bounds": (READ_BOUNDS, {"begins": "2026-02-01 00:00+03", "ends": "2026-03-01 00:00+03"}),
    "taxes": (
        READ_CREATOR_TAXES,
        # Every third payment is the first creator's, so 300 positions hold 100 of theirs.
        {"creator_id": creator(1), "currency": "KES", "after": 30_000, "up_to": 30_300},
    ),
    "documents": (READ_DOCUMENTS, {**CREATOR, **KEYS}),
    "document": (READ_DOCUMENT, (SERIES, 10_000)),
    "document by key": (
        READ_DOCUMENT_BY_KEY,
        (DOCUMENTS, f"{creator(1)}:2015-01:fee_invoice"),
    ),
    "coverage": (READ_COVERAGE, {"position": HEAD // 2}),
}


@pytest.fixture(scope="module")
def longer_book(databases: Databases) -> BookLocation:
    """The long book with fees, money in suspense, and documents."""
    database = databases.create()
    fill(database)
    with superuser(database) as connection:
        connection.execute(ADD)
        connection.execute(OTHER_SIDE)
    return BookLocation(database, DatabaseRole.APP)


@pytest.fixture(params=SETTINGS)
def connection(
    longer_book: BookLocation, request: pytest.FixtureRequest
) -> Iterator[psycopg.Connection[Any]]:
    conninfo = longer_book.conninfo(SETTINGS[request.param])
    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("mode", PLAN_MODES)
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_about_money_goes_by_index(
    connection: psycopg.Connection[Any], name: str, mode: str
) -> None:
    plan = explained(connection, mode, *QUESTIONS[name])
    # Coverage is about every account, and reads the table of accounts once.
    assert read_whole(plan) <= ({"balances"} if name == "coverage" else set())
    rows_answered = sum(node["Actual Rows"] for node in plan[:1])
    assert rows_answered > 0
    assert rows_read(plan) <= (2 * (CREATORS + 5) if name == "coverage" else 8 * PAGE)


def test_the_book_of_these_questions_is_long(longer_book: BookLocation) -> None:
    with superuser(longer_book.database) as connection:
        counts = connection.execute(
            "SELECT count(*) FROM journal_lines UNION ALL SELECT count(*) FROM idempotency_keys"
        ).fetchall()
    assert [count for (count,) in counts] == [200_000 + 2 * PARKED, 2 * ISSUED]
