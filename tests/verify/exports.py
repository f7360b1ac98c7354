"""An export of a real log, written as the format says, and what an attacker can do to it.

The attacker owns the server: every hash, balance and number can be computed again. Only the
checkpoints that were signed before cannot be made anew.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.checkpoints import Checkpoint, SignedCheckpoint, Signer, sign_checkpoint
from ledger.merkle import Frontier, leaf_hash
from ledger.receipts import receipt_key_name
from tests.databases import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ledger.database.location import DatabaseLocation

ORIGIN: Final = "hesabu.example/log"
READ_EVENTS: Final = """
    SELECT notification_id, originator_id, originator_version, topic, state
    FROM ledger_events ORDER BY notification_id
"""
READ_BALANCES: Final = "SELECT account, currency, balance FROM balances ORDER BY account, currency"


def signer(name: str = ORIGIN, seed: int = 1) -> Signer:
    """A key that is the same in every run."""
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


LOG: Final = signer()
NEXT: Final = signer(seed=2)
WITNESS: Final = signer("witness.example/w1", seed=3)
RECEIPTS: Final = signer(receipt_key_name(ORIGIN), seed=4)
STRANGER: Final = signer(seed=9)


@dataclass(slots=True)
class ExportedEvent:
    """An event's columns; `state` is the stored bytes as text."""

    position: int
    stream: str
    version: int
    topic: str
    state: str

    @property
    def leaf(self) -> bytes:
        return leaf_hash(
            position=self.position,
            stream_id=UUID(self.stream),
            version=self.version,
            topic=self.topic,
            state=self.state.encode(),
        )

    @property
    def entry(self) -> dict[str, Any] | None:
        entry: dict[str, Any] | None = json.loads(self.state).get("entry")
        return entry

    def rewrite(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the state as one could who has its JSON."""
        state = json.loads(self.state)
        change(state)
        self.state = json.dumps(state, separators=(",", ":"), ensure_ascii=False)

    def line(self) -> dict[str, Any]:
        return {
            "position": self.position,
            "stream": self.stream,
            "version": self.version,
            "topic": self.topic,
            "state": self.state,
        }


@dataclass(slots=True, repr=False)
class Export:
    """Everything that an export says. `sealed` are the leaves that the platform kept."""

    events: list[ExportedEvent]
    balances: list[dict[str, Any]]
    checkpoints: dict[int, str] = field(default_factory=dict)
    sealed: list[str] = field(default_factory=list)

    def copy(self) -> Export:
        return deepcopy(self)

    @property
    def size(self) -> int:
        return len(self.events)

    def root(self, size: int | None = None) -> bytes:
        tree = Frontier()
        tree.extend(event.leaf for event in self.events[:size])
        return tree.root()

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        size = self.size if size is None else size
        return Checkpoint(ORIGIN, size, self.root(size))

    def note(self, size: int | None = None, *signers: Signer) -> str:
        return str(sign_checkpoint(self.checkpoint(size), *(signers or (LOG,))))

    def cosigned(self, size: int | None = None) -> str:
        note = SignedCheckpoint.parse(self.note(size))
        cosignature = WITNESS.cosign(note.checkpoint, timestamp=1_800_000_000)
        return str(note.with_signatures(cosignature))

    def seal(self, every: int) -> None:
        """Sign a checkpoint each so many events and one at the end, and keep the leaves."""
        sizes = [*range(every, self.size, every), self.size]
        self.checkpoints = {size: self.note(size) for size in sizes}
        self.sealed = [event.leaf.hex() for event in self.events]

    def recompute(self) -> None:
        """What the attacker can: positions, versions, leaves and balances are in order again."""
        versions: dict[str, int] = {}
        for position, event in enumerate(self.events, 1):
            event.position = position
            event.version = versions[event.stream] = versions.get(event.stream, 0) + 1
        self.recompute_sums()

    def recompute_sums(self) -> None:
        """The same, but for positions and versions."""
        self.sealed = [event.leaf.hex() for event in self.events]
        balances: dict[tuple[str, str], int] = {}
        for event in self.events:
            for posting in (event.entry or {"postings": []})["postings"]:
                account = posting["account"], posting["currency"]
                balances[account] = balances.get(account, 0) + posting["amount"]
        self.balances = [
            {"account": account, "currency": currency, "balance": balance}
            for (account, currency), balance in sorted(balances.items())
        ]

    def balances_record(self) -> dict[str, Any]:
        return {"position": self.size, "balances": self.balances}

    def records(self) -> Iterator[dict[str, Any]]:
        """Line by line: each checkpoint directly after its last event."""
        yield {"format": "hesabu-export-1", "origin": ORIGIN, "first": 1, "book": "main"}
        sizes = range(1, self.size + 1)
        elsewhere = (note for size, note in self.checkpoints.items() if size not in sizes)
        yield from ({"checkpoint": note} for note in elsewhere)
        for index, event in enumerate(self.events):
            leaf = {"leaf": self.sealed[index]} if self.sealed else {}
            yield {**event.line(), **leaf}
            if note := self.checkpoints.get(index + 1):
                yield {"checkpoint": note}
        yield {"balances": self.balances_record()}
        yield {"end": {"events": self.size}}

    def write(self, path: Path) -> Path:
        path.write_text(text_of(self.records()), encoding="utf-8")
        return path


def text_of(records: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> str:
    """NDJSON."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def export_of(database: DatabaseLocation) -> Export:
    """The whole log and the balances beside it, as they lie in the tables."""
    return Export(
        [
            ExportedEvent(position, str(stream), version, topic, bytes(state).decode())
            for position, stream, version, topic, state in rows(database, READ_EVENTS)
        ],
        [
            {"account": account, "currency": currency, "balance": int(balance)}
            for account, currency, balance in rows(database, READ_BALANCES)
        ],
    )
