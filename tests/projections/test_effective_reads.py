"""Creators' balances, accounts, entries and the trial balance by when things took effect.

Each is held against a plain sum over a journal in which every third entry was learned late.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from projections.account_entries import EntryPage, entries_page
from projections.balances import Balances
from projections.cursor import InvalidCursor
from projections.trial_balance import accounts_page, trial_balance
from tests.databases import rows, superuser
from tests.projections.conftest import asker
from tests.projections.histories import Life, live

if TYPE_CHECKING:
    from collections.abc import Callable

    from projections.reader import Reader
    from tests.databases import Databases

LATENESS_SECONDS = (0, 0, 0, 0, 5, 61, 4_096, 90_000, 40 * 86_400)
TABLES = ("journal_lines_even", "journal_lines_odd")

PLAIN = """
    SELECT account, currency, sum(amount)::text FROM journal_lines JOIN balances USING (account_id)
    WHERE effective_at <= %s AND journal_lines.position <= %s GROUP BY account, currency
"""
LINES = """
    SELECT journal_lines.position, line FROM journal_lines JOIN balances USING (account_id)
    WHERE account = %s AND currency = %s AND effective_at <= %s AND journal_lines.position <= %s
    ORDER BY journal_lines.position, line
"""


@pytest.fixture(scope="module")
def late_book(databases: Databases) -> BookLocation:
    """A varied past; whole entries of it were learned late, by up to forty days."""
    database = databases.create()
    book = BookLocation(database, DatabaseRole.APP)
    live(book, Life(seed=20_261_125))
    random = Random(11)
    with superuser(database) as connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        positions = [
            row[0] for row in rows(database, "SELECT DISTINCT position FROM journal_lines")
        ]
        for table in TABLES:
            cursor.executemany(
                f"UPDATE {table} SET effective_at = recorded_at - %s WHERE position = %s".encode(),
                [
                    (timedelta(seconds=random.choice(LATENESS_SECONDS)), position)
                    for position in positions
                ],
            )
    return book


@pytest.fixture(scope="module")
def moments(late_book: BookLocation) -> list[tuple[datetime, int]]:
    """Times at which something took effect, or just before or after; and positions."""
    random = Random(12)
    found = rows(late_book.database, "SELECT DISTINCT effective_at, recorded_at FROM journal_lines")
    [(head,)] = rows(late_book.database, "SELECT max(position) FROM turns")
    return [
        (
            random.choice(random.choice(found)) + timedelta(seconds=random.choice((-61, -1, 0, 1))),
            random.choice((head, random.randint(1, head))),
        )
        for _ in range(60)
    ]


def plain(book: BookLocation, effective: datetime, position: int) -> dict[tuple[str, str], int]:
    found = rows(book.database, PLAIN, effective, position)
    return {(account, currency): int(amount) for account, currency, amount in found if int(amount)}


def ask_each(
    book: BookLocation,
    moments: list[tuple[datetime, int]],
    question: Callable[[Reader, datetime, int], Any],
) -> list[Any]:
    async def ask(reader: Reader) -> list[Any]:
        return [await question(reader, *moment) for moment in moments]

    answers: list[Any] = asker(book)(ask)
    return answers


def test_the_trial_balance_balances_at_any_time_as_known_at_any_position(
    late_book: BookLocation, moments: list[tuple[datetime, int]]
) -> None:
    async def question(reader: Reader, effective: datetime, position: int) -> Any:  # noqa: ANN401
        return await trial_balance(reader, as_of_position=position, effective=effective)

    answers = ask_each(late_book, moments, question)
    assert len({str(answer.currencies) for answer in answers}) > len(moments) // 3
    for (effective, position), answer in zip(moments, answers, strict=True):
        expected = plain(late_book, effective, position)
        assert answer.balanced
        assert answer.position == position
        for totals in answer.currencies:
            balances = [b for (_, currency), b in expected.items() if currency == totals.currency]
            assert totals.debits == sum(balance for balance in balances if balance > 0)
            assert totals.credits == -sum(balance for balance in balances if balance < 0)


def test_every_account_is_the_plain_sum(
    late_book: BookLocation, moments: list[tuple[datetime, int]]
) -> None:
    async def question(reader: Reader, effective: datetime, position: int) -> Any:  # noqa: ANN401
        found: dict[tuple[str, str], int] = {}
        cursor = None
        while True:
            page = await accounts_page(
                reader, as_of_position=position, effective=effective, cursor=cursor, limit=50
            )
            found |= {(item.account, item.currency): item.balance for item in page.items}
            if (cursor := page.next_cursor) is None:
                return found

    for (effective, position), found in zip(
        moments[:20], ask_each(late_book, moments[:20], question), strict=True
    ):
        shown = {account: balance for account, balance in found.items() if balance}
        assert shown == plain(late_book, effective, position)


def test_a_creators_balance_is_the_plain_sum(
    late_book: BookLocation, moments: list[tuple[datetime, int]]
) -> None:
    accounts = rows(late_book.database, "SELECT DISTINCT account FROM balances")
    creators = sorted({UUID(a.split(":")[1]) for (a,) in accounts if a.startswith("creator:")})
    assert creators

    async def question(reader: Reader, effective: datetime, position: int) -> Any:  # noqa: ANN401
        return [
            await Balances(reader).of_creator_as_of(
                creator, as_of_position=position, effective=effective
            )
            for creator in creators[:3]
        ]

    seen = set()
    for (effective, position), found in zip(
        moments, ask_each(late_book, moments, question), strict=True
    ):
        expected = plain(late_book, effective, position)
        for creator, answer in zip(creators[:3], found, strict=True):
            if answer is None:
                assert not any(f"creator:{creator}:" in account for account, _ in expected)
                continue
            for funds in answer.currencies:
                for name in ("pending", "available", "held", "reserved", "in_transit"):
                    account = (f"creator:{creator}:{name}", funds["currency"])
                    assert funds[name] == -expected.get(account, 0)
                    seen.add(funds[name])
    assert len(seen) > 5


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_entries_of_an_account_are_those_that_had_taken_effect(
    late_book: BookLocation, moments: list[tuple[datetime, int]], *, newest_first: bool
) -> None:
    account, currency = "platform:fees", "KES"

    async def question(reader: Reader, effective: datetime, position: int) -> Any:  # noqa: ANN401
        found: list[tuple[int, int]] = []
        cursor = None
        while True:
            page: EntryPage | None = await entries_page(
                reader,
                account,
                currency,
                newest_first=newest_first,
                as_of_position=position,
                effective=effective,
                cursor=cursor,
                limit=7,
            )
            if page is None:
                return found
            found += [(item.position, item.line) for item in page.items]
            if (cursor := page.next_cursor) is None:
                return found

    lengths = set()
    for (effective, position), found in zip(
        moments, ask_each(late_book, moments, question), strict=True
    ):
        lines = rows(late_book.database, LINES, account, currency, effective, position)
        assert found == (lines[::-1] if newest_first else lines)
        lengths.add(len(found))
    assert max(lengths) > 14


def test_a_cursor_of_another_time_is_none(late_book: BookLocation) -> None:
    async def question(reader: Reader) -> None:
        page = await accounts_page(reader, effective=datetime(2100, 1, 1).astimezone(), limit=1)
        assert page.next_cursor is not None
        with pytest.raises(InvalidCursor):
            await accounts_page(reader, cursor=page.next_cursor)

    asker(late_book)(question)
