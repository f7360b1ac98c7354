"""Balances and the journal are built anew while everything works, and must come out identical.

As any read model (projections/rebuild.py), with three differences:

- What is read is never behind, so it is held by the turn's own append lock: for the last few
  hundred events and the flip, at most for a tenth of a second, else it is let go and tried again.
- Both are compared at a position without any lock: lines up to it never change, and a balance is
  its account's last running balance.
- Where they differ, nothing is flipped: somebody must look first, and may then say that what the
  log says shall be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ledger.journal_tables import tables_of
from ledger.recorder import LOCK
from projections.differences import AT_LEISURE, Difference
from projections.generations import drop
from projections.models.journal import JournalModel
from projections.rebuild import READ_HEAD, SNAPSHOT, DifferentError, Progress, Rebuild, first

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import LiteralString
    from zoneinfo import ZoneInfo

    import psycopg

    from ledger.application import Ledger
    from projections.generations import Generation
    from projections.read_model import ReadModel

TURN_WAITS: Final = "SELECT set_config('lock_timeout', '2s', true)"
"""To wait for the append lock harms nobody; it is given in the order in which it was asked for."""
HOLD_SHORTLY: Final = "SELECT set_config('statement_timeout', '100ms', true)"

COMPARED_POSITIONS: Final = 100_000
"""Positions of the journal that are compared at a time."""

COMPARE_LINES: Final = """
    SELECT count(*) FILTER (WHERE old.position IS NOT NULL),
           count(*) FILTER (WHERE new.position IS NOT NULL)
    FROM (SELECT * FROM journal_lines_{old} WHERE position BETWEEN %(first)s AND %(last)s) AS old
    FULL JOIN
         (SELECT * FROM journal_lines_{new} WHERE position BETWEEN %(first)s AND %(last)s) AS new
      USING (position, line)
    WHERE (old.account_id, old.amount, old.balance, old.recorded_at, old.effective_at)
        IS DISTINCT FROM
          (new.account_id, new.amount, new.balance, new.recorded_at, new.effective_at)
"""

COMPARE_BALANCES: Final = """
    WITH old AS (
        SELECT account_id, account, currency, balances_{old}.balance, balances_{old}.position,
               last.balance AS balance_then, last.position AS position_then
        FROM balances_{old} LEFT JOIN LATERAL (
            SELECT balance, position FROM journal_lines_{old} AS lines
            WHERE lines.account_id = balances_{old}.account_id AND lines.position <= %(position)s
            ORDER BY lines.position DESC, line DESC LIMIT 1
        ) AS last ON true
    )
    SELECT count(*) FILTER (WHERE old.account_id IS NOT NULL),
           count(*) FILTER (WHERE new.account_id IS NOT NULL)
    FROM (SELECT * FROM old WHERE position_then IS NOT NULL OR position <= %(position)s) AS old
    FULL JOIN balances_{new} AS new USING (account_id, account, currency)
    WHERE (old.balance_then, old.position_then) IS DISTINCT FROM (new.balance, new.position)
       -- What has not moved since must say the same as its last line.
       OR (old.position <= %(position)s
           AND (old.balance, old.position) IS DISTINCT FROM (new.balance, new.position))
"""

COMPARE_LATER_BALANCES: Final = """
    SELECT count(*), 0
    FROM balances_{old} LEFT JOIN LATERAL (
        SELECT balance, position FROM journal_lines_{old} AS lines
        WHERE lines.account_id = balances_{old}.account_id
        ORDER BY lines.position DESC, line DESC LIMIT 1
    ) AS last ON true
    WHERE balances_{old}.position > %(position)s
      AND (balances_{old}.balance, balances_{old}.position)
          IS DISTINCT FROM (last.balance, last.position)
"""


class JournalRebuild(Rebuild):
    """Builds balances and journal anew. `accept_differences` flips to what the log says."""

    def __init__(
        self,
        ledger: Ledger,
        zone: ZoneInfo,
        *,
        tell: Callable[[Progress], None] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
        accept_differences: bool = False,
    ) -> None:
        super().__init__(ledger, JournalModel, zone, tell=tell, stopping=stopping)
        self._accept_differences = accept_differences

    def _make_room(self, connection: psycopg.Connection[Any], known: list[Generation]) -> None:
        for each in known:
            if each.state == "retired":
                drop(connection, each.name, each.number)

    def _compare(self, connection: psycopg.Connection[Any], number: int) -> list[Difference] | None:
        live, new = self._live(connection), self._generation(connection, number)
        if live is None or live.version != new.version:
            return None
        self._fill(connection, number)
        connection.execute(SNAPSHOT)
        try:
            position = self._generation(connection, number).position
            return journal_differences(connection, live.number, number, position)
        finally:
            connection.execute("ROLLBACK")

    def _look_at(
        self, connection: psycopg.Connection[Any], number: int, found: list[Difference] | None
    ) -> None:
        if found and not self._accept_differences:
            drop(connection, self._model.name, number)
            raise DifferentError(found)
        tables_of(number).analyze(connection)

    def _hold(self, connection: psycopg.Connection[Any], live: Generation) -> int:  # noqa: ARG002 - everybody is held
        """Keep everybody from appending, until the transaction ends; the head."""
        connection.execute(TURN_WAITS)
        connection.execute(LOCK)
        connection.execute(HOLD_SHORTLY)
        return int(first(connection, READ_HEAD))


def journal_differences(
    connection: psycopg.Connection[Any], old: int, new: int, position: int
) -> list[Difference]:
    """What two generations say differently at a position that both have reached.

    In the caller's transaction, whose snapshot shows both. A row that differs is counted in both.
    """
    connection.execute(AT_LEISURE)
    sides = {"{old}": tables_of(old).side, "{new}": tables_of(new).side}
    lines, balances = [0, 0], [0, 0]
    for start in range(0, position + 1, COMPARED_POSITIONS):
        last = min(start + COMPARED_POSITIONS - 1, position)
        _add(connection, lines, COMPARE_LINES, sides, {"first": start, "last": last})
    _add(connection, balances, COMPARE_BALANCES, sides, {"position": position})
    _add(connection, balances, COMPARE_LATER_BALANCES, sides, {"position": position})
    found = [Difference("balances", *balances), Difference("journal_lines", *lines)]
    return [each for each in found if each.only_old or each.only_new]


def rebuild_of(
    ledger: Ledger,
    model: type[ReadModel],
    zone: ZoneInfo,
    *,
    tell: Callable[[Progress], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
    accept_differences: bool = False,
) -> Rebuild:
    """The way in which a read model is built anew; only balances and journal need be accepted."""
    if model.inline:
        return JournalRebuild(
            ledger, zone, tell=tell, stopping=stopping, accept_differences=accept_differences
        )
    return Rebuild(ledger, model, zone, tell=tell, stopping=stopping)


def _add(
    connection: psycopg.Connection[Any],
    counts: list[int],
    query: LiteralString,
    sides: Mapping[str, LiteralString],
    parameters: Mapping[str, int],
) -> None:
    for placeholder, side in sides.items():
        query = query.replace(placeholder, side)
    row = connection.execute(query, parameters).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has a row
    counts[:] = [count + more for count, more in zip(counts, row, strict=True)]
