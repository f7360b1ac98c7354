"""What is exported, and how amounts and times are written in text."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, NamedTuple

from ledger.money import exponents

if TYPE_CHECKING:
    from datetime import datetime


class Scope(NamedTuple):
    """Which log and book, and the position at which the export ends."""

    origin: str
    book: str
    end: int


def major_units(amount: int, currency: str) -> str:
    """Minor units in major ones, exactly: 125000 KES is 1250.00, 300 UGX is 300."""
    exponent = exponents()[currency]
    if exponent == 0:
        return str(amount)
    whole, part = divmod(abs(amount), 10**exponent)
    return f"{'-' if amount < 0 else ''}{whole}.{part:0{exponent}d}"


def utc_text(instant: datetime) -> str:
    """A time in UTC: 2026-03-01T12:00:00.000000Z."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
