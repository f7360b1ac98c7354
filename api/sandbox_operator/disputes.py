"""What the operator tells of a dispute: the payer complains at the bank, which takes the money.

    (warned) ──► opened ──► closed ──► (reopened) ──► closed

Which of them come, and in which order, is said by the phone that paid, or by whoever drives the
operator: nothing is remembered of a dispute, so that any order can be told.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from api.sandbox_operator.amounts import Amount
from api.sandbox_operator.behaviours import Behaviour
from api.sandbox_operator.callbacks import Callback
from api.sandbox_operator.delivery import Message
from api.sandbox_operator.errors import AmountExceedsPayment
from api.sandbox_operator.fees import new_fee
from api.sandbox_operator.wire_movements import (
    DisputeAnnounced,
    DisputeData,
    DisputeFeeData,
    FeeAnnounced,
)

if TYPE_CHECKING:
    from api.sandbox_operator.announcements import Announcements
    from api.sandbox_operator.delivery import Courier
    from api.sandbox_operator.settings import OperatorSettings
    from api.sandbox_operator.transactions import Transaction, Transactions
    from api.sandbox_operator.wire import CallbackType
    from api.sandbox_operator.wire_movements import (
        DisputeFeeRequest,
        DisputeRequest,
        DisputeStage,
    )

FEE_BASIS_POINTS: Final = 1_000
"""What a lost dispute costs on top of the payment."""

_TYPES: dict[DisputeStage, CallbackType] = {
    "warned": "dispute.warned",
    "opened": "dispute.opened",
    "closed": "dispute.closed",
    "reopened": "dispute.reopened",
}


def _new_dispute() -> str:
    return f"dp_{uuid4().hex}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A dispute about ``amount`` of a payment."""

    transaction: Transaction
    amount: Amount
    dispute: str = field(default_factory=_new_dispute)

    def callback(
        self,
        stage: DisputeStage,
        *,
        lost: Amount | None = None,
        funds_withdrawn: bool = True,
        occurred_at: datetime | None = None,
    ) -> Callback:
        """The dispute reached ``stage``, now or at ``occurred_at``."""
        now = datetime.now(UTC)
        data = DisputeData(
            dispute=self.dispute,
            reference=self.transaction.reference,
            transaction=self.transaction.transaction,
            amount=self.amount.on_the_wire(),
            lost_amount=(lost or Amount(0, self.amount.currency)).on_the_wire(),
            currency=self.amount.currency,
            funds_withdrawn=funds_withdrawn,
            occurred_at=occurred_at or now,
        )
        return Callback(type=_TYPES[stage], timestamp=occurred_at or now, data=data)

    def fee_callback(self, fee: str, amount: Amount, *, returned: bool = False) -> Callback:
        """``fee`` was charged for the dispute, or is given back."""
        now = datetime.now(UTC)
        data = DisputeFeeData(
            dispute=self.dispute,
            reference=self.transaction.reference,
            transaction=self.transaction.transaction,
            fee=fee,
            amount=amount.on_the_wire(),
            currency=amount.currency,
            occurred_at=now,
        )
        return Callback(
            type="dispute.fee_returned" if returned else "dispute.fee_charged",
            timestamp=now,
            data=data,
        )


class Disputes:
    """Tells of disputes: those of the phone that paid, and those it is asked for."""

    def __init__(
        self,
        settings: OperatorSettings,
        courier: Courier,
        *,
        announcements: Announcements,
        transactions: Transactions,
    ) -> None:
        self._settings = settings
        self._courier = courier
        self._announcements = announcements
        self._transactions = transactions

    def announce(self, request: DisputeRequest) -> DisputeAnnounced:
        """Tell what somebody asked for, and nothing else, whatever the phone that paid says.

        Raises:
            UnknownTransaction: no payment has this transaction.
            InvalidAmount: an amount is none in the currency of the payment.
            AmountExceedsPayment: less was paid, or more would be lost than is disputed.
            MemoryFull: too many callbacks wait for their turn.

        """
        transaction = self._transactions.find(request.transaction)
        amount = transaction.part(request.amount)
        lost = transaction.amount(request.lost_amount or "0", minor_units_min=0)
        if lost.minor_units > amount.minor_units:
            raise AmountExceedsPayment
        dispute = Dispute(
            transaction=transaction, amount=amount, dispute=request.dispute or _new_dispute()
        )
        callback = dispute.callback(
            request.stage, lost=lost, funds_withdrawn=request.funds_withdrawn
        )
        self._announcements.send(callback, about=transaction.transaction)
        return DisputeAnnounced(dispute=dispute.dispute)

    def announce_fee(self, request: DisputeFeeRequest) -> FeeAnnounced:
        """Tell of a fee that somebody asked for.

        Raises:
            UnknownTransaction: no payment has this transaction.
            InvalidAmount: the amount is none in the currency of the payment.
            MemoryFull: too many callbacks wait for their turn.

        """
        transaction = self._transactions.find(request.transaction)
        dispute = Dispute(transaction=transaction, amount=transaction.paid, dispute=request.dispute)
        fee = request.fee or new_fee()
        callback = dispute.fee_callback(
            fee, transaction.amount(request.amount), returned=request.returned
        )
        self._announcements.send(callback, about=transaction.transaction)
        return FeeAnnounced(fee=fee)

    async def play(self, transaction: Transaction) -> None:
        """Dispute all of a payment as the phone that paid says."""
        dispute = Dispute(transaction=transaction, amount=transaction.paid)
        everything = dispute.amount
        match transaction.behaviour:
            case Behaviour.DISPUTE_WON:
                await self._tell(dispute, "warned", funds_withdrawn=False)
                await self._tell(dispute, "opened")
                await self._tell(dispute, "closed")
            case Behaviour.DISPUTE_LOST:
                await self._tell(dispute, "opened")
                await self._charge(dispute)
                await self._tell(dispute, "closed", lost=everything)
            case Behaviour.DISPUTE_AFTER_PAYOUT:
                if self._settings.dispute_late_seconds is not None:
                    await asyncio.sleep(self._settings.dispute_late_seconds)
                    await self._tell(dispute, "opened")
                    await self._tell(dispute, "closed", lost=everything)
            case Behaviour.DISPUTE_CLOSED_BEFORE_OPENED:
                # What was written when it was opened lies about until it is closed.
                opened_at = datetime.now(UTC)
                await self._tell(dispute, "closed", lost=everything)
                await self._tell(dispute, "opened", occurred_at=opened_at)
            case _:
                pass

    async def _tell(
        self,
        dispute: Dispute,
        stage: DisputeStage,
        *,
        lost: Amount | None = None,
        funds_withdrawn: bool = True,
        occurred_at: datetime | None = None,
    ) -> None:
        await asyncio.sleep(self._settings.delay_seconds)
        callback = dispute.callback(
            stage, lost=lost, funds_withdrawn=funds_withdrawn, occurred_at=occurred_at
        )
        await self._courier.deliver(Message.of(callback))

    async def _charge(self, dispute: Dispute) -> None:
        await asyncio.sleep(self._settings.delay_seconds)
        callback = dispute.fee_callback(new_fee(), dispute.amount.share(FEE_BASIS_POINTS))
        await self._courier.deliver(Message.of(callback))
