"""When is a fan asked to pay, again, and until when? A calendar; it decides nothing.

A renewal by mobile money has no stored card: each is a prompt on the fan's phone. Prompts come
between 08:00 and 20:00 of the subscription's time zone: the first at the start of the period, then
4 hours, 1 day and 3 days after the first that really reached the fan, at least 3 hours apart. Grace
is 7 days, or half a period if that is shorter, from that first prompt, and ends with the period.
Only what reached the fan counts: an outage of ours is not the fan's debt. A stored card is charged
by the same calendar, at any hour.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from ledger.events import PaymentMethod

OPENS: Final = time(8)
CLOSES: Final = time(20)
"""Local hours in which a phone may be prompted without its owner asking for it."""

AFTER_FIRST_PUSH: Final = (timedelta(hours=4), timedelta(days=1), timedelta(days=3))
APART: Final = timedelta(hours=3)
GRACE_MAX: Final = timedelta(days=7)
NOT_PUSHED_PAUSE: Final = timedelta(minutes=15)
"""After an attempt that never reached the fan; it is not counted."""

REMINDER_DAYS: Final = (3, 1)


def allowed_at(instant: datetime, *, method: PaymentMethod, zone: str) -> datetime:
    """The first moment, at `instant` or later, at which the fan may be asked. In UTC."""
    if method.kind == "card":
        return instant
    local = instant.astimezone(ZoneInfo(zone))
    if OPENS <= local.time() < CLOSES:
        return instant
    day = local.date() if local.time() < OPENS else local.date() + timedelta(days=1)
    return datetime.combine(day, OPENS, tzinfo=local.tzinfo).astimezone(UTC)


def prompts_end_at(instant: datetime, *, method: PaymentMethod, zone: str) -> datetime | None:
    """When prompts of the day of `instant` must be over; None for a card. In UTC."""
    if method.kind == "card":
        return None
    local = instant.astimezone(ZoneInfo(zone))
    return datetime.combine(local.date(), CLOSES, tzinfo=local.tzinfo).astimezone(UTC)


def next_push_at(*, first_push: datetime, last_push: datetime, pushes: int) -> datetime | None:
    """When to ask again after so many pushes, before the hours are looked at; None: no more."""
    if pushes > len(AFTER_FIRST_PUSH):
        return None
    return max(first_push + AFTER_FIRST_PUSH[pushes - 1], last_push + APART)


def grace_until(*, first_push: datetime, start: datetime, end: datetime) -> datetime:
    """How long a period [start, end) may stay unpaid once its fan was asked."""
    return min(first_push + min(GRACE_MAX, (end - start) / 2), end)
