"""An account's balance by when things took effect, and not by when we learned of them.

What took effect up to a time T is, in milliseconds however long the journal is:

    the running balance after the last line recorded up to T; it had taken effect by then
    + of the lines recorded within a minute after T, those that took effect up to T
    + of the lines recorded later, the *late* ones that took effect up to T (a partial index)

A late line is one recorded more than a minute after it took effect. Which of them surround T? They
are kept by how late they are, to a power of four: those of one class took effect at most so long
before they were recorded, so few are read that were recorded by T, whatever the latest of all is.
The classes go to ten thousand years, the longest that two of our times can lie apart; of those of
more than a hundred years all are read.
Every term is bounded by a position, so the balance can be asked as it was known at a position or
at a recorded time: what we thought last month that last year's balance was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.accounts import Side, normal_balance, side_of

if TYPE_CHECKING:
    from datetime import datetime

    from projections.reader import Reader

MOMENT: Final = """
    moment AS (
        SELECT least(%(position)b::bigint,
                     coalesce((SELECT position FROM turns WHERE recorded_at <= %(effective)b
                               ORDER BY recorded_at DESC, position DESC LIMIT 1), 0)) AS recorded,
               least(%(position)b::bigint,
                     coalesce((SELECT position FROM turns
                               WHERE recorded_at <= %(effective)b + interval '60 seconds'
                               ORDER BY recorded_at DESC, position DESC LIMIT 1), 0)) AS soon
    )
"""
"""A `WITH` of the last positions that were recorded up to T, and up to a minute after it."""

LATE: Final = """
    recorded_at - effective_at > interval '60 seconds'
    AND floor(log(4, extract(epoch FROM recorded_at - effective_at)))::integer = lateness
    AND effective_at <= %(effective)b
    AND effective_at > CASE WHEN lateness > 15 THEN timestamptz '-infinity'
        ELSE %(effective)b - power(4, lateness + 1) * interval '1 second' END
    -- Added to, so that no index by position is thought to be the better way.
    AND position + 0 > moment.soon AND position + 0 <= %(position)b::bigint
"""
"""Which lines of one class of lateness took effect up to T, but were recorded long after."""

TAKEN_EFFECT: Final = f"""
    LEFT JOIN LATERAL (
        SELECT balance FROM journal_lines
        WHERE journal_lines.account_id = account.account_id AND position <= moment.recorded
        ORDER BY position DESC, line DESC LIMIT 1
    ) AS recorded ON true
    CROSS JOIN LATERAL (
        SELECT sum(amount) AS amount FROM journal_lines
        WHERE journal_lines.account_id = account.account_id
          AND position > moment.recorded AND position <= moment.soon
          AND effective_at <= %(effective)b
    ) AS soon
    CROSS JOIN LATERAL (
        SELECT sum(of_class.amount) AS amount
        FROM generate_series(2, 19) AS lateness
        CROSS JOIN LATERAL (
            SELECT sum(amount) AS amount FROM journal_lines
            WHERE journal_lines.account_id = account.account_id AND {LATE}
        ) AS of_class
    ) AS late
"""  # noqa: S608 - of constants
"""The three terms of one `account`, to be joined to it and to `moment`."""

SUM_OF_TERMS: Final = """
    coalesce(recorded.balance, 0) + coalesce(soon.amount, 0) + coalesce(late.amount, 0)
"""

READ_EFFECTIVE: Final = f"""
    WITH account AS (
        SELECT account_id FROM balances WHERE account = %(account)b AND currency = %(currency)b
    ), {MOMENT}
    SELECT {SUM_OF_TERMS},
           EXISTS (SELECT FROM journal_lines WHERE journal_lines.account_id = account.account_id
                     AND position <= %(position)b::bigint)
    FROM account CROSS JOIN moment {TAKEN_EFFECT}
"""  # noqa: S608 - of constants


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveBalance:
    """A balance at a time at which things took effect, as it was known at `position`.

    `balance` is in minor units, debit positive; `normal_balance` as people read it.
    """

    account: str
    currency: str
    side: Side
    balance: int
    normal_balance: int
    effective: datetime
    position: int


async def effective_balance(
    reader: Reader,
    account: str,
    currency: str,
    effective: datetime,
    *,
    as_of_position: int | None = None,
    as_of: datetime | None = None,
) -> EffectiveBalance | None:
    """What had taken effect in an account up to `effective`, by all that is or was known.

    None if the account had no line by then. Raises `PositionNotReached` or `ReadUnavailable`.
    """
    position = await reader.position_at(as_of_position=as_of_position, as_of=as_of)
    rows = await reader.fetch(
        READ_EFFECTIVE,
        {
            "account": account,
            "currency": currency,
            "effective": effective,
            "position": position,
        },
    )
    if not rows or not rows[0][1]:
        return None
    balance = int(rows[0][0])
    return EffectiveBalance(
        account=account,
        currency=currency,
        side=side_of(account),
        balance=balance,
        normal_balance=normal_balance(account, balance),
        effective=effective,
        position=position,
    )
