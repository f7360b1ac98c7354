"""A balance by when things took effect is the plain sum, whenever they were learned of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from projections.effective_balances import effective_balance
from projections.reader import PositionNotReached, Reader
from tests.databases import rows, superuser
from tests.projections.conftest import asker

if TYPE_CHECKING:
    from ledger.database.connections import BookLocation
    from ledger.database.location import DatabaseLocation

ACCOUNT, CURRENCY = "creator:00000000-0000-4000-8000-000000000001:pending", "KES"
BEGINNING = datetime(2100, 1, 1, tzinfo=UTC)
TURNS = 2_000
LATENESS_SECONDS = (0, 0, 0, 1, 30, 59, 60, 61, 90, 600, 86_400)
"""A line in four is late: a minute and more, up to a day."""
YEAR = 31_557_600
RARE = {
    TURNS // 2: 40 * 86_400,
    # At a power of four, and just before and after it.
    **{700 + n: 4**8 + n for n in (-1, 0, 1)},
    # A provider may say anything: centuries, and the first day of the calendar.
    900: 150 * YEAR,
    901: 700 * YEAR,
    902: 2_098 * YEAR,
}

OFFSETS_SECONDS = (-1_000 * YEAR, -200 * YEAR, -86_401, -61, -60, -1, 0, 1)

PLAIN_SUM = """
    SELECT coalesce(sum(amount), 0) FROM journal_lines
    WHERE account_id = %s AND effective_at <= %s AND position <= %s
"""


def fill(database: DatabaseLocation, random: Random) -> list[datetime]:
    """Turns, each with a line of the account or of another, many seconds or none apart."""
    now, sums, recorded = BEGINNING, {1: 0, 2: 0}, list[datetime]()
    lines: list[tuple[Any, ...]] = []
    for position in range(1, TURNS + 1):
        now += timedelta(seconds=random.choice((0, 0, 1, 5, 20, 70)))
        lateness = RARE.get(position, random.choice(LATENESS_SECONDS))
        account, amount = random.choice((1, 1, 2)), random.choice((-3, 5, 100))
        sums[account] += amount
        effective = now - timedelta(seconds=lateness)
        lines.append((position, 0, account, amount, sums[account], now, effective))
        recorded.append(now)
    with superuser(database) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO journal_lines_odd (position, line, account_id, amount, balance,"
            " recorded_at, effective_at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            lines,
        )
        cursor.executemany("INSERT INTO turns VALUES (%s, %s)", list(enumerate(recorded, start=1)))
        cursor.execute(
            "INSERT INTO balances_odd (account_id, account, currency, balance, position) VALUES"
            " (1, %s, 'KES', %s, %s), (2, 'platform:fees', 'KES', %s, %s)",
            (ACCOUNT, sums[1], TURNS, sums[2], TURNS),
        )
    return recorded


def asked(book: BookLocation, effective: datetime, **moment: Any) -> Any:  # noqa: ANN401 - its own
    async def ask(reader: Reader) -> Any:  # noqa: ANN401 - its own
        return await effective_balance(reader, ACCOUNT, CURRENCY, effective, **moment)

    return asker(book)(ask)


def test_it_is_the_plain_sum_at_any_time_as_known_at_any_position(book: BookLocation) -> None:
    random = Random(5)
    recorded = fill(book.database, random)
    moments = [
        (
            random.choice(recorded)
            + timedelta(seconds=random.choice((-86_401, -61, -60, -1, 0, 1))),
            random.choice((TURNS, random.randint(1, TURNS))),
        )
        for _ in range(300)
    ]

    async def ask(reader: Reader) -> list[int | None]:
        found = [
            await effective_balance(reader, ACCOUNT, CURRENCY, effective, as_of_position=position)
            for effective, position in moments
        ]
        return [None if each is None else each.balance for each in found]

    sums = [
        int(rows(book.database, PLAIN_SUM, 1, effective, position)[0][0])
        for effective, position in moments
    ]
    answered = asker(book)(ask)
    assert answered == sums
    assert len(set(sums)) > 100


def test_it_is_told_as_people_read_it_and_as_known_then(book: BookLocation) -> None:
    recorded = fill(book.database, Random(6))
    now = asked(book, recorded[-1])
    assert (now.position, now.normal_balance) == (TURNS, -now.balance)
    then = asked(book, recorded[-1], as_of=recorded[TURNS // 2])
    assert then.position < TURNS
    assert asked(book, datetime(1, 1, 1, tzinfo=UTC)).balance == 0


def test_an_account_without_a_line_has_none(book: BookLocation) -> None:
    recorded = fill(book.database, Random(7))
    first = rows(book.database, "SELECT min(position) FROM journal_lines WHERE account_id = 1")[0][
        0
    ]
    assert first > 0
    assert asked(book, recorded[-1], as_of_position=first) is not None
    assert asked(book, recorded[-1], as_of_position=first - 1) is None
    with pytest.raises(PositionNotReached):
        asked(book, recorded[-1], as_of_position=TURNS + 1)
