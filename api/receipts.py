"""What a caller keeps to prove later that their write was acknowledged: a receipt with the answer.

The answer to a write names what it is about and the version that it shows. `Hesabu-Receipt` is the
receipt of that version's event: JSON on one line, to be stored as it is and given to hesabu-verify.
It is made after COMMIT, from the turn that appended the event. For an answer that is repeated, and
for what a provider or the clock has done to a payment, it is made from the stored event.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ledger.receipts import Leaf, ReceiptSigner

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.checkpoints import Signer
    from ledger.outcome import Outcome
    from projections.reader import Reader

HEADER: Final = "Hesabu-Receipt"
EVENTS_MAX: Final = 500

READ_EVENT: Final = """
    SELECT originator_id, originator_version, topic, state, notification_id
    FROM ledger_events WHERE originator_id = %s AND originator_version = %s
"""
READ_EVENTS: Final = """
    SELECT originator_id, originator_version, topic, state, notification_id
    FROM ledger_events
    WHERE originator_id = %s AND originator_version > %s
    ORDER BY originator_version LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class ReceiptOfEvent:
    """An event of a stream, by version and topic, with its receipt."""

    version: int
    topic: str
    receipt: dict[str, Any]


class Receipts:
    """Makes receipts by one key."""

    def __init__(self, reader: Reader, signer: Signer, *, origin: str) -> None:
        self._reader = reader
        self._signer = ReceiptSigner(signer, origin=origin)

    async def header(self, outcome: Outcome) -> dict[str, str]:
        """The header of an answer; none where nothing was recorded of anything.

        Raises `ReadUnavailable` for a repeated answer, when the database is away.
        """
        stream, version = outcome.stream, outcome.version
        if outcome.error is not None or stream is None or version is None:
            return {}
        receipt = None
        if outcome.turn is not None:
            receipt = outcome.turn.receipt(stream, version, self._signer)
        if receipt is None:
            [row] = await self._reader.fetch(READ_EVENT, (stream, version))
            receipt = self._signer.receipt(Leaf(*row))
        return {HEADER: json.dumps(receipt.to_json(), separators=(",", ":"))}

    async def of_stream(self, stream: UUID, *, after_version: int) -> list[ReceiptOfEvent]:
        """Receipts of a stream's events after a version, at most `EVENTS_MAX`, oldest first."""
        rows = await self._reader.fetch(READ_EVENTS, (stream, after_version, EVENTS_MAX))
        leaves = [Leaf(*row) for row in rows]
        return [
            ReceiptOfEvent(leaf.version, leaf.topic, self._signer.receipt(leaf).to_json())
            for leaf in leaves
        ]
