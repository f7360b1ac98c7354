"""What did a creator earn, and from what? By day, week or month.

A day is the book's, by when the ledger recorded it: a day that is over never changes, and what came
late is of the day on which it came. What an earning is says projections/creator_shares.py; so the
sum of all `net` of a creator is what they have and what was paid out to them, always.

    source                                    gross = fee + vat + net
    tips, purchases, subscriptions            what fans paid, also out of their credit
    refunds, disputes, unused_time            what went back, negative, unless it did not arrive
    dispute_fees, adjustments, write_offs     the creator's alone: gross = net
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple

from ledger.errors import LedgerError
from ledger.events import (
    AdjustmentPosted,
    CurrencyExchanged,
    DebtWrittenOff,
    DisputeClosed,
    DisputeOpened,
    Event,
    InvoicePaymentInitiated,
    PaymentInitiated,
    UnusedTimeCredited,
)
from projections.beginnings import Beginnings
from projections.creator_shares import (
    DISPUTE_FEES,
    GIVEN_BACK,
    RECEIVED,
    nets_of,
    shares_of_payment,
)
from projections.read_model import ReadModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import LiteralString
    from uuid import UUID
    from zoneinfo import ZoneInfo

    from projections.beginnings import Origin
    from projections.live import LiveModel
    from projections.read_model import Recorded, Tables

Interval = Literal["day", "week", "month"]
Source = Literal[
    "tips",
    "purchases",
    "subscriptions",
    "refunds",
    "disputes",
    "unused_time",
    "dispute_fees",
    "adjustments",
    "write_offs",
]

TABLES: Final = """
    CREATE TABLE earnings_g{g} (
        creator_id uuid NOT NULL,
        day date NOT NULL,
        currency text COLLATE "C" NOT NULL,
        source text COLLATE "C" NOT NULL,
        gross numeric NOT NULL,
        fee numeric NOT NULL,
        vat numeric NOT NULL,
        net numeric NOT NULL,
        entries bigint NOT NULL,
        PRIMARY KEY (creator_id, day, currency, source)
    ) WITH (fillfactor = 80);
"""
ADD: Final = """
    INSERT INTO earnings_g{g} AS earned
    SELECT * FROM unnest(%b::uuid[], %b::date[], %b::text[], %b::text[], %s::numeric[],
                         %s::numeric[], %s::numeric[], %s::numeric[], %b::bigint[])
    ON CONFLICT (creator_id, day, currency, source) DO UPDATE SET
        (gross, fee, vat, net, entries)
        = (earned.gross + excluded.gross, earned.fee + excluded.fee, earned.vat + excluded.vat,
           earned.net + excluded.net, earned.entries + excluded.entries)
"""

_WITHOUT_PAYMENT: Final[frozenset[type[Event]]] = frozenset(
    {AdjustmentPosted, CurrencyExchanged, DebtWrittenOff}
)
_OTHERS: Final[frozenset[type[Event]]] = _WITHOUT_PAYMENT | {
    PaymentInitiated,
    InvoicePaymentInitiated,
}
_Key = tuple["UUID", date, str, Source]


class Earned(NamedTuple):
    """Minor units, and how many entries they are of; gross = fee + vat + net."""

    gross: int
    fee: int
    vat: int
    net: int
    entries: int

    def plus(self, other: Earned) -> Earned:
        """Both together."""
        return Earned(*(mine + its for mine, its in zip(self, other, strict=True)))


NOTHING: Final = Earned(0, 0, 0, 0, 0)


class EarningsModel(ReadModel):
    """Earnings of creators, one row a day, currency and source."""

    name = "earnings"
    version = 1
    reads: ClassVar[frozenset[type[Event]]] = frozenset(
        RECEIVED | GIVEN_BACK | DISPUTE_FEES | _OTHERS
    )
    tables = TABLES
    names: ClassVar[Sequence[LiteralString]] = ("earnings_g{g}",)

    def __init__(self) -> None:
        self._beginnings = Beginnings()

    def apply(self, tables: Tables, batch: Sequence[Recorded]) -> None:
        """Add what the events bring, a row a day and source."""
        self._beginnings.learn(batch)
        paying = {
            each.event.originator_id
            for each in batch
            if type(each.event) in RECEIVED | GIVEN_BACK | DISPUTE_FEES
        }
        origins = self._beginnings.of(tables, paying)
        sums: dict[_Key, Earned] = {}
        for each in batch:
            for key, earned in _earned(each.event, origins, tables.zone):
                sums[key] = sums.get(key, NOTHING).plus(earned)
        # In one order: two who write cannot wait for each other.
        tables.write(ADD, sorted((*key, *earned) for key, earned in sums.items()))


def _earned(
    event: Event, origins: Mapping[UUID, Origin], zone: ZoneInfo
) -> Iterator[tuple[_Key, Earned]]:
    """What an event brings to whom."""
    entry = event.journal_entry
    if entry is None:
        return
    day = event.recorded_at.astimezone(zone).date()
    origin = origins.get(event.originator_id)
    if origin is not None:
        shares = shares_of_payment(entry)
        if shares is not None:
            fee, vat, net = shares.fee, shares.vat, shares.net
            key = (origin.creator_id, day, shares.currency, _source(event, origin))
            yield key, Earned(shares.gross, fee, vat, net, 1)
    elif type(event) in _WITHOUT_PAYMENT:
        written_off = isinstance(event, DebtWrittenOff)
        for (creator_id, currency), net in nets_of(entry).items():
            key = (creator_id, day, currency, "write_offs" if written_off else "adjustments")
            yield key, Earned(net, 0, 0, net, 1)


def _source(event: Event, origin: Origin) -> Source:
    if type(event) in RECEIVED:
        return origin.source
    if type(event) in DISPUTE_FEES:
        return "dispute_fees"
    if isinstance(event, DisputeOpened | DisputeClosed):
        return "disputes"
    return "unused_time" if isinstance(event, UnusedTimeCredited) else "refunds"


# Asking.

DAYS_MAX: Final[Mapping[Interval, int]] = {"day": 400, "week": 7 * 400, "month": 31 * 120}
"""How long a time one question may be about: some hundred periods."""

READ: Final = """
    SELECT model.generation, model.position, model.parked_at, found.*
    FROM model LEFT JOIN LATERAL (
        SELECT date_trunc(%(interval)b::text, day::timestamp)::date AS first_day, currency, source,
               sum(gross)::text, sum(fee)::text, sum(vat)::text, sum(net)::text,
               sum(entries)::bigint
        FROM earnings_g{g}
        WHERE creator_id = %(creator_id)b::uuid
          AND day >= %(first)b::date AND day < %(until)b::date
        GROUP BY 1, 2, 3
    ) AS found ON true
    ORDER BY found.first_day DESC, found.currency, found.source
"""


class RangeTooLong(LedgerError):
    """So long a time cannot be asked for at once. By {interval} it is at most {days} days."""

    code = "range_too_long"


@dataclass(frozen=True, slots=True)
class EarningsPeriod:
    """What was earned in a day, an ISO week or a month that begins with `first_day`."""

    first_day: date
    currency: str
    total: Earned
    by_source: Mapping[str, Earned]


@dataclass(frozen=True, slots=True)
class Earnings:
    """Periods, newest first, true at `position`; those in which nothing was earned are left out."""

    position: int
    items: list[EarningsPeriod]


async def earnings(
    model: LiveModel,
    creator_id: UUID,
    *,
    interval: Interval,
    first: date,
    until: date,
    min_position: int | None = None,
) -> Earnings:
    """A creator's earnings from the day `first` to the day before `until`, by interval.

    A week or month that only partly lies between them has what was earned there alone. Raises
    `RangeTooLong`, `ReadModelBehind`, `PositionNotReached` or `ReadUnavailable`.
    """
    if (until - first).days > DAYS_MAX[interval]:
        raise RangeTooLong(interval=interval, days=DAYS_MAX[interval])
    answer = await model.fetch(
        READ,
        {"interval": interval, "creator_id": creator_id, "first": first, "until": until},
        min_position=min_position,
    )
    items = [
        _period(first_day, currency, list(rows))
        for (first_day, currency), rows in groupby(answer.rows, itemgetter(0, 1))
    ]
    return Earnings(answer.position, items)


def _period(first_day: date, currency: str, rows: list[tuple[Any, ...]]) -> EarningsPeriod:
    by_source = {source: Earned(*map(int, sums)) for _, _, source, *sums in rows}
    total = NOTHING
    for earned in by_source.values():
        total = total.plus(earned)
    return EarningsPeriod(first_day, currency, total, by_source)
