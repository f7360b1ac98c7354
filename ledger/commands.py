"""Every request that the ledger decides, from a fan's wish to what a provider reported.

A command names its idempotency key, its actor and its cause. What it is allowed to do is decided
in ledger/decisions.py; what happened is in ledger/events.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.inbox import InboxEntry
    from ledger.money import Money
    from ledger.postings import FeePlan
    from ledger.vault import VaultEntry

IDEMPOTENCY_KEY_LENGTH_MAX = 255


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """Who asks (`scope`), their key, and an HMAC of the request so that a reuse is noticed.

    Natural keys (a callback's, the dispatcher's) have no fingerprint and hold for ever; a
    caller's key is kept 30 days.
    """

    scope: str
    key: str
    fingerprint: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What every request carries.

    `vault_entries` are written in the same transaction if the command succeeds.
    """

    key: IdempotencyKey
    actor: str
    correlation_id: UUID
    causation_id: str
    vault_entries: tuple[VaultEntry, ...] = ()

    def streams(self) -> tuple[UUID, ...]:
        """Ids of the streams that the decision needs to see."""
        raise NotImplementedError

    def natural_keys(self) -> tuple[IdempotencyKey, ...]:
        """Keys of the outside's things that one stream may claim, for ever (a transaction)."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterCreator(Command):
    """Register a creator with the currency they are paid in and their first fee plan."""

    creator_id: UUID
    name: UUID | None
    settlement_currency: str
    plan: FeePlan

    def streams(self) -> tuple[UUID, ...]:
        """The creator."""
        return (self.creator_id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignFeePlan(Command):
    """Change the plan by which a creator's future payments are split."""

    creator_id: UUID
    plan: FeePlan

    def streams(self) -> tuple[UUID, ...]:
        """The creator."""
        return (self.creator_id,)


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
    """A fan wants to pay a creator. The payment's id is new, made by the caller of the ledger."""

    payment_id: UUID
    fan_id: UUID
    creator_id: UUID
    purpose: Literal["tip", "purchase"]
    reference: str | None
    money: Money
    phone: UUID
    terms: PaymentTerms

    def streams(self) -> tuple[UUID, ...]:
        """Only the creator: the payment's stream does not exist yet."""
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


class Claim(StrEnum):
    """What a provider says about a payment."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderReport:
    """A provider's word, translated: from a callback, a status query or an initiation's answer.

    `received` and `provider_transaction` are there exactly for a success. `payment_id` is None
    when the provider's reference is none that we could have issued.
    """

    provider: str
    payment_id: UUID | None
    claim: Claim
    provider_transaction: str | None = None
    received: Money | None = None
    reason: str | None = None
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordReport(Command):
    """Record what a provider reported. `receipt_id` is the stream for money without a payment.

    With an `inbox_entry` it is a callback: the entry and its verdict commit with the events.
    """

    report: ProviderReport
    receipt_id: UUID | None = None
    inbox_entry: InboxEntry | None = field(default=None, repr=False)

    def streams(self) -> tuple[UUID, ...]:
        """The payment if it is named, and the receipt that would stand for unmatched money."""
        return tuple(
            stream for stream in (self.report.payment_id, self.receipt_id) if stream is not None
        )

    def natural_keys(self) -> tuple[IdempotencyKey, ...]:
        """The provider's transaction: its money belongs to one stream, whatever is said later."""
        if self.report.claim is not Claim.SUCCEEDED or self.report.provider_transaction is None:
            return ()
        return (
            IdempotencyKey(f"transaction:{self.report.provider}", self.report.provider_transaction),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkCallback(Command):
    """Keep a verified callback that could not be understood, for a person to look at."""

    reason: str
    inbox_entry: InboxEntry = field(repr=False)

    def streams(self) -> tuple[UUID, ...]:
        """None: nothing is decided."""
        return ()
