"""Balances and the journal, as a read model: written by every turn, built anew by the same code.

It is never behind, so no projector feeds it. Only a generation that is being built is filled from
here, into the side that is not live (ledger/journal_tables.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ledger.events import EVENT_CLASSES
from ledger.journal import Book, accounts_of
from ledger.journal_tables import NAME, tables_of
from projections.read_model import ReadModel, Recorded, Tables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import LiteralString

    from ledger.events import Event


class JournalModel(ReadModel):
    """What every event has posted. Its tables are the migrations', and only their side changes."""

    name: ClassVar[str] = NAME
    inline: ClassVar[bool] = True
    reads: ClassVar[frozenset[type[Event]]] = frozenset(EVENT_CLASSES)
    tables: ClassVar[LiteralString] = ""
    names: ClassVar[Sequence[LiteralString]] = ()

    def apply(self, tables: Tables, batch: Sequence[Recorded]) -> None:
        """Post a batch as one turn would."""
        side = tables_of(tables.generation)
        accounts = accounts_of(recorded.event for recorded in batch)
        if not accounts:
            return
        book = Book(*side.balances(tables.connection, accounts))
        for recorded in batch:
            book.post(recorded.event, recorded.position)
        side.write(tables.connection, book)
