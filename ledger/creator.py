"""A creator: somebody who is paid, in one settlement currency, by a fee plan.

(nothing) ── RegisterCreator ──▶ registered ── AssignFeePlan ──▶ registered
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from ledger.errors import CreatorAlreadyRegistered, CreatorNotFound
from ledger.events import CreatorEvent, CreatorRegistered, FeePlanAssigned, Occasion

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.commands import AssignFeePlan, RegisterCreator
    from ledger.postings import FeePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Creator:
    """A creator's state at a version of their stream."""

    id: UUID
    version: int
    name: UUID | None
    settlement_currency: str
    plan: FeePlan | None = None


def evolve_creator(creator: Creator | None, event: CreatorEvent) -> Creator:
    """Apply a fact. Never checks: replay must always succeed."""
    match event:
        case CreatorRegistered():
            return Creator(
                id=event.originator_id,
                version=event.originator_version,
                name=event.name,
                settlement_currency=event.settlement_currency,
            )
        case FeePlanAssigned():
            assert creator is not None  # noqa: S101 - version density: never first in a stream
            return replace(creator, version=event.originator_version, plan=event.plan)
        case _:
            assert_never(event)


def register(
    creator: Creator | None, command: RegisterCreator, occasion: Occasion
) -> list[CreatorEvent]:
    """Register with a first plan. Raises `CreatorAlreadyRegistered`."""
    if creator is not None:
        raise CreatorAlreadyRegistered
    return [
        CreatorRegistered(
            originator_id=command.creator_id,
            originator_version=1,
            name=command.name,
            settlement_currency=command.settlement_currency,
            **occasion.stamp(),
        ),
        FeePlanAssigned(
            originator_id=command.creator_id,
            originator_version=2,
            plan=command.plan,
            **occasion.stamp(),
        ),
    ]


def assign_fee_plan(
    creator: Creator | None, command: AssignFeePlan, occasion: Occasion
) -> list[CreatorEvent]:
    """Change the plan for future payments. Raises `CreatorNotFound`."""
    if creator is None:
        raise CreatorNotFound
    if creator.plan == command.plan:
        return []
    return [
        FeePlanAssigned(
            originator_id=creator.id,
            originator_version=creator.version + 1,
            plan=command.plan,
            **occasion.stamp(),
        )
    ]
