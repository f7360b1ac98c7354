"""A callback that proves nothing by itself: its provider is asked, and what that answers counts.

    inbox: retrying ─▶ confirm ─▶ the reports ─▶ applied | duplicate | …
                        │  ▲
                        └──┘ not final yet, or no answer: later; after a day a person must look

The callbacks come from the inbox itself, so none is forgotten. The reports are decided under the
callback's own key, with its body as their evidence.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog
from cryptography.exceptions import InvalidTag

from api.dispatcher_desk import ACTOR
from api.dispatcher_known import KnownOfProvider
from api.providers.port import CannotBeAskedError, NothingOfOursError, StatusUnavailableError
from api.report_commands import NOTHING_OF_OURS, commands_of_reports, subject_of
from ledger.callbacks import Verdict
from ledger.commands import IdempotencyKey, IgnoreCallback, ParkCallback
from ledger.errors import InvalidValue, Unavailable
from ledger.inbox import InboxEntry, unseal_callback
from ledger.key_store import KeyDestroyedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from api.dispatcher_desk import Desk
    from api.dispatcher_tasks import Task
    from api.providers.port import Provider
    from ledger.commands import AnyReport

logger = structlog.get_logger()

UNCONFIRMED_MAX: Final = timedelta(hours=24)

READ_KEPT: Final = """
    SELECT verdict, received_at, provider, natural_key, headers, key_id, of_unknown_origin,
           body_hash, ciphertext
    FROM inbox WHERE inbox_id = %s
"""


class HintTasks:
    """Confirms callbacks that wait for it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def step(self, provider: Provider, task: Task) -> datetime | None:
        """Ask about one callback; when to ask again, or None when it is decided."""
        desk = self._desk
        kept = await asyncio.to_thread(self._kept, task.task_id)
        if kept is None:
            return None
        received_at, entry = kept
        try:
            body = await asyncio.to_thread(
                unseal_callback,
                desk.key_store,
                inbox_id=entry.inbox_id,
                key_id=entry.key_id,
                ciphertext=entry.ciphertext,
            )
        except (KeyDestroyedError, InvalidTag):
            await self._park(entry, "body_forgotten")
            return None
        known = KnownOfProvider(desk, provider.name)
        try:
            reports = await provider.confirm(entry.headers, body, known)
        except NothingOfOursError:
            ignored = IgnoreCallback(reason=NOTHING_OF_OURS, **self._fields(entry))
            await desk.record_result(ignored)
            return None
        except CannotBeAskedError:
            await self._park(entry, "cannot_be_confirmed")
            return None
        except StatusUnavailableError:
            reports = ()
        if reports:
            await self._report(entry, reports)
            return None
        if desk.now() >= received_at + UNCONFIRMED_MAX:
            await self._park(entry, "unconfirmed")
            return None
        return desk.now() + desk.pause(provider.polling, task.tries)

    def _kept(self, inbox_id: UUID) -> tuple[datetime, InboxEntry] | None:
        with self._desk.board.connection() as connection:
            row = connection.execute(READ_KEPT, (inbox_id,)).fetchone()
        if row is None or row[0] != Verdict.RETRYING:
            return None
        _, received_at, provider, natural_key, headers, key_id, unknown, body_hash, sealed = row
        return received_at, InboxEntry(
            inbox_id=inbox_id,
            provider=provider,
            natural_key=natural_key,
            headers=headers,
            key_id=key_id,
            of_unknown_origin=unknown,
            body_hash=body_hash,
            ciphertext=sealed,
        )

    async def _report(self, entry: InboxEntry, reports: Sequence[AnyReport]) -> None:
        fields = self._fields(entry)
        fields["correlation_id"] = subject_of(reports[0]) or fields["correlation_id"]
        # What more it says first: the first report settles the callback, and the task with it.
        first, *more = commands_of_reports(reports, self._desk.settings, fields)
        for command in more:
            outcome = await self._desk.record(command)
            if isinstance(outcome.error, Unavailable):
                raise outcome.error
            if outcome.error is not None:
                logger.warning("report_refused", code=outcome.error.code, key=command.key.key)
        try:
            await self._desk.record_result(first)
        except InvalidValue:
            await self._park(entry, "invalid_value")

    async def _park(self, entry: InboxEntry, reason: str) -> None:
        logger.warning("hint_not_confirmed", inbox_id=str(entry.inbox_id), reason=reason)
        await self._desk.record_result(ParkCallback(reason=reason, **self._fields(entry)))

    def _fields(self, entry: InboxEntry) -> dict[str, Any]:
        return {
            "key": IdempotencyKey(f"callback:{entry.provider}", entry.natural_key),
            "actor": ACTOR,
            "correlation_id": entry.inbox_id,
            "causation_id": f"callback:{entry.inbox_id}",
            "inbox_entry": entry,
        }
