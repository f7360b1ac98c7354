"""A promise for each event of a turn, signed after COMMIT: it is in the log and will stay there.

One signature covers a whole turn: it is over the root of the little tree (ledger/merkle.py) of the
turn's leaves, and every receipt carries the path from its leaf to that root. Whoever keeps one can
prove later that the platform dropped or changed the event, or one of its turn, without a checkpoint
and before the next one. Nothing is hashed or signed before the first answer of a turn asks for it,
so a turn costs no more for it. An event that is asked about later is a turn of its own.
(What arrives from providers and names no payment is in ledger/receipt.py.)

    message   hesabu receipt v1 ⏎ origin ⏎ first ⏎ count ⏎ root in hex ⏎ issued_at ⏎
    key       an Ed25519 key under the name origin/receipts, which signs nothing else
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from ledger.merkle import Frontier, inclusion_proof, leaf_hash, node_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


class Leaf(NamedTuple):
    """A stored event, which is what a leaf is made of."""

    stream_id: UUID
    version: int
    topic: str
    state: bytes
    position: int

    def hash(self) -> bytes:
        """Its hash in the log's tree and in its turn's."""
        return leaf_hash(
            position=self.position,
            stream_id=self.stream_id,
            version=self.version,
            topic=self.topic,
            state=self.state,
        )


class RecordedTurn:
    """The events that one transaction appended, in their order; signed when first asked for."""

    __slots__ = ("_by_version", "_signed", "events")

    def __init__(self, events: Sequence[Leaf]) -> None:
        self.events = events
        self._by_version: dict[tuple[UUID, int], int] = {}
        self._signed: _SignedTree | None = None

    def receipt(self, stream: UUID, version: int, signer: ReceiptSigner) -> SignedReceipt | None:
        """The receipt of a stream's event of that version; None if this turn did not append it."""
        if self._signed is None:
            self._by_version = {
                (event.stream_id, event.version): index for index, event in enumerate(self.events)
            }
            leaves = [event.hash() for event in self.events]
            self._signed = signer.sign(self.events[0].position, leaves)
        index = self._by_version.get((stream, version))
        return None if index is None else self._signed.receipt(index)


class ReceiptSigner:
    """Signs turns of one log by its receipt key.

    Raises `ValueError` when the signer is not the log's receipt key.
    """

    def __init__(
        self,
        signer: Signer,
        *,
        origin: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if signer.name != receipt_key_name(origin):
            raise ValueError(f"receipts of {origin} are signed by {receipt_key_name(origin)}")
        self._signer = signer
        self._origin = origin
        self._clock = clock

    def sign(self, first: int, leaves: Sequence[bytes]) -> _SignedTree:
        """Sign a turn whose events have the positions from `first` on, in that order.

        Raises `ValueError` when there are no events.
        """
        if not leaves:
            raise ValueError("a turn without events has no receipts")
        return _SignedTree(self._turn(first, leaves), leaves)

    def receipt(self, event: Leaf) -> SignedReceipt:
        """The receipt of one stored event, as a turn of its own."""
        return self.sign(event.position, [event.hash()]).receipt(0)

    def _turn(self, first: int, leaves: Sequence[bytes]) -> SignedTurn:
        tree = Frontier()
        tree.extend(leaves)
        moment = self._clock().astimezone(UTC).isoformat(timespec="milliseconds")
        issued_at = moment.replace("+00:00", "Z")
        root, count = tree.root(), len(leaves)
        message = receipt_message(
            origin=self._origin, first=first, count=count, root=root, issued_at=issued_at
        )
        return SignedTurn(
            origin=self._origin,
            first=first,
            count=count,
            root=root,
            issued_at=issued_at,
            key=f"{self._signer.name}+{self._signer.verifier_key.key_id.hex()}",
            signature=self._signer.private_key.sign(message),
        )


class _SignedTree:
    """A turn's leaves under its signature."""

    def __init__(self, turn: SignedTurn, leaves: Sequence[bytes]) -> None:
        self._turn = turn
        self._levels = _perfect_levels(leaves)

    def receipt(self, index: int) -> SignedReceipt:
        """The receipt of the turn's event of that index."""
        leaves = self._levels[0]
        path = inclusion_proof(index, len(leaves), lambda level, at: self._levels[level][at])
        return SignedReceipt(self._turn.first + index, leaves[index], tuple(path), self._turn)


def _perfect_levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """All nodes over leaves that are there, level by level."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = zip(below[::2], below[1::2], strict=False)  # the last may have no neighbour
        levels.append([node_hash(left, right) for left, right in pairs])
    return levels
