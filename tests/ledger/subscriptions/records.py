"""What a watch knows of each subscription, invoice, payment and fan, from their stored events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from tests.ledger.subscriptions.naive_calendar import moment

if TYPE_CHECKING:
    from tests.ledger.subscriptions.laws import Fields


@dataclass
class Share:
    """What of a payment is for a period: one part of `parts`, for its time from `since` on."""

    number: int
    since: datetime
    end: datetime
    parts: int
    given_back: bool = False


@dataclass
class Payment:
    """A payment of an invoice, by a provider or by credit. Amounts are minor units."""

    id: str
    subscription: str
    fan: str
    invoice: str
    amount: int
    method: str
    keep_fee: bool
    origin: str | None = None
    attempted_at: datetime | None = None
    started_at: datetime | None = None
    pushed_at: datetime | None = None
    ended: bool = False
    received: int = 0
    pays: str | None = None
    shares: list[Share] = field(default_factory=list)
    given_back: int = 0


@dataclass
class Invoice:
    """An invoice; while it is open it is in `Subscription.open`."""

    id: str
    kind: str
    number: int
    amount: int
    price: Fields
    count: int = 1
    credit: int = 0
    goodwill: int = 0
    start: datetime | None = None
    end: datetime | None = None
    expires_at: datetime | None = None
    attempts: list[Payment] = field(default_factory=list)

    @property
    def cash(self) -> int:
        return self.amount - self.credit - self.goodwill


@dataclass
class Subscription:
    """A subscription: `number` is the next period's, which begins at `begins`."""

    id: str
    fan: str
    zone: str
    price: Fields
    method: str
    completes_by: datetime
    status: str = "incomplete"
    trial_ends_at: datetime | None = None
    anchor: Fields | None = None
    number: int = 1
    begins: datetime | None = None
    ends: dict[int, datetime] = field(default_factory=dict)
    starts: dict[int, datetime] = field(default_factory=dict)
    open: dict[str, Invoice] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    voided: Invoice | None = None
    paid_with: list[Payment] = field(default_factory=list)
    grace_until: datetime | None = None
    facts: list[tuple[int, str, Fields]] = field(default_factory=list)

    def open_period(self) -> Invoice | None:
        """The open invoice of a period."""
        return next((i for i in self.open.values() if i.kind in {"first", "renewal"}), None)

    @property
    def over(self) -> bool:
        return self.status in {"cancelled", "expired"}


@dataclass
class Purse:
    """A fan's money in minor units, as the events state it."""

    credit: int = 0
    goodwill: int = 0
    reserved: int = 0
    received: int = 0
    suspended: int = 0
    granted: int = 0
    refunds: dict[str, int] = field(default_factory=dict)

    def keep(self, *, credit: int, goodwill: int) -> None:
        """Keep so much for an open invoice; negative amounts are set free."""
        self.credit -= credit
        self.goodwill -= goodwill
        self.reserved += credit + goodwill


def started(stream: str, fields: Fields) -> Subscription:
    """A subscription that begins."""
    return Subscription(
        id=stream,
        fan=fields["fan_id"],
        zone=fields["zone"],
        price=fields["price"],
        method=fields["method"]["kind"],
        completes_by=moment(fields["completes_by"]),
    )


def paid_by(stream: str, fields: Fields, method: str) -> Payment:
    """A payment that begins, or credit that pays."""
    return Payment(
        id=stream,
        subscription=fields["subscription_id"],
        fan=fields["fan_id"],
        invoice=fields["invoice_id"],
        amount=fields["money"]["amount"],
        method=method,
        keep_fee=fields["plan"]["keep_fee"],
    )


def issued(fields: Fields, kind: str, price: Fields) -> Invoice:
    """An invoice that opens."""
    return Invoice(
        id=fields["invoice_id"],
        kind=kind,
        number=fields["number"],
        amount=fields["money"]["amount"],
        price=price,
        credit=fields["credit"],
        goodwill=fields["goodwill"],
    )
