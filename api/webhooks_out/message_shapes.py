"""What the data of a message is, by type: public, documented, and never less than today.

A thing is told as it stood right after the event, whenever the message is sent: every try has the
same bytes. Amounts are in minor units. Nothing here says who a fan is: a creator's endpoint gets
the id that their list of supporters has, the platform's the fan's own id too.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ledger.billing_periods import Interval
from ledger.money import Money


class Shape(BaseModel):
    """A part of a message's data."""

    model_config = ConfigDict(frozen=True)


class SplitShape(Shape):
    """Minor units: the platform's fee, VAT on it, and what is the creator's."""

    fee: int
    vat: int
    net: int


class PaymentShape(Shape):
    """A payment. `fan_id` is for the platform's endpoints, and null for a creator's."""

    id: UUID
    state: str = Field(examples=["succeeded"])
    creator_id: UUID
    supporter_id: UUID
    fan_id: UUID | None
    purpose: Literal["tip", "purchase", "invoice"]
    reference: str | None
    subscription_id: UUID | None
    invoice_id: UUID | None
    method: Literal["phone", "card", "till", "credit"]
    money: Money
    split: SplitShape
    late: bool
    failure_reason: str | None
    releases_at: AwareDatetime | None


class RefundShape(Shape):
    """A refund; `legs` are what it takes back of each part."""

    id: UUID
    state: str = Field(examples=["succeeded"])
    origin: Literal["creator", "admin", "provider"]
    money: Money
    legs: SplitShape


class RefundWishShape(Shape):
    """A fan's wish for a refund, which a creator or an admin grants or declines."""

    id: UUID
    wish: Literal["not_received", "not_as_described", "by_mistake", "other"] | None


class DisputeShape(Shape):
    """A dispute: `held` of the creator's part is held, `lost` minor units are gone."""

    dispute: str
    state: str = Field(examples=["open"])
    round: int
    money: Money | None
    held: int
    lost: int
    fee: Money | None


class ParkedShape(Shape):
    """Money that waits in suspense."""

    provider: str
    provider_transaction: str
    money: Money


class CreditedTimeShape(Shape):
    """What of the payment became the fan's credit, since its time is not used."""

    credit_note_id: UUID
    money: Money
    legs: SplitShape


class PayoutLegsShape(Shape):
    """Minor units: gross = net + fee + vat + withholding."""

    net: int
    fee: int
    vat: int
    withholding: int


class PayoutShape(Shape):
    """A payout; `money` is its gross."""

    id: UUID
    state: str = Field(examples=["paid"])
    creator_id: UUID
    destination_id: UUID
    money: Money
    legs: PayoutLegsShape
    scheduled: bool
    failure_reason: str | None


class PriceShape(Shape):
    """A price, for each interval."""

    version: int
    money: Money
    interval: Interval


class SubscriptionShape(Shape):
    """A subscription. `fan_id` is for the platform's endpoints, and null for a creator's."""

    id: UUID
    state: str = Field(examples=["active"])
    creator_id: UUID
    supporter_id: UUID
    fan_id: UUID | None
    tier_id: UUID
    price: PriceShape
    trial_ends_at: AwareDatetime | None
    paid_until: AwareDatetime | None
    grace_until: AwareDatetime | None
    cancel_at: AwareDatetime | None
    pause_at: AwareDatetime | None


class InvoiceShape(Shape):
    """An invoice, for `count` periods from `number` on. `credited` became the fan's credit."""

    id: UUID
    kind: Literal["first", "renewal", "change", "prepayment"]
    state: Literal["open", "paid", "void"]
    number: int
    count: int
    money: Money
    failure_reason: str | None
    credited: Money | None


class CreatorShape(Shape):
    """A creator, and how their payments are split: basis points of the gross, and of the fee."""

    id: UUID
    standing: Literal["active", "suspended", "closed"]
    verification: Literal["unverified", "submitted", "verified", "rejected"]
    settlement_currency: str
    fee_basis_points: int | None
    vat_basis_points: int | None


class DestinationShape(Shape):
    """Where a creator is paid; neither number nor account."""

    id: UUID
    provider: str | None
    verified: bool
    removed: bool


class HoldShape(Shape):
    """Money of a creator that is reserved."""

    id: UUID
    money: Money
    expires_at: AwareDatetime | None


class DebtShape(Shape):
    """What of a creator's debt was given up."""

    money: Money


class ScheduleShape(Shape):
    """When everything available is paid out by itself; no interval: when asked for."""

    interval: Literal["weekly", "monthly"] | None
    day: int = Field(examples=[1])
    destination_id: UUID | None
    minimum: int


class TierShape(Shape):
    """A tier and what new subscribers pay."""

    id: UUID
    name: str
    state: Literal["draft", "published", "archived"]
    trial_days: int
    prices: list[PriceShape]


class DocumentShape(Shape):
    """A numbered document."""

    kind: Literal["fee_invoice", "credit_note", "withholding_certificate"]
    number: int
    month: str
    currency: str


class Place(Shape):
    """Where in the log it is, and whom it concerns. `stream_version` counts the stream's events.

    Messages of a stream come in the order of their positions.
    """

    position: int
    stream_id: UUID
    stream_version: int = Field(examples=[3])
    creator_id: UUID | None
    occurred_at: AwareDatetime


class PaymentEvent(Place):
    """About a payment."""

    payment: PaymentShape


class RefundWishEvent(PaymentEvent):
    """About a fan's wish."""

    refund_request: RefundWishShape


class CreditedTimeEvent(PaymentEvent):
    """About paid time that is not used."""

    time_credited: CreditedTimeShape


class ParkedEvent(Place):
    """About money that waits in suspense; of a payment, if it came for one."""

    payment: PaymentShape | None
    parked: ParkedShape


class RefundEvent(Place):
    """About a refund; without a payment where money that named none goes back."""

    payment: PaymentShape | None
    refund: RefundShape


class DisputeEvent(PaymentEvent):
    """About a dispute."""

    dispute: DisputeShape


class PayoutEvent(Place):
    """About a payout."""

    payout: PayoutShape


class SubscriptionEvent(Place):
    """About a subscription."""

    subscription: SubscriptionShape


class InvoiceEvent(SubscriptionEvent):
    """About an invoice of a subscription."""

    invoice: InvoiceShape


class CreatorEvent(Place):
    """About a creator."""

    creator: CreatorShape


class DestinationEvent(CreatorEvent):
    """About a destination."""

    destination: DestinationShape


class HoldEvent(CreatorEvent):
    """About a hold."""

    hold: HoldShape


class DebtEvent(CreatorEvent):
    """About a debt."""

    written_off: DebtShape


class ScheduleEvent(CreatorEvent):
    """About a payout schedule."""

    payout_schedule: ScheduleShape


class TierEvent(CreatorEvent):
    """About a tier."""

    tier: TierShape


class DocumentEvent(Place):
    """About a document."""

    document: DocumentShape


class TestEvent(Shape):
    """Nothing happened: somebody wanted to see whether it arrives."""

    endpoint_id: UUID
