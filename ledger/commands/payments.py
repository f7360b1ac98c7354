"""Requests about a payment: from a fan's wish to what a provider reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ledger.commands.base import CallbackCommand, Command, IdempotencyKey
from ledger.commands.fans import fan_stream
from ledger.commands.reports import Claim

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.commands.reports import FeeReport, ProviderReport
    from ledger.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentTerms:
    """What the chosen provider takes in this currency, and how long a fan has to pay.

    Step, minimum and maximum are minor units; `expires_after_seconds` counts from recording.
    """

    provider: str
    step: int
    minimum: int
    maximum: int
    expires_after_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InitiatePayment(Command):
    """A fan wants to pay a creator. The payment's id is new, made by the caller of the ledger.

    `confirmed_phone_required`: whether the fan must have confirmed the phone before it is prompted.
    """

    payment_id: UUID
    fan_id: UUID
    creator_id: UUID
    purpose: Literal["tip", "purchase"]
    reference: str | None
    money: Money
    phone: UUID
    terms: PaymentTerms
    confirmed_phone_required: bool = False

    def streams(self) -> tuple[UUID, ...]:
        """The creator, and the fan where phones are asked for: the payment does not exist yet."""
        if self.confirmed_phone_required:
            return (self.creator_id, fan_stream(self.fan_id))
        return (self.creator_id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentCommand(Command):
    """A command about one existing payment."""

    payment_id: UUID

    def streams(self) -> tuple[UUID, ...]:
        """The payment."""
        return (self.payment_id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelPayment(PaymentCommand):
    """The fan gives up before the provider was asked."""

    fan_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSubmission(PaymentCommand):
    """A dispatcher asks for the right to call the provider; `claim` is its own, used once."""

    claim: UUID
    deadline_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSubmitted(PaymentCommand):
    """The provider accepted the request."""

    provider_reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSubmissionUnknown(PaymentCommand):
    """The call to the provider ended without an answer."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpirePayment(PaymentCommand):
    """The time to pay is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordReport(CallbackCommand):
    """Record what a provider reported. `receipt_id` is the stream for money without a payment.

    The creator's part is pending for `settlement_delay_seconds` from the success on.
    """

    report: ProviderReport
    receipt_id: UUID | None = None
    settlement_delay_seconds: int

    def streams(self) -> tuple[UUID, ...]:
        """The payment if it is named, and the receipt that would stand for unmatched money."""
        return tuple(
            stream for stream in (self.report.payment_id, self.receipt_id) if stream is not None
        )

    def natural_keys(self) -> tuple[IdempotencyKey, ...]:
        """The provider's transaction: its money belongs to one stream, whatever is said later."""
        if self.report.claim is not Claim.SUCCEEDED or self.report.provider_transaction is None:
            return ()
        scope = f"transaction:{self.report.provider}"
        names = (self.report.provider_transaction, *self.report.also_known_as)
        return tuple(IdempotencyKey(scope, name) for name in dict.fromkeys(names))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFunds(PaymentCommand):
    """The settlement delay is over: what the payment still has in pending is available."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFeeReport(CallbackCommand):
    """Record a provider's fee; `borne_by` is the book's policy for the fees of disputes."""

    report: FeeReport
    borne_by: Literal["creator", "platform"]

    def streams(self) -> tuple[UUID, ...]:
        """The payment, if it is named."""
        return () if self.report.payment_id is None else (self.report.payment_id,)
