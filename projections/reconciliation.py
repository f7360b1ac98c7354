"""How far does a provider's statement agree with the ledger? In minor units, and item by item.

Of each currency and direction, what stands in the statement is what matched, what a person
explained, and what is open: each line is in one of them. What only the ledger has is told apart. An
item stands as its newest decision says.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from projections.cursor import decode_cursor, encode_cursor
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX, POSITION_MAX

if TYPE_CHECKING:
    from projections.reader import Reader

CURSOR: Final = "reconciliation_items"
STATEMENTS_CURSOR: Final = "provider_statements"

ItemState = Literal["open", "explained", "matched"]
SIGNS: Final = {"in": 1, "out": -1, "fee": -1}
NOT_MONEY: Final = "none"

READ_STATEMENT: Final = """
    SELECT (SELECT max(position) FROM turns), statement_id, number, provider, covers, uploaded_by,
           received_at, first_day, last_day, rows, skipped, unreadable, file_bytes, file_hash
    FROM provider_statements WHERE statement_id = %b::uuid
"""

READ_STATEMENTS: Final = """
    SELECT (SELECT max(position) FROM turns), statement_id, number, provider, covers, uploaded_by,
           received_at, first_day, last_day, rows, skipped, unreadable, file_bytes, file_hash
    FROM provider_statements WHERE number < %b::bigint ORDER BY number DESC LIMIT %b::bigint
"""

READ_LINES: Final = """
    SELECT line.currency, line.direction, coalesce(
               decided.state, CASE WHEN item.item_id IS NULL THEN 'matched' ELSE 'open' END),
           count(*), sum(line.amount),
           coalesce(sum(line.amount) FILTER (
               WHERE line.outcome = 'recorded' OR decided.recorded), 0),
           coalesce(sum(line.amount) FILTER (
               WHERE item.why = 'needs_second_person' AND decided.state IS NULL), 0)
    FROM (SELECT DISTINCT line_key FROM provider_statement_rows
          WHERE statement_id = %(statement_id)b::uuid) AS here
    -- By key each: a plan for a table that was empty a moment ago would go through all of it.
    CROSS JOIN LATERAL (
        SELECT currency, direction, amount, outcome FROM provider_statement_lines
        WHERE provider = %(provider)b::text AND line_key = here.line_key LIMIT 1) AS line
    LEFT JOIN LATERAL (
        SELECT item_id, why FROM reconciliation_items
        WHERE provider = %(provider)b::text AND line_key = here.line_key LIMIT 1) AS item ON true
    LEFT JOIN LATERAL (
        SELECT state, recorded FROM reconciliation_decisions
        WHERE item_id = item.item_id ORDER BY decision_id DESC LIMIT 1) AS decided ON true
    GROUP BY 1, 2, 3
"""

READ_MISSING: Final = """
    SELECT currency, direction, coalesce(decided.state, 'open'), count(*), sum(ledger_amount)
    FROM reconciliation_items AS item
    LEFT JOIN LATERAL (
        SELECT state FROM reconciliation_decisions
        WHERE item_id = item.item_id ORDER BY decision_id DESC LIMIT 1) AS decided ON true
    WHERE provider = %(provider)b::text AND position IS NOT NULL
      AND account = ANY(%(covers)b::text[])
      AND day BETWEEN %(first_day)b::date AND %(last_day)b::date
    GROUP BY 1, 2, 3
"""

READ_UNREADABLE: Final = """
    SELECT count(*) FROM reconciliation_items AS item
    WHERE statement_id = %b::uuid AND why = 'unreadable'
      AND NOT EXISTS (SELECT FROM reconciliation_decisions AS decided
                      WHERE decided.item_id = item.item_id)
"""

READ_COUNTS: Final = """
    SELECT count(*), count(DISTINCT line_key) FROM provider_statement_rows
    WHERE statement_id = %b::uuid
"""

READ_SECOND_PERSON: Final = """
    SELECT second.actor FROM provider_statement_words AS said
    JOIN provider_statement_words AS second USING (provider, file_mac)
    WHERE said.statement_id = %b::uuid AND second.word = 'second' ORDER BY second.number LIMIT 1
"""

READ_BALANCES: Final = """
    SELECT currency, opening, closing FROM provider_statement_balances
    WHERE statement_id = %b::uuid ORDER BY currency
"""

ITEM_COLUMNS: Final = """
    item.item_id, item.number, item.provider, item.statement_id,
    coalesce(decided.why, item.why), coalesce(decided.code, item.code),
    item.row_number, item.position, item.direction, item.currency, item.statement_amount,
    item.ledger_amount, item.day, item.recorded_at, line.kind, line.names[1],
    coalesce(entry.stream_id, line.own_stream), coalesce(decided.state, 'open'), decided.reason,
    decided.decided_by, decided.decided_at
"""
ITEM_TABLES: Final = """
    reconciliation_items AS item
    LEFT JOIN provider_statement_lines AS line
      ON line.provider = item.provider AND line.line_key = item.line_key
    LEFT JOIN provider_entries AS entry
      ON entry.position = item.position AND entry.line = item.line
    LEFT JOIN LATERAL (
        SELECT state, reason, decided_by, decided_at, why, code FROM reconciliation_decisions
        WHERE item_id = item.item_id ORDER BY decision_id DESC LIMIT 1) AS decided ON true
"""

READ_ITEM: Final = f"SELECT {ITEM_COLUMNS} FROM {ITEM_TABLES} WHERE item.item_id = %b::uuid"  # noqa: S608 - no input

READ_ITEMS: Final = f"""
    SELECT {ITEM_COLUMNS} FROM {ITEM_TABLES}
    WHERE item.provider = %(provider)b::text AND item.number > %(after)b::bigint
      AND (%(state)b::text IS NULL OR coalesce(decided.state, 'open') = %(state)b::text)
      AND (
        (item.why = 'unreadable' AND item.statement_id = %(statement_id)b::uuid)
        OR (item.position IS NOT NULL AND item.account = ANY(%(covers)b::text[])
            AND item.day BETWEEN %(first_day)b::date AND %(last_day)b::date)
        OR EXISTS (SELECT FROM provider_statement_rows AS here
                   WHERE here.statement_id = %(statement_id)b::uuid
                     AND here.line_key = item.line_key))
    ORDER BY item.number LIMIT %(limit)b::bigint
"""  # noqa: S608 - no input


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement that was brought, as its file said."""

    statement_id: UUID
    number: int
    provider: str
    covers: list[str]
    uploaded_by: str
    received_at: datetime
    first_day: date | None
    last_day: date | None
    rows: int
    skipped: int
    unreadable: int
    file_bytes: int
    file_hash: str


@dataclass(slots=True, kw_only=True)
class Total:
    """Of a currency and direction: total = matched + explained + open, in minor units.

    `recorded` is what of matched the statement brought to light.
    """

    currency: str
    direction: str
    total: int = 0
    matched: int = 0
    recorded: int = 0
    explained: int = 0
    open: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceCheck:
    """Whether opening + moved = closing; `difference` says by how much not."""

    currency: str
    opening: int
    moved: int
    closing: int

    @property
    def difference(self) -> int:
        """What the lines do not tell of the way from one balance to the other."""
        return self.closing - self.opening - self.moved


@dataclass(slots=True, kw_only=True)
class StatementReport:
    """How far a statement agrees; `unexplained` is how many things are open.

    `waiting_amount`, in minor units of any currency, is what a second person has to bring too;
    `second_person` is who did.
    """

    position: int
    statement: Statement
    lines: int
    repeated: int
    totals: list[Total] = field(default_factory=list)
    ledger_only: list[Total] = field(default_factory=list)
    balances: list[BalanceCheck] = field(default_factory=list)
    unexplained: int = 0
    waiting_amount: int = 0
    second_person: str | None = None

    @property
    def waits_for_second_person(self) -> bool:
        """Whether nothing of some lines is recorded before another person brings the file."""
        return self.waiting_amount > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something that a person explains, or did. Amounts are minor units."""

    item_id: UUID
    number: int
    provider: str
    statement_id: UUID
    why: str
    code: str | None
    row_number: int | None
    position: int | None
    direction: str | None
    currency: str | None
    statement_amount: int | None
    ledger_amount: int | None
    day: date | None
    recorded_at: datetime
    kind: str | None
    transaction: str | None
    stream_id: UUID | None
    state: ItemState
    reason: str | None
    decided_by: str | None
    decided_at: datetime | None


async def statement_report(reader: Reader, statement_id: UUID) -> StatementReport | None:
    """The report of a statement; None if there is none. Raises `ReadUnavailable`."""
    rows = await reader.fetch(READ_STATEMENT, [statement_id])
    if not rows:
        return None
    [(position, *told)] = rows
    statement = _statement(told)
    [(count, distinct)] = await reader.fetch(READ_COUNTS, [statement_id])
    report = StatementReport(
        position=int(position), statement=statement, lines=distinct, repeated=count - distinct
    )
    moved = await _add_lines(reader, report)
    await _add_missing(reader, report)
    [(unreadable,)] = await reader.fetch(READ_UNREADABLE, [statement_id])
    report.unexplained += unreadable
    for (actor,) in await reader.fetch(READ_SECOND_PERSON, [statement_id]):
        report.second_person = actor
    report.balances = [
        BalanceCheck(
            currency=currency, opening=int(opening), moved=moved[currency], closing=int(closing)
        )
        for currency, opening, closing in await reader.fetch(READ_BALANCES, [statement_id])
    ]
    return report


async def _add_lines(reader: Reader, report: StatementReport) -> dict[str, int]:
    statement = report.statement
    rows = await reader.fetch(
        READ_LINES, {"statement_id": statement.statement_id, "provider": statement.provider}
    )
    totals: dict[tuple[str, str], Total] = {}
    moved: dict[str, int] = defaultdict(int)
    for currency, direction, state, count, amount, recorded, waiting in rows:
        report.waiting_amount += int(waiting)
        if state == "open":
            report.unexplained += count
        if direction == NOT_MONEY:
            continue
        total = totals.setdefault(
            (currency, direction), Total(currency=currency, direction=direction)
        )
        _add(total, state, int(amount))
        total.recorded += int(recorded)
        moved[currency] += SIGNS[direction] * int(amount)
    report.totals = [totals[key] for key in sorted(totals)]
    return moved


async def _add_missing(reader: Reader, report: StatementReport) -> None:
    statement = report.statement
    if statement.first_day is None or statement.last_day is None:
        return
    totals: dict[tuple[str, str], Total] = {}
    for currency, direction, state, count, amount in await reader.fetch(
        READ_MISSING, _range_of(statement)
    ):
        if state == "open":
            report.unexplained += count
        total = totals.setdefault(
            (currency, direction), Total(currency=currency, direction=direction)
        )
        _add(total, state, int(amount))
    report.ledger_only = [totals[key] for key in sorted(totals)]


def _add(total: Total, state: str, amount: int) -> None:
    total.total += amount
    match state:
        case "matched":
            total.matched += amount
        case "explained":
            total.explained += amount
        case _:
            total.open += amount


def _range_of(statement: Statement) -> dict[str, Any]:
    return {
        "provider": statement.provider,
        "covers": statement.covers,
        "first_day": statement.first_day,
        "last_day": statement.last_day,
    }


def _statement(row: list[Any]) -> Statement:
    names = Statement.__slots__
    return Statement(**dict(zip(names, row, strict=True)))


def _item(row: tuple[Any, ...]) -> Item:
    return Item(**dict(zip(Item.__slots__, row, strict=True)))


async def item_of(reader: Reader, item_id: UUID) -> Item | None:
    """One item; None if there is none. Raises `ReadUnavailable`."""
    rows = await reader.fetch(READ_ITEM, [item_id])
    return _item(rows[0]) if rows else None


async def items_page(
    reader: Reader,
    statement: Statement,
    *,
    state: ItemState | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> tuple[list[Item], str | None]:
    """A page of a statement's items, oldest first, and where the next one begins.

    Raises `InvalidCursor` or `ReadUnavailable`.
    """
    limit = min(max(limit, 1), PAGE_SIZE_MAX)
    after = 0 if cursor is None else int(decode_cursor(cursor, CURSOR, int)[0])
    rows = await reader.fetch(
        READ_ITEMS,
        {
            **_range_of(statement),
            "statement_id": statement.statement_id,
            "after": after,
            "state": state,
            "limit": limit + 1,
        },
    )
    items = [_item(row) for row in rows]
    more = len(items) > limit
    del items[limit:]
    return items, encode_cursor(CURSOR, items[-1].number) if more else None


async def statements_page(
    reader: Reader, *, cursor: str | None = None, limit: int = PAGE_SIZE
) -> tuple[list[Statement], str | None]:
    """A page of statements, the newest first, and where the next one begins.

    Raises `InvalidCursor` or `ReadUnavailable`.
    """
    limit = min(max(limit, 1), PAGE_SIZE_MAX)
    before = (
        POSITION_MAX if cursor is None else int(decode_cursor(cursor, STATEMENTS_CURSOR, int)[0])
    )
    rows = await reader.fetch(READ_STATEMENTS, [before, limit + 1])
    found = [_statement(list(row[1:])) for row in rows]
    more = len(found) > limit
    del found[limit:]
    return found, encode_cursor(STATEMENTS_CURSOR, found[-1].number) if more else None
