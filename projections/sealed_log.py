"""The log's tree, kept up with the log: what the sealer signs the root of.

It is made from the events themselves each time a sealer starts, and compared on the way with the
tiles that are stored and with every checkpoint that the sealer knows of, wherever that was kept.
So neither a changed event nor changed tiles get a new signature. From then on it goes on from
where it is: leaves of new events, and each tile that they complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ledger.merkle import Frontier, leaf_hash, perfect_root, tiles_grown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from ledger.checkpoints import SignedCheckpoint
    from ledger.merkle import Tile

BATCH: Final = 5_000

READ_ON: Final = """
    SELECT notification_id, originator_id, originator_version, topic, state FROM ledger_events
    WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id LIMIT %s
"""
READ_HEAD: Final = "SELECT coalesce(max(notification_id), 0) FROM ledger_events"
READ_TILE: Final = "SELECT root, hashes FROM merkle_tiles WHERE level = %s AND index = %s"
KEEP_TILE: Final = """
    INSERT INTO merkle_tiles (level, index, root, hashes) VALUES (%s, %s, %s, %s)
    ON CONFLICT DO NOTHING
"""
KEEP_CHECKPOINT: Final = """
    INSERT INTO checkpoints (size, root, note) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
"""
NEWEST_CHECKPOINT: Final = "SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1"


class InconsistentLogError(RuntimeError):
    """The log is not the one that was signed; the message says since when, and by what."""


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
        self._frontier = Frontier()
        self._partial: dict[int, bytes] = {}

    @property
    def size(self) -> int:
        """How many events are in the tree."""
        return self._frontier.size

    def root(self) -> bytes:
        """The root over them."""
        return self._frontier.root()

    def head(self) -> int:
        """Where the log ends now."""
        return int(self._connection.execute(READ_HEAD).fetchone()[0])  # type: ignore[index]

    def make(self, known: Sequence[Known]) -> None:
        """Make the tree from the first event on, and hold it against everything `known`.

        Raises `InconsistentLogError` where the log is shorter than it was or has another root,
        where a position is missing, and where a stored tile is not the log's.
        """
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

    def read_on(self) -> int:
        """Take in what was recorded since, up to a batch; how many events.

        Tiles that are completed are stored in one transaction. Raises `InconsistentLogError`.
        """
        return self._read(self.size + BATCH)

    def keep(self, signed: SignedCheckpoint) -> None:
        """Store a checkpoint that was published."""
        checkpoint = signed.checkpoint
        self._connection.execute(KEEP_CHECKPOINT, (checkpoint.size, checkpoint.root, str(signed)))

    def newest_note(self) -> str | None:
        """The newest checkpoint of the database: as good as the database is."""
        row = self._connection.execute(NEWEST_CHECKPOINT).fetchone()
        return None if row is None else str(row[0])

    def _read_to(self, size: int) -> None:
        while self.size < size:
            if self._read(size) == 0:
                message = f"Position {self.size + 1} is missing from the log."
                raise InconsistentLogError(message)

    def _read(self, last: int) -> int:
        rows = self._connection.execute(READ_ON, (self.size, last, BATCH)).fetchall()
        leaves = []
        for expected, (position, stream_id, version, topic, state) in enumerate(
            rows, start=self.size + 1
        ):
            if position != expected:
                message = f"Position {expected} is missing from the log."
                raise InconsistentLogError(message)
            leaves.append(
                leaf_hash(
                    position=position,
                    stream_id=stream_id,
                    version=version,
                    topic=topic,
                    state=state,
                )
            )
        if leaves:
            self._grow(leaves)
        return len(leaves)

    def _grow(self, leaves: list[bytes]) -> None:
        grown = tiles_grown(self.size, leaves, lambda level, _: self._partial[level])
        with self._connection.transaction():
            for tile in grown:
                if tile.is_full:
                    self._keep_tile(tile)
        for tile in grown:
            self._partial[tile.level] = b"" if tile.is_full else tile.hashes
        self._frontier.extend(leaves)

    def _keep_tile(self, tile: Tile) -> None:
        root = perfect_root(tile.hashes)
        made = self._connection.execute(KEEP_TILE, (tile.level, tile.index, root, tile.hashes))
        if made.rowcount == 1:
            return
        stored = self._connection.execute(READ_TILE, (tile.level, tile.index)).fetchone()
        if stored is None or tuple(stored) != (root, tile.hashes):
            first = (tile.index << 8 * (tile.level + 1)) + 1
            message = (
                f"The stored tile {tile.level}/{tile.index}, over positions from {first} on, is "
                "not that of the log. Tiles or events were changed."
            )
            raise InconsistentLogError(message)
