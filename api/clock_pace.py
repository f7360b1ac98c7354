"""In development a clock goes by the book's time and may let it run: `hesabu clock --speed N`.

Each round it looks out. Its own time has gone on, N times as fast as the real one:

    a prompt is under way ─▶ back to the book's time: a fan's answer takes real seconds
    nothing will be due   ─▶ the same, for there is nothing to run ahead to
    something is due      ─▶ all that is due is done, at one time: see `Pace.settle`

Its own time is known to nobody before something is recorded at it, so it may go back to the book's.
What it records moves the book's time along, and with that every other process.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ledger.book_time import RatchetingTime
from ledger.events import InvoicePaymentInitiated, PaymentInitiated
from ledger.recorder import Head

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

SPEED_MAX: Final = 1_000_000
ROUND_SECONDS: Final = 0.5
"""About how long it is from one round to the next."""
LATE_MAX: Final = timedelta(hours=4)
"""However fast the time runs: a fan who is to be asked in the morning is asked by day."""

PROMPTS: Final = [PaymentInitiated.TOPIC, InvoicePaymentInitiated.TOPIC]

# Nobody waits for money that may be brought to a till, whose tasks are of another kind. The
# dispatcher has no task yet for what it has not read yet.
READ_OUTLOOK: Final = """
    SELECT position, recorded_at, clock_timestamp(),
           EXISTS (SELECT FROM dispatcher_tasks WHERE kind = 'payment') OR EXISTS (
               SELECT FROM ledger_events
               WHERE topic = ANY(%s) AND notification_id > (
                   SELECT notification_id FROM ledger_tracking
                   WHERE application_name = 'dispatcher')
           ),
           (SELECT max(due_at) FROM clock_due)
    FROM turns ORDER BY position DESC LIMIT 1
"""


class Outlook(NamedTuple):
    """The book at the beginning of a round, and when the last thing that is known will be due."""

    head: Head
    prompt_is_under_way: bool
    last_due_at: datetime | None


def look_out(connection: psycopg.Connection[Any]) -> Outlook:
    """What the clock's own time depends on, all of it as of one moment."""
    row = connection.execute(READ_OUTLOOK, (PROMPTS,)).fetchone()
    assert row is not None  # noqa: S101 - the first migration writes turn 0
    return Outlook(Head(*row[:3]), *row[3:])


class Pace(RatchetingTime):
    """One clock's time: the book's, and `speed` times as fast as the real one from there.

    Its ledger records at it. At speed 1 it is the book's.
    """

    def __init__(self, speed: int = 1, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._speed = speed
        self._monotonic = monotonic
        self._looked_out_at = monotonic()
        self._book = self._own = datetime.min.replace(tzinfo=UTC)

    def now(self, head: Head) -> datetime:
        """The time of the round, which stands still during it; the book's where that is later."""
        return max(super().now(head), self._own)

    def advance(self, outlook: Outlook) -> datetime:
        """Let the time go on that has passed since the last round; what time it is now."""
        looked_out_at = self._monotonic()
        passed = timedelta(seconds=(looked_out_at - self._looked_out_at) * self._speed)
        self._looked_out_at = looked_out_at
        self._book = super().now(outlook.head)
        if outlook.prompt_is_under_way or outlook.last_due_at is None:
            self._own = self._book
        else:
            self._own = max(self._book, min(self._own + passed, outlook.last_due_at))
        return self._own

    def settle(self, due_at: datetime) -> datetime:
        """The time of a round whose first thing was due at `due_at`, late by a round or `LATE_MAX`.

        It may have become known when the clock's own time had run past it already.
        """
        late = min(timedelta(seconds=ROUND_SECONDS * self._speed), LATE_MAX)
        self._own = max(self._book, min(self._own, due_at + late))
        return self._own
