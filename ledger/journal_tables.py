"""Where balances and the journal lie: in the live generation's side of two, under one name each.

Odd generations lie in `balances_odd` and `journal_lines_odd`, even ones in the others. Readers ask
`balances` and `journal_lines`, which show the live side of their own snapshot; whoever writes asks
for the side of a generation, which the turn reads under its lock and a rebuild knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ledger.journal import Balance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import LiteralString

    import psycopg

    from ledger.journal import AccountKey, Book

NAME: Final = "journal"
"""What balances and journal lines are called together, as a read model."""

READ_BALANCES: Final = """
    SELECT account, currency, account_id, balance, (SELECT max(account_id) FROM balances_{side})
    FROM unnest(%b::text[], %b::text[]) AS wanted (account, currency)
    LEFT JOIN balances_{side} USING (account, currency)
"""

INSERT_LINES: Final = """
    INSERT INTO journal_lines_{side}
        (position, line, account_id, amount, balance, recorded_at, effective_at)
    SELECT * FROM unnest(%s::bigint[], %s::smallint[], %s::integer[], %s::bigint[], %s::numeric[],
                         %b::timestamptz[], %b::timestamptz[])
"""

INSERT_BALANCES: Final = """
    INSERT INTO balances_{side} (account_id, account, currency, balance, position)
    SELECT * FROM unnest(%s::integer[], %b::text[], %b::text[], %s::numeric[], %s::bigint[])
"""

UPDATE_BALANCES: Final = """
    UPDATE balances_{side} SET balance = changed.balance, position = changed.position
    FROM unnest(%s::integer[], %s::numeric[], %s::bigint[])
        AS changed (account_id, balance, position)
    WHERE balances_{side}.account_id = changed.account_id
"""

SLICED: Final = (
    (
        "SELECT min(position), max(position) FROM journal_lines_{side}",
        "DELETE FROM journal_lines_{side} WHERE position BETWEEN %s AND %s",
    ),
    (
        "SELECT min(account_id), max(account_id) FROM balances_{side}",
        "DELETE FROM balances_{side} WHERE account_id BETWEEN %s AND %s",
    ),
)
SLICE: Final = 20_000
ANALYZE: Final = "ANALYZE balances_{side}, journal_lines_{side}"


class JournalTables:
    """One side's tables, in the caller's transaction."""

    def __init__(self, side: LiteralString) -> None:
        self.side = side
        self._read_balances = READ_BALANCES.replace("{side}", side)
        self._insert_lines = INSERT_LINES.replace("{side}", side)
        self._insert_balances = INSERT_BALANCES.replace("{side}", side)
        self._update_balances = UPDATE_BALANCES.replace("{side}", side)

    def balances(
        self, connection: psycopg.Connection[Any], accounts: set[AccountKey]
    ) -> tuple[dict[AccountKey, Balance], int]:
        """The balances of `accounts` that exist, and the number of the next new account."""
        names, currencies = [name for name, _ in accounts], [currency for _, currency in accounts]
        rows = connection.execute(self._read_balances, (names, currencies)).fetchall()
        known = {
            (account, currency): Balance(account_id, int(balance))
            for account, currency, account_id, balance, _ in rows
            if account_id is not None
        }
        highest = rows[0][4] if rows else None
        return known, 1 if highest is None else highest + 1

    def write(self, connection: psycopg.Connection[Any], book: Book) -> None:
        """Write a book's lines, and each balance that they touched once."""
        if not book.lines:
            return
        self._write_lines(connection, book)
        self._write_new_balances(connection, book)
        changed = sorted(
            (book.known[key] for key in book.touched.difference(book.opened)),
            key=lambda balance: balance.account_id,
        )
        if changed:
            connection.execute(
                self._update_balances,
                (
                    _integers([balance.account_id for balance in changed]),
                    _integers([balance.amount for balance in changed]),
                    _integers([balance.position for balance in changed]),
                ),
            )

    def empty(self, connection: psycopg.Connection[Any]) -> None:
        """Delete all rows, in slices, outside of a transaction; the live side refuses.

        Rows are deleted, since TRUNCATE is seen by snapshots that are older than it: whoever began
        to read before the flip still reads this side. No lock keeps anybody waiting.
        """
        for bounds, delete in SLICED:
            row = connection.execute(bounds.replace("{side}", self.side)).fetchone()
            if row is None or row[0] is None:
                continue
            for first in range(row[0], row[1] + 1, SLICE):
                connection.execute(delete.replace("{side}", self.side), (first, first + SLICE - 1))

    def analyze(self, connection: psycopg.Connection[Any]) -> None:
        """Tell the planner what there is, before it is read."""
        connection.execute(ANALYZE.replace("{side}", self.side))

    def _write_lines(self, connection: psycopg.Connection[Any], book: Book) -> None:
        lines = book.lines
        connection.execute(
            self._insert_lines,
            (
                _integers([line.position for line in lines]),
                _integers([line.line for line in lines]),
                _integers([line.account_id for line in lines]),
                _integers([line.amount for line in lines]),
                _integers([line.balance for line in lines]),
                [line.recorded_at for line in lines],
                [line.effective_at for line in lines],
            ),
        )

    def _write_new_balances(self, connection: psycopg.Connection[Any], book: Book) -> None:
        if not book.opened:
            return
        opened = [(key, book.known[key]) for key in book.opened]
        connection.execute(
            self._insert_balances,
            (
                _integers([balance.account_id for _, balance in opened]),
                [account for (account, _), _ in opened],
                [currency for (_, currency), _ in opened],
                _integers([balance.amount for _, balance in opened]),
                _integers([balance.position for _, balance in opened]),
            ),
        )


EVEN: Final = JournalTables("even")
ODD: Final = JournalTables("odd")


def tables_of(generation: int) -> JournalTables:
    """The side in which a generation lies."""
    return ODD if generation % 2 else EVEN


def _integers(values: Sequence[int]) -> str:
    # An array literal: joining is several times cheaper than adapting each integer, and a balance
    # may be larger than any fixed-width array type.
    return "{" + ",".join(map(str, values)) + "}"
