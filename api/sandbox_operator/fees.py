"""What the operator charges for a payment, if that is known only after the payment."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from api.sandbox_operator.callbacks import Callback
from api.sandbox_operator.delivery import Message
from api.sandbox_operator.wire_movements import FeeAnnounced, FeeData

if TYPE_CHECKING:
    from api.sandbox_operator.amounts import Amount
    from api.sandbox_operator.announcements import Announcements
    from api.sandbox_operator.delivery import Courier
    from api.sandbox_operator.settings import OperatorSettings
    from api.sandbox_operator.transactions import Transaction, Transactions
    from api.sandbox_operator.wire_movements import FeeRequest

LATE_FEE_BASIS_POINTS: Final = 300


def new_fee() -> str:
    """The operator's id of a fee."""
    return f"fee_{uuid4().hex}"


class Fees:
    """Tells of fees: those of the phone that paid, and those it is asked for."""

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

    def announce(self, request: FeeRequest) -> FeeAnnounced:
        """Tell of a fee that somebody asked for.

        Raises:
            UnknownTransaction: no payment has this transaction.
            InvalidAmount: the amount is none in the currency of the payment.
            MemoryFull: too many callbacks wait for their turn.

        """
        transaction = self._transactions.find(request.transaction)
        fee = new_fee()
        callback = _callback(fee, transaction, transaction.amount(request.amount))
        self._announcements.send(callback, about=transaction.transaction)
        return FeeAnnounced(fee=fee)

    async def charge_late(self, transaction: Transaction) -> None:
        """Charge for a payment some time after it."""
        await asyncio.sleep(self._settings.late_seconds)
        amount = transaction.paid.share(LATE_FEE_BASIS_POINTS)
        await self._courier.deliver(Message.of(_callback(new_fee(), transaction, amount)))


def _callback(fee: str, transaction: Transaction, amount: Amount) -> Callback:
    now = datetime.now(UTC)
    data = FeeData(
        fee=fee,
        reference=transaction.reference,
        transaction=transaction.transaction,
        amount=amount.on_the_wire(),
        currency=amount.currency,
        occurred_at=now,
    )
    return Callback(type="fee.charged", timestamp=now, data=data)
