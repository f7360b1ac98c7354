"""What `Ledger.execute` answers for each command: an outcome, refused or not, with a position."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.callbacks import Verdict
    from ledger.errors import LedgerError
    from ledger.events import LedgerEvent
    from ledger.receipts import RecordedTurn


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one command.

    `position` is the command's last event's, or the head of the log when it was decided without
    one. `stream` and `version` name the aggregate as it was right after the command, so that the
    same answer can be rendered again at any time. `error` is set when nothing was recorded.
    `replayed` says that an earlier command with the same key was decided, and this is its outcome.
    `events` and the `turn` that appended them are there only for the command that recorded them.
    """

    position: int = 0
    stream: UUID | None = None
    version: int | None = None
    verdict: Verdict | None = None
    error: LedgerError | None = None
    replayed: bool = False
    events: tuple[LedgerEvent, ...] = ()
    turn: RecordedTurn | None = field(default=None, compare=False, repr=False)
