"""The tree as RFC 9162 defines it, word by word and slowly: what the fast one is compared with."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def leaves_of(count: int) -> list[bytes]:
    """Leaf hashes that are all different."""
    return [sha256(b"\x00leaf %d" % number).digest() for number in range(count)]


def largest_power_below(count: int) -> int:
    """The largest power of two smaller than the count: k < n ≤ 2k."""
    power = 1
    while 2 * power < count:
        power *= 2
    return power


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """MTH(D_n) of 2.1.1, over leaf hashes."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = largest_power_below(len(leaves))
    return sha256(b"\x01" + tree_hash(leaves[:half]) + tree_hash(leaves[half:])).digest()


def path_of(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D_n) of 2.1.3.1."""
    if len(leaves) == 1:
        return []
    half = largest_power_below(len(leaves))
    if index < half:
        return [*path_of(index, leaves[:half]), tree_hash(leaves[half:])]
    return [*path_of(index - half, leaves[half:]), tree_hash(leaves[:half])]


def consistency_of(first: int, leaves: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """PROOF(m, D_n) of 2.1.4.1: SUBPROOF(m, D_n, true)."""
    if first == len(leaves):
        return [] if whole else [tree_hash(leaves)]
    half = largest_power_below(len(leaves))
    if first <= half:
        return [*consistency_of(first, leaves[:half], whole=whole), tree_hash(leaves[half:])]
    return [
        *consistency_of(first - half, leaves[half:], whole=False),
        tree_hash(leaves[:half]),
    ]


def nodes_of(leaves: Sequence[bytes]) -> Callable[[int, int], bytes]:
    """The nodes of a tree by level and index, from its leaves."""
    known: dict[tuple[int, int], bytes] = {}

    def node(level: int, index: int) -> bytes:
        key = (level, index)
        if key not in known:
            covered = leaves[index << level : (index + 1) << level]
            assert len(covered) == 1 << level
            known[key] = tree_hash(covered)
        return known[key]

    return node
