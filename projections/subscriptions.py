"""How does a subscription stand, now or as it was at a version? Its stream, folded into a view.

The state is the ledger's own fold (ledger/subscription.py), which forgets what is over. Here every
invoice that there ever was is kept besides, with what was tried to collect it and what of it became
credit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast
from uuid import UUID

from ledger.events import (
    AttemptOrigin,
    ChangeInvoiced,
    CreditNoteIssued,
    CreditReserved,
    FirstPeriodInvoiced,
    InvoiceAttempted,
    InvoiceAttemptFailed,
    InvoiceKind,
    InvoiceVoided,
    PeriodPaid,
    PeriodsPrepaid,
    PrepaymentInvoiced,
    Price,
    RenewalInvoiced,
    SubscriptionStarted,
    TierChanged,
)
from ledger.money import Money
from ledger.serialization import decode_event
from ledger.subscription import Subscription, SubscriptionState, evolve_subscription
from projections.coalescing import CoalescedReads
from projections.reader import POSITION_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ledger.events import LedgerEvent, SubscriptionEvent
    from projections.reader import Reader

READ_SUBSCRIPTIONS: Final = """
    SELECT wanted.number, head.position,
           ledger_events.originator_version, ledger_events.topic, ledger_events.state
    FROM (SELECT max(position) AS position FROM turns) AS head
    CROSS JOIN unnest(%b::uuid[], %b::bigint[]) WITH ORDINALITY
        AS wanted (subscription_id, version, number)
    JOIN ledger_events
      ON ledger_events.originator_id = wanted.subscription_id
     AND ledger_events.originator_version <= wanted.version
    ORDER BY wanted.number, ledger_events.originator_version
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """A payment that was begun for an invoice; `reason` says why it ended without money."""

    number: int
    payment_id: UUID
    origin: AttemptOrigin
    method: Literal["phone", "card", "till"]
    money: Money
    state: Literal["open", "succeeded", "failed"] = "open"
    reason: str | None = None
    begun_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNoteView:
    """What of an invoice that was paid became the fan's credit, and why."""

    id: UUID
    money: Money
    reason: Literal["paused", "prepayment_ended"]
    issued_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceView:
    """An invoice, open or not. Of `money`, `credit` and `goodwill` minor units are credit's.

    It is for `count` periods from `number` on, [start, end) together; a first one has that only
    once it is paid, and a change is for what remains of the period `number`. `payments` paid it.
    """

    id: UUID
    kind: InvoiceKind
    number: int
    count: int
    money: Money
    credit: int
    goodwill: int
    tier_id: UUID
    price: Price
    state: Literal["open", "paid", "void"] = "open"
    reason: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    expires_at: datetime | None = None
    issued_at: datetime
    ended_at: datetime | None = None
    attempts: tuple[AttemptView, ...] = ()
    payments: tuple[UUID, ...] = ()
    credit_notes: tuple[CreditNoteView, ...] = ()

    @property
    def cash(self) -> int:
        """What its fan pays, or has to, besides their credit; in minor units."""
        return self.money.amount - self.credit - self.goodwill

    def is_for(self, number: int) -> bool:
        """Whether it is for this period, and not for a change within it."""
        return self.kind != "change" and self.number <= number < self.number + self.count


class NextRenewal(NamedTuple):
    """The next period that is not invoiced yet: when it begins, at what price."""

    at: datetime
    price: Price


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionView:
    """A subscription at a version of its stream, with all its invoices, the oldest first."""

    subscription: Subscription
    invoices: Mapping[UUID, InvoiceView] = field(default_factory=dict)
    updated_at: datetime

    @property
    def next_renewal(self) -> NextRenewal | None:
        """When it renews by itself; None where it does not, or what it renews by is invoiced."""
        sub = self.subscription
        at = sub.paid_until
        if sub.state not in {SubscriptionState.TRIALING, SubscriptionState.ACTIVE} or at is None:
            return None
        if sub.cancel_at is not None or sub.pause_at is not None or sub.invoice is not None:
            return None
        if sub.change is not None:
            return NextRenewal(at, sub.change.price)
        told = sub.noticed
        return NextRenewal(at, told.price if told is not None and told.at <= at else sub.price)


@dataclass(frozen=True, slots=True)
class SubscriptionRead:
    """A subscription, and the position of the log at which it stood like that."""

    position: int
    view: SubscriptionView


class Subscriptions:
    """Subscriptions by id. One object a process, so that concurrent reads coalesce."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._reads: CoalescedReads[tuple[UUID, int], SubscriptionRead] = CoalescedReads(self._ask)

    async def get(
        self, subscription_id: UUID, *, version: int | None = None
    ) -> SubscriptionRead | None:
        """The subscription now, or as it was at a version; None if there is none with this id.

        A version beyond the last is the last. Raises `ReadUnavailable`.
        """
        bound = POSITION_MAX if version is None else min(max(version, 0), POSITION_MAX)
        return await self._reads.get((subscription_id, bound))

    async def _ask(
        self, wanted: list[tuple[UUID, int]]
    ) -> dict[tuple[UUID, int], SubscriptionRead | Exception]:
        rows = await self._reader.fetch(
            READ_SUBSCRIPTIONS, ([key for key, _ in wanted], [version for _, version in wanted])
        )
        streams: dict[int, list[tuple[Any, ...]]] = {}
        for row in rows:
            streams.setdefault(row[0], []).append(row)
        return {
            wanted[number - 1]: _read(wanted[number - 1][0], stream)
            for number, stream in streams.items()
            if stream[0][3] == SubscriptionStarted.TOPIC
        }


def _read(subscription_id: UUID, rows: list[tuple[Any, ...]]) -> SubscriptionRead | Exception:
    try:
        view = project_subscription(
            [
                decode_event(topic, state, originator_id=subscription_id, originator_version=number)
                for _, _, number, topic, state in rows
            ]
        )
    except Exception as error:  # noqa: BLE001 - one unreadable stream must not fail its neighbours
        return error
    return SubscriptionRead(rows[0][1], view)


def project_subscription(events: Sequence[LedgerEvent]) -> SubscriptionView:
    """Fold a subscription's stream, which begins with `SubscriptionStarted`."""
    sub: Subscription | None = None
    invoices: dict[UUID, InvoiceView] = {}
    for event in cast("Iterable[SubscriptionEvent]", events):
        sub = evolve_subscription(sub, event)
        _evolve_invoices(invoices, sub, event)
    assert sub is not None  # noqa: S101 - there is a first event
    return SubscriptionView(subscription=sub, invoices=invoices, updated_at=events[-1].recorded_at)


def _evolve_invoices(
    invoices: dict[UUID, InvoiceView], sub: Subscription, event: SubscriptionEvent
) -> None:
    def change(invoice_id: UUID, changed: Callable[[InvoiceView], InvoiceView]) -> None:
        invoices[invoice_id] = changed(invoices[invoice_id])

    match event:
        case FirstPeriodInvoiced() | RenewalInvoiced() | ChangeInvoiced() | PrepaymentInvoiced():
            before = invoices.get(event.invoice_id)
            # One that was void and is issued again is the same one; what was tried stays with it.
            tried = () if before is None else before.attempts
            invoices[event.invoice_id] = replace(_issued(sub, event), attempts=tried)
        case CreditReserved():
            change(event.invoice_id, lambda each: _reserved(each, event))
        case InvoiceAttempted():
            change(event.invoice_id, lambda each: _attempted(each, event))
        case InvoiceAttemptFailed():
            change(event.invoice_id, lambda each: _attempt_failed(each, event))
        case PeriodPaid():
            change(event.invoice_id, lambda each: _paid(each, event, event.start, event.end))
        case PeriodsPrepaid():
            change(event.invoice_id, lambda each: _paid(each, event, event.starts[0], event.end))
        case TierChanged() if event.invoice_id is not None:
            change(event.invoice_id, lambda each: _paid(each, event, event.recorded_at, None))
        case InvoiceVoided():
            change(
                event.invoice_id,
                lambda each: replace(
                    each, state="void", reason=event.reason, ended_at=event.recorded_at
                ),
            )
        case CreditNoteIssued():
            change(event.invoice_id, lambda each: _credited(each, event))
        case _:
            # The rest is its life, which the ledger's fold handles every event of by name.
            pass


_Issued = FirstPeriodInvoiced | RenewalInvoiced | ChangeInvoiced | PrepaymentInvoiced


def _issued(sub: Subscription, event: _Issued) -> InvoiceView:
    opened = sub.open_invoice(event.invoice_id)
    assert opened is not None  # noqa: S101 - the event has just opened it
    return InvoiceView(
        id=opened.id,
        kind=opened.kind,
        number=opened.number,
        count=opened.count,
        money=opened.money,
        credit=opened.credit,
        goodwill=opened.goodwill,
        tier_id=opened.tier_id,
        price=opened.price,
        start=opened.start,
        end=opened.end,
        expires_at=opened.expires_at,
        issued_at=event.recorded_at,
    )


def _reserved(invoice: InvoiceView, event: CreditReserved) -> InvoiceView:
    return replace(
        invoice,
        credit=invoice.credit + event.credit,
        goodwill=invoice.goodwill + event.goodwill,
    )


def _attempted(invoice: InvoiceView, event: InvoiceAttempted) -> InvoiceView:
    attempt = AttemptView(
        number=event.attempt,
        payment_id=event.payment_id,
        origin=event.origin,
        method=event.method,
        money=event.money,
        begun_at=event.recorded_at,
    )
    return replace(invoice, attempts=(*invoice.attempts, attempt))


def _attempt_failed(invoice: InvoiceView, event: InvoiceAttemptFailed) -> InvoiceView:
    attempts = tuple(
        replace(each, state="failed", reason=event.reason)
        if each.payment_id == event.payment_id
        else each
        for each in invoice.attempts
    )
    return replace(invoice, attempts=attempts)


def _paid(
    invoice: InvoiceView,
    event: PeriodPaid | PeriodsPrepaid | TierChanged,
    start: datetime,
    end: datetime | None,
) -> InvoiceView:
    attempts = tuple(
        replace(each, state="succeeded", reason=None) if each.payment_id in event.payments else each
        for each in invoice.attempts
    )
    return replace(
        invoice,
        state="paid",
        start=start,
        end=end,
        ended_at=event.recorded_at,
        attempts=attempts,
        payments=event.payments,
    )


def _credited(invoice: InvoiceView, event: CreditNoteIssued) -> InvoiceView:
    note = CreditNoteView(
        id=event.credit_note_id,
        money=event.money,
        reason=event.reason,
        issued_at=event.recorded_at,
    )
    return replace(invoice, credit_notes=(*invoice.credit_notes, note))
