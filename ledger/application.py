"""The ledger: an eventsourcing `Application` whose writes all pass through the turn.

`Ledger.execute(commands)` is the one way in. Everything that the library reads works on it:
`ledger.repository.get(id, version=…)`, `ledger.notification_log`, `ledger.recorder.subscribe`.
`Ledger.save` raises, since events written past the turn would lack journal, balances and keys.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast
from uuid import UUID

import psycopg
from eventsourcing.application import Application, Repository
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresFactory
from psycopg.conninfo import conninfo_to_dict

from ledger.aggregate_cache import AggregateCache
from ledger.book_time import BookTime, time_by
from ledger.database.connections import READER_SETTINGS
from ledger.decisions import Aggregate, LedgerCommand, evolve
from ledger.recorder import TurnRecorder
from ledger.serialization import EventMapper, EventTranscoder
from ledger.turn import TurnRunner
from ledger.writer import GroupCommitWriter, RunTurn

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from eventsourcing.persistence import Mapper, StoredEvent, Transcoder
    from eventsourcing.utils import Environment, EnvType

    from ledger.database.connections import BookLocation
    from ledger.events import LedgerEvent
    from ledger.outcome import Outcome

NOTIFY: Final = "NOTIFY ledger_events"
"""The library's channel for this application: its subscriptions listen on it."""


class WriteOutsideTurnError(TypeError):
    """Events are recorded by `Ledger.execute` alone, or they would lack journal and balances."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


def project(aggregate: Aggregate | None, events: Iterable[LedgerEvent]) -> Aggregate | None:
    """Fold events into the aggregate of their stream: the library's projector function."""
    for event in events:
        aggregate = evolve(aggregate, event)
    return aggregate


class LedgerRepository(Repository[UUID]):
    """The library's repository with our `project` as its default projector function."""

    def get(self, aggregate_id: UUID, **keywords: Any) -> Any:  # noqa: ANN401 - the library's types
        """The aggregate now, or at `version=`. Raises `AggregateNotFoundError`."""
        keywords.setdefault("projector_func", project)
        return super().get(aggregate_id, **keywords)


class ReadOnlyRecorder(PostgresApplicationRecorder):
    """The library's recorder for reading; writing is the turn's."""

    def insert_events(
        self,
        stored_events: Sequence[StoredEvent],  # noqa: ARG002 - the library's signature
        **kwargs: Any,  # noqa: ANN401 - the library's signature
    ) -> NoReturn:
        """Always raises `WriteOutsideTurnError`."""
        raise WriteOutsideTurnError


class LedgerFactory(PostgresFactory):
    """The library's factory, connecting as the book's role."""

    application_recorder_class = ReadOnlyRecorder  # type: ignore[mutable-override]  # as meant

    def __init__(self, env: Environment | EnvType | None, book: BookLocation) -> None:
        super().__init__(env)
        # The library's settings know no startup options, which carry the role and the schema.
        kwargs = cast("dict[str, Any]", self.datastore.pool.kwargs)
        for name in ("dbname", "host", "port", "user", "password"):
            kwargs.pop(name, None)
        kwargs.update(conninfo_to_dict(book.conninfo(READER_SETTINGS)))


class Notifier:
    """Tells followers that the log has grown, from a connection of its own, coalesced.

    NOTIFY inside the turn would serialise every commit of the server. Followers also poll, so a
    lost notification costs them a moment and no event.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]]) -> None:
        self._connect = connect
        self._grown = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="ledger-notifier", daemon=True)
        self._thread.start()

    def log_has_grown(self) -> None:
        """Notify soon; several calls may become one notification."""
        self._grown.set()

    def close(self) -> None:
        """Stop the thread."""
        self._closing = True
        self._grown.set()
        self._thread.join()

    def _serve(self) -> None:
        connection: psycopg.Connection[Any] | None = None
        while True:
            self._grown.wait()
            if self._closing:
                break
            self._grown.clear()
            try:
                if connection is None or connection.closed:
                    connection = self._connect()
                connection.execute(NOTIFY)
            except psycopg.Error:
                # Followers poll as well; the next turn tries again.
                connection = None
        if connection is not None:
            connection.close()


class Ledger(Application[UUID]):
    """One book of accounts.

    `clock` replaces the database's clock where a test needs it to. `book_time` is the book's time
    where it may run ahead of the database's. `observe` is told of every turn, in the writer's
    thread.
    """

    name = "Ledger"
    log_section_size = 1_000

    def __init__(
        self,
        book: BookLocation,
        *,
        clock: Callable[[], datetime] | None = None,
        book_time: BookTime | None = None,
        observe: Callable[[RunTurn], None] = lambda _: None,
    ) -> None:
        self.book = book
        self.book_time = book_time or time_by(clock)
        connection = conninfo_to_dict(book.conninfo(READER_SETTINGS))
        super().__init__(
            {
                "PERSISTENCE_MODULE": "eventsourcing.postgres",
                "CREATE_TABLE": "n",
                "POSTGRES_DBNAME": str(connection["dbname"]),
                "POSTGRES_HOST": str(connection.get("host", "")),
                "POSTGRES_USER": str(connection["user"]),
                "POSTGRES_PASSWORD": str(connection.get("password") or "unused"),
                "POSTGRES_SCHEMA": book.schema,
                "POSTGRES_POOL_SIZE": "1",
                "POSTGRES_ENABLE_DB_FUNCTIONS": "n",
            }
        )
        self._notifier = Notifier(book.connect_reader)
        recorder = TurnRecorder(book.connect_writer)
        runner = TurnRunner(recorder, AggregateCache(), book_time=self.book_time)
        self._writer = GroupCommitWriter(
            runner.run,
            on_commit=self._notifier.log_has_grown,
            on_close=recorder.discard,
            observe=observe,
        )

    def execute(self, commands: Sequence[LedgerCommand]) -> list[Outcome]:
        """Decide and record commands, each succeeding or failing on its own; never raises for one.

        Blocks until all are answered, in order. See ledger/turn.py for what a failure means.
        """
        return self._writer.submit(commands).result()

    def execute_one(self, command: LedgerCommand) -> Outcome:
        """Decide and record one command. Raises its `LedgerError` when it failed."""
        outcome = self.execute([command])[0]
        if outcome.error is not None:
            raise outcome.error
        return outcome

    def execute_from_loop(self, commands: Sequence[LedgerCommand]) -> asyncio.Future[list[Outcome]]:
        """`execute` for an event loop: the loop is woken once a turn."""
        return self._writer.submit_from_loop(commands)

    def save(self, *objs: Any, **kwargs: Any) -> NoReturn:  # noqa: ANN401 - the library's signature
        """Always raises `WriteOutsideTurnError`."""
        raise WriteOutsideTurnError

    def close(self) -> None:
        """Finish what is queued, then close every connection."""
        if not self.closing.is_set():
            self._writer.close()
            self._notifier.close()
        super().close()

    def construct_factory(self, env: Environment) -> LedgerFactory:  # type: ignore[override]
        """The library's hook: our factory on the book's connection."""
        return LedgerFactory(env, self.book)

    def construct_mapper(self) -> Mapper[UUID]:
        """The library's hook: pydantic events."""
        return EventMapper(transcoder=self.construct_transcoder())

    def construct_transcoder(self) -> Transcoder:
        """The library's hook: plain JSON."""
        return EventTranscoder()

    def construct_repository(self) -> Repository[UUID]:
        """The library's hook: immutable aggregates folded by `project`."""
        return LedgerRepository(self.events)
