"""A notification's task: said once or, where nobody knows whether it was taken, not said again.

    (no row) ─▶ sending, committed ─▶ the call ─▶ sent | failed | unknown
                  ▲                      │
                  └───── waiting ◀───────┘  certainly not taken: later, for a day

A task that finds its row in `sending` follows a holder that died or was lost: the row becomes
`unknown`. What is said, and to whom, is made when it is sent, from the event that it is about; what
is kept is that it was.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, assert_never

from api.notifications.addresses import address_of
from api.notifications.notice import Sources
from api.notifications.notices import notices_of
from api.notifications.port import Message, Refused, Sent, TryLater, Unknown
from api.notifications.texts import words_of
from api.one_time_codes import SECRET_NAME as CODES_SECRET
from api.one_time_codes import OneTimeCodes
from api.pay_links import SECRET_NAME as LINKS_SECRET
from api.pay_links import PayLinks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    import psycopg

    from api.dispatcher_desk import Desk
    from api.dispatcher_tasks import Task
    from api.notifications.addresses import Address
    from api.notifications.notice import Notice
    from api.notifications.port import Channel, Notifier, Result
    from ledger.events import LedgerEvent

TRIED_FOR: Final = timedelta(hours=24)
PAUSE: Final = timedelta(seconds=30)
"""Before the second try; twice as long before each later one."""
PAUSE_MAX: Final = timedelta(hours=4)

BEGIN: Final = """
    INSERT INTO notifications (notification_id, kind, stream_id, person_id, channel, state)
    VALUES (%s, %s, %s, %s, %s, 'sending')
    ON CONFLICT (notification_id) DO UPDATE SET state = 'sending', channel = excluded.channel
        WHERE notifications.state = 'waiting'
    RETURNING created_at
"""
LOSE: Final = """
    UPDATE notifications SET state = 'unknown', reason = 'holder_lost'
    WHERE notification_id = %s AND state = 'sending'
"""
END: Final = """
    UPDATE notifications
    SET state = %s, reason = %s, sent_at = CASE WHEN %s THEN now() END
    WHERE notification_id = %s AND state IN ('sending', 'unknown')
"""
"""A holder that was thought lost and was only slow still knows better."""
WAIT: Final = """
    UPDATE notifications SET state = 'waiting', reason = %s
    WHERE notification_id = %s AND state = 'sending'
"""


class _Begun(NamedTuple):
    """A message whose row is `sending`, and since when it has been tried."""

    message: Message
    created_at: datetime


class NotificationTasks:
    """Takes notices to those whom they concern."""

    def __init__(self, desk: Desk, notifiers: Mapping[Channel, Notifier]) -> None:
        self._desk = desk
        self._notifiers = notifiers
        settings, key_store = desk.settings, desk.key_store
        self._sources = Sources(
            zone=settings.time_zone,
            codes=OneTimeCodes(key_store.secret(CODES_SECRET)),
            pay_links=PayLinks(key_store.secret(LINKS_SECRET), settings.links_begin_with),
        )

    async def step(self, task: Task) -> datetime | None:
        """Send it if it is still to be sent; when to try again, or None when it has ended."""
        begun = await asyncio.to_thread(self._begin, task)
        if begun is None:
            return None
        message = begun.message
        try:
            async with asyncio.timeout(self._desk.settings.provider_timeout_seconds):
                result = await self._notifiers[message.channel].send(message)
        except TimeoutError:
            result = Unknown("timed_out")
        tried_for = datetime.now(UTC) - begun.created_at
        return await asyncio.to_thread(self._note, task, result, tried_for)

    def _begin(self, task: Task) -> _Begun | None:
        """Make the message and commit its row; None where there is nothing to send."""
        notice = notices_of(self._history(task), self._sources).get(task.task_id)
        if notice is None:
            return None
        with self._desk.board.connection() as connection:
            address = address_of(connection, self._desk.key_store, notice)
            if address is None:
                return None
            created_at = _claim(connection, task, notice, address)
            if created_at is None:
                return None
            hindrance = self._hindrance(notice, address)
            if hindrance is not None or address.text is None:
                _end(connection, task.task_id, "failed", hindrance)
                return None
        return _Begun(_message(task.task_id, notice, address.channel, address.text), created_at)

    def _history(self, task: Task) -> list[LedgerEvent]:
        assert task.version is not None  # noqa: S101 - a notification's task has one
        events: Any = self._desk.ledger.events.get(task.stream_id, lte=task.version)
        return list(events)

    def _hindrance(self, notice: Notice, address: Address) -> str | None:
        """Why it is not to be sent."""
        if address.text is None:
            return "person_erased"
        until = notice.useful_until
        late = until is not None and until <= self._desk.now()
        return "too_late" if late else None

    def _note(self, task: Task, result: Result, tried_for: timedelta) -> datetime | None:
        """Keep what became of it; when to try again."""
        with self._desk.board.connection() as connection:
            match result:
                case Sent():
                    _end(connection, task.task_id, "sent", None)
                case Refused(reason):
                    _end(connection, task.task_id, "failed", reason)
                case Unknown(reason):
                    _end(connection, task.task_id, "unknown", reason)
                case TryLater(reason) if tried_for >= TRIED_FOR:
                    _end(connection, task.task_id, "failed", reason)
                case TryLater(reason):
                    connection.execute(WAIT, (reason, task.task_id))
                    return self._desk.now() + pause(task.tries)
                case _:
                    assert_never(result)
        return None


def pause(tries: int) -> timedelta:
    """How long to wait after so many tries."""
    return min(PAUSE * (1 << min(tries - 1, 20)), PAUSE_MAX)


def _claim(
    connection: psycopg.Connection[Any], task: Task, notice: Notice, address: Address
) -> datetime | None:
    """Commit that it is being sent; since when it is tried, or None if it is not to be sent."""
    kind = notice.letter.KIND
    values = (task.task_id, kind, task.stream_id, notice.person_id, address.channel)
    row = connection.execute(BEGIN, values).fetchone()
    if row is None:
        connection.execute(LOSE, (task.task_id,))
        return None
    created_at: datetime = row[0]
    return created_at


def _end(
    connection: psycopg.Connection[Any], notification_id: UUID, state: str, reason: str | None
) -> None:
    connection.execute(END, (state, reason, state == "sent", notification_id))


def _message(notification_id: UUID, notice: Notice, channel: Channel, address: str) -> Message:
    words = words_of(notice.letter)
    return Message(
        notification_id=notification_id,
        kind=notice.letter.KIND,
        channel=channel,
        address=address,
        subject=words.subject,
        text=words.text,
    )
