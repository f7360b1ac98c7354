"""Every event hashed again, slowly, while the sealer goes on, so that an old change is found too.

A sealer that goes on from tiles has not looked at the events below them. An event that was changed
there gets into no signature, since the tree is grown from the hash that it had; but nobody would
notice until an auditor comes. So the whole tree is made anew, a few tiles a second, and compared
tile by tile with the stored one and at the end with the root that this sealer vouches for.
"""

from __future__ import annotations

import time
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from ledger.merkle import TILE_WIDTH
from projections.sealed_tree import (
    EventLeaves,
    GrowingTree,
    InconsistentLogError,
    missing,
    require_stored,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

TILES_A_STEP_MIN: Final = 4
STEP_SECONDS: Final = 1.0
PASS_SECONDS_MAX: Final = 86_400.0
PAUSE_SECONDS: Final = 3_600.0
"""Between two passes, so that a short log is not read all the time."""


class Recheck:
    """One pass over the events of `size`, all of them in full tiles, whose `root` is known."""

    def __init__(self, connection: psycopg.Connection[Any], size: int, root: bytes) -> None:
        self._connection = connection
        self._leaves = EventLeaves(connection)
        self._tree = GrowingTree()
        self._root = root
        self.tiles_a_step = max(
            TILES_A_STEP_MIN, ceil(size / TILE_WIDTH * STEP_SECONDS / PASS_SECONDS_MAX)
        )
        self.size = size

    @property
    def is_over(self) -> bool:
        """Whether every event was looked at."""
        return self._tree.size >= self.size

    def step(self) -> None:
        """Look at a few tiles more. Raises `InconsistentLogError`."""
        first = self._tree.size
        last = min(first + self.tiles_a_step * TILE_WIDTH, self.size)
        leaves = self._leaves.after(first, last, last - first)
        if first + len(leaves) < last:
            raise missing(first + len(leaves) + 1)
        require_stored(self._connection, self._tree.grow(leaves))
        if self.is_over and self._tree.root() != self._root:
            message = (
                f"The first {self.size} events are not those that were signed: their root is "
                "another. History was changed, and the tiles with it."
            )
            raise InconsistentLogError(message)


class Rechecks:
    """One pass after another, each over what was in full tiles when it began, a step a second."""

    def __init__(
        self, begin: Callable[[], Recheck], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._begin = begin
        self._clock = clock
        self._pass: Recheck | None = None
        self._due_at = clock()

    def go_on(self) -> int | None:
        """Do a step, if it is time for one. At the end of a pass: how many events were right.

        Raises `InconsistentLogError`.
        """
        if self._clock() < self._due_at:
            return None
        current = self._pass = self._pass or self._begin()
        if not current.is_over:
            current.step()
            self._due_at = self._clock() + STEP_SECONDS
        if not current.is_over:
            return None
        self._pass, self._due_at = None, self._clock() + PAUSE_SECONDS
        return current.size
