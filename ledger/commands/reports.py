"""What providers say, translated into Hesabu's own terms by their adapters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.money import Money


class Claim(StrEnum):
    """What a provider says about a payment."""

    PENDING = "pending"
    AUTHORISED = "authorised"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderReport:
    """A provider's word, translated: from a callback, a status query or an initiation's answer.

    `received` and `provider_transaction` are there exactly for a success. `payment_id` is None
    when the provider's reference is none that we could have issued. `also_known_as` are other names
    that the provider has for the same transaction, so that it is not taken twice.
    """

    provider: str
    payment_id: UUID | None
    claim: Claim
    provider_transaction: str | None = None
    received: Money | None = None
    reason: str | None = None
    occurred_at: datetime | None = None
    also_known_as: tuple[str, ...] = ()


class RefundClaim(StrEnum):
    """What a provider says about a refund."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundReport:
    """A provider's word about a refund or a return, ours or one that nobody asked for.

    `stream_id` is the payment's, or that of the receipt that was returned; None when the provider
    named none that we know. `refund_id` is None for a refund that we did not ask for.
    `provider_refund` is the provider's name for it, there with every success. `paid_from` is the
    account of ours that it left or came back to.
    """

    provider: str
    stream_id: UUID | None
    refund_id: UUID | None
    claim: RefundClaim
    provider_refund: str | None
    refunded: Money
    paid_from: str
    reason: str | None = None
    occurred_at: datetime | None = None


DisputeStage = Literal["warned", "opened", "closed", "reopened"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeReport:
    """A provider's word about a dispute. `lost_amount` (minor units) is there when it is closed."""

    provider: str
    payment_id: UUID | None
    dispute: str
    stage: DisputeStage
    disputed: Money
    lost_amount: int | None = None
    funds_withdrawn: bool = True
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeReport:
    """A provider charged a fee for a payment, or for a `dispute`; `returned`: gave it back."""

    provider: str
    payment_id: UUID | None
    fee_reference: str
    fee: Money
    dispute: str | None = None
    returned: bool = False
    occurred_at: datetime | None = None


class PayoutClaim(StrEnum):
    """What a provider says about a payout."""

    PENDING = "pending"
    PAID = "paid"
    FAILED = "failed"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutReport:
    """A provider's word about one attempt of a payout.

    `paid` is the net that was sent; `retryable`: another attempt may succeed (an empty float).
    """

    provider: str
    payout_id: UUID | None
    attempt: int
    claim: PayoutClaim
    paid: Money
    paid_from: str
    provider_transaction: str | None = None
    reason: str | None = None
    retryable: bool = False
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementReport:
    """A provider moved collected money to our bank, less `fees` minor units."""

    provider: str
    reference: str
    settled: Money
    fees: int
    occurred_at: datetime | None = None


AnyReport = (
    ProviderReport | RefundReport | DisputeReport | FeeReport | PayoutReport | SettlementReport
)
