"""What several routers declare alike: bodies, headers, and commands' common fields."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import UUID, uuid5

from fastapi import APIRouter, Header, Query, Request
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from api.auth import Role
from api.doors import doors_of
from api.errors import ApiError, invalid, ledger_error_response
from api.responses import documented
from api.strict_json import StrictRoute
from ledger.commands import IDEMPOTENCY_KEY_LENGTH_MAX
from ledger.money import BASIS_POINTS, Money
from projections.reader import POSITION_MAX

if TYPE_CHECKING:
    from fastapi.responses import Response

    from api.auth import Caller
    from api.doors import Doors
    from ledger.commands import IdempotencyKey
    from ledger.outcome import Outcome

IdempotencyKeyHeader = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=IDEMPOTENCY_KEY_LENGTH_MAX,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key and body answer with the first outcome; nothing happens twice.",
    ),
]


Position = Annotated[int | None, Query(ge=0, le=POSITION_MAX, description="A position of the log.")]
MinPosition = Annotated[
    int | None,
    Query(
        ge=0, le=POSITION_MAX, description="Answer only when this position can be seen; else 409."
    ),
]

CONTACT: Final = re.compile(
    # Between the digits of a number people write spaces, dashes, dots, brackets and a plus; what
    # is invisible there would hide one.
    r"[@\uff20]"
    r"|\d(?:[\s\-\u2010-\u2015\u2212+./()\u00ad\u200b-\u200d\u2060\ufeff]*\d){6}"
)
"""Something like an e-mail address, or seven digits of a phone number."""


def names_nobody(text: str) -> str:
    """Raise `ValueError` for text that holds something like a contact of somebody."""
    if CONTACT.search(text):
        raise ValueError(
            "must hold nothing like a phone number or an e-mail address: no @, and no seven "
            "digits in a row, with or without spaces or dashes"
        )
    return text


MONTH: Final = r"^20[0-9]{2}-(0[1-9]|1[0-2])$"
"""A month of the book's time zone: 2026-11."""

Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=500),
    AfterValidator(names_nobody),
    Field(
        description="Why, in words that name no person: it is kept for ever.",
        examples=["The fan sent the rest by a second transfer."],
    ),
]


def _as_text(value: object) -> object:
    # Pydantic would also take a number, as seconds since 1970.
    if not isinstance(value, str) or "T" not in value:
        raise ValueError("must be a time in ISO 8601 with an offset: 2026-11-05T09:00:00+03:00")
    return value


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie within the calendar") from None


Instant = Annotated[AwareDatetime, BeforeValidator(_as_text), AfterValidator(_in_utc)]
"""A time in a body or a query: text with an offset, never a number; in UTC from here on."""

Effective = Annotated[
    Instant | None,
    Query(description="Only what had taken effect by then, as it was known at the position."),
]
"""The second axis: when things happened, whenever we learned of them."""

ProviderName = Annotated[str, Field(max_length=40, pattern=r"^[a-z0-9_]+$", examples=["sandbox"])]


class Body(BaseModel):
    """A request body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FeePlanBody(Body):
    """A fee in basis points of the gross and VAT in basis points of the fee."""

    fee_basis_points: int = Field(strict=True, ge=0, le=BASIS_POINTS, examples=[1000])
    vat_basis_points: int = Field(strict=True, ge=0, le=BASIS_POINTS, default=0, examples=[1600])
    keep_fee: bool = Field(strict=True, default=False)


class SplitData(BaseModel):
    """Minor units: gross = fee + vat + net."""

    fee: int
    vat: int
    net: int


class RefundData(BaseModel):
    """A refund; amounts in minor units. `legs` are what it reverses of each part.

    `from_credit`: of the fan's credit, which reverses nothing of the payment.
    """

    id: UUID
    state: str
    origin: str
    from_credit: bool
    money: Money
    legs: SplitData
    reason: str | None
    requested_at: str


class DisputeData(BaseModel):
    """A dispute: `lost` minor units are gone. `held` is what is held of the creator's part."""

    dispute: str
    state: str
    round: int
    money: Money
    held: int
    lost: int


class ParkedData(BaseModel):
    """Money that came for the payment and is in suspense, or was."""

    provider_transaction: str
    money: Money
    state: str


class PaymentData(BaseModel):
    """A payment; amounts in minor units. `position` is where this is true.

    One for a subscription's invoice names both, and which attempt to collect it this is. `credited`
    became the fan's credit, also where credit had paid; `credit_left` of it was brought by this
    payment and can be refunded, as far as it is not spent.

    `refundable` is what can still be refunded; `refund_requests` are the fan's open wishes.
    """

    id: UUID
    state: str
    creator_id: UUID
    fan_id: UUID
    purpose: Literal["tip", "purchase", "invoice"]
    reference: str | None
    subscription_id: UUID | None
    invoice_id: UUID | None
    attempt: int | None
    method: Literal["phone", "card", "till", "credit"]
    money: Money
    split: SplitData
    provider: str
    late: bool
    reason: str | None
    initiated_at: str
    expires_at: str
    ended_at: str | None
    releases_at: str | None
    released: bool
    refundable: int
    credited: int
    credit_left: int
    refunds: list[RefundData]
    refund_requests: list[UUID]
    disputes: list[DisputeData]
    parked: list[ParkedData]
    position: int


class CreatorData(BaseModel):
    """A creator and the plan by which their future payments are split."""

    id: UUID
    settlement_currency: str
    plan: FeePlanBody
    position: int


def router(prefix: str, tag: str) -> APIRouter:
    """A router whose bodies are read strictly and whose errors are declared."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=StrictRoute, responses=documented())


def command_fields(caller: Caller, key: IdempotencyKey, request: Request) -> dict[str, Any]:
    """What every command of a request carries."""
    return {
        "key": key,
        "actor": caller.name,
        "correlation_id": request.scope["correlation_id"],
        "causation_id": f"request:{request.scope['request_id']}",
    }


def made_id(namespace: UUID, caller: Caller, key: str) -> UUID:
    """The id of what a request makes: the same when it is repeated, so that the answer is too."""
    return uuid5(namespace, f"{caller.name}:{key}")


def own_creator(caller: Caller, creator_id: UUID) -> None:
    """Raise 403 for a creator who asks for another's."""
    if caller.role is Role.CREATOR and caller.subject != creator_id:
        raise ApiError(403, "forbidden", "A creator may only see their own account.")


def check_provider(doors: Doors, name: str | None, field: str) -> None:
    """Raise 400 for a field that names a provider that is not one of ours; None names none."""
    if name is not None and name not in doors.providers:
        raise invalid(field, "is not a provider of this platform")


def canonical(body: BaseModel) -> bytes:
    """A body's bytes for the fingerprint: the same for the same meaning."""
    return body.__pydantic_serializer__.to_json(body)


def replay_headers(outcome: Outcome) -> dict[str, str]:
    """Says when an answer is the first one's again."""
    return {"Idempotency-Replayed": "true"} if outcome.replayed else {}


async def answer_headers(request: Request, outcome: Outcome) -> dict[str, str]:
    """What every answer to a write that was done says: whether again, and its receipt."""
    receipt = await doors_of(request).receipts.header(outcome)
    return {**replay_headers(outcome), **receipt}


def refused(request: Request, outcome: Outcome) -> Response | None:
    """The answer to a command that was not done, or None."""
    if outcome.error is None:
        return None
    return ledger_error_response(request, outcome.error, replay_headers(outcome))
