"""What changed between two positions? An account a line: before, debits, credits, after.

Debits and credits are added up from the lines in between, in one pass by their positions; before
and after are running balances, looked up. So a comparison costs by what changed, and nothing by how
long the book is or how many accounts it has. A page reads all lines in between; `all_changes` reads
them once, slice by slice, however many they are.

    before + debits − credits = after     in every account, or a line is not what it was
    debits = credits                      in every currency
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from ledger.accounts import Side, side_of
from ledger.errors import LedgerError
from projections.cursor import InvalidCursor, decode_cursor, encode_cursor
from projections.reader import BATCH_SIZE, PAGE_SIZE, PAGE_SIZE_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from projections.reader import Reader

CURSOR: Final = "account changes"
SLICE: Final = 100_000
"""Positions that are added up in one statement."""

READ_PAGE: Final = """
    WITH moved AS MATERIALIZED (
        SELECT account_id, count(*) AS lines,
               coalesce(sum(amount) FILTER (WHERE amount > 0), 0) AS debits,
               coalesce(-sum(amount) FILTER (WHERE amount < 0), 0) AS credits
        FROM journal_lines
        WHERE position > %(first)b::bigint AND position <= %(second)b::bigint
        GROUP BY account_id
    ),
    named AS MATERIALIZED (
        SELECT moved.*, balances.account, balances.currency
        FROM moved JOIN balances USING (account_id)
    )
    SELECT NULL AS account, currency, sum(lines)::bigint, sum(debits)::text, sum(credits)::text,
           count(*)::text, NULL
    FROM named GROUP BY currency
    UNION ALL (
        SELECT page.account, page.currency, page.lines, page.debits::text, page.credits::text,
               coalesce(before.balance, 0)::text, after.balance::text
        FROM (
            SELECT * FROM named
            WHERE (account, currency) > (%(account)b::text, %(currency)b::text)
            ORDER BY account, currency LIMIT %(limit)b::bigint
        ) AS page
        LEFT JOIN LATERAL (
            SELECT balance FROM journal_lines
            WHERE account_id = page.account_id AND position <= %(first)b::bigint
            ORDER BY position DESC, line DESC LIMIT 1
        ) AS before ON true
        CROSS JOIN LATERAL (
            SELECT balance FROM journal_lines
            WHERE account_id = page.account_id AND position <= %(second)b::bigint
            ORDER BY position DESC, line DESC LIMIT 1
        ) AS after
    )
    ORDER BY 1 NULLS FIRST, 2
"""

READ_SLICE: Final = """
    SELECT account_id, count(*),
           coalesce(sum(amount) FILTER (WHERE amount > 0), 0)::text,
           coalesce(-sum(amount) FILTER (WHERE amount < 0), 0)::text
    FROM journal_lines
    WHERE position > %(first)b::bigint AND position <= %(second)b::bigint
    GROUP BY account_id
"""

READ_ENDS: Final = """
    SELECT balances.account_id, balances.account, balances.currency,
           coalesce(before.balance, 0)::text, after.balance::text
    FROM unnest(%(accounts)b::integer[]) AS wanted (account_id)
    JOIN balances USING (account_id)
    LEFT JOIN LATERAL (
        SELECT balance FROM journal_lines
        WHERE account_id = wanted.account_id AND position <= %(first)b::bigint
        ORDER BY position DESC, line DESC LIMIT 1
    ) AS before ON true
    CROSS JOIN LATERAL (
        SELECT balance FROM journal_lines
        WHERE account_id = wanted.account_id AND position <= %(second)b::bigint
        ORDER BY position DESC, line DESC LIMIT 1
    ) AS after
"""


class PositionsReversed(LedgerError):
    """The first position lies behind the second. Ask the other way round."""

    code = "positions_reversed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChange:
    """An account with at least one line in between; minor units, balances debit positive."""

    account: str
    currency: str
    side: Side
    before: int
    debits: int
    credits: int
    after: int
    lines: int

    @property
    def sums_match(self) -> bool:
        """Whether the lines in between lead from one running balance to the other."""
        return self.before + self.debits - self.credits == self.after


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeTotals:
    """All changes of one currency: what is debited is credited, or the books are wrong."""

    currency: str
    accounts: int
    debits: int
    credits: int
    lines: int

    @property
    def balanced(self) -> bool:
        """Whether they sum to zero."""
        return self.debits == self.credits


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """A page of accounts by name; the totals are of all pages."""

    first: int
    second: int
    items: list[AccountChange]
    totals: list[ChangeTotals]
    next_cursor: str | None

    @property
    def sums_match(self) -> bool:
        """Whether every account that is shown, and every currency, adds up."""
        return all(each.sums_match for each in self.items) and all(
            each.balanced for each in self.totals
        )


async def changes_page(
    reader: Reader, first: int, second: int, *, cursor: str | None = None, limit: int = PAGE_SIZE
) -> Changes:
    """A page of what changed after `first`, up to and with `second`.

    A cursor is only good for the positions that it was given for. `limit` is cut to 1 …
    `PAGE_SIZE_MAX`. Raises `PositionsReversed`, `PositionNotReached`, `InvalidCursor` or
    `ReadUnavailable`.
    """
    await _check(reader, first, second)
    after: list[int | str] = ["", ""]
    if cursor is not None:
        *positions, account, currency = decode_cursor(cursor, CURSOR, int, int, str, str)
        if positions != [first, second]:
            raise InvalidCursor
        after = [account, currency]
    limit = min(max(limit, 1), PAGE_SIZE_MAX)
    rows = await reader.fetch(
        READ_PAGE,
        {
            "first": first,
            "second": second,
            "account": after[0],
            "currency": after[1],
            "limit": limit + 1,
        },
    )
    items = [_change(*row) for row in rows if row[0] is not None]
    next_cursor = None
    if len(items) > limit:
        items = items[:limit]
        next_cursor = encode_cursor(CURSOR, first, second, items[-1].account, items[-1].currency)
    return Changes(
        first=first,
        second=second,
        items=items,
        totals=[_totals(*row) for row in rows if row[0] is None],
        next_cursor=next_cursor,
    )


async def all_changes(
    reader: Reader,
    first: int,
    second: int,
    *,
    slice_size: int = SLICE,
    progress: Callable[[int], None] = lambda _position: None,
) -> Changes:
    """All that changed, however much it is; memory is needed for the accounts that did.

    Raises as `changes_page` does.
    """
    await _check(reader, first, second)
    moved: dict[int, list[int]] = {}
    for begin in range(first, second, slice_size):
        end = min(begin + slice_size, second)
        for account_id, *sums in await reader.fetch(READ_SLICE, {"first": begin, "second": end}):
            known = moved.setdefault(account_id, [0, 0, 0])
            moved[account_id] = [a + int(b) for a, b in zip(known, sums, strict=True)]
        progress(end)
    items: list[AccountChange] = []
    waiting = iter(moved)
    while accounts := list(islice(waiting, BATCH_SIZE)):
        ends = {"accounts": accounts, "first": first, "second": second}
        for account_id, account, currency, before, after in await reader.fetch(READ_ENDS, ends):
            items.append(_change(account, currency, *moved[account_id], before, after))
    items.sort(key=lambda item: (item.account, item.currency))
    return Changes(
        first=first, second=second, items=items, totals=_added_up(items), next_cursor=None
    )


async def _check(reader: Reader, first: int, second: int) -> None:
    if first > second:
        raise PositionsReversed
    await reader.wait_for(second)


def _added_up(items: Iterable[AccountChange]) -> list[ChangeTotals]:
    sums: dict[str, list[int]] = {}
    for item in items:
        known = sums.setdefault(item.currency, [0, 0, 0, 0])
        more = (item.lines, item.debits, item.credits, 1)
        sums[item.currency] = [a + b for a, b in zip(known, more, strict=True)]
    return [_totals(None, currency, *sums[currency], None) for currency in sorted(sums)]


def _change(*row: Any) -> AccountChange:  # noqa: ANN401 - a row of either statement
    account, currency, lines, debits, credits_, before, after = row
    return AccountChange(
        account=account,
        currency=currency,
        side=side_of(account),
        before=int(before),
        debits=int(debits),
        credits=int(credits_),
        after=int(after),
        lines=int(lines),
    )


def _totals(*row: Any) -> ChangeTotals:  # noqa: ANN401 - the same, of the rows without an account
    _, currency, lines, debits, credits_, accounts, _ = row
    return ChangeTotals(
        currency=currency,
        accounts=int(accounts),
        debits=int(debits),
        credits=int(credits_),
        lines=int(lines),
    )
