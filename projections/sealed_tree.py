"""The events as leaves, and the tree that grows from them: what sealing and looking again share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from psycopg.types.string import ByteaBinaryLoader

from ledger.merkle import (
    HASH_BYTES,
    TILE_WIDTH,
    TileNodes,
    stored_leaf_hash,
    tiles_grown,
    tree_root,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from ledger.merkle import Tile

READ_EVENTS: Final = """
    SELECT notification_id, originator_id, originator_version, topic, state FROM ledger_events
    WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id LIMIT %s
"""
READ_ROOTS: Final = """
    SELECT root FROM merkle_tiles
    WHERE level = %s AND index >= %s AND index < %s ORDER BY index
"""
READ_TILES: Final = """
    SELECT level, index, root, hashes FROM merkle_tiles
    JOIN unnest(%s::smallint[], %s::bigint[]) AS wanted (level, index) USING (level, index)
"""


class InconsistentLogError(RuntimeError):
    """The log is not the one that was signed; the message says since when, and by what."""


class GrowingTree:
    """A tree that only grows, kept as the last tile of each level that is not full yet."""

    def __init__(self) -> None:
        self._size = 0
        self._last: dict[int, bytes] = {}

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return self._size

    def root(self) -> bytes:
        """The root over them."""
        return self._root(self._size)

    @property
    def size_in_tiles(self) -> int:
        """How many leaves lie in full tiles."""
        return self._size - self._size % TILE_WIDTH

    def root_in_tiles(self) -> bytes:
        """The root over those alone."""
        return self._root(self.size_in_tiles)

    def grow(self, leaves: Sequence[bytes]) -> list[Tile]:
        """Add leaves; the tiles that became full by them, of every level."""
        grown = tiles_grown(self._size, leaves, lambda level, _: self._last[level])
        for tile in grown:
            self._last[tile.level] = b"" if tile.is_full else tile.hashes
        self._size += len(leaves)
        return [tile for tile in grown if tile.is_full]

    def _root(self, size: int) -> bytes:
        # A perfect subtree of the right side lies in a tile that is not full: a full one counts as
        # one hash of the level above.
        return tree_root(size, TileNodes(lambda level, _: self._last.get(level, b"")))

    @classmethod
    def from_tiles(cls, connection: psycopg.Connection[Any], size: int) -> GrowingTree | None:
        """The tree of `size` leaves, all in full tiles, as the stored tiles have it; None if not.

        It is right where its root is: nothing is read but hashes that go into the root.
        """
        tree = cls()
        tree._size = size
        level, count = 1, size // TILE_WIDTH
        while count:
            wanted = level - 1, count - count % TILE_WIDTH, count
            roots = connection.execute(READ_ROOTS, wanted).fetchall()
            hashes = b"".join(root for (root,) in roots)
            if len(hashes) != count % TILE_WIDTH * HASH_BYTES:
                return None
            tree._last[level] = hashes
            level, count = level + 1, count // TILE_WIDTH
        return tree


class EventLeaves:
    """Reads events of one connection as leaves. What is read is never decoded."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._cursor = connection.cursor(binary=True)
        for name in ("int8", "uuid", "text"):
            self._cursor.adapters.register_loader(name, ByteaBinaryLoader)

    def after(self, position: int, last: int, count_max: int) -> list[bytes]:
        """The leaves of the events after `position`, up to `last`.

        Raises `InconsistentLogError` where one is missing, except at the end.
        """
        rows = self._cursor.execute(READ_EVENTS, (position, last, count_max)).fetchall()
        for expected, row in enumerate(rows, start=position + 1):
            if int.from_bytes(row[0], "big") != expected:
                raise missing(expected)
        return [stored_leaf_hash(*row) for row in rows]


def missing(position: int) -> InconsistentLogError:
    """What to say of a gap."""
    return InconsistentLogError(f"Position {position} is missing from the log.")


def require_stored(connection: psycopg.Connection[Any], tiles: Sequence[Tile]) -> None:
    """Raise `InconsistentLogError` unless these full tiles are stored, and are what is stored."""
    places = [tile.level for tile in tiles], [tile.index for tile in tiles]
    stored = {
        (level, index): (root, hashes)
        for level, index, root, hashes in connection.execute(READ_TILES, places)
    }
    for tile in tiles:
        found = stored.get((tile.level, tile.index))
        if found != (tile.root, tile.hashes):
            raise InconsistentLogError(_difference(tile, b"" if found is None else found[1]))


def _difference(tile: Tile, stored: bytes) -> str:
    first = (tile.index << 8 * (tile.level + 1)) + 1
    message = (
        f"The stored tile {tile.level}/{tile.index}, over positions from {first} on, is not that "
        "of the log. Tiles or events were changed."
    )
    if tile.level == 0:
        places = range(0, len(stored), HASH_BYTES)
        differing = [
            at for at in places if stored[at:][:HASH_BYTES] != tile.hashes[at:][:HASH_BYTES]
        ]
        if differing:
            position = first + differing[0] // HASH_BYTES
            message += f" The first event that is not as it was sealed is at position {position}."
    return message
