"""What every kind of task needs: the ledger, the settings, and results that are surely recorded."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog

from api.providers.port import Declined, NoAnswer
from api.report_commands import command_of
from ledger.book_time import seen_from_here
from ledger.commands import IdempotencyKey
from ledger.errors import Unavailable
from ledger.key_store import KeyDestroyedError
from ledger.vault import unseal

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from uuid import UUID

    from api.dispatcher_tasks import TaskBoard
    from api.providers.port import Initiation, Polling
    from api.settings import Settings
    from ledger.application import Ledger
    from ledger.commands import AnyReport
    from ledger.decisions import LedgerCommand
    from ledger.key_store import KeyStore
    from ledger.outcome import Outcome

logger = structlog.get_logger()

ACTOR: Final = "dispatcher"
STORE_AGAIN_SECONDS: Final = 0.5


@dataclass(slots=True)
class Desk:
    """Shared by the kinds of tasks of one dispatcher."""

    ledger: Ledger
    board: TaskBoard
    key_store: KeyStore
    settings: Settings
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def now(self) -> datetime:
        """The book's time, in which expiries and deadlines are recorded."""
        return seen_from_here(self.ledger.book_time)

    @property
    def deadline_seconds(self) -> int:
        """After so long a submission without a recorded result is unknown."""
        margin = self.settings.submission_margin_seconds
        return int(self.settings.provider_timeout_seconds) + margin

    def pause(self, polling: Polling, tries: int) -> timedelta:
        """How long to wait before the provider is asked again: twice as long each time."""
        seconds = polling.first_seconds * 2.0 ** min(max(tries - 1, 0), 10)
        return timedelta(seconds=min(seconds, polling.seconds_max))

    async def phone(self, entry_id: UUID) -> str | Declined:
        """A phone number from the vault, or why nothing can be sent to it."""
        try:
            return await asyncio.to_thread(self._unseal, entry_id)
        except KeyDestroyedError:
            return Declined("person_erased")

    def _unseal(self, entry_id: UUID) -> str:
        entry = self.board.vault_entry(entry_id)
        if entry is None:
            raise KeyDestroyedError(entry_id)
        return unseal(self.key_store, entry)

    async def in_time(self, call: Awaitable[Initiation]) -> Initiation:
        """A call to a provider, given up after the time-out: it may have been taken."""
        try:
            async with asyncio.timeout(self.settings.provider_timeout_seconds):
                return await call
        except TimeoutError:
            return NoAnswer("timed_out")

    async def report(self, stream: UUID, version: int, key: str, report: AnyReport) -> None:
        """Record what a provider answered to a query or a call."""
        fields = self.said(stream, version, f"report:{key}")
        await self.record_result(command_of(report, self.settings, fields))

    def said(self, stream: UUID, version: int, key: str) -> dict[str, Any]:
        """What every command of the dispatcher carries; `key` is natural."""
        return {
            "key": IdempotencyKey(ACTOR, key),
            "actor": ACTOR,
            "correlation_id": stream,
            "causation_id": f"stream:{stream}:{version}",
        }

    async def record_result(self, command: LedgerCommand) -> None:
        """Record what is known. Raises where it was not: then the task must come back."""
        outcome = await self.record(command)
        if outcome.error is not None:
            raise outcome.error

    async def record(self, command: LedgerCommand) -> Outcome:
        """Record a result for certain: the provider may not say it twice.

        A dispatcher that is told to stop gives up: the submission is then unknown, and asked about.
        """
        while True:
            outcome = (await self.ledger.execute_from_loop([command]))[0]
            if not isinstance(outcome.error, Unavailable) or self.stopping.is_set():
                return outcome
            logger.warning("result_not_recorded_yet", command=type(command).__name__)
            await asyncio.sleep(STORE_AGAIN_SECONDS)
