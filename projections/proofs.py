"""Proofs about the sealed log: that an event is in it, and that it continues what it was.

They are made from the tiles that the sealer keeps; what is not a full tile yet, from the events
and from the roots of the full tiles below. No proof reads more than a few tiles of each level.
Whoever checks one needs neither us nor this code: RFC 9162, sections 2.1.3 and 2.1.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar

from ledger.errors import NotFound, NotInThisState
from ledger.merkle import (
    HASH_BYTES,
    TILE_WIDTH,
    TileNodes,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    tile_width,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.merkle import Nodes
    from projections.reader import Reader

READ_NEWEST: Final = """
    SELECT size, root, note, signed_at FROM checkpoints ORDER BY size DESC LIMIT 1
"""
READ_CHECKPOINT: Final = """
    SELECT size, root, note, signed_at FROM checkpoints WHERE size = %b::bigint
"""
READ_TILE: Final = """
    SELECT hashes FROM merkle_tiles WHERE level = %b::smallint AND index = %b::bigint
"""
READ_ROOTS: Final = """
    SELECT root FROM merkle_tiles
    WHERE level = %b::smallint AND index >= %b::bigint AND index < %b::bigint ORDER BY index
"""
READ_EVENTS: Final = """
    SELECT notification_id, originator_id, originator_version, topic, state FROM ledger_events
    WHERE notification_id > %b::bigint AND notification_id <= %b::bigint ORDER BY notification_id
"""

Proof = TypeVar("Proof")


class NoCheckpoint(NotFound):
    """There is no such checkpoint. Ask for the newest one, without a size."""

    code = "no_checkpoint"


class NotSealedYet(NotInThisState):
    """The newest checkpoint covers {size} events; {wanted} is not among them yet. Try again."""

    code = "not_sealed_yet"


class NoSuchTile(NotFound):
    """The tree of the newest checkpoint has no such tile."""

    code = "tile_not_found"


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """A checkpoint as it was published."""

    size: int
    root: bytes
    note: str
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class Inclusion:
    """The leaf of a position is in the tree of a checkpoint."""

    position: int
    leaf: bytes
    path: list[bytes]
    checkpoint: KeptCheckpoint


@dataclass(frozen=True, slots=True)
class Consistency:
    """The tree of one checkpoint begins with that of another."""

    path: list[bytes]
    first: KeptCheckpoint
    second: KeptCheckpoint


class _Wanted(Exception):
    def __init__(self, level: int, index: int) -> None:
        super().__init__()
        self.tile = level, index


async def checkpoint(reader: Reader, size: int | None = None) -> KeptCheckpoint:
    """The newest checkpoint, or that of a size. Raises `NoCheckpoint` or `ReadUnavailable`."""
    found = await (
        reader.fetch(READ_NEWEST) if size is None else reader.fetch(READ_CHECKPOINT, [size])
    )
    if not found:
        raise NoCheckpoint
    return KeptCheckpoint(*found[0])


async def inclusion(reader: Reader, position: int, size: int | None = None) -> Inclusion:
    """The proof that an event is in the tree of a checkpoint, by default the newest.

    Raises `NoCheckpoint`, `NotSealedYet` or `ReadUnavailable`.
    """
    kept = await checkpoint(reader, size)
    if not 1 <= position <= kept.size:
        raise NotSealedYet(size=kept.size, wanted=position)
    tiles = _Tiles(reader, kept.size)
    path = await tiles.proof(lambda nodes: inclusion_proof(position - 1, kept.size, nodes))
    leaf = await tiles.proof(lambda nodes: nodes(0, position - 1))
    return Inclusion(position, leaf, path, kept)


async def consistency(reader: Reader, first: int, second: int | None = None) -> Consistency:
    """The proof that a checkpoint continues an earlier one. Raises as `inclusion`."""
    later = await checkpoint(reader, second)
    if first > later.size:
        raise NotSealedYet(size=later.size, wanted=first)
    earlier = await checkpoint(reader, first)
    tiles = _Tiles(reader, later.size)
    path = await tiles.proof(lambda nodes: consistency_proof(first, later.size, nodes))
    return Consistency(path, earlier, later)


async def tile(reader: Reader, level: int, index: int) -> bytes:
    """The hashes of a tile of the newest checkpoint's tree; the last of a level may be partial.

    Raises `NoCheckpoint`, `NoSuchTile` or `ReadUnavailable`.
    """
    kept = await checkpoint(reader)
    if tile_width(level, index, kept.size) == 0:
        raise NoSuchTile
    return await _Tiles(reader, kept.size).read(level, index)


class _Tiles:
    """The tiles of one tree, as far as they were read."""

    def __init__(self, reader: Reader, size: int) -> None:
        self._reader = reader
        self._size = size
        self._read: dict[tuple[int, int], bytes] = {}

    async def proof(self, make: Callable[[Nodes], Proof]) -> Proof:
        """What `make` makes of the tree's nodes; it is begun again for each tile that it lacks."""
        while True:
            try:
                return make(TileNodes(self._known))
            except _Wanted as wanted:
                self._read[wanted.tile] = await self.read(*wanted.tile)

    def _known(self, level: int, index: int) -> bytes:
        found = self._read.get((level, index))
        if found is None:
            raise _Wanted(level, index)
        return found

    async def read(self, level: int, index: int) -> bytes:
        """The hashes of one tile, as many as this tree has."""
        width = tile_width(level, index, self._size)
        first = index * TILE_WIDTH
        if width == TILE_WIDTH and (rows := await self._reader.fetch(READ_TILE, [level, index])):
            return bytes(rows[0][0])
        if level:
            rows = await self._reader.fetch(READ_ROOTS, [level - 1, first, first + width])
            return b"".join(root for (root,) in rows)
        rows = await self._reader.fetch(READ_EVENTS, [first, first + width])
        leaves = b"".join(
            leaf_hash(
                position=position, stream_id=stream_id, version=version, topic=topic, state=state
            )
            for position, stream_id, version, topic, state in rows
        )
        return leaves[: width * HASH_BYTES]
