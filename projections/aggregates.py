"""How do these streams stand now? Folded, and remembered, so that a read brings only what is new.

An aggregate that was folded up to a version is true of that version for ever. So what is known is
asked on from there, in one statement for any number of streams: mostly it answers that nothing
happened. Nothing is ever stale, since nobody is answered from memory alone.

Bounded: the least recently used aggregates go first, and are folded from their beginning when they
are asked for again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ledger.aggregate_cache import AggregateCache
from ledger.decisions import evolve
from ledger.recorder import Head
from ledger.serialization import decode_event

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from ledger.decisions import Aggregate
    from projections.reader import Reader

SIZE_MAX: Final = 10_000
"""Aggregates that are remembered: some tens of megabytes."""

READ_NEWER: Final = """
    SELECT 0 AS number, head.position AS version, NULL AS topic, NULL::bytea AS state,
           head.recorded_at, clock_timestamp()
    FROM (SELECT position, recorded_at FROM turns ORDER BY position DESC LIMIT 1) AS head
    UNION ALL
    SELECT wanted.number, ledger_events.originator_version, ledger_events.topic,
           ledger_events.state, NULL, NULL
    FROM unnest(%b::uuid[], %b::bigint[]) WITH ORDINALITY AS wanted (stream_id, version, number)
    JOIN ledger_events
      ON ledger_events.originator_id = wanted.stream_id
     AND ledger_events.originator_version > wanted.version
    ORDER BY number, version
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """Aggregates as they stood at a head of the log, all in one snapshot.

    A stream without events is in neither; `unreadable` are those that could not be folded.
    """

    head: Head
    found: dict[UUID, Aggregate]
    unreadable: dict[UUID, Exception] = field(default_factory=dict)


class Aggregates:
    """Any streams, folded. One object a process, used in one event loop."""

    def __init__(self, reader: Reader, *, size_max: int = SIZE_MAX) -> None:
        self._reader = reader
        self._known = AggregateCache(size_max)

    def last_seen(self, stream_id: UUID) -> Aggregate | None:
        """The aggregate as it was when it was read last, if it is remembered: it may be old."""
        return self._known.get(stream_id)

    async def read(self, stream_ids: Collection[UUID]) -> Standing:
        """These streams as they stand now. Raises `ReadUnavailable`."""
        wanted = list(dict.fromkeys(stream_ids))
        # Taken now: another read may go on from the same versions meanwhile.
        known = [self._known.get(stream_id) for stream_id in wanted]
        versions = [0 if each is None else each.version for each in known]
        head, *newer = await self._reader.fetch(READ_NEWER, (wanted, versions))
        _, position, _, _, recorded_at, now = head
        standing = Standing(Head(position, recorded_at, now), {})
        for stream_id, aggregate in zip(wanted, known, strict=True):
            if aggregate is not None:
                standing.found[stream_id] = aggregate
        for number, *event in newer:
            _apply(standing, wanted[number - 1], event)
        self._remember(standing.found)
        return standing

    def _remember(self, found: dict[UUID, Aggregate]) -> None:
        self._known.put_all(
            {
                stream_id: aggregate
                for stream_id, aggregate in found.items()
                if (known := self._known.get(stream_id)) is None
                or known.version <= aggregate.version
            }
        )


def _apply(standing: Standing, stream_id: UUID, row: list[Any]) -> None:
    version, topic, state, *_ = row
    if stream_id in standing.unreadable:
        return
    try:
        event = decode_event(topic, state, originator_id=stream_id, originator_version=version)
        standing.found[stream_id] = evolve(standing.found.get(stream_id), event)
    except Exception as error:  # noqa: BLE001 - one unreadable stream must not fail its neighbours
        standing.found.pop(stream_id, None)
        standing.unreadable[stream_id] = error
