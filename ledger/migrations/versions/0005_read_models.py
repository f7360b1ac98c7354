"""Read models that are filled from the log: which generation of each is read, and where it stands.

The tables of a generation are made when it begins (projections/generations.py), by the owner at
deployment or by the rebuilder while everything works; this is only their list.
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
    began_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz,
    parked_at bigint,
    parked_error text,
    parked_trace text,
    PRIMARY KEY (name, generation)
);
CREATE UNIQUE INDEX read_models_live_idx ON read_models (name) WHERE state = 'live';

GRANT SELECT ON read_models
    TO hesabu_app, hesabu_dispatcher, hesabu_clock, hesabu_sealer, hesabu_auditor,
       hesabu_projector, hesabu_rebuilder;
GRANT UPDATE (parked_at, parked_error, parked_trace) ON read_models TO hesabu_projector;
GRANT UPDATE ON ledger_tracking TO hesabu_projector;

GRANT INSERT, UPDATE, DELETE ON read_models TO hesabu_rebuilder;
GRANT INSERT, UPDATE, DELETE ON ledger_tracking TO hesabu_rebuilder;
DO $$ BEGIN
    EXECUTE format('GRANT CREATE ON SCHEMA %I TO hesabu_rebuilder', current_schema());
END $$;
"""


def upgrade() -> None:
    """List the generations of read models, and let the rebuilder make new ones."""
    op.execute(TABLES)
