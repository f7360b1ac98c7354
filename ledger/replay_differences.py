"""What a replay reports: something at a position that is not as the events say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True)
class Difference:
    """What lies at a position, as the events say it and as it was found; amounts in minor units."""

    position: int
    subject: str
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"position {self.position}: {self.subject}: "
            f"expected {self.expected}, found {self.found}"
        )


class Differences:
    """The first `limit` differences, and how many there are."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.first: list[Difference] = []
        self.count = 0

    def add(self, position: int, subject: str, *, expected: str, found: str) -> None:
        """Note a difference."""
        self.count += 1
        if len(self.first) < self._limit:
            self.first.append(Difference(position, subject, expected, found))
