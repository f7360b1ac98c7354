"""Requests to record the platform's own facts; `fact_id` is the stream of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from ledger.commands.base import CallbackCommand, Command, IdempotencyKey

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from ledger.commands.reports import SettlementReport
    from ledger.events.documents import DocumentKind, DocumentLine
    from ledger.money import Money

DOCUMENTS: Final = "document"
"""The scope of the keys that documents have for ever: `creator:month:kind`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BooksCommand(CallbackCommand):
    """A fact about the platform's own money."""

    fact_id: UUID

    def streams(self) -> tuple[UUID, ...]:
        """The fact, which must not exist."""
        return (self.fact_id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSettlement(BooksCommand):
    """A provider settled to the bank: reported by it, or read from a statement."""

    report: SettlementReport


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedFact(BooksCommand):
    """Something an admin read from a statement; `reference` is the statement's."""

    reference: str
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FundWallet(StatedFact):
    """The float of a provider was filled."""

    provider: str
    funded_from: Literal["bank", "collection"]
    money: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordBankCharge(StatedFact):
    """The bank took its charges."""

    money: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class RemitTax(StatedFact):
    """Tax was paid to the authority."""

    tax: Literal["vat", "withholding"]
    money: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawEarnings(StatedFact):
    """The platform's owner took earnings out."""

    money: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCapital(StatedFact):
    """The platform's owner put money in."""

    money: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeCurrency(StatedFact):
    """One currency was given for another.

    `received` is `paid` × `rate_numerator` / `rate_denominator`, in minor units of each, to
    within one minor unit.
    """

    paid_from: str
    paid: Money
    received_in: str
    received: Money
    rate_numerator: int
    rate_denominator: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueDocument(Command):
    """Issue the next document of a series; its number is the series' next version."""

    series_id: UUID
    kind: DocumentKind
    creator_id: UUID
    month: str
    currency: str
    lines: tuple[DocumentLine, ...]
    up_to_position: int

    def streams(self) -> tuple[UUID, ...]:
        """The series."""
        return (self.series_id,)

    def natural_keys(self) -> tuple[IdempotencyKey, ...]:
        """A creator gets one document of a kind about a month, whatever is asked later."""
        return (IdempotencyKey(DOCUMENTS, f"{self.creator_id}:{self.month}:{self.kind}"),)
