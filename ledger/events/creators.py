"""A creator's facts: who may be paid, in which currency and by which plan, and their standing."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from ledger.events.base import Event, Reason, Text
from ledger.journal_entry import JournalEntry
from ledger.money import BASIS_POINTS, Amount, CurrencyCode, Money
from ledger.postings import FeePlan


class CreatorRegistered(Event):
    """A creator may be paid from now on, in one settlement currency; the name is in the vault."""

    TOPIC = "creator.registered.v1"

    name: UUID | None
    settlement_currency: CurrencyCode


class FeePlanAssigned(Event):
    """Payments initiated from now on are split by this plan."""

    TOPIC = "creator.fee_plan_assigned.v1"

    plan: FeePlan


class CreatorVerificationChanged(Event):
    """Where the checks on who they are (know your customer) stand; documents lie elsewhere."""

    TOPIC = "creator.verification_changed.v1"

    verification: Literal["unverified", "submitted", "verified", "rejected"]
    reason: Reason | None


class CreatorSuspended(Event):
    """No payouts and no new subscriptions from now on; refunds go on."""

    TOPIC = "creator.suspended.v1"

    reason: Reason


class CreatorReinstated(Event):
    """A suspension ended."""

    TOPIC = "creator.reinstated.v1"

    reason: Reason


class CreatorClosed(Event):
    """No new payments, for ever; what they have is still paid out, and refunds go on."""

    TOPIC = "creator.closed.v1"

    reason: Reason


class TaxProfileSet(Event):
    """How payouts are taxed: withholding in basis points of the gross. The number is in the vault.

    `country` is ISO 3166-1 alpha-2.
    """

    TOPIC = "creator.tax_profile_set.v1"

    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    withholding_basis_points: Annotated[int, Field(strict=True, ge=0, le=BASIS_POINTS)]
    tax_number: UUID | None


class DestinationAdded(Event):
    """A place to be paid to; number or account is in the vault. Usable once verified and cooled."""

    TOPIC = "creator.destination_added.v1"

    destination_id: UUID
    provider: Text
    account: UUID
    usable_at: AwareDatetime


class DestinationVerified(Event):
    """The destination was shown to be theirs."""

    TOPIC = "creator.destination_verified.v1"

    destination_id: UUID


class DestinationRemoved(Event):
    """No new payouts go there."""

    TOPIC = "creator.destination_removed.v1"

    destination_id: UUID


class PayoutScheduleSet(Event):
    """Everything available is paid out by itself: weekly (day 1 = Monday) or monthly (day 1–28).

    `minimum` in minor units: less waits for the next time. No interval: only when asked.
    """

    TOPIC = "creator.payout_schedule_set.v1"

    interval: Literal["weekly", "monthly"] | None
    day: Annotated[int, Field(strict=True, ge=1, le=28)]
    destination_id: UUID | None
    minimum: Amount


class FundsHeld(Event):
    """Available money is reserved until it is released or the hold expires."""

    TOPIC = "creator.funds_held.v1"

    hold_id: UUID
    held: Money
    reason: Reason
    expires_at: AwareDatetime
    entry: JournalEntry


class HoldReleased(Event):
    """A hold ended, by a person or by its expiry."""

    TOPIC = "creator.hold_released.v1"

    hold_id: UUID
    expired: bool
    entry: JournalEntry


class DebtWrittenOff(Event):
    """A creator's negative available balance was given up."""

    TOPIC = "creator.debt_written_off.v1"

    debt: Money
    reason: Reason
    entry: JournalEntry
