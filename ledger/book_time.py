"""What time it is in a book: the database's, and in development it may run ahead of that.

A turn asks with the head that it has loaded, under the append lock, and records at the answer or
at the last `recorded_at`, whichever is later.

    DatabaseTime     the database's clock: always so in production
    GivenTime        a test's own
    RatchetingTime   the database's clock and how far the book is ahead of it. One process that
                     records at a simulated time moves the others along: they go on from there,
                     where they would stand still until the database's clock had caught up.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from ledger.recorder import READ_HEAD, Head

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

NOT_AHEAD: Final = timedelta()


class BookTime(Protocol):
    """Tells the time of a book, from its head."""

    @property
    def ahead(self) -> timedelta:
        """How far the book is ahead of the database's clock, as far as this process has seen."""

    def now(self, head: Head) -> datetime:
        """The time at which a turn on this head is recorded, unless the head's is later."""

    def renew(self, connection: psycopg.Connection[Any]) -> None:
        """See how far ahead the book is by now, where it can be."""


class DatabaseTime:
    """The database's clock."""

    ahead = NOT_AHEAD

    def now(self, head: Head) -> datetime:
        """The database's time, as it was read with the head."""
        return head.now

    def renew(self, connection: psycopg.Connection[Any]) -> None:
        """Nothing: it is never ahead."""


class GivenTime:
    """Whatever a clock says that is given."""

    ahead = NOT_AHEAD

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def now(self, head: Head) -> datetime:  # noqa: ARG002 - the given clock alone is asked
        """The given clock's time."""
        return self._clock()

    def renew(self, connection: psycopg.Connection[Any]) -> None:
        """Nothing: it is as far ahead as it says."""


class RatchetingTime:
    """The database's clock, and as far ahead of it as the book has ever been seen to be.

    Safe between threads: where two set it at once, the next head sets right what one has lost.
    """

    def __init__(self) -> None:
        self._ahead = NOT_AHEAD

    @property
    def ahead(self) -> timedelta:
        """How far the book is ahead, as far as any head has told."""
        return self._ahead

    def now(self, head: Head) -> datetime:
        """The book's time, never behind what is recorded."""
        self._ahead = max(self._ahead, head.recorded_at - head.now)
        return head.now + self._ahead

    def renew(self, connection: psycopg.Connection[Any]) -> None:
        """Look at the head, which others may have moved."""
        self.now(read_head(connection))


def time_by(clock: Callable[[], datetime] | None) -> BookTime:
    """The time by a given clock, or the database's."""
    return DatabaseTime() if clock is None else GivenTime(clock)


def read_head(connection: psycopg.Connection[Any]) -> Head:
    """The head as it is now, without the append lock."""
    row = connection.execute(READ_HEAD).fetchone()
    assert row is not None  # noqa: S101 - the first migration writes turn 0
    return Head(*row)


def seen_from_here(time: BookTime) -> datetime:
    """The book's time by this machine's clock, which is near enough for what is waited for."""
    return datetime.now(UTC) + time.ahead
