"""Journal entries and accounts, for programs that keep books.

Entries are read from the events, balances from the read model beside the log: a program that adds
the entries up and finds the balances has checked the one by the other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from projections.event_log import EventFilter, event_pages
from projections.trial_balance import account_pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from projections.event_log import LoggedEvent
    from projections.reader import Reader

ENTRY: Final = b'"entry":{'
"""Events without it moved no money; most need not be parsed."""


class Posting(NamedTuple):
    """Minor units, debit positive."""

    account: str
    currency: str
    amount: int


@dataclass(frozen=True, slots=True)
class Entry:
    """The postings of one event, as they are stored in it."""

    position: int
    stream_id: UUID
    version: int
    topic: str
    recorded_at: datetime
    effective_at: datetime
    postings: list[Posting]

    @property
    def day(self) -> date:
        """The day in UTC on which it was recorded: never earlier than that of the one before."""
        return self.recorded_at.astimezone(UTC).date()


class Account(NamedTuple):
    """An account and the currencies in which it has lines."""

    name: str
    currencies: list[str]


async def entry_pages(reader: Reader, end: int) -> AsyncIterator[list[Entry]]:
    """All entries up to a position, some at a time. Raises `ReadUnavailable`."""
    async for page in event_pages(reader, EventFilter(last_position=end)):
        yield [entry for event in page.items if (entry := _entry(event)) is not None]


async def first_day(reader: Reader) -> date | None:
    """The day in UTC on which the log begins; None while it is empty. Raises `ReadUnavailable`."""
    async for page in event_pages(reader, EventFilter(last_position=1)):
        for event in page.items:
            return _time(json.loads(event.state)["recorded_at"]).astimezone(UTC).date()
    return None


async def account_batches(reader: Reader, end: int) -> AsyncIterator[list[Account]]:
    """Every account with a line up to a position, once, by name. Raises `ReadUnavailable`."""
    currencies: dict[str, list[str]] = {}
    async for page in account_pages(reader, as_of_position=end):
        for each in page.items:
            currencies.setdefault(each.account, []).append(each.currency)
        # The last one may go on with another currency on the next page.
        unfinished = page.items[-1].account if page.next_cursor is not None else None
        yield [Account(name, of) for name, of in currencies.items() if name != unfinished]
        currencies = {} if unfinished is None else {unfinished: currencies[unfinished]}


def _entry(event: LoggedEvent) -> Entry | None:
    if ENTRY not in event.state:
        return None
    state: dict[str, Any] = json.loads(event.state)
    if not isinstance(entry := state.get("entry"), dict):
        return None
    recorded_at = _time(state["recorded_at"])
    occurred_at = state.get("occurred_at")
    return Entry(
        event.position,
        event.stream_id,
        event.version,
        event.topic,
        recorded_at,
        recorded_at if occurred_at is None else min(_time(occurred_at), recorded_at),
        [Posting(each["account"], each["currency"], each["amount"]) for each in entry["postings"]],
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
