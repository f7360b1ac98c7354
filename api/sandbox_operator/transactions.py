"""What the operator knows of a payment that was made, and how much of it went back.

Every payment is one, also the second one for a prompt, or one of another amount than was asked.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.sandbox_operator.amounts import Amount
from api.sandbox_operator.errors import (
    AmountExceedsPayment,
    CurrencyMismatch,
    InvalidAmount,
    RefundExceedsPayment,
    UnknownTransaction,
)
from api.sandbox_operator.memory import Memory

if TYPE_CHECKING:
    from api.sandbox_operator.behaviours import Behaviour


def new_transaction() -> str:
    """The receipt number of a movement of money, such as SB4F09D1A27C3E."""
    return f"SB{secrets.token_hex(6).upper()}"


@dataclass(slots=True, eq=False)
class Transaction:
    """A payment: ``reference`` is its prompt's, ``behaviour`` that of the phone that paid.

    One that was made at a till has no reference.
    """

    transaction: str
    reference: str | None
    paid: Amount
    behaviour: Behaviour
    refunded_minor_units: int = 0
    """By refunds that have not failed, pending ones included."""

    def part(self, amount: str | None) -> Amount:
        """``amount`` in major units, or all that was paid.

        Raises:
            InvalidAmount: it is no amount in the currency of the payment.
            AmountExceedsPayment: less was paid, or nothing.

        """
        part = self.paid if amount is None else self.amount(amount)
        if not 0 < part.minor_units <= self.paid.minor_units:
            raise AmountExceedsPayment
        return part

    def amount(self, amount: str, *, minor_units_min: int = 1) -> Amount:
        """``amount`` in major units of the currency of the payment.

        Raises:
            InvalidAmount: it is no amount in the currency of the payment.

        """
        try:
            return Amount.parse(amount, self.paid.currency, minor_units_min=minor_units_min)
        except ValueError as error:
            raise InvalidAmount from error

    def refundable(self) -> Amount:
        """What has not been refunded and is not about to be."""
        return Amount(self.paid.minor_units - self.refunded_minor_units, self.paid.currency)

    def check_refundable(self, amount: Amount) -> None:
        """Raise if ``amount`` cannot be refunded.

        Raises:
            CurrencyMismatch: something else was paid.
            RefundExceedsPayment: too little was paid, or is left of it.

        """
        if amount.currency != self.paid.currency:
            raise CurrencyMismatch
        if not 0 < amount.minor_units <= self.refundable().minor_units:
            raise RefundExceedsPayment


class Transactions:
    """The latest ``kept_max`` payments."""

    def __init__(self, kept_max: int) -> None:
        self._kept: Memory[Transaction] = Memory(kept_max)

    def remember(self, transaction: Transaction) -> None:
        """Remember ``transaction`` until it is the oldest one."""
        self._kept.accept(transaction.transaction, transaction)
        self._kept.finish(transaction.transaction)

    def find(self, transaction: str) -> Transaction:
        """Find the payment of that number.

        Raises:
            UnknownTransaction: no payment has it, or it was forgotten.

        """
        found = self._kept.get(transaction)
        if found is None:
            raise UnknownTransaction
        return found
