"""What a read model is: its tables, how events fill them, and under which version of the code.

Every table's name ends in the generation's number, which the model's SQL writes as `{g}`: a new
generation is filled beside the one that is read (projections/generations.py), so that any model can
be thrown away and built again while everything works. A table is a function of the log alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import LiteralString
    from zoneinfo import ZoneInfo

    import psycopg

    from ledger.events import Event, LedgerEvent

GENERATION: Final = "{g}"


class Recorded(NamedTuple):
    """An event at its position in the log."""

    position: int
    event: LedgerEvent


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of one generation of a read model, in the caller's transaction."""

    connection: psycopg.Connection[Any]
    generation: int
    zone: ZoneInfo
    """The book's, for whatever goes by days and months."""

    def execute(self, query: LiteralString, parameters: Sequence[object] = ()) -> int:
        """Execute a statement on this generation; how many rows it touched."""
        return self.connection.execute(of(query, self.generation), parameters).rowcount

    def fetch(
        self, query: LiteralString, parameters: Sequence[object] = ()
    ) -> list[tuple[Any, ...]]:
        """All rows of a query on this generation."""
        return self.connection.execute(of(query, self.generation), parameters).fetchall()

    def write(self, query: LiteralString, rows: Sequence[Sequence[object]]) -> None:
        """Execute a statement that takes one array a column, for many rows at once; or nothing."""
        if rows:
            self.execute(query, [list(column) for column in zip(*rows, strict=True)])


def of(query: LiteralString, generation: int) -> LiteralString:
    """A statement on one generation's tables."""
    return query.replace(GENERATION, str(generation))


class ReadModel:
    """One read model. Subclasses say what it is called, what it reads, and how it is filled.

    `version` is raised with every change of tables or filling: it is then built again.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    inline: ClassVar[bool] = False
    """Whether the turn writes the live generation itself, into tables that the migrations own."""
    reads: ClassVar[frozenset[type[Event]]]
    tables: ClassVar[LiteralString]
    """CREATE TABLE and CREATE INDEX of a generation."""
    names: ClassVar[Sequence[LiteralString]]
    """The tables, to be compared, granted and dropped."""

    def apply(self, tables: Tables, batch: Sequence[Recorded]) -> None:
        """Apply events, in their order, those that it reads and no others.

        Whatever it raises parks this model at the first event that cannot be applied.
        """
        raise NotImplementedError

    @classmethod
    def topics(cls) -> frozenset[str]:
        """What it reads, by topic."""
        return frozenset(event.TOPIC for event in cls.reads)


def tracking_name(model: str, generation: int) -> str:
    """The name under which a generation's position is tracked."""
    return f"{model}.g{generation}"


def latest(rows: Iterable[tuple[Any, ...]], *, key: int = 0) -> list[tuple[Any, ...]]:
    """The last row of each key, in the order in which keys first came: what a batch leaves."""
    return list({row[key]: row for row in rows}.values())
