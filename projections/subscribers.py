"""Who subscribed to a creator? Their subscriptions, newest first, each as it stands.

They are found by a row that is written in the turn that starts one (migration 0004), so none is
missing: a follower's table would be behind the log, and the log itself is ordered by subscription
only. State and tier change later, so they are not in the row but folded from each subscription's
stream. What a page reads is bounded, and a page that filters may therefore be short, even empty,
while `next_cursor` leads on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ledger.events import CreatorRegistered
from ledger.subscription import Subscription, SubscriptionState
from projections.cursor import decode_cursor, encode_cursor
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX, POSITION_MAX

if TYPE_CHECKING:
    from datetime import datetime

    from projections.aggregates import Aggregates
    from projections.reader import Reader

CURSOR: Final = "subscribers"
EXAMINED_MAX: Final = 200
"""Subscriptions that one page looks at, whether it shows them or not."""
AT_ONCE: Final = 25
"""Streams of one statement: long ones must not keep the process from its other work."""

READ_STARTED: Final = """
    SELECT head.position, page.started_at, page.subscription_id
    FROM (SELECT max(position) AS position FROM turns) AS head
    JOIN ledger_events AS registered
      ON registered.originator_id = %(creator_id)b::uuid
     AND registered.originator_version = 1 AND registered.topic = %(registered)b
    LEFT JOIN LATERAL (
        SELECT creator_subscriptions.position AS started_at, creator_subscriptions.subscription_id
        FROM creator_subscriptions
        WHERE creator_subscriptions.creator_id = %(creator_id)b::uuid
          AND creator_subscriptions.position < %(before)b::bigint
        ORDER BY creator_subscriptions.position DESC LIMIT %(limit)b::bigint
    ) AS page ON true
    ORDER BY page.started_at DESC
"""


@dataclass(frozen=True, slots=True)
class SubscriberPage:
    """Subscriptions, the newest first. All that is recorded up to `position` is in them."""

    position: int
    subscriptions: list[Subscription]
    next_cursor: str | None


async def subscribers_page(
    reader: Reader,
    aggregates: Aggregates,
    creator_id: UUID,
    *,
    state: SubscriptionState | None = None,
    tier_id: UUID | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> SubscriberPage | None:
    """A page of a creator's subscriptions, or None for an unknown creator.

    `limit` is cut to 1 … `PAGE_SIZE_MAX`. Raises `InvalidCursor` or `ReadUnavailable`.
    """
    limit = min(max(limit, 1), PAGE_SIZE_MAX)
    [before] = [POSITION_MAX] if cursor is None else decode_cursor(cursor, CURSOR, int)
    rows = await reader.fetch(
        READ_STARTED,
        {
            "creator_id": creator_id,
            "registered": CreatorRegistered.TOPIC,
            "before": before,
            "limit": EXAMINED_MAX + 1,
        },
    )
    if not rows:
        return None
    started = [(started_at, stream) for _, started_at, stream in rows if stream is not None]
    shown: list[Subscription] = []
    examined = 0
    while examined < min(len(started), EXAMINED_MAX) and len(shown) < limit:
        chunk = started[examined : min(examined + AT_ONCE, EXAMINED_MAX)]
        for sub in await _standing(aggregates, [stream for _, stream in chunk]):
            examined += 1
            if state in {None, sub.state} and tier_id in {None, sub.tier_id}:
                shown.append(sub)
            if len(shown) == limit:
                break
    more = examined < len(started)
    next_cursor = encode_cursor(CURSOR, started[examined - 1][0]) if more else None
    return SubscriberPage(rows[0][0], shown, next_cursor)


async def _standing(aggregates: Aggregates, streams: list[UUID]) -> list[Subscription]:
    """These subscriptions as they stand, in this order. Raises for one that cannot be read."""
    standing = await aggregates.read(streams)
    found: list[Subscription] = []
    for stream in streams:
        if (error := standing.unreadable.get(stream)) is not None:
            raise error
        sub = standing.found[stream]
        assert isinstance(sub, Subscription)  # noqa: S101 - its row says so
        found.append(sub)
    return found


def renews_at(sub: Subscription) -> datetime | None:
    """When the next period begins that is to be paid; None where none will, or one has begun."""
    if sub.cancel_at is not None or sub.pause_at is not None:
        return None
    match sub.state:
        case SubscriptionState.TRIALING | SubscriptionState.ACTIVE:
            return sub.paid_until
        case _:
            return None


def ends_at(sub: Subscription) -> datetime | None:
    """When it ends or rests, where that is scheduled."""
    return None if sub.ended else sub.cancel_at or sub.pause_at
