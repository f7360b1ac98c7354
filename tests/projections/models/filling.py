"""Filling read models in a test: as many generations as wanted, each in batches of its own size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.serialization import decode_event
from projections.feeder import Feeder, connect_to_fill
from projections.generations import begin, ensure, generations
from projections.models import READ_MODELS
from projections.read_model import of
from tests.databases import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import psycopg

    from ledger.database.location import DatabaseLocation
    from ledger.events import LedgerEvent
    from projections.read_model import ReadModel

ZONE: Final = ZoneInfo("Africa/Nairobi")

READ_EVENTS: Final = """
    SELECT originator_id, originator_version, topic, state FROM ledger_events
    ORDER BY notification_id
"""


def fill(
    database: DatabaseLocation,
    size: Callable[[], int],
    models: Sequence[type[ReadModel]] = READ_MODELS,
    *,
    live: bool = False,
) -> dict[str, int]:
    """Fill a new generation of each model, or the live one, up to the head; numbers by name."""
    ledger = Ledger(BookLocation(database, DatabaseRole.REBUILDER))
    try:
        with connect_to_fill(ledger.book) as connection:
            if live:
                ensure(connection, models)
                asked = {each.name for each in models}
                found = (each for each in generations(connection) if each.state == "live")
                numbers = {each.name: each.number for each in found if each.name in asked}
            else:
                numbers = {each.name: begin(connection, each, state="building") for each in models}
            feeder, position = Feeder(ledger, models, ZONE), 0
            while True:
                batch, up_to = feeder.read(position, list(numbers), size())
                if up_to == position:
                    return numbers
                for generation in generations(connection):
                    if numbers.get(generation.name) == generation.number:
                        assert feeder.apply(connection, generation, batch, up_to)
                position = up_to
    finally:
        ledger.close()


def contents(
    connection: psycopg.Connection[Any], numbers: dict[str, int]
) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of these generations, by table, in an order of their own."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for model in READ_MODELS:
        for table in model.names if model.name in numbers else ():
            query = of(table, numbers[model.name])
            all_of_it = connection.execute(f"SELECT * FROM {query}".encode()).fetchall()
            found[of(table, 0)] = sorted(all_of_it, key=repr)
    return found


def events_of(database: DatabaseLocation) -> list[LedgerEvent]:
    """The whole log."""
    return [
        decode_event(topic, bytes(state), originator_id=stream, originator_version=version)
        for stream, version, topic, state in rows(database, READ_EVENTS)
    ]


def by_stream(events: Iterable[LedgerEvent]) -> dict[Any, list[LedgerEvent]]:
    """The same, stream by stream."""
    streams: dict[Any, list[LedgerEvent]] = {}
    for event in events:
        streams.setdefault(event.originator_id, []).append(event)
    return streams
