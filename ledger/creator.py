"""A creator: somebody who is paid, in one settlement currency, by a fee plan.

    (nothing) ── RegisterCreator ──▶ active ◀─ ReinstateCreator ─ suspended
                                       │  └───── SuspendCreator ───▶ │
                                       └──────── CloseCreator ───────┴──▶ closed

    verification: unverified ─▶ submitted ─▶ verified | rejected, and back

Suspension stops payouts and new subscriptions, never refunds. Closing stops new payments; what the
creator has is still paid out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, assert_never

from ledger.catalog import Tier, evolve_tiers
from ledger.errors import (
    AlreadyExists,
    CreatorAlreadyRegistered,
    CreatorIsClosed,
    CreatorNotFound,
    CreatorStandingUnchanged,
    CurrencyDiffers,
    DestinationNotFound,
    ExpiryPassed,
    HoldNotFound,
    InsufficientFunds,
    NoDebt,
    NotYetDue,
    TooManyDestinations,
)
from ledger.events import (
    CreatorClosed,
    CreatorEvent,
    CreatorRegistered,
    CreatorReinstated,
    CreatorSuspended,
    CreatorVerificationChanged,
    DebtWrittenOff,
    DestinationAdded,
    DestinationRemoved,
    DestinationVerified,
    FeePlanAssigned,
    FundsHeld,
    HoldReleased,
    LedgerEvent,
    Occasion,
    PayoutScheduleSet,
    PriceMigrationScheduled,
    PricePublished,
    TaxProfileSet,
    TierArchived,
    TierCreated,
    TierPublished,
)
from ledger.postings import debt_written_off, funds_held, hold_released

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.commands import (
        AddDestination,
        AssignFeePlan,
        ChangeVerification,
        CloseCreator,
        HoldFunds,
        RegisterCreator,
        ReinstateCreator,
        ReleaseHold,
        RemoveDestination,
        SetPayoutSchedule,
        SetTaxProfile,
        SuspendCreator,
        VerifyDestination,
    )
    from ledger.events import WriteOffDebt
    from ledger.money import Money
    from ledger.postings import FeePlan

DESTINATIONS_MAX: Final = 20
"""Places to be paid to that a creator may have at once."""

Verification = Literal["unverified", "submitted", "verified", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A place to be paid to; `account` is an entry of the vault, `edited_by` who added it."""

    id: UUID
    provider: str
    account: UUID
    usable_at: datetime
    edited_by: str
    verified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Reserved money."""

    money: Money
    reason: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutSchedule:
    """When everything available is paid out by itself; `minimum` in minor units."""

    interval: Literal["weekly", "monthly"]
    day: int
    destination_id: UUID
    minimum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Creator:
    """A creator's state at a version of their stream."""

    id: UUID
    version: int
    name: UUID | None
    settlement_currency: str
    plan: FeePlan | None = None
    verification: Verification = "unverified"
    suspended: bool = False
    closed: bool = False
    country: str | None = None
    withholding_basis_points: int = 0
    tax_number: UUID | None = None
    destinations: Mapping[UUID, Destination] = field(default_factory=dict)
    schedule: PayoutSchedule | None = None
    holds: Mapping[UUID, Hold] = field(default_factory=dict)
    tiers: Mapping[UUID, Tier] = field(default_factory=dict)

    @property
    def standing(self) -> Literal["active", "suspended", "closed"]:
        """What they may do, in a word."""
        if self.closed:
            return "closed"
        return "suspended" if self.suspended else "active"


def evolve_creator(creator: Creator | None, event: CreatorEvent) -> Creator:
    """Apply a fact. Never checks: replay must always succeed."""
    if isinstance(event, CreatorRegistered):
        return Creator(
            id=event.originator_id,
            version=event.originator_version,
            name=event.name,
            settlement_currency=event.settlement_currency,
        )
    assert creator is not None  # noqa: S101 - version density: never first in a stream
    return _evolve_existing(replace(creator, version=event.originator_version), event)


def _evolve_existing(creator: Creator, event: CreatorEvent) -> Creator:
    match event:
        case CreatorRegistered() | DebtWrittenOff():
            return creator
        case FeePlanAssigned():
            return replace(creator, plan=event.plan)
        case CreatorVerificationChanged():
            return replace(creator, verification=event.verification)
        case CreatorSuspended():
            return replace(creator, suspended=True)
        case CreatorReinstated():
            return replace(creator, suspended=False)
        case CreatorClosed():
            return replace(creator, closed=True)
        case TaxProfileSet():
            return replace(
                creator,
                country=event.country,
                withholding_basis_points=event.withholding_basis_points,
                tax_number=event.tax_number,
            )
        case DestinationAdded():
            destination = Destination(
                id=event.destination_id,
                provider=event.provider,
                account=event.account,
                usable_at=event.usable_at,
                edited_by=event.actor,
            )
            return _with_destination(creator, destination)
        case DestinationVerified():
            destination = replace(creator.destinations[event.destination_id], verified=True)
            return _with_destination(creator, destination)
        case DestinationRemoved():
            left = {
                key: destination
                for key, destination in creator.destinations.items()
                if key != event.destination_id
            }
            return replace(creator, destinations=left)
        case PayoutScheduleSet():
            return replace(creator, schedule=_schedule(event))
        case FundsHeld():
            hold = Hold(money=event.held, reason=event.reason, expires_at=event.expires_at)
            return replace(creator, holds={**creator.holds, event.hold_id: hold})
        case HoldReleased():
            holds = {key: hold for key, hold in creator.holds.items() if key != event.hold_id}
            return replace(creator, holds=holds)
        case (
            TierCreated()
            | PricePublished()
            | TierPublished()
            | TierArchived()
            | PriceMigrationScheduled()
        ):
            return replace(creator, tiers=evolve_tiers(creator.tiers, event))
        case _:
            assert_never(event)


def _with_destination(creator: Creator, destination: Destination) -> Creator:
    destinations = {**creator.destinations, destination.id: destination}
    return replace(creator, destinations=destinations)


def _schedule(event: PayoutScheduleSet) -> PayoutSchedule | None:
    if event.interval is None or event.destination_id is None:
        return None
    return PayoutSchedule(
        interval=event.interval,
        day=event.day,
        destination_id=event.destination_id,
        minimum=event.minimum,
    )


# Who they are, and their terms.


def register(creator: Creator | None, command: RegisterCreator, at: Occasion) -> list[LedgerEvent]:
    """Register with a first plan. Raises `CreatorAlreadyRegistered`."""
    if creator is not None:
        raise CreatorAlreadyRegistered
    return [
        CreatorRegistered(
            originator_id=command.creator_id,
            originator_version=1,
            name=command.name,
            settlement_currency=command.settlement_currency,
            **at.stamp(),
        ),
        FeePlanAssigned(
            originator_id=command.creator_id,
            originator_version=2,
            plan=command.plan,
            **at.stamp(),
        ),
    ]


def _known(creator: Creator | None) -> Creator:
    if creator is None:
        raise CreatorNotFound
    return creator


def _open(creator: Creator | None) -> Creator:
    creator = _known(creator)
    if creator.closed:
        raise CreatorIsClosed
    return creator


def assign_fee_plan(
    creator: Creator | None, command: AssignFeePlan, at: Occasion
) -> list[LedgerEvent]:
    """Change the plan for future payments. Raises `CreatorNotFound`."""
    creator = _known(creator)
    if creator.plan == command.plan:
        return []
    return [FeePlanAssigned(plan=command.plan, **_place(creator, at))]


def change_verification(
    creator: Creator | None, command: ChangeVerification, at: Occasion
) -> list[LedgerEvent]:
    """Note where the checks on who they are stand. Raises `CreatorNotFound`."""
    creator = _known(creator)
    if creator.verification == command.verification:
        return []
    return [
        CreatorVerificationChanged(
            verification=command.verification, reason=command.reason, **_place(creator, at)
        )
    ]


def set_tax_profile(
    creator: Creator | None, command: SetTaxProfile, at: Occasion
) -> list[LedgerEvent]:
    """Say how payouts are taxed from now on. Raises `CreatorNotFound`."""
    creator = _known(creator)
    return [
        TaxProfileSet(
            country=command.country,
            withholding_basis_points=command.withholding_basis_points,
            tax_number=command.tax_number,
            **_place(creator, at),
        )
    ]


# Standing.


def suspend(creator: Creator | None, command: SuspendCreator, at: Occasion) -> list[LedgerEvent]:
    """Stop payouts. Raises `CreatorNotFound`, `CreatorIsClosed`, `CreatorStandingUnchanged`."""
    creator = _open(creator)
    if creator.suspended:
        raise CreatorStandingUnchanged(state=creator.standing)
    return [CreatorSuspended(reason=command.reason, **_place(creator, at))]


def reinstate(
    creator: Creator | None, command: ReinstateCreator, at: Occasion
) -> list[LedgerEvent]:
    """End a suspension. Raises `CreatorNotFound` or `CreatorStandingUnchanged`."""
    creator = _known(creator)
    if not creator.suspended:
        raise CreatorStandingUnchanged(state=creator.standing)
    return [CreatorReinstated(reason=command.reason, **_place(creator, at))]


def close(creator: Creator | None, command: CloseCreator, at: Occasion) -> list[LedgerEvent]:
    """Stop new payments, for ever. Raises `CreatorNotFound` or `CreatorIsClosed`."""
    creator = _open(creator)
    return [CreatorClosed(reason=command.reason, **_place(creator, at))]


# Where they are paid.


def add_destination(
    creator: Creator | None, command: AddDestination, at: Occasion
) -> list[LedgerEvent]:
    """A place to be paid to, once it is verified and has cooled.

    Raises `CreatorNotFound`, `AlreadyExists` or `TooManyDestinations`.
    """
    creator = _known(creator)
    if command.destination_id in creator.destinations:
        raise AlreadyExists
    if len(creator.destinations) >= DESTINATIONS_MAX:
        raise TooManyDestinations(maximum=DESTINATIONS_MAX)
    return [
        DestinationAdded(
            destination_id=command.destination_id,
            provider=command.provider,
            account=command.account,
            usable_at=at.recorded_at + timedelta(seconds=command.cooling_seconds),
            **_place(creator, at),
        )
    ]


def _destination(creator: Creator | None, destination_id: UUID) -> tuple[Creator, Destination]:
    creator = _known(creator)
    destination = creator.destinations.get(destination_id)
    if destination is None:
        raise DestinationNotFound
    return creator, destination


def verify_destination(
    creator: Creator | None, command: VerifyDestination, at: Occasion
) -> list[LedgerEvent]:
    """It was shown to be theirs. Raises `CreatorNotFound` or `DestinationNotFound`."""
    creator, destination = _destination(creator, command.destination_id)
    if destination.verified:
        return []
    return [DestinationVerified(destination_id=destination.id, **_place(creator, at))]


def remove_destination(
    creator: Creator | None, command: RemoveDestination, at: Occasion
) -> list[LedgerEvent]:
    """No new payouts go there. Raises `CreatorNotFound` or `DestinationNotFound`."""
    creator, destination = _destination(creator, command.destination_id)
    return [DestinationRemoved(destination_id=destination.id, **_place(creator, at))]


def set_payout_schedule(
    creator: Creator | None, command: SetPayoutSchedule, at: Occasion
) -> list[LedgerEvent]:
    """Pay out by itself, or no longer. Raises `CreatorNotFound` or `DestinationNotFound`."""
    creator = _known(creator)
    if command.interval is not None and command.destination_id not in creator.destinations:
        raise DestinationNotFound
    return [
        PayoutScheduleSet(
            interval=command.interval,
            day=command.day,
            destination_id=command.destination_id,
            minimum=command.minimum,
            **_place(creator, at),
        )
    ]


# Their money.


def hold_funds(
    creator: Creator | None, command: HoldFunds, *, available: int, at: Occasion
) -> list[LedgerEvent]:
    """Reserve available money. `available` is in minor units.

    Raises `CreatorNotFound`, `AlreadyExists`, `ExpiryPassed`, `CurrencyDiffers` or
    `InsufficientFunds`.
    """
    creator = _known(creator)
    if command.hold_id in creator.holds:
        raise AlreadyExists
    if command.expires_at <= at.recorded_at:
        raise ExpiryPassed
    if command.held.currency != creator.settlement_currency:
        raise CurrencyDiffers(expected=creator.settlement_currency, currency=command.held.currency)
    if command.held.amount > available:
        raise InsufficientFunds(available=max(available, 0), currency=command.held.currency)
    return [
        FundsHeld(
            hold_id=command.hold_id,
            held=command.held,
            reason=command.reason,
            expires_at=command.expires_at,
            entry=funds_held(command.held, creator_id=creator.id),
            **_place(creator, at),
        )
    ]


def release_hold(creator: Creator | None, command: ReleaseHold, at: Occasion) -> list[LedgerEvent]:
    """End a hold; by its expiry only when that has come.

    Raises `CreatorNotFound`, `HoldNotFound` or `NotYetDue`.
    """
    creator = _known(creator)
    hold = creator.holds.get(command.hold_id)
    if hold is None:
        raise HoldNotFound
    if command.expired and at.recorded_at < hold.expires_at:
        raise NotYetDue(state="held", due_at=hold.expires_at.isoformat())
    return [
        HoldReleased(
            hold_id=command.hold_id,
            expired=command.expired,
            entry=hold_released(hold.money, creator_id=creator.id),
            **_place(creator, at),
        )
    ]


def write_off(
    creator: Creator | None, action: WriteOffDebt, *, available: int, at: Occasion
) -> list[LedgerEvent]:
    """Give a debt up, wholly or in part; `available` is negative minor units by it.

    Raises `CreatorNotFound`, `CurrencyDiffers` or `NoDebt`.
    """
    creator = _known(creator)
    currency = action.debt.currency
    if currency != creator.settlement_currency:
        raise CurrencyDiffers(expected=creator.settlement_currency, currency=currency)
    if action.debt.amount > -available:
        raise NoDebt(debt=max(-available, 0), currency=currency)
    return [
        DebtWrittenOff(
            debt=action.debt,
            reason=action.reason,
            entry=debt_written_off(action.debt, creator_id=creator.id),
            **_place(creator, at),
        )
    ]


def _place(creator: Creator, at: Occasion) -> dict[str, Any]:
    return {
        "originator_id": creator.id,
        "originator_version": creator.version + 1,
        **at.stamp(),
    }
