"""What every fact carries: its place in its stream, who caused it, when and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ledger.journal_entry import JournalEntry

Text = Annotated[str, Field(max_length=255)]
"""A machine's word: a code, a provider's transaction. Never a person's."""

Reason = Annotated[str, Field(min_length=3, max_length=500)]
"""Why a person decided so, in words that name no person."""

FailureReason = Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9_]+$")]


class Event(BaseModel):
    """What every fact carries: its place in its stream, who caused it, when and why.

    `recorded_at` is the ledger's clock, in agreement with the position; `occurred_at` is when the
    outside says it happened. `correlation_id` joins all that one request led to; `causation_id`
    names the direct cause: a request, a callback, a log position. `evidence` is the SHA-256, in
    hex, of the salted body of the callback that proves it (ledger/inbox.py).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    TOPIC: ClassVar[str]

    originator_id: UUID
    originator_version: int = Field(ge=1)
    recorded_at: AwareDatetime
    occurred_at: AwareDatetime | None = None
    actor: Text
    correlation_id: UUID
    causation_id: Text
    evidence: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    @property
    def journal_entry(self) -> JournalEntry | None:
        """The postings of this fact, or None when no money moved."""
        # Not getattr: pydantic answers for an absent name by building an error, at some cost.
        return self.__dict__.get("entry")

    @property
    def effective_at(self) -> datetime:
        """When it took effect: as the outside says, never after we learned of it."""
        if self.occurred_at is None:
            return self.recorded_at
        return min(self.occurred_at, self.recorded_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """When, by whom and why one command's events are recorded: the same for each of them."""

    recorded_at: datetime
    actor: str
    correlation_id: UUID
    causation_id: str
    evidence: str | None = None

    def stamp(self) -> dict[str, Any]:
        """The fields of `Event` that the occasion fills."""
        return {
            "recorded_at": self.recorded_at,
            "actor": self.actor,
            "correlation_id": self.correlation_id,
            "causation_id": self.causation_id,
            "evidence": self.evidence,
        }
