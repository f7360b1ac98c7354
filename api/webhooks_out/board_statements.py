"""The SQL of a process that sends webhooks: see api/webhooks_out/board.py."""

from __future__ import annotations

from typing import Final

CLAIM: Final = """
    UPDATE webhook_endpoints
    SET leased_by = gen_random_uuid(), leased_until = now() + make_interval(secs => %(seconds)s)
    FROM (SELECT endpoint_id FROM webhook_endpoints
          WHERE state = 'enabled'
            AND ((leased_by IS NULL AND due_at <= now()) OR leased_until < now())
          ORDER BY due_at NULLS FIRST LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS due
    WHERE webhook_endpoints.endpoint_id = due.endpoint_id
    RETURNING webhook_endpoints.endpoint_id, creator_id, url, leased_by
"""
LOOK: Final = """
    UPDATE webhook_endpoints
    SET leased_until = now() + make_interval(secs => %(seconds)s), due_at = NULL
    WHERE endpoint_id = %(endpoint_id)s AND leased_by = %(lease)s AND state = 'enabled'
    RETURNING url, failures, coalesce(paused_until > now(), false),
              cursor IS NOT NULL OR EXISTS (SELECT FROM webhook_replays
                  WHERE webhook_replays.endpoint_id = %(endpoint_id)s AND ended_at IS NULL)
"""
HEADS: Final = """
    SELECT number, webhook_id, type, position, stream_id, version, tries, created_at
    FROM (SELECT DISTINCT ON (run, stream_id) * FROM webhook_messages
          WHERE endpoint_id = %(endpoint_id)s AND state = 'waiting'
          ORDER BY run, stream_id, position) AS heads
    WHERE due_at <= now() AND number <> ALL(%(in_flight)s)
    ORDER BY run <> endpoint_id, position LIMIT %(limit)s
"""
"""What is new goes before what is sent again."""
SECRETS: Final = """
    SELECT secret_id, key_id, ciphertext FROM webhook_secrets
    WHERE endpoint_id = %s AND (valid_until IS NULL OR valid_until > now())
    ORDER BY created_at DESC
"""
GIVE_BACK: Final = """
    UPDATE webhook_endpoints
    SET leased_by = NULL, leased_until = NULL, due_at = least(
        due_at,
        greatest(paused_until, (SELECT min(due_at) FROM
            (SELECT DISTINCT ON (run, stream_id) due_at FROM webhook_messages
             WHERE endpoint_id = %(endpoint_id)s AND state = 'waiting'
             ORDER BY run, stream_id, position) AS heads)),
        CASE WHEN cursor IS NOT NULL OR EXISTS (SELECT FROM webhook_replays
                 WHERE webhook_replays.endpoint_id = %(endpoint_id)s AND ended_at IS NULL)
             THEN now() + interval '5 seconds' END)
    WHERE endpoint_id = %(endpoint_id)s AND leased_by = %(lease)s
"""
READ_HISTORY: Final = """
    SELECT originator_version, topic, state FROM ledger_events
    WHERE originator_id = %s AND originator_version <= %s ORDER BY originator_version
"""
NOTE_ATTEMPT: Final = """
    INSERT INTO webhook_attempts (number, attempted_at, milliseconds, status, error)
    VALUES (%s, %s, %s, %s, %s)
"""
END: Final = """
    UPDATE webhook_messages SET state = %s, ended_at = now(), tries = tries + 1
    WHERE number = %s AND state = 'waiting'
"""
TRY_AGAIN: Final = """
    UPDATE webhook_messages SET due_at = now() + %s, tries = tries + 1
    WHERE number = %s AND state = 'waiting'
"""
READ_FAILURES: Final = "SELECT failures FROM webhook_endpoints WHERE endpoint_id = %s"
ANSWERED: Final = """
    UPDATE webhook_endpoints
    SET failures = 0, failing_since = NULL, paused_until = NULL, succeeded_at = now()
    WHERE endpoint_id = %s
      AND (failures > 0 OR succeeded_at IS NULL OR succeeded_at < now() - interval '10 seconds')
"""
WAKE: Final = """
    UPDATE webhook_messages SET due_at = now()
    WHERE endpoint_id = %s AND state = 'waiting' AND due_at > now()
"""
FAILED: Final = """
    UPDATE webhook_endpoints
    SET failures = failures + 1, failing_since = coalesce(failing_since, now()),
        paused_until = CASE WHEN %(pause)s > interval '0' THEN now() + %(pause)s END
    WHERE endpoint_id = %(endpoint_id)s
    RETURNING now() - failing_since
"""
DISABLE: Final = """
    WITH disabled AS (
        UPDATE webhook_endpoints SET state = 'disabled', reason = %(reason)s, disabled_at = now()
        WHERE endpoint_id = %(endpoint_id)s AND state = 'enabled'
        RETURNING endpoint_id, url, types
    )
    INSERT INTO webhook_endpoint_changes
        (endpoint_id, actor, change, url, types, reason, idempotency_key)
    SELECT endpoint_id, %(actor)s, 'disabled', url, types, %(reason)s, gen_random_uuid()
    FROM disabled
"""
DISABLE_ERASED: Final = """
    WITH disabled AS (
        UPDATE webhook_endpoints
        SET state = 'disabled', reason = 'owner_erased', disabled_at = now()
        WHERE state = 'enabled' AND creator_id IN (SELECT person_id FROM erasures)
        RETURNING endpoint_id, url, types
    )
    INSERT INTO webhook_endpoint_changes
        (endpoint_id, actor, change, url, types, reason, idempotency_key)
    SELECT endpoint_id, %(actor)s, 'disabled', url, types, 'owner_erased', gen_random_uuid()
    FROM disabled
"""
RETIRE_SECRETS: Final = "DELETE FROM webhook_secrets WHERE valid_until < now() RETURNING key_id"
FORGET: Final = """
    DELETE FROM webhook_messages WHERE number IN (
        SELECT number FROM webhook_messages
        WHERE ended_at < now() - make_interval(days => %s) LIMIT %s)
"""
