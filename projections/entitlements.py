"""May this fan see what this creator offers, at which tier, for how long? Now or at any instant.

From the log itself, so an answer is never stale: the fan's stream names their subscriptions, and
the latest to a creator is the only one that can be live. Time matters where no fact does: a trial,
a grace and a scheduled end are over when they are over, whether the clock has said so or not.

    now         every fact that is recorded, at the book's time
    the past    what was known then: facts recorded at that instant or before it, and no other
    to come     what is sure by now: until the paid time, the trial or the grace ends

A content frontend asks this on every page, so concurrent questions become one statement, and that
brings only what happened since they were asked last (projections/aggregates.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from ledger.commands import fan_stream
from ledger.decisions import evolve
from ledger.fan import Fan
from ledger.recorder import Head
from ledger.serialization import decode_event
from ledger.subscription import Subscription, SubscriptionState
from projections.coalescing import CoalescedReads

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.book_time import BookTime
    from ledger.decisions import Aggregate
    from projections.aggregates import Aggregates, Standing
    from projections.reader import Reader

READ_MOMENT: Final = """
    SELECT head.position, head.recorded_at, clock_timestamp(),
           (SELECT position FROM turns WHERE recorded_at <= %b::timestamptz
            ORDER BY recorded_at DESC, position DESC LIMIT 1)
    FROM (SELECT position, recorded_at FROM turns ORDER BY position DESC LIMIT 1) AS head
"""

READ_UP_TO: Final = """
    SELECT ledger_events.originator_id, ledger_events.originator_version, ledger_events.topic,
           ledger_events.state
    FROM unnest(%b::uuid[]) AS wanted (stream_id)
    JOIN ledger_events
      ON ledger_events.originator_id = wanted.stream_id
     AND ledger_events.notification_id <= %b::bigint
    ORDER BY ledger_events.originator_id, ledger_events.originator_version
"""

FanAndCreator = tuple[UUID, UUID | None]
"""Whose access, and to whom; to everybody without a creator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlement:
    """A fan's access to a creator, by their latest subscription; at most that one is live.

    `until` is when access ends if nothing more is recorded; None where there is no access, and
    while a period that has begun is being collected: then nothing but this instant is sure.
    """

    creator_id: UUID
    subscription_id: UUID
    tier_id: UUID
    state: SubscriptionState
    entitled: bool
    until: datetime | None


@dataclass(frozen=True, slots=True)
class EntitlementsRead:
    """Access at the instant `at`, by what is recorded up to `position`.

    `items` has a creator once; one that the fan never subscribed to is not in it.
    """

    position: int
    at: datetime
    items: list[Entitlement] = field(default_factory=list)


class Entitlements:
    """Fans' access. One object a process, so that concurrent reads coalesce."""

    def __init__(self, reader: Reader, aggregates: Aggregates, book_time: BookTime) -> None:
        self._reader = reader
        self._aggregates = aggregates
        self._book_time = book_time
        self._now: CoalescedReads[FanAndCreator, EntitlementsRead] = CoalescedReads(self._ask)

    async def to_creator(
        self, fan_id: UUID, creator_id: UUID, *, at: datetime | None = None
    ) -> EntitlementsRead:
        """A fan's access to one creator, now or at an instant. Raises `ReadUnavailable`."""
        return await self._get((fan_id, creator_id), at)

    async def of_fan(self, fan_id: UUID, at: datetime | None = None) -> EntitlementsRead:
        """A fan's access to every creator that they subscribed to. Raises `ReadUnavailable`."""
        return await self._get((fan_id, None), at)

    async def _get(self, key: FanAndCreator, at: datetime | None) -> EntitlementsRead:
        if at is not None:
            head, position = await self._moment(at)
            if at < self._time(head):
                return await self._past(key, at, position)
        found = await self._now.get(key)
        assert found is not None  # noqa: S101 - every fan is answered
        return found if at is None else _to_come(found, at)

    async def _moment(self, at: datetime) -> tuple[Head, int]:
        """The head, and the last position that was recorded at an instant or before it."""
        [(position, recorded_at, now, by_then)] = await self._reader.fetch(READ_MOMENT, [at])
        return Head(position, recorded_at, now), by_then or 0

    def _time(self, head: Head) -> datetime:
        """The book's time, as a turn on this head would have it."""
        return max(self._book_time.now(head), head.recorded_at)

    # Now.

    async def _ask(
        self, keys: list[FanAndCreator]
    ) -> dict[FanAndCreator, EntitlementsRead | Exception]:
        streams = {fan_id: fan_stream(fan_id) for fan_id, _ in keys}
        wanted = set(streams.values())
        known = {stream: self._aggregates.last_seen(stream) for stream in wanted}
        wanted.update(_subscriptions(keys, streams, known))
        while True:
            standing = await self._aggregates.read(wanted)
            # A fan who was not known, or has subscribed since.
            more = _subscriptions(keys, streams, standing.found) - wanted
            if not more:
                break
            wanted |= more
        at = self._time(standing.head)
        return {key: _answer(key, streams[key[0]], standing, at) for key in keys}

    # The past.

    async def _past(self, key: FanAndCreator, at: datetime, position: int) -> EntitlementsRead:
        stream = fan_stream(key[0])
        fan = (await self._up_to({stream}, position)).get(stream)
        latest = _latest(fan, key[1])
        found = await self._up_to(latest, position)
        items = [
            _entitlement(sub, at)
            for each in latest
            if isinstance(sub := found.get(each), Subscription)
        ]
        return EntitlementsRead(position, at, items)

    async def _up_to(self, streams: Iterable[UUID], position: int) -> dict[UUID, Aggregate]:
        """These streams as they stood at a position."""
        found: dict[UUID, Aggregate] = {}
        for stream, version, topic, state in await self._reader.fetch(
            READ_UP_TO, (list(streams), position)
        ):
            event = decode_event(topic, state, originator_id=stream, originator_version=version)
            found[stream] = evolve(found.get(stream), event)
        return found


def _latest(fan: Aggregate | None, creator_id: UUID | None) -> list[UUID]:
    """The fan's latest subscription to a creator, or to each."""
    if not isinstance(fan, Fan):
        return []
    if creator_id is None:
        return list(fan.subscriptions.values())
    latest = fan.subscriptions.get(creator_id)
    return [] if latest is None else [latest]


def _subscriptions(
    keys: Iterable[FanAndCreator], streams: dict[UUID, UUID], fans: dict[UUID, Any]
) -> set[UUID]:
    return {
        latest
        for fan_id, creator_id in keys
        for latest in _latest(fans.get(streams[fan_id]), creator_id)
    }


def _answer(
    key: FanAndCreator, stream: UUID, standing: Standing, at: datetime
) -> EntitlementsRead | Exception:
    latest = _latest(standing.found.get(stream), key[1])
    for each in (stream, *latest):
        if (error := standing.unreadable.get(each)) is not None:
            return error
    items = [
        _entitlement(sub, at)
        for each in latest
        if isinstance(sub := standing.found.get(each), Subscription)
    ]
    return EntitlementsRead(standing.head.position, at, items)


def _entitlement(sub: Subscription, at: datetime) -> Entitlement:
    entitled = sub.is_entitled(at)
    return Entitlement(
        creator_id=sub.creator_id,
        subscription_id=sub.id,
        tier_id=sub.tier_id,
        state=sub.state,
        entitled=entitled,
        until=_until(sub, at) if entitled else None,
    )


def _until(sub: Subscription, at: datetime) -> datetime | None:
    """When access ends that there is at an instant, if nothing more is recorded."""
    match sub.state:
        case SubscriptionState.TRIALING:
            return sub.trial_ends_at
        case SubscriptionState.PAST_DUE:
            return sub.grace_until
        case _:
            ends = (sub.cancel_at, sub.pause_at, sub.paid_until)
            return min((each for each in ends if each is not None and each > at), default=None)


def _to_come(now: EntitlementsRead, at: datetime) -> EntitlementsRead:
    """What is sure of an instant that has not come yet."""
    items = [
        each
        if each.until is not None and at < each.until
        else Entitlement(
            creator_id=each.creator_id,
            subscription_id=each.subscription_id,
            tier_id=each.tier_id,
            state=each.state,
            entitled=False,
            until=None,
        )
        for each in now.items
    ]
    return EntitlementsRead(now.position, at, items)
