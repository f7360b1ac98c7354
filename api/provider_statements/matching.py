"""What of the ledger a line is: by the transaction's name, then by our reference, amount and day.

the same        the entries' sum is the line's amount, within so many days of the book's time zone
different       the same transaction with another amount, another currency, or on another day: the
                entries are the line's all the same, and a person says why
unknown         nothing of the ledger that is still free: something is recorded, or a person says
                what it is
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from api.provider_statements.lines import FEES
from api.provider_statements.mapping import Direction, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from api.provider_statements.lines import StatementLine

FAMILIES: Final[dict[Kind, str]] = {
    Kind.PAYMENT: "payment",
    Kind.REFUND: "refund",
    Kind.REFUND_RETURNED: "refund",
    Kind.PAYOUT: "payout",
    Kind.PAYOUT_RETURNED: "payout",
    Kind.PAYOUT_FAILED: "payout",
    Kind.FEE: "fee",
    Kind.DISPUTE_FEE: "fee",
    Kind.FEE_RETURNED: "fee",
    Kind.DISPUTE: "dispute",
    Kind.DISPUTE_RETURNED: "dispute",
    Kind.SETTLEMENT: "settlement",
    Kind.TRANSFER: "transfer",
}
"""Of the ledger's entries; a line whose kind is not known may be any."""
BY_AMOUNT: Final = frozenset({Kind.SETTLEMENT, Kind.TRANSFER})
"""What people record too, under a name of their bank's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the journal on a provider's account; the amount is what it does to the balance."""

    position: int
    line: int
    currency: str
    amount: int
    effective_at: datetime
    stream_id: UUID
    family: str
    reference: str | None
    own: str | None

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands in the journal."""
        return self.position, self.line


class Found(NamedTuple):
    """The entries that a line is about, and what differs, if anything."""

    entries: list[Entry]
    difference: str | None = None


class Candidates:
    """Entries that lines may be about, each given to one line."""

    def __init__(
        self,
        entries: Iterable[Entry],
        taken: set[tuple[int, int]],
        claims: Mapping[str, UUID],
        *,
        zone: ZoneInfo,
        tolerance_days: int,
        by_reference: bool,
    ) -> None:
        self._entries = list(entries)
        self._taken = taken
        self._claims = claims
        self._zone = zone
        self._tolerance_days = tolerance_days
        self._by_reference = by_reference
        self._by_name: dict[str, list[Entry]] = {}
        self._by_stream: dict[UUID, list[Entry]] = {}
        for each in self._entries:
            if each.reference is not None:
                self._by_name.setdefault(each.reference, []).append(each)
            self._by_stream.setdefault(each.stream_id, []).append(each)

    def payment_of(self, line: StatementLine) -> UUID | None:
        """The payment that a line names: by our reference, or by its transaction's name."""
        if line.own is not None:
            return line.own.stream
        for each in self._by_name.get(line.related or "", ()):
            if each.family == "payment":
                return each.stream_id
        return self._claims.get(line.related or "")

    def find(self, line: StatementLine, *, differing: bool) -> Found | None:
        """What the line is about; the entries are taken from then on.

        Those that are the same are looked for first, so that no other line takes their entries;
        then those that are `differing`.
        """
        for search in (self._named, self._claimed, self._referred, self._alike):
            found = search(line)
            if found is not None and (differing or found.difference is None):
                self._taken.update(each.place for each in found.entries)
                return found
        return None

    def _free(self, entries: Iterable[Entry], line: StatementLine) -> list[Entry]:
        family = FAMILIES.get(line.kind)
        return [
            each
            for each in entries
            if each.place not in self._taken
            and (each.amount > 0) == (line.moved > 0)
            and (family is None or each.family == family)
        ]

    def _named(self, line: StatementLine) -> Found | None:
        places: dict[tuple[int, int], Entry] = {}
        for name in line.names:
            places.update({each.place: each for each in self._by_name.get(name, ())})
        return self._compared(line, self._free(places.values(), line))

    def _claimed(self, line: StatementLine) -> Found | None:
        """By a name that only a callback told: the entry has another of the same transaction."""
        streams = {self._claims[name] for name in line.names if name in self._claims}
        entries = [each for stream in streams for each in self._by_stream.get(stream, ())]
        return self._exactly(line, self._free(entries, line))

    def _referred(self, line: StatementLine) -> Found | None:
        if line.own is not None and line.own.detail is not None and line.kind in REFUNDS:
            refund = self._by_stream.get(line.own.stream, ())
            return self._compared(
                line, self._free([each for each in refund if each.own == line.own.detail], line)
            )
        if line.kind in FEES:
            payment = self.payment_of(line)
            free = self._free(self._by_stream.get(payment, ()), line) if payment else []
            return self._exactly(line, free) or self._compared(line, free[:1])
        # Another transaction for the same payment is another payment, where names are the same.
        if line.own is None or self._by_reference:
            return None
        return self._exactly(line, self._free(self._by_stream.get(line.own.stream, ()), line))

    def _alike(self, line: StatementLine) -> Found | None:
        if line.kind not in BY_AMOUNT:
            return None
        return self._exactly(line, self._free(self._entries, line))

    def _exactly(self, line: StatementLine, free: list[Entry]) -> Found | None:
        for each in free:
            if self._fits(line, [each]) and not self._is_far(line, [each]):
                return Found([each])
        return None

    def _compared(self, line: StatementLine, free: list[Entry]) -> Found | None:
        if not free:
            return None
        found = free
        if not self._fits(line, free):
            found = next(([each] for each in free if self._fits(line, [each])), free)
        if not self._fits(line, found):
            same = all(each.currency == line.currency for each in found)
            return Found(found, "amount_differs" if same else "currency_differs")
        return Found(found, "day_differs" if self._is_far(line, found) else None)

    @staticmethod
    def _fits(line: StatementLine, entries: list[Entry]) -> bool:
        return (
            all(each.currency == line.currency for each in entries)
            and sum(each.amount for each in entries) == line.moved
        )

    def _is_far(self, line: StatementLine, entries: list[Entry]) -> bool:
        day = line.occurred_at.astimezone(self._zone).date()
        return any(
            abs((each.effective_at.astimezone(self._zone).date() - day).days) > self._tolerance_days
            for each in entries
        )


REFUNDS: Final = frozenset({Kind.REFUND, Kind.REFUND_RETURNED})


def direction_of(entry_family: str, amount: int) -> Direction:
    """Which way an entry's money went, as a statement would say."""
    if amount > 0:
        return Direction.IN
    return Direction.FEE if entry_family == "fee" else Direction.OUT
