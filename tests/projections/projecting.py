"""Feeding read models in tests, and a small one whose every answer can be checked.

`Tally` keeps a chain of hashes over the events that it read: one that is skipped, doubled or out of
order changes it for ever. What it must be at a position follows from the log.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple
from uuid import uuid4
from zoneinfo import ZoneInfo

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.events import CreatorRegistered, Event, PaymentInitiated, PaymentSucceeded
from projections.feeder import connect_to_fill
from projections.generations import Generation, ensure, generations
from projections.journal_rebuild import rebuild_of
from projections.projector import Projector
from projections.read_model import ReadModel, Recorded, Tables
from tests.builders import initiate_payment, register_creator, report_success
from tests.databases import rows, superuser, value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import LiteralString

    import psycopg

    from ledger.database.location import DatabaseLocation
    from projections.live import LiveModel
    from projections.rebuild import Rebuilt

ZONE: Final = ZoneInfo("Africa/Nairobi")


class Tally(ReadModel):
    """How many payments were initiated and paid, with a chain of hashes over their events."""

    name = "tally"
    reads: ClassVar[frozenset[type[Event]]] = frozenset({PaymentInitiated, PaymentSucceeded})
    tables = """
        CREATE TABLE tally_g{g} (position bigint PRIMARY KEY, chain text NOT NULL);
    """
    names: ClassVar[Sequence[LiteralString]] = ("tally_g{g}",)

    last: ClassVar[LiteralString] = "SELECT chain FROM tally_g{g} ORDER BY position DESC LIMIT 1"
    insert: ClassVar[LiteralString] = (
        "INSERT INTO tally_g{g} SELECT * FROM unnest(%s::bigint[], %s::text[])"
    )

    def apply(self, tables: Tables, batch: Sequence[Recorded]) -> None:
        last = tables.fetch(self.last)
        chain = last[0][0] if last else ""
        found = []
        for recorded in batch:
            self.look_at(recorded)
            chain = link(chain, recorded.position)
            found.append((recorded.position, chain))
        tables.write(self.insert, found)

    def look_at(self, recorded: Recorded) -> None:
        """A test's own model may raise here."""


class Registrations(Tally):
    """The same over registrations of creators."""

    name = "registrations"
    reads: ClassVar[frozenset[type[Event]]] = frozenset({CreatorRegistered})
    tables = """
        CREATE TABLE registrations_g{g} (position bigint PRIMARY KEY, chain text NOT NULL);
    """
    names: ClassVar[Sequence[LiteralString]] = ("registrations_g{g}",)
    last: ClassVar[LiteralString] = (
        "SELECT chain FROM registrations_g{g} ORDER BY position DESC LIMIT 1"
    )
    insert: ClassVar[LiteralString] = (
        "INSERT INTO registrations_g{g} SELECT * FROM unnest(%s::bigint[], %s::text[])"
    )


def link(chain: str, position: int) -> str:
    return hashlib.sha256(f"{chain}:{position}".encode()).hexdigest()


class Said(NamedTuple):
    """What a tally says: events, the last one's position, and the chain."""

    events: int
    last: int | None
    chain: str | None


TALLY_READ: Final = """
    SELECT model.generation, model.position, model.parked_at, found.*
    FROM model LEFT JOIN LATERAL (
        SELECT (SELECT count(*) FROM tally_g{g}), last.position, last.chain
        FROM (SELECT 1) AS one
        LEFT JOIN LATERAL (
            SELECT position, chain FROM tally_g{g} ORDER BY position DESC LIMIT 1
        ) AS last ON true
    ) AS found ON true
"""


async def read_tally(model: LiveModel, **options: Any) -> tuple[int, Said]:  # noqa: ANN401 - fetch's
    """The tally, and the position that it is true at."""
    answer = await model.fetch(TALLY_READ, {}, **options)
    return answer.position, Said(*answer.rows[0])


def said_by_the_log(database: DatabaseLocation, model: type[Tally] = Tally) -> list[Said]:
    """What a tally must say at each position, from 0 to the head."""
    read = {event.TOPIC for event in model.reads}
    found = [Said(0, None, None)]
    for position, topic in rows(
        database, "SELECT notification_id, topic FROM ledger_events ORDER BY notification_id"
    ):
        events, last, chain = found[-1]
        if topic in read:
            events, last, chain = events + 1, position, link(chain or "", position)
        found.append(Said(events, last, chain))
    return found


def said_by_the_table(database: DatabaseLocation, generation: int = 1, name: str = "tally") -> Said:
    events = value(database, f"SELECT count(*) FROM {name}_g{generation}")
    last = rows(
        database,
        f"SELECT position, chain FROM {name}_g{generation} ORDER BY position DESC LIMIT 1",
    )
    return Said(events, *(last[0] if last else (None, None)))


def pay(ledger: Ledger, payments: int = 1) -> None:
    """A creator, and payments to them: first all are initiated, then all succeed."""
    creator = uuid4()
    ledger.execute_one(register_creator(creator))
    initiations = [initiate_payment(creator) for _ in range(payments)]
    outcomes = ledger.execute(
        [*initiations, *(report_success(each.payment_id) for each in initiations)]
    )
    assert all(outcome.error is None for outcome in outcomes)


def insert_raw(database: DatabaseLocation, topic: str, state: bytes = b"{}") -> int:
    """An event of another version of the code, or a broken one, at the head; its position."""
    with superuser(database) as connection, connection.transaction():
        row = connection.execute("SELECT max(position) + 1 FROM turns").fetchone()
        assert row is not None
        connection.execute(
            "INSERT INTO ledger_events (originator_id, originator_version, topic, state,"
            " notification_id) VALUES (%s, 1, %s, %s, %s)",
            (uuid4(), topic, state, row[0]),
        )
        connection.execute("INSERT INTO turns SELECT %s, max(recorded_at) FROM turns", (row[0],))
        return int(row[0])


def head_of(database: DatabaseLocation) -> int:
    return int(value(database, "SELECT max(position) FROM turns"))


def begin_models(database: DatabaseLocation, *models: type[ReadModel]) -> None:
    """Begin read models that are not there yet."""
    with connect_to_fill(BookLocation(database, DatabaseRole.REBUILDER)) as connection:
        ensure(connection, models)


class Feeding(NamedTuple):
    """A projector, and a connection for it to feed by."""

    projector: Projector
    connection: psycopg.Connection[Any]

    def catch_up(self) -> None:
        """Until nothing goes on any more."""
        while self.projector.catch_up(self.connection):
            pass


@contextmanager
def feeding(book: BookLocation, *models: type[ReadModel], **options: Any) -> Iterator[Feeding]:  # noqa: ANN401 - the projector's
    """A projector of these models, which are begun if they are not there."""
    begin_models(book.database, *models)
    ledger = Ledger(BookLocation(book.database, DatabaseRole.PROJECTOR))
    try:
        with connect_to_fill(ledger.book) as connection:
            yield Feeding(Projector(ledger, models, ZONE, **options), connection)
    finally:
        ledger.close()


@contextmanager
def rebuilding(database: DatabaseLocation) -> Iterator[Ledger]:
    """The ledger of whoever builds generations."""
    ledger = Ledger(BookLocation(database, DatabaseRole.REBUILDER))
    yield ledger
    ledger.close()


def rebuild(database: DatabaseLocation, model: type[ReadModel], **options: Any) -> Rebuilt:  # noqa: ANN401 - the rebuild's
    with rebuilding(database) as ledger:
        return rebuild_of(ledger, model, ZONE, **options).run()


def assert_equal_to_one_built_from_nothing(
    database: DatabaseLocation, *models: type[ReadModel]
) -> None:
    """Every row of what is read is what a generation says that is built now."""
    with rebuilding(database) as ledger:
        for model in models:
            assert rebuild_of(ledger, model, ZONE).compare() == [], model.name


def generation_of(
    database: DatabaseLocation, model: type[ReadModel], state: str = "live"
) -> Generation:
    """The generation that is in a state."""
    with superuser(database) as connection:
        [found] = [
            each
            for each in generations(connection)
            if each.name == model.name and each.state == state
        ]
    return found
