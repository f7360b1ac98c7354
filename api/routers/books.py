"""The platform's own books, as an admin reads them from statements.

A line of a statement is one fact: its id follows from its kind, from whose statement it is and from
its reference, so a line that is stated again, with whatever key, is refused as `already_exists`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid5

from fastapi import Depends, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, Field

from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.report_commands import settlement_id
from api.responses import Success, documented, success
from api.routers.parts import (
    Body,
    IdempotencyKeyHeader,
    Instant,
    ProviderName,
    answer_headers,
    canonical,
    check_provider,
    command_fields,
    refused,
    router,
)
from ledger.accounts import provider_of
from ledger.commands import (
    AddCapital,
    BooksRequest,
    ExchangeCurrency,
    FundWallet,
    RecordBankCharge,
    RecordSettlement,
    RemitTax,
    SettlementReport,
    WithdrawEarnings,
)
from ledger.events import (
    BankCharged,
    CapitalAdded,
    CurrencyExchanged,
    PlatformWithdrawn,
    ProviderSettled,
    TaxRemitted,
    WalletFunded,
)
from ledger.journal_entry import AccountName, JournalEntry
from ledger.money import AMOUNT_MAX, Money
from projections.streams import read_stream

routes = router("/admin/books", "books")

Admin = Annotated[Caller, Depends(Allow(Role.ADMIN))]

FACTS: Final = UUID("5f5d7f0e-2a86-5c6b-8f4c-9d1c3f0b7a02")
"""The namespace of the ids of what a statement says."""

BANK_STATEMENT: Final = "bank"

Kind = Literal[
    "settlement",
    "wallet_funding",
    "bank_charge",
    "tax_remittance",
    "withdrawal",
    "capital",
    "exchange",
]

StatedEvent = (
    ProviderSettled
    | WalletFunded
    | BankCharged
    | TaxRemitted
    | PlatformWithdrawn
    | CapitalAdded
    | CurrencyExchanged
)

KINDS: Final[dict[type[StatedEvent], Kind]] = {
    ProviderSettled: "settlement",
    WalletFunded: "wallet_funding",
    BankCharged: "bank_charge",
    TaxRemitted: "tax_remittance",
    PlatformWithdrawn: "withdrawal",
    CapitalAdded: "capital",
    CurrencyExchanged: "exchange",
}

Rate = Annotated[int, Field(strict=True, ge=1, le=10**12)]


class StatedBody(Body):
    """A line of a statement: its reference there, and when it happened."""

    # Printable, and no spaces at the ends: the same line must be the same reference.
    reference: Annotated[
        str,
        Field(
            max_length=128, pattern=r"^[!-?A-~]([ !-?A-~]*[!-?A-~])?$", examples=["FT26315XK2P1"]
        ),
    ]
    occurred_at: Instant | None = None


class MoneyBody(StatedBody):
    """An amount in minor units."""

    money: Money


class SettlementBody(StatedBody):
    """What left the provider's collection: the bank got it less `fees` minor units."""

    provider: ProviderName
    settled: Money
    fees: Annotated[int, Field(strict=True, ge=0, le=AMOUNT_MAX)] = 0


class WalletFundingBody(MoneyBody):
    """The float of a provider was filled from our bank or from what it had collected."""

    provider: ProviderName
    funded_from: Literal["bank", "collection"]


class TaxRemittanceBody(MoneyBody):
    """Tax was paid to the authority."""

    tax: Literal["vat", "withholding"]


class ExchangeBody(StatedBody):
    """`received` is `paid` × `rate_numerator` / `rate_denominator`, to within one minor unit."""

    paid_from: AccountName = Field(examples=["bank:settlement"])
    paid: Money
    received_in: AccountName = Field(examples=["provider:sandbox:disbursement"])
    received: Money
    rate_numerator: Rate
    rate_denominator: Rate


class FactData(BaseModel):
    """What was recorded, with its journal entry, and the position of the log where it lies."""

    id: UUID
    kind: Kind
    reference: str
    occurred_at: AwareDatetime | None
    recorded_at: AwareDatetime
    entry: JournalEntry
    position: int


def recorded(command: type[BooksRequest]) -> dict[str, Any]:
    """What a route declares that records by this command what a statement says."""
    return {
        "status_code": 201,
        "response_model": Success[FactData],
        "responses": documented(command, 413, 422),
    }


@routes.post("/settlements", **recorded(RecordSettlement))
async def record_settlement(
    body: SettlementBody, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """A provider settled to the bank. One that it reported itself exists already."""
    doors = doors_of(request)
    check_provider(doors, body.provider, "provider")
    report = SettlementReport(
        provider=body.provider,
        reference=body.reference,
        settled=body.settled,
        fees=body.fees,
        occurred_at=body.occurred_at,
    )
    command = RecordSettlement(
        report=report,
        fact_id=settlement_id(provider=body.provider, reference=body.reference),
        **command_fields(
            caller, doors.idempotency_key(caller, key, request, canonical(body)), request
        ),
    )
    return await _record(request, command)


@routes.post("/wallet-fundings", **recorded(FundWallet))
async def record_wallet_funding(
    body: WalletFundingBody, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """The float from which a provider pays out was filled."""
    check_provider(doors_of(request), body.provider, "provider")
    stated = _stated(request, caller, key, body, ("wallet_funding", body.provider))
    command = FundWallet(
        provider=body.provider, funded_from=body.funded_from, money=body.money, **stated
    )
    return await _record(request, command)


@routes.post("/bank-charges", **recorded(RecordBankCharge))
async def record_bank_charge(
    body: MoneyBody, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """The bank took its charges."""
    stated = _stated(request, caller, key, body, ("bank_charge", BANK_STATEMENT))
    return await _record(request, RecordBankCharge(money=body.money, **stated))


@routes.post("/tax-remittances", **recorded(RemitTax))
async def record_tax_remittance(
    body: TaxRemittanceBody, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Tax that we had collected was paid to the authority."""
    stated = _stated(request, caller, key, body, ("tax_remittance", BANK_STATEMENT))
    return await _record(request, RemitTax(tax=body.tax, money=body.money, **stated))


@routes.post("/withdrawals", **recorded(WithdrawEarnings))
async def record_withdrawal(
    body: MoneyBody, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """The platform's owner took earnings out."""
    stated = _stated(request, caller, key, body, ("withdrawal", BANK_STATEMENT))
    return await _record(request, WithdrawEarnings(money=body.money, **stated))


@routes.post("/capital", **recorded(AddCapital))
async def record_capital(
    body: MoneyBody, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """The platform's owner put money in."""
    stated = _stated(request, caller, key, body, ("capital", BANK_STATEMENT))
    return await _record(request, AddCapital(money=body.money, **stated))


@routes.post("/exchanges", **recorded(ExchangeCurrency))
async def record_exchange(
    body: ExchangeBody, caller: Admin, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """One currency was given for another, also inside one provider."""
    for name in ("paid_from", "received_in"):
        check_provider(doors_of(request), provider_of(getattr(body, name)), name)
    stated = _stated(request, caller, key, body, ("exchange", body.paid_from))
    command = ExchangeCurrency(
        paid_from=body.paid_from,
        paid=body.paid,
        received_in=body.received_in,
        received=body.received,
        rate_numerator=body.rate_numerator,
        rate_denominator=body.rate_denominator,
        **stated,
    )
    return await _record(request, command)


def _stated(
    request: Request, caller: Caller, key: str, body: StatedBody, of: tuple[Kind, str]
) -> dict[str, Any]:
    """What every stated fact carries; `of` is its kind and whose statement it is in."""
    idempotency_key = doors_of(request).idempotency_key(caller, key, request, canonical(body))
    return {
        "fact_id": uuid5(FACTS, ":".join((*of, body.reference))),
        "reference": body.reference,
        "occurred_at": body.occurred_at,
        **command_fields(caller, idempotency_key, request),
    }


async def _record(request: Request, command: BooksRequest) -> Response:
    doors = doors_of(request)
    outcome = (await doors.ledger.execute_from_loop([command]))[0]
    if (refusal := refused(request, outcome)) is not None:
        return refusal
    stream = await read_stream(doors.reader, command.fact_id)
    assert stream is not None  # noqa: S101 - it was recorded just now, or before
    [event] = stream.events
    assert isinstance(event, StatedEvent)  # noqa: S101 - the ids of other streams differ
    data = {
        "id": event.originator_id,
        "kind": KINDS[type(event)],
        "reference": event.reference,
        "occurred_at": event.occurred_at,
        "recorded_at": event.recorded_at,
        "entry": event.entry.model_dump(),
        "position": outcome.position,
    }
    location = {"Location": f"/api/v1/audit/streams/{event.originator_id}"}
    return success(data, 201, {**await answer_headers(request, outcome), **location})
