"""What the routes about subscriptions have in common: what they take, answer, and look up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Depends, Request
from pydantic import AwareDatetime, BaseModel, Field

from api.auth import Allow, Caller, Role
from api.doors import Doors, doors_of, e164
from api.errors import invalid
from api.instruments import card_of, phone_of
from api.rate_classes import RateClass
from api.responses import success
from api.routers.parts import (
    Body,
    ProviderName,
    answer_headers,
    canonical,
    command_fields,
    refused,
)
from api.subscription_rendering import rendered_subscription
from ledger.billing_periods import Interval
from ledger.errors import ProviderUnknown, SubscriptionNotFound
from ledger.events import PaymentMethod
from ledger.money import Money

if TYPE_CHECKING:
    from fastapi.responses import Response

    from ledger.commands import PaymentTerms, SubscriptionRequest
    from ledger.outcome import Outcome
    from ledger.vault import VaultEntry
    from projections.subscriptions import SubscriptionRead

Fan = Annotated[Caller, Depends(Allow(Role.FAN))]
PromptingFan = Annotated[Caller, Depends(Allow(Role.FAN, often=RateClass.PROMPT))]
FanOrAdmin = Annotated[Caller, Depends(Allow(Role.FAN, Role.ADMIN))]

SUBSCRIPTIONS: Final = UUID("0c7e1a52-9d3b-5f64-8a1e-6b5d2c4f9e70")
CHANGES: Final = UUID("7f2d9b06-41ce-5a38-9c70-d3e8f1a5b264")
PREPAYMENTS: Final = UUID("c85a3e17-60f4-5b92-a7d1-2e9b4c6f8d03")
"""The namespaces of ids that are made from the caller and their idempotency key."""


class NewMethod(Body):
    """A phone that is prompted, or a card that the provider stored: its token, never its number."""

    kind: Literal["phone", "card"]
    phone: Annotated[str | None, Field(max_length=16, examples=["+12025550100"])] = None
    card: Annotated[
        str | None,
        Field(
            max_length=200,
            pattern=r"^[A-Za-z][A-Za-z0-9_.:/-]*$",
            description="The provider's token of the card; it begins with a letter.",
        ),
    ] = None
    provider: ProviderName = "sandbox"


class TierData(BaseModel):
    """A tier of the creator."""

    id: UUID
    name: str


class PriceData(BaseModel):
    """A price, for each interval; it is never edited, a change is another version."""

    version: int
    money: Money
    interval: Interval


class MethodData(BaseModel):
    """How it is paid."""

    kind: Literal["phone", "card"]
    provider: str


class RenewalData(BaseModel):
    """When the next period begins that is not invoiced yet, and what it costs."""

    at: AwareDatetime
    money: Money


class ScheduledChangeData(BaseModel):
    """The tier and price from the next renewal on."""

    tier: TierData
    price: PriceData


class NoticedPriceData(BaseModel):
    """A price that the fan was told of: it holds for renewals that begin at `at` or later."""

    price: PriceData
    at: AwareDatetime


class AttemptData(BaseModel):
    """A payment that was begun for the invoice; `reason` says why it ended without money."""

    number: int
    payment_id: UUID
    origin: Literal["clock", "fan"]
    method: Literal["phone", "card", "till"]
    money: Money
    state: Literal["open", "succeeded", "failed"]
    reason: str | None
    begun_at: AwareDatetime


class CreditNoteData(BaseModel):
    """What of the invoice became the fan's credit, and why."""

    id: UUID
    money: Money
    reason: Literal["paused", "prepayment_ended"]
    issued_at: AwareDatetime


class InvoiceData(BaseModel):
    """An invoice. Of `money` the fan pays `due` minor units; credit and goodwill pay the rest.

    It is for `count` periods from `number` on, from `start` to before `end`; a change is for what
    remains of a period.
    """

    id: UUID
    kind: Literal["first", "renewal", "change", "prepayment"]
    state: Literal["open", "paid", "void"]
    reason: str | None
    number: int
    count: int
    money: Money
    credit: int
    goodwill: int
    due: int
    tier: TierData
    price: PriceData
    start: AwareDatetime | None
    end: AwareDatetime | None
    issued_at: AwareDatetime
    expires_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    next_attempt_at: AwareDatetime | None
    attempts: list[AttemptData]
    payments: list[UUID]
    credit_notes: list[CreditNoteData]


class SubscriptionSummaryData(BaseModel):
    """A subscription with the price that it keeps, and the invoices of it that are open.

    It is paid until `paid_until`. Where it is to end or to pause, `cancel_at` or `pause_at` says
    when; while it is past due, there is access until `grace_until`.
    """

    id: UUID
    state: Literal["incomplete", "trialing", "active", "past_due", "paused", "cancelled", "expired"]
    reason: str | None
    fan_id: UUID
    creator_id: UUID
    tier: TierData
    price: PriceData
    time_zone: str
    method: MethodData
    started_at: AwareDatetime
    completes_by: AwareDatetime | None
    trial_ends_at: AwareDatetime | None
    paid_until: AwareDatetime | None
    next_renewal: RenewalData | None
    cancel_at: AwareDatetime | None
    pause_at: AwareDatetime | None
    grace_until: AwareDatetime | None
    scheduled_change: ScheduledChangeData | None
    noticed_price: NoticedPriceData | None
    open_invoices: list[InvoiceData]
    ended_at: AwareDatetime | None
    updated_at: AwareDatetime


class SubscriptionData(SubscriptionSummaryData):
    """A subscription, and where in the log it stands like that."""

    position: int


class SubscriptionsData(BaseModel):
    """Subscriptions, newest first; `next_cursor` is null on the last page."""

    items: list[SubscriptionSummaryData]
    next_cursor: str | None
    position: int


class InvoicesData(BaseModel):
    """Invoices, newest first; `next_cursor` is null on the last page."""

    items: list[InvoiceData]
    next_cursor: str | None
    position: int


async def subscription_of(doors: Doors, caller: Caller, subscription_id: UUID) -> SubscriptionRead:
    """The subscription now. Raises `SubscriptionNotFound`, also for another fan's."""
    read = await doors.subscriptions.get(subscription_id)
    if read is None:
        raise SubscriptionNotFound
    if caller.role is Role.FAN and read.view.subscription.fan_id != caller.subject:
        raise SubscriptionNotFound
    return read


def terms_of(
    doors: Doors, provider: str, currency: str, *, expires_after_seconds: int | None = None
) -> PaymentTerms:
    """What a provider takes. Raises `ProviderUnknown` where it takes none of this currency."""
    known = doors.providers.get(provider)
    expires = expires_after_seconds or doors.settings.payment_expiry_seconds
    terms = None if known is None else known.terms(currency, expires_after_seconds=expires)
    if terms is None:
        raise ProviderUnknown(provider=provider)
    return terms


def check_method(doors: Doors, body: NewMethod) -> None:
    """Raise 400 for a method that nobody could pay by."""
    provider = doors.providers.get(body.provider)
    if provider is None:
        raise invalid("method.provider", "is not a provider of this platform")
    if (body.phone is not None) != (body.kind == "phone"):
        raise invalid("method.phone", "is needed for a phone, and only for a phone")
    if (body.card is not None) != (body.kind == "card"):
        raise invalid("method.card", "is needed for a card, and only for a card")
    if body.phone is not None:
        e164(body.phone, "method.phone")
        if not provider.prompts_phones:
            raise invalid("method.provider", "prompts no phones")
    elif not provider.charges_stored_methods:
        raise invalid("method.provider", "stores no cards here")


async def method_of(
    doors: Doors, fan_id: UUID, body: NewMethod
) -> tuple[PaymentMethod, tuple[VaultEntry, ...]]:
    """How the fan wants to pay, which was checked, and what is to be sealed for it."""
    if body.card is not None:
        instrument, entries = card_of(doors, fan_id, body.card)
    else:
        assert body.phone is not None  # noqa: S101 - it was checked
        await doors.rate_limits.phone(body.phone)
        instrument, entries = await phone_of(doors, fan_id, body.phone)
    method = PaymentMethod(kind=body.kind, provider=body.provider, instrument=instrument)
    return method, entries


def fields_of(request: Request, caller: Caller, key: str, body: Body | None) -> dict[str, Any]:
    """What the command of a request carries, with the fingerprint of its body."""
    written = b"" if body is None else canonical(body)
    return command_fields(
        caller, doors_of(request).idempotency_key(caller, key, request, written), request
    )


async def execute(request: Request, command: SubscriptionRequest, status: int) -> Response:
    """Do it; the subscription as it was right after that, also when it is told again."""
    outcome = (await doors_of(request).ledger.execute_from_loop([command]))[0]
    return await answer(request, outcome, status)


async def answer(request: Request, outcome: Outcome, status: int) -> Response:
    """The subscription as a command left it, however it stands today."""
    if (refusal := refused(request, outcome)) is not None:
        return refusal
    assert outcome.stream is not None  # noqa: S101 - such a command, done, has one
    doors = doors_of(request)
    read = await doors.subscriptions.get(outcome.stream, version=outcome.version)
    assert read is not None  # noqa: S101 - its events are committed
    headers = await answer_headers(request, outcome)
    if status == 202:  # noqa: PLR2004
        headers["Location"] = f"/api/v1/subscriptions/{outcome.stream}"
    [rendered] = await rendered_subscription(doors, [read.view])
    return success({**rendered, "position": outcome.position}, status, headers)
