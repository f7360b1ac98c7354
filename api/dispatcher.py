"""The dispatcher: from the log to calls at providers, never inside a request.

It follows the log and keeps one task for each thing that a provider must still be asked about: an
open payment, a refund, a payout. Before the first call the right to it is recorded, and only the
dispatcher whose command won may call the provider, once. What comes back is a command like any
other. A call without an answer is unknown after its deadline: then the provider is asked, never
called again. A result that could not be recorded brings the task back. What each kind does is in
api/dispatcher_payments.py, dispatcher_refunds.py and dispatcher_payouts.py; what is done about a
callback that proves nothing by itself in dispatcher_hints.py.

Notices to people are tasks too (api/notifications/outbox.py), in a lane of their own.

Any number of dispatchers may run: following is a compare-and-set on the tracking row in the
transaction of its tasks; tasks are claimed with SKIP LOCKED and come back if their holder dies.
Each provider has its own bound, so a slow one holds up no other.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from api.dispatcher_desk import Desk
from api.dispatcher_hints import HintTasks
from api.dispatcher_payments import LateTasks, PaymentTasks
from api.dispatcher_payouts import PayoutTasks
from api.dispatcher_refunds import RefundTasks
from api.dispatcher_tasks import NOTIFICATIONS
from api.housekeeping import INTERVAL_SECONDS
from api.notifications.outbox import NotificationTasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from api.dispatcher_tasks import Task, TaskBoard
    from api.notifications.port import Channel, Notifier
    from api.providers.port import Provider
    from api.settings import Settings
    from ledger.application import Ledger
    from ledger.key_store import KeyStore

logger = structlog.get_logger()

AT_ONCE_MAX: Final = 64
"""Calls under way at one provider."""
NOTICES_AT_ONCE_MAX: Final = 16
"""Few, so that a rush of receipts takes nothing from the prompts."""
IDLE_SECONDS: Final = 0.25
HINTS_SECONDS: Final = 0.5
"""How long a callback waits at most before its provider is asked about it."""


class Tasks(Protocol):
    """What is done about one kind of task."""

    async def step(self, provider: Provider, task: Task) -> datetime | None:
        """Do what is needed now; when to look again, or None when it has ended."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Tasks that share a bound, under one name in the table: a provider's, or the notices."""

    name: str
    at_once_max: int
    step: Callable[[Task], Awaitable[datetime | None]]


class Dispatcher:
    """One dispatcher process's work. `run` returns after `stop`."""

    def __init__(
        self,
        ledger: Ledger,
        board: TaskBoard,
        key_store: KeyStore,
        *,
        providers: Mapping[str, Provider],
        notifiers: Mapping[Channel, Notifier],
        settings: Settings,
    ) -> None:
        self._board = board
        self._key_store = key_store
        self._desk = Desk(ledger, board, key_store, settings)
        self._stopping = self._desk.stopping
        payments = PaymentTasks(self._desk)
        self._kinds: Mapping[str, Tasks] = {
            "payment": payments,
            "till": payments,
            "refund": RefundTasks(self._desk),
            "payout": PayoutTasks(self._desk),
            "late": LateTasks(payments),
            "hint": HintTasks(self._desk),
        }
        self._lanes = [
            *(
                Lane(each.name, AT_ONCE_MAX, partial(self._ask, each))
                for each in providers.values()
            ),
            Lane(NOTIFICATIONS, NOTICES_AT_ONCE_MAX, NotificationTasks(self._desk, notifiers).step),
        ]

    def stop(self) -> None:
        """Finish what is under way and return from `run`."""
        self._stopping.set()

    async def run(self) -> None:
        """Work on the tasks of every lane until stopped."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_house())
            group.create_task(self._look_for_hints())
            for lane in self._lanes:
                group.create_task(self._serve(lane))

    async def _keep_house(self) -> None:
        while not self._stopping.is_set():
            try:
                await asyncio.to_thread(self._board.keep_house, self._key_store)
            except Exception:
                # It can wait for an hour; prompts cannot.
                logger.exception("house_not_kept")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), INTERVAL_SECONDS)

    async def _look_for_hints(self) -> None:
        providers = [lane.name for lane in self._lanes if lane.name != NOTIFICATIONS]
        while not self._stopping.is_set():
            try:
                await asyncio.to_thread(self._board.add_hints, providers)
            except Exception:
                # They wait in the inbox for as long as it takes.
                logger.exception("hints_not_found")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), HINTS_SECONDS)

    async def _ask(self, provider: Provider, task: Task) -> datetime | None:
        return await self._kinds[task.kind].step(provider, task)

    async def _serve(self, lane: Lane) -> None:
        under_way: set[asyncio.Task[None]] = set()
        while not self._stopping.is_set():
            free = lane.at_once_max - len(under_way)
            tasks: list[Task] = []
            if free:
                try:
                    tasks = await asyncio.to_thread(
                        self._board.claim, lane.name, free, self._lease_seconds()
                    )
                except Exception:
                    # The database may be away for a while; the tasks are safe in it.
                    logger.exception("tasks_not_claimed", lane=lane.name)
            for task in tasks:
                work = asyncio.create_task(self._work(lane, task))
                under_way.add(work)
                work.add_done_callback(under_way.discard)
            if not tasks:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), IDLE_SECONDS)
            elif len(under_way) >= lane.at_once_max:
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        if under_way:
            await asyncio.wait(under_way)

    def _lease_seconds(self) -> float:
        # Longer than a call and its recording, so that only a dead holder's task comes back.
        return 2.0 * self._desk.deadline_seconds

    async def _work(self, lane: Lane, task: Task) -> None:
        try:
            due_at = await lane.step(task)
            await asyncio.to_thread(self._board.finish, task, due_at)
        except Exception:
            # The task comes back when its lease is over; one must not stop the others.
            logger.exception("task_failed", kind=task.kind, stream=str(task.stream_id))
