"""A book with everything that an export may stumble over, and its exports.

Stories of creators with all that the platform does, lives of payments and of fans; then a day's
end, money that took effect before the day on which it was recorded, currencies of every exponent,
balances beyond 2^53, names with umlauts, and providers whose names are hard to write.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from projections.exports.formats import begin_export
from projections.reader import Reader
from projections.trial_balance import account_pages
from tests.builders import register_creator, report_success
from tests.ledger.lifecycles.play import Clock as StoryClock
from tests.ledger.lifecycles.play import play
from tests.projections.fans_lives import FansLife
from tests.projections.histories import Clock, Life, live
from tests.subscription_builders import create_tier

if TYPE_CHECKING:
    from ledger.database.location import DatabaseLocation
    from ledger.decisions import LedgerCommand
    from projections.exports.formats import ExportFormat
    from tests.invariants import Balances

ORIGIN: Final = "hesabu.example/log"
BOOK: Final = "hesabu"
STORIES: Final = range(80)
FANS_STEPS: Final = 150
LARGE: Final = 10**15
LARGE_TIMES: Final = 12
"""So often a large receipt comes, of which the sum is above 2^53."""

AFTER_THE_STORIES: Final = datetime(2101, 1, 1, tzinfo=UTC)
MIDNIGHT: Final = datetime(2102, 3, 1, tzinfo=UTC)
"""The last day of February ends with it."""

TWO_DAYS: Final = timedelta(days=2)
MOMENT: Final = timedelta(microseconds=1)
TIER: Final = "Freunde für Größe"
AWKWARD: Final = ("_mobile_money_2", "2go", "x_y", "xx_y")


def fill(database: DatabaseLocation) -> None:
    """Let all of it happen in an empty book."""
    book = BookLocation(database, DatabaseRole.APP)
    ledger = Ledger(book, clock=(clock := StoryClock()))
    play(ledger, clock, STORIES)
    ledger.close()
    live(book, Life(seed=53))
    fans = FansLife(book, seed=54)
    fans.clock.now = AFTER_THE_STORIES
    fans.live([fans.offer(trial_days=7), fans.offer()], FANS_STEPS)
    fans.close()
    _go_to_extremes(book)


def _go_to_extremes(book: BookLocation) -> None:
    clock = Clock(MIDNIGHT - MOMENT)
    ledger = Ledger(book, clock=clock)
    creator = UUID(int=5)
    before: list[LedgerCommand] = [
        register_creator(creator),
        create_tier(creator, UUID(int=6), name=TIER),
        report_success(None, 1, currency="KES", occurred_at=MIDNIGHT - TWO_DAYS),
        *(report_success(None, LARGE, currency=currency) for currency in ("KES", "UGX", "KWD")),
    ]
    after: list[LedgerCommand] = [
        report_success(None, 1, currency="KWD", occurred_at=MIDNIGHT - TWO_DAYS),
        *(report_success(None, 7, provider=provider) for provider in AWKWARD),
        *(report_success(None, LARGE, currency="KWD") for _ in range(LARGE_TIMES)),
        *(report_success(None, LARGE - 1, currency="UGX") for _ in range(LARGE_TIMES)),
    ]
    for commands, now in ((before, MIDNIGHT - MOMENT), (after, MIDNIGHT)):
        clock.now = now
        for outcome in ledger.execute(commands):
            assert outcome.error is None
    ledger.close()


def exported(
    database: DatabaseLocation, which: ExportFormat, until: int | None = None
) -> tuple[str, bytes]:
    """The name of a file and what is in it."""

    async def write() -> tuple[str, bytes]:
        async with Reader(BookLocation(database, DatabaseRole.AUDITOR)) as reader:
            export = await begin_export(reader, which, origin=ORIGIN, book=BOOK, until=until)
            return export.file_name, b"".join([piece async for piece in export.pieces])

    return asyncio.run(write())


def shown(database: DatabaseLocation, position: int) -> Balances:
    """The balances of the trial balance at a position; accounts at zero are left out."""

    async def ask() -> Balances:
        async with Reader(BookLocation(database, DatabaseRole.AUDITOR)) as reader:
            return {
                (each.account, each.currency): each.balance
                async for page in account_pages(reader, as_of_position=position)
                for each in page.items
                if each.balance
            }

    return asyncio.run(ask())
