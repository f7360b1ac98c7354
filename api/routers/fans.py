"""A fan pays: initiate, look, cancel."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Request
from fastapi.responses import Response
from pydantic import Field
from uuid_utils.compat import uuid7

from api.auth import Allow, Caller, Role
from api.doors import doors_of, e164
from api.errors import invalid
from api.instruments import payer_phone, remember_payer_phone
from api.rate_classes import RateClass
from api.rendering import rendered_payment
from api.responses import Success, documented, success
from api.routers.parts import (
    Body,
    IdempotencyKeyHeader,
    PaymentData,
    answer_headers,
    canonical,
    command_fields,
    refused,
    router,
)
from ledger.commands import CancelPayment, InitiatePayment
from ledger.errors import PaymentNotFound
from ledger.money import Money
from ledger.outcome import Outcome
from projections.payments import PaymentView, project_payment

routes = router("/payments", "payments")

Fan = Annotated[Caller, Depends(Allow(Role.FAN))]
PromptingFan = Annotated[Caller, Depends(Allow(Role.FAN, often=RateClass.PROMPT))]
Involved = Annotated[Caller, Depends(Allow(Role.FAN, Role.CREATOR, Role.ADMIN))]


class NewPayment(Body):
    """What a fan sends to pay a creator. `money.amount` is in minor units."""

    creator_id: UUID
    money: Money
    purpose: Literal["tip", "purchase"] = "tip"
    reference: Annotated[
        str | None,
        Field(max_length=64, pattern=r"^[A-Za-z0-9._:-]+$", description="What is purchased."),
    ] = None
    phone: Annotated[str, Field(max_length=16, examples=["+12025550100"])]
    provider: Annotated[str, Field(max_length=40, pattern=r"^[a-z0-9_]+$")] = "sandbox"


@routes.post(
    "",
    status_code=202,
    response_model=Success[PaymentData],
    responses=documented(InitiatePayment, 413, 422),
)
async def initiate_payment(
    body: NewPayment, caller: PromptingFan, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Start a payment. The prompt reaches the phone in a moment; the provider confirms later."""
    doors = doors_of(request)
    provider = doors.providers.get(body.provider)
    if provider is None:
        raise invalid("provider", "is not a provider of this platform")
    if not provider.prompts_phones:
        raise invalid("provider", "prompts no phones")
    terms = provider.terms(
        body.money.currency, expires_after_seconds=doors.settings.payment_expiry_seconds
    )
    if terms is None:
        raise invalid("money.currency", "is not taken by this provider")
    if (body.purpose == "purchase") != (body.reference is not None):
        raise invalid("reference", "is needed for a purchase, and only for a purchase")
    phone = e164(body.phone, "phone")
    await doors.rate_limits.phone(phone)
    entry_id, entries = await payer_phone(doors, caller.subject, phone)
    outcome = await _execute(
        request,
        InitiatePayment(
            payment_id=UUID(int=uuid7().int),
            fan_id=caller.subject,
            creator_id=body.creator_id,
            purpose=body.purpose,
            reference=body.reference,
            money=body.money,
            phone=entry_id,
            terms=terms,
            confirmed_phone_required=doors.settings.phone_confirmation_required,
            vault_entries=entries,
            **command_fields(
                caller, doors.idempotency_key(caller, key, request, canonical(body)), request
            ),
        ),
    )
    if outcome.error is None and outcome.events:
        remember_payer_phone(doors, caller.subject, phone, entry_id)
    return await _answer(request, outcome, 202)


@routes.post(
    "/{payment_id}/cancel",
    response_model=Success[PaymentData],
    responses=documented(CancelPayment, 422),
)
async def cancel_payment(
    payment_id: UUID, caller: Fan, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Give up a payment before its prompt is on the phone."""
    doors = doors_of(request)
    outcome = await _execute(
        request,
        CancelPayment(
            payment_id=payment_id,
            fan_id=caller.subject,
            **command_fields(caller, doors.idempotency_key(caller, key, request, b""), request),
        ),
    )
    return await _answer(request, outcome, 200)


@routes.get(
    "/{payment_id}", response_model=Success[PaymentData], responses=documented(PaymentNotFound)
)
async def read_payment(payment_id: UUID, caller: Involved, request: Request) -> Response:
    """A payment as it stands. Another's is answered like one that does not exist."""
    read = await doors_of(request).payments.get(payment_id)
    if read is None or not is_involved(caller, read.payment):
        raise PaymentNotFound
    return success(rendered_payment(read.payment, read.position))


def is_involved(caller: Caller, payment: PaymentView) -> bool:
    """Whether a payment is this caller's own, or they may see every one."""
    match caller.role:
        case Role.FAN:
            return payment.fan_id == caller.subject
        case Role.CREATOR:
            return payment.creator_id == caller.subject
        case _:
            return True


async def _execute(request: Request, command: InitiatePayment | CancelPayment) -> Outcome:
    return (await doors_of(request).ledger.execute_from_loop([command]))[0]


async def _answer(request: Request, outcome: Outcome, status: int) -> Response:
    """Render an outcome: from its own events, or for a replay from the stream as it was then."""
    if (refusal := refused(request, outcome)) is not None:
        return refusal
    assert outcome.stream is not None  # noqa: S101 - a payment command that succeeded has one
    if outcome.version == len(outcome.events):
        view = project_payment(outcome.events)
    else:
        read = await doors_of(request).payments.get(outcome.stream, version=outcome.version)
        assert read is not None  # noqa: S101 - its events are committed
        view = read.payment
    headers = await answer_headers(request, outcome)
    if status == 202:  # noqa: PLR2004
        headers["Location"] = f"/api/v1/payments/{outcome.stream}"
    return success(rendered_payment(view, outcome.position), status, headers)
