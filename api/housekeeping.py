"""What is forgotten on purpose. Runs in the dispatcher, once an hour.

Callers' idempotency keys after 30 days, windows of rate limits once they are over, and the keys of
callbacks of unknown origin and of providers' statements after 7 days. Natural keys hold for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import psycopg

    from ledger.key_store import KeyStore

INTERVAL_SECONDS: Final = 3600.0
BATCH: Final = 10_000

FORGET_IDEMPOTENCY_KEYS: Final = """
    DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM idempotency_keys
        WHERE NOT permanent AND recorded_at < now() - interval '30 days' LIMIT %s))
"""

FORGET_RATE_LIMIT_WINDOWS: Final = "DELETE FROM rate_limit_windows WHERE ends_at < now()"

KEYS_OF_UNKNOWN_ORIGIN: Final = """
    SELECT key_id FROM inbox
    WHERE of_unknown_origin AND received_at < now() - interval '7 days'
      AND received_at > now() - interval '90 days'
    UNION ALL
    SELECT key_id FROM provider_statements
    WHERE received_at < now() - interval '7 days' AND received_at > now() - interval '90 days'
"""
"""Older ones were destroyed by an earlier run: this looks back far enough for any outage."""


def forget_idempotency_keys(connection: psycopg.Connection[Any]) -> int:
    """Delete callers' keys that are over 30 days old, in batches; how many."""
    total = 0
    while (deleted := connection.execute(FORGET_IDEMPOTENCY_KEYS, (BATCH,)).rowcount) > 0:
        total += deleted
    return total


def forget_rate_limit_windows(connection: psycopg.Connection[Any]) -> int:
    """Delete windows of rate limits that are over; how many."""
    return connection.execute(FORGET_RATE_LIMIT_WINDOWS).rowcount


def destroy_keys_of_unknown_origin(connection: psycopg.Connection[Any], key_store: KeyStore) -> int:
    """Destroy the keys of callbacks that belong to nobody we know, and of statements' files.

    How many there were.
    """
    rows = connection.execute(KEYS_OF_UNKNOWN_ORIGIN).fetchall()
    if rows:
        key_store.destroy(*(key_id for (key_id,) in rows))
    return len(rows)
