"""What must be true of every book at every moment, checked from the log up, sharing no code.

Everything is computed again in plain dictionaries from the stored JSON: what the ledger derives
while it writes must be what anybody derives who reads.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import psycopg

from tests.databases import rows, superuser

if TYPE_CHECKING:
    from ledger.database.location import DatabaseLocation

Connection = psycopg.Connection[tuple[Any, ...]]
Balances = dict[tuple[str, str], int]
"""(account, currency) → minor units, debit positive."""


def balances(database: DatabaseLocation) -> Balances:
    """The balances as the book keeps them; accounts at zero are left out."""
    found = rows(database, "SELECT account, currency, balance FROM balances")
    return {(account, currency): int(amount) for account, currency, amount in found if amount}


def assert_book_is_sound(database: DatabaseLocation) -> None:
    """Positions are dense, times agree with them, journal and balances follow from the log."""
    with superuser(database) as connection:
        # One snapshot for all, so that a book in use is sound too.
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        _assert_sound(connection)
        connection.execute("ROLLBACK")


def _assert_sound(connection: Connection) -> None:
    events = connection.execute(
        "SELECT notification_id, originator_id, originator_version, state FROM ledger_events "
        "ORDER BY notification_id"
    ).fetchall()
    assert [position for position, *_ in events] == list(range(1, len(events) + 1))
    _assert_streams_are_dense(events)
    _assert_turns_agree(connection, len(events))
    _assert_journal_follows(connection, events)


def _assert_streams_are_dense(events: list[tuple[object, ...]]) -> None:
    versions: dict[object, int] = defaultdict(int)
    for _, stream, version, _ in events:
        versions[stream] += 1
        assert version == versions[stream]


def _assert_turns_agree(connection: Connection, head: int) -> None:
    turns = connection.execute(
        "SELECT position, recorded_at FROM turns ORDER BY position"
    ).fetchall()
    assert turns[0][0] == 0
    assert turns[-1][0] == head
    times = [recorded_at for _, recorded_at in turns]
    assert times == sorted(times)
    # An event's own time is its turn's: the turn is the first whose position is not before it.
    disagreeing = connection.execute(
        "SELECT notification_id FROM ledger_events WHERE "
        "(convert_from(state, 'UTF8')::jsonb ->> 'recorded_at')::timestamptz IS DISTINCT FROM "
        "(SELECT recorded_at FROM turns WHERE position >= notification_id "
        " ORDER BY position LIMIT 1)"
    )
    assert disagreeing.fetchall() == []


def _assert_journal_follows(connection: Connection, events: list[tuple[object, ...]]) -> None:
    running: Balances = defaultdict(int)
    last_changed_at: dict[tuple[str, str], int] = {}
    expected = []
    for position, _, _, state in events:
        assert isinstance(position, int)
        assert isinstance(state, bytes)
        sums: dict[str, int] = defaultdict(int)
        for line, posting in enumerate(
            (json.loads(state).get("entry") or {"postings": []})["postings"]
        ):
            account = (posting["account"], posting["currency"])
            running[account] += posting["amount"]
            sums[posting["currency"]] += posting["amount"]
            last_changed_at[account] = position
            expected.append((position, line, *account, posting["amount"], running[account]))
        assert not any(sums.values())
    found = connection.execute(
        "SELECT journal_lines.position, line, account, currency, amount, journal_lines.balance "
        "FROM journal_lines JOIN balances USING (account_id) "
        "ORDER BY journal_lines.position, line"
    ).fetchall()
    assert found == expected
    kept = connection.execute(
        "SELECT account_id, account, currency, balance, position FROM balances"
    ).fetchall()
    assert {row[1:3]: (row[3], row[4]) for row in kept} == {
        account: (running[account], last_changed_at[account]) for account in running
    }
    # Numbered in the order of their first appearance in the log.
    assert [row[1:3] for row in sorted(kept)] == list(running)
    _assert_nothing_is_created_or_lost(running)


def _assert_nothing_is_created_or_lost(running: Balances) -> None:
    sums: dict[str, int] = defaultdict(int)
    for (_, currency), amount in running.items():
        sums[currency] += amount
    assert not any(sums.values())
