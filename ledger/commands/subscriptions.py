"""Requests about a subscription: of its fan, of the clock, of somebody with a pay-now link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ledger.commands.base import Command
from ledger.commands.fans import fan_stream
from ledger.commands.payments import PaymentCommand

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from ledger.billing_periods import Interval
    from ledger.commands.payments import PaymentTerms
    from ledger.events import PaymentMethod
    from ledger.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionCommand(Command):
    """A request about one subscription. With a `fan_id` only if it is that fan's."""

    subscription_id: UUID
    fan_id: UUID | None

    def streams(self) -> tuple[UUID, ...]:
        """The subscription; what it is related to is found by ledger/relations.py."""
        return (self.subscription_id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe(Command):
    """A fan subscribes to a tier, at its price of today for the interval."""

    subscription_id: UUID
    fan_id: UUID
    creator_id: UUID
    tier_id: UUID
    interval: Interval
    zone: str
    method: PaymentMethod
    trial: bool
    terms: PaymentTerms
    settlement_delay_seconds: int

    def streams(self) -> tuple[UUID, ...]:
        """The creator with their tiers, the fan, and the new subscription."""
        return (self.creator_id, fan_stream(self.fan_id), self.subscription_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class PayInvoice(SubscriptionCommand):
    """Pay what is open now, or the next period in advance; from a phone, a card, or at a till.

    `number` is the period that a pay-now link is for; None is whatever is open. `payment_id` is
    given where money is brought to a till: it is made from the reference that the fan is told.
    """

    number: int | None
    payment_id: UUID | None = None
    terms: PaymentTerms
    settlement_delay_seconds: int

    def streams(self) -> tuple[UUID, ...]:
        """The subscription, and the payment that may be there already."""
        return tuple(each for each in (self.subscription_id, self.payment_id) if each is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelSubscription(SubscriptionCommand):
    """End it with the period that is paid, or now."""

    when: Literal["period_end", "now"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeCancellation(SubscriptionCommand):
    """Let it go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseSubscription(SubscriptionCommand):
    """Rest with the end of the period that is paid, or now: unused days become credit."""

    when: Literal["period_end", "now"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeSubscription(SubscriptionCommand):
    """Go on after a pause, with a new anchor."""

    terms: PaymentTerms
    settlement_delay_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeTier(SubscriptionCommand):
    """Another tier or interval of the same creator.

    `quoted_at` and `amount_due` (minor units) are those of the preview: what happens equals it, or
    nothing does.
    """

    change_id: UUID
    tier_id: UUID
    interval: Interval
    quoted_at: datetime
    amount_due: int
    terms: PaymentTerms
    settlement_delay_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepay(SubscriptionCommand):
    """Pay the next `count` periods in advance."""

    prepayment_id: UUID
    count: int
    terms: PaymentTerms
    settlement_delay_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePaymentMethod(SubscriptionCommand):
    """Pay another way from now on."""

    method: PaymentMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvanceSubscription(SubscriptionCommand):
    """Do everything that is due by now: the clock's only request about subscriptions."""

    terms: Mapping[tuple[str, str], PaymentTerms]
    settlement_delay_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCreditRefund(PaymentCommand):
    """Give credit that this payment brought back to the fan: all that is left of it, or `money`.

    With a `fan_id` only if it is that fan's. `step` is the provider's, in minor units.
    """

    refund_id: UUID
    fan_id: UUID | None
    money: Money | None
    reason: str
    step: int = 1
