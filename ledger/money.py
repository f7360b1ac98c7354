"""Money: integers in minor units with an ISO 4217 currency, and exact allocation.

No float and no decimal touches an amount in here. Providers' decimal strings are converted at the
doors, exactly or not at all.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Final, NamedTuple

from iso4217 import Currency as Iso4217
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

AMOUNT_MIN: Final = 1
AMOUNT_MAX: Final = 10**15
"""Bounds in minor units of any amount that a caller sends."""

BASIS_POINTS: Final = 10_000
"""Basis points in one whole: rates are integers."""


@cache
def exponents() -> dict[str, int]:
    """ISO 4217 code → number of minor-unit digits (KES 2, UGX 0, KWD 3).

    Codes without a minor unit (metals, bond units, testing codes) are left out.
    """
    return {
        currency.code: currency.exponent for currency in Iso4217 if currency.exponent is not None
    }


def _known(code: str) -> str:
    if code not in exponents():
        message = "must be an ISO 4217 currency code, such as KES"
        raise ValueError(message)
    return code


CurrencyCode = Annotated[str, AfterValidator(_known)]
Amount = Annotated[int, Field(strict=True, ge=AMOUNT_MIN, le=AMOUNT_MAX)]


class Money(BaseModel):
    """An amount in minor units of a currency: `{"amount": 125000, "currency": "KES"}`.

    Raises pydantic's `ValidationError` outside 1 … 10^15 or for an unknown currency.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount: Amount
    currency: CurrencyCode


class Split(BaseModel):
    """How a gross amount is divided, in minor units: gross = fee + vat + net, none negative."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fee: int = Field(strict=True, ge=0)
    vat: int = Field(strict=True, ge=0)
    net: int = Field(strict=True, ge=0)

    @property
    def gross(self) -> int:
        """The whole: what the fan pays, or what is reversed, in minor units."""
        return self.fee + self.vat + self.net

    def plus(self, other: Split) -> Split:
        """Part by part."""
        return Split(fee=self.fee + other.fee, vat=self.vat + other.vat, net=self.net + other.net)

    def minus(self, other: Split) -> Split:
        """Part by part. Raises `ValidationError` when a part would be negative."""
        return Split(fee=self.fee - other.fee, vat=self.vat - other.vat, net=self.net - other.net)


class Part(NamedTuple):
    """One claim in an allocation: its weight, and its rank among equal remainders (low first)."""

    weight: int
    rank: int


def ceil_basis_points(amount: int, basis_points: int) -> int:
    """⌈amount × basis_points / 10,000⌉ in minor units, without leaving the integers."""
    return -(-amount * basis_points // BASIS_POINTS)


def half_up_basis_points(amount: int, basis_points: int) -> int:
    """Amount × basis_points / 10,000 in minor units, half rounded up."""
    return (2 * amount * basis_points + BASIS_POINTS) // (2 * BASIS_POINTS)


def allocate(amount: int, parts: list[Part]) -> list[int]:
    """Divide `amount` minor units over `parts` by weight, by largest remainder.

    Ties go to the lower rank. The result always sums to `amount`: no unit is created or lost.
    Raises `ValueError` when there is nothing to weigh by.
    """
    total = sum(part.weight for part in parts)
    if total <= 0:
        message = "an allocation needs a positive weight"
        raise ValueError(message)
    shares = [amount * part.weight // total for part in parts]
    by_remainder = sorted(
        range(len(parts)),
        key=lambda i: (-(amount * parts[i].weight % total), parts[i].rank, i),
    )
    for i in by_remainder[: amount - sum(shares)]:
        shares[i] += 1
    return shares
