"""Are turns and streams in order? Every event belongs to a turn and follows in its stream.

Memory stays bounded: turns are merged with the events as they come, and of the streams only those
seen lately are remembered, others are read again. See ledger/replay.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ledger.aggregate_cache import SIZE_MAX, AggregateCache
from ledger.decisions import evolve
from ledger.replay_differences import NOTHING
from ledger.serialization import decode_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from uuid import UUID

    import psycopg

    from ledger.decisions import Aggregate
    from ledger.events import LedgerEvent
    from ledger.replay_differences import Differences

READ_EARLIER: Final = """
    SELECT originator_id, originator_version, topic, state
    FROM unnest(%b::uuid[]) AS wanted (stream_id)
    JOIN ledger_events ON originator_id = stream_id AND notification_id < %b::bigint
    ORDER BY originator_id, originator_version
"""


class Turns:
    """A row a turn, at the position of its last event, with the time of all its events."""

    def __init__(self, rows: Iterator[tuple[Any, ...]], differences: Differences) -> None:
        self._rows = rows
        self._differences = differences
        self._last_position = 0
        self._last_recorded_at: datetime | None = None
        self._noted = False
        self._turn: tuple[int, datetime] | None = self._next()

    def check(self, position: int, recorded_at: datetime | None) -> None:
        """Check the next event; `recorded_at` is None when it cannot be read."""
        while self._turn is not None and self._turn[0] < position:
            self._end(self._turn)
        self._last_position = position
        if recorded_at is None:
            return
        self._check_order(position, "recorded_at", self._last_recorded_at, recorded_at)
        self._last_recorded_at = recorded_at
        if not self._noted and (self._turn is None or self._turn[1] != recorded_at):
            # Once a turn: all its events were recorded at the same time.
            self._noted = True
            self._differences.add(
                position,
                "the time of its turn",
                expected=recorded_at.isoformat(),
                found=NOTHING if self._turn is None else self._turn[1].isoformat(),
            )

    def finish(self) -> None:
        """The last turn ends at the last event."""
        while self._turn is not None:
            self._end(self._turn)

    def _end(self, turn: tuple[int, datetime]) -> None:
        position, recorded_at = turn
        if position != self._last_position:
            self._differences.add(
                position, "the turn that ends here", expected="an event", found=NOTHING
            )
        self._turn = self._next()
        self._noted = False
        if self._turn is not None:
            subject = "the turn that ends here"
            self._check_order(self._turn[0], subject, recorded_at, self._turn[1])

    def _check_order(
        self, position: int, subject: str, before: datetime | None, after: datetime
    ) -> None:
        if before is not None and after < before:
            self._differences.add(
                position,
                subject,
                expected=f"not before {before.isoformat()}",
                found=after.isoformat(),
            )

    def _next(self) -> tuple[int, datetime] | None:
        row = next(self._rows, None)
        return None if row is None else (row[0], row[1])


class Streams:
    """Every stream folded, its versions dense from 1."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        differences: Differences,
        *,
        remembered_max: int = SIZE_MAX,
    ) -> None:
        self._connection = connection
        self._differences = differences
        self._remembered = AggregateCache(remembered_max)
        self._current: dict[UUID, Aggregate] = {}
        self._given_up: set[UUID] = set()

    def give_up(self, stream: UUID) -> None:
        """Fold this stream no further: what is wrong with it has been noted."""
        self._given_up.add(stream)

    def recall(self, places: Iterable[tuple[UUID, int]], *, first_position: int) -> None:
        """Bring to mind the streams of the next events, none of them before `first_position`.

        `places` are the streams and versions of these events, in the order of their positions.
        """
        self._remembered.put_all(self._current)
        self._current = {}
        versions: dict[UUID, int] = {}
        for stream, version in places:
            # The first here: a stream that begins here has no past to be read.
            versions.setdefault(stream, version)
        forgotten: list[UUID] = []
        for stream, version in versions.items():
            known = self._remembered.get(stream)
            if known is not None:
                self._current[stream] = known
            elif version > 1 and stream not in self._given_up:
                forgotten.append(stream)
        if forgotten:
            rows = self._connection.execute(READ_EARLIER, (forgotten, first_position))
            for stream, version, topic, state in rows:
                event = decode_event(topic, state, originator_id=stream, originator_version=version)
                self._current[stream] = evolve(self._current.get(stream), event)

    def follow(self, position: int, event: LedgerEvent) -> None:
        """Fold one event of a stream that has been recalled."""
        stream = event.originator_id
        if stream in self._given_up:
            return
        before = self._current.get(stream)
        version = 1 if before is None else before.version + 1
        if event.originator_version != version:
            self._differences.add(
                position,
                f"stream {stream}",
                expected=f"version {version}",
                found=f"version {event.originator_version}",
            )
        try:
            self._current[stream] = evolve(before, event)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            self.give_up(stream)
            self._differences.add(
                position,
                f"stream {stream}",
                expected=f"{event.TOPIC} to follow from what was before",
                found=f"{type(error).__name__} {error}".strip(),
            )
