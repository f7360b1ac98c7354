"""One live prompt a phone: a person who is asked for two payments at once approves the wrong one.

A payment takes its phone before its prompt is pushed, and has it until it has ended or the prompt
cannot be on the phone any more. A payment that finds the phone taken waits: its task is woken when
the other has ended. A phone lies here as an HMAC under a secret from the key store.

Whoever takes a phone locks its row before a task's, as the log's follower does when it gives phones
back, so that no wake is lost and neither waits for the other.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import timedelta
    from uuid import UUID

    import psycopg

SECRET_NAME: Final = "live_prompt_phones"  # noqa: S105 - a name, not a secret

SECONDS_MAX: Final = 3_600.0
"""A payment may be open for days; no prompt stays on a phone for longer than this."""

TAKE: Final = """
    INSERT INTO live_prompts (phone, payment_id, until)
    VALUES (%(phone)s, %(payment_id)s, now() + make_interval(secs => %(seconds)s))
    ON CONFLICT (phone) DO UPDATE SET payment_id = excluded.payment_id, until = excluded.until
        WHERE live_prompts.until <= now() OR live_prompts.payment_id = excluded.payment_id
    RETURNING phone
"""
"""The row is locked also where it is another's."""
WAIT: Final = """
    UPDATE dispatcher_tasks SET waits_for = live_prompts.payment_id FROM live_prompts
    WHERE live_prompts.phone = %(phone)s
      AND dispatcher_tasks.kind = 'payment' AND dispatcher_tasks.task_id = %(payment_id)s
"""
TAKEN_FOR: Final = "SELECT until - now() FROM live_prompts WHERE phone = %(phone)s"
GIVE_BACK: Final = "DELETE FROM live_prompts WHERE payment_id = ANY(%s)"
WAKE: Final = """
    UPDATE dispatcher_tasks SET due_at = now(), waits_for = NULL WHERE waits_for = ANY(%s)
"""
FORGET: Final = """
    DELETE FROM live_prompts WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM live_prompts WHERE until <= now() FOR UPDATE SKIP LOCKED))
"""


def fingerprint(secret: bytes, phone: str) -> bytes:
    """How a phone number in E.164 lies in the table."""
    return hmac.digest(secret, phone.encode(), hashlib.sha256)


def take_phone(
    connection: psycopg.Connection[Any], phone: bytes, payment_id: UUID, seconds: float
) -> timedelta | None:
    """Take a phone for a payment, for so many seconds, and return None.

    Or return how long, at most, another payment still has it.
    """
    values = {"phone": phone, "payment_id": payment_id, "seconds": min(seconds, SECONDS_MAX)}
    with connection.transaction():
        if connection.execute(TAKE, values).rowcount == 1:
            return None
        connection.execute(WAIT, values)
        row = connection.execute(TAKEN_FOR, values).fetchone()
    assert row is not None  # noqa: S101 - locked above
    left: timedelta = row[0]
    return left


def give_back_phones(connection: psycopg.Connection[Any], payment_ids: Collection[UUID]) -> None:
    """Free the phones of payments that have ended and wake who waits, in a transaction."""
    ended = list(payment_ids)
    with connection.transaction():
        connection.execute(GIVE_BACK, (ended,))
        # Only now: one that was about to wait has said so by the time its lock is over.
        connection.execute(WAKE, (ended,))


def forget_phones(connection: psycopg.Connection[Any]) -> int:
    """Delete what nobody gave back in time; how many."""
    return connection.execute(FORGET).rowcount
