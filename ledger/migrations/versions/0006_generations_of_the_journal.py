"""Balances and the journal get generations, so that they can be built anew while everything works.

Each lies in two tables, side by side: odd generations in one, even ones in the other. What is read
under the names `balances` and `journal_lines` is the live one's side, by the row of `read_models`
that the reader's own snapshot shows: a flip is one row, locks no table, and mixes no two
generations. The planner never opens the other side (partitions of a list, pruned as a query
begins).

Existing rows are copied once: run this while no process of the book is running.
"""

from typing import Final

from alembic import op

revision = "0006"
down_revision = "0005"

LISTED: Final = """
-- Written by the turn while it is live, and therefore never behind the log: no tracking row.
ALTER TABLE read_models ADD COLUMN inline boolean NOT NULL DEFAULT false;
INSERT INTO read_models (name, generation, version, state, tables, inline)
VALUES ('journal', 1, 1, 'live', '{balances_odd,journal_lines_odd}', true);
"""

TABLES: Final = """
ALTER TABLE balances RENAME TO balances_before;
ALTER TABLE journal_lines RENAME TO journal_lines_before;

CREATE TABLE balances_of_both_sides (
    account_id integer NOT NULL,
    side smallint NOT NULL,
    account text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    balance numeric NOT NULL,
    position bigint NOT NULL
) PARTITION BY LIST (side);

CREATE TABLE journal_lines_of_both_sides (
    position bigint NOT NULL,
    line smallint NOT NULL,
    side smallint NOT NULL,
    account_id integer NOT NULL,
    amount bigint NOT NULL,
    balance numeric NOT NULL,
    recorded_at timestamptz NOT NULL,
    effective_at timestamptz NOT NULL
) PARTITION BY LIST (side);
"""

SIDE: Final = """
CREATE TABLE balances_{name} PARTITION OF balances_of_both_sides (
    side DEFAULT {side},
    CONSTRAINT balances_{name}_pkey PRIMARY KEY (account_id),
    CONSTRAINT balances_{name}_account_id_check CHECK (account_id > 0),
    CONSTRAINT balances_{name}_account_key UNIQUE (account, currency)
) FOR VALUES IN ({side}) WITH (fillfactor = 50);

CREATE TABLE journal_lines_{name} PARTITION OF journal_lines_of_both_sides (
    side DEFAULT {side},
    CONSTRAINT journal_lines_{name}_pkey PRIMARY KEY (position, line),
    CONSTRAINT journal_lines_{name}_amount_check CHECK (amount <> 0)
) FOR VALUES IN ({side});
CREATE INDEX journal_lines_{name}_account_idx
    ON journal_lines_{name} (account_id, position, line);
-- What was learned late, by how late (to a power of four, in seconds) and by when it took effect:
-- for balances by when things took effect (projections/effective_balances.py).
CREATE INDEX journal_lines_{name}_late_idx
    ON journal_lines_{name}
       (account_id, (floor(log(4, extract(epoch FROM recorded_at - effective_at)))::integer),
        effective_at)
    INCLUDE (position, amount, recorded_at)
    WHERE recorded_at - effective_at > interval '60 seconds';

CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON journal_lines_{name}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER live_stays BEFORE DELETE ON journal_lines_{name}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_live_side('{side}');
CREATE TRIGGER live_stays BEFORE DELETE OR TRUNCATE ON balances_{name}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_live_side('{side}');

-- Whoever builds generations may fill the side that nobody reads, and no other. Of the turn's own
-- statements only the role is looked at.
CREATE TRIGGER live_is_the_turns BEFORE INSERT ON journal_lines_{name}
    FOR EACH STATEMENT WHEN (current_user = 'hesabu_rebuilder')
    EXECUTE FUNCTION refuse_change_of_live_side('{side}');
CREATE TRIGGER live_is_the_turns BEFORE INSERT OR UPDATE ON balances_{name}
    FOR EACH STATEMENT WHEN (current_user = 'hesabu_rebuilder')
    EXECUTE FUNCTION refuse_change_of_live_side('{side}');

-- Whoever runs turns.
GRANT SELECT, INSERT ON balances_{name}, journal_lines_{name}
    TO hesabu_app, hesabu_dispatcher, hesabu_clock;
GRANT UPDATE (balance, position) ON balances_{name} TO hesabu_app, hesabu_dispatcher, hesabu_clock;

-- Whoever fills the other side, and empties it, and tells the planner of it.
GRANT SELECT, INSERT, DELETE, MAINTAIN ON balances_{name}, journal_lines_{name}
    TO hesabu_rebuilder;
GRANT UPDATE (balance, position) ON balances_{name} TO hesabu_rebuilder;
"""

GUARDS: Final = """
CREATE FUNCTION refuse_change_of_live_side() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_live boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM %I.read_models WHERE name = $1 AND state = $2 '
                   'AND mod(generation, 2) = $3)', TG_TABLE_SCHEMA)
        INTO is_live USING 'journal', 'live', TG_ARGV[0]::integer;
    IF is_live THEN
        RAISE EXCEPTION '% on % refused: the ledger is append-only', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation',
                  HINT = 'Only a generation that is not live can be filled or emptied.';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_lines_of_both_sides
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

VIEWS: Final = """
CREATE VIEW balances AS
    SELECT account_id, account, currency, balance, position
    FROM balances_of_both_sides
    WHERE side = (SELECT (generation % 2)::smallint FROM read_models
                  WHERE name = 'journal' AND state = 'live');

CREATE VIEW journal_lines AS
    SELECT position, line, account_id, amount, balance, recorded_at, effective_at
    FROM journal_lines_of_both_sides
    WHERE side = (SELECT (generation % 2)::smallint FROM read_models
                  WHERE name = 'journal' AND state = 'live');

GRANT SELECT ON balances, journal_lines
    TO hesabu_app, hesabu_dispatcher, hesabu_projector, hesabu_clock, hesabu_sealer,
       hesabu_auditor, hesabu_rebuilder;
"""

COPY: Final = """
INSERT INTO balances_odd (account_id, account, currency, balance, position)
    SELECT account_id, account, currency, balance, position
    FROM balances_before ORDER BY account_id;
INSERT INTO journal_lines_odd
    (position, line, account_id, amount, balance, recorded_at, effective_at)
    SELECT position, line, account_id, amount, balance, recorded_at, effective_at
    FROM journal_lines_before ORDER BY position, line;
DROP TABLE balances_before, journal_lines_before;
"""


def upgrade() -> None:
    """Make both sides, copy what there is to the first, and put the views in its place."""
    for part in (LISTED, TABLES, GUARDS):
        op.execute(part)
    for name, side in (("odd", 1), ("even", 0)):
        op.execute(SIDE.format(name=name, side=side))
    for part in (COPY, VIEWS):
        op.execute(part)
