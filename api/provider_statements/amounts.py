"""Amounts and times as statements write them: exactly, or not at all.

`1,234.50`, `1 234,50`, `(1,234.50)`, `1,234.50-` and `KES 1,234.50` are amounts; `1.2E+05`, which a
spreadsheet made of one, is not, since digits are lost by then.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import TYPE_CHECKING, Final, Literal

from ledger.money import AMOUNT_MAX, exponents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

BALANCE_MAX: Final = AMOUNT_MAX * 1_000
LENGTH_MAX: Final = 64
SPACES: Final = re.compile("[\\s\u00a0\u2009\u202f']")
WORDS: Final = re.compile(r"^(?:[A-Za-z]{1,4}\.?)?(?P<figure>[^A-Za-z]+)(?:[A-Za-z]{3})?$")
"""A currency's sign in letters before or behind: `KES`, `KSh`, `Ush.`."""
FIGURE: Final = {
    ".": re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?", re.ASCII),
    ",": re.compile(r"(?:\d{1,3}(?:\.\d{3})+|\d+)?(?:,\d+)?", re.ASCII),
}
EXACT: Final = Context(prec=80, traps=[Inexact, InvalidOperation, Overflow])


class UnreadableCellError(ValueError):
    """A cell that is not what its column should hold; the message is a short code."""


def exact_decimal(text: str, decimal: Literal[".", ","]) -> Decimal:
    """The number that is written there, with its sign; zero for a dash. Raises."""
    written = SPACES.sub("", text.replace("\u2212", "-"))
    if not written or len(written) > LENGTH_MAX:
        raise UnreadableCellError("unreadable_amount")
    if written in {"-", "--", "\u2013"}:
        return Decimal(0)
    negative = written.startswith("(") and written.endswith(")")
    if negative:
        written = written[1:-1]
    sign = -1 if negative else 1
    # A sign may stand before the currency's, behind it, or at the end.
    for _ in range(2):
        if written[:1] in {"+", "-"} or written[-1:] == "-":
            if "-" in {written[:1], written[-1:]}:
                if sign < 0:
                    raise UnreadableCellError("unreadable_amount")
                sign = -1
            written = written[1:] if written[:1] in {"+", "-"} else written[:-1]
        if (inside := WORDS.match(written)) is not None:
            written = inside["figure"]
    if not FIGURE[decimal].fullmatch(written) or not any(each.isdigit() for each in written):
        raise UnreadableCellError("unreadable_amount")
    plain = written.replace("," if decimal == "." else ".", "").replace(decimal, ".")
    return sign * Decimal(plain)


def minor_units(
    text: str,
    currency: str,
    *,
    decimal: Literal[".", ","] = ".",
    units: Literal["major", "minor"] = "major",
    unit_exponents: Mapping[str, int] | None = None,
    maximum: int = AMOUNT_MAX,
) -> int:
    """The amount in our minor units, with its sign. Raises `UnreadableCellError`.

    With `units="minor"` the provider's own smallest units are written, of which 10 to the power of
    `unit_exponents` (else ISO 4217's) are a major unit.
    """
    exponent = exponents().get(currency)
    if exponent is None:
        raise UnreadableCellError("unknown_currency")
    scale = exponent
    if units == "minor":
        scale -= (unit_exponents or {}).get(currency, exponent)
    try:
        amount = EXACT.scaleb(exact_decimal(text, decimal), scale)
        within = abs(amount) <= maximum
    except ArithmeticError:
        raise UnreadableCellError("unreadable_amount") from None
    # The bounds first: an integer of a million digits takes most of a minute to make.
    if not within:
        raise UnreadableCellError("amount_out_of_bounds")
    if amount != int(amount):
        raise UnreadableCellError("inexact_amount")
    return int(amount)


def instant(text: str, formats: Sequence[str], zone: ZoneInfo) -> datetime:
    """The time that is written there, in UTC; one without an offset is the zone's. Raises."""
    written = " ".join(text.split())
    if len(written) > LENGTH_MAX:
        raise UnreadableCellError("unreadable_time")
    for each in formats:
        try:
            read = (
                datetime.fromisoformat(written)
                if each == "iso"
                else datetime.strptime(written, each)  # noqa: DTZ007 - the zone follows
            )
            local = read if read.tzinfo is not None else read.replace(tzinfo=zone)
            found = local.astimezone(UTC)
        except (ValueError, OverflowError):
            continue
        if 2000 <= found.year < 2200:  # noqa: PLR2004 - no provider is older
            return found
    raise UnreadableCellError("unreadable_time")
