"""What is kept of statements, in SQL: everything is added, nothing changed.

The tables are those of migrations 0011 and 0013.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID, uuid5

from api.provider_statements.lines import OwnReference, StatementLine
from api.provider_statements.mapping import Direction, Kind
from api.provider_statements.matching import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import date

    import psycopg

    Connection = psycopg.Connection[Any]

ITEMS: Final = UUID("3c0b1f2a-9a41-5d0c-8c55-0d6f7be2a911")
"""The namespace of the ids of items: one a line, one an entry, however often it is met."""
STATEMENT_SECONDS_MAX: Final = 600
NEEDS_SECOND_PERSON: Final = "needs_second_person"
LOCK_SECONDS_MAX: Final = 5.0
MISSING_AT_ONCE: Final = 1_000

LOCK: Final = """
    SELECT pg_try_advisory_lock(hashtextextended(current_schema() || ': statements of ' || %s, 0))
"""
UNLOCK: Final = """
    SELECT pg_advisory_unlock(hashtextextended(current_schema() || ': statements of ' || %s, 0))
"""

CATCH_UP: Final = """
    INSERT INTO provider_entries (position, line, provider, account, currency, amount,
        effective_at, stream_id, family, reference, own)
    SELECT lines.position, lines.line, %(provider)s, split_part(balances.account, ':', 3),
           balances.currency, lines.amount, lines.effective_at, event.originator_id,
           CASE WHEN topic LIKE '%%fee\\_%%' THEN 'fee'
                WHEN topic LIKE 'payment.%%' OR topic LIKE 'receipt.%%' THEN 'payment'
                WHEN topic LIKE 'books.provider\\_settled%%' THEN 'settlement'
                WHEN topic LIKE 'books.wallet\\_funded%%' THEN 'transfer'
                ELSE split_part(topic, '.', 1) END,
           coalesce(said ->> 'fee_reference', said ->> 'provider_refund', said ->> 'dispute',
                    said ->> 'provider_transaction', said ->> 'reference'),
           said ->> 'refund_id'
    FROM balances
    JOIN journal_lines AS lines USING (account_id)
    JOIN ledger_events AS event ON event.notification_id = lines.position
    CROSS JOIN LATERAL (SELECT convert_from(event.state, 'UTF8')::jsonb AS said) AS read
    WHERE balances.account = ANY(%(accounts)s)
      AND lines.position > coalesce(
          (SELECT max(position) FROM provider_entries WHERE provider = %(provider)s), 0)
    ON CONFLICT DO NOTHING
"""

READ_ENTRIES: Final = """
    SELECT entries.position, entries.line, currency, amount, effective_at, stream_id, family,
           reference, own, taken.line_key IS NOT NULL
    FROM (
        SELECT * FROM provider_entries WHERE provider = %(provider)s AND reference = ANY(%(names)s)
        UNION
        SELECT * FROM provider_entries WHERE provider = %(provider)s AND stream_id = ANY(%(own)s)
        UNION
        SELECT * FROM provider_entries
        WHERE provider = %(provider)s AND stream_id IN (
            SELECT stream_id FROM provider_entries
            WHERE provider = %(provider)s AND family = 'payment' AND reference = ANY(%(related)s))
        UNION
        SELECT * FROM provider_entries
        WHERE provider = %(provider)s AND stream_id = ANY(%(claimed)s)
        UNION
        SELECT * FROM provider_entries
        WHERE provider = %(provider)s AND family IN ('settlement', 'transfer')
          AND amount = ANY(%(amounts)s)
          AND effective_at BETWEEN %(since)s::timestamptz - interval '8 days'
                               AND %(until)s::timestamptz + interval '8 days'
    ) AS entries
    LEFT JOIN reconciled_entries AS taken USING (position, line)
    ORDER BY entries.position, entries.line
"""

READ_CLAIMS: Final = """
    SELECT key, stream_id FROM idempotency_keys
    WHERE scope = 'transaction:' || %s AND key = ANY(%s) AND stream_id IS NOT NULL
"""

READ_OPEN_REFUNDS: Final = """
    SELECT originator_id FROM ledger_events WHERE originator_id = ANY(%s)
    GROUP BY originator_id
    HAVING count(*) FILTER (WHERE topic ~ '^refund[.]requested|[.](credit_refund|return)_requested')
         > count(*) FILTER (WHERE topic ~ '^refund[.](succeeded|failed)[.]')
"""

READ_KNOWN: Final = """
    SELECT line_key, kind, direction, currency, amount, occurred_at, names, own_stream, own_detail,
           related
    FROM provider_statement_lines WHERE provider = %s AND line_key = ANY(%s)
"""

COUNT_EQUAL: Final = """
    SELECT base, count(DISTINCT line_key) FROM provider_statement_rows
    WHERE statement_id = %s AND base = ANY(%s) AND number < %s GROUP BY base
"""

INSERT_LINE: Final = """
    INSERT INTO provider_statement_lines (provider, line_key, statement_id, kind, direction,
        currency, amount, occurred_at, names, own_stream, own_detail, related, outcome)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
INSERT_ROW: Final = """
    INSERT INTO provider_statement_rows (statement_id, number, part, line_key, base, agrees)
    VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
INSERT_RECONCILED: Final = """
    INSERT INTO reconciled_entries (position, line, provider, line_key)
    VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
INSERT_ITEM: Final = """
    INSERT INTO reconciliation_items (item_id, provider, statement_id, why, code, line_key,
        row_number, direction, currency, statement_amount, ledger_amount, day)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
INSERT_MISSING: Final = """
    INSERT INTO reconciliation_items (item_id, provider, statement_id, why, position, line,
        account, direction, currency, ledger_amount, day)
    VALUES (%s, %s, %s, 'ledger_only', %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""

READ_MISSING: Final = """
    SELECT entries.position, entries.line, account, family, currency, amount,
           (effective_at AT TIME ZONE %(zone)s)::date
    FROM provider_entries AS entries
    WHERE provider = %(provider)s AND account = ANY(%(covers)s)
      AND effective_at >= (%(first)s::date)::timestamp AT TIME ZONE %(zone)s
      AND effective_at < (%(last)s::date + 1)::timestamp AT TIME ZONE %(zone)s
      AND (entries.position, entries.line) > (%(position)s, %(line)s)
      AND NOT EXISTS (SELECT FROM reconciled_entries AS taken
                      WHERE taken.position = entries.position AND taken.line = entries.line)
      AND NOT EXISTS (SELECT FROM reconciliation_items AS item
                      WHERE item.position = entries.position AND item.line = entries.line)
    ORDER BY entries.position, entries.line LIMIT %(limit)s
"""

DECIDE_MATCHED_ENTRIES: Final = """
    INSERT INTO reconciliation_decisions (item_id, state, decided_by)
    SELECT item_id, 'matched', %(by)s
    FROM unnest(%(positions)s::bigint[], %(lines)s::smallint[]) AS found (position, line)
    JOIN reconciliation_items AS item USING (position, line)
    WHERE NOT EXISTS (SELECT FROM reconciliation_decisions AS decided
                      WHERE decided.item_id = item.item_id AND decided.state = 'matched')
"""
DECIDE_MATCHED_LINE: Final = """
    INSERT INTO reconciliation_decisions (item_id, state, decided_by, recorded)
    SELECT item_id, 'matched', %s, %s FROM reconciliation_items
    WHERE provider = %s AND line_key = %s
"""
DECIDE_STAYS_OPEN: Final = """
    INSERT INTO reconciliation_decisions (item_id, state, decided_by, why, code)
    SELECT item_id, 'open', %s, %s, %s FROM reconciliation_items AS item
    WHERE provider = %s AND line_key = %s AND why = 'needs_second_person'
      AND NOT EXISTS (SELECT FROM reconciliation_decisions AS decided
                      WHERE decided.item_id = item.item_id)
"""

TRIED_AGAIN: Final = """
    why IN ('statement_only', 'unknown_kind', 'needs_second_person')
    AND NOT EXISTS (SELECT FROM reconciliation_decisions AS decided
                    WHERE decided.item_id = item.item_id AND decided.state <> 'open')
"""

READ_OPEN: Final = f"""
    SELECT line.line_key, kind, line.direction, line.currency, amount, occurred_at, names,
           own_stream, own_detail, related, item.number,
           EXISTS (SELECT FROM provider_statement_rows AS here
                   WHERE here.statement_id = %(statement_id)s AND here.line_key = line.line_key
                     AND here.agrees)
    FROM reconciliation_items AS item
    JOIN provider_statement_lines AS line USING (provider, line_key)
    WHERE provider = %(provider)s AND item.number > %(after)s
      AND {TRIED_AGAIN}
    ORDER BY item.number LIMIT %(limit)s
"""  # noqa: S608 - no input
READ_OPEN_AMONG: Final = f"""
    SELECT line_key FROM reconciliation_items AS item
    WHERE provider = %s AND line_key = ANY(%s) AND {TRIED_AGAIN}
"""  # noqa: S608 - no input


class ItemNote(NamedTuple):
    """Why a person has to look at a line."""

    why: str
    code: str | None = None
    ledger_amount: int | None = None


class Decided(NamedTuple):
    """What became of a line."""

    line: StatementLine
    outcome: str
    entries: Sequence[Entry] = ()
    note: ItemNote | None = None


class OpenLine(NamedTuple):
    """An open line, by its item; whether this statement says it, in the words that are kept."""

    number: int
    line: StatementLine
    is_here: bool


@contextmanager
def locked(connection: Connection, provider: str) -> Iterator[bool]:
    """Whether nobody else reads a statement of this provider meanwhile."""
    give_up_at = time.monotonic() + LOCK_SECONDS_MAX
    while not (got := connection.execute(LOCK, (provider,)).fetchone() == (True,)):
        if time.monotonic() > give_up_at:
            break
        time.sleep(0.1)
    try:
        yield got
    finally:
        if got and not connection.closed:
            connection.execute(UNLOCK, (provider,))


def look_up_by_key(connection: Connection) -> None:
    """Every question goes by key, whatever was known of a table when it was empty.

    The first look at a long log takes its time.
    """
    connection.prepare_threshold = None
    for setting, chosen in {
        "statement_timeout": f"{STATEMENT_SECONDS_MAX}s",
        "enable_seqscan": "off",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
    }.items():
        connection.execute("SELECT set_config(%s, %s, false)", (setting, chosen))


class StatementTables:
    """One provider's statements."""

    def __init__(self, connection: Connection, provider: str) -> None:
        self.connection = connection
        self.provider = provider

    def catch_up(self) -> None:
        """Have every entry of the ledger on the provider's accounts, by its names."""
        accounts = [f"provider:{self.provider}:{each}" for each in ("collection", "disbursement")]
        self.connection.execute(CATCH_UP, {"provider": self.provider, "accounts": accounts})

    def claims(self, lines: Sequence[StatementLine]) -> dict[str, UUID]:
        """The streams that have a transaction by one of its names, callbacks' other ones too."""
        names = {name for line in lines for name in (*line.names, line.related) if name}
        rows = self.connection.execute(READ_CLAIMS, (self.provider, list(names)))
        return dict(rows.fetchall())

    def with_open_refunds(self, payments: Iterable[UUID]) -> set[UUID]:
        """Those of these payments of which a refund is on its way."""
        wanted = list(payments)
        if not wanted:
            return set()
        rows = self.connection.execute(READ_OPEN_REFUNDS, (wanted,))
        return {stream for (stream,) in rows.fetchall()}

    def entries(
        self, lines: Sequence[StatementLine], claims: dict[str, UUID]
    ) -> tuple[list[Entry], set[tuple[int, int]]]:
        """The entries that these lines may be about, and which of them others are about."""
        rows = self.connection.execute(
            READ_ENTRIES,
            {
                "provider": self.provider,
                "names": list({name for line in lines for name in line.names}),
                "own": list({line.own.stream for line in lines if line.own is not None}),
                "related": list({line.related for line in lines if line.related is not None}),
                "claimed": list(set(claims.values())),
                "amounts": list({line.moved for line in lines}),
                "since": min(line.occurred_at for line in lines),
                "until": max(line.occurred_at for line in lines),
            },
        ).fetchall()
        found, taken = [], set()
        for (
            position,
            number,
            currency,
            amount,
            at,
            stream,
            family,
            reference,
            own,
            is_taken,
        ) in rows:
            entry = Entry(
                position=position,
                line=number,
                currency=currency,
                amount=amount,
                effective_at=at,
                stream_id=stream,
                family=family,
                reference=reference,
                own=own,
            )
            found.append(entry)
            if is_taken:
                taken.add(entry.place)
        return found, taken

    def known(self, keys: Iterable[str]) -> dict[str, StatementLine]:
        """The lines that are known already, by key, as they were said first."""
        rows = self.connection.execute(READ_KNOWN, (self.provider, list(keys))).fetchall()
        return {row[0]: _line_of(row) for row in rows}

    def open_among(self, keys: Iterable[str]) -> set[str]:
        """Those of these lines that are open, and may be recorded yet."""
        rows = self.connection.execute(READ_OPEN_AMONG, (self.provider, list(keys))).fetchall()
        return {key for (key,) in rows}

    def equal_before(self, statement_id: UUID, bases: Iterable[str], number: int) -> dict[str, int]:
        """How many equal lines stand in a statement before the row of this number."""
        rows = self.connection.execute(COUNT_EQUAL, (statement_id, list(bases), number))
        return dict(rows.fetchall())

    def write_rows(self, rows: Sequence[tuple[UUID, int, int, str, str, bool]]) -> None:
        """Note which lines stand in a statement, and whether in the words that are kept."""
        with self.connection.cursor() as cursor:
            cursor.executemany(INSERT_ROW, rows)

    def write_lines(
        self, statement_id: UUID, decided: Sequence[Decided], days: dict[str, date]
    ) -> None:
        """Keep lines with what became of them."""
        with self.connection.cursor() as cursor:
            cursor.executemany(
                INSERT_LINE, [self._line_row(statement_id, each) for each in decided]
            )
            cursor.executemany(
                INSERT_ITEM,
                [
                    self._item_row(statement_id, each, each.note, days[each.line.key])
                    for each in decided
                    if each.note is not None
                ],
            )
        self.take(statement_id, decided)

    def take(self, statement_id: UUID, decided: Sequence[Decided]) -> None:
        """The entries that were found belong to their lines; nobody has to look for them."""
        pairs = [(entry, each.line.key) for each in decided for entry in each.entries]
        if not pairs:
            return
        with self.connection.cursor() as cursor:
            cursor.executemany(
                INSERT_RECONCILED, [(*entry.place, self.provider, key) for entry, key in pairs]
            )
        self.connection.execute(
            DECIDE_MATCHED_ENTRIES,
            {
                "by": f"statement:{statement_id}",
                "positions": [entry.position for entry, _ in pairs],
                "lines": [entry.line for entry, _ in pairs],
            },
        )

    def close_items(self, statement_id: UUID, closed: Iterable[Decided]) -> None:
        """Lines that were open are not any more."""
        by = f"statement:{statement_id}"
        with self.connection.cursor() as cursor:
            cursor.executemany(
                DECIDE_MATCHED_LINE,
                [(by, each.outcome == "recorded", self.provider, each.line.key) for each in closed],
            )

    def note_refused(self, statement_id: UUID, tried: Iterable[Decided]) -> None:
        """Lines that waited for a second person were tried, and are for a person all the same."""
        by = f"statement:{statement_id}"
        with self.connection.cursor() as cursor:
            cursor.executemany(
                DECIDE_STAYS_OPEN,
                [
                    (by, each.note.why, each.note.code, self.provider, each.line.key)
                    for each in tried
                    if each.note is not None
                ],
            )

    def write_unreadable(self, statement_id: UUID, rows: Sequence[tuple[int, str]]) -> None:
        """A person looks at rows that could not be read; what stands in them is not kept."""
        nothing = [None] * 5
        with self.connection.cursor() as cursor:
            cursor.executemany(
                INSERT_ITEM,
                [
                    (
                        uuid5(ITEMS, f"{statement_id}:row:{number}"),
                        *(self.provider, statement_id, "unreadable", code, None, number),
                        *nothing,
                    )
                    for number, code in rows
                ],
            )

    def write_missing(
        self,
        statement_id: UUID,
        *,
        covers: Sequence[str],
        days: tuple[date, date],
        zone: str,
        direction_of: Callable[[str, int], Direction],
    ) -> None:
        """A person looks at entries of these days that answer no line of any statement."""
        place = (0, 0)
        wanted = {
            "provider": self.provider,
            "covers": list(covers),
            "first": days[0],
            "last": days[1],
            "zone": zone,
            "limit": MISSING_AT_ONCE,
        }
        while rows := self.connection.execute(
            READ_MISSING, {**wanted, "position": place[0], "line": place[1]}
        ).fetchall():
            place = rows[-1][:2]
            with self.connection.cursor() as cursor:
                cursor.executemany(
                    INSERT_MISSING,
                    [
                        (
                            uuid5(ITEMS, f"{position}:{line}"),
                            *(self.provider, statement_id, position, line, account),
                            *(direction_of(family, amount), currency, abs(amount), day),
                        )
                        for position, line, account, family, currency, amount, day in rows
                    ],
                )

    def open_lines(self, statement_id: UUID, after: int, limit: int) -> list[OpenLine]:
        """Lines that nothing of the ledger was found for, and nobody has explained."""
        wanted = {
            "provider": self.provider,
            "statement_id": statement_id,
            "after": after,
            "limit": limit,
        }
        rows = self.connection.execute(READ_OPEN, wanted).fetchall()
        return [OpenLine(number, _line_of(row), is_here) for *row, number, is_here in rows]

    def _line_row(self, statement_id: UUID, each: Decided) -> tuple[object, ...]:
        line = each.line
        own = line.own or OwnReference(UUID(int=0))
        return (
            *(self.provider, line.key, statement_id, line.kind, line.direction),
            *(line.currency, line.amount, line.occurred_at, list(line.names)),
            *(own.stream if line.own else None, own.detail, line.related, each.outcome),
        )

    def _item_row(
        self, statement_id: UUID, each: Decided, note: ItemNote, day: date
    ) -> tuple[object, ...]:
        line = each.line
        return (
            uuid5(ITEMS, f"{self.provider}:{line.key}"),
            *(self.provider, statement_id, note.why, note.code, line.key, None),
            *(line.direction, line.currency, line.amount, note.ledger_amount, day),
        )


def _line_of(row: Sequence[Any]) -> StatementLine:
    key, kind, direction, currency, amount, at, names, stream, detail, related = row
    line = StatementLine(
        key=key,
        has_id=True,
        kind=Kind(kind),
        direction=Direction(direction),
        currency=currency,
        amount=amount,
        occurred_at=at,
        names=tuple(names),
        related=related,
    )
    return line if stream is None else replace(line, own=OwnReference(stream, detail))
