"""A creator's schedule is due: everything available is asked for, and the schedule goes on.

Of several times that were missed while no clock ran, the last one is made. Its local date is the
payout's key and id, so it is made once, however many clocks run and whenever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from api.clock_board import Due, Move
from api.payout_calendar import latest_occurrence, next_occurrence
from api.payout_terms import no_terms, payout_terms
from ledger.commands import IdempotencyKey, RequestPayout

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from api.providers.port import Provider
    from api.settings import Settings
    from ledger.commands import PayoutTerms
    from ledger.creator import Creator, PayoutSchedule

ACTOR: Final = "clock"

SCHEDULED_PAYOUTS: Final = UUID("2c9d7f60-4b1e-5a83-9e57-c6f3d0a1b8e4")
"""The namespace of the ids of scheduled payouts: one a creator and local date."""


class Schedules:
    """What becomes of schedules that are due, in the book's time zone."""

    def __init__(self, providers: Mapping[str, Provider], settings: Settings) -> None:
        self._providers = providers
        self._settings = settings
        self._zone = settings.time_zone

    def request(self, due: Due, creator: Creator) -> RequestPayout | Move | None:
        """The payout to ask for.

        A `Move` where the schedule was set anew and is not due any more; None where it was ended.
        The log tells the board so too, a moment later.
        """
        schedule = creator.schedule
        if schedule is None:
            return None
        occurrence = latest_occurrence(schedule.interval, schedule.day, at=due.now, zone=self._zone)
        if occurrence < due.due_at:
            return self._move(due, schedule)
        return self._payout(due, creator, schedule, occurrence)

    def move_on(self, due: Due, creator: Creator) -> Move | None:
        """The schedule's next time, now that this one was answered."""
        return None if creator.schedule is None else self._move(due, creator.schedule)

    def _move(self, due: Due, schedule: PayoutSchedule) -> Move:
        following = next_occurrence(schedule.interval, schedule.day, after=due.now, zone=self._zone)
        return Move(due.creator_id, due.due_at, following)

    def _payout(
        self, due: Due, creator: Creator, schedule: PayoutSchedule, occurrence: datetime
    ) -> RequestPayout:
        date = occurrence.astimezone(self._zone).date().isoformat()
        payout_id = uuid5(SCHEDULED_PAYOUTS, f"{creator.id}:{date}")
        return RequestPayout(
            payout_id=payout_id,
            creator_id=creator.id,
            destination_id=schedule.destination_id,
            amount=None,
            terms=self._terms(creator, schedule),
            scheduled=True,
            scheduled_minimum=schedule.minimum,
            **said(due, f"payout:{creator.id}:{date}", payout_id),
        )

    def _terms(self, creator: Creator, schedule: PayoutSchedule) -> PayoutTerms:
        currency = creator.settlement_currency
        destination = creator.destinations.get(schedule.destination_id)
        terms = None
        if destination is not None:
            terms = payout_terms(
                self._providers, self._settings, provider=destination.provider, currency=currency
            )
        return terms or no_terms(currency)


def said(due: Due, key: str, about: UUID) -> dict[str, Any]:
    """What every command of the clock carries: a natural key, and what was due."""
    return {
        "key": IdempotencyKey(ACTOR, key),
        "actor": ACTOR,
        "correlation_id": about,
        "causation_id": f"due:{due.due_at.isoformat()}",
    }
