"""The platform's own books: facts read from statements, corrections, numbered documents.

Each fact is a stream of one event, so a fact that is stated twice is refused. A document's number
is its version in the stream of its series: no gap, no double.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, assert_never

from ledger.accounts import BANK, VAT, WITHHOLDING, collection, creator_of
from ledger.commands import (
    AddCapital,
    BooksRequest,
    ExchangeCurrency,
    FundWallet,
    IssueDocument,
    RecordBankCharge,
    RecordSettlement,
    RemitTax,
    WithdrawEarnings,
    goodwill_taken,
)
from ledger.errors import (
    AccountNotAdjustable,
    AlreadyExists,
    AmountOutOfBounds,
    CreatorNotFound,
    CurrencyDiffers,
    InsufficientFunds,
    RateDiffers,
)
from ledger.events import (
    AdjustmentPosted,
    BankCharged,
    BooksEvent,
    CapitalAdded,
    CurrencyExchanged,
    DocumentIssued,
    LedgerEvent,
    Occasion,
    PlatformWithdrawn,
    ProviderSettled,
    TaxRemitted,
    WalletFunded,
)
from ledger.postings import (
    bank_charged,
    capital_added,
    currency_exchanged,
    platform_withdrew,
    provider_settled,
    tax_remitted,
    wallet_funded,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from ledger.creator import Creator
    from ledger.events import PostAdjustment
    from ledger.journal_entry import Posting

TAXES: Final = {"vat": VAT, "withholding": WITHHOLDING}

FOLLOWING: Final = (
    *(":pending", ":held", ":reserved", ":in_transit", ":disputed"),
    *(":credit", ":credit_reserved"),
)
"""Ends of the names of accounts that follow from payments and payouts alone; so does suspense."""

EXCHANGEABLE: Final = (":collection", ":disbursement", ":settlement")
"""Ends of the names of accounts between which a currency is exchanged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A fact of the platform's own books: it is there, and that is all that decisions need."""

    id: UUID
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSeries:
    """A series of documents; the version is the last number."""

    id: UUID
    version: int


def evolve_fact(fact: Fact | None, event: BooksEvent) -> Fact:
    """Apply a fact. Never checks: replay must always succeed."""
    if fact is None:
        return Fact(id=event.originator_id, version=event.originator_version)
    return replace(fact, version=event.originator_version)


def evolve_series(_series: DocumentSeries | None, event: DocumentIssued) -> DocumentSeries:
    """Apply a fact. Never checks: replay must always succeed."""
    return DocumentSeries(id=event.originator_id, version=event.originator_version)


def state_fact(fact: Fact | None, command: BooksRequest, at: Occasion) -> list[LedgerEvent]:
    """Record what a statement says.

    Raises `AlreadyExists`, `AmountOutOfBounds`, `AccountNotAdjustable`, `CurrencyDiffers` or
    `RateDiffers`.
    """
    if fact is not None:
        raise AlreadyExists
    match command:
        case RecordSettlement():
            return [_settled(command, at)]
        case FundWallet():
            source = BANK if command.funded_from == "bank" else collection(command.provider)
            event: LedgerEvent = WalletFunded(
                provider=command.provider,
                funded_from=command.funded_from,
                funded=command.money,
                entry=wallet_funded(command.money, provider=command.provider, funded_from=source),
                **_stated(command, at),
            )
        case RecordBankCharge():
            event = BankCharged(
                charge=command.money, entry=bank_charged(command.money), **_stated(command, at)
            )
        case RemitTax():
            event = TaxRemitted(
                tax=command.tax,
                remitted=command.money,
                entry=tax_remitted(command.money, tax=TAXES[command.tax]),
                **_stated(command, at),
            )
        case WithdrawEarnings():
            event = PlatformWithdrawn(
                withdrawn=command.money,
                entry=platform_withdrew(command.money),
                **_stated(command, at),
            )
        case AddCapital():
            event = CapitalAdded(
                added=command.money, entry=capital_added(command.money), **_stated(command, at)
            )
        case ExchangeCurrency():
            event = _exchanged(command, at)
        case _:
            assert_never(command)
    return [event]


def _settled(command: RecordSettlement, at: Occasion) -> ProviderSettled:
    report = command.report
    if report.fees > report.settled.amount:
        raise AmountOutOfBounds(minimum=0, maximum=report.settled.amount)
    return ProviderSettled(
        originator_id=command.fact_id,
        originator_version=1,
        provider=report.provider,
        reference=report.reference,
        settled=report.settled,
        fees=report.fees,
        entry=provider_settled(report.settled, report.fees, provider=report.provider),
        occurred_at=report.occurred_at,
        **at.stamp(),
    )


def _exchanged(command: ExchangeCurrency, at: Occasion) -> CurrencyExchanged:
    for account in (command.paid_from, command.received_in):
        if not account.endswith(EXCHANGEABLE):
            raise AccountNotAdjustable(account=account)
    if command.paid.currency == command.received.currency:
        raise CurrencyDiffers(expected="another currency", currency=command.received.currency)
    exact = command.paid.amount * command.rate_numerator
    if abs(command.received.amount * command.rate_denominator - exact) >= command.rate_denominator:
        raise RateDiffers(expected=exact // command.rate_denominator)
    return CurrencyExchanged(
        paid_from=command.paid_from,
        paid=command.paid,
        received_in=command.received_in,
        received=command.received,
        rate_numerator=command.rate_numerator,
        rate_denominator=command.rate_denominator,
        entry=currency_exchanged(
            command.paid,
            command.received,
            paid_from=command.paid_from,
            received_in=command.received_in,
        ),
        **_stated(command, at),
    )


def _stated(
    command: FundWallet
    | RecordBankCharge
    | RemitTax
    | WithdrawEarnings
    | AddCapital
    | ExchangeCurrency,
    at: Occasion,
) -> dict[str, Any]:
    return {
        "originator_id": command.fact_id,
        "originator_version": 1,
        "reference": command.reference,
        "occurred_at": command.occurred_at,
        **at.stamp(),
    }


def adjust(
    fact: Fact | None,
    find: Callable[[UUID], Creator | None],
    action: PostAdjustment,
    at: Occasion,
    *,
    balance: Callable[[str, str], int],
) -> list[LedgerEvent]:
    """Post a correcting entry: also how a fan is given goodwill, out of `expense:goodwill`.

    `balance` tells what an account has, debit positive; it is asked about goodwill alone. Raises
    `AlreadyExists`, `AccountNotAdjustable`, `CreatorNotFound`, `CurrencyDiffers`, or
    `InsufficientFunds` for goodwill that is taken back and is not there any more.
    """
    if fact is not None:
        raise AlreadyExists
    for posting in action.entry.postings:
        _check_adjustable(posting, find)
    _check_goodwill(action, balance)
    return [
        AdjustmentPosted(
            originator_id=action.adjustment_id,
            originator_version=1,
            reason=action.reason,
            entry=action.entry,
            **at.stamp(),
        )
    ]


def _check_adjustable(posting: Posting, find: Callable[[UUID], Creator | None]) -> None:
    if posting.account.startswith("suspense:") or posting.account.endswith(FOLLOWING):
        raise AccountNotAdjustable(account=posting.account)
    if (creator_id := creator_of(posting.account)) is None:
        return
    # Otherwise there would be a balance that nobody can be paid.
    if (creator := find(creator_id)) is None:
        raise CreatorNotFound
    if posting.currency != creator.settlement_currency:
        raise CurrencyDiffers(expected=creator.settlement_currency, currency=posting.currency)


def _check_goodwill(action: PostAdjustment, balance: Callable[[str, str], int]) -> None:
    """What was given can be taken back as long as it is there."""
    for (account, currency), taken in goodwill_taken(action.entry).items():
        left = -balance(account, currency)
        if taken > left:
            raise InsufficientFunds(available=left, currency=currency)


def issue(
    series: DocumentSeries | None,
    command: IssueDocument,
    at: Occasion,
    *,
    claimed_by: UUID | None,
) -> DocumentIssued:
    """Issue the next document of a series.

    `claimed_by` is the series that has the creator's document of this kind and month, if there is
    one: then `AlreadyExists` is raised.
    """
    if claimed_by is not None:
        raise AlreadyExists
    return DocumentIssued(
        originator_id=command.series_id,
        originator_version=1 if series is None else series.version + 1,
        kind=command.kind,
        creator_id=command.creator_id,
        month=command.month,
        currency=command.currency,
        lines=command.lines,
        up_to_position=command.up_to_position,
        **at.stamp(),
    )
