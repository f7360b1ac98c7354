"""What proves the log to whoever trusts nobody: the tiles of its tree, and signed checkpoints.

Only full tiles are kept: they are written once. What is not full yet is made again from the log.
Nothing here is believed by anybody: an auditor makes the tree anew from the events.
"""

from typing import Final

from alembic import op

revision = "0008"
down_revision = "0007"

TILES: Final = """
CREATE TABLE merkle_tiles (
    level smallint NOT NULL CHECK (level >= 0),
    index bigint NOT NULL CHECK (index >= 0),
    root bytea NOT NULL CHECK (length(root) = 32),
    hashes bytea NOT NULL CHECK (length(hashes) = 8192),
    PRIMARY KEY (level, index)
);
-- Hashes do not compress.
ALTER TABLE merkle_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON merkle_tiles
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON merkle_tiles TO hesabu_sealer;
GRANT SELECT ON merkle_tiles TO hesabu_app, hesabu_auditor;
"""

CHECKPOINTS: Final = """
CREATE TABLE checkpoints (
    size bigint PRIMARY KEY CHECK (size > 0),
    root bytea NOT NULL CHECK (length(root) = 32),
    note text NOT NULL,
    signed_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON checkpoints TO hesabu_sealer;
GRANT SELECT ON checkpoints TO hesabu_app, hesabu_auditor;
"""


def upgrade() -> None:
    """Make the tables and give their rights."""
    op.execute(TILES)
    op.execute(CHECKPOINTS)
