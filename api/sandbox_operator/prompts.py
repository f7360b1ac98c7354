"""What the operator knows of a prompt, and for how long it remembers it.

    pending ──► succeeded      paid: with a transaction, and perhaps not what was asked
            ──► failed         insufficient_funds, timeout
            ──► cancelled      cancelled_by_payer

References are not unique, on purpose: two pushes of one reference are two prompts on the phone.
The charge of a stored card is a prompt that is on no phone; the reference of one is taken once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from api.sandbox_operator.behaviours import Behaviour, behaviour_of, behaviour_of_card
from api.sandbox_operator.errors import OperatorBusy
from api.sandbox_operator.transactions import new_transaction
from api.sandbox_operator.wire import Reason, Status

if TYPE_CHECKING:
    from api.sandbox_operator.amounts import Amount
    from api.sandbox_operator.wire import ChargeRequest, PromptRequest


@dataclass(slots=True, eq=False)
class Prompt:
    """A prompt on a phone. ``settled`` is what was asked until something else was paid.

    A charge has no phone, and does not expire.
    """

    reference: str
    phone: str | None
    settled: Amount
    behaviour: Behaviour
    expires_in_seconds: float | None
    accepted_at: datetime
    occurred_at: datetime
    operator_reference: str = field(default_factory=lambda: f"op_{uuid4().hex}")
    status: Status = Status.PENDING
    transaction: str | None = None
    reason: Reason | None = None

    @classmethod
    def of(cls, request: PromptRequest) -> Prompt:
        """A new pending prompt for ``request``."""
        now = datetime.now(UTC)
        return cls(
            reference=request.reference,
            phone=request.phone,
            settled=request.asked(),
            behaviour=behaviour_of(request.phone),
            expires_in_seconds=request.expires_in_seconds,
            accepted_at=now,
            occurred_at=now,
        )

    @classmethod
    def of_charge(cls, request: ChargeRequest) -> Prompt:
        """A new pending charge for ``request``."""
        now = datetime.now(UTC)
        return cls(
            reference=request.reference,
            phone=None,
            settled=request.asked(),
            behaviour=behaviour_of_card(request.card),
            expires_in_seconds=None,
            accepted_at=now,
            occurred_at=now,
        )

    def succeed(self, paid: Amount) -> None:
        """The person paid ``paid``."""
        self.settled = paid
        self.transaction = new_transaction()
        self._end(Status.SUCCEEDED)

    def fail(self, reason: Reason) -> None:
        """The prompt ended without money."""
        self.reason = reason
        cancelled = reason is Reason.CANCELLED_BY_PAYER
        self._end(Status.CANCELLED if cancelled else Status.FAILED)

    def _end(self, status: Status) -> None:
        self.status = status
        self.occurred_at = datetime.now(UTC)


@dataclass(slots=True)
class Prompts:
    """The accepted prompts, ``kept_max`` at most: finished ones are forgotten, oldest first."""

    kept_max: int
    _by_reference: dict[str, list[Prompt]] = field(default_factory=dict)
    _finished: deque[Prompt] = field(default_factory=deque)
    _kept: int = 0

    def accept(self, prompt: Prompt) -> None:
        """Remember ``prompt``.

        Raises:
            OperatorBusy: as many prompts as can be kept are still open.

        """
        if self._kept >= self.kept_max:
            self._forget_oldest_finished()
        self._by_reference.setdefault(prompt.reference, []).append(prompt)
        self._kept += 1

    def finish(self, prompt: Prompt) -> None:
        """Nothing will happen to ``prompt`` any more, its callbacks included."""
        self._finished.append(prompt)

    def latest(self, reference: str) -> Prompt | None:
        """The prompt that was accepted last with this reference."""
        prompts = self._by_reference.get(reference)
        return prompts[-1] if prompts else None

    def counts(self, reference: str | None = None) -> dict[str, int]:
        """How many prompts each reference has, or only the given one."""
        if reference is not None:
            return {reference: len(self._by_reference.get(reference, ()))}
        return {name: len(prompts) for name, prompts in self._by_reference.items()}

    def _forget_oldest_finished(self) -> None:
        if not self._finished:
            raise OperatorBusy
        oldest = self._finished.popleft()
        siblings = self._by_reference[oldest.reference]
        siblings.remove(oldest)
        if not siblings:
            del self._by_reference[oldest.reference]
        self._kept -= 1
