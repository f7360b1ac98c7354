"""What was seen of a file: how many rows, from when to when, and which balances it told.

Lines are in the order of time or against it, so which balance is the opening one is known at the
end. Constant memory: of each currency the first and the last balance are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from api.provider_statements.uploads import Balances

if TYPE_CHECKING:
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from api.provider_statements.lines import ReadRow


class _Told(NamedTuple):
    at: datetime
    moved: int
    balance: int


@dataclass
class Seen:
    """Counts of one file so far."""

    rows: int = 0
    skipped: int = 0
    unreadable: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    _first: dict[str, _Told] = field(default_factory=dict)
    _last: dict[str, _Told] = field(default_factory=dict)

    def add(self, row: ReadRow) -> None:
        """Another row."""
        self.rows += 1
        if row.unreadable is not None:
            self.unreadable += 1
            return
        if not row.lines:
            self.skipped += 1
            return
        at, currency = row.lines[0].occurred_at, row.lines[0].currency
        self.first_at = at if self.first_at is None else min(self.first_at, at)
        self.last_at = at if self.last_at is None else max(self.last_at, at)
        if row.balance is not None:
            told = _Told(at, sum(line.moved for line in row.lines), row.balance)
            self._first.setdefault(currency, told)
            self._last[currency] = told

    def days(self, zone: ZoneInfo) -> tuple[date | None, date | None]:
        """The days of the first line and of the last one."""
        if self.first_at is None or self.last_at is None:
            return None, None
        return self.first_at.astimezone(zone).date(), self.last_at.astimezone(zone).date()

    def balances(self) -> tuple[Balances, ...]:
        """What the file says was there before its earliest line, and after its latest."""
        found = []
        for currency, first in self._first.items():
            last = self._last[currency]
            early, late = (first, last) if first.at <= last.at else (last, first)
            found.append(Balances(currency, early.balance - early.moved, late.balance))
        return tuple(found)
