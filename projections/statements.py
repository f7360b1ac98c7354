"""A creator's month: what each account held, every line, and what it holds at the end.

A month is a calendar month of the book's time zone, and what belongs to it is what was recorded in
it: months chain, and one that is over never changes. What came late is of the month in which it was
learned. Everything is bounded by two positions, so all parts agree, whoever writes meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from ledger.accounts import normal_balance
from ledger.errors import NotFound
from ledger.events import CreatorRegistered
from projections.creator_taxes import READ_BOUNDS, SETTLED_AFTER, month_bounds
from projections.cursor import InvalidCursor, decode_cursor, encode_cursor
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX
from projections.transactions import transaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID
    from zoneinfo import ZoneInfo

    from projections.reader import Reader
    from projections.transactions import Transaction

CURSOR: Final = "statement"
LINE_MAX: Final = 32_767
"""No line of an entry has a higher number."""

# A creator's accounts are the names from 'creator:{id}:' to 'creator:{id};', ';' following ':'.
READ_TOTALS: Final = """
    SELECT balances.account, balances.currency, coalesce(opening.balance, 0)::text,
           closing.balance::text, moved.credits::text, moved.debits::text, moved.lines
    FROM balances
    CROSS JOIN LATERAL (
        SELECT balance FROM journal_lines
        WHERE journal_lines.account_id = balances.account_id AND position <= %(up_to)b::bigint
        ORDER BY position DESC, line DESC LIMIT 1
    ) AS closing
    LEFT JOIN LATERAL (
        SELECT balance FROM journal_lines
        WHERE journal_lines.account_id = balances.account_id AND position <= %(after)b::bigint
        ORDER BY position DESC, line DESC LIMIT 1
    ) AS opening ON true
    CROSS JOIN LATERAL (
        SELECT coalesce(-sum(amount) FILTER (WHERE amount < 0), 0) AS credits,
               coalesce(sum(amount) FILTER (WHERE amount > 0), 0) AS debits,
               count(*) AS lines
        FROM journal_lines
        WHERE journal_lines.account_id = balances.account_id
          AND position > %(after)b::bigint AND position <= %(up_to)b::bigint
    ) AS moved
    WHERE balances.account > 'creator:' || %(creator_id)b::uuid || ':'
      AND balances.account < 'creator:' || %(creator_id)b::uuid || ';'
    ORDER BY balances.currency, balances.account
"""

READ_LINES: Final = """
    SELECT page.position, page.line, page.account, page.currency, page.amount, page.balance::text,
           page.recorded_at, page.effective_at, caused_by.topic, caused_by.originator_id
    FROM (
        SELECT balances.account, balances.currency, lines.*
        FROM balances
        CROSS JOIN LATERAL (
            SELECT position, line, amount, balance, recorded_at, effective_at
            FROM journal_lines
            WHERE journal_lines.account_id = balances.account_id
              AND (position, line) > (%(position)b::bigint, %(line)b::bigint)
              AND position <= %(up_to)b::bigint
            ORDER BY position, line LIMIT %(limit)b::bigint
        ) AS lines
        WHERE balances.account > 'creator:' || %(creator_id)b::uuid || ':'
          AND balances.account < 'creator:' || %(creator_id)b::uuid || ';'
        ORDER BY lines.position, lines.line LIMIT %(limit)b::bigint
    ) AS page
    LEFT JOIN ledger_events AS caused_by ON caused_by.notification_id = page.position
    ORDER BY page.position, page.line
"""


READ_SINCE: Final = """
    SELECT turns.recorded_at, head.position,
           greatest(clock_timestamp(), head.recorded_at)
    FROM (SELECT position, recorded_at FROM turns ORDER BY position DESC LIMIT 1) AS head
    JOIN ledger_events AS registered
      ON registered.originator_id = %(creator_id)b::uuid
     AND registered.originator_version = 1 AND registered.topic = %(topic)b
    CROSS JOIN LATERAL (
        SELECT recorded_at FROM turns WHERE turns.position >= registered.notification_id
        ORDER BY turns.position LIMIT 1
    ) AS turns
"""


class MonthNotBegun(NotFound):
    """There is no statement of {month} yet: that month has not begun."""

    code = "month_not_begun"


class Month(NamedTuple):
    """A month of the log: what is after one position and up to another.

    While it is not `final`, its end is where the log ends now.
    """

    name: str
    after: int
    up_to: int
    final: bool


@dataclass(frozen=True, slots=True)
class AccountTotals:
    """One account in one currency, in minor units, positive when they are the creator's.

    closing = opening + credits - debits. `account` is the short name: pending, available, held,
    reserved, in_transit.
    """

    account: str
    currency: str
    opening: int
    credits: int
    debits: int
    closing: int
    lines: int


class LinesPage(NamedTuple):
    """Lines of a month, oldest first; `next_cursor` is None on the last page."""

    items: list[Transaction]
    next_cursor: str | None


async def month_of(reader: Reader, name: str, zone: ZoneInfo) -> Month:
    """The positions of a month ("2026-11"). Raises `MonthNotBegun` or `ReadUnavailable`."""
    begins, ends = month_bounds(name, zone)
    [(now, after, up_to)] = await reader.fetch(READ_BOUNDS, {"begins": begins, "ends": ends})
    if now < begins:
        raise MonthNotBegun(month=name)
    return Month(name, after, up_to, final=now >= ends + SETTLED_AFTER)


class Months(NamedTuple):
    """The months of a creator, newest first, at a position; the newest is under way."""

    names: list[str]
    position: int


async def months_of_creator(reader: Reader, creator_id: UUID, zone: ZoneInfo) -> Months | None:
    """All months since a creator was registered, or None for an unknown one.

    Raises `ReadUnavailable`.
    """
    rows = await reader.fetch(
        READ_SINCE, {"creator_id": creator_id, "topic": CreatorRegistered.TOPIC}
    )
    if not rows:
        return None
    [(registered_at, position, now)] = rows
    first, last = registered_at.astimezone(zone), now.astimezone(zone)
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    names = [f"{number // 12:04}-{number % 12 + 1:02}" for number in reversed(numbers)]
    return Months(names, position)


async def statement_totals(reader: Reader, creator_id: UUID, month: Month) -> list[AccountTotals]:
    """What each account held, what moved, and what it holds; those without a line are left out.

    Raises `ReadUnavailable`.
    """
    rows = await reader.fetch(
        READ_TOTALS, {"creator_id": creator_id, "after": month.after, "up_to": month.up_to}
    )
    return [
        AccountTotals(
            account=account.rpartition(":")[2],
            currency=currency,
            opening=normal_balance(account, int(opening)),
            credits=int(credits_),
            debits=int(debits),
            closing=normal_balance(account, int(closing)),
            lines=lines,
        )
        for account, currency, opening, closing, credits_, debits, lines in rows
    ]


def resumed(cursor: str, now: Month) -> tuple[Month, tuple[int, int]]:
    """The month as the first page saw it, and the line after which to go on.

    Of the cursor only the end is believed, and no end that the month has not: the rest is as the
    month stands `now`. Raises `InvalidCursor`, also for another month's.
    """
    up_to, position, line = map(int, decode_cursor(cursor, f"{CURSOR} {now.name}", int, int, int))
    if not now.after <= position <= up_to <= now.up_to or line > LINE_MAX:
        raise InvalidCursor
    final = now.final and up_to == now.up_to
    return now._replace(up_to=up_to, final=final), (position, line)


async def statement_lines(
    reader: Reader,
    creator_id: UUID,
    month: Month,
    *,
    after: tuple[int, int] | None = None,
    limit: int = PAGE_SIZE,
) -> LinesPage:
    """A page of a month's lines; the first, or those after a position and line.

    Raises `ReadUnavailable`.
    """
    position, line = after or (month.after, LINE_MAX)
    rows = await reader.fetch(
        READ_LINES,
        {
            "creator_id": creator_id,
            "position": position,
            "line": line,
            "up_to": month.up_to,
            "limit": limit + 1,
        },
    )
    items = [transaction(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return LinesPage(items, None)
    place = (month.up_to, items[-1].position, items[-1].line)
    return LinesPage(items, encode_cursor(f"{CURSOR} {month.name}", *place))


async def all_statement_lines(
    reader: Reader, creator_id: UUID, month: Month
) -> AsyncIterator[list[Transaction]]:
    """All lines of a month, oldest first, holding a page at a time. Raises `ReadUnavailable`."""
    after: tuple[int, int] | None = None
    while True:
        page = await statement_lines(reader, creator_id, month, after=after, limit=PAGE_SIZE_MAX)
        yield page.items
        if page.next_cursor is None:
            break
        after = (page.items[-1].position, page.items[-1].line)
