"""Which subscriptions are there? Searched by creator, fan, state and tier, newest first.

What each event means is the ledger's to say (ledger/subscription.py); here it is folded into a row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal
from uuid import UUID

from ledger.billing_periods import start_of
from ledger.events import (
    CancellationRevoked,
    CancellationScheduled,
    Event,
    FirstPeriodInvoiced,
    InvoiceVoided,
    PauseScheduled,
    PaymentMethodChanged,
    PeriodPaid,
    PeriodSkipped,
    PeriodsPrepaid,
    PrepaymentEnded,
    RenewalInvoiced,
    SubscriptionActivated,
    SubscriptionCancelled,
    SubscriptionExpired,
    SubscriptionPastDue,
    SubscriptionPaused,
    SubscriptionRecovered,
    SubscriptionResumed,
    SubscriptionStarted,
    TierChanged,
    TrialConverted,
    TrialStarted,
)
from projections.folding import FoldedModel
from projections.reader import PAGE_SIZE
from projections.searching import Page, Search

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import LiteralString

    from ledger.events import LedgerEvent, Price
    from ledger.subscription import SubscriptionState
    from projections.live import LiveModel
    from projections.read_model import Recorded

TABLES: Final = """
    CREATE TABLE subscriptions_g{g} (
        subscription_id uuid PRIMARY KEY,
        opened bigint NOT NULL,
        fan_id uuid NOT NULL,
        creator_id uuid NOT NULL,
        tier_id uuid NOT NULL,
        state text NOT NULL,
        amount bigint NOT NULL,
        currency text COLLATE "C" NOT NULL,
        unit text NOT NULL,
        count integer NOT NULL,
        price_version integer NOT NULL,
        zone text NOT NULL,
        method text NOT NULL,
        started_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        next_number integer NOT NULL,
        trial_ends_at timestamptz,
        paid_until timestamptz,
        cancel_at timestamptz,
        pause_at timestamptz,
        grace_until timestamptz,
        ended_at timestamptz,
        reason text,
        invoice_id uuid,
        invoice_until timestamptz
    ) WITH (fillfactor = 80);
    CREATE INDEX ON subscriptions_g{g} ((opened + 0));
    CREATE INDEX ON subscriptions_g{g} (fan_id, opened);
    CREATE INDEX ON subscriptions_g{g} (creator_id, opened);
    CREATE INDEX ON subscriptions_g{g} (creator_id, state, opened);
    CREATE INDEX ON subscriptions_g{g} (creator_id, tier_id, opened);
    CREATE INDEX ON subscriptions_g{g} (state, opened);
"""
READ: Final = "SELECT * FROM subscriptions_g{g} WHERE subscription_id = ANY(%b::uuid[])"
WRITE: Final = """
    INSERT INTO subscriptions_g{g}
    SELECT * FROM unnest(
        %b::uuid[], %b::bigint[], %b::uuid[], %b::uuid[], %b::uuid[], %b::text[], %b::bigint[],
        %b::text[], %b::text[], %b::integer[], %b::integer[], %b::text[], %b::text[],
        %b::timestamptz[], %b::timestamptz[], %b::integer[], %b::timestamptz[], %b::timestamptz[],
        %b::timestamptz[], %b::timestamptz[], %b::timestamptz[], %b::timestamptz[], %b::text[],
        %b::uuid[], %b::timestamptz[])
    ON CONFLICT (subscription_id) DO UPDATE SET
        (tier_id, state, amount, currency, unit, count, price_version, method, updated_at,
         next_number, trial_ends_at, paid_until, cancel_at, pause_at, grace_until, ended_at,
         reason, invoice_id, invoice_until)
        = (excluded.tier_id, excluded.state, excluded.amount, excluded.currency, excluded.unit,
           excluded.count, excluded.price_version, excluded.method, excluded.updated_at,
           excluded.next_number, excluded.trial_ends_at, excluded.paid_until,
           excluded.cancel_at, excluded.pause_at, excluded.grace_until, excluded.ended_at,
           excluded.reason, excluded.invoice_id, excluded.invoice_until)
"""


@dataclass(frozen=True, slots=True)
class FoundSubscription:
    """A subscription in a list: `amount` minor units for every `count` `unit`s.

    `opened` is the position of its first event; `next_number` is the next period to be invoiced,
    which begins at `paid_until`. `invoice_id` is its open invoice for a period, and
    `invoice_until` where that period ends; a first one has no end before it is paid.
    """

    subscription_id: UUID
    opened: int
    fan_id: UUID
    creator_id: UUID
    tier_id: UUID
    state: str
    amount: int
    currency: str
    unit: Literal["day", "week", "month", "year"]
    count: int
    price_version: int
    zone: str
    method: Literal["phone", "card"]
    started_at: datetime
    updated_at: datetime
    next_number: int = 1
    trial_ends_at: datetime | None = None
    paid_until: datetime | None = None
    cancel_at: datetime | None = None
    pause_at: datetime | None = None
    grace_until: datetime | None = None
    ended_at: datetime | None = None
    reason: str | None = None
    invoice_id: UUID | None = None
    invoice_until: datetime | None = None

    @property
    def renews_at(self) -> datetime | None:
        """When the next period begins that is to be paid; None where none will, or one has."""
        scheduled = self.cancel_at or self.pause_at
        if scheduled is not None or self.state not in {"trialing", "active"}:
            return None
        return self.paid_until


class SubscriptionsModel(FoldedModel[FoundSubscription]):
    """Subscriptions, one row each."""

    name = "subscriptions"
    version = 1
    reads: ClassVar[frozenset[type[Event]]] = frozenset(
        {
            SubscriptionStarted,
            TrialStarted,
            TrialConverted,
            SubscriptionActivated,
            FirstPeriodInvoiced,
            RenewalInvoiced,
            PeriodPaid,
            PeriodsPrepaid,
            PrepaymentEnded,
            PeriodSkipped,
            InvoiceVoided,
            SubscriptionPastDue,
            SubscriptionRecovered,
            SubscriptionExpired,
            CancellationScheduled,
            CancellationRevoked,
            PauseScheduled,
            SubscriptionCancelled,
            SubscriptionPaused,
            SubscriptionResumed,
            TierChanged,
            PaymentMethodChanged,
        }
    )
    tables = TABLES
    names: ClassVar[Sequence[LiteralString]] = ("subscriptions_g{g}",)
    row: ClassVar[Callable[..., Any]] = FoundSubscription
    read = READ
    write = WRITE

    def fold(self, row: FoundSubscription | None, recorded: Recorded) -> FoundSubscription:
        """The subscription after an event."""
        event = recorded.event
        if isinstance(event, SubscriptionStarted):
            return _started(event, recorded.position)
        assert row is not None  # noqa: S101 - a subscription's stream begins with its start
        return _evolve(replace(row, updated_at=event.recorded_at), event)


def _started(event: SubscriptionStarted, position: int) -> FoundSubscription:
    return FoundSubscription(
        subscription_id=event.originator_id,
        opened=position,
        fan_id=event.fan_id,
        creator_id=event.creator_id,
        tier_id=event.tier_id,
        state="incomplete",
        zone=event.zone,
        method=event.method.kind,
        started_at=event.recorded_at,
        updated_at=event.recorded_at,
        **_price(event.price),
    )


def _price(price: Price) -> dict[str, Any]:
    return {
        "amount": price.money.amount,
        "currency": price.money.currency,
        "unit": price.interval.unit,
        "count": price.interval.count,
        "price_version": price.version,
    }


def _evolve(row: FoundSubscription, event: LedgerEvent) -> FoundSubscription:
    match event:
        case TrialStarted():
            return replace(
                row, state="trialing", trial_ends_at=event.ends_at, paid_until=event.ends_at
            )
        case TrialConverted() | SubscriptionActivated() | SubscriptionResumed():
            return replace(
                row,
                state="active",
                paid_until=event.anchor.at,
                next_number=event.anchor.first,
                grace_until=None,
            )
        case SubscriptionPastDue():
            return replace(row, state="past_due", grace_until=event.grace_until)
        case SubscriptionRecovered():
            return replace(row, state="active", grace_until=None)
        case SubscriptionExpired():
            return _ended(row, "expired", event)
        case SubscriptionCancelled():
            return _ended(row, "cancelled", event)
        case SubscriptionPaused():
            return replace(row, state="paused", pause_at=None, paid_until=None)
        case CancellationScheduled():
            return replace(row, cancel_at=event.at)
        case CancellationRevoked():
            return replace(row, cancel_at=None, pause_at=None)
        case PauseScheduled():
            return replace(row, pause_at=event.at)
        case TierChanged():
            return replace(row, tier_id=event.tier_id, **_price(event.price))
        case PaymentMethodChanged():
            return replace(row, method=event.method.kind)
        case _:
            return _evolve_periods(row, event)


def _ended(
    row: FoundSubscription, state: str, event: SubscriptionExpired | SubscriptionCancelled
) -> FoundSubscription:
    return replace(
        row,
        state=state,
        reason=event.reason,
        ended_at=event.recorded_at,
        grace_until=None,
        pause_at=None,
    )


def _evolve_periods(row: FoundSubscription, event: LedgerEvent) -> FoundSubscription:
    match event:
        case FirstPeriodInvoiced():
            return replace(row, invoice_id=event.invoice_id, invoice_until=None)
        case RenewalInvoiced():
            return replace(row, invoice_id=event.invoice_id, invoice_until=event.end)
        case PeriodPaid():
            return _closed(replace(row, paid_until=event.end, next_number=event.number + 1))
        case PeriodSkipped():
            return replace(row, paid_until=event.end, next_number=event.number + 1)
        case PeriodsPrepaid():
            return replace(row, paid_until=event.end, next_number=event.number + event.count)
        case PrepaymentEnded():
            # Numbers are never used again: the next period begins where the first of these did.
            return replace(row, paid_until=start_of(event.anchor, row.next_number))
        case InvoiceVoided() if event.invoice_id == row.invoice_id:
            if event.reason == "not_collected" and row.invoice_until is not None:
                # A period that was never asked for is over, and free.
                row = replace(row, paid_until=row.invoice_until, next_number=event.number + 1)
            return _closed(row)
        case _:
            return row


def _closed(row: FoundSubscription) -> FoundSubscription:
    return replace(row, invoice_id=None, invoice_until=None)


# Asking.

SEARCH: Final = """
    SELECT model.generation, model.position, model.parked_at, found.*
    FROM model LEFT JOIN LATERAL (
        SELECT * FROM subscriptions_g{g}
        WHERE {opened} < %(before)b::bigint {where}
        ORDER BY {opened} DESC LIMIT %(limit)b::bigint
    ) AS found ON true
    ORDER BY found.opened DESC
"""
KEYS: Final[Mapping[str, LiteralString]] = {
    "creator_id": "AND creator_id = %(creator_id)b::uuid",
    "fan_id": "AND fan_id = %(fan_id)b::uuid",
    "state": "AND state = %(state)b::text",
    "tier_id": "AND tier_id = %(tier_id)b::uuid",
}
SUBSCRIPTIONS: Final = Search("subscriptions", SEARCH, FoundSubscription, keys=KEYS)


async def search_subscriptions(
    model: LiveModel,
    *,
    creator_id: UUID | None = None,
    fan_id: UUID | None = None,
    state: SubscriptionState | None = None,
    tier_id: UUID | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
    min_position: int | None = None,
) -> Page[FoundSubscription]:
    """A page of the subscriptions that all filters name, newest first; see `Search.page`.

    Raises `InvalidCursor`, `ReadModelBehind`, `PositionNotReached` or `ReadUnavailable`.
    """
    filters = {
        "creator_id": creator_id,
        "fan_id": fan_id,
        "state": None if state is None else state.value,
        "tier_id": tier_id,
    }
    return await SUBSCRIPTIONS.page(
        model, filters, cursor=cursor, limit=limit, min_position=min_position
    )
