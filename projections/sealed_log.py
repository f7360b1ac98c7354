"""The log's tree, kept up with the log: what the sealer signs the root of.

A sealer that starts either makes it from the first event on (`make`), or goes on from the stored
tiles (`resume`). Tiles lie in the database and are not believed: from them comes the root of the
newest full tile, the events after it are hashed, and the root must be that of every checkpoint
that the sealer knows of, one kept outside of the database among them. So tiles that were changed
give no tree, and neither a changed event nor changed tiles get a new signature: an event counts
with the hash that it had when it was first seen. What `resume` does not see is an event that was
changed below the tiles and without them; `sealed_recheck` hashes all of them again meanwhile.
From then on it goes on from where it is: leaves of new events, and each tile that they complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ledger.merkle import TILE_WIDTH
from projections.sealed_recheck import Recheck
from projections.sealed_tree import (
    EventLeaves,
    GrowingTree,
    InconsistentLogError,
    missing,
    require_stored,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from ledger.checkpoints import SignedCheckpoint
    from ledger.merkle import Tile

__all__ = ["BATCH", "InconsistentLogError", "Known", "SealedLog"]

BATCH: Final = 5_000

READ_HEAD: Final = "SELECT coalesce(max(notification_id), 0) FROM ledger_events"
KEEP_TILES: Final = """
    INSERT INTO merkle_tiles (level, index, root, hashes)
    SELECT * FROM unnest(%b::smallint[], %b::bigint[], %b::bytea[], %b::bytea[])
    ON CONFLICT DO NOTHING
"""
KEEP_CHECKPOINT: Final = """
    INSERT INTO checkpoints (size, root, note) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
"""
NEWEST_CHECKPOINT: Final = "SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Known:
    """A checkpoint that the log must agree with, and where it was kept."""

    size: int
    root: bytes
    source: str


class SealedLog:
    """The tree over the events that one connection reads."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._leaves = EventLeaves(connection)
        self._tree = GrowingTree()

    @property
    def size(self) -> int:
        """How many events are in the tree."""
        return self._tree.size

    def root(self) -> bytes:
        """The root over them."""
        return self._tree.root()

    def head(self) -> int:
        """Where the log ends now."""
        return int(self._connection.execute(READ_HEAD).fetchone()[0])  # type: ignore[index]

    def make(self, known: Sequence[Known]) -> None:
        """Make the tree from the first event on, and hold it against everything `known`.

        Raises `InconsistentLogError` where the log is shorter than it was or has another root,
        where a position is missing, and where a stored tile is not the log's.
        """
        self._tree = GrowingTree()
        self._read_and_compare(known)

    def resume(self, known: Sequence[Known]) -> bool:
        """Go on from the stored tiles below all that is `known`; False where they do not fit it.

        Then `make` tells what is wrong, if anything is: tiles that are gone are made again.
        """
        if not known:
            return False
        size = min(each.size for each in known)
        tree = GrowingTree.from_tiles(self._connection, size - size % TILE_WIDTH)
        if tree is None:
            return False
        self._tree = tree
        try:
            self._read_and_compare(known)
        except InconsistentLogError:
            return False
        return True

    def read_on(self) -> int:
        """Take in what was recorded since, up to a batch; how many events.

        Tiles that are completed are stored in one transaction. Raises `InconsistentLogError`.
        """
        return self._read(self.size + BATCH)

    def recheck(self) -> Recheck:
        """A pass over all events that are in full tiles by now."""
        return Recheck(self._connection, self._tree.size_in_tiles, self._tree.root_in_tiles())

    def keep(self, signed: SignedCheckpoint) -> None:
        """Store a checkpoint that was published."""
        checkpoint = signed.checkpoint
        self._connection.execute(KEEP_CHECKPOINT, (checkpoint.size, checkpoint.root, str(signed)))

    def newest_note(self) -> str | None:
        """The newest checkpoint of the database: as good as the database is."""
        row = self._connection.execute(NEWEST_CHECKPOINT).fetchone()
        return None if row is None else str(row[0])

    def _read_and_compare(self, known: Sequence[Known]) -> None:
        head = self.head()
        for each in sorted(known, key=lambda each: each.size):
            if each.size > head:
                message = (
                    f"The log ends at {head}, but {each.source} has a checkpoint of {each.size} "
                    "events: events are missing. Was an older backup restored?"
                )
                raise InconsistentLogError(message)
            self._read_to(each.size)
            if self.root() != each.root:
                message = (
                    f"The first {each.size} events are not those that were signed: their root is "
                    f"another than in the checkpoint of {each.source}. History was changed."
                )
                raise InconsistentLogError(message)
        self._read_to(head)

    def _read_to(self, size: int) -> None:
        while self.size < size:
            if self._read(size) == 0:
                raise missing(self.size + 1)

    def _read(self, last: int) -> int:
        leaves = self._leaves.after(self.size, last, BATCH)
        if leaves:
            self._keep_tiles(self._tree.grow(leaves))
        return len(leaves)

    def _keep_tiles(self, tiles: Sequence[Tile]) -> None:
        if not tiles:
            return
        columns = (
            [tile.level for tile in tiles],
            [tile.index for tile in tiles],
            [tile.root for tile in tiles],
            [tile.hashes for tile in tiles],
        )
        made = self._connection.execute(KEEP_TILES, columns)
        if made.rowcount < len(tiles):
            require_stored(self._connection, tiles)
