"""A book with a past: what happened in it months ago, before its processes are started."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from tests.databases import superuser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ledger.database.location import DatabaseLocation
    from ledger.decisions import LedgerCommand
    from ledger.outcome import Outcome

BEGIN_EARLIER: Final = """
    SET session_replication_role = replica;
    UPDATE turns SET recorded_at = '2000-01-01T00:00:00Z' WHERE position = 0
"""
"""Time in a book does not go back, so an empty one is made to have begun long ago."""


class Past:
    """A ledger whose clock is set by hand."""

    def __init__(self, database: DatabaseLocation) -> None:
        self._now: datetime | None = None
        self.ledger = Ledger(BookLocation(database, DatabaseRole.APP), clock=self._clock)

    def _clock(self) -> datetime:
        assert self._now is not None
        return self._now

    def at(self, moment: datetime, *commands: LedgerCommand) -> list[Outcome]:
        """Let these happen then; none of them may be refused."""
        self._now = moment
        outcomes = self.ledger.execute(commands)
        assert [outcome.error for outcome in outcomes] == [None] * len(commands)
        return outcomes


@contextmanager
def past_of(database: DatabaseLocation) -> Iterator[Past]:
    """The past of a book that is empty still."""
    with superuser(database) as connection:
        connection.execute(BEGIN_EARLIER)
    past = Past(database)
    try:
        yield past
    finally:
        past.ledger.close()
