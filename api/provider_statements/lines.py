"""From a row to lines: the money that moved, and the fee that stands beside it.

Of a row no name, phone number or free text is kept: references are read as ours or not at all, and
what a provider calls a transaction is one word.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from api.provider_statements.amounts import (
    BALANCE_MAX,
    UnreadableCellError,
    instant,
    minor_units,
)
from api.provider_statements.mapping import (
    DIRECTION_OF,
    OPPOSITE,
    Direction,
    Kind,
    StatementMapping,
)
from ledger.manual_references import normalised, payment_of

if TYPE_CHECKING:
    from datetime import datetime

    from api.provider_statements.reading import Header, Row

DISPUTES: Final = frozenset({Kind.DISPUTE, Kind.DISPUTE_RETURNED})
FEES: Final = frozenset({Kind.FEE, Kind.DISPUTE_FEE})
OF_PAYMENTS: Final = FEES | {Kind.PAYMENT}

WORD: Final = re.compile(r"[\x21-\x7e]{1,128}")
"""What a provider may call a transaction."""
OURS: Final = re.compile(
    r"(?P<stream>[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32})"
    r"(?::(?P<detail>[0-9a-f-]{1,36})|[-A](?P<attempt>[1-9][0-9]{0,3}))?",
    re.IGNORECASE,
)
"""Of payments, and of refunds and attempts of payouts as each provider wants them written."""
FOOTERS: Final = re.compile(
    r"(sub|grand|net)?[\s-]*totals?\b|opening|closing|balance\b|disclaimer|page \d|end of",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class OwnReference:
    """A reference of ours: a stream, and a refund's id or a payout's attempt on it."""

    stream: UUID
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """Money that moved, in minor units of a currency, as the provider says.

    `key` names it for ever; of a line without an id it is what equal ones share, until their order
    is known. `names` are those of its transaction, the first being what a report says.
    """

    key: str
    has_id: bool
    kind: Kind
    direction: Direction
    currency: str
    amount: int
    occurred_at: datetime
    names: tuple[str, ...] = ()
    own: OwnReference | None = None
    related: str | None = None

    @property
    def moved(self) -> int:
        """What it does to the balance."""
        return self.direction.sign * self.amount


@dataclass(frozen=True, slots=True)
class ReadRow:
    """What a row says: lines and the balance after them, or why there are none.

    `unreadable` is a short code. A row that is neither moved no money: a total, a payment that
    failed.
    """

    number: int
    lines: tuple[StatementLine, ...] = ()
    balance: int | None = None
    unreadable: str | None = None


class RowReader:
    """Reads the rows of one file."""

    def __init__(self, mapping: StatementMapping, header: Header) -> None:
        self._mapping = mapping
        self.zone = ZoneInfo(mapping.zone)
        self._width = len(header.cells)
        place = header.place
        self._id = place(*mapping.id)
        self._names = [found for name in mapping.names if (found := place(name)) is not None]
        others = mapping.other_names or mapping.names
        self._other_names = [found for name in others if (found := place(name)) is not None]
        self._own = [found for name in mapping.own if (found := place(name)) is not None]
        self._kinds = [found for name in mapping.kind if (found := place(name)) is not None]
        self._related = place(*mapping.related)
        self._time = place(*mapping.time)
        self._status = place(*mapping.status)
        self._amount = place(*mapping.amount)
        self._paid_in = place(*mapping.paid_in)
        self._withdrawn = place(*mapping.withdrawn)
        self._fee = place(*mapping.fee)
        self._currency = place(*mapping.currency)
        self._balance = place(*mapping.balance)

    def read(self, row: Row) -> ReadRow:
        """What the row says. Never raises for what stands in it."""
        cells = row.cells
        if any(cells[self._width :]):
            return ReadRow(row.number, unreadable="too_many_cells")
        moved = [self._cell(cells, each) for each in (self._amount, self._paid_in, self._withdrawn)]
        first = next(filter(None, cells))
        if not self._cell(cells, self._time) and (not any(moved) or FOOTERS.match(first)):
            return ReadRow(row.number)
        try:
            return self._read(row.number, cells)
        except UnreadableCellError as error:
            return ReadRow(row.number, unreadable=str(error))

    def _read(self, number: int, cells: list[str]) -> ReadRow:
        mapping = self._mapping
        kind = self._kind(cells)
        status = self._cell(cells, self._status).casefold()
        if status and mapping.done and status not in mapping.done:
            if kind is not Kind.PAYOUT or status not in mapping.failed:
                return ReadRow(number)
            kind = Kind.PAYOUT_FAILED
        currency = (self._cell(cells, self._currency) or mapping.fixed_currency or "").upper()
        at = instant(self._cell(cells, self._time), mapping.time_formats, self.zone)
        moved = self._moved(cells, currency, kind)
        fee = self._figure(cells, self._fee, currency)
        lines = []
        if moved:
            lines.append(self._line(cells, *directed(kind, moved), (currency, abs(moved)), at))
        if fee:
            # Written as what it is or as what it does, it is a fee all the same.
            # Of a dispute a fee is more than a payment's: it may be the creator's, and come back.
            what = Kind.DISPUTE_FEE if kind in DISPUTES else Kind.FEE
            line = self._line(cells, what, Direction.FEE, (currency, abs(fee)), at)
            lines.append(_named_as_fee(line, mapping.fee_name))
        balance = self._cell(cells, self._balance)
        return ReadRow(
            number,
            tuple(lines),
            self._minor(balance, currency, BALANCE_MAX) if balance and currency else None,
        )

    def _kind(self, cells: list[str]) -> Kind:
        if self._mapping.every_line_is is not None:
            return self._mapping.every_line_is
        words = next((cells[each] for each in self._kinds if self._cell(cells, each)), "")
        return self._mapping.kind_of(words)

    def _moved(self, cells: list[str], currency: str, kind: Kind) -> int:
        if self._amount is not None:
            moved = self._figure(cells, self._amount, currency)
            if self._mapping.decides_sign:
                return abs(moved) * (1 if DIRECTION_OF.get(kind) is Direction.IN else -1)
            return moved
        paid_in = self._figure(cells, self._paid_in, currency)
        withdrawn = self._figure(cells, self._withdrawn, currency)
        if paid_in and withdrawn:
            raise UnreadableCellError("both_ways")
        # Withdrawals are written with and without a sign.
        return abs(paid_in) - abs(withdrawn)

    def _figure(self, cells: list[str], place: int | None, currency: str) -> int:
        text = self._cell(cells, place)
        return self._minor(text, currency) if text else 0

    def _minor(self, text: str, currency: str, maximum: int | None = None) -> int:
        mapping = self._mapping
        bounds = {} if maximum is None else {"maximum": maximum}
        return minor_units(
            text,
            currency,
            decimal=mapping.decimal,
            units=mapping.units,
            unit_exponents=mapping.unit_exponents,
            **bounds,
        )

    def _line(
        self,
        cells: list[str],
        kind: Kind,
        direction: Direction,
        money: tuple[str, int],
        at: datetime,
    ) -> StatementLine:
        named = self._names if kind in OF_PAYMENTS else self._other_names
        names = [word for each in named if (word := _word(self._cell(cells, each)))]
        given = _word(self._cell(cells, self._id))
        own = next(
            (found for each in self._own if (found := own_reference(self._cell(cells, each)))), None
        )
        related = _word(self._cell(cells, self._related))
        line = StatementLine(
            key="",
            has_id=given is not None,
            kind=kind,
            direction=direction,
            currency=money[0],
            amount=money[1],
            occurred_at=at,
            names=tuple(dict.fromkeys([*names, *([given] if given else [])])),
            own=own,
            related=related or (names[0] if kind in FEES and names else None),
        )
        return keyed(line, given)

    @staticmethod
    def _cell(cells: list[str], place: int | None) -> str:
        return "" if place is None or place >= len(cells) else cells[place]


def _named_as_fee(line: StatementLine, name: str) -> StatementLine:
    """A fee beside a payment, by what callbacks call it."""
    if not line.names:
        return line
    names = (name.format(line.names[0]), *line.names)
    return replace(line, names=tuple(dict.fromkeys(names)))


def directed(kind: Kind, moved: int) -> tuple[Kind, Direction]:
    """What a line is, and which way it went, by what it does to the balance."""
    usual = DIRECTION_OF.get(kind)
    if usual is Direction.NONE:
        return kind, Direction.NONE
    direction = Direction.IN if moved > 0 else Direction.OUT
    if usual is None or usual.sign == direction.sign:
        return kind, usual or direction
    return OPPOSITE.get(kind, Kind.OTHER), direction


def says_the_same(line: StatementLine, other: StatementLine) -> bool:
    """Whether two lines of one name are about the same thing in every part that is kept."""
    return replace(line, has_id=True) == replace(other, has_id=True)


def keyed(line: StatementLine, given: str | None) -> StatementLine:
    """The line with its key: the provider's id and the kind, else a hash of what is kept of it."""
    if given is not None:
        return replace(line, key=f"{given}:{line.kind}")
    parts = (
        *(line.kind, line.direction, line.currency, str(line.amount)),
        *(line.occurred_at.isoformat(), str(line.own), line.related or "", *line.names),
    )
    digest = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
    return replace(line, key=f"#{digest[:40]}")


def own_reference(text: str) -> OwnReference | None:
    """A reference that we could have issued: an id, `stream:refund`, `payout:1` or -1, a till's."""
    found = OURS.fullmatch(text)
    if found is not None:
        return OwnReference(UUID(found["stream"]), found["detail"] or found["attempt"])
    read = normalised(text) if len(text) < 32 else None  # noqa: PLR2004 - with spaces and dashes
    return None if read is None else OwnReference(payment_of(read))


def _word(text: str) -> str | None:
    return text if WORD.fullmatch(text) else None
