"""Balances and journal lines: written in the turn, and rebuilt from the log by the same code.

Every line carries the running balance of its account after it, so a balance as of any position is
one look-up. Accounts are numbered in the order in which they first appear in the log, so that the
journal is a function of the log alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.events import Event

AccountKey = tuple[str, str]
"""An account's name and a currency: what one balance is of."""


@dataclass(slots=True)
class Balance:
    """One account's balance in minor units (debit positive) and the last line that changed it."""

    account_id: int
    amount: int
    position: int = 0


class JournalLine(NamedTuple):
    """One posting as it lies in the journal; amounts and balance in minor units, debit positive."""

    position: int
    line: int
    account_id: int
    amount: int
    balance: int
    recorded_at: datetime
    effective_at: datetime


@dataclass(slots=True)
class Book:
    """The balances that a turn, or a rebuild, touches, and the lines it writes.

    `known` are balances as they are before; accounts that are not in it get the next number.
    """

    known: dict[AccountKey, Balance]
    next_account_id: int
    lines: list[JournalLine] = field(default_factory=list)
    touched: set[AccountKey] = field(default_factory=set)
    opened: list[AccountKey] = field(default_factory=list)

    def post(self, event: Event, position: int) -> None:
        """Add the lines of an event's entry, if it has one, at its position."""
        if (entry := event.journal_entry) is None:
            return
        effective_at = event.effective_at
        for number, posting in enumerate(entry.postings):
            key = (posting.account, posting.currency)
            balance = self._balance(key)
            balance.amount += posting.amount
            balance.position = position
            self.touched.add(key)
            self.lines.append(
                JournalLine(
                    position,
                    number,
                    balance.account_id,
                    posting.amount,
                    balance.amount,
                    event.recorded_at,
                    effective_at,
                )
            )

    def _balance(self, key: AccountKey) -> Balance:
        balance = self.known.get(key)
        if balance is None:
            balance = self.known[key] = Balance(self.next_account_id, 0)
            self.next_account_id += 1
            self.opened.append(key)
        return balance


def accounts_of(events: Iterable[Event]) -> set[AccountKey]:
    """The accounts that these events post to."""
    return {
        (posting.account, posting.currency)
        for event in events
        if (entry := event.journal_entry) is not None
        for posting in entry.postings
    }
