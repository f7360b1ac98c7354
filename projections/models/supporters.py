"""Who supports a creator most? Of all time, or in a month.

What a fan has paid is the gross of their tips, purchases and subscriptions, less what went back to
them: refunds, lost disputes, time that they did not use. What the platform's goodwill paid is no
money of theirs. A month is the book's, by when the ledger recorded it; a refund is of the month in
which it was made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, ClassVar, Final
from uuid import UUID

from ledger.events import Event, InvoicePaymentInitiated, PaymentInitiated
from projections.beginnings import Beginnings
from projections.creator_shares import GIVEN_BACK, RECEIVED, shares_of_payment
from projections.read_model import ReadModel
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import LiteralString

    from projections.live import LiveModel
    from projections.read_model import Recorded, Tables

TABLES: Final = """
    CREATE TABLE supporters_g{g} (
        creator_id uuid NOT NULL,
        currency text COLLATE "C" NOT NULL,
        fan_id uuid NOT NULL,
        paid numeric NOT NULL,
        payments bigint NOT NULL,
        first_at timestamptz,
        last_at timestamptz,
        PRIMARY KEY (creator_id, currency, fan_id)
    ) WITH (fillfactor = 80);
    CREATE INDEX ON supporters_g{g} (creator_id, currency, paid DESC, fan_id);
    CREATE TABLE supporters_by_month_g{g} (
        creator_id uuid NOT NULL,
        currency text COLLATE "C" NOT NULL,
        fan_id uuid NOT NULL,
        month date NOT NULL,
        paid numeric NOT NULL,
        payments bigint NOT NULL,
        first_at timestamptz,
        last_at timestamptz,
        PRIMARY KEY (creator_id, currency, month, fan_id)
    ) WITH (fillfactor = 80);
    CREATE INDEX ON supporters_by_month_g{g} (creator_id, currency, month, paid DESC, fan_id);
"""
ADD: Final = """
    INSERT INTO supporters_g{g} AS supporter
    SELECT * FROM unnest(%b::uuid[], %b::text[], %b::uuid[], %s::numeric[], %b::bigint[],
                         %b::timestamptz[], %b::timestamptz[])
    ON CONFLICT (creator_id, currency, fan_id) DO UPDATE SET
        (paid, payments, first_at, last_at)
        = (supporter.paid + excluded.paid, supporter.payments + excluded.payments,
           coalesce(supporter.first_at, excluded.first_at),
           coalesce(excluded.last_at, supporter.last_at))
"""
ADD_BY_MONTH: Final = """
    INSERT INTO supporters_by_month_g{g} AS supporter
    SELECT * FROM unnest(%b::uuid[], %b::text[], %b::uuid[], %b::date[], %s::numeric[],
                         %b::bigint[], %b::timestamptz[], %b::timestamptz[])
    ON CONFLICT (creator_id, currency, month, fan_id) DO UPDATE SET
        (paid, payments, first_at, last_at)
        = (supporter.paid + excluded.paid, supporter.payments + excluded.payments,
           coalesce(supporter.first_at, excluded.first_at),
           coalesce(excluded.last_at, supporter.last_at))
"""


@dataclass(slots=True)
class _Sum:
    """What a batch adds to a row."""

    paid: int = 0
    payments: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None

    def add(self, gross: int, paid_at: datetime | None) -> None:
        self.paid += gross
        if paid_at is not None:
            self.payments += 1
            self.first_at = self.first_at or paid_at
            self.last_at = paid_at

    def columns(self) -> tuple[object, ...]:
        return self.paid, self.payments, self.first_at, self.last_at


class SupportersModel(ReadModel):
    """What each fan has paid each creator: in all, and by month."""

    name = "supporters"
    version = 1
    reads: ClassVar[frozenset[type[Event]]] = frozenset(
        RECEIVED | GIVEN_BACK | {PaymentInitiated, InvoicePaymentInitiated}
    )
    tables = TABLES
    names: ClassVar[Sequence[LiteralString]] = ("supporters_g{g}", "supporters_by_month_g{g}")

    def __init__(self) -> None:
        self._beginnings = Beginnings()

    def apply(self, tables: Tables, batch: Sequence[Recorded]) -> None:
        """Add what fans paid, and take off what went back to them."""
        self._beginnings.learn(batch)
        paying = [each.event for each in batch if type(each.event) in RECEIVED | GIVEN_BACK]
        origins = self._beginnings.of(tables, {event.originator_id for event in paying})
        in_all: dict[tuple[UUID, str, UUID], _Sum] = {}
        by_month: dict[tuple[UUID, str, UUID, date], _Sum] = {}
        for event in paying:
            origin = origins.get(event.originator_id)
            shares = shares_of_payment(event.journal_entry)
            if origin is None or origin.goodwill or shares is None:
                continue
            fan = (origin.creator_id, shares.currency, origin.fan_id)
            month = event.recorded_at.astimezone(tables.zone).date().replace(day=1)
            paid_at = event.recorded_at if type(event) in RECEIVED else None
            in_all.setdefault(fan, _Sum()).add(shares.gross, paid_at)
            by_month.setdefault((*fan, month), _Sum()).add(shares.gross, paid_at)
        tables.write(ADD, [(*key, *in_all[key].columns()) for key in sorted(in_all)])
        tables.write(ADD_BY_MONTH, [(*key, *by_month[key].columns()) for key in sorted(by_month)])


# Asking.

READ_TOP: Final = """
    SELECT model.generation, model.position, model.parked_at, found.*
    FROM model LEFT JOIN LATERAL (
        SELECT fan_id, paid::text AS paid_text, payments, first_at, last_at, paid
        FROM supporters_g{g}
        WHERE creator_id = %(creator_id)b::uuid AND currency = %(currency)b::text AND paid > 0
        ORDER BY paid DESC, fan_id LIMIT %(limit)b::bigint
    ) AS found ON true
    ORDER BY found.paid DESC, found.fan_id
"""
READ_TOP_OF_MONTH: Final = """
    SELECT model.generation, model.position, model.parked_at, found.*
    FROM model LEFT JOIN LATERAL (
        SELECT fan_id, paid::text AS paid_text, payments, first_at, last_at, paid
        FROM supporters_by_month_g{g}
        WHERE creator_id = %(creator_id)b::uuid AND currency = %(currency)b::text
          AND month = %(month)b::date AND paid > 0
        ORDER BY paid DESC, fan_id LIMIT %(limit)b::bigint
    ) AS found ON true
    ORDER BY found.paid DESC, found.fan_id
"""


@dataclass(frozen=True, slots=True)
class Supporter:
    """A fan, and what they have paid in minor units; by how many payments, the first and last."""

    fan_id: UUID
    paid: int
    payments: int
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class TopSupporters:
    """Those who paid most, the first of them first, true at `position`."""

    position: int
    items: list[Supporter]


async def top_supporters(
    model: LiveModel,
    creator_id: UUID,
    currency: str,
    *,
    month: date | None = None,
    limit: int = PAGE_SIZE,
    min_position: int | None = None,
) -> TopSupporters:
    """A creator's top supporters in a currency, of all time or of the month that a day lies in.

    `limit` is cut to 1 … `PAGE_SIZE_MAX`; who paid nothing, or has all of it back, is not among
    them. Raises `ReadModelBehind`, `PositionNotReached` or `ReadUnavailable`.
    """
    asked: dict[str, object] = {
        "creator_id": creator_id,
        "currency": currency,
        "limit": min(max(limit, 1), PAGE_SIZE_MAX),
    }
    query: LiteralString = READ_TOP
    if month is not None:
        query, asked = READ_TOP_OF_MONTH, {**asked, "month": month.replace(day=1)}
    answer = await model.fetch(query, asked, min_position=min_position)
    return TopSupporters(
        answer.position,
        [Supporter(row[0], int(row[1]), row[2], row[3], row[4]) for row in answer.rows],
    )
