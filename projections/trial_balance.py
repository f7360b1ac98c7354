"""Do the books add up? Debits and credits per currency, and every account's balance, at a position.

Debits are positive and credits negative, in minor units, as in the journal. Whatever the moment,
the answer comes from lines that no longer change, so it stays true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.accounts import Side, normal_balance, side_of
from projections.cursor import decode_cursor, encode_cursor
from projections.effective_balances import MOMENT, SUM_OF_TERMS, TAKEN_EFFECT
from projections.reader import BATCH_SIZE, PAGE_SIZE, PAGE_SIZE_MAX

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from projections.reader import Reader

CURSOR: Final = "accounts"

# An account that no line has touched since the position still has the balance that it had there.
READ_TRIAL_BALANCE: Final = """
    SELECT balances.currency,
           coalesce(sum(past.balance) FILTER (WHERE past.balance > 0), 0)::text,
           coalesce(-sum(past.balance) FILTER (WHERE past.balance < 0), 0)::text,
           count(*)
    FROM balances
    CROSS JOIN LATERAL (
        SELECT balances.balance WHERE balances.position <= %(position)b::bigint
        UNION ALL (
            SELECT journal_lines.balance FROM journal_lines
            WHERE balances.position > %(position)b::bigint
              AND journal_lines.account_id = balances.account_id
              AND journal_lines.position <= %(position)b::bigint
            ORDER BY journal_lines.position DESC, journal_lines.line DESC LIMIT 1
        )
    ) AS past
    GROUP BY balances.currency ORDER BY balances.currency
"""

READ_EFFECTIVE_TRIAL_BALANCE: Final = f"""
    WITH account AS (
        SELECT account_id, currency FROM balances
        WHERE EXISTS (SELECT FROM journal_lines
                      WHERE journal_lines.account_id = balances.account_id
                        AND journal_lines.position <= %(position)b::bigint)
    ), {MOMENT}, past AS (
        SELECT account.currency, {SUM_OF_TERMS} AS balance
        FROM account CROSS JOIN moment {TAKEN_EFFECT}
    )
    SELECT currency,
           coalesce(sum(balance) FILTER (WHERE balance > 0), 0)::text,
           coalesce(-sum(balance) FILTER (WHERE balance < 0), 0)::text,
           count(*)
    FROM past GROUP BY currency ORDER BY currency
"""  # noqa: S608 - of constants

READ_EFFECTIVE_ACCOUNTS: Final = f"""
    WITH account AS (
        SELECT balances.account_id, balances.account, balances.currency, line.position
        FROM balances
        CROSS JOIN LATERAL (
            SELECT journal_lines.position FROM journal_lines
            WHERE journal_lines.account_id = balances.account_id
              AND journal_lines.position <= %(position)b::bigint
            ORDER BY journal_lines.position DESC, journal_lines.line DESC LIMIT 1
        ) AS line
        WHERE (balances.account, balances.currency) > (%(account)b::text, %(currency)b::text)
          AND balances.account >= %(prefix)b::text
          AND balances.account < %(prefix)b::text || chr(1114111)
        ORDER BY balances.account, balances.currency LIMIT %(limit)b::bigint
    ), {MOMENT}
    SELECT account.account, account.currency, ({SUM_OF_TERMS})::text, account.position
    FROM account CROSS JOIN moment {TAKEN_EFFECT}
    ORDER BY account.account, account.currency
"""  # noqa: S608 - of constants

READ_ACCOUNTS: Final = """
    SELECT balances.account, balances.currency, line.balance::text, line.position
    FROM balances
    CROSS JOIN LATERAL (
        SELECT journal_lines.balance, journal_lines.position FROM journal_lines
        WHERE journal_lines.account_id = balances.account_id
          AND journal_lines.position <= %(position)b::bigint
        ORDER BY journal_lines.position DESC, journal_lines.line DESC LIMIT 1
    ) AS line
    WHERE (balances.account, balances.currency) > (%(account)b::text, %(currency)b::text)
      AND balances.account >= %(prefix)b::text
      AND balances.account < %(prefix)b::text || chr(1114111)
    ORDER BY balances.account, balances.currency LIMIT %(limit)b::bigint
"""


@dataclass(frozen=True, slots=True)
class CurrencyTotals:
    """One currency's side of the books: the sums of debit and of credit balances, in minor units.

    `accounts` counts those that have a line, also where it left them at zero.
    """

    currency: str
    debits: int
    credits: int
    accounts: int

    @property
    def balanced(self) -> bool:
        """Whether all balances sum to zero."""
        return self.debits == self.credits


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """The totals of every currency at a position."""

    position: int
    currencies: list[CurrencyTotals]

    @property
    def balanced(self) -> bool:
        """Whether every currency is."""
        return all(totals.balanced for totals in self.currencies)


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """An account in one currency: its balance in minor units, debit positive.

    `normal_balance` is the same as people read it, positive where the account has grown;
    `changed_position` is the position of its last line.
    """

    account: str
    currency: str
    side: Side
    balance: int
    normal_balance: int
    changed_position: int


@dataclass(frozen=True, slots=True)
class AccountPage:
    """Accounts by name and currency with their balances at `position`, the same on every page."""

    position: int
    items: list[AccountBalance]
    next_cursor: str | None


async def trial_balance(
    reader: Reader,
    *,
    as_of_position: int | None = None,
    as_of: datetime | None = None,
    effective: datetime | None = None,
) -> TrialBalance:
    """The trial balance now, at a position or at a recorded time.

    With `effective`, of what had taken effect by then, as it was known at that position. An entry
    takes effect as a whole, so it balances too. Reads every account once. Raises
    `PositionNotReached` or `ReadUnavailable`.
    """
    position = await reader.position_at(as_of_position=as_of_position, as_of=as_of)
    if effective is None:
        rows = await reader.fetch(READ_TRIAL_BALANCE, {"position": position})
    else:
        rows = await reader.fetch(
            READ_EFFECTIVE_TRIAL_BALANCE, {"position": position, "effective": effective}
        )
    return TrialBalance(
        position,
        [
            CurrencyTotals(currency, int(debits), int(credits_), accounts)
            for currency, debits, credits_, accounts in rows
        ],
    )


async def accounts_page(
    reader: Reader,
    *,
    prefix: str = "",
    as_of_position: int | None = None,
    as_of: datetime | None = None,
    effective: datetime | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> AccountPage:
    """A page of the accounts whose names begin with `prefix`, and their balances as of a moment.

    With `effective`, of what had taken effect by then. The first page fixes the position for those
    that follow, so that together they add up; then `as_of_position` and `as_of` are not looked at,
    and with another `effective` its cursor is none. `limit` is cut to 1 … `PAGE_SIZE_MAX`. Raises
    `InvalidCursor`, `PositionNotReached` or `ReadUnavailable`.
    """
    if cursor is None:
        position = await reader.position_at(as_of_position=as_of_position, as_of=as_of)
        after = (position, "", "")
    else:
        after = _after(cursor, effective)
    limit = min(max(limit, 1), PAGE_SIZE_MAX)
    return await _page(reader, prefix, after, limit, effective=effective)


async def account_pages(
    reader: Reader,
    *,
    prefix: str = "",
    as_of_position: int | None = None,
    as_of: datetime | None = None,
) -> AsyncIterator[AccountPage]:
    """All these accounts at one position, `BATCH_SIZE` at a time, in constant memory.

    Raises `PositionNotReached` or `ReadUnavailable`.
    """
    position = await reader.position_at(as_of_position=as_of_position, as_of=as_of)
    after = (position, "", "")
    while True:
        page = await _page(reader, prefix, after, BATCH_SIZE)
        yield page
        if page.next_cursor is None:
            return
        after = _after(page.next_cursor)


def _kind(effective: datetime | None) -> str:
    return CURSOR if effective is None else f"{CURSOR}, {effective.isoformat()}"


def _after(cursor: str, effective: datetime | None = None) -> tuple[int, str, str]:
    position, account, currency = decode_cursor(cursor, _kind(effective), int, str, str)
    return int(position), str(account), str(currency)


async def _page(
    reader: Reader,
    prefix: str,
    after: tuple[int, str, str],
    limit: int,
    *,
    effective: datetime | None = None,
) -> AccountPage:
    position, account, currency = after
    rows = await reader.fetch(
        READ_ACCOUNTS if effective is None else READ_EFFECTIVE_ACCOUNTS,
        {
            **({} if effective is None else {"effective": effective}),
            "position": position,
            "account": account,
            "currency": currency,
            "prefix": prefix,
            "limit": limit + 1,
        },
    )
    items = [
        AccountBalance(
            account=account,
            currency=currency,
            side=side_of(account),
            balance=int(balance),
            normal_balance=normal_balance(account, int(balance)),
            changed_position=changed,
        )
        for account, currency, balance, changed in rows[:limit]
    ]
    if len(rows) <= limit:
        return AccountPage(position, items, None)
    last = items[-1]
    return AccountPage(
        position, items, encode_cursor(_kind(effective), position, last.account, last.currency)
    )
