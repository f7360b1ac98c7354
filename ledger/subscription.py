"""A subscription: a fan's standing wish to pay a creator for a tier, period after period.

    Subscribe ─▶ incomplete ──first payment──▶ active ◀───paid─── past_due ──grace over──▶ expired
        │             └──24 h──▶ expired        │ ▲ └──could not be──▶ ▲
        │                                       │ │      collected     │
        └────────▶ trialing ───paid──▶ active   │ │                    │
                       └──unpaid at its end─────┼─┼────────────────────┘
                              Pause, or a flag  ▼ │ Resume
                              and the end of    paused            from any: Cancel ──▶ cancelled
                              the period

Entitled: trialing; active; past_due until its grace ends. What is to end or to pause with its
period is entitled until then.
Ended states never come back; a returning fan starts a new one.

This is the state and how facts change it; evolve never checks. What its fan may do is decided in
ledger/subscribing.py, what the clock does in ledger/renewals.py, how an invoice is collected in
ledger/invoices.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, assert_never

from ledger.billing_periods import Anchor
from ledger.events import (
    CancellationRevoked,
    CancellationScheduled,
    ChangeInvoiced,
    CreditNoteIssued,
    CreditReserved,
    DunningScheduled,
    FirstPeriodInvoiced,
    InvoiceAttempted,
    InvoiceAttemptFailed,
    InvoiceVoided,
    PauseScheduled,
    PaymentMethodChanged,
    PeriodPaid,
    PeriodSkipped,
    PeriodsPrepaid,
    PrepaymentEnded,
    PrepaymentInvoiced,
    PriceMigrationNoticed,
    RenewalInvoiced,
    RenewalReminded,
    SubscriptionActivated,
    SubscriptionCancelled,
    SubscriptionEvent,
    SubscriptionExpired,
    SubscriptionPastDue,
    SubscriptionPaused,
    SubscriptionRecovered,
    SubscriptionResumed,
    SubscriptionStarted,
    TierChanged,
    TierChangeRevoked,
    TierChangeScheduled,
    TrialConverted,
    TrialStarted,
)

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.events import AttemptOrigin, InvoiceKind, PaymentMethod, Price
    from ledger.money import Money


class SubscriptionState(StrEnum):
    """Where a subscription stands."""

    INCOMPLETE = "incomplete"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


ENDED: Final = frozenset({SubscriptionState.CANCELLED, SubscriptionState.EXPIRED})
LIVE: Final = frozenset(SubscriptionState) - ENDED - {SubscriptionState.INCOMPLETE}
"""A fan has at most one live subscription to a creator; an incomplete one can be replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A prompt or a charge that is under way."""

    payment_id: UUID
    number: int
    origin: AttemptOrigin


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """An open invoice. `credit` and `goodwill` of it are reserved; the rest is cash.

    A renewal has a period [start, end), a first one has not yet. A change has its target; a change
    and a prepayment expire. `next_attempt_at` is when the clock asks by itself.
    """

    id: UUID
    kind: InvoiceKind
    number: int
    count: int = 1
    money: Money
    credit: int
    goodwill: int
    price: Price
    tier_id: UUID
    start: datetime | None = None
    end: datetime | None = None
    expires_at: datetime | None = None
    attempts: int = 0
    live: Attempt | None = None
    next_attempt_at: datetime | None = None
    first_push: datetime | None = None
    last_push: datetime | None = None
    pushes: int = 0

    @property
    def cash(self) -> int:
        """What is still to be paid by the fan, in minor units."""
        return self.money.amount - self.credit - self.goodwill


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What of a payment is for a period: one part of `parts`, for its time from `since` on."""

    payment_id: UUID
    parts: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidPeriod:
    """A period that is paid and not over, and what paid it."""

    number: int
    start: datetime
    end: datetime
    invoice_id: UUID
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledChange:
    """Another tier or price from the next renewal on."""

    tier_id: UUID
    price: Price


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticedPrice:
    """Another price that the fan was told of."""

    price: Price
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A subscription's state at a version of its stream.

    `next_number` is the next period to be invoiced, which begins at `paid_until`. `invoice` is for
    a period; `order` is a change or a prepayment. Both are open ones: a closed invoice is forgotten
    here, and money that comes for it is the fan's credit. A void invoice of `next_number` may be
    issued again, and `attempts` are those that it had.
    """

    id: UUID
    version: int
    state: SubscriptionState
    fan_id: UUID
    creator_id: UUID
    tier_id: UUID
    price: Price
    zone: str
    method: PaymentMethod
    started_at: datetime
    completes_by: datetime
    trial_ends_at: datetime | None = None
    anchor: Anchor | None = None
    next_number: int = 1
    attempts: int = 0
    paid_until: datetime | None = None
    periods: tuple[PaidPeriod, ...] = ()
    invoice: Invoice | None = None
    order: Invoice | None = None
    cancel_at: datetime | None = None
    pause_at: datetime | None = None
    change: ScheduledChange | None = None
    noticed: NoticedPrice | None = None
    reminded: frozenset[tuple[int, int]] = frozenset()
    grace_until: datetime | None = None
    entitled_in_grace: bool = False
    ended_at: datetime | None = None
    reason: str | None = None

    @property
    def currency(self) -> str:
        """What it is paid in."""
        return self.price.money.currency

    @property
    def ended(self) -> bool:
        """Whether it is over, for ever."""
        return self.state in ENDED

    def open_invoice(self, invoice_id: UUID) -> Invoice | None:
        """The open invoice with this id."""
        return next(
            (each for each in (self.invoice, self.order) if each and each.id == invoice_id), None
        )

    def open_invoices(self) -> list[Invoice]:
        """What is open: at most one for a period and one for a change or prepayment."""
        return [each for each in (self.invoice, self.order) if each is not None]

    def period_at(self, instant: datetime) -> PaidPeriod | None:
        """The paid period that an instant lies in."""
        return next((each for each in self.periods if each.start <= instant < each.end), None)

    def is_entitled(self, instant: datetime) -> bool:
        """Whether the fan has access at an instant not before the last fact."""
        match self.state:
            case SubscriptionState.TRIALING:
                return self.trial_ends_at is not None and instant < self.trial_ends_at
            case SubscriptionState.ACTIVE:
                ends = [each for each in (self.cancel_at, self.pause_at) if each is not None]
                return not ends or instant < min(ends)
            case SubscriptionState.PAST_DUE:
                until = self.grace_until
                return self.entitled_in_grace and (until is None or instant < until)
            case _:
                return False


def evolve_subscription(
    subscription: Subscription | None, event: SubscriptionEvent
) -> Subscription:
    """Apply a fact. Never checks: replay must always succeed."""
    if isinstance(event, SubscriptionStarted):
        return Subscription(
            id=event.originator_id,
            version=event.originator_version,
            state=SubscriptionState.INCOMPLETE,
            fan_id=event.fan_id,
            creator_id=event.creator_id,
            tier_id=event.tier_id,
            price=event.price,
            zone=event.zone,
            method=event.method,
            started_at=event.recorded_at,
            completes_by=event.completes_by,
        )
    assert subscription is not None  # noqa: S101 - version density: SubscriptionStarted is first
    return _evolve_life(replace(subscription, version=event.originator_version), event)


def _evolve_life(sub: Subscription, event: SubscriptionEvent) -> Subscription:
    match event:
        case SubscriptionStarted():
            return sub
        case TrialStarted():
            return replace(
                sub,
                state=SubscriptionState.TRIALING,
                trial_ends_at=event.ends_at,
                paid_until=event.ends_at,
            )
        case TrialConverted() | SubscriptionActivated() | SubscriptionResumed():
            return _anchored(sub, event.anchor)
        case SubscriptionPastDue():
            return replace(
                sub,
                state=SubscriptionState.PAST_DUE,
                grace_until=event.grace_until,
                entitled_in_grace=event.entitled,
            )
        case SubscriptionRecovered():
            return replace(sub, state=SubscriptionState.ACTIVE, grace_until=None)
        case SubscriptionExpired():
            return _ended(sub, SubscriptionState.EXPIRED, event.reason, event.recorded_at)
        case SubscriptionCancelled():
            return _ended(sub, SubscriptionState.CANCELLED, event.reason, event.recorded_at)
        case SubscriptionPaused():
            return replace(
                sub,
                state=SubscriptionState.PAUSED,
                pause_at=None,
                anchor=None,
                paid_until=None,
                periods=(),
            )
        case CancellationScheduled():
            return replace(sub, cancel_at=event.at)
        case CancellationRevoked():
            return replace(sub, cancel_at=None, pause_at=None)
        case PauseScheduled():
            return replace(sub, pause_at=event.at)
        case TierChangeScheduled():
            return replace(sub, change=ScheduledChange(tier_id=event.tier_id, price=event.price))
        case TierChangeRevoked():
            return replace(sub, change=None)
        case TierChanged():
            return _changed(sub, event)
        case PriceMigrationNoticed():
            return replace(sub, noticed=NoticedPrice(price=event.price, at=event.at))
        case PaymentMethodChanged():
            return replace(sub, method=event.method)
        case RenewalReminded():
            same = {each for each in sub.reminded if each[0] == event.number}
            return replace(sub, reminded=frozenset({*same, (event.number, event.days)}))
        case CreditNoteIssued():
            return sub
        case _:
            return _evolve_invoices(sub, event)


def _anchored(sub: Subscription, anchor: Anchor) -> Subscription:
    return replace(
        sub,
        state=SubscriptionState.ACTIVE,
        anchor=anchor,
        paid_until=anchor.at,
        next_number=anchor.first,
        grace_until=None,
    )


def _ended(sub: Subscription, state: SubscriptionState, reason: str, at: datetime) -> Subscription:
    return replace(
        sub, state=state, reason=reason, ended_at=at, grace_until=None, periods=(), pause_at=None
    )


_InvoiceEvent = (
    FirstPeriodInvoiced
    | RenewalInvoiced
    | ChangeInvoiced
    | PrepaymentInvoiced
    | CreditReserved
    | InvoiceAttempted
    | InvoiceAttemptFailed
    | DunningScheduled
    | PeriodPaid
    | PeriodsPrepaid
    | PrepaymentEnded
    | PeriodSkipped
    | InvoiceVoided
)


def _evolve_invoices(sub: Subscription, event: _InvoiceEvent) -> Subscription:
    match event:
        case FirstPeriodInvoiced() | RenewalInvoiced():
            return replace(sub, invoice=_period_invoice(sub, event))
        case ChangeInvoiced() | PrepaymentInvoiced():
            return replace(sub, order=_order(sub, event))
        case CreditReserved():
            return _with(
                sub,
                event.invoice_id,
                lambda each: replace(
                    each, credit=each.credit + event.credit, goodwill=each.goodwill + event.goodwill
                ),
            )
        case InvoiceAttempted():
            return _with(sub, event.invoice_id, lambda each: _attempted(each, event))
        case InvoiceAttemptFailed():
            return _with(sub, event.invoice_id, lambda each: _attempt_failed(each, event))
        case DunningScheduled():
            return _with(
                sub, event.invoice_id, lambda each: replace(each, next_attempt_at=event.at)
            )
        case PeriodPaid():
            return _paid(sub, event)
        case PeriodsPrepaid():
            return _prepaid(sub, event)
        case PrepaymentEnded():
            ended = [each.start for each in sub.periods if each.number >= event.number]
            return replace(
                sub,
                anchor=event.anchor,
                paid_until=min(ended, default=sub.paid_until),
                periods=tuple(each for each in sub.periods if each.number < event.number),
            )
        case PeriodSkipped():
            return replace(
                sub, next_number=event.number + 1, attempts=0, paid_until=event.end, periods=()
            )
        case InvoiceVoided():
            return _voided(sub, event)
        case _:
            assert_never(event)


def _period_invoice(sub: Subscription, event: FirstPeriodInvoiced | RenewalInvoiced) -> Invoice:
    invoice = Invoice(
        id=event.invoice_id,
        kind="first",
        number=event.number,
        money=event.money,
        credit=event.credit,
        goodwill=event.goodwill,
        price=event.price,
        tier_id=sub.tier_id,
        attempts=sub.attempts,
        next_attempt_at=event.prompt_at,
    )
    if isinstance(event, FirstPeriodInvoiced):
        return invoice
    return replace(invoice, kind="renewal", start=event.start, end=event.end)


def _order(sub: Subscription, event: ChangeInvoiced | PrepaymentInvoiced) -> Invoice:
    invoice = Invoice(
        id=event.invoice_id,
        kind="prepayment",
        number=event.number,
        money=event.money,
        credit=event.credit,
        goodwill=event.goodwill,
        price=sub.price,
        tier_id=sub.tier_id,
        expires_at=event.expires_at,
    )
    if isinstance(event, PrepaymentInvoiced):
        return replace(invoice, count=event.count)
    return replace(invoice, kind="change", price=event.price, tier_id=event.tier_id)


def _with(sub: Subscription, invoice_id: UUID, change: Any) -> Subscription:  # noqa: ANN401
    """The subscription with one of its open invoices changed by a function."""
    if sub.invoice is not None and sub.invoice.id == invoice_id:
        return replace(sub, invoice=change(sub.invoice))
    if sub.order is not None and sub.order.id == invoice_id:
        return replace(sub, order=change(sub.order))
    return sub


def _attempted(invoice: Invoice, event: InvoiceAttempted) -> Invoice:
    # Money is brought to a till whenever the fan likes: nothing waits for it.
    live = (
        invoice.live
        if event.method == "till"
        else Attempt(payment_id=event.payment_id, number=event.attempt, origin=event.origin)
    )
    return replace(
        invoice,
        attempts=event.attempt,
        live=live,
        next_attempt_at=None if event.origin == "clock" else invoice.next_attempt_at,
    )


def _attempt_failed(invoice: Invoice, event: InvoiceAttemptFailed) -> Invoice:
    live = invoice.live
    if live is None or live.payment_id != event.payment_id:
        return invoice
    invoice = replace(invoice, live=None)
    if event.pushed_at is None or live.origin == "fan":
        return invoice
    return replace(
        invoice,
        pushes=invoice.pushes + 1,
        first_push=invoice.first_push or event.pushed_at,
        last_push=event.pushed_at,
    )


def _paid(sub: Subscription, event: PeriodPaid) -> Subscription:
    paid = PaidPeriod(
        number=event.number,
        start=event.start,
        end=event.end,
        invoice_id=event.invoice_id,
        shares=_shares(event.payments, 1, event.start),
    )
    return replace(
        sub,
        invoice=None,
        next_number=event.number + 1,
        attempts=0,
        paid_until=event.end,
        periods=(*_not_over(sub, event.recorded_at), paid),
    )


def _shares(payments: tuple[UUID, ...], parts: int, since: datetime) -> tuple[Share, ...]:
    return tuple(Share(payment_id=each, parts=parts, since=since) for each in payments)


def _changed(sub: Subscription, event: TierChanged) -> Subscription:
    sub = replace(
        sub,
        tier_id=event.tier_id,
        price=event.price,
        change=None,
        noticed=None,
        anchor=event.anchor or sub.anchor,
    )
    if event.reason != "upgraded":
        return sub
    more = _shares(event.payments, 1, event.recorded_at)
    periods = tuple(
        replace(each, shares=each.shares + more) if each.number == event.number else each
        for each in sub.periods
    )
    return replace(sub, order=None, periods=periods)


def _prepaid(sub: Subscription, event: PeriodsPrepaid) -> Subscription:
    ends = (*event.starts[1:], event.end)
    paid = tuple(
        PaidPeriod(
            number=event.number + index,
            start=start,
            end=end,
            invoice_id=event.invoice_id,
            shares=_shares(event.payments, event.count, start),
        )
        for index, (start, end) in enumerate(zip(event.starts, ends, strict=True))
    )
    return replace(
        sub,
        order=None,
        next_number=event.number + event.count,
        attempts=0,
        paid_until=event.end,
        periods=(*_not_over(sub, event.recorded_at), *paid),
    )


def _not_over(sub: Subscription, at: datetime) -> tuple[PaidPeriod, ...]:
    return tuple(each for each in sub.periods if each.end > at)


def _voided(sub: Subscription, event: InvoiceVoided) -> Subscription:
    if sub.order is not None and sub.order.id == event.invoice_id:
        return replace(sub, order=None)
    invoice = sub.invoice
    if invoice is None:
        return sub
    if event.reason != "not_collected" or invoice.end is None:
        return replace(sub, invoice=None, attempts=invoice.attempts)
    # A period that we never asked for is over, and free.
    return replace(
        sub,
        invoice=None,
        next_number=invoice.number + 1,
        attempts=0,
        paid_until=invoice.end,
        periods=(),
    )
