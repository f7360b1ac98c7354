"""Subscriptions as the clock's table sees them: folded from their streams, along the log.

Those seen last are kept in memory, so that an event costs no reading of its stream. What is kept is
used only if it is at the version just before the event's; else the stream is read up to there.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, cast

import structlog

from ledger.aggregate_cache import AggregateCache
from ledger.serialization import decode_event
from ledger.subscription import Subscription, evolve_subscription

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    import psycopg

    from ledger.events import SubscriptionEvent

logger = structlog.get_logger()

VERSION_MAX: Final = 2**63 - 1

READ_STREAMS: Final = """
    SELECT originator_id, originator_version, topic, state
    FROM unnest(%s::uuid[], %s::bigint[]) AS wanted (stream_id, below)
    JOIN ledger_events ON originator_id = stream_id AND originator_version < below
    ORDER BY originator_id, originator_version
"""


class SubscriptionStates:
    """The states that the follower saw last; used by one transaction at a time."""

    def __init__(self) -> None:
        self._seen = AggregateCache()

    def after(
        self, connection: psycopg.Connection[Any], lives: Mapping[UUID, Sequence[SubscriptionEvent]]
    ) -> dict[UUID, Subscription]:
        """Subscriptions as they are right after these events, which follow one another on each.

        One that cannot be read is left out, and logged.
        """
        before: dict[UUID, Subscription | None] = {}
        unseen: dict[UUID, int] = {}
        for stream, events in lives.items():
            version = events[0].originator_version
            seen = self._seen.get(stream)
            if isinstance(seen, Subscription) and seen.version == version - 1:
                before[stream] = seen
            elif version == 1:
                before[stream] = None
            else:
                unseen[stream] = version
        before.update(read_subscriptions(connection, unseen))
        after = {
            stream: subscription
            for stream, earlier in before.items()
            if (subscription := _folded(stream, earlier, lives[stream])) is not None
        }
        self._seen.put_all(after)
        return after


def read_subscriptions(
    connection: psycopg.Connection[Any], below: Mapping[UUID, int]
) -> dict[UUID, Subscription]:
    """Subscriptions as they are before the versions given, or at the end: `VERSION_MAX`.

    One that cannot be read is left out, and logged.
    """
    if not below:
        return {}
    rows = connection.execute(READ_STREAMS, (list(below), list(below.values()))).fetchall()
    found: dict[UUID, Subscription] = {}
    for stream, stored in groupby(rows, key=itemgetter(0)):
        subscription = _folded(stream, None, map(_event, stored))
        if subscription is not None:
            found[stream] = subscription
    return found


def _event(row: tuple[UUID, int, str, bytes]) -> SubscriptionEvent:
    stream, version, topic, state = row
    event = decode_event(topic, state, originator_id=stream, originator_version=version)
    return cast("SubscriptionEvent", event)


def _folded(
    stream: UUID, subscription: Subscription | None, events: Iterable[SubscriptionEvent]
) -> Subscription | None:
    try:
        for event in events:
            subscription = evolve_subscription(subscription, event)
    except Exception:
        # One subscription that cannot be read must not stop the log for all the others.
        logger.exception("subscription_unreadable", subscription=str(stream))
        return None
    return subscription
