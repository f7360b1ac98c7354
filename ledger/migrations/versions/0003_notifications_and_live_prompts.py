"""What is said to people is kept, a phone has one prompt at a time, and subscriptions have a clock.

A notification is sent about one event, so its task names the event's version beside its stream. A
payment whose phone is taken waits for the payment that took it, and is woken when that has ended.
Nothing here holds an address, a text or a name: phone numbers only as an HMAC, while a prompt is on
them.
"""

from typing import Final

from alembic import op

revision = "0003"
down_revision = "0002"

TASKS: Final = """
ALTER TABLE dispatcher_tasks
    ADD COLUMN version bigint,
    ADD COLUMN waits_for uuid;
CREATE INDEX dispatcher_tasks_waiting_idx ON dispatcher_tasks (waits_for)
    WHERE waits_for IS NOT NULL;

GRANT SELECT ON dispatcher_tasks TO hesabu_clock;
"""

NOTIFICATIONS: Final = """
CREATE TABLE notifications (
    notification_id uuid PRIMARY KEY,
    kind text NOT NULL,
    stream_id uuid NOT NULL,
    person_id uuid NOT NULL,
    channel text NOT NULL,
    -- 'waiting' was certainly not taken, and is tried again.
    state text NOT NULL CHECK (state IN ('waiting', 'sending', 'sent', 'failed', 'unknown')),
    reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX notifications_stream_idx ON notifications (stream_id);
CREATE INDEX notifications_person_idx ON notifications (person_id, created_at);

GRANT SELECT, INSERT, UPDATE ON notifications TO hesabu_dispatcher;
GRANT SELECT ON notifications TO hesabu_app, hesabu_auditor;
"""

LIVE_PROMPTS: Final = """
CREATE TABLE live_prompts (
    phone bytea PRIMARY KEY CHECK (octet_length(phone) = 32),
    payment_id uuid NOT NULL UNIQUE,
    until timestamptz NOT NULL
) WITH (fillfactor = 70);

GRANT SELECT, INSERT, UPDATE, DELETE ON live_prompts TO hesabu_dispatcher;
"""

CLOCK: Final = """
ALTER TABLE clock_due
    DROP CONSTRAINT clock_due_kind_check,
    ADD CONSTRAINT clock_due_kind_check
        CHECK (kind IN ('release', 'hold', 'payout_schedule', 'subscription'));
CREATE INDEX clock_due_subscriptions_idx ON clock_due (creator_id) WHERE kind = 'subscription';
"""


def upgrade() -> None:
    """Make the tables and give their rights."""
    for part in (TASKS, NOTIFICATIONS, LIVE_PROMPTS, CLOCK):
        op.execute(part)
