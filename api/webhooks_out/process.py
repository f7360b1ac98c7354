"""`hesabu webhooks`: follows the log, and sends what happened to those who asked for it.

Each endpoint that is due has a lane: a few messages at a time, of a stream one after the other. A
receiver that is slow or dead holds up its own lane and no other: those that fail share few places
of their own. Any number of processes may run; an endpoint is one process's at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import httpx
import psycopg
import structlog

from api.webhooks_out.sender import Answer, Envelope, Sender, Timed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from api.metrics import Metrics
    from api.settings import Settings
    from api.webhooks_out.board import Leased, Seen, SendingBoard, Waiting
    from api.webhooks_out.guard import Guard

logger = structlog.get_logger()

LANES_MAX: Final = 500
CLAIMED_AT_ONCE_MAX: Final = 50
"""So that other processes get some of many that are due."""
AT_ONCE_MAX: Final = 8
"""Messages on their way to one endpoint, each of another stream."""
HEALTHY_AT_ONCE_MAX: Final = 128
FAILING_AT_ONCE_MAX: Final = 32
IDLE_SECONDS: Final = 0.25
HOUSE_SECONDS: Final = 60.0


class WebhookProcess:
    """One process's work. `run` returns after `stop`. Used in one event loop."""

    def __init__(
        self,
        board: SendingBoard,
        guard: Guard,
        settings: Settings,
        *,
        metrics: Metrics,
        notify: Callable[[Leased, str], Awaitable[None]],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._board = board
        self._guard = guard
        self._settings = settings
        self._metrics = metrics
        self._notify = notify
        self._tls = tls or httpx.create_ssl_context(trust_env=False)
        self._stopping = asyncio.Event()
        self._healthy = asyncio.Semaphore(HEALTHY_AT_ONCE_MAX)
        self._failing = asyncio.Semaphore(FAILING_AT_ONCE_MAX)

    def stop(self) -> None:
        """Finish what is under way and return from `run`."""
        self._stopping.set()

    async def run(self) -> None:
        """Follow and send until stopped."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._again(self._follow, IDLE_SECONDS))
            group.create_task(self._again(self._keep_house, HOUSE_SECONDS))
            group.create_task(self._open_lanes())

    async def _again(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Do it again and again, whatever happens."""
        while not self._stopping.is_set():
            try:
                await work()
            except Exception:
                # The database may be away for a while; everything is safe in it.
                logger.exception("webhooks_interrupted")
            await self._pause(seconds)

    async def _follow(self) -> None:
        followed = 1
        while followed and not self._stopping.is_set():
            followed = await asyncio.to_thread(self._board.follow)

    async def _keep_house(self) -> None:
        await asyncio.to_thread(self._board.keep_house, self._settings.webhooks_kept_days)

    async def _open_lanes(self) -> None:
        lanes: set[asyncio.Task[None]] = set()
        while not self._stopping.is_set():
            found: list[Leased] = []
            try:
                room = min(LANES_MAX - len(lanes), CLAIMED_AT_ONCE_MAX)
                if room > 0:
                    found = await asyncio.to_thread(self._board.claim, room)
            except Exception:
                logger.exception("webhook_endpoints_not_claimed")
            for endpoint in found:
                lane = asyncio.create_task(self._lane(endpoint))
                lanes.add(lane)
                lane.add_done_callback(lanes.discard)
            await self._pause(IDLE_SECONDS)
        if lanes:
            await asyncio.wait(lanes)

    async def _lane(self, endpoint: Leased) -> None:
        try:
            lane = Lane(self, endpoint)
            try:
                await lane.run()
            finally:
                await asyncio.to_thread(self._board.give_back, endpoint)
        except Exception:
            # Its lease ends by itself; one must not stop the others.
            logger.exception("webhook_lane_failed", endpoint_id=str(endpoint.endpoint_id))

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    @property
    def is_stopping(self) -> bool:
        """Whether nothing new is to be begun."""
        return self._stopping.is_set()

    @property
    def board(self) -> SendingBoard:
        """The database."""
        return self._board

    @property
    def lease_seconds(self) -> float:
        """For how long a look keeps an endpoint."""
        return self._settings.webhooks_lease_seconds

    def sender(self, url: str) -> Sender:
        """A sender to one URL."""
        timeout = self._settings.webhooks_timeout_seconds
        return Sender(url, self._guard, timeout_seconds=timeout, tls=self._tls)

    def place(self, seen: Seen) -> asyncio.Semaphore:
        """Where a message waits for its turn among those of all endpoints."""
        return self._failing if seen.failures else self._healthy

    async def ended(self, endpoint: Leased, outcome: str, reason: str | None) -> None:
        """An attempt has ended; `reason` says why the endpoint was disabled, if it was."""
        self._metrics.webhook_attempt(outcome)
        if reason is not None:
            logger.warning(
                "webhook_endpoint_disabled",
                endpoint_id=str(endpoint.endpoint_id),
                reason=reason,
            )
            await self._notify(endpoint, reason)


class Lane:
    """What one endpoint gets, while this process holds it."""

    def __init__(self, process: WebhookProcess, endpoint: Leased) -> None:
        self._process = process
        self._board = process.board
        self._endpoint = endpoint
        self._held_until = 0.0
        self._in_flight: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Send until there is nothing to send, or the endpoint is not ours any more."""
        async with self._process.sender(self._endpoint.url) as sender:
            try:
                while not self._process.is_stopping and await self._step(sender):
                    pass
            finally:
                if self._in_flight:
                    await asyncio.wait(list(self._in_flight.values()))

    async def _step(self, sender: Sender) -> bool:
        """Look once and begin what is due; whether to go on."""
        held_until = time.monotonic() + self._process.lease_seconds
        free = AT_ONCE_MAX - len(self._in_flight)
        seen = await asyncio.to_thread(
            self._board.look, self._endpoint, list(self._in_flight), free
        )
        if seen is None or seen.url != self._endpoint.url:
            return False
        self._held_until = held_until
        for waiting in seen.messages:
            task = asyncio.create_task(self._deliver(sender, seen, waiting))
            self._in_flight[waiting.number] = task
            task.add_done_callback(partial(self._landed, waiting.number))
        came_on = seen.comes_after and await asyncio.to_thread(self._board.catch_up, self._endpoint)
        if self._in_flight:
            await asyncio.wait(
                list(self._in_flight.values()),
                timeout=self._process.lease_seconds / 3,
                return_when=asyncio.FIRST_COMPLETED,
            )
            return True
        return came_on

    def _landed(self, number: int, _: asyncio.Task[None]) -> None:
        self._in_flight.pop(number, None)

    async def _deliver(self, sender: Sender, seen: Seen, waiting: Waiting) -> None:
        try:
            async with self._process.place(seen):
                # Whoever was stopped for long may not hold it any more.
                if time.monotonic() >= self._held_until:
                    return
                timed = await self._try(sender, seen, waiting)
            if timed is None:
                await asyncio.to_thread(self._board.skip, waiting)
                return
            reason = await asyncio.to_thread(self._board.settle, self._endpoint, waiting, timed)
            outcome = timed.answer.error or "delivered"
            await self._process.ended(self._endpoint, outcome, reason)
        except Exception:
            # What was not kept is sent again.
            logger.exception("webhook_not_settled", webhook_id=waiting.webhook_id)
            await asyncio.sleep(IDLE_SECONDS)

    async def _try(self, sender: Sender, seen: Seen, waiting: Waiting) -> Timed | None:
        """How it ended; None when it is nothing for this endpoint."""
        try:
            message = await asyncio.to_thread(self._board.make, self._endpoint, waiting)
        except psycopg.Error:
            raise
        except Exception:
            # A defect of ours holds up one stream, not the whole endpoint.
            logger.exception("webhook_not_made", webhook_id=waiting.webhook_id)
            return Timed(Answer(None, "not_made"), datetime.now(UTC), 0)
        if message is None:
            return None
        return await sender.send(Envelope(waiting.webhook_id, message.body), seen.secrets)
