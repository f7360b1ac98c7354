"""What is compared during a replay: lines, balances, turns and streams, each in one pass.

Both sides arrive in the same order and are merged as they come, so nothing is collected. See
ledger/replay.py for what is proved by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ledger.aggregate_cache import AggregateCache
from ledger.decisions import evolve
from ledger.serialization import decode_event

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    import psycopg

    from ledger.decisions import Aggregate
    from ledger.events import LedgerEvent
    from ledger.journal import AccountKey, Balance, Book, JournalLine

NOTHING: Final = "nothing"

READ_EARLIER: Final = """
    SELECT originator_id, originator_version, topic, state
    FROM unnest(%b::uuid[]) AS wanted (stream_id)
    JOIN ledger_events ON originator_id = stream_id AND notification_id < %b::bigint
    ORDER BY originator_id, originator_version
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something at a position that is not as the events say. Amounts are minor units."""

    position: int
    subject: str
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"position {self.position}: {self.subject}: "
            f"expected {self.expected}, found {self.found}"
        )


class Differences:
    """The first `limit` differences, and how many there are."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.first: list[Difference] = []
        self.count = 0

    def add(self, position: int, subject: str, expected: str, found: str) -> None:
        """Note a difference."""
        self.count += 1
        if len(self.first) < self._limit:
            self.first.append(Difference(position, subject, expected, found))


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
                continue
            self._compare(line, found)
            self._found = self._next()
        self._refuse_before(until + 1, 0)

    def finish(self) -> None:
        """After the last event there is no line."""
        while self._found is not None:
            self._refuse(self._found)

    def _compare(self, line: JournalLine, found: _FoundLine) -> None:
        balance = int(found.balance)
        shift = balance - line.balance
        if (
            found.amount != line.amount
            or found.account_id != line.account_id
            or shift not in {0, self._shifts.get(line.account_id, 0)}
            or found.recorded_at != line.recorded_at
            or found.effective_at != line.effective_at
        ):
            self._add(line, self._describe(found, balance))
        if shift or self._shifts:
            self._shifts[line.account_id] = shift

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
            NOTHING,
            self._describe(found, int(found.balance)),
        )
        self._found = self._next()

    def _add(self, line: JournalLine, found: str) -> None:
        self._differences.add(
            line.position,
            f"line {line.line} of {self._name(line.account_id)}",
            self._describe(line, line.balance),
            found,
        )

    def _describe(self, line: JournalLine | _FoundLine, balance: int) -> str:
        return (
            f"{self._name(line.account_id)} amount {line.amount} balance {balance}, "
            f"recorded {line.recorded_at.isoformat()}, effective {line.effective_at.isoformat()}"
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


class AccountBalances:
    """The balances as they lie in the table."""

    def __init__(self, rows: Iterator[tuple[Any, ...]], differences: Differences) -> None:
        self._rows = rows
        self._differences = differences

    def compare(self, known: Mapping[AccountKey, Balance], position: int) -> None:
        """Compare with rebuilt balances, in the order of their numbers; all must sum to zero."""
        sums: dict[str, int] = {}
        expected = iter(known.items())
        wanted = next(expected, None)
        for account_id, account, currency, balance, changed in self._rows:
            sums[currency] = sums.get(currency, 0) + int(balance)
            while wanted is not None and wanted[1].account_id < account_id:
                self._add(*wanted, NOTHING)
                wanted = next(expected, None)
            found = f"{account} {currency} {balance}, last changed at {changed}"
            if wanted is None or wanted[1].account_id != account_id:
                self._differences.add(
                    changed, f"the balance of account number {account_id}", NOTHING, found
                )
                continue
            if _balance(*wanted) != found:
                self._add(*wanted, found)
            wanted = next(expected, None)
        while wanted is not None:
            self._add(*wanted, NOTHING)
            wanted = next(expected, None)
        for currency, total in sums.items():
            if total:
                self._differences.add(
                    position, f"the sum of all balances in {currency}", "0", str(total)
                )

    def _add(self, key: AccountKey, balance: Balance, found: str) -> None:
        subject = f"the balance of account number {balance.account_id}"
        self._differences.add(balance.position, subject, _balance(key, balance), found)


def _balance(key: AccountKey, balance: Balance) -> str:
    return f"{key[0]} {key[1]} {balance.amount}, last changed at {balance.position}"


class Turns:
    """The turns, checked against the events: a row a turn, at the position of its last event."""

    def __init__(self, rows: Iterator[tuple[Any, ...]], differences: Differences) -> None:
        self._rows = rows
        self._differences = differences
        self._last_position = 0
        self._last_recorded_at: datetime | None = None
        self._said = False
        self._turn: tuple[int, datetime] | None = self._next()

    def check(self, position: int, recorded_at: datetime | None) -> None:
        """Check the next event; `recorded_at` is None when it cannot be read."""
        while self._turn is not None and self._turn[0] < position:
            self._end_turn()
        self._last_position = position
        if recorded_at is None:
            return
        if self._last_recorded_at is not None and recorded_at < self._last_recorded_at:
            self._differences.add(
                position,
                "recorded_at",
                f"not before {self._last_recorded_at.isoformat()}",
                recorded_at.isoformat(),
            )
        self._last_recorded_at = recorded_at
        found = NOTHING if self._turn is None else self._turn[1].isoformat()
        if not self._said and (self._turn is None or self._turn[1] != recorded_at):
            # Once a turn: all its events were recorded at the same time.
            self._said = True
            self._differences.add(position, "its turn", recorded_at.isoformat(), found)

    def finish(self, head: int) -> None:
        """The last turn ends at the head."""
        self._last_position = head
        while self._turn is not None:
            self._end_turn()

    def _end_turn(self) -> None:
        assert self._turn is not None  # noqa: S101 - the callers looked
        position, recorded_at = self._turn
        if position != self._last_position:
            self._differences.add(
                position, "the turn that ends here", "an event", f"none after {self._last_position}"
            )
        self._turn = self._next()
        self._said = False
        if self._turn is not None and self._turn[1] < recorded_at:
            self._differences.add(
                self._turn[0],
                "the turn that ends here",
                f"not before {recorded_at.isoformat()}",
                self._turn[1].isoformat(),
            )

    def _next(self) -> tuple[int, datetime] | None:
        row = next(self._rows, None)
        return None if row is None else (row[0], row[1])


class Streams:
    """Every stream folded, remembering only those seen lately; others are read again."""

    def __init__(self, connection: psycopg.Connection[Any], differences: Differences) -> None:
        self._connection = connection
        self._differences = differences
        self._cache = AggregateCache()
        self._unreadable: set[UUID] = set()

    def give_up(self, stream: UUID) -> None:
        """One of its events cannot be read, and that has been noted."""
        self._unreadable.add(stream)

    def fold(self, batch: Sequence[tuple[int, LedgerEvent]], *, before: int) -> None:
        """Fold events with their positions, all at `before` or later."""
        aggregates = self._recall([event for _, event in batch], before)
        for position, event in batch:
            stream = event.originator_id
            if stream in self._unreadable:
                continue
            known = aggregates.get(stream)
            expected = 1 if known is None else known.version + 1
            if event.originator_version != expected:
                self._differences.add(
                    position,
                    f"stream {stream}",
                    f"version {expected}",
                    f"version {event.originator_version}",
                )
            self._evolve(aggregates, event, position)
        self._cache.put_all(aggregates)

    def _evolve(self, aggregates: dict[UUID, Aggregate], event: LedgerEvent, position: int) -> None:
        stream = event.originator_id
        try:
            aggregates[stream] = evolve(aggregates.get(stream), event)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            self.give_up(stream)
            self._differences.add(
                position,
                f"stream {stream}",
                f"{event.TOPIC} to follow from what was before",
                f"{type(error).__name__} {error}".strip(),
            )

    def _recall(self, events: list[LedgerEvent], before: int) -> dict[UUID, Aggregate]:
        aggregates: dict[UUID, Aggregate] = {}
        forgotten: set[UUID] = set()
        for event in events:
            stream = event.originator_id
            known = self._cache.get(stream)
            if known is not None:
                aggregates[stream] = known
            elif event.originator_version > 1:
                forgotten.add(stream)
        if forgotten:
            rows = self._connection.execute(READ_EARLIER, (list(forgotten), before))
            for stream, version, topic, state in rows:
                if stream in self._unreadable:
                    continue
                event = decode_event(topic, state, originator_id=stream, originator_version=version)
                aggregates[stream] = evolve(aggregates.get(stream), event)
        return aggregates
