"""Of a callback that waited and came again, the copy is kept by which it was decided.

Its events name that copy and the hash of its body; before, the inbox kept the first one.
"""

from typing import Final

from alembic import op

revision = "0012"
down_revision = "0011"

RIGHTS: Final = """
GRANT UPDATE (inbox_id, headers, key_id, of_unknown_origin, body_hash, ciphertext) ON inbox
    TO hesabu_app, hesabu_dispatcher, hesabu_clock;
"""


def upgrade() -> None:
    """Allow it to whoever runs turns."""
    op.execute(RIGHTS)
