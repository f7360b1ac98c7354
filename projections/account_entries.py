"""How did an account come to its balance? Its journal lines, each with the balance after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ledger.accounts import Side, side_of
from projections.cursor import decode_cursor, encode_cursor
from projections.effective_balances import LATE, MOMENT
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX, POSITION_MAX

if TYPE_CHECKING:
    from ledger.journal import AccountKey
    from projections.reader import Reader

OLDEST_FIRST: Final = "entries"
NEWEST_FIRST: Final = "entries, newest first"
"""The names of both lists in cursors."""

READ_ENTRIES: Final = """
    SELECT lines.position, lines.line, lines.amount, lines.balance::text,
           lines.recorded_at, lines.effective_at,
           caused_by.topic, caused_by.originator_id, caused_by.originator_version
    FROM (
        SELECT * FROM journal_lines
        WHERE account_id = (SELECT account_id FROM balances
                            WHERE account = %(account)b AND currency = %(currency)b)
          AND (position, line) > (%(after)b::bigint, %(line)b::bigint)
          AND position <= %(position)b::bigint
        ORDER BY position, line LIMIT %(limit)b::bigint
    ) AS lines
    LEFT JOIN ledger_events AS caused_by ON caused_by.notification_id = lines.position
    ORDER BY lines.position, lines.line
"""

READ_ENTRIES_NEWEST_FIRST: Final = """
    SELECT lines.position, lines.line, lines.amount, lines.balance::text,
           lines.recorded_at, lines.effective_at,
           caused_by.topic, caused_by.originator_id, caused_by.originator_version
    FROM (
        SELECT * FROM journal_lines
        WHERE account_id = (SELECT account_id FROM balances
                            WHERE account = %(account)b AND currency = %(currency)b)
          AND (position, line) < (%(after)b::bigint, %(line)b::bigint)
          AND position <= %(position)b::bigint
        ORDER BY position DESC, line DESC LIMIT %(limit)b::bigint
    ) AS lines
    LEFT JOIN ledger_events AS caused_by ON caused_by.notification_id = lines.position
    ORDER BY lines.position DESC, lines.line DESC
"""

_EFFECTIVE_ENTRIES: Final = f"""
    WITH account AS (
        SELECT account_id FROM balances WHERE account = %(account)b AND currency = %(currency)b
    ), {MOMENT}, found AS (
        (SELECT journal_lines.* FROM account CROSS JOIN moment
         CROSS JOIN LATERAL (
             SELECT * FROM journal_lines
             WHERE journal_lines.account_id = account.account_id
               AND position <= moment.soon AND effective_at <= %(effective)b
               AND (position, line) {{beyond}} (%(after)b::bigint, %(line)b::bigint)
             ORDER BY position {{order}}, line {{order}} LIMIT %(limit)b::bigint
         ) AS journal_lines)
        UNION ALL
        (SELECT late.* FROM account CROSS JOIN moment
         CROSS JOIN generate_series(2, 19) AS lateness
         CROSS JOIN LATERAL (
             SELECT * FROM journal_lines
             WHERE journal_lines.account_id = account.account_id AND {LATE}
         ) AS late
         WHERE (late.position, late.line) {{beyond}} (%(after)b::bigint, %(line)b::bigint))
    )
    SELECT lines.position, lines.line, lines.amount, lines.balance::text,
           lines.recorded_at, lines.effective_at,
           caused_by.topic, caused_by.originator_id, caused_by.originator_version
    FROM (
        SELECT * FROM found ORDER BY position {{order}}, line {{order}} LIMIT %(limit)b::bigint
    ) AS lines
    LEFT JOIN ledger_events AS caused_by ON caused_by.notification_id = lines.position
    ORDER BY lines.position {{order}}, lines.line {{order}}
"""  # noqa: S608 - of constants
READ_EFFECTIVE_ENTRIES: Final = _EFFECTIVE_ENTRIES.format(beyond=">", order="ASC")
READ_EFFECTIVE_ENTRIES_NEWEST_FIRST: Final = _EFFECTIVE_ENTRIES.format(beyond="<", order="DESC")


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """One line of an account; `position` and `line` are its key.

    `amount`, and `balance` after it, are minor units, debit positive. Topic, stream and version
    name the event that caused it.
    """

    position: int
    line: int
    amount: int
    balance: int
    recorded_at: datetime
    effective_at: datetime
    topic: str
    stream_id: UUID
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPage:
    """Lines of one account in one currency up to `position`, the same on every page."""

    position: int
    account: str
    currency: str
    side: Side
    items: list[AccountEntry]
    next_cursor: str | None


async def entries_page(
    reader: Reader,
    account: str,
    currency: str,
    *,
    newest_first: bool = False,
    as_of_position: int | None = None,
    as_of: datetime | None = None,
    effective: datetime | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> EntryPage | None:
    """A page of an account's lines as of a moment; None if the account had none by then.

    With `effective` only those that had taken effect by then; `balance` stays the one in the order
    in which they were recorded. The first page fixes the position for those that follow; then
    `as_of_position` and `as_of` are not looked at; with another `effective` its cursor is none.
    `limit` is cut to 1 … `PAGE_SIZE_MAX`. Raises `InvalidCursor`, `PositionNotReached` or
    `ReadUnavailable`.
    """
    order = NEWEST_FIRST if newest_first else OLDEST_FIRST
    kind = order if effective is None else f"{order}, {effective.isoformat()}"
    if cursor is None:
        end = await reader.position_at(as_of_position=as_of_position, as_of=as_of)
        after = (POSITION_MAX if newest_first else 0, 0)
    else:
        end, *key = map(int, decode_cursor(cursor, kind, int, int, int))
        after = (key[0], key[1])
    limit = min(max(limit, 1), PAGE_SIZE_MAX)
    items = await _entries(
        reader,
        (account, currency),
        order=order,
        after=after,
        end=end,
        effective=effective,
        limit=limit + 1,
    )
    if not items:
        return None
    next_cursor = None
    if len(items) > limit:
        items = items[:limit]
        next_cursor = encode_cursor(kind, end, items[-1].position, items[-1].line)
    return EntryPage(
        position=end,
        account=account,
        currency=currency,
        side=side_of(account),
        items=items,
        next_cursor=next_cursor,
    )


async def _entries(
    reader: Reader,
    account: AccountKey,
    *,
    order: str,
    after: tuple[int, int],
    end: int,
    effective: datetime | None,
    limit: int,
) -> list[AccountEntry]:
    statements = (READ_ENTRIES, READ_ENTRIES_NEWEST_FIRST)
    if effective is not None:
        statements = (READ_EFFECTIVE_ENTRIES, READ_EFFECTIVE_ENTRIES_NEWEST_FIRST)
    rows = await reader.fetch(
        statements[order == NEWEST_FIRST],
        {
            "account": account[0],
            "currency": account[1],
            "after": after[0],
            "line": after[1],
            "position": end,
            "limit": limit,
            **({} if effective is None else {"effective": effective}),
        },
    )
    return [
        AccountEntry(position, line, amount, int(balance), *rest)
        for position, line, amount, balance, *rest in rows
    ]
