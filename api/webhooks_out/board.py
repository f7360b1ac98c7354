"""What a process that sends webhooks asks of the database: leases of endpoints, messages, ends.

    due ─▶ leased, by one process at a time ─▶ looked at, again and again ─▶ given back

Whoever holds an endpoint sends its messages: of each stream the first that waits, so that a stream
keeps its order, also when its message has to be sent again. A lease is over by itself when its
holder dies; then the message that it was sending is sent again, under the same id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import ConnectionPool

from api.webhooks_out import board_statements as sql
from api.webhooks_out import routing
from api.webhooks_out.messages import Message, Recipient, message_of, test_message
from api.webhooks_out.pacing import FAILURES_BEFORE_PAUSES
from api.webhooks_out.secrets import SealedSecret, unseal_secret
from ledger.database.connections import READER_SETTINGS
from ledger.key_store import KeyDestroyedError
from ledger.serialization import decode_event

if TYPE_CHECKING:
    from collections.abc import Collection
    from contextlib import AbstractContextManager

    from api.webhooks_out.pacing import Pacing
    from api.webhooks_out.sender import Timed
    from ledger.database.connections import BookLocation
    from ledger.key_store import KeyStore

logger = structlog.get_logger()

CONNECTIONS_MAX: Final = 8
FORGOTTEN_AT_ONCE: Final = 10_000
ACTOR: Final = "webhooks"
"""Who disables an endpoint that fails, in the record of changes."""


class Leased(NamedTuple):
    """An endpoint that this process holds, by a lease that is a new one each time."""

    endpoint_id: UUID
    creator_id: UUID | None
    url: str
    lease: UUID

    @property
    def recipient(self) -> Recipient:
        """Whose it is."""
        return Recipient(self.endpoint_id, self.creator_id)


class Waiting(NamedTuple):
    """A message that is due, the first of its stream that waits."""

    number: int
    webhook_id: str
    type: str
    position: int | None
    stream_id: UUID
    version: int | None
    tries: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """How an endpoint stands, and what is to be sent now."""

    url: str
    failures: int
    comes_after: bool
    """Whether there is more for it in the log than was made into messages."""
    messages: list[Waiting]
    secrets: list[str] = field(repr=False)

    @property
    def is_failing(self) -> bool:
        """Whether it fails again and again."""
        return self.failures >= FAILURES_BEFORE_PAUSES


class SendingBoard:
    """Endpoints and messages, as one process sees them; safe between threads."""

    def __init__(
        self, book: BookLocation, key_store: KeyStore, pacing: Pacing, *, lease_seconds: float
    ) -> None:
        self._key_store = key_store
        self._pacing = pacing
        self._lease_seconds = lease_seconds
        self._pool: ConnectionPool[psycopg.Connection[Any]] = ConnectionPool(
            book.conninfo(READER_SETTINGS),
            min_size=1,
            max_size=CONNECTIONS_MAX,
            kwargs={"autocommit": True},
            open=True,
        )

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def connection(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """A connection of this process's role; each statement commits."""
        return self._pool.connection()

    def follow(self) -> int:
        """Make messages of the next piece of the log; how many events it had."""
        with self._pool.connection() as connection:
            return routing.follow(connection)

    def claim(self, limit: int) -> list[Leased]:
        """Take up to so many endpoints that are due."""
        given = {"seconds": self._lease_seconds, "limit": limit}
        with self._pool.connection() as connection:
            return [Leased(*row) for row in connection.execute(sql.CLAIM, given)]

    def look(self, endpoint: Leased, in_flight: Collection[int], limit: int) -> Seen | None:
        """Keep an endpoint, and see what is due; None when it is not ours any more."""
        given = {
            "endpoint_id": endpoint.endpoint_id,
            "lease": endpoint.lease,
            "seconds": self._lease_seconds,
            "in_flight": list(in_flight),
        }
        with self._pool.connection() as connection:
            row = connection.execute(sql.LOOK, given).fetchone()
            if row is None:
                return None
            url, failures, is_paused, comes_after = row
            # Of one that fails, a single message at a time finds out whether it answers again.
            at_most = limit if failures < FAILURES_BEFORE_PAUSES else min(limit, 1 - len(in_flight))
            if is_paused or at_most <= 0:
                return Seen(url, failures, comes_after, [], [])
            found = connection.execute(sql.HEADS, {**given, "limit": at_most}).fetchall()
            secrets = self._secrets(connection, endpoint.endpoint_id) if found else []
        return Seen(url, failures, comes_after, [Waiting(*each) for each in found], secrets)

    def catch_up(self, endpoint: Leased) -> bool:
        """Make messages for an endpoint that comes after the others; whether there were any."""
        with self._pool.connection() as connection:
            return routing.catch_up(connection, endpoint.endpoint_id, endpoint.lease)

    def give_back(self, endpoint: Leased) -> None:
        """Let others have an endpoint, when it is due."""
        given = {"endpoint_id": endpoint.endpoint_id, "lease": endpoint.lease}
        with self._pool.connection() as connection:
            connection.execute(sql.GIVE_BACK, given)

    def make(self, endpoint: Leased, waiting: Waiting) -> Message | None:
        """What to send; None when it turns out to be nothing for this endpoint."""
        if waiting.position is None:
            return test_message(endpoint.endpoint_id, waiting.created_at)
        with self._pool.connection() as connection:
            found = connection.execute(sql.READ_HISTORY, (waiting.stream_id, waiting.version))
            history = [
                decode_event(
                    topic, state, originator_id=waiting.stream_id, originator_version=version
                )
                for version, topic, state in found
            ]
        return message_of(history, waiting.position, endpoint.recipient)

    def skip(self, waiting: Waiting) -> None:
        """It is nothing for this endpoint."""
        with self._pool.connection() as connection:
            connection.execute(sql.END, ("skipped", waiting.number))

    def settle(self, endpoint: Leased, waiting: Waiting, timed: Timed) -> str | None:
        """Keep how an attempt ended. Why the endpoint was disabled by it, if it was."""
        answer = timed.answer
        with self._pool.connection() as connection, connection.transaction():
            row = connection.execute(sql.READ_FAILURES, (endpoint.endpoint_id,)).fetchone()
            failures = 0 if row is None else int(row[0])
            connection.execute(
                sql.NOTE_ATTEMPT,
                (
                    waiting.number,
                    timed.attempted_at,
                    timed.milliseconds,
                    answer.status,
                    answer.error,
                ),
            )
            # Everybody locks an endpoint before its messages.
            if answer.is_success:
                self._delivered(connection, endpoint, waiting, failures=failures)
                return None
            reason = self._failed(connection, endpoint, timed, failures=failures + 1)
            pause = self._pacing.next_try(waiting.tries + 1, answer.after)
            if pause is None:
                connection.execute(sql.END, ("dead", waiting.number))
            else:
                connection.execute(sql.TRY_AGAIN, (pause, waiting.number))
            return reason

    def keep_house(self, kept_days: int) -> None:
        """Forget what has been kept long enough, and secrets that sign no longer."""
        with self._pool.connection() as connection:
            retired = connection.execute(sql.RETIRE_SECRETS).fetchall()
            forgotten = connection.execute(sql.FORGET, (kept_days, FORGOTTEN_AT_ONCE)).rowcount
            crowded = routing.leave_crowded(connection)
            connection.execute(sql.DISABLE_ERASED, {"actor": ACTOR})
        if retired:
            self._key_store.destroy(*(key_id for (key_id,) in retired))
        logger.info(
            "webhooks_kept_house", secrets=len(retired), messages=forgotten, crowded=crowded
        )

    def _delivered(
        self,
        connection: psycopg.Connection[Any],
        endpoint: Leased,
        waiting: Waiting,
        *,
        failures: int,
    ) -> None:
        connection.execute(sql.ANSWERED, (endpoint.endpoint_id,))
        connection.execute(sql.END, ("delivered", waiting.number))
        if failures >= FAILURES_BEFORE_PAUSES:
            # It answers again: nobody has to wait out what was meant for one that does not.
            connection.execute(sql.WAKE, (endpoint.endpoint_id,))

    def _failed(
        self,
        connection: psycopg.Connection[Any],
        endpoint: Leased,
        timed: Timed,
        *,
        failures: int,
    ) -> str | None:
        answer = timed.answer
        if answer.error == "not_made":
            # The fault is ours.
            return None
        pause = self._pacing.endpoint_pause(failures, answer.after)
        given = {"endpoint_id": endpoint.endpoint_id, "pause": pause}
        row = connection.execute(sql.FAILED, given).fetchone()
        failing_for: timedelta = row[0] if row else timedelta(0)
        reason = None
        if answer.error == "gone":
            reason = "gone"
        elif failing_for >= self._pacing.disable_after:
            reason = "failing"
        if reason is not None:
            _disable(connection, endpoint, reason)
        return reason

    def _secrets(self, connection: psycopg.Connection[Any], endpoint_id: UUID) -> list[str]:
        found = []
        for row in connection.execute(sql.SECRETS, (endpoint_id,)):
            try:
                found.append(unseal_secret(self._key_store, endpoint_id, SealedSecret(*row)))
            except KeyDestroyedError:
                logger.warning("webhook_secret_destroyed", endpoint_id=str(endpoint_id))
        return found


def _disable(connection: psycopg.Connection[Any], endpoint: Leased, reason: str) -> None:
    connection.execute(
        sql.DISABLE, {"endpoint_id": endpoint.endpoint_id, "reason": reason, "actor": ACTOR}
    )
