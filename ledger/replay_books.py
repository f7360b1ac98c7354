"""Do lines, balances and creators' subscriptions agree with the events? Every row is compared.

Both sides arrive in the same order and are merged as they come, so nothing is collected. See
ledger/replay.py for what is proved by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ledger.recorder import SubscriptionRow
from ledger.replay_differences import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from ledger.events import SubscriptionStarted
    from ledger.journal import AccountKey, Balance, Book, JournalLine
    from ledger.replay_differences import Differences


class _FoundLine(NamedTuple):
    position: int
    line: int
    account_id: int
    amount: int
    balance: str
    recorded_at: datetime
    effective_at: datetime


class JournalLines:
    """The journal as it lies in the table, compared with the lines that the events give."""

    def __init__(self, rows: Iterator[tuple[Any, ...]], differences: Differences) -> None:
        self._rows = rows
        self._differences = differences
        self._names: list[AccountKey] = []
        self._shifts: dict[int, int] = {}
        self.compared = 0
        self._found = self._next()

    def compare(self, book: Book, *, until: int) -> None:
        """Compare the lines that `book` has collected with those found up to a position."""
        self._names.extend(book.opened)
        for line in book.lines:
            self._refuse_before(line.position, line.line)
            found = self._found
            if found is None or (found.position, found.line) != (line.position, line.line):
                self._add(line, NOTHING)
            else:
                self._compare(line, found)
                self._found = self._next()
        self._refuse_before(until + 1, 0)

    def finish(self) -> None:
        """After the last event there is no line."""
        while self._found is not None:
            self._refuse(self._found)

    def _compare(self, line: JournalLine, found: _FoundLine) -> None:
        same = (
            found.amount == line.amount
            and found.account_id == line.account_id
            and found.recorded_at == line.recorded_at
            and found.effective_at == line.effective_at
        )
        if not self._balance_follows(line, found) or not same:
            self._add(line, self._describe(found))

    def _balance_follows(self, line: JournalLine, found: _FoundLine) -> bool:
        """Whether the running balance is right, or wrong only by what was noted before."""
        before = self._shifts.get(line.account_id, 0)
        if found.balance == str(line.balance):
            if before:
                del self._shifts[line.account_id]
            return True
        balance = _integer(found.balance)
        if balance is None:
            return False
        self._shifts[line.account_id] = shift = balance - line.balance
        return shift == before

    def _refuse_before(self, position: int, line: int) -> None:
        while (found := self._found) is not None and (found.position, found.line) < (
            position,
            line,
        ):
            self._refuse(found)

    def _refuse(self, found: _FoundLine) -> None:
        self._differences.add(
            found.position,
            f"line {found.line} of {self._name(found.account_id)}",
            expected=NOTHING,
            found=self._describe(found),
        )
        self._found = self._next()

    def _add(self, line: JournalLine, found: str) -> None:
        self._differences.add(
            line.position,
            f"line {line.line} of {self._name(line.account_id)}",
            expected=self._describe(line),
            found=found,
        )

    def _describe(self, line: JournalLine | _FoundLine) -> str:
        return (
            f"{self._name(line.account_id)} amount {line.amount} balance {line.balance} "
            f"recorded {line.recorded_at.isoformat()} effective {line.effective_at.isoformat()}"
        )

    def _name(self, account_id: int) -> str:
        if not 1 <= account_id <= len(self._names):
            return f"account number {account_id}"
        return " ".join(self._names[account_id - 1])

    def _next(self) -> _FoundLine | None:
        row = next(self._rows, None)
        if row is None:
            return None
        self.compared += 1
        return _FoundLine(*row)


class CreatorSubscriptions:
    """The subscriptions by which creators find them, compared with those that were started."""

    def __init__(self, rows: Iterator[tuple[Any, ...]], differences: Differences) -> None:
        self._rows = rows
        self._differences = differences
        self._found = self._next()

    def check(self, position: int, started: SubscriptionStarted | None) -> None:
        """Compare what was found at a position with what the event there has started."""
        while self._found is not None and self._found.position < position:
            self._refuse(self._found)
        found = None
        if self._found is not None and self._found.position == position:
            found, self._found = self._found, self._next()
        expected = None
        if started is not None:
            expected = SubscriptionRow(position, started.creator_id, started.originator_id)
        if found != expected:
            self._differences.add(
                position,
                "the creator's subscriptions",
                expected=_told(expected),
                found=_told(found),
            )

    def finish(self) -> None:
        """After the last event there is no subscription."""
        while self._found is not None:
            self._refuse(self._found)

    def _refuse(self, found: SubscriptionRow) -> None:
        subject = "the creator's subscriptions"
        self._differences.add(found.position, subject, expected=NOTHING, found=_told(found))
        self._found = self._next()

    def _next(self) -> SubscriptionRow | None:
        row = next(self._rows, None)
        return None if row is None else SubscriptionRow(*row)


def _told(row: SubscriptionRow | None) -> str:
    return NOTHING if row is None else f"{row.subscription_id} of creator {row.creator_id}"


class AccountBalances:
    """The balances as they lie in the table, compared with those that the events give."""

    def __init__(self, rows: Iterator[tuple[Any, ...]], differences: Differences) -> None:
        self._rows = rows
        self._differences = differences

    def compare(self, known: Mapping[AccountKey, Balance], *, head: int) -> None:
        """Compare in the order of the accounts' numbers; in each currency they sum to zero."""
        sums: dict[str, int] = {}
        wanted = iter(known.items())
        expected = next(wanted, None)
        for account_id, account, currency, balance, changed in self._rows:
            sums[currency] = sums.get(currency, 0) + (_integer(balance) or 0)
            while expected is not None and expected[1].account_id < account_id:
                self._add(*expected, NOTHING)
                expected = next(wanted, None)
            found = f"{account} {currency} {balance}, changed at {changed}"
            if expected is None or expected[1].account_id != account_id:
                subject = f"the balance of account number {account_id}"
                self._differences.add(changed, subject, expected=NOTHING, found=found)
                continue
            if found != _described(*expected):
                self._add(*expected, found)
            expected = next(wanted, None)
        while expected is not None:
            self._add(*expected, NOTHING)
            expected = next(wanted, None)
        self._check_sums(sums, head)

    def _check_sums(self, sums: dict[str, int], head: int) -> None:
        for currency, total in sums.items():
            if total:
                subject = f"the sum of all balances in {currency}"
                self._differences.add(head, subject, expected="0", found=str(total))

    def _add(self, key: AccountKey, balance: Balance, found: str) -> None:
        subject = f"the balance of account number {balance.account_id}"
        expected = _described(key, balance)
        self._differences.add(balance.position, subject, expected=expected, found=found)


def _described(key: AccountKey, balance: Balance) -> str:
    return f"{key[0]} {key[1]} {balance.amount}, changed at {balance.position}"


def _integer(text: str) -> int | None:
    """A numeric column can hold what no balance is: a fraction, NaN."""
    try:
        return int(text)
    except ValueError:
        return None
