"""How is a read model asked? Its live generation and its position, in the snapshot of the answer.

A query's first two columns are the generation that is live and the position that it is true at. The
generation that was used is remembered; if another one is live by now, the query is asked again of
that one. So nobody reads half of a generation, and a flip needs no lock.

    LedgerError
    ├── Unavailable
    │   ├── ReadModelBehind      it is not at `min_position` yet; ask again in a moment
    │   └── ReadModelMissing     no generation of it was ever begun
    └── PositionNotReached       the log itself is not there yet
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg

from ledger.errors import Unavailable
from projections.read_model import ReadModel, of
from projections.reader import PositionNotReached

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

    from projections.reader import Reader

WAIT_SECONDS_MAX: Final = 2.0
LOOK_AGAIN_SECONDS: Final = 0.02
FLIPS_MAX: Final = 5
"""So often may another generation be live by the time that one was asked."""

MODEL: Final = """
    model AS (
        SELECT (SELECT generation FROM read_models WHERE name = '{name}' AND state = 'live')
                   AS generation,
               notification_id AS position,
               (SELECT parked_at FROM read_models WHERE name = '{name}' AND generation = {g})
                   AS parked_at
        FROM ledger_tracking WHERE application_name = '{name}.g{g}'
    )
"""
READ_LIVE: Final = "SELECT generation FROM read_models WHERE name = %b AND state = 'live'"


class ReadModelBehind(Unavailable):
    """This read model is at position {position}, and {wanted} was asked for. Ask again."""

    code = "read_model_behind"


class ReadModelMissing(Unavailable):
    """This read model is not there yet. Run `hesabu migrate`."""

    code = "read_model_missing"


class Answer(NamedTuple):
    """Rows, without the two leading columns, and the position at which they are true."""

    position: int
    rows: list[tuple[Any, ...]]


class LiveModel:
    """One read model, as it is asked by one process."""

    def __init__(self, reader: Reader, model: type[ReadModel]) -> None:
        self._reader = reader
        self._name = model.name
        self._generation: int | None = None

    async def fetch(
        self,
        query: LiteralString,
        parameters: Mapping[str, object],
        *,
        min_position: int | None = None,
    ) -> Answer:
        """Ask; `query` selects from `model`, which it may join, and from tables named with `{g}`.

        It begins with `SELECT model.generation, model.position, …` and always gives a row (a left
        join). Rows whose third column is null are left out. Raises `ReadModelBehind`,
        `ReadModelMissing`, `PositionNotReached` or `ReadUnavailable`.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + WAIT_SECONDS_MAX
        while True:
            answer, parked = await self._ask(query, parameters)
            if min_position is None or answer.position >= min_position:
                return answer
            head = await self._reader.position()
            if min_position > head:
                raise PositionNotReached(wanted=min_position, head=head)
            if parked or loop.time() >= give_up_at:
                raise ReadModelBehind(position=answer.position, wanted=min_position)
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _ask(
        self, query: LiteralString, parameters: Mapping[str, object]
    ) -> tuple[Answer, bool]:
        for _ in range(FLIPS_MAX):
            used = self._generation
            if used is None:
                rows = await self._reader.fetch(READ_LIVE, [self._name])
                if not rows:
                    raise ReadModelMissing
                used = int(rows[0][0])
            try:
                rows = await self._reader.fetch(self._on(query, used), parameters)
            except psycopg.errors.UndefinedTable:
                # Nobody asked here since before the flip, and the old generation is gone.
                rows = []
            if rows and rows[0][0] == used:
                self._generation = used
                found = [row[3:] for row in rows if row[3] is not None]
                return Answer(int(rows[0][1]), found), rows[0][2] is not None
            self._generation = None
        # It is said to be read, and there is nothing to be read of it.
        raise ReadModelMissing

    def _on(self, query: LiteralString, generation: int) -> LiteralString:
        prefix = MODEL.replace("{name}", self._name)
        return of("WITH " + prefix + query, generation)
