"""A read model with a row a thing, where an event's meaning depends on what the row says already.

The rows that a batch touches are read at once, each event is folded into its row, and the rows are
written back whole: two statements a batch, whatever is in it.
"""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar
from uuid import UUID

from projections.read_model import ReadModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import LiteralString

    from ledger.events import LedgerEvent
    from projections.read_model import Recorded, Tables

Row = TypeVar("Row")


class FoldedModel(ReadModel, Generic[Row]):
    """Subclasses say what a row is: a dataclass whose fields are the columns, the key first."""

    row: ClassVar[Callable[..., Any]]
    read: ClassVar[LiteralString]
    """All columns of the rows with these keys: one array."""
    write: ClassVar[LiteralString]
    """Insert rows, or replace those with their keys: an array a column."""

    def key_of(self, event: LedgerEvent) -> UUID | None:
        """Whose row an event changes; None for nobody's."""
        return event.originator_id

    def fold(self, row: Row | None, recorded: Recorded) -> Row:
        """The row after an event; there is none before the first."""
        raise NotImplementedError

    def apply(self, tables: Tables, batch: Sequence[Recorded]) -> None:
        """Read the rows that these events touch, fold, write them."""
        touched = [(self.key_of(each.event), each) for each in batch]
        keys = list({key for key, _ in touched if key is not None})
        if not keys:
            return
        rows = {row[0]: self.row(*row) for row in tables.fetch(self.read, (keys,))}
        for key, each in touched:
            if key is not None:
                rows[key] = self.fold(rows.get(key), each)
        tables.write(self.write, [columns(row) for row in rows.values()])


def columns(row: Any) -> tuple[object, ...]:  # noqa: ANN401 - a dataclass of any kind
    """A row's values, in the order of its fields."""
    return _values(type(row))(row)


_GETTERS: dict[type, Callable[[Any], tuple[object, ...]]] = {}


def _values(kind: type[Any]) -> Callable[[Any], tuple[object, ...]]:
    getter = _GETTERS.get(kind)
    if getter is None:
        getter = _GETTERS[kind] = attrgetter(*(field.name for field in fields(kind)))
    return getter
