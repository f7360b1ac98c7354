"""Money on this operator's wire: decimal strings in major units, integers in minor units inside.

The number of decimals is the ISO 4217 exponent of the currency: ``"1250.00"`` KES, ``"1250"`` UGX.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from iso4217 import Currency

MAJOR_DIGITS_MAX = 12
_DECIMAL = re.compile(rf"(0|[1-9][0-9]{{0,{MAJOR_DIGITS_MAX - 1}}})(?:\.([0-9]+))?", re.ASCII)


@cache
def exponent_of(currency: str) -> int:
    """How many decimals ``currency`` (ISO 4217, such as KES) has.

    Raises:
        ValueError: there is no such currency, or it has no minor unit, like gold (XAU).

    """
    try:
        exponent = Currency(currency).exponent
    except ValueError as error:
        # The library's message repeats what the caller sent.
        raise ValueError("there is no such currency in ISO 4217") from error
    if exponent is None:
        raise ValueError("this currency has no minor unit")
    return exponent


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of money: ``minor_units`` of ``currency`` (cents for KES, shillings for UGX)."""

    minor_units: int
    currency: str

    @classmethod
    def parse(cls, text: str, currency: str, *, minor_units_min: int = 1) -> Amount:
        """Read an amount in major units, such as ``"1250.00"``; ``"1250"`` is fine too.

        It must be positive, unless ``minor_units_min`` is 0.

        More decimals than the currency has are refused even if they are zeros: they betray a
        caller with a wrong table of exponents.

        Raises:
            ValueError: no such currency, not a plain decimal, too many decimals, or too little.

        """
        exponent = exponent_of(currency)
        match = _DECIMAL.fullmatch(text)
        decimals = (match[2] or "") if match else ""
        if not match or len(decimals) > exponent:
            raise ValueError(
                f"the amount must be a plain decimal with at most {MAJOR_DIGITS_MAX} digits, "
                f"and {exponent} decimals in this currency"
            )
        minor_units = int(match[1] + decimals.ljust(exponent, "0"))
        if minor_units < minor_units_min:
            raise ValueError("the amount must be positive")
        return cls(minor_units, currency)

    def on_the_wire(self) -> str:
        """The amount in major units with all decimals of its currency, such as ``"1250.00"``."""
        exponent = exponent_of(self.currency)
        if exponent == 0:
            return str(self.minor_units)
        digits = str(self.minor_units).rjust(exponent + 1, "0")
        return f"{digits[:-exponent]}.{digits[-exponent:]}"

    def half(self) -> Amount:
        """Half of it, rounded down to the minor unit; half of one minor unit is nothing."""
        return Amount(self.minor_units // 2, self.currency)

    def share(self, basis_points: int) -> Amount:
        """So many hundredths of a percent of it, rounded down, and at least one minor unit."""
        return Amount(max(1, self.minor_units * basis_points // 10_000), self.currency)

    def double(self) -> Amount:
        """Twice the amount."""
        return Amount(self.minor_units * 2, self.currency)

    def in_another_currency(self) -> Amount:
        """The same number of USD, or of EUR if this is USD; excess decimals are cut off."""
        other = "EUR" if self.currency == "USD" else "USD"
        scaled = self.minor_units * 10 ** exponent_of(other)
        return Amount(scaled // 10 ** exponent_of(self.currency), other)
