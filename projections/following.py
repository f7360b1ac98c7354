"""How does somebody who watches learn at once of what concerns them? One follower a process.

    wake (NOTIFY, or every 250 ms) ─▶ read what the log got since, once for all who watch
        ─▶ tell each watch of its own: a creator's money, a stream that went on

It is all in memory: a watch begins at a position, and is told of everything after it. The follower
asks nothing while nobody watches. When it cannot follow, every watch fails: nobody is left with
what is old and looks new.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import psycopg
import structlog

from ledger.events import CreditSpent, PaymentSucceeded, ReceiptsAllocated
from projections.reader import LOOK_UP_SETTINGS, ReadUnavailable

if TYPE_CHECKING:
    from ledger.database.connections import BookLocation
    from projections.reader import Reader

logger = structlog.get_logger()

POLL_SECONDS: Final = 0.25
PAUSE_SECONDS: Final = 0.02
"""Between two looks at a log that is being written, so that they are few and large."""
AGAIN_SECONDS: Final = 1.0
BATCH: Final = 1_000
ARRIVALS_MAX: Final = 200
"""So many payments wait for one who watches, or are told to one who comes back."""
MISSED_LINES_MAX: Final = 1_000

ARRIVALS: Final = frozenset(
    {"payment.succeeded.v1", PaymentSucceeded.TOPIC, ReceiptsAllocated.TOPIC, CreditSpent.TOPIC}
)
"""With these a payment brings its creator money."""

# By key, line for line: nothing is joined as a whole.
READ_CHANGES: Final = """
    SELECT head.position, least(head.position, %(after)b::bigint + %(batch)b::bigint),
           (SELECT notification_id FROM ledger_tracking WHERE application_name = 'clock'),
           changes.position, changes.stream_id, changes.topic, changes.creator_id
    FROM (SELECT max(position) AS position FROM turns) AS head
    LEFT JOIN LATERAL (
        SELECT events.notification_id AS position, events.originator_id AS stream_id, events.topic,
               split_part(touched.account, ':', 2)::uuid AS creator_id
        FROM ledger_events AS events
        LEFT JOIN LATERAL (
            SELECT account_id FROM journal_lines
            WHERE journal_lines.position = events.notification_id OFFSET 0
        ) AS lines ON true
        LEFT JOIN LATERAL (
            SELECT account FROM balances
            WHERE balances.account_id = lines.account_id
              AND balances.account > 'creator:' AND balances.account < 'creator;' OFFSET 0
        ) AS touched ON true
        WHERE events.notification_id > %(after)b::bigint
          AND events.notification_id
              <= least(head.position, %(after)b::bigint + %(batch)b::bigint)
    ) AS changes ON true
    ORDER BY changes.position
"""

READ_MISSED: Final = """
    SELECT lines.position, events.originator_id, events.topic
    FROM balances
    CROSS JOIN LATERAL (
        SELECT position FROM journal_lines
        WHERE journal_lines.account_id = balances.account_id
          AND position > %(after)b::bigint AND position <= %(until)b::bigint
        ORDER BY position, line LIMIT %(limit)b::bigint
    ) AS lines
    JOIN ledger_events AS events ON events.notification_id = lines.position
    WHERE balances.account > 'creator:' || %(creator_id)b::uuid || ':'
      AND balances.account < 'creator:' || %(creator_id)b::uuid || ';'
    ORDER BY lines.position LIMIT %(limit)b::bigint
"""


class Arrival(NamedTuple):
    """A payment that brought a creator money, and the position of the event by which it did."""

    position: int
    payment_id: UUID


class News(NamedTuple):
    """What a watch was told of up to `position`; `lost` when there was more than it can keep."""

    position: int
    arrivals: list[Arrival]
    lost: bool


class Watch:
    """What concerns one creator, or one stream, since the watch began or was last asked."""

    def __init__(self, subject: UUID, position: int) -> None:
        self.subject = subject
        self.position = position
        # The clock's own tables follow the log; once it has seen this position, they have changed.
        self._settles_at: int | None = position
        self._arrivals: dict[int, UUID] = {}
        self._lost = False
        self._failed = False
        self._woken = asyncio.Event()

    async def wait(self, seconds_max: float) -> bool:
        """Whether there is news within so many seconds. Raises `ReadUnavailable`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds_max):
                await self._woken.wait()
        if self._failed:
            raise ReadUnavailable
        return self._woken.is_set()

    def take(self) -> News:
        """What is new; from here on it is not."""
        arrivals = [Arrival(*arrival) for arrival in self._arrivals.items()]
        news = News(self.position, arrivals, self._lost)
        self._arrivals, self._lost = {}, False
        self._woken.clear()
        return news

    def tell(self, position: int, stream_id: UUID, topic: str) -> None:
        """Something that concerns it was recorded."""
        self._settles_at = position
        self._woken.set()
        if topic not in ARRIVALS or stream_id == self.subject:
            return
        if len(self._arrivals) >= ARRIVALS_MAX:
            self._arrivals, self._lost = {}, True
        if not self._lost:
            self._arrivals[position] = stream_id

    def reach(self, position: int, clock: int | None) -> None:
        """It was told of everything up to a position, and the clock of all up to another."""
        self.position = max(self.position, position)
        if self._settles_at is not None and clock is not None and clock >= self._settles_at:
            self._settles_at = None
            self._woken.set()

    def fail(self) -> None:
        """Nothing more will be told."""
        self._failed = True
        self._woken.set()


class Follower:
    """Follows the log for those who watch. Used in one event loop."""

    def __init__(self, book: BookLocation, reader: Reader) -> None:
        self._book = book
        self._reader = reader
        self._watches: dict[UUID, set[Watch]] = {}
        self._position: int | None = None
        self._watched = asyncio.Event()
        self._following = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stop following; whoever watches fails."""
        self._following.cancel()
        with suppress(asyncio.CancelledError):
            await self._following
        self._fail()

    async def watch(self, subject: UUID, *, after: int = 0) -> Watch:
        """Watch a creator or a stream from now on, and after a position that the log has reached.

        Raises `ReadUnavailable`.
        """
        head = None if self._position is not None else await self._reader.position()
        if self._position is None:
            self._position = head
        assert self._position is not None  # noqa: S101 - just set, if it was not before
        watch = Watch(subject, max(self._position, after))
        self._watches.setdefault(subject, set()).add(watch)
        self._watched.set()
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Watch no longer; may be called again."""
        watches = self._watches.get(watch.subject, set())
        watches.discard(watch)
        if not watches:
            self._watches.pop(watch.subject, None)
        if not self._watches:
            self._position = None
            self._watched.clear()

    async def _follow(self) -> None:
        while True:
            await self._watched.wait()
            try:
                await self._follow_while_watched()
            except Exception:
                # Whatever it is: those who watch are not left without a word.
                logger.exception("following_interrupted")
                self._fail()
                await asyncio.sleep(AGAIN_SECONDS)

    async def _follow_while_watched(self) -> None:
        settings = self._book.conninfo(LOOK_UP_SETTINGS)
        connecting = psycopg.AsyncConnection.connect(settings, autocommit=True)
        async with await connecting as connection:
            await connection.execute("LISTEN ledger_events")
            while self._watches:
                while await self._look():
                    pass
                await asyncio.sleep(PAUSE_SECONDS)
                async for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
                    pass

    async def _look(self) -> bool:
        """Tell of the next batch; whether there is more."""
        after = self._position
        if after is None:
            return False
        rows = await self._reader.fetch(READ_CHANGES, {"after": after, "batch": BATCH})
        if self._position != after:
            # Nobody watched in between, and who does now began elsewhere.
            return True
        head, until, clock = rows[0][:3]
        self._tell(rows)
        for watches in self._watches.values():
            for watch in watches:
                watch.reach(until, clock)
        self._position = until
        return bool(until < head)

    def _tell(self, rows: list[tuple[Any, ...]]) -> None:
        for *_, position, stream_id, topic, creator_id in rows:
            for subject in {stream_id, creator_id}.intersection(self._watches):
                for watch in self._watches[subject]:
                    if position > watch.position:
                        watch.tell(position, stream_id, topic)

    def _fail(self) -> None:
        for watches in list(self._watches.values()):
            for watch in list(watches):
                watch.fail()
                self.unwatch(watch)


async def missed_arrivals(
    reader: Reader, creator_id: UUID, *, after: int, until: int
) -> list[Arrival] | None:
    """Payments that brought a creator money after a position and up to another, in order.

    None when there were more than `ARRIVALS_MAX`, or too many lines to look through. Raises
    `ReadUnavailable`.
    """
    if after >= until:
        return []
    rows = await reader.fetch(
        READ_MISSED,
        {
            "creator_id": creator_id,
            "after": after,
            "until": until,
            "limit": MISSED_LINES_MAX + 1,
        },
    )
    arrivals = {position: stream_id for position, stream_id, topic in rows if topic in ARRIVALS}
    if len(rows) > MISSED_LINES_MAX or len(arrivals) > ARRIVALS_MAX:
        return None
    return [Arrival(*arrival) for arrival in arrivals.items()]
