"""For how long the operator remembers: until there is something newer to remember."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from api.sandbox_operator.errors import MemoryFull

Item = TypeVar("Item")


@dataclass(slots=True)
class Memory(Generic[Item]):
    """``kept_max`` things at most, by their keys: finished ones are forgotten, oldest first."""

    kept_max: int
    _items: dict[str, Item] = field(default_factory=dict)
    _finished: deque[str] = field(default_factory=deque)

    def get(self, key: str) -> Item | None:
        """What was accepted under ``key``, unless it was forgotten."""
        return self._items.get(key)

    def accept(self, key: str, item: Item) -> None:
        """Remember ``item`` at least until it is finished; nothing is kept under ``key`` yet.

        Raises:
            MemoryFull: as many things as can be kept are still open.

        """
        if len(self._items) >= self.kept_max:
            if not self._finished:
                raise MemoryFull
            del self._items[self._finished.popleft()]
        self._items[key] = item

    def finish(self, key: str) -> None:
        """Nothing will happen any more to what ``key`` names, so it may be forgotten."""
        self._finished.append(key)
