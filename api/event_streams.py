"""Which event streams does this process hold? Bounded for a subject and altogether."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

from api.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.auth import Caller
    from api.metrics import Metrics
    from projections.following import Follower

RETRY_AFTER_SECONDS: Final = 5


class EventStreams:
    """What the event streams of a process share. Made and used in one event loop."""

    def __init__(
        self, follower: Follower, metrics: Metrics, *, streams_max: int, streams_of_subject_max: int
    ) -> None:
        self.follower = follower
        self.stopping: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._metrics = metrics
        self._streams_max = streams_max
        self._streams_of_subject_max = streams_of_subject_max
        self._open: Counter[str] = Counter()

    def enter(self, caller: Caller) -> Callable[[], None]:
        """Count one more stream; what is given must be called once, when it has ended.

        Raises 429 when there is no place for it.
        """
        if self._open[caller.name] >= self._streams_of_subject_max:
            _refuse("You have as many event streams open as you may. Close one, or use it again.")
        if self._open.total() >= self._streams_max:
            _refuse("There are as many event streams open as this process serves. Try again.")
        self._open[caller.name] += 1
        self._metrics.event_streams(self._open.total())
        return partial(self._leave, caller.name)

    def stop(self) -> None:
        """End every stream, and each that comes."""
        if not self.stopping.done():
            self.stopping.set_result(None)

    def _leave(self, subject: str) -> None:
        self._open[subject] -= 1
        if not self._open[subject]:
            del self._open[subject]
        self._metrics.event_streams(self._open.total())


def _refuse(message: str) -> None:
    raise ApiError(
        429, "too_many_streams", message, headers={"Retry-After": str(RETRY_AFTER_SECONDS)}
    )
