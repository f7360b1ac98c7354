"""Bodies of callbacks that name a person, and lie under keys of their own.

What providers say of a payment is sealed with its payer's key and goes with it. Other bodies have
keys that housekeeping destroys after some days; until then they may name somebody who is erased:
those about a payout, and those that were not understood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ledger.inbox import unseal_callback
from ledger.key_store import KeyDestroyedError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from uuid import UUID

    import psycopg

    from ledger.key_store import KeyStore

SHORTEST: Final = 5
"""A text that is shorter stands in many bodies by chance."""
NATIONAL_DIGITS: Final = 9
"""The last digits of a phone number, by which it is the same in every way of writing it."""

READ_BODIES: Final = """
    SELECT inbox.inbox_id, inbox.key_id, inbox.ciphertext, idempotency_keys.stream_id
    FROM inbox LEFT JOIN idempotency_keys
      ON idempotency_keys.scope = 'callback:' || inbox.provider
     AND idempotency_keys.key = inbox.natural_key
    WHERE inbox.of_unknown_origin AND inbox.received_at > now() - interval '90 days'
"""
"""Longer ago than any key of theirs is kept (api/housekeeping.py)."""


def keys_of_bodies(
    connection: psycopg.Connection[Any],
    key_store: KeyStore,
    texts: Iterable[str],
    streams: Collection[UUID],
) -> set[UUID]:
    """Keys of the bodies about these streams, and of those in which one of the texts stands."""
    parts = [part for text in texts if len(part := _part(text)) >= SHORTEST]
    own = set(streams)
    found: set[UUID] = set()
    # A cursor of the server's needs a transaction, and spares the memory.
    with connection.transaction(), connection.cursor(name="bodies") as cursor:
        for inbox_id, key_id, ciphertext, stream in cursor.execute(READ_BODIES):
            try:
                body = unseal_callback(
                    key_store, inbox_id=inbox_id, key_id=key_id, ciphertext=ciphertext
                )
            except KeyDestroyedError:
                continue
            if stream in own or any(part in body.lower() for part in parts):
                found.add(key_id)
    return found


def _part(text: str) -> bytes:
    """What stands of a text in a body, however it is written there."""
    if text.startswith("+") and text[1:].isdecimal():
        return text[-NATIONAL_DIGITS:].encode()
    return text.lower().encode()
