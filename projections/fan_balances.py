"""What credit does a fan have? Their own, what the platform gave, and what waits for an invoice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict

from ledger.accounts import FanFunds, normal_balance

if TYPE_CHECKING:
    from uuid import UUID

    from projections.reader import Reader

# A fan's accounts are the names from 'fan:{id}:' to 'fan:{id};', ';' following ':'.
READ_BALANCES: Final = """
    SELECT head.position, balances.account, balances.currency, balances.balance::text,
           balances.position
    FROM (SELECT max(position) AS position FROM turns) AS head
    LEFT JOIN balances
      ON balances.account > 'fan:' || %(fan_id)b::uuid || ':'
     AND balances.account < 'fan:' || %(fan_id)b::uuid || ';'
"""

FUND_NAME_AT: Final = len("fan:00000000-0000-0000-0000-000000000000:")


class FanCurrencyBalances(TypedDict):
    """One currency of a fan, in minor units, positive when it is the fan's.

    `reserved` is of both others, kept for an invoice that is open.
    """

    currency: str
    credit: int
    goodwill: int
    reserved: int


@dataclass(frozen=True, slots=True)
class FanBalances:
    """A fan's credit at a position, by currency code; empty when there never was any.

    `changed_position` is where the last line of these accounts lies, 0 when there is none.
    """

    position: int
    changed_position: int
    currencies: list[FanCurrencyBalances]


async def fan_balances(reader: Reader, fan_id: UUID) -> FanBalances:
    """A fan's credit now. Raises `ReadUnavailable`."""
    rows = await reader.fetch(READ_BALANCES, {"fan_id": fan_id})
    found: dict[str, FanCurrencyBalances] = {}
    changed = 0
    for _, account, currency, amount, changed_at in rows:
        if account is None:
            continue
        funds = found.setdefault(
            currency, {"currency": currency, "credit": 0, "goodwill": 0, "reserved": 0}
        )
        balance = normal_balance(account, int(amount))
        match FanFunds(account[FUND_NAME_AT:]):
            case FanFunds.CREDIT:
                funds["credit"] = balance
            case FanFunds.GOODWILL:
                funds["goodwill"] = balance
            case FanFunds.RESERVED:
                funds["reserved"] = balance
        changed = max(changed, changed_at)
    return FanBalances(rows[0][0], changed, [found[currency] for currency in sorted(found)])
