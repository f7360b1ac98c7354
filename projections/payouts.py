"""Which payouts did a creator ask for? Their streams, newest first.

A payout is found by the line that reserved its money: a credit of the creator's in-transit
account. So there is no index of its own, and a page reads no more than about what it answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from ledger.accounts import CreatorFunds, creator_funds
from ledger.events import CreatorRegistered, PayoutRequested
from ledger.serialization import decode_event
from projections.cursor import decode_cursor, encode_cursor
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX, POSITION_MAX

if TYPE_CHECKING:
    from ledger.events import LedgerEvent
    from projections.reader import Reader

CURSOR: Final = "payouts"

READ_PAYOUTS: Final = """
    SELECT head.position, page.requested_at, page.payout_id,
           ledger_events.originator_version, ledger_events.topic, ledger_events.state
    FROM (SELECT max(position) AS position FROM turns) AS head
    JOIN ledger_events AS registered
      ON registered.originator_id = %(creator_id)b::uuid
     AND registered.originator_version = 1 AND registered.topic = %(registered)b
    LEFT JOIN LATERAL (
        SELECT requested.position AS requested_at, requested.payout_id
        FROM balances
        CROSS JOIN LATERAL (
            SELECT journal_lines.position, caused_by.originator_id AS payout_id
            FROM journal_lines
            JOIN ledger_events AS caused_by
              ON caused_by.notification_id = journal_lines.position
             AND caused_by.topic = %(requested)b
            WHERE journal_lines.account_id = balances.account_id
              AND journal_lines.position < %(before)b::bigint
              AND journal_lines.amount < 0
            ORDER BY journal_lines.position DESC LIMIT %(limit)b::bigint
        ) AS requested
        WHERE balances.account = %(account)b
        ORDER BY requested.position DESC LIMIT %(limit)b::bigint
    ) AS page ON true
    LEFT JOIN ledger_events ON ledger_events.originator_id = page.payout_id
    ORDER BY page.requested_at DESC, ledger_events.originator_version
"""


@dataclass(frozen=True, slots=True)
class PayoutPage:
    """The events of each payout, the newest payout first, all true at `position`."""

    position: int
    payouts: list[list[LedgerEvent]]
    next_cursor: str | None


async def payouts_page(
    reader: Reader, creator_id: UUID, *, cursor: str | None = None, limit: int = PAGE_SIZE
) -> PayoutPage | None:
    """A page of a creator's payouts, or None for an unknown creator.

    `limit` is cut to 1 … `PAGE_SIZE_MAX`. Raises `InvalidCursor` or `ReadUnavailable`.
    """
    limit = min(max(limit, 1), PAGE_SIZE_MAX)
    [before] = [POSITION_MAX] if cursor is None else decode_cursor(cursor, CURSOR, int)
    rows = await reader.fetch(
        READ_PAYOUTS,
        {
            "creator_id": creator_id,
            "registered": CreatorRegistered.TOPIC,
            "requested": PayoutRequested.TOPIC,
            "account": creator_funds(creator_id, CreatorFunds.IN_TRANSIT),
            "before": before,
            "limit": limit + 1,
        },
    )
    if not rows:
        return None
    streams = _by_payout(rows)
    shown = list(streams)[:limit]
    more = len(streams) > limit
    return PayoutPage(
        position=rows[0][0],
        payouts=[streams[requested_at] for requested_at in shown],
        next_cursor=encode_cursor(CURSOR, shown[-1]) if more else None,
    )


def _by_payout(rows: list[tuple[Any, ...]]) -> dict[int, list[LedgerEvent]]:
    """Events by the position at which their payout was requested, in the order of the rows."""
    streams: dict[int, list[LedgerEvent]] = {}
    for _, requested_at, payout_id, version, topic, state in rows:
        if payout_id is not None:
            event = decode_event(topic, state, originator_id=payout_id, originator_version=version)
            streams.setdefault(requested_at, []).append(event)
    return streams
