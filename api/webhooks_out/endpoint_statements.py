"""The SQL of endpoints as doors change and read them: see api/webhooks_out/endpoints.py."""

from __future__ import annotations

from typing import Final

CHANGE: Final = """
    INSERT INTO webhook_endpoint_changes (endpoint_id, actor, change, url, types, subject_id,
                                          request_id, idempotency_key, fingerprint)
    SELECT %(endpoint_id)b::uuid, %(actor)b::text, %(change)b::text, %(url)b::text,
           %(types)b::text[], %(subject_id)b::uuid, %(request_id)b::uuid, %(key)b::text,
           %(fingerprint)b::bytea
"""
OWNED: Final = """
    endpoint_id = %(endpoint_id)b::uuid AND state <> 'deleted'
    AND creator_id IS NOT DISTINCT FROM %(creator_id)b::uuid
"""
ONCE: Final = "ON CONFLICT DO NOTHING RETURNING endpoint_id"

CREATE: Final = f"""
    WITH head AS (SELECT max(position) AS position FROM turns),
    room AS (SELECT count(*) < %(endpoints_max)b::integer AS is_there FROM webhook_endpoints
             WHERE creator_id IS NOT DISTINCT FROM %(creator_id)b::uuid AND state <> 'deleted'),
    change AS ({CHANGE} FROM room, head
               WHERE is_there AND coalesce(%(after_position)b::bigint, 0) <= head.position {ONCE}),
    made AS (
        INSERT INTO webhook_endpoints
            (endpoint_id, creator_id, url, types, state, after_position, cursor)
        SELECT endpoint_id, %(creator_id)b::uuid, %(url)b::text, %(types)b::text[], 'enabled',
               coalesce(%(after_position)b::bigint, head.position),
               coalesce(%(after_position)b::bigint, head.position)
        FROM change, head
    ),
    kept AS (
        INSERT INTO webhook_secrets (secret_id, endpoint_id, key_id, ciphertext)
        SELECT %(subject_id)b::uuid, endpoint_id, %(key_id)b::uuid, %(ciphertext)b::bytea
        FROM change
    )
    SELECT EXISTS (SELECT FROM change), (SELECT is_there FROM room), (SELECT position FROM head)
"""  # noqa: S608 - put together from constants
UPDATE: Final = f"""
    WITH change AS ({CHANGE} FROM webhook_endpoints WHERE {OWNED} {ONCE})
    UPDATE webhook_endpoints
    SET url = %(url)b::text, types = %(types)b::text[], failures = 0, failing_since = NULL,
        paused_until = NULL, due_at = now(),
        state = CASE WHEN %(enabled)b::boolean THEN 'enabled' ELSE 'disabled' END,
        reason = CASE WHEN NOT %(enabled)b::boolean THEN 'by_owner' END,
        disabled_at = CASE WHEN NOT %(enabled)b::boolean THEN coalesce(disabled_at, now()) END
    FROM change WHERE webhook_endpoints.endpoint_id = change.endpoint_id
    RETURNING true
"""  # noqa: S608 - put together from constants
DELETE: Final = f"""
    WITH change AS ({CHANGE} FROM webhook_endpoints WHERE {OWNED} {ONCE}),
    gone AS (
        UPDATE webhook_endpoints SET state = 'deleted', reason = 'by_owner', disabled_at = now()
        FROM change WHERE webhook_endpoints.endpoint_id = change.endpoint_id
    ),
    unsent AS (
        UPDATE webhook_messages SET state = 'ignored', ended_at = now()
        FROM change WHERE webhook_messages.endpoint_id = change.endpoint_id
            AND webhook_messages.state = 'waiting'
    ),
    keys AS (
        DELETE FROM webhook_secrets USING change
        WHERE webhook_secrets.endpoint_id = change.endpoint_id RETURNING key_id
    )
    SELECT array(SELECT key_id FROM keys) FROM change
"""  # noqa: S608 - put together from constants
ROTATE: Final = f"""
    WITH change AS ({CHANGE} FROM webhook_endpoints WHERE {OWNED} {ONCE}),
    replaced AS (
        UPDATE webhook_secrets SET valid_until = least(valid_until,
            now() + make_interval(secs => %(overlap)b::float8))
        FROM change WHERE webhook_secrets.endpoint_id = change.endpoint_id
    )
    INSERT INTO webhook_secrets (secret_id, endpoint_id, key_id, ciphertext)
    SELECT %(subject_id)b::uuid, endpoint_id, %(key_id)b::uuid, %(ciphertext)b::bytea FROM change
    RETURNING true
"""  # noqa: S608 - put together from constants

READ_KEY: Final = """
    SELECT endpoint_id, subject_id, fingerprint, recorded_at > now() - %(shown)b::interval
    FROM webhook_endpoint_changes
    WHERE actor = %(actor)b::text AND idempotency_key = %(key)b::text
"""
READ_SEALED: Final = """
    SELECT secret_id, key_id, ciphertext FROM webhook_secrets WHERE secret_id = %b::uuid
"""
COLUMNS: Final = """
    endpoint_id, creator_id, url, types, state, reason, created_at, after_position,
    coalesce(cursor, (SELECT position FROM webhook_follower)), failing_since, succeeded_at,
    disabled_at,
    (SELECT count(*) FROM webhook_messages WHERE webhook_messages.state = 'waiting'
        AND webhook_messages.endpoint_id = webhook_endpoints.endpoint_id),
    (SELECT count(*) FROM webhook_messages WHERE webhook_messages.state = 'dead'
        AND webhook_messages.endpoint_id = webhook_endpoints.endpoint_id)
"""
READ: Final = f"SELECT {COLUMNS} FROM webhook_endpoints WHERE {OWNED}"  # noqa: S608 - of constants
READ_ANY: Final = f"""
    SELECT {COLUMNS} FROM webhook_endpoints WHERE endpoint_id = %b::uuid
"""  # noqa: S608 - of constants
LIST: Final = f"""
    SELECT {COLUMNS} FROM webhook_endpoints
    WHERE state <> 'deleted' AND creator_id IS NOT DISTINCT FROM %b::uuid
    ORDER BY created_at, endpoint_id
"""  # noqa: S608 - of constants
CHANGES: Final = """
    SELECT change_id, recorded_at, endpoint_id, creator_id, actor, change,
           webhook_endpoint_changes.url, webhook_endpoint_changes.types,
           webhook_endpoint_changes.reason
    FROM webhook_endpoint_changes LEFT JOIN webhook_endpoints USING (endpoint_id)
    WHERE change_id < %b::bigint ORDER BY change_id DESC LIMIT %b::integer
"""
