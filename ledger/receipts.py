"""A promise for each event of a turn, signed after COMMIT: it is in the log and will stay there.

One signature covers a whole turn: it is over the root of the little tree (ledger/merkle.py) of the
turn's leaves, and every receipt carries the path from its leaf to that root. Whoever keeps one can
prove later that the platform dropped or changed the event, without a checkpoint and before the
next one. (What arrives from providers and names no payment is in ledger/receipt.py.)

    message   hesabu receipt v1 ⏎ origin ⏎ first ⏎ count ⏎ root in hex ⏎ issued_at ⏎
    key       an Ed25519 key under the name origin/receipts, which signs nothing else
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from ledger.merkle import Frontier, inclusion_proof, node_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.checkpoints import Signer

FORMAT: Final = "hesabu-receipt-1"
DOMAIN: Final = "hesabu receipt v1"
NAME_SUFFIX: Final = "/receipts"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTurn:
    """What was signed: `count` events from the position `first` on, and the root of their tree."""

    origin: str
    first: int
    count: int
    root: bytes
    issued_at: str
    key: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """The promise for one event."""

    position: int
    leaf: bytes
    path: tuple[bytes, ...]
    turn: SignedTurn

    def to_json(self) -> dict[str, Any]:
        """As it is given away and as `hesabu-verify` reads it."""
        turn = self.turn
        return {
            "format": FORMAT,
            "origin": turn.origin,
            "position": self.position,
            "leaf": self.leaf.hex(),
            "turn": {"first": turn.first, "count": turn.count, "root": turn.root.hex()},
            "path": [node.hex() for node in self.path],
            "issued_at": turn.issued_at,
            "key": turn.key,
            "signature": base64.b64encode(turn.signature).decode(),
        }


def receipt_key_name(origin: str) -> str:
    """The name under which a log's receipt key is pinned, so that it cannot sign checkpoints."""
    return origin + NAME_SUFFIX


def receipt_message(*, origin: str, first: int, count: int, root: bytes, issued_at: str) -> bytes:
    """What is signed for a turn."""
    return f"{DOMAIN}\n{origin}\n{first}\n{count}\n{root.hex()}\n{issued_at}\n".encode()


def make_receipts(
    first: int, leaves: Sequence[bytes], *, origin: str, issued_at: datetime, signer: Signer
) -> list[SignedReceipt]:
    """Receipts for a turn whose events have the positions from `first` on, in that order.

    Raises `ValueError` when there are no events, or when the signer is not the log's receipt key.
    """
    if not leaves:
        raise ValueError("a turn without events has no receipts")
    if signer.name != receipt_key_name(origin):
        raise ValueError(f"receipts of {origin} are signed by {receipt_key_name(origin)}")
    turn = _sign(first, leaves, origin=origin, issued_at=issued_at, signer=signer)
    levels = _perfect_levels(leaves)
    return [
        SignedReceipt(
            first + index,
            leaf,
            tuple(inclusion_proof(index, len(leaves), lambda level, at: levels[level][at])),
            turn,
        )
        for index, leaf in enumerate(leaves)
    ]


def _sign(
    first: int, leaves: Sequence[bytes], *, origin: str, issued_at: datetime, signer: Signer
) -> SignedTurn:
    tree = Frontier()
    tree.extend(leaves)
    moment = issued_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    root, count = tree.root(), len(leaves)
    message = receipt_message(origin=origin, first=first, count=count, root=root, issued_at=moment)
    return SignedTurn(
        origin=origin,
        first=first,
        count=count,
        root=root,
        issued_at=moment,
        key=f"{signer.name}+{signer.verifier_key.key_id.hex()}",
        signature=signer.private_key.sign(message),
    )


def _perfect_levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """All nodes over leaves that are there, level by level."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = zip(below[::2], below[1::2], strict=False)  # the last may have no neighbour
        levels.append([node_hash(left, right) for left, right in pairs])
    return levels
