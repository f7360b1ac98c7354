"""Do our assets cover what we owe to creators and fans? Per currency, at a position.

What is owed is the sum of the accounts that owe something. One creator's debt does not pay another,
nor even their own payout that is under way, so debts are told apart and cover nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from projections.reader import Reader

# An account that no line has touched since the position still has the balance that it had there.
# Creators' and fans' accounts, of which there are many, are added up by what they are of.
READ_COVERAGE: Final = """
    SELECT balances.currency, named.part,
           sum(greatest(past.balance, 0))::text, sum(greatest(-past.balance, 0))::text
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
    CROSS JOIN LATERAL (
        SELECT CASE WHEN balances.account > 'creator:' AND balances.account < 'creator;'
                    THEN 'creator:' || split_part(balances.account, ':', 3)
                    WHEN balances.account > 'fan:' AND balances.account < 'fan;'
                    THEN 'fan:' || split_part(balances.account, ':', 3)
                    ELSE balances.account END AS part
    ) AS named
    GROUP BY balances.currency, named.part
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """What providers and the bank hold for us, in minor units."""

    collection: int
    disbursement: int
    disputed: int
    bank: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.collection + self.disbursement + self.disputed + self.bank


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What is owed, and to whom, in minor units."""

    creators: int
    fans: int
    refunds_in_transit: int
    suspense: int
    taxes: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.creators + self.fans + self.refunds_in_transit + self.suspense + self.taxes


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutFloat:
    """What providers can pay out from against what is promised, in minor units."""

    disbursement: int
    in_transit: int

    @property
    def missing(self) -> int:
        """What the floats must be funded with before all payouts under way can be paid."""
        return max(self.in_transit - self.disbursement, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyCoverage:
    """One currency. `creator_debts` is what creators owe us, in minor units; it covers nothing."""

    currency: str
    assets: Assets
    owed: Owed
    creator_debts: int
    payout_float: PayoutFloat

    @property
    def difference(self) -> int:
        """By how many minor units the assets exceed what is owed; negative where they do not."""
        return self.assets.total - self.owed.total

    @property
    def covered(self) -> bool:
        """Whether everybody could be paid."""
        return self.difference >= 0


@dataclass(frozen=True, slots=True)
class Coverage:
    """Every currency at a position."""

    position: int
    currencies: list[CurrencyCoverage]

    @property
    def covered(self) -> bool:
        """Whether every currency is."""
        return all(currency.covered for currency in self.currencies)


async def coverage(reader: Reader, *, as_of_position: int | None = None) -> Coverage:
    """The coverage now, or at a position.

    Reads every account once. Raises `PositionNotReached` or `ReadUnavailable`.
    """
    position = await reader.position_at(as_of_position=as_of_position)
    rows = await reader.fetch(READ_COVERAGE, {"position": position})
    sums: dict[str, dict[str, _Sum]] = defaultdict(dict)
    for currency, part, debits, credits_ in rows:
        sums[currency][part] = _Sum(int(debits), int(credits_))
    return Coverage(position, [_coverage(currency, sums[currency]) for currency in sorted(sums)])


@dataclass(frozen=True, slots=True)
class _Sum:
    """Accounts of one part: those with debit balances, and those with credit balances."""

    debits: int
    credits: int


def _coverage(currency: str, sums: Mapping[str, _Sum]) -> CurrencyCoverage:
    def held(beginning: str, end: str) -> int:
        return sum(
            each.debits - each.credits
            for part, each in sums.items()
            if part.startswith(beginning) and part.endswith(end)
        )

    def owed(beginning: str) -> int:
        return sum(each.credits for part, each in sums.items() if part.startswith(beginning))

    disbursement = held("provider:", ":disbursement")
    return CurrencyCoverage(
        currency=currency,
        assets=Assets(
            collection=held("provider:", ":collection"),
            disbursement=disbursement,
            disputed=held("provider:", ":disputed"),
            bank=held("bank:", ":settlement"),
        ),
        owed=Owed(
            creators=owed("creator:"),
            fans=owed("fan:"),
            refunds_in_transit=owed("refunds:"),
            suspense=owed("suspense:"),
            taxes=owed("tax:"),
        ),
        creator_debts=sum(
            each.debits for part, each in sums.items() if part.startswith("creator:")
        ),
        payout_float=PayoutFloat(disbursement=disbursement, in_transit=owed("creator:in_transit")),
    )
