"""How do many concurrent reads become one? While a query is in flight the others gather.

Whoever asks joins the next query, never the one in flight: that one may have taken its snapshot
already, and a caller must see what was written before they asked. So there is one query at a time,
and load makes it larger, not more frequent.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Mapping

    Key = TypeVar("Key", bound=Hashable)
else:
    Key = TypeVar("Key")
Answer = TypeVar("Answer")

BATCH_KEYS_MAX: Final = 256


class CoalescedReads(Generic[Key, Answer]):
    """Answers by key; `ask` brings those of many keys at once, leaving out what does not exist.

    Used in one event loop. A caller who is cancelled disturbs nobody. An error that `ask` raises
    reaches everybody it was asked for; one that it returns for a key, only those of that key.
    """

    def __init__(
        self,
        ask: Callable[[list[Key]], Awaitable[Mapping[Key, Answer | Exception]]],
        *,
        batch_keys_max: int = BATCH_KEYS_MAX,
    ) -> None:
        self._ask = ask
        self._batch_keys_max = batch_keys_max
        self._waiting: dict[Key, list[asyncio.Future[Answer | None]]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def get(self, key: Key) -> Answer | None:
        """The answer for a key, as true as when this was called, or None when there is none."""
        future: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_while_wanted())
        return await future

    async def _ask_while_wanted(self) -> None:
        batch: dict[Key, list[asyncio.Future[Answer | None]]] = {}
        try:
            while self._waiting:
                batch = self._take()
                await self._answer(batch)
        finally:
            # Cut short only when the loop is being closed: then nobody will be answered any more.
            for futures in (*batch.values(), *self._waiting.values()):
                for future in futures:
                    future.cancel()
            self._waiting = {}
            self._asking = None

    def _take(self) -> dict[Key, list[asyncio.Future[Answer | None]]]:
        if len(self._waiting) <= self._batch_keys_max:
            batch, self._waiting = self._waiting, {}
            return batch
        keys = list(self._waiting)[: self._batch_keys_max]
        return {key: self._waiting.pop(key) for key in keys}

    async def _answer(self, batch: dict[Key, list[asyncio.Future[Answer | None]]]) -> None:
        try:
            answers = await self._ask(list(batch))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the callers' to handle
            for futures in batch.values():
                for future in futures:
                    if not future.done():
                        future.set_exception(error)
            return
        for key, futures in batch.items():
            answer = answers.get(key)
            for future in futures:
                if future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
