"""The dispatcher: from the log to calls at providers, never inside a request.

It follows the log and keeps one task for each thing that a provider must still be asked about: an
open payment, a refund, a payout. Before the first call the right to it is recorded, and only the
dispatcher whose command won may call the provider, once. What comes back is a command like any
other. A call without an answer is unknown after its deadline: then the provider is asked, never
called again. A result that could not be recorded brings the task back. What each kind does is in
api/dispatcher_payments.py, dispatcher_refunds.py and dispatcher_payouts.py.

Any number of dispatchers may run: following is a compare-and-set on the tracking row in the
transaction of its tasks; tasks are claimed with SKIP LOCKED and come back if their holder dies.
Each provider has its own bound, so a slow one holds up no other.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from api.dispatcher_desk import Desk
from api.dispatcher_payments import PaymentTasks
from api.dispatcher_payouts import PayoutTasks
from api.dispatcher_refunds import RefundTasks
from api.housekeeping import INTERVAL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from api.dispatcher_tasks import Task, TaskBoard
    from api.providers.port import Provider
    from api.settings import Settings
    from ledger.application import Ledger
    from ledger.key_store import KeyStore

logger = structlog.get_logger()

AT_ONCE_MAX: Final = 64
"""Calls under way at one provider."""
IDLE_SECONDS: Final = 0.25


class Tasks(Protocol):
    """What is done about one kind of task."""

    async def step(self, provider: Provider, task: Task) -> datetime | None:
        """Do what is needed now; when to look again, or None when it has ended."""


class Dispatcher:
    """One dispatcher process's work. `run` returns after `stop`."""

    def __init__(
        self,
        ledger: Ledger,
        board: TaskBoard,
        key_store: KeyStore,
        providers: Mapping[str, Provider],
        settings: Settings,
    ) -> None:
        self._board = board
        self._key_store = key_store
        self._providers = providers
        self._desk = Desk(ledger, board, key_store, settings)
        self._stopping = self._desk.stopping
        self._kinds: Mapping[str, Tasks] = {
            "payment": PaymentTasks(self._desk),
            "refund": RefundTasks(self._desk),
            "payout": PayoutTasks(self._desk),
        }

    def stop(self) -> None:
        """Finish what is under way and return from `run`."""
        self._stopping.set()

    async def run(self) -> None:
        """Work on the tasks of every provider until stopped."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_house())
            for provider in self._providers.values():
                group.create_task(self._serve(provider))

    async def _keep_house(self) -> None:
        while not self._stopping.is_set():
            try:
                await asyncio.to_thread(self._board.keep_house, self._key_store)
            except Exception:
                # It can wait for an hour; prompts cannot.
                logger.exception("house_not_kept")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), INTERVAL_SECONDS)

    async def _serve(self, provider: Provider) -> None:
        under_way: set[asyncio.Task[None]] = set()
        while not self._stopping.is_set():
            free = AT_ONCE_MAX - len(under_way)
            tasks: list[Task] = []
            if free:
                try:
                    tasks = await asyncio.to_thread(
                        self._board.claim, provider.name, free, self._lease_seconds()
                    )
                except Exception:
                    # The database may be away for a while; the tasks are safe in it.
                    logger.exception("tasks_not_claimed", provider=provider.name)
            for task in tasks:
                work = asyncio.create_task(self._work(provider, task))
                under_way.add(work)
                work.add_done_callback(under_way.discard)
            if not tasks:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), IDLE_SECONDS)
            elif len(under_way) >= AT_ONCE_MAX:
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        if under_way:
            await asyncio.wait(under_way)

    def _lease_seconds(self) -> float:
        # Longer than a call and its recording, so that only a dead holder's task comes back.
        return 2.0 * self._desk.deadline_seconds

    async def _work(self, provider: Provider, task: Task) -> None:
        try:
            due_at = await self._kinds[task.kind].step(provider, task)
            await asyncio.to_thread(self._board.finish, task, due_at)
        except Exception:
            # The task comes back when its lease is over; one must not stop the others.
            logger.exception("task_failed", kind=task.kind, stream=str(task.stream_id))
