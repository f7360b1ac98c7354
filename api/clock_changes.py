"""What a batch of the log changes of the table of what is due: each row once.

Rows are put, moved by an amount, removed, or woken: a creator who takes subscribers to another
price has notices to give, so that all of their subscriptions are due at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

from api.payout_calendar import next_occurrence
from ledger import renewals
from ledger.accounts import CreatorFunds, creator_of
from ledger.events import (
    EVENT_CLASSES,
    CreditSpent,
    FundsHeld,
    FundsReleased,
    HoldReleased,
    PaymentSucceeded,
    PayoutScheduleSet,
    PriceMigrationScheduled,
    ReceiptsAllocated,
    SubscriptionEvent,
)
from ledger.serialization import UPCASTERS

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID
    from zoneinfo import ZoneInfo

    import psycopg

    from api.clock_subscriptions import SubscriptionStates
    from ledger.events import Event, LedgerEvent

Kind = Literal["release", "hold", "payout_schedule", "subscription"]

OF_SUBSCRIPTIONS: Final = cast("tuple[type[Event], ...]", get_args(SubscriptionEvent))

READ: Final = frozenset(
    {cls.TOPIC for cls in EVENT_CLASSES if "entry" in cls.model_fields}
    | {cls.TOPIC for cls in OF_SUBSCRIPTIONS}
    | {PayoutScheduleSet.TOPIC, PriceMigrationScheduled.TOPIC}
    | UPCASTERS.keys()
)
"""Topics whose events may move money or say when something is due; the others say neither."""

PUT: Final = """
    INSERT INTO clock_due (kind, subject_id, creator_id, currency, amount, due_at)
    SELECT * FROM unnest(%s::text[], %s::uuid[], %s::uuid[], %s::text[], %s::numeric[],
                         %s::timestamptz[])
    ON CONFLICT (kind, subject_id) DO UPDATE
    SET creator_id = excluded.creator_id, currency = excluded.currency,
        amount = excluded.amount, due_at = excluded.due_at
"""
ADD: Final = """
    UPDATE clock_due SET amount = clock_due.amount + moved.amount
    FROM unnest(%s::uuid[], %s::numeric[]) AS moved (subject_id, amount)
    WHERE clock_due.kind = 'release' AND clock_due.subject_id = moved.subject_id
"""
REMOVE: Final = """
    DELETE FROM clock_due USING unnest(%s::text[], %s::uuid[]) AS ended (kind, subject_id)
    WHERE clock_due.kind = ended.kind AND clock_due.subject_id = ended.subject_id
"""
WAKE: Final = """
    UPDATE clock_due SET due_at = woken.due_at
    FROM unnest(%s::uuid[], %s::timestamptz[]) AS woken (creator_id, due_at)
    WHERE clock_due.kind = 'subscription' AND clock_due.creator_id = woken.creator_id
"""
"""Also what is due already: another time tells who looked at it before that there is more to do."""


@dataclass(frozen=True, slots=True)
class _Row:
    creator_id: UUID
    currency: str | None
    amount: int
    due_at: datetime


class Changes:
    """What a batch of the log changes."""

    def __init__(self, zone: ZoneInfo, states: SubscriptionStates) -> None:
        self._zone = zone
        self._states = states
        self._rows: dict[tuple[Kind, UUID], _Row | None] = {}
        self._moved: dict[UUID, int] = {}
        self._lives: dict[UUID, list[SubscriptionEvent]] = {}
        self._woken: dict[UUID, datetime] = {}

    def take(self, event: LedgerEvent) -> None:
        """Note what one event changes."""
        match event:
            case PaymentSucceeded() | ReceiptsAllocated() | CreditSpent():
                self._open_release(event)
            case FundsReleased():
                self._rows["release", event.originator_id] = None
            case FundsHeld():
                self._rows["hold", event.hold_id] = _Row(
                    event.originator_id, event.held.currency, event.held.amount, event.expires_at
                )
            case HoldReleased():
                self._rows["hold", event.hold_id] = None
            case PayoutScheduleSet():
                self._rows["payout_schedule", event.originator_id] = self._schedule(event)
            case PriceMigrationScheduled():
                self._woken[event.originator_id] = event.recorded_at
            case _ if isinstance(event, OF_SUBSCRIPTIONS):
                life = self._lives.setdefault(event.originator_id, [])
                life.append(cast("SubscriptionEvent", event))
            case _:
                self._move_release(event)

    def _open_release(self, event: PaymentSucceeded | ReceiptsAllocated | CreditSpent) -> None:
        pending = _pending(event)
        # Where the platform took all of it, there is nothing to release to anybody.
        if pending is not None:
            creator_id, currency, amount = pending
            self._rows["release", event.originator_id] = _Row(
                creator_id, currency, amount, event.releases_at
            )

    def _move_release(self, event: LedgerEvent) -> None:
        pending = _pending(event)
        if pending is None:
            return
        key: tuple[Kind, UUID] = ("release", event.originator_id)
        amount = pending[2]
        if key not in self._rows:
            moved = self._moved.get(event.originator_id, 0)
            self._moved[event.originator_id] = moved + amount
        elif (row := self._rows[key]) is not None:
            self._rows[key] = replace(row, amount=row.amount + amount)

    def _schedule(self, event: PayoutScheduleSet) -> _Row | None:
        if event.interval is None:
            return None
        due_at = next_occurrence(
            event.interval, event.day, after=event.recorded_at, zone=self._zone
        )
        return _Row(event.originator_id, None, 0, due_at)

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Write the changes, in the caller's transaction."""
        self._fold_lives(connection)
        put = [
            (kind, subject, row.creator_id, row.currency, row.amount, row.due_at)
            for (kind, subject), row in self._rows.items()
            if row is not None
        ]
        if put:
            connection.execute(PUT, [list(column) for column in zip(*put, strict=True)])
        removed = [key for key, row in self._rows.items() if row is None]
        if removed:
            connection.execute(REMOVE, [list(column) for column in zip(*removed, strict=True)])
        moved = {
            subject: amount
            for subject, amount in self._moved.items()
            if amount and ("release", subject) not in self._rows
        }
        if moved:
            connection.execute(ADD, (list(moved), list(moved.values())))
        if self._woken:
            connection.execute(WAKE, (list(self._woken), list(self._woken.values())))

    def _fold_lives(self, connection: psycopg.Connection[Any]) -> None:
        if not self._lives:
            return
        for stream, subscription in self._states.after(connection, self._lives).items():
            due_at = renewals.due_at(subscription)
            self._rows["subscription", stream] = (
                None
                if due_at is None
                else _Row(subscription.creator_id, subscription.currency, 0, due_at)
            )


def _pending(event: LedgerEvent) -> tuple[UUID, str, int] | None:
    """Whose pending account an event moves, in which currency, and by how much it grows."""
    postings = () if event.journal_entry is None else event.journal_entry.postings
    moved = [each for each in postings if each.account.endswith(f":{CreatorFunds.PENDING}")]
    if not moved:
        return None
    creator_id = creator_of(moved[0].account)
    assert creator_id is not None  # noqa: S101 - only creators have pending accounts
    return creator_id, moved[0].currency, -sum(each.amount for each in moved)
