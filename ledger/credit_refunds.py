"""A fan's credit goes back the way it came: a refund that reverses nothing of the payment.

Credit is refunded by the payment that had brought it, at most what that had brought, and at most
what the fan has: what was spent is spent. Goodwill is not money of the fan's and cannot be
refunded. What credit had paid is, when it is refunded, credit again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.accounts import FanFunds, fan_funds
from ledger.errors import (
    AlreadyExists,
    AmountNotPayable,
    CurrencyDiffers,
    NoCreditLeft,
    PaymentNotFound,
)
from ledger.events import CreditRefundRequested
from ledger.money import Money
from ledger.postings import (
    credit_refund_came_back,
    credit_refund_failed,
    credit_refund_requested,
    credit_refunded_after_all,
)

if TYPE_CHECKING:
    from ledger.commands import RequestCreditRefund
    from ledger.events import LedgerEvent, Occasion
    from ledger.flows import Refund
    from ledger.journal_entry import JournalEntry
    from ledger.payment import Payment
    from ledger.states import States


def credit_of(payment: Payment, states: States) -> int:
    """The credit that its fan has in its currency, in minor units."""
    account = fan_funds(payment.fan_id, FanFunds.CREDIT)
    return -states.balance(account, payment.money.currency)


def refundable_credit(payment: Payment, credit: int) -> int:
    """What of the credit that this payment brought can be refunded, in minor units."""
    return max(0, min(payment.flows.credit_left(), credit))


def request(
    payment: Payment | None, command: RequestCreditRefund, states: States, at: Occasion
) -> list[LedgerEvent]:
    """Promise the fan credit back, by the payment that had brought it.

    Raises `PaymentNotFound` (also for another fan's), `AlreadyExists`, `CurrencyDiffers`,
    `NoCreditLeft` or `AmountNotPayable`.
    """
    if payment is None or command.fan_id not in {None, payment.fan_id}:
        raise PaymentNotFound
    if command.refund_id in payment.flows.refunds:
        raise AlreadyExists
    if not payment.flows.credited:
        raise NoCreditLeft(refundable=0)
    left = refundable_credit(payment, credit_of(payment, states))
    money = _refundable(payment, command, left)
    provider, transaction = payment.flows.paid_by[0]
    return [
        CreditRefundRequested(
            originator_id=payment.id,
            originator_version=payment.version + 1,
            refund_id=command.refund_id,
            provider=provider,
            provider_transaction=transaction,
            refunded=money,
            reason=command.reason,
            entry=credit_refund_requested(money, fan_id=payment.fan_id),
            **at.stamp(),
        )
    ]


def _refundable(payment: Payment, command: RequestCreditRefund, left: int) -> Money:
    currency, money = payment.money.currency, command.money
    if money is not None and money.currency != currency:
        raise CurrencyDiffers(expected=currency, currency=money.currency)
    amount = left - left % command.step if money is None else money.amount
    if not 0 < amount <= left:
        raise NoCreditLeft(refundable=left)
    if amount % command.step:
        raise AmountNotPayable(
            provider=payment.provider,
            currency=currency,
            step=command.step,
            minimum=command.step,
            maximum=left,
        )
    return Money(amount=amount, currency=currency)


def failed(payment: Payment, refund: Refund) -> JournalEntry:
    """It did not reach the fan."""
    return credit_refund_failed(refund.money, fan_id=payment.fan_id)


def came_back(payment: Payment, refund: Refund, paid_from: str) -> JournalEntry:
    """It had reached the fan, and came back. What an expense had paid is none any more."""
    return credit_refund_came_back(
        refund.money, excess=refund.excess, paid_from=paid_from, fan_id=payment.fan_id
    )


def paid_after_all(
    payment: Payment, refund: Refund, *, credit: int, paid_from: str
) -> tuple[int, JournalEntry]:
    """It had failed and was paid: of the `credit` that there is, the excess as an expense."""
    excess = max(0, refund.money.amount - max(0, credit))
    entry = credit_refunded_after_all(
        refund.money, excess=excess, paid_from=paid_from, fan_id=payment.fan_id
    )
    return excess, entry
