"""Which money is parked in suspense, why, and what became of it? Newest first.

Money came into suspense where the journal credits `suspense:{provider}`; how it stands now says
the stream that it lies on. Money whose return failed is not listed a second time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast
from uuid import UUID

from ledger.events import (
    ContradictionRecorded,
    OverpaymentParked,
    PaymentInitiated,
    PaymentMismatched,
    RefundEvent,
    SurplusReceived,
    UnmatchedReceiptRecorded,
)
from ledger.flows import NO_FLOWS, Flows, ParkedState, evolve_flows, with_parked
from ledger.money import Money
from ledger.serialization import decode_event
from projections.cursor import decode_cursor, encode_cursor
from projections.payments import project_payment
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX, POSITION_MAX

if TYPE_CHECKING:
    from ledger.events import LedgerEvent
    from projections.reader import Reader

CURSOR: Final = "suspense"

BATCHES_MAX: Final = 10
"""How many times a page looks further for money that still waits, among what does not."""

# All suspense accounts are the names from 'suspense:' to 'suspense;', ';' following ':'.
READ_PARKED: Final = """
    SELECT head.position, page.position, page.line, caused_by.originator_id,
           caused_by.originator_version, past.originator_version, past.topic, past.state
    FROM (SELECT max(position) AS position FROM turns) AS head
    LEFT JOIN LATERAL (
        SELECT credited.position, credited.line
        FROM balances
        CROSS JOIN LATERAL (
            SELECT position, line FROM journal_lines
            WHERE journal_lines.account_id = balances.account_id AND amount < 0
              AND (position, line) < (%(position)b::bigint, %(line)b::bigint)
            ORDER BY position DESC, line DESC LIMIT %(limit)b::bigint
        ) AS credited
        WHERE balances.account > 'suspense:' AND balances.account < 'suspense;'
        ORDER BY credited.position DESC, credited.line DESC LIMIT %(limit)b::bigint
    ) AS page ON true
    LEFT JOIN ledger_events AS caused_by ON caused_by.notification_id = page.position
    LEFT JOIN ledger_events AS past ON past.originator_id = caused_by.originator_id
    ORDER BY page.position DESC, page.line DESC, past.originator_version
"""

Why = Literal["mismatched", "overpaid", "surplus", "unmatched"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedReceipt:
    """Money of one transaction that came into suspense at `position`, and how it stands.

    It lies on the stream `stream_id`, which is the payment's that it came for, if it names one.
    `received_at` is when the provider says it came, never after we learned of it.
    """

    stream_id: UUID
    payment_id: UUID | None
    provider: str
    provider_transaction: str
    money: Money
    why: Why
    state: ParkedState
    received_at: datetime
    position: int


@dataclass(frozen=True, slots=True)
class ParkedPage:
    """Parked money, newest first, true at `position`.

    A page may hold less than asked for, even nothing, while `next_cursor` leads on; it is None on
    the last page.
    """

    position: int
    items: list[ParkedReceipt]
    next_cursor: str | None


class _Line(NamedTuple):
    position: int
    line: int
    parked: ParkedReceipt | None


async def parked_page(
    reader: Reader, *, waiting_only: bool, cursor: str | None = None, limit: int = PAGE_SIZE
) -> ParkedPage:
    """A page of what is in suspense, or of all that ever was.

    `limit` is cut to 1 … `PAGE_SIZE_MAX`. Raises `InvalidCursor` or `ReadUnavailable`.
    """
    limit = min(max(limit, 1), PAGE_SIZE_MAX)
    after: list[int | str] = [POSITION_MAX, 0]
    if cursor is not None:
        after = decode_cursor(cursor, CURSOR, int, int)
    batch = PAGE_SIZE_MAX if waiting_only else limit
    items: list[ParkedReceipt] = []
    positions: list[int] = []
    for _ in range(BATCHES_MAX):
        head, lines = await _lines(reader, after, batch + 1)
        positions.append(head)
        for number, line in enumerate(lines[:batch], 1):
            after = [line.position, line.line]
            parked = line.parked
            if parked is None or (waiting_only and parked.state is not ParkedState.WAITING):
                continue
            items.append(parked)
            if len(items) == limit:
                more = number < len(lines)
                return ParkedPage(
                    positions[0], items, encode_cursor(CURSOR, *after) if more else None
                )
        if len(lines) <= batch:
            return ParkedPage(positions[0], items, None)
    return ParkedPage(positions[0], items, encode_cursor(CURSOR, *after))


async def _lines(reader: Reader, after: list[int | str], limit: int) -> tuple[int, list[_Line]]:
    position, line = after
    rows = await reader.fetch(READ_PARKED, {"position": position, "line": line, "limit": limit})
    lines = [
        _Line(position, line, _parked(position, list(stream)))
        for (position, line), stream in groupby(rows, itemgetter(1, 2))
        if position is not None
    ]
    return rows[0][0], lines


def _parked(position: int, rows: list[tuple[Any, ...]]) -> ParkedReceipt | None:
    """What a line parked, from all that happened on its stream; None if it was parked before."""
    stream_id, caused_by = rows[0][3:5]
    events = [
        decode_event(topic, state, originator_id=stream_id, originator_version=version)
        for *_, version, topic, state in rows
    ]
    parking = events[caused_by - 1]
    match parking:
        case PaymentMismatched(received=money):
            why: Why = "mismatched"
        case SurplusReceived(received=money):
            why = "surplus"
        case OverpaymentParked(excess=money):
            why = "overpaid"
        case UnmatchedReceiptRecorded(received=money):
            why = "unmatched"
        case _:
            return None
    return ParkedReceipt(
        stream_id=stream_id,
        payment_id=None if why == "unmatched" else stream_id,
        provider=parking.provider,
        provider_transaction=parking.provider_transaction,
        money=money,
        why=why,
        state=_flows(events).parked[parking.provider_transaction].state,
        received_at=parking.effective_at,
        position=position,
    )


def _flows(events: list[LedgerEvent]) -> Flows:
    if isinstance(events[0], PaymentInitiated):
        return project_payment(events).flows
    flows = NO_FLOWS
    for event in events:
        if isinstance(event, UnmatchedReceiptRecorded):
            flows = with_parked(flows, event.provider, event.provider_transaction, event.received)
        elif not isinstance(event, ContradictionRecorded):
            flows = evolve_flows(flows, cast("RefundEvent", event))
    return flows
