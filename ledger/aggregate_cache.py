"""Aggregates that this process has seen, so that a turn reads only what is new in a stream.

Only committed states are put in, and every use fast-forwards under the lock from the version that
is known, so an entry may be old but never wrong. Bounded: the least recently used go first.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from ledger.decisions import Aggregate

SIZE_MAX: Final = 20_000


class AggregateCache:
    """The most recently used aggregates by stream. Used by one thread alone."""

    def __init__(self, size_max: int = SIZE_MAX) -> None:
        self._size_max = size_max
        self._aggregates: OrderedDict[UUID, Aggregate] = OrderedDict()

    def get(self, stream: UUID) -> Aggregate | None:
        """The state last seen of a stream, if it is still here."""
        aggregate = self._aggregates.get(stream)
        if aggregate is not None:
            self._aggregates.move_to_end(stream)
        return aggregate

    def put_all(self, aggregates: Mapping[UUID, Aggregate]) -> None:
        """Keep committed states, forgetting the oldest ones beyond the bound."""
        for stream, aggregate in aggregates.items():
            self._aggregates[stream] = aggregate
            self._aggregates.move_to_end(stream)
        while len(self._aggregates) > self._size_max:
            self._aggregates.popitem(last=False)
