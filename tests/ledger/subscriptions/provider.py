"""A provider of mobile money as providers are: silent, late, twice, and with another amount."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ledger.commands import Claim
from ledger.events import AllocateReceipts, ReceiptReference
from tests.builders import (
    PROVIDER,
    SETTLEMENT_DELAY_SECONDS,
    natural_key,
    record_submission_unknown,
    record_submitted,
    report_success,
    report_without_money,
    start_submission,
)
from tests.money_builders import REASON, propose

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from random import Random

    from ledger.decisions import LedgerCommand
    from ledger.events import InvoicePaymentInitiated, PaymentMismatched
    from tests.ledger.subscriptions.fans import Fan

Answer = tuple[datetime, "LedgerCommand"]
REFUSALS: Final = ("insufficient_funds", "wrong_pin", "never_received", "provider_unreachable")


@dataclass
class Prompt:
    """A payment that waits for its money."""

    id: UUID
    fan: UUID
    amount: int
    method: str
    expires_at: datetime
    sent: bool = False

    @classmethod
    def of(cls, event: InvoicePaymentInitiated) -> Prompt:
        """The prompt that is to be sent for a payment."""
        return cls(
            event.originator_id, event.fan_id, event.money.amount, event.method, event.expires_at
        )


class Provider:
    """What it has been asked and how it answers."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.prompts: dict[UUID, Prompt] = {}

    def to_send(self) -> Iterator[tuple[Prompt, list[LedgerCommand]]]:
        """What the dispatcher sends; at times it gets no answer, or falls on the way."""
        for prompt in list(self.prompts.values()):
            if prompt.sent or prompt.method == "till":
                continue
            prompt.sent = True
            commands: list[LedgerCommand] = [start_submission(prompt.id)]
            fate = self._random.random()
            if fate < 0.9:
                commands.append(record_submitted(prompt.id))
            elif fate < 0.97:
                commands.append(record_submission_unknown(prompt.id))
            yield prompt, commands

    def expired(self, now: datetime) -> list[Prompt]:
        """Whose time is over."""
        return [each for each in self.prompts.values() if each.expires_at <= now]

    def answers(self, prompt: Prompt, fan: Fan, now: datetime) -> Iterable[Answer]:
        """What comes back, now and later."""
        soon = now + timedelta(seconds=self._random.randint(1, 600))
        if self._random.random() < fan.pays:
            yield from self._paid(prompt.id, prompt.amount, soon)
        elif self._random.random() < 0.6:
            yield soon, self._refused(prompt.id)
        elif self._random.random() < 0.3:
            # Silence, and then it was paid after all.
            late = now + timedelta(hours=self._random.choice((1, 20, 100, 900)))
            yield late, report_success(prompt.id, prompt.amount, transaction=self._transaction())

    def _refused(self, payment: UUID) -> LedgerCommand:
        if self._random.random() < 0.3:
            return report_without_money(payment, Claim.CANCELLED, reason="cancelled_by_fan")
        return report_without_money(payment, Claim.FAILED, reason=self._random.choice(REFUSALS))

    def _paid(self, payment: UUID, amount: int, soon: datetime) -> Iterator[Answer]:
        transaction, later = (
            self._transaction(),
            soon + timedelta(hours=self._random.randint(1, 50)),
        )
        key = natural_key()
        fate = self._random.random()
        received = amount
        if fate < 0.02:
            received = amount + 100 * self._random.randint(1, 50)
        elif fate < 0.04:
            received = max(1, amount - 100 * self._random.randint(1, 50))
        paid = report_success(payment, received, transaction=transaction, key=key)
        yield soon, paid
        if fate < 0.06:
            yield later, paid
        elif fate < 0.08:
            yield later, report_success(payment, received, transaction=transaction)
        elif fate < 0.10:
            yield later, report_success(payment, amount, transaction=self._transaction())
        elif fate < 0.11:
            yield later, report_without_money(payment, Claim.FAILED, reason="timed_out")
        elif fate < 0.12:
            yield soon - timedelta(seconds=1), report_without_money(payment, Claim.FAILED)

    def _transaction(self) -> str:
        return f"T{self._random.getrandbits(60):015x}"

    def brought(self, event: InvoicePaymentInitiated, fan: Fan, now: datetime) -> Iterable[Answer]:
        """Money that is brought to a till, when its owner comes by."""
        if self._random.random() < fan.pays:
            at = now + timedelta(hours=self._random.choice((0, 1, 30, 300)), seconds=90)
            yield from self._paid(event.originator_id, event.money.amount, at)

    def put_right(self, event: PaymentMismatched, now: datetime) -> Answer:
        """Somebody looks at what does not match, days later: it is allocated, or credit."""
        receipt = ReceiptReference(
            stream_id=event.originator_id,
            provider=PROVIDER,
            provider_transaction=event.provider_transaction,
        )
        action = AllocateReceipts(
            payment_id=event.originator_id,
            receipts=(receipt,),
            settlement_delay_seconds=SETTLEMENT_DELAY_SECONDS,
            reason=REASON,
        )
        return now + timedelta(days=self._random.randint(1, 9)), propose(action)
