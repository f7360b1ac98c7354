"""Of a callback that waited and came again, the copy is kept by which it was decided.

Its events name that copy and the hash of its body; before, the inbox kept the first one. Once a
callback is decided nothing changes what is kept of it.
"""

from typing import Final

from alembic import op

revision = "0012"
down_revision = "0011"

KEPT: Final = """
CREATE FUNCTION keep_what_was_decided() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a change of a callback that was decided refused'
        USING ERRCODE = 'restrict_violation',
              HINT = 'Its events name the copy that is kept.';
END $$;
CREATE TRIGGER keep_what_was_decided
    BEFORE UPDATE ON inbox FOR EACH ROW
    WHEN (OLD.verdict NOT IN ('parked', 'retrying')
          AND (OLD.verdict, OLD.inbox_id, OLD.headers, OLD.key_id, OLD.of_unknown_origin,
               OLD.body_hash, OLD.ciphertext)
          IS DISTINCT FROM (NEW.verdict, NEW.inbox_id, NEW.headers, NEW.key_id,
                            NEW.of_unknown_origin, NEW.body_hash, NEW.ciphertext))
    EXECUTE FUNCTION keep_what_was_decided();
"""

RIGHTS: Final = """
GRANT UPDATE (inbox_id, headers, key_id, of_unknown_origin, body_hash, ciphertext) ON inbox
    TO hesabu_app, hesabu_dispatcher, hesabu_clock;
"""


def upgrade() -> None:
    """Allow it to whoever runs turns, of what is not decided."""
    op.execute(KEPT)
    op.execute(RIGHTS)
