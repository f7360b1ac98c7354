"""A book in which everything happened, and read models that were filled from it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from projections.live import LiveModel
from projections.reader import Reader
from tests.builders import GROSS, initiate_payment, register_creator, report_success
from tests.ledger.lifecycles.play import Clock, play
from tests.ledger.subscriptions.world import Clock as WorldClock
from tests.ledger.subscriptions.world import World
from tests.money_builders import request_refund
from tests.projections.models.filling import events_of, fill

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ledger.database.location import DatabaseLocation
    from ledger.events import LedgerEvent
    from projections.read_model import ReadModel
    from tests.databases import Databases

    Ask = Callable[[type[ReadModel], Callable[[LiveModel], Awaitable[Any]]], Any]

SEED = 10**9 + 2


def live_through(
    database: DatabaseLocation, *, stories: int, fans: int, days: int, seed: int = SEED
) -> None:
    """Subscriptions of a small world, a purchase, and then whole lives of tips and payouts."""
    book, world_clock, clock = BookLocation(database, DatabaseRole.APP), WorldClock(), Clock()
    ledger = Ledger(book, clock=world_clock)
    World(seed, ledger, world_clock, fans).run(days)
    buy(ledger)
    ledger.close()
    ledger = Ledger(book, clock=clock)
    # Ids come from seeds: none of these may be the world's.
    play(ledger, clock, range(seed + 1, seed + 1 + stories))
    ledger.close()


def buy(ledger: Ledger) -> None:
    """A fan buys something, and half of it is given back."""
    creator, payment = uuid4(), uuid4()
    buying = replace(initiate_payment(creator, payment_id=payment), purpose="purchase")
    back = request_refund(payment, GROSS // 2)
    outcomes = ledger.execute([register_creator(creator), buying, report_success(payment), back])
    assert not [outcome.error for outcome in outcomes if outcome.error]


@dataclass(frozen=True)
class Lived:
    """A book, its log, and the generation of each model that is read."""

    database: DatabaseLocation
    events: list[LedgerEvent]
    numbers: dict[str, int]


@pytest.fixture(scope="session")
def lived(databases: Databases) -> Lived:
    """A book with a long past; only for reading, but for new generations."""
    database = databases.create()
    live_through(database, stories=200, fans=60, days=200)
    numbers = fill(database, lambda: 2_000, live=True)
    return Lived(database, events_of(database), numbers)


@pytest.fixture
def ask(lived: Lived) -> Ask:
    """Ask a read model of the lived book a question: a function of it as it is live."""

    def ask(model: type[ReadModel], question: Callable[[LiveModel], Awaitable[Any]]) -> Any:  # noqa: ANN401 - whatever it answers
        async def run() -> Any:  # noqa: ANN401 - the same
            async with Reader(BookLocation(lived.database, DatabaseRole.APP)) as reader:
                return await question(LiveModel(reader, model))

        return asyncio.run(run())

    return ask
