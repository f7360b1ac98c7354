"""How much comes back every month, and how many leave? A creator's subscriptions, day by day.

    began        paid for the first time, also after a trial      ┐
    resumed      came back from a pause                           ┘ active grows by these
    cancelled, expired, paused      who left, and how             ─ and shrinks by these
    recovered    was past due and paid: it had stayed active

Active is who pays: a subscription that was paid and has not left, past due or not; trials are not.
So active at the end of a day = at its beginning + began + resumed - cancelled - expired - paused.
A day is the book's, by when the ledger recorded it; days on which nothing changed have no row.

Recurring is what they pay in a month, in minor units: each one's price, for a month. A year has
twelve months and 365 days, so a day is 12/365 of a month and a week 84/365; half a unit is rounded
up, once for each subscription, and the sum is of these integers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple
from uuid import UUID

from ledger.events import (
    Event,
    SubscriptionActivated,
    SubscriptionCancelled,
    SubscriptionExpired,
    SubscriptionPaused,
    SubscriptionRecovered,
    SubscriptionResumed,
    SubscriptionStarted,
    TierChanged,
    TrialConverted,
)
from projections.cursor import InvalidCursor, decode_cursor, encode_cursor
from projections.folding import columns
from projections.read_model import ReadModel
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import LiteralString

    from ledger.events import LedgerEvent, Price
    from projections.live import LiveModel
    from projections.read_model import Recorded, Tables

CURSOR: Final = "recurring"

TABLES: Final = """
    CREATE TABLE recurring_days_g{g} (
        creator_id uuid NOT NULL,
        currency text COLLATE "C" NOT NULL,
        day date NOT NULL,
        began bigint NOT NULL,
        resumed bigint NOT NULL,
        recovered bigint NOT NULL,
        cancelled bigint NOT NULL,
        expired bigint NOT NULL,
        paused bigint NOT NULL,
        active bigint NOT NULL,
        recurring numeric NOT NULL,
        PRIMARY KEY (creator_id, currency, day)
    ) WITH (fillfactor = 80);
    CREATE TABLE recurring_subscriptions_g{g} (
        subscription_id uuid PRIMARY KEY,
        creator_id uuid NOT NULL,
        currency text COLLATE "C" NOT NULL,
        monthly bigint NOT NULL,
        active boolean NOT NULL
    ) WITH (fillfactor = 80);
"""
READ_SUBSCRIPTIONS: Final = """
    SELECT * FROM recurring_subscriptions_g{g} WHERE subscription_id = ANY(%b::uuid[])
"""
WRITE_SUBSCRIPTIONS: Final = """
    INSERT INTO recurring_subscriptions_g{g}
    SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::bigint[], %b::boolean[])
    ON CONFLICT (subscription_id) DO UPDATE SET
        (currency, monthly, active) = (excluded.currency, excluded.monthly, excluded.active)
"""
READ_LAST_DAYS: Final = """
    SELECT last.* FROM unnest(%b::uuid[], %b::text[]) AS wanted (creator_id, currency)
    CROSS JOIN LATERAL (
        SELECT * FROM recurring_days_g{g} AS days
        WHERE days.creator_id = wanted.creator_id AND days.currency = wanted.currency
        ORDER BY days.day DESC LIMIT 1
    ) AS last
"""
WRITE_DAYS: Final = """
    INSERT INTO recurring_days_g{g}
    SELECT * FROM unnest(%b::uuid[], %b::text[], %b::date[], %b::bigint[], %b::bigint[],
                         %b::bigint[], %b::bigint[], %b::bigint[], %b::bigint[], %b::bigint[],
                         %s::numeric[])
    ON CONFLICT (creator_id, currency, day) DO UPDATE SET
        (began, resumed, recovered, cancelled, expired, paused, active, recurring)
        = (excluded.began, excluded.resumed, excluded.recovered, excluded.cancelled,
           excluded.expired, excluded.paused, excluded.active, excluded.recurring)
"""

MONTHS_IN_A_YEAR: Final = 12
PERIODS_IN_A_YEAR: Final[Mapping[str, tuple[int, int]]] = {
    "day": (365, 1),
    "week": (365, 7),
    "month": (12, 1),
    "year": (1, 1),
}
"""How many units a year has, as a fraction."""


def monthly(price: Price) -> int:
    """What a price is for a month, in minor units, half rounded up."""
    numerator, denominator = PERIODS_IN_A_YEAR[price.interval.unit]
    whole = price.money.amount * numerator
    parts = MONTHS_IN_A_YEAR * denominator * price.interval.count
    return (2 * whole + parts) // (2 * parts)


@dataclass(frozen=True, slots=True)
class RecurringDay:
    """What changed on a day, and how it stood at its end; `recurring` in minor units a month."""

    creator_id: UUID
    currency: str
    day: date
    began: int = 0
    resumed: int = 0
    recovered: int = 0
    cancelled: int = 0
    expired: int = 0
    paused: int = 0
    active: int = 0
    recurring: int = 0

    @property
    def churned(self) -> int:
        """Who left."""
        return self.cancelled + self.expired + self.paused


@dataclass(frozen=True, slots=True)
class _Paying:
    """A subscription: its price for a month, and whether it is paying."""

    subscription_id: UUID
    creator_id: UUID
    currency: str
    monthly: int
    active: bool


class RecurringModel(ReadModel):
    """Who begins to pay, who leaves, and what comes back every month, by creator and day."""

    name = "recurring"
    version = 1
    reads: ClassVar[frozenset[type[Event]]] = frozenset(
        {
            SubscriptionStarted,
            SubscriptionActivated,
            TrialConverted,
            SubscriptionResumed,
            SubscriptionRecovered,
            SubscriptionCancelled,
            SubscriptionExpired,
            SubscriptionPaused,
            TierChanged,
        }
    )
    tables = TABLES
    names: ClassVar[Sequence[LiteralString]] = (
        "recurring_days_g{g}",
        "recurring_subscriptions_g{g}",
    )

    def apply(self, tables: Tables, batch: Sequence[Recorded]) -> None:
        """Read these subscriptions and the last days of their creators, fold, write."""
        streams = list({each.event.originator_id for each in batch})
        paying = {row[0]: _Paying(*row) for row in tables.fetch(READ_SUBSCRIPTIONS, (streams,))}
        for each in batch:
            if isinstance(each.event, SubscriptionStarted):
                paying[each.event.originator_id] = _started(each.event)
        days = _Days(tables, {(each.creator_id, each.currency) for each in paying.values()})
        for each in batch:
            stream = each.event.originator_id
            paying[stream] = _evolve(paying[stream], each.event, days)
        tables.write(WRITE_SUBSCRIPTIONS, [columns(row) for row in paying.values()])
        tables.write(WRITE_DAYS, [columns(row) for row in days.touched.values()])


class _Days:
    """The days that a batch touches: they begin with what stood at the end of the one before."""

    def __init__(self, tables: Tables, creators: set[tuple[UUID, str]]) -> None:
        self._zone = tables.zone
        self._last: dict[tuple[UUID, str], RecurringDay] = {}
        self.touched: dict[tuple[UUID, str, date], RecurringDay] = {}
        wanted = list(zip(*creators, strict=True)) or [(), ()]
        for row in tables.fetch(READ_LAST_DAYS, [list(column) for column in wanted]):
            day = _day(*row)
            self._last[day.creator_id, day.currency] = day

    def add(
        self, paying: _Paying, event: LedgerEvent, what: str | None, *, active: int, recurring: int
    ) -> None:
        """Count what happened to a subscription, and change what stands by so much."""
        key = (paying.creator_id, paying.currency)
        day = event.recorded_at.astimezone(self._zone).date()
        last = self._last.get(key) or RecurringDay(*key, day)
        if day > last.day:
            last = RecurringDay(*key, day, active=last.active, recurring=last.recurring)
        counted = {} if what is None else {what: getattr(last, what) + 1}
        changed = replace(
            last, active=last.active + active, recurring=last.recurring + recurring, **counted
        )
        self._last[key] = self.touched[*key, changed.day] = changed


def _day(*row: Any) -> RecurringDay:  # noqa: ANN401 - a row's columns
    day = RecurringDay(*row)
    return replace(day, recurring=int(day.recurring))


def _started(event: SubscriptionStarted) -> _Paying:
    return _Paying(
        subscription_id=event.originator_id,
        creator_id=event.creator_id,
        currency=event.price.money.currency,
        monthly=monthly(event.price),
        active=False,
    )


def _evolve(paying: _Paying, event: LedgerEvent, days: _Days) -> _Paying:
    match event:
        case SubscriptionActivated() | TrialConverted():
            return _joined(paying, event, days, "began")
        case SubscriptionResumed():
            return _joined(paying, event, days, "resumed")
        case SubscriptionRecovered():
            if paying.active:
                days.add(paying, event, "recovered", active=0, recurring=0)
            return paying
        case SubscriptionCancelled():
            return _left(paying, event, days, "cancelled")
        case SubscriptionExpired():
            return _left(paying, event, days, "expired")
        case SubscriptionPaused():
            return _left(paying, event, days, "paused")
        case TierChanged():
            price = monthly(event.price)
            if paying.active and price != paying.monthly:
                days.add(paying, event, None, active=0, recurring=price - paying.monthly)
            return replace(paying, monthly=price)
        case _:
            return paying


def _joined(paying: _Paying, event: LedgerEvent, days: _Days, how: str) -> _Paying:
    if not paying.active:
        days.add(paying, event, how, active=1, recurring=paying.monthly)
    return replace(paying, active=True)


def _left(paying: _Paying, event: LedgerEvent, days: _Days, how: str) -> _Paying:
    """Who never paid has not left."""
    if paying.active:
        days.add(paying, event, how, active=-1, recurring=-paying.monthly)
    return replace(paying, active=False)


# Asking.

READ_DAYS: Final = """
    SELECT model.generation, model.position, model.parked_at, found.*
    FROM model LEFT JOIN LATERAL (
        SELECT creator_id, currency, day, began, resumed, recovered, cancelled, expired, paused,
               active, recurring::text
        FROM recurring_days_g{g}
        WHERE creator_id = %(creator_id)b::uuid AND currency = %(currency)b::text
          AND day >= %(first)b::date AND day < %(until)b::date
        ORDER BY day DESC LIMIT %(limit)b::bigint
    ) AS found ON true
    ORDER BY found.day DESC
"""
READ_RANGE: Final = """
    SELECT model.generation, model.position, model.parked_at,
           changed.began, changed.resumed, changed.recovered, changed.cancelled, changed.expired,
           changed.paused, coalesce(before.active, 0), coalesce(before.recurring, 0)::text,
           coalesce(last.active, 0), coalesce(last.recurring, 0)::text
    FROM model
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(began), 0)::bigint AS began,
               coalesce(sum(resumed), 0)::bigint AS resumed,
               coalesce(sum(recovered), 0)::bigint AS recovered,
               coalesce(sum(cancelled), 0)::bigint AS cancelled,
               coalesce(sum(expired), 0)::bigint AS expired,
               coalesce(sum(paused), 0)::bigint AS paused
        FROM recurring_days_g{g}
        WHERE creator_id = %(creator_id)b::uuid AND currency = %(currency)b::text
          AND day >= %(first)b::date AND day < %(until)b::date
    ) AS changed
    LEFT JOIN LATERAL (
        SELECT active, recurring FROM recurring_days_g{g}
        WHERE creator_id = %(creator_id)b::uuid AND currency = %(currency)b::text
          AND day < %(first)b::date
        ORDER BY day DESC LIMIT 1
    ) AS before ON true
    LEFT JOIN LATERAL (
        SELECT active, recurring FROM recurring_days_g{g}
        WHERE creator_id = %(creator_id)b::uuid AND currency = %(currency)b::text
          AND day < %(until)b::date
        ORDER BY day DESC LIMIT 1
    ) AS last ON true
"""


class Churn(NamedTuple):
    """Who left, of those who were active before: a rate as two integers, as it may be 0 of 0."""

    left: int
    active_before: int


class Standing(NamedTuple):
    """How many subscriptions pay, and what they pay in a month, in minor units."""

    active: int
    recurring: int


@dataclass(frozen=True, slots=True)
class RecurringRange:
    """A range of days, true at `position`: how it stood before and at its end, and what changed."""

    position: int
    before: Standing
    end: Standing
    began: int
    resumed: int
    recovered: int
    cancelled: int
    expired: int
    paused: int

    @property
    def churn(self) -> Churn:
        """Who left in it, of those who were active before it; those who began in it may be too."""
        return Churn(self.cancelled + self.expired + self.paused, self.before.active)


@dataclass(frozen=True, slots=True)
class RecurringDays:
    """Days on which something changed, newest first, true at `position`."""

    position: int
    items: list[RecurringDay] = field(default_factory=list)
    next_cursor: str | None = None


async def recurring_range(
    model: LiveModel,
    creator_id: UUID,
    currency: str,
    *,
    first: date,
    until: date,
    min_position: int | None = None,
) -> RecurringRange:
    """What changed from the day `first` to the day before `until`, and how it stood then.

    Raises `ReadModelBehind`, `PositionNotReached` or `ReadUnavailable`.
    """
    answer = await model.fetch(
        READ_RANGE,
        {"creator_id": creator_id, "currency": currency, "first": first, "until": until},
        min_position=min_position,
    )
    [row] = answer.rows
    changed, (active, recurring, active_at_end, recurring_at_end) = row[:6], row[6:]
    return RecurringRange(
        answer.position,
        Standing(active, int(recurring)),
        Standing(active_at_end, int(recurring_at_end)),
        *changed,
    )


async def recurring_days(
    model: LiveModel,
    creator_id: UUID,
    currency: str,
    *,
    first: date = date.min,
    until: date = date.max,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
    min_position: int | None = None,
) -> RecurringDays:
    """A page of the days from `first` to the day before `until` on which something changed.

    `limit` is cut to 1 … `PAGE_SIZE_MAX`. Raises `InvalidCursor`, `ReadModelBehind`,
    `PositionNotReached` or `ReadUnavailable`.
    """
    limit = min(max(limit, 1), PAGE_SIZE_MAX)
    asked = {"creator_id": creator_id, "currency": currency, "first": first}
    answer = await model.fetch(
        READ_DAYS,
        {**asked, "until": until if cursor is None else _before(cursor, until), "limit": limit + 1},
        min_position=min_position,
    )
    items = [_day(*row) for row in answer.rows[:limit]]
    more = len(answer.rows) > limit
    next_cursor = encode_cursor(CURSOR, items[-1].day.isoformat()) if more else None
    return RecurringDays(answer.position, items, next_cursor)


def _before(cursor: str, until: date) -> date:
    """Where the next page ends: before the last day of the page before."""
    [day] = decode_cursor(cursor, CURSOR, str)
    try:
        return min(date.fromisoformat(str(day)), until)
    except ValueError:
        raise InvalidCursor from None
