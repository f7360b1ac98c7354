"""Requests about payouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.accounts import CreatorFunds, creator_funds
from ledger.commands.base import CallbackCommand, Command

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.commands.reports import PayoutReport
    from ledger.journal import AccountKey


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutTerms:
    """What the provider pays in this currency, and what the platform asks for it.

    Step, minimum, maximum and `fixed_fee` are minor units. The fee is the fixed part and its
    basis points of the gross; VAT is on the fee. `approvals_required` distinct people approve.
    """

    provider: str
    currency: str
    step: int
    minimum: int
    maximum: int
    fixed_fee: int
    fee_basis_points: int
    vat_basis_points: int
    approvals_required: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPayout(Command):
    """Pay a creator `amount` minor units of what is available, or all of it.

    `scheduled` requests come from the clock; with less than `scheduled_minimum` they are refused.
    """

    payout_id: UUID
    creator_id: UUID
    destination_id: UUID
    amount: int | None
    terms: PayoutTerms
    scheduled: bool = False
    scheduled_minimum: int = 0

    def streams(self) -> tuple[UUID, ...]:
        """The creator; and the payout, which must not exist."""
        return (self.creator_id, self.payout_id)

    def accounts(self) -> tuple[AccountKey, ...]:
        """What is available."""
        return ((creator_funds(self.creator_id, CreatorFunds.AVAILABLE), self.terms.currency),)


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutCommand(Command):
    """A command about one existing payout."""

    payout_id: UUID

    def streams(self) -> tuple[UUID, ...]:
        """The payout."""
        return (self.payout_id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovePayout(PayoutCommand):
    """The actor approves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldPayout(PayoutCommand):
    """It waits until it is released."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePayout(PayoutCommand):
    """It waits no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectPayout(PayoutCommand):
    """An admin refuses it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelPayout(PayoutCommand):
    """A creator takes their own payout back."""

    creator_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPayoutSubmission(PayoutCommand):
    """A dispatcher asks for the right to call the provider; `claim` is its own, used once."""

    creator_id: UUID
    claim: UUID
    deadline_seconds: int

    def streams(self) -> tuple[UUID, ...]:
        """The payout; and the creator, who may be suspended."""
        return (self.payout_id, self.creator_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPayoutSubmitted(PayoutCommand):
    """The provider accepted this attempt."""

    attempt: int
    provider_reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPayoutSubmissionUnknown(PayoutCommand):
    """The call of this attempt ended without an answer."""

    attempt: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestPayoutFailure(PayoutCommand):
    """The actor has evidence that an unknown payout was not sent; two people must say so."""

    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPayoutReport(CallbackCommand):
    """Record what a provider says about a payout."""

    report: PayoutReport

    def streams(self) -> tuple[UUID, ...]:
        """The payout, if it is named."""
        return () if self.report.payout_id is None else (self.report.payout_id,)
