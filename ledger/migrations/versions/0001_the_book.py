"""The book: the log, the journal, balances, keys, the vault, the inbox, the dispatcher's tasks.

The log, its index, its composite type and the tracking table are the eventsourcing library's own
(9.5.6), frozen here, with two differences: positions have no default, since they are given under
the append lock and nothing is burnt; and the tracking table keeps PostgreSQL's autovacuum.
There is no way back: a ledger is not un-migrated.
"""

from typing import Final

from alembic import op

revision = "0001"
down_revision = None

TABLES: Final = """
CREATE TYPE stored_event_uuid AS
    (originator_id uuid, originator_version bigint, topic text, state bytea);

CREATE TABLE ledger_events (
    originator_id uuid NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    notification_id bigint NOT NULL,
    PRIMARY KEY (originator_id, originator_version),
    CHECK (originator_version > 0),
    CHECK (notification_id > 0)
) WITH (autovacuum_enabled = true, autovacuum_vacuum_threshold = 100000000,
        autovacuum_vacuum_scale_factor = 0.5, autovacuum_analyze_threshold = 1000,
        autovacuum_analyze_scale_factor = 0.01);
CREATE UNIQUE INDEX ledger_events_notification_id_idx ON ledger_events (notification_id);

CREATE TABLE ledger_tracking (
    application_name text PRIMARY KEY,
    notification_id bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO ledger_tracking VALUES ('__migration__', 1);

-- A row a turn: the head, the monotonic clock, and the way from a time to a position.
CREATE TABLE turns (
    position bigint PRIMARY KEY CHECK (position >= 0),
    recorded_at timestamptz NOT NULL
);
CREATE INDEX turns_recorded_at_idx ON turns (recorded_at, position);
INSERT INTO turns VALUES (0, clock_timestamp());

-- Debits are positive, credits negative, in minor units.
CREATE TABLE balances (
    account_id integer PRIMARY KEY CHECK (account_id > 0),
    account text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    balance numeric NOT NULL,
    position bigint NOT NULL,
    UNIQUE (account, currency)
) WITH (fillfactor = 50);

CREATE TABLE journal_lines (
    position bigint NOT NULL,
    line smallint NOT NULL,
    account_id integer NOT NULL,
    amount bigint NOT NULL CHECK (amount <> 0),
    balance numeric NOT NULL,
    recorded_at timestamptz NOT NULL,
    effective_at timestamptz NOT NULL,
    PRIMARY KEY (position, line)
);
CREATE INDEX journal_lines_account_idx ON journal_lines (account_id, position, line);

CREATE TABLE idempotency_keys (
    scope text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    fingerprint bytea,
    stream_id uuid,
    version bigint,
    position bigint NOT NULL,
    refusal text,
    parameters jsonb,
    verdict text,
    recorded_at timestamptz NOT NULL,
    permanent boolean NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_recorded_at_idx ON idempotency_keys USING brin (recorded_at);

CREATE TABLE vault_entries (
    entry_id uuid PRIMARY KEY,
    person_id uuid NOT NULL,
    kind text NOT NULL,
    key_id uuid NOT NULL,
    ciphertext bytea NOT NULL
);
CREATE INDEX vault_entries_person_idx ON vault_entries (person_id);

CREATE TABLE inbox (
    inbox_id uuid PRIMARY KEY,
    provider text NOT NULL,
    natural_key text NOT NULL,
    received_at timestamptz NOT NULL,
    headers jsonb NOT NULL,
    key_id uuid NOT NULL,
    of_unknown_origin boolean NOT NULL,
    body_hash text NOT NULL,
    ciphertext bytea NOT NULL,
    verdict text NOT NULL
        CHECK (verdict IN ('applied', 'duplicate', 'ignored', 'retrying', 'parked')),
    reason text,
    position bigint NOT NULL,
    copies integer NOT NULL DEFAULT 1,
    UNIQUE (provider, natural_key)
);
CREATE INDEX inbox_unknown_origin_idx ON inbox (received_at) WHERE of_unknown_origin;
CREATE INDEX inbox_waiting_idx ON inbox (received_at) WHERE verdict IN ('parked', 'retrying');

CREATE TABLE dispatcher_tasks (
    stream_id uuid NOT NULL,
    kind text NOT NULL,
    provider text NOT NULL,
    due_at timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    PRIMARY KEY (stream_id, kind)
) WITH (fillfactor = 70);
CREATE INDEX dispatcher_tasks_due_idx ON dispatcher_tasks (provider, due_at);
"""

APPEND_ONLY: Final = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % refused: the ledger is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation',
              HINT = 'Record a correcting event instead.';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON turns
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_lines
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

RIGHTS: Final = """
DO $$ BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO hesabu_app, hesabu_dispatcher, hesabu_projector, '
                   'hesabu_clock, hesabu_sealer, hesabu_auditor, hesabu_rebuilder',
                   current_schema());
END $$;

GRANT SELECT ON alembic_version, ledger_events, turns, balances, journal_lines, ledger_tracking
    TO hesabu_app, hesabu_dispatcher, hesabu_projector, hesabu_clock, hesabu_sealer,
       hesabu_auditor, hesabu_rebuilder;

-- Whoever runs turns.
GRANT INSERT ON ledger_events, turns, balances, journal_lines TO hesabu_app, hesabu_dispatcher;
GRANT UPDATE (balance, position) ON balances TO hesabu_app, hesabu_dispatcher;
GRANT SELECT, INSERT ON idempotency_keys, vault_entries, inbox TO hesabu_app, hesabu_dispatcher;
GRANT UPDATE (verdict, reason, position, copies) ON inbox TO hesabu_app, hesabu_dispatcher;

GRANT SELECT, INSERT, UPDATE, DELETE ON dispatcher_tasks TO hesabu_dispatcher;
GRANT INSERT, UPDATE ON ledger_tracking TO hesabu_dispatcher;
GRANT DELETE ON idempotency_keys TO hesabu_dispatcher;
"""


def upgrade() -> None:
    """Create the tables, make the log append-only, and give each role its rights."""
    for part in (TABLES, APPEND_ONLY, RIGHTS):
        op.execute(part)
