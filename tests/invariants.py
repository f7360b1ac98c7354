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

StoredEvent = tuple[int, object, int, str, bytes]
"""Position, stream, version, topic, and the stored JSON."""

INVOICED = frozenset(
    f"subscription.{kind}_invoiced.v1"
    for kind in ("first_period", "renewal", "change", "prepayment")
)
PAID = frozenset(
    {
        "subscription.period_paid.v1",
        "subscription.periods_prepaid.v1",
        "subscription.tier_changed.v1",
    }
)
"""Topics that open an invoice, and that close it because it is paid."""


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
        "SELECT notification_id, originator_id, originator_version, topic, state "
        "FROM ledger_events ORDER BY notification_id"
    ).fetchall()
    assert [position for position, *_ in events] == list(range(1, len(events) + 1))
    _assert_streams_are_dense(events)
    _assert_turns_agree(connection, len(events))
    _assert_journal_follows(connection, events)


def _assert_streams_are_dense(events: list[StoredEvent]) -> None:
    versions: dict[object, int] = defaultdict(int)
    for _, stream, version, _, _ in events:
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


def _assert_journal_follows(connection: Connection, events: list[StoredEvent]) -> None:
    running: Balances = defaultdict(int)
    last_changed_at: dict[tuple[str, str], int] = {}
    expected = []
    reserved = ReservedCredit()
    for position, stream, _, topic, state in events:
        fields = json.loads(state)
        sums: dict[str, int] = defaultdict(int)
        for line, posting in enumerate((fields.get("entry") or {"postings": []})["postings"]):
            account = (posting["account"], posting["currency"])
            running[account] += posting["amount"]
            sums[posting["currency"]] += posting["amount"]
            last_changed_at[account] = position
            expected.append((position, line, *account, posting["amount"], running[account]))
        assert not any(sums.values())
        _assert_fans_are_owed(fields, running)
        reserved.hear(str(stream), topic, fields)
        reserved.assert_is_held(fields, running)
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


def _fans_accounts_in(fields: dict[str, Any]) -> set[tuple[str, str]]:
    """The accounts of fans, by currency, that an event moves."""
    return {
        (posting["account"], posting["currency"])
        for posting in (fields.get("entry") or {"postings": []})["postings"]
        if posting["account"].startswith("fan:")
    }


def _assert_fans_are_owed(fields: dict[str, Any], running: Balances) -> None:
    for account in _fans_accounts_in(fields):
        assert running[account] <= 0, account


class ReservedCredit:
    """What open invoices have reserved of their fans' credit and goodwill, as the events say."""

    def __init__(self) -> None:
        self._fans: dict[str, str] = {}
        self._invoices: dict[str, tuple[str, str]] = {}
        self._reserved: dict[str, int] = {}
        self._by_account: Balances = defaultdict(int)
        self._changed: set[tuple[str, str]] = set()

    def hear(self, stream: str, topic: str, fields: dict[str, Any]) -> None:
        """The next event of the log."""
        self._changed = set()
        if topic == "subscription.started.v1":
            self._fans[stream] = fields["fan_id"]
        elif topic in INVOICED:
            account = (f"fan:{self._fans[stream]}:credit_reserved", fields["money"]["currency"])
            self._invoices[fields["invoice_id"]] = account
            self._reserve(fields["invoice_id"], fields["credit"] + fields["goodwill"])
        elif topic == "subscription.credit_reserved.v1":
            self._reserve(fields["invoice_id"], fields["credit"] + fields["goodwill"])
        elif topic == "payment.credit_spent.v1":
            self._reserve(fields["invoice_id"], -fields["money"]["amount"])
        elif topic == "subscription.invoice_voided.v1":
            self._reserve(fields["invoice_id"], -self._reserved[fields["invoice_id"]])
            del self._reserved[fields["invoice_id"]]
        elif topic in PAID and fields["invoice_id"] is not None:
            # What was reserved has paid its part, neither more nor less.
            assert self._reserved.pop(fields["invoice_id"]) == 0

    def assert_is_held(self, fields: dict[str, Any], running: Balances) -> None:
        """What the event leaves of reserved credit is what invoices have reserved by now."""
        for account in _fans_accounts_in(fields) | self._changed:
            if account[0].endswith(":credit_reserved"):
                assert running.get(account, 0) == -self._by_account[account], account

    def _reserve(self, invoice: str, amount: int) -> None:
        self._reserved[invoice] = self._reserved.get(invoice, 0) + amount
        self._by_account[self._invoices[invoice]] += amount
        self._changed.add(self._invoices[invoice])
