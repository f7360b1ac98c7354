"""Where it is counted how often somebody asked: in this process, or in the database for all.

Both are storages of the `limits` library for its fixed windows. Its own storage in memory looks
through every key at every hit, which costs a request a millisecond at ten thousand subjects.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from limits.aio.storage import Storage

from ledger.errors import LedgerError

if TYPE_CHECKING:
    from projections.reader import Reader

SWEEP_SECONDS: Final = 10.0
BATCH_MAX: Final = 256

COUNT: Final = """
    INSERT INTO rate_limit_windows AS counted (key, hits, ends_at)
    SELECT key, hits, now() + make_interval(secs => seconds)
    FROM unnest(%b::text[], %b::integer[], %b::integer[]) AS asked (key, hits, seconds)
    ORDER BY key
    ON CONFLICT (key) DO UPDATE SET
        hits = CASE WHEN counted.ends_at <= now() THEN excluded.hits
                    ELSE counted.hits + excluded.hits END,
        ends_at = CASE WHEN counted.ends_at <= now() THEN excluded.ends_at
                       ELSE counted.ends_at END
    RETURNING key, hits
"""
LOOK: Final = """
    SELECT hits, extract(epoch FROM ends_at)::float8 FROM rate_limit_windows
    WHERE key = %b::text AND ends_at > now()
"""
FORGET: Final = "DELETE FROM rate_limit_windows WHERE key = %b::text RETURNING 1"
FORGET_ALL: Final = "DELETE FROM rate_limit_windows RETURNING 1"
ASK: Final = "SELECT 1"


class _Windows(Storage):
    """What both have in common; an error is the caller's to see as it is."""

    STORAGE_SCHEME: list[str] | None = None

    @property
    def base_exceptions(self) -> type[Exception]:
        """What the library would wrap if it were asked to."""
        return LedgerError


class LocalWindows(_Windows):
    """Counted in this process."""

    def __init__(self) -> None:
        super().__init__()
        self._windows: dict[str, tuple[int, float]] = {}
        self._swept_at = time.time()

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Hits of this key in its window, with these."""
        now = time.time()
        if now - self._swept_at > SWEEP_SECONDS:
            self._sweep(now)
        hits, ends_at = self._windows.get(key, (0, 0.0))
        if ends_at <= now:
            hits, ends_at = 0, now + expiry
        self._windows[key] = (hits + amount, ends_at)
        return hits + amount

    async def get(self, key: str) -> int:
        """Hits of this key in its window."""
        hits, ends_at = self._windows.get(key, (0, 0.0))
        return hits if ends_at > time.time() else 0

    async def get_expiry(self, key: str) -> float:
        """When its window ends, in seconds since 1970."""
        return self._windows.get(key, (0, time.time()))[1]

    async def check(self) -> bool:
        """Whether it can count."""
        return True

    async def reset(self) -> int:
        """Forget everything; how many windows there were."""
        count = len(self._windows)
        self._windows.clear()
        return count

    async def clear(self, key: str) -> None:
        """Forget one window."""
        self._windows.pop(key, None)

    def _sweep(self, now: float) -> None:
        self._windows = {key: each for key, each in self._windows.items() if each[1] > now}
        self._swept_at = now


@dataclass(slots=True)
class _Hit:
    key: str
    seconds: int
    amount: int
    counted: asyncio.Future[int]


class SharedWindows(_Windows):
    """Counted in the database, for every process that asks it; hits that wait go together.

    Every method raises `ReadUnavailable` when it cannot be reached.
    """

    def __init__(self, tables: Reader) -> None:
        super().__init__()
        self._tables = tables
        self._waiting: list[_Hit] = []
        self._counting: asyncio.Task[None] | None = None

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Hits of this key in its window, with these."""
        counted: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Hit(key, int(expiry), amount, counted))
        if self._counting is None:
            self._counting = asyncio.create_task(self._count())
        return await counted

    async def get(self, key: str) -> int:
        """Hits of this key in its window."""
        found = await self._tables.fetch(LOOK, [key])
        return int(found[0][0]) if found else 0

    async def get_expiry(self, key: str) -> float:
        """When its window ends, in seconds since 1970."""
        found = await self._tables.fetch(LOOK, [key])
        return float(found[0][1]) if found else time.time()

    async def check(self) -> bool:
        """Whether it can count."""
        await self._tables.fetch(ASK)
        return True

    async def reset(self) -> int:
        """Forget everything; how many windows there were."""
        return len(await self._tables.fetch(FORGET_ALL))

    async def clear(self, key: str) -> None:
        """Forget one window."""
        await self._tables.fetch(FORGET, [key])

    async def _count(self) -> None:
        batch: list[_Hit] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
                await self._count_batch(batch)
        finally:
            # Cut short only when the loop is being closed: nobody will be answered any more.
            for hit in (*batch, *self._waiting):
                hit.counted.cancel()
            self._waiting = []
            self._counting = None

    async def _count_batch(self, batch: list[_Hit]) -> None:
        asked: dict[str, tuple[int, int]] = {}
        for hit in batch:
            asked[hit.key] = (asked.get(hit.key, (0, 0))[0] + hit.amount, hit.seconds)
        columns: list[list[Any]] = [
            list(asked),
            [hits for hits, _ in asked.values()],
            [seconds for _, seconds in asked.values()],
        ]
        try:
            found = dict(await self._tables.fetch(COUNT, columns))
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing was counted
            for hit in batch:
                if not hit.counted.done():
                    hit.counted.set_exception(error)
            return
        # Whoever came first has the smallest number.
        for hit in reversed(batch):
            if not hit.counted.done():
                hit.counted.set_result(found[hit.key])
            found[hit.key] -= hit.amount
