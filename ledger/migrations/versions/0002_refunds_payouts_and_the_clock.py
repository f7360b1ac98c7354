"""Refunds and payouts have dispatcher's tasks too, and the clock knows what is due.

A task is about one thing on a stream: the payment itself, one of its refunds, a payout. `clock_due`
is derived from the log (ledger_tracking: 'clock') and can be made from it again at any time.
"""

from typing import Final

from alembic import op

revision = "0002"
down_revision = "0001"

TASKS: Final = """
ALTER TABLE dispatcher_tasks ADD COLUMN task_id uuid;
UPDATE dispatcher_tasks SET task_id = stream_id;
ALTER TABLE dispatcher_tasks
    ALTER COLUMN task_id SET NOT NULL,
    DROP CONSTRAINT dispatcher_tasks_pkey,
    ADD PRIMARY KEY (kind, task_id);
"""

CLOCK: Final = """
CREATE TABLE clock_due (
    kind text NOT NULL CHECK (kind IN ('release', 'hold', 'payout_schedule')),
    subject_id uuid NOT NULL,
    creator_id uuid NOT NULL,
    currency text COLLATE "C",
    amount numeric NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    PRIMARY KEY (kind, subject_id)
) WITH (fillfactor = 70);
CREATE INDEX clock_due_at_idx ON clock_due (due_at);
CREATE INDEX clock_due_releases_idx ON clock_due (creator_id, due_at) WHERE kind = 'release';

GRANT INSERT ON ledger_events, turns, balances, journal_lines TO hesabu_clock;
GRANT UPDATE (balance, position) ON balances TO hesabu_clock;
GRANT SELECT, INSERT ON idempotency_keys, vault_entries, inbox TO hesabu_clock;
GRANT UPDATE (verdict, reason, position, copies) ON inbox TO hesabu_clock;
GRANT INSERT, UPDATE ON ledger_tracking TO hesabu_clock;
GRANT SELECT, INSERT, UPDATE, DELETE ON clock_due TO hesabu_clock;
GRANT SELECT ON clock_due TO hesabu_app, hesabu_auditor, hesabu_rebuilder;
"""


def upgrade() -> None:
    """Give tasks an id of their own, and the clock its table and its rights."""
    for part in (TASKS, CLOCK):
        op.execute(part)
