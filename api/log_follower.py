"""Following the log: batches applied once, in the transaction of their tracking row.

    wake (NOTIFY, or every POLL_SECONDS) ─▶ read a batch after the tracking row
        ─▶ one transaction: move the row from where it was read (compare-and-set), apply the batch

Two followers of one name never skip or double: the one whose row has moved applies nothing.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import psycopg
    from eventsourcing.persistence import Notification

    from ledger.application import Ledger

logger = structlog.get_logger()

BATCH: Final = 2_000
POLL_SECONDS: Final = 0.25

START_TRACKING: Final = """
    INSERT INTO ledger_tracking VALUES (%s, 0) ON CONFLICT DO NOTHING
"""
READ_TRACKING: Final = "SELECT notification_id FROM ledger_tracking WHERE application_name = %s"
ADVANCE: Final = """
    UPDATE ledger_tracking SET notification_id = %s
    WHERE application_name = %s AND notification_id = %s
"""


def follow(
    connection: psycopg.Connection[Any],
    ledger: Ledger,
    name: str,
    apply: Callable[[psycopg.Connection[Any], Sequence[Notification]], None],
) -> int:
    """Apply the next batch of the log under the tracking row `name`; how many events it had."""
    connection.execute(START_TRACKING, (name,))
    row = connection.execute(READ_TRACKING, (name,)).fetchone()
    assert row is not None  # noqa: S101 - inserted above
    position = int(row[0])
    batch = ledger.recorder.select_notifications(position, BATCH, inclusive_of_start=False)
    if not batch:
        return 0
    with connection.transaction():
        moved = connection.execute(ADVANCE, (batch[-1].id, name, position))
        if moved.rowcount == 1:
            apply(connection, batch)
    return len(batch)


class Following(Protocol):
    """What is kept up with the log."""

    def follow(self) -> int:
        """Apply the next batch; how many events it had."""


class LogFollower:
    """Follows the log on a thread: wakes on NOTIFY, polls as a net, and outlives its errors."""

    def __init__(self, ledger: Ledger, board: Following) -> None:
        self._ledger = ledger
        self._board = board
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="log-follower", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._stopping.set()
        self._thread.join()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._ledger.book.connect_reader() as connection:
                    connection.execute("LISTEN ledger_events")
                    while not self._stopping.is_set():
                        while self._board.follow():
                            pass
                        for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
                            pass
            except Exception:
                # Whatever it is, the tracking row stands; try again on a new connection.
                logger.exception("following_interrupted")
                self._stopping.wait(1.0)
