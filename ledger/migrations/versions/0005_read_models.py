"""Read models that are filled from the log: which generation of each is read, and where it stands.

The tables of a generation are made when it begins (projections/generations.py), by the rebuilder at
deployment or while everything works; this is only their list, and that of rebuilds asked for.
"""

from typing import Final

from alembic import op

revision = "0005"
down_revision = "0004"

TABLES: Final = """
CREATE TABLE read_models (
    name text NOT NULL,
    generation integer NOT NULL CHECK (generation > 0),
    version integer NOT NULL,
    state text NOT NULL CHECK (state IN ('building', 'live', 'retired')),
    tables text[] NOT NULL,
    began_at timestamptz NOT NULL DEFAULT now(),
    filling_since timestamptz,
    filling_from bigint,
    retired_at timestamptz,
    parked_at bigint,
    parked_error text,
    parked_trace text,
    PRIMARY KEY (name, generation)
);
CREATE UNIQUE INDEX read_models_live_idx ON read_models (name) WHERE state = 'live';

-- What admins asked for, and what came of it.
CREATE TABLE rebuild_requests (
    request_id uuid PRIMARY KEY,
    name text NOT NULL,
    scope text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    generation integer,
    position bigint,
    differences bigint,
    error text,
    UNIQUE (scope, key)
);
CREATE INDEX rebuild_requests_open_idx ON rebuild_requests (asked_at) WHERE ended_at IS NULL;
CREATE INDEX rebuild_requests_name_idx ON rebuild_requests (name, asked_at);

GRANT SELECT ON read_models, rebuild_requests
    TO hesabu_app, hesabu_dispatcher, hesabu_clock, hesabu_sealer, hesabu_auditor,
       hesabu_projector, hesabu_rebuilder;
GRANT UPDATE (parked_at, parked_error, parked_trace) ON read_models TO hesabu_projector;
GRANT UPDATE ON ledger_tracking TO hesabu_projector;

GRANT INSERT ON rebuild_requests TO hesabu_app;
GRANT INSERT, UPDATE, DELETE ON read_models, rebuild_requests TO hesabu_rebuilder;
GRANT INSERT, UPDATE, DELETE ON ledger_tracking TO hesabu_rebuilder;
DO $$ BEGIN
    EXECUTE format('GRANT CREATE ON SCHEMA %I TO hesabu_rebuilder', current_schema());
END $$;
"""


def upgrade() -> None:
    """List the generations of read models, and let the rebuilder make new ones."""
    op.execute(TABLES)
