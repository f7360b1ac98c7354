"""Amounts as providers write them, and as we do: exactly, or not at all.

A provider's exponent is its own: how many of its digits stand after the point of a major unit, and
what one of its minor units is. No amount passes through a float.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import TYPE_CHECKING, Final

from ledger.money import AMOUNT_MAX, Money, exponents

if TYPE_CHECKING:
    from typing import Any


WRITTEN: Final = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)
EXACT: Final = Context(prec=80, traps=[Inexact, InvalidOperation, Overflow])
"""Whatever has more digits is refused, and never rounded."""


class UnreadableError(ValueError):
    """Something verified that is not what the provider documents; the message is a short code."""


def from_major(text: Any, currency: Any) -> Money:  # noqa: ANN401 - as JSON has it
    """Major units as text, an integer or a `Decimal`: "12.50" KES are 1250. Never zero.

    Raises `UnreadableError`: `unreadable_amount` or `inexact_amount`.
    """
    return _money(text, currency, scale=exponent_of(currency))


def from_units(number: Any, currency: Any, *, exponent: int) -> Money:  # noqa: ANN401 - the same
    """A provider's own smallest units, of which 10 to the `exponent` are a major unit."""
    return _money(number, currency, scale=exponent_of(currency) - exponent)


def to_major(money: Money) -> Decimal:
    """Minor units as major ones, with all digits: 1250 KES are 12.50."""
    return Decimal(money.amount).scaleb(-exponent_of(money.currency))


def to_units(money: Money, *, exponent: int) -> int:
    """In a provider's smallest units. Raises `UnreadableError` when it is not a whole number."""
    units = Decimal(money.amount).scaleb(exponent - exponent_of(money.currency))
    if units != int(units):
        raise UnreadableError("inexact_amount")
    return int(units)


def exponent_of(currency: Any) -> int:  # noqa: ANN401 - as JSON has it
    """ISO 4217's, of a currency of ours. Raises `UnreadableError`."""
    if not isinstance(currency, str) or currency not in exponents():
        raise UnreadableError("unknown_currency")
    return exponents()[currency]


def _money(number: Any, currency: Any, *, scale: int) -> Money:  # noqa: ANN401 - as JSON has it
    if isinstance(number, bool) or not isinstance(number, str | int | Decimal):
        raise UnreadableError("unreadable_amount")
    if isinstance(number, str) and not WRITTEN.fullmatch(number):
        # A `Decimal` would also read spaces, underscores, and the digits of other scripts.
        raise UnreadableError("unreadable_amount")
    try:
        amount = EXACT.scaleb(Decimal(number), scale)
        within = 1 <= amount <= AMOUNT_MAX
    except ArithmeticError:
        raise UnreadableError("unreadable_amount") from None
    # The bounds first: an integer of a million digits takes most of a minute to make.
    if not within or amount != int(amount):
        raise UnreadableError("inexact_amount")
    return Money(amount=int(amount), currency=currency)
