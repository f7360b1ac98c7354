"""What money does a creator have? Pending, available, held, reserved and in transit, per currency.

The hottest read of all: concurrent questions become one statement, and an answer is a plain
dictionary that needs no validation before it is sent. The same statement tells what is released
next, as the clock knows it at a position of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypedDict

from ledger.accounts import CreatorFunds, normal_balance
from ledger.events import CreatorRegistered
from ledger.serialization import decode_event
from projections.coalescing import CoalescedReads
from projections.effective_balances import MOMENT, SUM_OF_TERMS, TAKEN_EFFECT

if TYPE_CHECKING:
    from uuid import UUID

    from projections.reader import Reader

# A creator's accounts are the names from 'creator:{id}:' to 'creator:{id};', ';' following ':'.
READ_BALANCES: Final = """
    SELECT wanted.number, head.position, balances.account, balances.currency,
           balances.balance::text, balances.position,
           CASE WHEN balances.account IS NULL THEN registered.state END, NULL::timestamptz
    FROM (SELECT max(position) AS position FROM turns) AS head
    CROSS JOIN unnest(%(creator_ids)b::uuid[]) WITH ORDINALITY AS wanted (creator_id, number)
    JOIN ledger_events AS registered
      ON registered.originator_id = wanted.creator_id
     AND registered.originator_version = 1 AND registered.topic = %(topic)b
    LEFT JOIN balances
      ON balances.account > 'creator:' || wanted.creator_id || ':'
     AND balances.account < 'creator:' || wanted.creator_id || ';'
    UNION ALL
    SELECT wanted.number, clock.notification_id, NULL, released.currency, released.amount::text,
           NULL, NULL, released.due_at
    FROM ledger_tracking AS clock
    CROSS JOIN unnest(%(creator_ids)b::uuid[]) WITH ORDINALITY AS wanted (creator_id, number)
    CROSS JOIN LATERAL (
        SELECT first.due_at, clock_due.currency, sum(clock_due.amount) AS amount
        FROM (SELECT clock_due.due_at FROM clock_due
              WHERE clock_due.kind = 'release' AND clock_due.creator_id = wanted.creator_id
                AND clock_due.amount > 0
              ORDER BY clock_due.due_at LIMIT 1) AS first
        JOIN clock_due
          ON clock_due.kind = 'release' AND clock_due.creator_id = wanted.creator_id
         AND clock_due.due_at = first.due_at
        GROUP BY first.due_at, clock_due.currency
    ) AS released
    WHERE clock.application_name = 'clock'
"""

READ_BALANCES_AS_OF: Final = """
    SELECT 1, %(position)b::bigint, past.account, past.currency, past.balance::text, past.position,
           CASE WHEN past.account IS NULL THEN registered.state END, NULL::timestamptz
    FROM ledger_events AS registered
    LEFT JOIN LATERAL (
        SELECT balances.account, balances.currency, line.balance, line.position
        FROM balances
        CROSS JOIN LATERAL (
            SELECT journal_lines.balance, journal_lines.position FROM journal_lines
            WHERE journal_lines.account_id = balances.account_id
              AND journal_lines.position <= %(position)b::bigint
            ORDER BY journal_lines.position DESC, journal_lines.line DESC LIMIT 1
        ) AS line
        WHERE balances.account > 'creator:' || %(creator_id)b::uuid || ':'
          AND balances.account < 'creator:' || %(creator_id)b::uuid || ';'
    ) AS past ON true
    WHERE registered.originator_id = %(creator_id)b::uuid
      AND registered.originator_version = 1 AND registered.topic = %(topic)b
      AND registered.notification_id <= %(position)b::bigint
"""

READ_EFFECTIVE_BALANCES: Final = f"""
    WITH account AS (
        SELECT account_id, account, currency, position FROM balances
        WHERE account > 'creator:' || %(creator_id)b::uuid || ':'
          AND account < 'creator:' || %(creator_id)b::uuid || ';'
    ), {MOMENT}
    SELECT 1, %(position)b::bigint, past.account, past.currency, past.balance::text,
           %(position)b::bigint,
           CASE WHEN past.account IS NULL THEN registered.state END, NULL::timestamptz
    FROM ledger_events AS registered
    LEFT JOIN (
        SELECT account.account, account.currency, {SUM_OF_TERMS} AS balance
        FROM account CROSS JOIN moment {TAKEN_EFFECT}
        WHERE EXISTS (SELECT FROM journal_lines
                      WHERE journal_lines.account_id = account.account_id
                        AND journal_lines.position <= %(position)b::bigint)
    ) AS past ON true
    WHERE registered.originator_id = %(creator_id)b::uuid
      AND registered.originator_version = 1 AND registered.topic = %(topic)b
      AND registered.notification_id <= %(position)b::bigint
"""  # noqa: S608 - of constants

FUND_NAME_AT: Final = len("creator:00000000-0000-0000-0000-000000000000:")


class CurrencyBalances(TypedDict):
    """One currency of a creator, in minor units, positive when it is the creator's."""

    currency: str
    pending: int
    available: int
    held: int
    reserved: int
    in_transit: int


class NextRelease(TypedDict):
    """What leaves the settlement delay next, in minor units, as the clock knows it at `position`.

    A clock that is behind, or has stopped, shows by it.
    """

    at: datetime
    amount: int
    currency: str
    position: int


@dataclass(frozen=True, slots=True)
class CreatorBalances:
    """A creator's balances at a position, by currency code; zeros before the first money.

    `changed_position` is where the last line of these accounts lies, 0 when there is none: while
    it stays the same, so do the amounts, however far the log has grown. `next_release` is None
    for the past, and when nothing is pending that the clock knows of.
    """

    position: int
    changed_position: int
    currencies: list[CurrencyBalances]
    next_release: NextRelease | None = None


class Balances:
    """Creators' balances, now and in the past. One object a process, so that reads coalesce."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._now: CoalescedReads[UUID, CreatorBalances] = CoalescedReads(self._ask)

    async def of_creator(self, creator_id: UUID) -> CreatorBalances | None:
        """The balances now, or None for an unknown creator. Raises `ReadUnavailable`."""
        return await self._now.get(creator_id)

    async def of_creator_as_of(
        self,
        creator_id: UUID,
        *,
        as_of_position: int | None = None,
        as_of: datetime | None = None,
        effective: datetime | None = None,
    ) -> CreatorBalances | None:
        """The balances at a position or a recorded time; None before the creator was registered.

        With `effective`, of what had taken effect by then, as it was known at that position.
        `changed_position` is the position then, since a late line may lie anywhere. Raises
        `PositionNotReached` or `ReadUnavailable`.
        """
        position = await self._reader.position_at(as_of_position=as_of_position, as_of=as_of)
        rows = await self._reader.fetch(
            READ_BALANCES_AS_OF if effective is None else READ_EFFECTIVE_BALANCES,
            {
                "creator_id": creator_id,
                "position": position,
                "topic": CreatorRegistered.TOPIC,
                **({} if effective is None else {"effective": effective}),
            },
        )
        return _creator_balances(creator_id, rows) if rows else None

    async def _ask(self, creator_ids: list[UUID]) -> dict[UUID, CreatorBalances | Exception]:
        rows = await self._reader.fetch(
            READ_BALANCES, {"creator_ids": creator_ids, "topic": CreatorRegistered.TOPIC}
        )
        rows_of: dict[int, list[tuple[Any, ...]]] = {}
        for row in rows:
            rows_of.setdefault(row[0], []).append(row)
        found: dict[UUID, CreatorBalances | Exception] = {}
        for number, of_creator in rows_of.items():
            creator_id = creator_ids[number - 1]
            try:
                found[creator_id] = _creator_balances(creator_id, of_creator)
            except Exception as error:  # noqa: BLE001 - one creator's must not fail the others
                found[creator_id] = error
        return found


def _creator_balances(creator_id: UUID, rows: list[tuple[Any, ...]]) -> CreatorBalances:
    found: dict[str, CurrencyBalances] = {}
    changed = 0
    head = 0
    release: NextRelease | None = None
    for _, position, account, currency, amount, changed_at, registered, due_at in rows:
        if due_at is not None:
            release = _release(due_at, currency, amount, position)
            continue
        head = position
        if account is None:
            settlement = _settlement_currency(creator_id, registered)
            found[settlement] = _no_money(settlement)
            continue
        funds = found.get(currency)
        if funds is None:
            funds = found[currency] = _no_money(currency)
        funds[CreatorFunds(account[FUND_NAME_AT:]).value] = normal_balance(account, int(amount))
        changed = max(changed, changed_at)
    currencies = [found[currency] for currency in sorted(found)]
    return CreatorBalances(head, changed, currencies, release)


def _release(due_at: datetime, currency: str, amount: str, position: int) -> NextRelease:
    return {"at": due_at, "amount": int(amount), "currency": currency, "position": position}


def _no_money(currency: str) -> CurrencyBalances:
    return {
        "currency": currency,
        "pending": 0,
        "available": 0,
        "held": 0,
        "reserved": 0,
        "in_transit": 0,
    }


def _settlement_currency(creator_id: UUID, state: bytes) -> str:
    registered = decode_event(
        CreatorRegistered.TOPIC, state, originator_id=creator_id, originator_version=1
    )
    assert isinstance(registered, CreatorRegistered)  # noqa: S101 - its topic says so
    return registered.settlement_currency
