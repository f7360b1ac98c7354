"""A month's statement as a file: CSV for spreadsheets, however long, and PDF for people.

Every cell is a number or a word of ours, so nothing in it can be a formula.
"""

from __future__ import annotations

import csv
from io import StringIO
from typing import TYPE_CHECKING, Final

from api.pdf import BOLD, BOTTOM, LEFT, REGULAR, TOP, Text, decimal_amount, figure, pdf_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from datetime import datetime
    from uuid import UUID
    from zoneinfo import ZoneInfo

    from projections.statements import AccountTotals, Month
    from projections.transactions import Transaction

COLUMNS: Final = (
    "kind",
    "currency",
    "account",
    "recorded_at",
    "effective_at",
    "event",
    "stream_id",
    "position",
    "line",
    "amount",
    "balance",
    "amount_minor_units",
    "balance_minor_units",
)

TITLE_SIZE: Final = 18
SIZE: Final = 9
LEADING: Final = 14
BALANCE_RIGHT: Final = 538.0
AMOUNT_RIGHT: Final = 440.0


async def statement_csv(
    totals: list[AccountTotals], lines: AsyncIterator[list[Transaction]]
) -> AsyncIterator[bytes]:
    """The statement in pieces: opening balances, every line, closing balances.

    Times are UTC (ISO 8601); amounts are the creator's, decimal and in minor units.
    """
    yield _rows([COLUMNS, *(_total("opening", each, each.opening) for each in totals)])
    async for page in lines:
        yield _rows([_line(each) for each in page])
    yield _rows([_total("closing", each, each.closing) for each in totals])


def _rows(rows: list[tuple[object, ...]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _total(kind: str, each: AccountTotals, balance: int) -> tuple[object, ...]:
    shown = decimal_amount(balance, each.currency)
    return (kind, each.currency, each.account, *[""] * 6, "", shown, "", balance)


def _line(each: Transaction) -> tuple[object, ...]:
    return (
        "line",
        each.currency,
        each.account,
        each.recorded_at.isoformat(),
        each.effective_at.isoformat(),
        _event(each),
        each.stream_id,
        each.position,
        each.line,
        decimal_amount(each.amount, each.currency),
        decimal_amount(each.balance, each.currency),
        each.amount,
        each.balance,
    )


def _event(each: Transaction) -> str:
    """What it was, without the version of its record: payment.succeeded."""
    return each.topic.rpartition(".v")[0]


def statement_pdf(
    creator_id: UUID,
    month: Month,
    totals: list[AccountTotals],
    lines: list[Transaction],
    *,
    zone: ZoneInfo,
    created: datetime,
) -> bytes:
    """The statement on as many pages as it takes; times are the book's."""
    rows = [*_head(creator_id, month, zone), *_totals(totals), *_lines(lines, zone)]
    return pdf_of(_pages(rows), title=f"Statement {month.name} {creator_id}", created=created)


Cell = tuple[str, float, float, str]
"""A font, a size, where it begins, and a text; a negative place is where figures end."""
Row = list[Cell]


def _head(creator_id: UUID, month: Month, zone: ZoneInfo) -> Iterator[Row]:
    yield [(BOLD, TITLE_SIZE, LEFT, "Statement")]
    yield []
    state = "final" if month.final else "provisional: the month is not over"
    for name, value in (
        ("Month", f"{month.name} ({zone.key}), {state}"),
        ("Creator", str(creator_id)),
        ("As recorded", f"after position {month.after}, up to {month.up_to}"),
    ):
        yield [(BOLD, SIZE, LEFT, name), (REGULAR, SIZE, LEFT + 90, value)]
    yield []


def _totals(totals: list[AccountTotals]) -> Iterator[Row]:
    for each in totals:
        yield [(BOLD, SIZE, LEFT, f"{each.account.replace('_', ' ')}, {each.currency}")]
        for name, amount in (
            ("Opening balance", each.opening),
            ("Credits", each.credits),
            ("Debits", -each.debits),
            ("Closing balance", each.closing),
        ):
            shown = decimal_amount(amount, each.currency)
            yield [(REGULAR, SIZE, LEFT + 90, name), (REGULAR, SIZE, -BALANCE_RIGHT, shown)]
    yield []


def _lines(lines: list[Transaction], zone: ZoneInfo) -> Iterator[Row]:
    if not lines:
        yield [(REGULAR, SIZE, LEFT, "Nothing moved.")]
    for each in lines:
        what = f"{each.account.replace('_', ' ')}: {_event(each)}"
        yield [
            (REGULAR, SIZE, LEFT, f"{each.recorded_at.astimezone(zone):%Y-%m-%d %H:%M}"),
            (REGULAR, SIZE, LEFT + 90, what),
            (REGULAR, SIZE, -AMOUNT_RIGHT, decimal_amount(each.amount, each.currency)),
            (
                REGULAR,
                SIZE,
                -BALANCE_RIGHT,
                f"{each.currency} {decimal_amount(each.balance, each.currency)}",
            ),
        ]


def _pages(rows: list[Row]) -> Iterator[list[Text]]:
    page: list[Text] = []
    y = float(TOP)
    for row in rows:
        if y < BOTTOM:
            yield page
            page, y = [], float(TOP)
        for font, size, x, line in row:
            page.append(figure(line, size, y, right=-x) if x < 0 else Text(font, size, x, y, line))
        y -= LEADING
    yield page
