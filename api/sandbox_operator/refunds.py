"""How a refund ends: as the phone that paid says.

    pending ──► succeeded ──► failed       sent_back: it did not stay where it went
            ──► failed                     account_closed

A refund holds its part of the payment until it fails. A reference is taken once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from api.sandbox_operator.behaviours import Behaviour
from api.sandbox_operator.callbacks import Callback
from api.sandbox_operator.delivery import Message
from api.sandbox_operator.errors import DuplicateReference, UnknownRefund
from api.sandbox_operator.memory import Memory
from api.sandbox_operator.wire_movements import (
    Accepted,
    RefundReason,
    RefundState,
    RefundStatus,
    ReversalAnnounced,
)

if TYPE_CHECKING:
    from api.sandbox_operator.amounts import Amount
    from api.sandbox_operator.announcements import Announcements
    from api.sandbox_operator.background import Background
    from api.sandbox_operator.delivery import Courier
    from api.sandbox_operator.settings import OperatorSettings
    from api.sandbox_operator.transactions import Transaction, Transactions
    from api.sandbox_operator.wire_movements import RefundRequest, ReversalRequest


@dataclass(slots=True, eq=False)
class Refund:
    """A refund of ``amount``; without a reference if the operator makes it by itself."""

    reference: str | None
    transaction: Transaction
    amount: Amount
    refund: str = field(default_factory=lambda: f"re_{uuid4().hex}")
    operator_reference: str = field(default_factory=lambda: f"op_{uuid4().hex}")
    occurred_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    status: RefundStatus = RefundStatus.PENDING
    reason: RefundReason | None = None

    def hold(self) -> None:
        """From now on this part of the payment cannot be refunded otherwise."""
        self.transaction.refunded_minor_units += self.amount.minor_units

    def succeed(self) -> None:
        """The person has the money back."""
        self.status = RefundStatus.SUCCEEDED
        self.occurred_at = datetime.now(UTC)

    def fail(self, reason: RefundReason) -> None:
        """The money is with the caller, and may be refunded again."""
        self.status = RefundStatus.FAILED
        self.reason = reason
        self.occurred_at = datetime.now(UTC)
        self.transaction.refunded_minor_units -= self.amount.minor_units

    def state(self) -> RefundState:
        """What is known of it now."""
        return RefundState(
            reference=self.reference,
            operator_reference=self.operator_reference,
            refund=self.refund,
            transaction=self.transaction.transaction,
            payment_reference=self.transaction.reference,
            status=self.status,
            reason=self.reason,
            amount=self.amount.on_the_wire(),
            currency=self.amount.currency,
            occurred_at=self.occurred_at,
        )

    def callback(self) -> Callback:
        """How it has ended, until now."""
        failed = self.status is RefundStatus.FAILED
        return Callback(
            type="refund.failed" if failed else "refund.succeeded",
            timestamp=datetime.now(UTC),
            data=self.state(),
        )


class Refunds:
    """Takes refunds, and plays each to its end."""

    def __init__(
        self,
        settings: OperatorSettings,
        courier: Courier,
        *,
        background: Background,
        announcements: Announcements,
        transactions: Transactions,
    ) -> None:
        self._settings = settings
        self._courier = courier
        self._background = background
        self._announcements = announcements
        self._transactions = transactions
        self._kept: Memory[Refund] = Memory(settings.refunds_kept_max)

    async def refund(self, request: RefundRequest) -> Accepted:
        """Accept a refund, unless its reference was accepted before.

        Raises:
            DuplicateReference: this reference was accepted before; nothing else happens.
            UnknownTransaction: no payment has this transaction.
            CurrencyMismatch: something else was paid.
            RefundExceedsPayment: too little was paid, or is left of it.
            MemoryFull: too many refunds are open.

        """
        if self._kept.get(request.reference):
            raise DuplicateReference
        transaction = self._transactions.find(request.transaction)
        refund = Refund(request.reference, transaction, request.asked())
        transaction.check_refundable(refund.amount)
        self._kept.accept(request.reference, refund)
        refund.hold()
        _ = self._background.start(
            self._play(refund),
            what=f"refund {refund.operator_reference}",
            then=lambda: self._kept.finish(request.reference),
        )
        if transaction.behaviour is Behaviour.REFUND_HANGS:
            await self._background.hang()
        return Accepted(operator_reference=refund.operator_reference, reference=request.reference)

    def status(self, reference: str) -> RefundState:
        """Where the refund of ``reference`` stands.

        Raises:
            UnknownRefund: none was accepted with it.

        """
        refund = self._kept.get(reference)
        if refund is None:
            raise UnknownRefund
        return refund.state()

    def announce_reversal(self, request: ReversalRequest) -> ReversalAnnounced:
        """Refund by itself because somebody asked for that; nobody can ask for its status.

        Raises:
            UnknownTransaction: no payment has this transaction.
            InvalidAmount: the amount is none in the currency of the payment.
            RefundExceedsPayment: too little was paid, or is left of it.
            MemoryFull: too many callbacks wait for their turn.

        """
        transaction = self._transactions.find(request.transaction)
        if request.amount is None:
            amount = transaction.refundable()
        else:
            amount = transaction.amount(request.amount)
        transaction.check_refundable(amount)
        refund = Refund(None, transaction, amount)
        refund.succeed()
        self._announcements.send(refund.callback(), about=transaction.transaction)
        refund.hold()
        return ReversalAnnounced(refund=refund.refund)

    async def reverse(self, transaction: Transaction) -> None:
        """Refund by itself what is left of a payment after a while, if anything is."""
        await asyncio.sleep(self._settings.delay_seconds)
        amount = transaction.refundable()
        if amount.minor_units:
            refund = Refund(None, transaction, amount)
            refund.hold()
            refund.succeed()
            await self._tell(refund)

    async def _play(self, refund: Refund) -> None:
        await asyncio.sleep(self._settings.delay_seconds)
        match refund.transaction.behaviour:
            case Behaviour.REFUND_FAILS:
                refund.fail(RefundReason.ACCOUNT_CLOSED)
                await self._tell(refund)
            case Behaviour.REFUND_SILENT:
                refund.succeed()
            case Behaviour.REFUND_FAILS_AFTER_SUCCESS:
                refund.succeed()
                await self._tell(refund)
                await asyncio.sleep(self._settings.delay_seconds)
                refund.fail(RefundReason.SENT_BACK)
                await self._tell(refund)
            case _:
                refund.succeed()
                await self._tell(refund)

    async def _tell(self, refund: Refund) -> None:
        await self._courier.deliver(Message.of(refund.callback()))
