"""Stripe's currencies: exponents, steps, minimums and maximums of its own.

By docs.stripe.com/currencies. Amounts are integers in Stripe's smallest units, which are not always
ISO 4217's minor units. Sources conflict about UGX: older copies of that page list it among the
zero-decimal currencies, while its special cases say that it is written with two decimals which are
always zero, as ISK is; so 5 shillings are 500 (taken literally they would be charged as five
hundredths of a shilling). MGA has no decimals, though ISO 4217 gives it two. Of the three decimals
of BHD, JOD, KWD, OMR and TND the last one is always zero.

Amounts have up to eight digits (IDR: twelve). Only some currencies have a documented minimum; any
other must be worth the minimum of the currency that it is settled in, which Stripe then checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.providers.amounts import exponent_of
from ledger.commands import PaymentTerms
from ledger.money import exponents

if TYPE_CHECKING:
    from collections.abc import Mapping


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


TWO_DECIMALS: Final = _codes(
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD "
    "CAD CDF CHF CNY COP CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD "
    "HKD HNL HTG HUF IDR ILS INR JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK "
    "MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON "
    "RSD SAR SBD SCR SEK SGD SHP SOS SRD STN SZL THB TJS TOP TRY TTD TWD TZS UAH USD UYU UZS "
    "WST XCD YER ZAR ZMW"
)
WITHOUT_DECIMALS: Final = _codes("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF")
TWO_DECIMALS_OF_ZERO: Final = _codes("ISK UGX")
THREE_DECIMALS: Final = _codes("BHD JOD KWD OMR TND")

UNITS_MAX: Final = 99_999_999
UNITS_MAX_OF: Final[Mapping[str, int]] = {"IDR": 999_999_999_999}
UNITS_MIN_OF: Final[Mapping[str, int]] = {
    **dict.fromkeys(_codes("AUD BRL CAD CHF EUR INR JPY NZD SGD USD"), 50),
    **dict.fromkeys(_codes("AED MYR PLN RON"), 200),
    **dict.fromkeys(_codes("NOK SEK"), 300),
    **dict.fromkeys(_codes("MXN THB"), 1_000),
    "BGN": 100,
    "CZK": 1_500,
    "DKK": 250,
    "GBP": 30,
    "HKD": 400,
    "HUF": 17_500,
}


def stripe_exponent(currency: str) -> int | None:
    """How many of Stripe's digits stand after the point; None of a currency that it has not."""
    if currency in TWO_DECIMALS or currency in TWO_DECIMALS_OF_ZERO:
        return 2
    if currency in WITHOUT_DECIMALS:
        return 0
    return 3 if currency in THREE_DECIMALS else None


def terms_of(provider: str, currency: str, *, expires_after_seconds: int) -> PaymentTerms | None:
    """What Stripe takes in a currency, in minor units of ours; None where it takes nothing."""
    exponent = stripe_exponent(currency)
    if exponent is None or currency not in exponents():
        return None
    ours = exponent_of(currency)
    step_units = 10 if currency in THREE_DECIMALS else 1
    step = max(step_units * 10 ** max(ours - exponent, 0), 1)
    return PaymentTerms(
        provider=provider,
        step=step,
        minimum=max(step, _ours(UNITS_MIN_OF.get(currency, 1), ours - exponent)),
        maximum=_ours(UNITS_MAX_OF.get(currency, UNITS_MAX), ours - exponent) // step * step,
        expires_after_seconds=expires_after_seconds,
    )


def _ours(units: int, places: int) -> int:
    """Stripe's units in minor units of ours, rounded down."""
    scale: int = 10 ** abs(places)
    return units * scale if places >= 0 else units // scale
