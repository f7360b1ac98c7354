"""What happened to a creator's money? The lines of their accounts, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from ledger.accounts import normal_balance
from ledger.events import CreatorRegistered
from projections.cursor import decode_cursor, encode_cursor
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX, POSITION_MAX

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from projections.reader import Reader

CURSOR: Final = "transactions"

# The newest lines of each account, then the newest of those: a page's worth of each is read.
READ_TRANSACTIONS: Final = """
    SELECT head.position, page.position, page.line, page.account, page.currency, page.amount,
           page.balance::text, page.recorded_at, page.effective_at,
           caused_by.topic, caused_by.originator_id
    FROM (SELECT max(position) AS position FROM turns) AS head
    JOIN ledger_events AS registered
      ON registered.originator_id = %(creator_id)b::uuid
     AND registered.originator_version = 1 AND registered.topic = %(topic)b
    LEFT JOIN LATERAL (
        SELECT balances.account, balances.currency, lines.*
        FROM balances
        CROSS JOIN LATERAL (
            SELECT position, line, amount, balance, recorded_at, effective_at
            FROM journal_lines
            WHERE journal_lines.account_id = balances.account_id
              AND (position, line) < (%(position)b::bigint, %(line)b::bigint)
            ORDER BY position DESC, line DESC LIMIT %(limit)b::bigint
        ) AS lines
        WHERE balances.account > 'creator:' || %(creator_id)b::uuid || ':'
          AND balances.account < 'creator:' || %(creator_id)b::uuid || ';'
        ORDER BY lines.position DESC, lines.line DESC LIMIT %(limit)b::bigint
    ) AS page ON true
    LEFT JOIN ledger_events AS caused_by ON caused_by.notification_id = page.position
    ORDER BY page.position DESC, page.line DESC
"""


@dataclass(frozen=True, slots=True)
class Transaction:
    """One line of one of a creator's accounts; `position` and `line` are its key.

    `amount` and `balance`, the account's balance after it, are minor units, positive when they
    are the creator's. `account` is the short name: pending, available, held, reserved, in_transit.
    `topic` and `stream_id` name the event that caused it.
    """

    position: int
    line: int
    account: str
    currency: str
    amount: int
    balance: int
    recorded_at: datetime
    effective_at: datetime
    topic: str
    stream_id: UUID


@dataclass(frozen=True, slots=True)
class TransactionPage:
    """Transactions, newest first, true at `position`; `next_cursor` is None on the last page."""

    position: int
    items: list[Transaction]
    next_cursor: str | None


async def transactions_page(
    reader: Reader, creator_id: UUID, *, cursor: str | None = None, limit: int = PAGE_SIZE
) -> TransactionPage | None:
    """A page of a creator's transactions, or None for an unknown creator.

    `limit` is cut to 1 … `PAGE_SIZE_MAX`. Raises `InvalidCursor` or `ReadUnavailable`.
    """
    limit = min(max(limit, 1), PAGE_SIZE_MAX)
    position, line = (
        (POSITION_MAX, 0) if cursor is None else decode_cursor(cursor, CURSOR, int, int)
    )
    rows = await reader.fetch(
        READ_TRANSACTIONS,
        {
            "creator_id": creator_id,
            "topic": CreatorRegistered.TOPIC,
            "position": position,
            "line": line,
            "limit": limit + 1,
        },
    )
    if not rows:
        return None
    items = [transaction(row[1:]) for row in rows[:limit] if row[1] is not None]
    more = len(rows) > limit
    return TransactionPage(
        position=rows[0][0],
        items=items,
        next_cursor=encode_cursor(CURSOR, items[-1].position, items[-1].line) if more else None,
    )


async def transaction_pages(reader: Reader, creator_id: UUID) -> AsyncIterator[TransactionPage]:
    """All transactions from the newest, in pages of `PAGE_SIZE_MAX`, holding one at a time.

    Nothing for an unknown creator. Raises `ReadUnavailable`.
    """
    cursor: str | None = None
    while page := await transactions_page(reader, creator_id, cursor=cursor, limit=PAGE_SIZE_MAX):
        yield page
        cursor = page.next_cursor
        if cursor is None:
            break


def transaction(row: tuple[Any, ...]) -> Transaction:
    """A line of a creator's account, from its columns in the order of `READ_TRANSACTIONS`."""
    position, line, account, currency, amount, balance, recorded_at, effective_at, *cause = row
    topic, stream_id = cause
    return Transaction(
        position=position,
        line=line,
        account=account.rpartition(":")[2],
        currency=currency,
        amount=normal_balance(account, amount),
        balance=normal_balance(account, int(balance)),
        recorded_at=recorded_at,
        effective_at=effective_at,
        topic=topic,
        stream_id=stream_id,
    )
