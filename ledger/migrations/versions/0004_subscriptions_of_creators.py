"""Which subscriptions does a creator have? A row for each, written with its first event.

The log finds a subscription by its own id only, and its fan's stream by the fan's. Whoever asks for
a creator's reads this table, which is never behind the log: both are written by the same turn.
"""

from typing import Final

from alembic import op

revision = "0004"
down_revision = "0003"

SUBSCRIPTIONS: Final = """
CREATE TABLE creator_subscriptions (
    position bigint PRIMARY KEY,
    creator_id uuid NOT NULL,
    subscription_id uuid NOT NULL
);
CREATE INDEX creator_subscriptions_idx ON creator_subscriptions (creator_id, position);

INSERT INTO creator_subscriptions (position, creator_id, subscription_id)
SELECT notification_id, (convert_from(state, 'UTF8')::jsonb ->> 'creator_id')::uuid, originator_id
FROM ledger_events WHERE topic = 'subscription.started.v1';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON creator_subscriptions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT ON creator_subscriptions
    TO hesabu_app, hesabu_dispatcher, hesabu_projector, hesabu_clock, hesabu_sealer,
       hesabu_auditor, hesabu_rebuilder;
GRANT INSERT ON creator_subscriptions TO hesabu_app, hesabu_dispatcher, hesabu_clock;
"""


def upgrade() -> None:
    """Make the table, fill it from the log, and give its rights."""
    op.execute(SUBSCRIPTIONS)
