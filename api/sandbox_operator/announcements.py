"""How a callback is sent because somebody asked the operator for it, in the order of asking."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from api.sandbox_operator.delivery import Message
from api.sandbox_operator.errors import MemoryFull

if TYPE_CHECKING:
    from api.sandbox_operator.background import Background
    from api.sandbox_operator.callbacks import Callback
    from api.sandbox_operator.delivery import Courier
    from api.sandbox_operator.settings import OperatorSettings


class Announcements:
    """Sends each callback after the one before it about the same thing, retries included."""

    def __init__(
        self, settings: OperatorSettings, courier: Courier, background: Background
    ) -> None:
        self._open_max = settings.announcements_open_max
        self._courier = courier
        self._background = background
        self._last: dict[str, asyncio.Task[None]] = {}
        self._open = 0

    def send(self, callback: Callback, *, about: str) -> None:
        """Send ``callback`` soon, after what was asked for earlier ``about`` the same thing.

        Raises:
            MemoryFull: too many callbacks wait for their turn or for an acknowledgement.

        """
        if self._open >= self._open_max:
            raise MemoryFull
        message = Message.of(callback)
        self._open += 1
        self._last[about] = task = self._background.start(
            self._deliver(message, after=self._last.get(about)),
            what=f"callback {message.webhook_id}",
            then=self._close_one,
        )
        task.add_done_callback(lambda done: self._forget(about, done))

    async def _deliver(self, message: Message, *, after: asyncio.Task[None] | None) -> None:
        if after:
            await asyncio.wait({after})
        await self._courier.deliver(message)

    def _close_one(self) -> None:
        self._open -= 1

    def _forget(self, about: str, task: asyncio.Task[None]) -> None:
        if self._last.get(about) is task:
            del self._last[about]
