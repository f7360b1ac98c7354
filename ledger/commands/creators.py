"""Requests about a creator: who they are, their terms, their standing, where they are paid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ledger.accounts import CreatorFunds, creator_funds
from ledger.commands.base import Command

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from ledger.journal import AccountKey
    from ledger.money import Money
    from ledger.postings import FeePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatorCommand(Command):
    """A request about one creator."""

    creator_id: UUID

    def streams(self) -> tuple[UUID, ...]:
        """The creator."""
        return (self.creator_id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterCreator(CreatorCommand):
    """Register a creator with the currency they are paid in and their first fee plan."""

    name: UUID | None
    settlement_currency: str
    plan: FeePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignFeePlan(CreatorCommand):
    """Change the plan by which a creator's future payments are split."""

    plan: FeePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeVerification(CreatorCommand):
    """Where the checks on who they are stand now."""

    verification: Literal["unverified", "submitted", "verified", "rejected"]
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendCreator(CreatorCommand):
    """Stop payouts and new subscriptions."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReinstateCreator(CreatorCommand):
    """End a suspension."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseCreator(CreatorCommand):
    """Stop new payments, for ever."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTaxProfile(CreatorCommand):
    """How their payouts are taxed; withholding in basis points of the gross."""

    country: str
    withholding_basis_points: int
    tax_number: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddDestination(CreatorCommand):
    """A new place to be paid to; no payout goes there for `cooling_seconds`."""

    destination_id: UUID
    provider: str
    account: UUID
    cooling_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyDestination(CreatorCommand):
    """The destination was shown to be theirs."""

    destination_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveDestination(CreatorCommand):
    """No new payouts go there."""

    destination_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPayoutSchedule(CreatorCommand):
    """Pay out everything available by itself, or (no interval) only when asked."""

    interval: Literal["weekly", "monthly"] | None
    day: int
    destination_id: UUID | None
    minimum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldFunds(CreatorCommand):
    """Reserve available money until `expires_at`."""

    hold_id: UUID
    held: Money
    reason: str
    expires_at: datetime

    def accounts(self) -> tuple[AccountKey, ...]:
        """What is available."""
        available = creator_funds(self.creator_id, CreatorFunds.AVAILABLE)
        return ((available, self.held.currency),)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHold(CreatorCommand):
    """End a hold; `expired`: only if its time is over."""

    hold_id: UUID
    expired: bool
