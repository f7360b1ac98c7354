"""What must be true of every book at every moment, checked from the log up, sharing no code.

Everything is computed again in plain dictionaries from the stored JSON: what the ledger derives
while it writes must be what anybody derives who reads.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

from tests.databases import rows

if TYPE_CHECKING:
    from ledger.database.location import DatabaseLocation

Balances = dict[tuple[str, str], int]
"""(account, currency) → minor units, debit positive."""


def balances(database: DatabaseLocation) -> Balances:
    """The balances as the book keeps them; accounts at zero are left out."""
    found = rows(database, "SELECT account, currency, balance FROM balances")
    return {(account, currency): int(amount) for account, currency, amount in found if amount}


def assert_book_is_sound(database: DatabaseLocation) -> None:
    """Positions are dense, times agree with them, journal and balances follow from the log."""
    events = rows(
        database,
        "SELECT notification_id, originator_id, originator_version, state FROM ledger_events "
        "ORDER BY notification_id",
    )
    assert [position for position, *_ in events] == list(range(1, len(events) + 1))
    _assert_streams_are_dense(events)
    _assert_turns_agree(database, events)
    _assert_journal_follows(database, events)


def _assert_streams_are_dense(events: list[tuple[object, ...]]) -> None:
    versions: dict[object, int] = defaultdict(int)
    for _, stream, version, _ in events:
        versions[stream] += 1
        assert version == versions[stream]


def _assert_turns_agree(database: DatabaseLocation, events: list[tuple[object, ...]]) -> None:
    turns = rows(database, "SELECT position, recorded_at FROM turns ORDER BY position")
    assert turns[0][0] == 0
    assert turns[-1][0] == len(events)
    times = [recorded_at for _, recorded_at in turns]
    assert times == sorted(times)
    # An event's own time is its turn's: the turn is the first whose position is not before it.
    disagreeing = rows(
        database,
        "SELECT notification_id FROM ledger_events WHERE "
        "(convert_from(state, 'UTF8')::jsonb ->> 'recorded_at')::timestamptz IS DISTINCT FROM "
        "(SELECT recorded_at FROM turns WHERE position >= notification_id "
        " ORDER BY position LIMIT 1)",
    )
    assert disagreeing == []


def _assert_journal_follows(database: DatabaseLocation, events: list[tuple[object, ...]]) -> None:
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
    found = rows(
        database,
        "SELECT journal_lines.position, line, account, currency, amount, journal_lines.balance "
        "FROM journal_lines JOIN balances USING (account_id) "
        "ORDER BY journal_lines.position, line",
    )
    assert found == expected
    kept = rows(database, "SELECT account_id, account, currency, balance, position FROM balances")
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
