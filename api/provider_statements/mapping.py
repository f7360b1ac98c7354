"""What a provider's statement calls things: columns, kinds of lines, decimals, time zone.

A column is named by one of several names, of which the first that the header has is read; names
are compared by their letters and digits alone (`Receipt No.` is `receipt no`). A deployment whose
provider names one otherwise says so in `HESABU_STATEMENT_COLUMNS`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ledger.money import exponents

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Check = Callable[[str], object]

Columns = tuple[str, ...]
Covered = Literal["collection", "disbursement"]
BOTH: Final[tuple[Covered, ...]] = ("collection", "disbursement")


class Kind(StrEnum):
    """What a line is about."""

    PAYMENT = "payment"
    REFUND = "refund"
    REFUND_RETURNED = "refund_returned"
    PAYOUT = "payout"
    PAYOUT_RETURNED = "payout_returned"
    PAYOUT_FAILED = "payout_failed"
    FEE = "fee"
    FEE_RETURNED = "fee_returned"
    DISPUTE = "dispute"
    DISPUTE_FEE = "dispute_fee"
    DISPUTE_RETURNED = "dispute_returned"
    SETTLEMENT = "settlement"
    TRANSFER = "transfer"
    OTHER = "other"


class Direction(StrEnum):
    """Which way a line's money went; a payout that failed moved none."""

    IN = "in"
    OUT = "out"
    FEE = "fee"
    NONE = "none"

    @property
    def sign(self) -> int:
        """What the line does to the balance."""
        return {Direction.IN: 1, Direction.OUT: -1, Direction.FEE: -1, Direction.NONE: 0}[self]


DIRECTION_OF: Final[dict[Kind, Direction]] = {
    Kind.PAYMENT: Direction.IN,
    Kind.REFUND: Direction.OUT,
    Kind.REFUND_RETURNED: Direction.IN,
    Kind.PAYOUT: Direction.OUT,
    Kind.PAYOUT_RETURNED: Direction.IN,
    Kind.PAYOUT_FAILED: Direction.NONE,
    Kind.FEE: Direction.FEE,
    Kind.FEE_RETURNED: Direction.IN,
    Kind.DISPUTE: Direction.OUT,
    Kind.DISPUTE_FEE: Direction.FEE,
    Kind.DISPUTE_RETURNED: Direction.IN,
    Kind.SETTLEMENT: Direction.OUT,
}
"""Of every kind but a transfer between wallets, and what is not known."""

OPPOSITE: Final[dict[Kind, Kind]] = {
    Kind.REFUND: Kind.REFUND_RETURNED,
    Kind.PAYOUT: Kind.PAYOUT_RETURNED,
    Kind.FEE: Kind.FEE_RETURNED,
    Kind.DISPUTE: Kind.DISPUTE_RETURNED,
}
"""What a line of the same name is when its money went the other way."""


class InvalidMappingError(ValueError):
    """What a deployment says about a provider's columns cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementMapping:
    """How one provider's statement is read.

    `id` is unique in the provider's statements; `names` are those of the transaction by which
    callbacks may know it, the first being what a report says; `other_names` those of what is no
    payment, where they differ. `own` may hold a reference of ours,
    `related` the transaction that a refund or a fee is about. `kinds` are beginnings of what the
    first filled column of `kind` says, the longest that fits; with `decides_sign` an amount has no
    sign and the kind says which way it went.

    `fee_name` is what callbacks call the fee of a transaction that has it in its row.

    `named_as_in_callbacks`: whether `names` are what callbacks name too. Where they are not, money
    is recorded by a person, or a late callback would record it a second time. `is_shared`: the
    account is other products' too, so money without a reference of ours may be nothing of ours.
    """

    provider: str
    covers: tuple[Covered, ...] = BOTH
    id: Columns = ()
    names: Columns = ()
    other_names: Columns = ()
    own: Columns = ()
    related: Columns = ()
    time: Columns = ()
    time_formats: tuple[str, ...] = ("iso",)
    zone: str = "UTC"
    kind: Columns = ()
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    every_line_is: Kind | None = None
    status: Columns = ()
    done: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    amount: Columns = ()
    decides_sign: bool = False
    paid_in: Columns = ()
    withdrawn: Columns = ()
    fee: Columns = ()
    fee_name: str = "{}"
    currency: Columns = ()
    fixed_currency: str | None = None
    balance: Columns = ()
    repeated: Columns = ()
    decimal: Literal[".", ","] = "."
    units: Literal["major", "minor"] = "major"
    unit_exponents: Mapping[str, int] = field(default_factory=dict)
    named_as_in_callbacks: bool = True
    is_shared: bool = False
    records_payouts: bool = True

    def kind_of(self, words: str) -> Kind:
        """What a line is that the provider calls so."""
        said = " ".join(words.replace("_", " ").split()).casefold()
        fitting = [begin for begin in self.kinds if said.startswith(begin)]
        return self.kinds[max(fitting, key=len)] if fitting else Kind.OTHER


COLUMN_FIELDS: Final = (
    *("id", "names", "other_names", "own", "related", "time", "kind", "status", "amount"),
    *("paid_in", "withdrawn", "fee", "currency", "balance"),
)


def overridden(mapping: StatementMapping, given: Mapping[str, str]) -> StatementMapping:
    """The mapping with what a deployment says of it: columns, or another of its parts by name.

    Several names of a column, or several time formats, are parted by `|`. Raises
    `InvalidMappingError`.
    """
    changes: dict[str, object] = {}
    for name, text in given.items():
        if name in COLUMN_FIELDS or name == "time_formats":
            changes[name] = tuple(part.strip() for part in text.split("|") if part.strip())
        elif name in CHECKS:
            changes[name] = CHECKS[name](text)
        else:
            raise InvalidMappingError(f"{mapping.provider}.{name} is no part of a statement")
    return replace(mapping, **changes)  # type: ignore[arg-type]  # checked above


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidMappingError("zone must be an IANA time zone") from None
    return text


def _one_of(*allowed: str) -> Check:
    def check(text: str) -> str:
        if text not in allowed:
            raise InvalidMappingError(f"{text!r} is not one of {', '.join(allowed)}")
        return text

    return check


def _flag(text: str) -> bool:
    return _one_of("true", "false")(text) == "true"


def _currency(text: str) -> str:
    if text not in exponents():
        raise InvalidMappingError("fixed_currency must be an ISO 4217 code")
    return text


CHECKS: Final[dict[str, Check]] = {
    "zone": _zone,
    "decimal": _one_of(".", ","),
    "units": _one_of("major", "minor"),
    "fixed_currency": _currency,
    "named_as_in_callbacks": _flag,
    "decides_sign": _flag,
    "is_shared": _flag,
}
