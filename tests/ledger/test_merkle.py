"""The audit log's tree is RFC 9162's: compared with its definition, and with another hand's."""

from __future__ import annotations

import struct
from hashlib import sha256
from math import ceil, log
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree  # type: ignore[import-untyped]
from pymerkle import verify_consistency as another_verify_consistency
from pymerkle import verify_inclusion as another_verify_inclusion

from ledger.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    TILE_WIDTH,
    Frontier,
    MissingNodeError,
    Tile,
    TileNodes,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    perfect_root,
    stored_leaf_hash,
    tile_width,
    tiles_completed,
    tiles_grown,
    verify_consistency,
    verify_inclusion,
)
from tests.ledger.trees import consistency_of, leaves_of, nodes_of, path_of, tree_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SIZE_MAX = 130
LEAVES = leaves_of(SIZE_MAX)
ROOTS = [tree_hash(LEAVES[:size]) for size in range(SIZE_MAX + 1)]
NODES = nodes_of(LEAVES)

PUBLISHED_LEAVES = "|00|10|2021|3031|40414243|5051525354555657|606162636465666768696a6b6c6d6e6f"
PUBLISHED_ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def frontier_of(leaves: Sequence[bytes]) -> Frontier:
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier


def flipped(node: bytes, bit: int = 0) -> bytes:
    changed = bytearray(node)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def altered(proof: list[bytes]) -> Iterator[list[bytes]]:
    """Every way in which a proof is another one: changed, shorter, longer, in another order."""
    for place, node in enumerate(proof):
        yield [*proof[:place], flipped(node, place % 256), *proof[place + 1 :]]
        yield proof[:place] + proof[place + 1 :]
        yield [*proof[:place], node[:-1], *proof[place + 1 :]]
        yield [*proof[:place], node, *proof[place:]]
    for place in range(len(proof) - 1):
        yield [*proof[:place], proof[place + 1], proof[place], *proof[place + 2 :]]
    yield [*proof, LEAVES[0]]
    yield [LEAVES[1], *proof]


# Leaves and roots.


def test_a_leaf_is_the_hash_of_lengths_and_stored_bytes() -> None:
    stream = UUID(int=0xA5)
    topic, state = "payment.succeeded.v2", '{"name":"Ünï"}'.encode()
    content = b"HSB1" + struct.pack(">Q", 7) + stream.bytes + struct.pack(">Q", 3)
    content += struct.pack(">I", 20) + topic.encode() + struct.pack(">I", len(state)) + state
    leaf = leaf_hash(position=7, stream_id=stream, version=3, topic=topic, state=state)
    assert leaf == sha256(b"\x00" + content).digest()


@given(st.integers(1, 2**63 - 1), st.uuids(), st.integers(1, 2**63 - 1), st.text(), st.binary())
def test_a_leaf_is_the_same_from_columns_as_the_database_sends_them(
    position: int, stream: UUID, version: int, topic: str, state: bytes
) -> None:
    leaf = leaf_hash(position=position, stream_id=stream, version=version, topic=topic, state=state)
    numbers = position.to_bytes(8, "big"), stream.bytes, version.to_bytes(8, "big")
    assert stored_leaf_hash(*numbers, topic.encode(), state) == leaf


@pytest.mark.parametrize("hashes", [b"", bytes(31), bytes(33), bytes(3 * 32), bytes(6 * 32)])
def test_a_perfect_tree_has_a_power_of_two_of_leaves(hashes: bytes) -> None:
    with pytest.raises(ValueError, match="perfect tree"):
        perfect_root(hashes)
    assert perfect_root(LEAVES[0]) == LEAVES[0]
    assert perfect_root(b"".join(LEAVES[:64])) == ROOTS[64]


@given(st.text(max_size=8), st.binary(max_size=8), st.integers(1, 8))
def test_no_byte_can_move_from_the_topic_to_the_state(topic: str, state: bytes, cut: int) -> None:
    place = {"position": 1, "stream_id": UUID(int=1), "version": 1}
    moved, rest = topic + state[:cut].decode("latin-1"), state[cut:]
    if (moved, rest) != (topic, state):
        one = leaf_hash(**place, topic=topic, state=state)  # type: ignore[arg-type]
        assert one != leaf_hash(**place, topic=moved, state=rest)  # type: ignore[arg-type]


def test_roots_are_those_that_others_published() -> None:
    leaves = [
        sha256(b"\x00" + bytes.fromhex(each)).digest() for each in PUBLISHED_LEAVES.split("|")
    ]
    roots = [frontier_of(leaves[:size]).root().hex() for size in range(len(leaves) + 1)]
    assert roots == list(PUBLISHED_ROOTS)


def test_a_frontier_has_the_root_of_the_definition_at_every_size_and_survives_storage() -> None:
    frontier = Frontier()
    assert frontier.root() == EMPTY_ROOT
    for size, leaf in enumerate(LEAVES, 1):
        frontier = Frontier.from_bytes(frontier.to_bytes())
        frontier.append(leaf)
        assert (frontier.size, frontier.root()) == (size, ROOTS[size])


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"\x00" * 7,
        b"\x00" * 9,
        frontier_of(LEAVES[:7]).to_bytes()[:-1],
        frontier_of(LEAVES[:7]).to_bytes() + LEAVES[0],
        b"\xff" * 8 + LEAVES[0] * 64,
    ],
    ids=["nothing", "short", "long", "cut", "one more", "no such size"],
)
def test_other_bytes_are_no_frontier(stored: bytes) -> None:
    with pytest.raises(ValueError, match="not the stored bytes"):
        Frontier.from_bytes(stored)


# Proofs, exhaustively.


def test_every_leaf_of_every_tree_is_proved_as_the_definition_says() -> None:
    for size in range(1, SIZE_MAX + 1):
        leaves = LEAVES[:size]
        for index in range(size):
            proof = inclusion_proof(index, size, NODES)
            assert proof == path_of(index, leaves)
            assert verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


def test_every_pair_of_trees_is_proved_consistent_as_the_definition_says() -> None:
    for second in range(1, SIZE_MAX + 1):
        for first in range(1, second + 1):
            proof = consistency_proof(first, second, NODES)
            assert proof == consistency_of(first, LEAVES[:second])
            assert verify_consistency(first, second, ROOTS[first], ROOTS[second], proof)


def test_an_inclusion_proof_holds_for_one_leaf_of_one_tree_only() -> None:
    for size in range(1, 34):
        for index in range(size):
            proof = inclusion_proof(index, size, NODES)
            for place in range(size):
                held = verify_inclusion(LEAVES[place], index, size, proof, ROOTS[size])
                assert held is (place == index)
                moved = verify_inclusion(LEAVES[index], place, size, proof, ROOTS[size])
                assert moved is (place == index)
            for other in range(SIZE_MAX + 1):
                held = verify_inclusion(LEAVES[index], index, size, proof, ROOTS[other])
                assert held is (other == size)


def test_every_altered_inclusion_proof_fails() -> None:
    for size in range(1, 66):
        for index in range(size):
            proof = inclusion_proof(index, size, NODES)
            for other in altered(proof):
                if other != proof:
                    assert not verify_inclusion(LEAVES[index], index, size, other, ROOTS[size])


def test_every_altered_consistency_proof_fails() -> None:
    for second in range(1, 50):
        for first in range(1, second + 1):
            proof = consistency_proof(first, second, NODES)
            roots = ROOTS[first], ROOTS[second]
            for other in altered(proof):
                if other != proof:
                    assert not verify_consistency(first, second, *roots, other)
            assert not verify_consistency(first, second, flipped(roots[0]), roots[1], proof)
            assert not verify_consistency(first, second, roots[0], flipped(roots[1]), proof)


def test_a_tree_whose_old_leaf_was_changed_is_consistent_with_nothing_before() -> None:
    for changed in range(20):
        leaves = [*LEAVES[:changed], flipped(LEAVES[changed]), *LEAVES[changed + 1 : 40]]
        root = tree_hash(leaves)
        for first in range(changed + 1, 40):
            for proof in (consistency_of(first, leaves), consistency_proof(first, 40, NODES)):
                assert not verify_consistency(first, 40, ROOTS[first], root, proof)


def test_what_needs_no_proof_has_none() -> None:
    assert consistency_proof(0, 9, NODES) == []
    assert verify_consistency(0, 9, EMPTY_ROOT, ROOTS[9], [])
    assert not verify_consistency(0, 9, ROOTS[1], ROOTS[9], [])
    assert not verify_consistency(0, 9, EMPTY_ROOT, ROOTS[9], [LEAVES[0]])
    assert not verify_consistency(9, 9, ROOTS[8], ROOTS[9], [])
    assert not verify_consistency(9, 8, ROOTS[9], ROOTS[8], [])
    assert not verify_consistency(4, 9, ROOTS[4], ROOTS[9], [])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5)])
def test_there_is_no_proof_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_proof(index, size, NODES)
    assert not verify_inclusion(LEAVES[0], index, size, [], LEAVES[0])


def test_there_is_no_proof_that_a_tree_shrank() -> None:
    with pytest.raises(ValueError, match="no tree of 4 leaves continues one of 5"):
        consistency_proof(5, 4, NODES)


# Another implementation.


def another_tree(contents: Sequence[bytes]) -> InmemoryTree:
    tree = InmemoryTree(algorithm="sha256")
    tree.append_entries(contents)
    return tree


@given(st.lists(st.binary(max_size=12), min_size=1, max_size=300), st.data())
def test_another_implementation_has_the_same_roots_and_proofs(
    contents: list[bytes], data: st.DataObject
) -> None:
    leaves = [sha256(b"\x00" + content).digest() for content in contents]
    nodes, tree = nodes_of(leaves), another_tree(contents)
    size = data.draw(st.integers(1, len(leaves)))
    first = data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, size - 1))
    root = frontier_of(leaves[:size]).root()
    assert tree.get_root(size) == root

    theirs = tree.prove_inclusion(index + 1, size)
    assert theirs.path == [leaves[index], *inclusion_proof(index, size, nodes)]
    another_verify_inclusion(leaves[index], root, theirs, index=index + 1, size=size)
    assert verify_inclusion(leaves[index], index, size, theirs.path[1:], root)

    theirs = tree.prove_consistency(first, size)
    old = frontier_of(leaves[:first]).root()
    another_verify_consistency(old, root, theirs, prior_size=first, later_size=size)
    # Their proof names other nodes than the RFC's, which the definition above is compared with.
    proof = consistency_proof(first, size, nodes)
    assert verify_consistency(first, size, old, root, proof)


# Tiles.


class Tiles:
    """Tiles as a table would keep them, and how many were read."""

    def __init__(self) -> None:
        self.stored: dict[tuple[int, int], bytes] = {}
        self.reads: list[tuple[int, int]] = []

    def read(self, level: int, index: int) -> bytes:
        self.reads.append((level, index))
        return self.stored[level, index]

    def write(self, tiles: Sequence[Tile]) -> None:
        for tile in tiles:
            self.stored[tile.level, tile.index] = tile.hashes


def never_read(level: int, index: int) -> bytes:
    raise AssertionError((level, index))


def test_a_tree_of_seventy_thousand_has_the_tiles_that_the_format_says() -> None:
    tiles = tiles_grown(0, leaves_of(70_000), never_read)
    full = [(tile.level, tile.index) for tile in tiles if tile.is_full]
    assert full == [*((0, index) for index in range(273)), (1, 0)]
    partial = {(tile.level, tile.index): tile.width for tile in tiles if not tile.is_full}
    assert partial == {(0, 273): 112, (1, 1): 17, (2, 0): 1}
    for tile in tiles:
        assert tile_width(tile.level, tile.index, 70_000) == tile.width
    assert [tile_width(0, 274, 70_000), tile_width(3, 0, 70_000)] == [0, 0]


def test_a_hash_in_a_tile_is_that_of_the_full_tile_below() -> None:
    leaves = leaves_of(600)
    tiles = {(tile.level, tile.index): tile.hashes for tile in tiles_grown(0, leaves, never_read)}
    assert tiles[0, 1] == b"".join(leaves[256:512])
    assert tiles[1, 0] == tree_hash(leaves[:256]) + tree_hash(leaves[256:512])


@pytest.mark.parametrize("seed", range(8))
def test_tiles_that_grow_a_few_leaves_at_a_time_are_those_of_the_whole_tree(seed: int) -> None:
    random, leaves, tiles, size = Random(seed), leaves_of(70_000), Tiles(), 0
    completed: list[Tile] = []
    while size < len(leaves):
        more = leaves[size : size + random.choice((1, 2, 255, 256, 257, 5_000))]
        tiles.reads.clear()
        grown = tiles_grown(size, more, tiles.read)
        levels = [level for level, _index in tiles.reads]
        assert levels == sorted(set(levels))
        completed += tiles_completed(size, more, tiles.read)
        tiles.write(grown)
        size += len(more)
    whole = tiles_grown(0, leaves, never_read)
    assert tiles.stored == {(tile.level, tile.index): tile.hashes for tile in whole}
    assert sorted((each.level, each.index) for each in completed) == sorted(
        (tile.level, tile.index) for tile in whole if tile.is_full
    )


def test_tiles_give_the_same_proofs_as_the_leaves() -> None:
    leaves = leaves_of(1_100)
    nodes, random = nodes_of(leaves), Random(1)
    for size in (1, 2, 255, 256, 257, 511, 512, 513, 1_024, 1_100):
        tiles = Tiles()
        tiles.write(tiles_grown(0, leaves[:size], never_read))
        for _ in range(60):
            index, first = random.randrange(size), random.randint(1, size)
            found = inclusion_proof(index, size, TileNodes(tiles.read))
            assert found == inclusion_proof(index, size, nodes)
            found = consistency_proof(first, size, TileNodes(tiles.read))
            assert found == consistency_proof(first, size, nodes)


def test_proofs_for_an_old_size_come_from_the_longer_tiles_of_a_new_one() -> None:
    leaves = leaves_of(1_100)
    tiles = Tiles()
    tiles.write(tiles_grown(0, leaves, never_read))
    for size in (1, 255, 257, 700, 1_024):
        proof = inclusion_proof(size - 1, size, TileNodes(tiles.read))
        assert proof == path_of(size - 1, leaves[:size])


def test_a_tile_that_is_too_short_is_named_as_missing() -> None:
    tiles = Tiles()
    tiles.write(tiles_grown(0, leaves_of(300), never_read))
    with pytest.raises(MissingNodeError):
        inclusion_proof(0, 301, TileNodes(tiles.read))
    with pytest.raises(MissingNodeError):
        tiles_grown(301, leaves_of(1), tiles.read)


def uniform_tiles(size: int, tiles: Tiles) -> Callable[[int, int], bytes]:
    """The tiles of a tree whose leaves are all the same, so that none has to be kept."""
    levels = [LEAVES[0]]
    while len(levels) < 32:
        levels.append(node_hash(levels[-1], levels[-1]))

    def read(level: int, index: int) -> bytes:
        tiles.reads.append((level, index))
        return levels[8 * level] * tile_width(level, index, size)

    return read


@pytest.mark.parametrize("size", [9_999_999, 10_000_000, 2**23, 2**24 - 1])
def test_a_proof_of_ten_million_leaves_reads_a_handful_of_tiles(size: int) -> None:
    tiles, random = Tiles(), Random(size)
    read = uniform_tiles(size, tiles)
    reads_max = ceil(3 * log(size, TILE_WIDTH))
    everything = TileNodes(uniform_tiles(size, Tiles()))
    root = root_from(size, everything)
    for index in [
        0,
        1,
        255,
        256,
        size // 2,
        size - 1,
        *(random.randrange(size) for _ in range(50)),
    ]:
        tiles.reads.clear()
        proof = inclusion_proof(index, size, TileNodes(read))
        assert len(tiles.reads) == len(set(tiles.reads)) <= reads_max
        assert verify_inclusion(LEAVES[0], index, size, proof, root)
    for first in [
        1,
        255,
        256,
        65_537,
        size // 2,
        size - 1,
        *(random.randrange(size) for _ in range(50)),
    ]:
        tiles.reads.clear()
        proof = consistency_proof(first, size, TileNodes(read))
        assert len(tiles.reads) == len(set(tiles.reads)) <= reads_max
        assert verify_consistency(first, size, root_from(first, everything), root, proof)


def root_from(size: int, nodes: TileNodes) -> bytes:
    """The root from perfect subtrees: a frontier's stored form is just them."""
    start, perfect = 0, []
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            perfect.append(nodes(level, start >> level))
            start += 1 << level
    stored = struct.pack(">Q", size) + b"".join(perfect)
    assert len(stored) == 8 + HASH_BYTES * size.bit_count()
    return Frontier.from_bytes(stored).root()
