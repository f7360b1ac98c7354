"""What a row is, and how it is measured: alternating runs, medians, one ratio."""

from __future__ import annotations

import gc
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.bench.server import BenchServer

RUNS_MIN: Final = 5


class Target(NamedTuple):
    """The bound that a ratio should keep: at least, or at most."""

    bound: float
    at_most: bool = False

    def is_met_by(self, ratio: float) -> bool:
        return ratio <= self.bound if self.at_most else ratio >= self.bound

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.bound:g}"


class Contenders(NamedTuple):
    """Two measurements of one unit: ours, and what it is compared with."""

    ours: Callable[[], float]
    theirs: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison. `contenders` prepares both on a server and cleans up after them."""

    name: str
    what: str
    unit: str
    against: str
    target: Target | None
    contenders: Callable[[BenchServer], AbstractContextManager[Contenders]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A measured row as it lies in bench.json; the values are medians over `runs`."""

    name: str
    value: float
    unit: str
    against: str
    against_value: float
    ratio: float
    target: str | None
    runs: int

    def as_json(self) -> dict[str, str | float | None]:
        """The row as a JSON object."""
        return asdict(self)


def measure(row: Row, server: BenchServer, *, runs: int = RUNS_MIN) -> Result:
    """Run both contenders in turn, once to warm up and then `runs` times, at least five."""
    with row.contenders(server) as contenders:
        pairs = list(_alternate(contenders, 1 + max(runs, RUNS_MIN)))[1:]
    value = median(ours for ours, _ in pairs)
    against_value = median(theirs for _, theirs in pairs)
    return Result(
        name=row.name,
        value=value,
        unit=row.unit,
        against=row.against,
        against_value=against_value,
        ratio=value / against_value,
        target=None if row.target is None else str(row.target),
        runs=len(pairs),
    )


def _alternate(contenders: Contenders, times: int) -> Iterator[tuple[float, float]]:
    for _ in range(times):
        # What one contender left behind is not collected at the other's expense.
        gc.collect()
        ours = contenders.ours()
        gc.collect()
        yield ours, contenders.theirs()
