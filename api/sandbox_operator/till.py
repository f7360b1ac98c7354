"""What the operator tells when a customer pays at a till, and types what it is for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from api.sandbox_operator.behaviours import behaviour_of
from api.sandbox_operator.callbacks import Callback
from api.sandbox_operator.transactions import Transaction, new_transaction
from api.sandbox_operator.wire_movements import TillPaymentAnnounced, TillPaymentData

if TYPE_CHECKING:
    from api.sandbox_operator.announcements import Announcements
    from api.sandbox_operator.transactions import Transactions
    from api.sandbox_operator.wire_movements import TillPaymentRequest


class Till:
    """Takes money that nobody asked for, from any phone, and always as much as was given."""

    def __init__(self, announcements: Announcements, transactions: Transactions) -> None:
        self._announcements = announcements
        self._transactions = transactions

    def pay(self, request: TillPaymentRequest) -> TillPaymentAnnounced:
        """Take the money and tell of it; the phone says only how its refunds end.

        Raises:
            MemoryFull: too many callbacks wait for their turn.

        """
        now, paid = datetime.now(UTC), request.asked()
        data = TillPaymentData(
            transaction=new_transaction(),
            account_reference=request.account_reference,
            phone=request.phone,
            amount=paid.on_the_wire(),
            currency=paid.currency,
            occurred_at=now,
        )
        callback = Callback(type="till.payment.received", timestamp=now, data=data)
        self._announcements.send(callback, about=data.transaction)
        self._transactions.remember(
            Transaction(data.transaction, None, paid, behaviour_of(request.phone))
        )
        return TillPaymentAnnounced(transaction=data.transaction)
