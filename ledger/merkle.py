"""The audit log's tree: hashes of events, roots, tiles and proofs (RFC 9162, section 2.1).

Everything is a function of bytes: nothing is read and nothing is written. A proof asks for the
nodes that it needs, and `TileNodes` finds them in tiles (C2SP tlog-tiles, height 8), wherever
those are kept.

    leaf  SHA-256(0x00 ‖ "HSB1" ‖ u64 position ‖ 16 bytes stream id ‖ u64 version
                  ‖ u32 length ‖ topic ‖ u32 length ‖ state)              big-endian, topic in UTF-8
    node  SHA-256(0x01 ‖ left ‖ right)
    tile  level L, index N: the nodes (8L, 256N) … (8L, 256N + 255); the last of a level is shorter

Positions are dense from 1, so the leaf of a position has the index position - 1. A node is named
by (level, index): it is the root of the leaves index × 2^level … (index + 1) × 2^level - 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from struct import Struct
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from uuid import UUID

    Nodes = Callable[[int, int], bytes]
    """(level, index) → the node's hash, for nodes over 2^level leaves that are all there."""

    TileSource = Callable[[int, int], bytes]
    """(level, index) → the tile's hashes, 32 bytes each, as many as the tree has or more."""

HASH_BYTES: Final = 32
TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
TILE_BYTES: Final = TILE_WIDTH * HASH_BYTES
SIZE_MAX: Final = (1 << 63) - 1
EMPTY_ROOT: Final = sha256(b"").digest()

LEAF_PREFIX: Final = b"\x00HSB1"
NODE_PREFIX: Final = b"\x01"

_PLACE: Final = Struct(">Q16sQI")
_LENGTH: Final = Struct(">I")
_SIZE: Final = Struct(">Q")


class MissingNodeError(LookupError):
    """The tiles do not hold a node that the tree has: they are of a smaller tree, or damaged."""


def leaf_hash(*, position: int, stream_id: UUID, version: int, topic: str, state: bytes) -> bytes:
    """The leaf of an event, from its columns; `state` is the stored bytes, never written anew."""
    name = topic.encode()
    place = _PLACE.pack(position, stream_id.bytes, version, len(name))
    return sha256(
        b"".join((LEAF_PREFIX, place, name, _LENGTH.pack(len(state)), state)),
    ).digest()


def stored_leaf_hash(
    position: bytes, stream_id: bytes, version: bytes, topic: bytes, state: bytes
) -> bytes:
    """The same of the columns as PostgreSQL sends them in binary: its numbers are big-endian, too.

    Nothing is decoded only to be encoded again, which is most of the work of hashing a long log.
    """
    return sha256(
        b"".join(
            (
                LEAF_PREFIX,
                position,
                stream_id,
                version,
                _LENGTH.pack(len(topic)),
                topic,
                _LENGTH.pack(len(state)),
                state,
            )
        )
    ).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(NODE_PREFIX + left + right).digest()


class Frontier:
    """A tree that only grows, kept as the roots of its perfect subtrees: at most 63 hashes.

    It is all that is needed to add leaves and to know the root.
    """

    __slots__ = ("_nodes", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._nodes: list[bytes] = []

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return self._size

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        node, complete = leaf, self._size
        while complete & 1:
            node = node_hash(self._nodes.pop(), node)
            complete >>= 1
        self._nodes.append(node)
        self._size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes, in the order of their positions."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """The Merkle tree hash over all leaves."""
        return _fold(self._nodes) if self._nodes else EMPTY_ROOT

    def to_bytes(self) -> bytes:
        """u64 size, then the hash of each perfect subtree, the largest first."""
        return _SIZE.pack(self._size) + b"".join(self._nodes)

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        """Read back what `to_bytes` wrote. Raises `ValueError` for any other bytes."""
        size = _SIZE.unpack_from(stored)[0] if len(stored) >= _SIZE.size else -1
        if not 0 <= size <= SIZE_MAX or len(stored) != _SIZE.size + size.bit_count() * HASH_BYTES:
            raise ValueError("not the stored bytes of a frontier")
        frontier = cls()
        frontier._size = size
        frontier._nodes = _split(stored[_SIZE.size :])
        return frontier


@dataclass(frozen=True, slots=True)
class Tile:
    """Up to 256 hashes of level 8 × `level`, from number 256 × `index` on.

    The root over them is known where they are 256: it is a hash of the tile above.
    """

    level: int
    index: int
    hashes: bytes
    root: bytes | None = None

    @property
    def width(self) -> int:
        """How many hashes it holds."""
        return len(self.hashes) // HASH_BYTES

    @property
    def is_full(self) -> bool:
        """Whether it will never change again."""
        return len(self.hashes) == TILE_BYTES


def tiles_grown(old_size: int, leaves: Sequence[bytes], read_tile: TileSource) -> list[Tile]:
    """The tiles that are new or longer after `leaves` were added to a tree of `old_size` leaves.

    Partial ones are among them. `read_tile` gives tiles of the old tree and is asked for one a
    level at most: the last one, where it is partial.
    """
    tiles: list[Tile] = []
    level, first, hashes = 0, old_size, b"".join(leaves)
    while hashes:
        index, width = divmod(first, TILE_WIDTH)
        if width:
            hashes = _exactly(read_tile(level, index), width) + hashes
        grown = [
            _tile(level, index + number, hashes[start : start + TILE_BYTES])
            for number, start in enumerate(range(0, len(hashes), TILE_BYTES))
        ]
        tiles += grown
        level, first = level + 1, index
        hashes = b"".join(tile.root for tile in grown if tile.root is not None)
    return tiles


def _tile(level: int, index: int, hashes: bytes) -> Tile:
    root = perfect_root(hashes) if len(hashes) == TILE_BYTES else None
    return Tile(level, index, hashes, root)


def tiles_completed(old_size: int, leaves: Sequence[bytes], read_tile: TileSource) -> list[Tile]:
    """The full tiles among `tiles_grown`: those that are written once and for ever."""
    return [tile for tile in tiles_grown(old_size, leaves, read_tile) if tile.is_full]


def tile_width(level: int, index: int, size: int) -> int:
    """How many hashes a tile has in a tree of `size` leaves; none when there is no such tile."""
    return max(0, min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - index * TILE_WIDTH))


class TileNodes:
    """Nodes of a tree, found in its tiles. Each tile is read once, so make one for each proof."""

    def __init__(self, read_tile: TileSource) -> None:
        self._read_tile = read_tile
        self._tiles: dict[tuple[int, int], bytes] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """The node's hash. Raises `MissingNodeError` when the tile is too short."""
        tile_level, height = divmod(level, TILE_HEIGHT)
        tile_index, offset = divmod(index << height, TILE_WIDTH)
        key = (tile_level, tile_index)
        if key not in self._tiles:
            self._tiles[key] = self._read_tile(*key)
        start = offset * HASH_BYTES
        return perfect_root(_exactly(self._tiles[key][start:], 1 << height))


def inclusion_proof(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """The proof that the leaf `index` is in the tree of `size` leaves (RFC 9162, 2.1.3.1).

    Raises `ValueError` when the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    path = []
    start, end = 0, size
    while end - start > 1:
        middle = _middle(start, end)
        if index < middle:
            path.append(_root(middle, end, nodes))
            end = middle
        else:
            path.append(_root(start, middle, nodes))
            start = middle
    return path[::-1]


def consistency_proof(first: int, second: int, nodes: Nodes) -> list[bytes]:
    """The proof that the first `first` of `second` leaves are still the same (RFC 9162, 2.1.4.1).

    Empty where nothing is to be proved: from an empty tree, or from a tree to itself. Raises
    `ValueError` when the tree would have shrunk.
    """
    if not 0 <= first <= second:
        raise ValueError(f"no tree of {second} leaves continues one of {first}")
    path: list[bytes] = []
    if first == 0:
        return path
    start, end = 0, second
    while first != end:
        middle = _middle(start, end)
        if first <= middle:
            path.append(_root(middle, end, nodes))
            end = middle
        else:
            path.append(_root(start, middle, nodes))
            start = middle
    if start:  # otherwise it is the first tree's root, which the verifier has
        path.append(_root(start, end, nodes))
    return path[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether the proof leads from the leaf to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or not _are_hashes(leaf, root, *proof):
        return False
    number, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if number & 1 or number == last:
            node = node_hash(sibling, node)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        number, last = number >> 1, last >> 1
    return last == 0 and node == root


def verify_consistency(
    first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the tree of `second` leaves continues the one of `first` (RFC 9162, 2.1.4.2).

    Every tree continues the empty one and itself: then the proof has to be empty, too.
    """
    if not 0 <= first <= second or not _are_hashes(first_root, second_root, *proof):
        return False
    if first == second:
        return not proof and first_root == second_root
    if first == 0:
        return not proof and first_root == EMPTY_ROOT
    if not proof:
        return False
    path = list(proof)
    if first.bit_count() == 1:
        path.insert(0, first_root)
    number, last = first - 1, second - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        number, last = number >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def perfect_root(hashes: bytes) -> bytes:
    """The root over 2^n hashes that lie one after the other; `ValueError` for other counts."""
    count, pair = len(hashes) // HASH_BYTES, 2 * HASH_BYTES
    if count.bit_count() != 1 or len(hashes) % HASH_BYTES:
        raise ValueError(f"{len(hashes)} bytes are not the hashes of a perfect tree")
    while len(hashes) > HASH_BYTES:
        # `node_hash` of each pair, written out: a tile is 255 of them.
        pairs = range(0, len(hashes), pair)
        hashes = b"".join([sha256(NODE_PREFIX + hashes[at : at + pair]).digest() for at in pairs])
    return hashes


def tree_root(size: int, nodes: Nodes) -> bytes:
    """The root of the tree of `size` leaves, from the nodes of its perfect subtrees."""
    return _root(0, size, nodes) if size else EMPTY_ROOT


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def _exactly(hashes: bytes, width: int) -> bytes:
    if len(hashes) < width * HASH_BYTES:
        raise MissingNodeError(f"a tile has no {width} hashes where the tree has them")
    return hashes[: width * HASH_BYTES]


def _are_hashes(*hashes: bytes) -> bool:
    return all(len(each) == HASH_BYTES for each in hashes)


def _middle(start: int, end: int) -> int:
    """Where a tree is divided: its left side is the largest power of two that is not all of it."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def _root(start: int, end: int, nodes: Nodes) -> bytes:
    """The root over the leaves from `start`, which is aligned to their number, to before `end`."""
    perfect = []
    while start < end:
        level = (end - start).bit_length() - 1
        perfect.append(nodes(level, start >> level))
        start += 1 << level
    return _fold(perfect)


def _fold(perfect: Sequence[bytes]) -> bytes:
    """The root over perfect subtrees that become smaller from left to right."""
    root = perfect[-1]
    for node in reversed(perfect[:-1]):
        root = node_hash(node, root)
    return root
