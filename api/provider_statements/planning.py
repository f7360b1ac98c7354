"""How much a statement would record: counted before any of it is, and no further than needed."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from api.provider_statements.lines import RowReader, says_the_same
from api.provider_statements.reading import read_table
from api.provider_statements.reports import could_report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.provider_statements.deciding import Decider
    from api.provider_statements.lines import ReadRow, StatementLine
    from api.provider_statements.tables import StatementTables
    from api.provider_statements.uploads import Upload

BATCH: Final = 1_000


class Plan:
    """What one statement would record, in minor units of any currency.

    A fee or a refund of what is not known yet counts too, since its payment may stand in the file.
    """

    def __init__(self, tables: StatementTables, decider: Decider, upload: Upload) -> None:
        self._tables = tables
        self._decider = decider
        self._upload = upload
        self._equal: dict[str, int] = {}

    def amount(self, up_to: int) -> int:
        """The amount, or as soon as it is more than `up_to` what is counted by then."""
        header, rows = read_table(self._upload.source, self._upload.mapping)
        reader = RowReader(self._upload.mapping, header)
        amount = 0
        counted: set[str] = set()
        while batch := [reader.read(row) for row in islice(rows, BATCH)]:
            lines = [line for line in self._named(batch) if line.key not in counted]
            for line in self._decider.would_record(self._undecided(lines)):
                counted.add(line.key)
                amount += line.amount
            if amount > up_to:
                break
        return amount

    def _named(self, rows: Sequence[ReadRow]) -> list[StatementLine]:
        """Lines that could be recorded, each once; those without an id are numbered."""
        named: dict[str, StatementLine] = {}
        for row in rows:
            for line in row.lines:
                if not could_report(line, self._upload.mapping):
                    continue
                if not line.has_id:
                    number = self._equal[line.key] = self._equal.get(line.key, 0) + 1
                    line = replace(line, key=f"{line.key}:{number}")  # noqa: PLW2901 - as named
                named.setdefault(line.key, line)
        return list(named.values())

    def _undecided(self, lines: Sequence[StatementLine]) -> list[StatementLine]:
        """Those that are new, or known by the same words and open."""
        known = self._tables.known(line.key for line in lines)
        still_open = self._tables.open_among(known)
        return [
            line
            for line in lines
            if (before := known.get(line.key)) is None
            or (line.key in still_open and says_the_same(line, before))
        ]
