"""What goes on after an answer was given: it ends, or it is dropped with the process."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_logger = logging.getLogger(__name__)


class Background:
    """Work that outlives its request, and requests that hang on purpose.

    It sets no limit: whoever starts work remembers it, and so bounds it.
    """

    def __init__(self, hang_seconds: float) -> None:
        self._hang_seconds = hang_seconds
        self._working: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    def start(
        self, work: Coroutine[object, object, None], *, what: str, then: Callable[[], None]
    ) -> asyncio.Task[None]:
        """Start ``work`` and call ``then`` when it has ended; ``what`` names it if it breaks."""
        task = asyncio.create_task(work)
        # The event loop keeps only a weak reference to a task.
        self._working.add(task)
        task.add_done_callback(lambda done: self._ended(done, what, then))
        return task

    async def hang(self, until: asyncio.Task[None] | None = None) -> None:
        """Wait for ``hang_seconds``, or until the task is done, or until the process stops."""
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait(
            {stopping, until} if until else {stopping},
            timeout=self._hang_seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        stopping.cancel()

    def stop_hanging(self) -> None:
        """Answer everything that hangs now, so that the process can stop."""
        self._stopping.set()

    async def close(self) -> None:
        """Drop the work that is still going on."""
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None], what: str, then: Callable[[], None]) -> None:
        self._working.discard(task)
        then()
        if not task.cancelled() and (error := task.exception()):
            _logger.error("%s broke", what, exc_info=error)
