"""What happens to a prompt after it was accepted? Wait, settle, tell: each as its behaviour says.

So it is with a charge, which is a prompt that does not expire.

accepted ──wait──► settled (what the status query answers) ──tell──► callbacks, if any
         ──follow up──► what nobody asked for: a dispute, a fee, a refund
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from api.sandbox_operator.behaviours import Behaviour
from api.sandbox_operator.callbacks import Callback
from api.sandbox_operator.delivery import Courier, Message
from api.sandbox_operator.transactions import Transaction, new_transaction
from api.sandbox_operator.wire import CallbackData, CallbackType, Reason, Status

if TYPE_CHECKING:
    from api.sandbox_operator.disputes import Disputes
    from api.sandbox_operator.fees import Fees
    from api.sandbox_operator.prompts import Prompt
    from api.sandbox_operator.refunds import Refunds
    from api.sandbox_operator.settings import OperatorSettings
    from api.sandbox_operator.transactions import Transactions

REPEATED_DELIVERIES = 5
LOST_ATTEMPTS = 3

_TYPES: dict[Status, CallbackType] = {
    Status.PENDING: "payment.pending",
    Status.SUCCEEDED: "payment.succeeded",
    Status.FAILED: "payment.failed",
    Status.CANCELLED: "payment.cancelled",
}


@dataclass(frozen=True, slots=True)
class Scenarios:
    """Plays each accepted prompt to its end."""

    settings: OperatorSettings
    courier: Courier
    transactions: Transactions
    refunds: Refunds
    disputes: Disputes
    fees: Fees

    async def play(self, prompt: Prompt) -> None:
        """Settle ``prompt`` after its while, deliver its callbacks, retries included, follow up."""
        await asyncio.sleep(self._wait_seconds(prompt))
        _settle(prompt)
        paid = self._remember(prompt.transaction, prompt) if prompt.transaction else None
        await self._tell(prompt)
        if paid:
            await self._follow_up(paid)

    def _wait_seconds(self, prompt: Prompt) -> float:
        expires_in_seconds = prompt.expires_in_seconds
        match prompt.behaviour:
            case Behaviour.TIMEOUT:
                longest = self.settings.timeout_seconds
                return longest if expires_in_seconds is None else min(longest, expires_in_seconds)
            case Behaviour.SUCCESS_AFTER_EXPIRY:
                return (expires_in_seconds or 0.0) + self.settings.late_seconds
            case Behaviour.CALLBACK_BEFORE_ANSWER:
                return 0.0
            case _:
                return self.settings.delay_seconds

    async def _tell(self, prompt: Prompt) -> None:
        deliver = self.courier.deliver
        message = _message(prompt)
        match prompt.behaviour:
            case Behaviour.SILENCE:
                pass
            case Behaviour.DELIVERED_FIVE_TIMES:
                await asyncio.gather(*(deliver(message) for _ in range(REPEATED_DELIVERIES)))
            case Behaviour.TWO_WEBHOOK_IDS:
                await asyncio.gather(deliver(message), deliver(_message(prompt)))
            case Behaviour.STATUS_FAILS_AND_CALLBACK_LOST:
                await deliver(message, lost_attempts=LOST_ATTEMPTS)
            case Behaviour.OUT_OF_ORDER:
                await deliver(message)
                await deliver(_pending_message(prompt))
            case Behaviour.CONTRADICTED:
                await deliver(message)
                await asyncio.sleep(self.settings.delay_seconds)
                await deliver(_contradicting_message(prompt))
            case Behaviour.SECOND_TRANSACTION:
                await deliver(message)
                await asyncio.sleep(self.settings.delay_seconds)
                second = new_transaction()
                self._remember(second, prompt)
                await deliver(_second_message(prompt, second))
            case _:
                await deliver(message)

    async def _follow_up(self, paid: Transaction) -> None:
        match paid.behaviour:
            case Behaviour.REVERSED_UNASKED:
                await self.refunds.reverse(paid)
            case Behaviour.FEE_CHARGED_LATE:
                await self.fees.charge_late(paid)
            case _:
                await self.disputes.play(paid)

    def _remember(self, transaction: str, prompt: Prompt) -> Transaction:
        paid = Transaction(transaction, prompt.reference, prompt.settled, prompt.behaviour)
        self.transactions.remember(paid)
        return paid


def _settle(prompt: Prompt) -> None:
    asked = prompt.settled
    match prompt.behaviour:
        case Behaviour.INSUFFICIENT_FUNDS:
            prompt.fail(Reason.INSUFFICIENT_FUNDS)
        case Behaviour.CANCELLED_BY_PAYER:
            prompt.fail(Reason.CANCELLED_BY_PAYER)
        case Behaviour.TIMEOUT:
            prompt.fail(Reason.TIMEOUT)
        case Behaviour.PAYS_LESS:
            prompt.succeed(asked.half())
        case Behaviour.PAYS_MORE:
            prompt.succeed(asked.double())
        case Behaviour.PAYS_IN_ANOTHER_CURRENCY:
            prompt.succeed(asked.in_another_currency())
        case _:
            prompt.succeed(asked)


def callback_data(prompt: Prompt) -> CallbackData:
    """What is known of ``prompt`` now."""
    return CallbackData(
        reference=prompt.reference,
        operator_reference=prompt.operator_reference,
        status=prompt.status,
        transaction=prompt.transaction,
        amount=prompt.settled.on_the_wire(),
        currency=prompt.settled.currency,
        reason=prompt.reason,
        occurred_at=prompt.occurred_at,
        phone=prompt.phone,
    )


def _message(prompt: Prompt) -> Message:
    return _message_of(callback_data(prompt), written_at=datetime.now(UTC))


def _pending_message(prompt: Prompt) -> Message:
    """The callback that was written when the prompt was accepted and lay about until now."""
    data = callback_data(prompt).model_copy(
        update={
            "status": Status.PENDING,
            "transaction": None,
            "occurred_at": prompt.accepted_at,
        }
    )
    return _message_of(data, written_at=prompt.accepted_at)


def _contradicting_message(prompt: Prompt) -> Message:
    """A failure of a prompt that succeeded; the money did move, as the status query says."""
    now = datetime.now(UTC)
    data = callback_data(prompt).model_copy(
        update={
            "status": Status.FAILED,
            "transaction": None,
            "reason": Reason.TIMEOUT,
            "occurred_at": now,
        }
    )
    return _message_of(data, written_at=now)


def _second_message(prompt: Prompt, transaction: str) -> Message:
    """Another payment for the same prompt; the status query knows only the first."""
    now = datetime.now(UTC)
    update = {"transaction": transaction, "occurred_at": now}
    return _message_of(callback_data(prompt).model_copy(update=update), written_at=now)


def _message_of(data: CallbackData, *, written_at: datetime) -> Message:
    return Message.of(Callback(type=_TYPES[data.status], timestamp=written_at, data=data))
