"""Refunds, fans' wishes for one, and what is sent about disputes.

A creator refunds their own payments, an admin any; the answer is 202, since the provider must still
carry it out. What a fan's credit had paid is credit again at once, and the answer is 201. An admin
gives a fan's credit back by the payment that had brought it. What became of a refund, and of
disputes, is in the payment: `GET /payments/{id}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal
from uuid import UUID

from fastapi import Depends, Path, Request
from fastapi.responses import Response

from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.rendering import rendered_payment
from api.responses import Success, documented, success
from api.routers.parts import (
    Body,
    IdempotencyKeyHeader,
    PaymentData,
    Reason,
    answer_headers,
    canonical,
    command_fields,
    made_id,
    refused,
    router,
)
from ledger.commands import (
    AskForRefund,
    DeclineFanRefund,
    NoteDisputeEvidence,
    RequestCreditRefund,
    RequestRefund,
)
from ledger.money import Money

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ledger.commands import IdempotencyKey
    from ledger.decisions import LedgerCommand

routes = router("", "refunds")

Fan = Annotated[Caller, Depends(Allow(Role.FAN))]
Admin = Annotated[Caller, Depends(Allow(Role.ADMIN))]
CreatorOrAdmin = Annotated[Caller, Depends(Allow(Role.CREATOR, Role.ADMIN))]
Dispute = Annotated[str, Path(max_length=128, description="The provider's name for it.")]

REFUNDS: Final = UUID("5b0c1a3e-8f0d-5a77-9d5e-3f7f6b1f2a44")
REFUND_REQUESTS: Final = UUID("a63b1d0c-52e4-5d0b-8d0c-0a1c3f6f9e21")
"""Namespaces of the ids that are made of a caller's key."""

CREDIT_AGAIN: Final = "Credit had paid, and is the fan's credit again."


class NewRefund(Body):
    """What to refund: `money` in minor units, or all that is left. `request_id`: a fan's wish."""

    money: Money | None = None
    reason: Reason
    request_id: UUID | None = None


class NewCreditRefund(Body):
    """Which of a fan's credit goes back: `money` in minor units, or all that is left of it."""

    money: Money | None = None
    reason: Reason


class RefundWish(Body):
    """Why a fan wants their money back."""

    wish: Literal["not_received", "not_as_described", "by_mistake", "other"]


class Refusal(Body):
    """Why not."""

    reason: Reason


class Evidence(Body):
    """What was sent to the provider; the documents themselves lie elsewhere."""

    note: Reason


@routes.post(
    "/payments/{payment_id}/refunds",
    status_code=202,
    response_model=Success[PaymentData],
    responses={
        **documented(RequestRefund, 413, 422),
        201: {"model": Success[PaymentData], "description": CREDIT_AGAIN},
    },
)
async def request_refund(
    payment_id: UUID,
    body: NewRefund,
    caller: CreatorOrAdmin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Give a fan their money back, or a part of it. The provider confirms later.

    What a fan's credit had paid becomes credit again; no provider takes part in it.
    """
    return await _execute(
        request,
        RequestRefund(
            payment_id=payment_id,
            refund_id=made_id(REFUNDS, caller, key),
            creator_id=_creator(caller),
            money=body.money,
            reason=body.reason,
            request_id=body.request_id,
            step=await _step(request, payment_id),
            **command_fields(caller, _key(request, caller, key, body), request),
        ),
        202,
    )


@routes.post(
    "/payments/{payment_id}/credit-refunds",
    status_code=202,
    response_model=Success[PaymentData],
    responses=documented(RequestCreditRefund, 413, 422),
)
async def request_credit_refund(
    payment_id: UUID,
    body: NewCreditRefund,
    caller: Admin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Give a fan's credit back the way it came, by the payment that had brought it."""
    return await _execute(
        request,
        RequestCreditRefund(
            payment_id=payment_id,
            refund_id=made_id(REFUNDS, caller, key),
            fan_id=None,
            money=body.money,
            reason=body.reason,
            step=await _step(request, payment_id),
            **command_fields(caller, _key(request, caller, key, body), request),
        ),
        202,
    )


@routes.post(
    "/payments/{payment_id}/refund-requests",
    status_code=201,
    response_model=Success[PaymentData],
    responses=documented(AskForRefund, 413, 422),
)
async def ask_for_refund(
    payment_id: UUID,
    body: RefundWish,
    caller: Fan,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Ask for your money back; the creator or an admin decides."""
    return await _execute(
        request,
        AskForRefund(
            payment_id=payment_id,
            request_id=made_id(REFUND_REQUESTS, caller, key),
            fan_id=caller.subject,
            wish=body.wish,
            **command_fields(caller, _key(request, caller, key, body), request),
        ),
        201,
    )


@routes.post(
    "/payments/{payment_id}/refund-requests/{request_id}/decline",
    response_model=Success[PaymentData],
    responses=documented(DeclineFanRefund, 413, 422),
)
async def decline_refund_request(  # noqa: PLR0917 - path parameters, by name
    payment_id: UUID,
    request_id: UUID,
    body: Refusal,
    caller: CreatorOrAdmin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Decline a fan's wish for their money back. To grant it, refund with its `request_id`."""
    return await _execute(
        request,
        DeclineFanRefund(
            payment_id=payment_id,
            request_id=request_id,
            creator_id=_creator(caller),
            reason=body.reason,
            **command_fields(caller, _key(request, caller, key, body), request),
        ),
        200,
    )


@routes.post(
    "/admin/payments/{payment_id}/disputes/{dispute}/evidence",
    status_code=201,
    response_model=Success[PaymentData],
    responses=documented(NoteDisputeEvidence, 413, 422),
)
async def note_dispute_evidence(  # noqa: PLR0917 - path parameters, by name
    payment_id: UUID,
    dispute: Dispute,
    body: Evidence,
    caller: Admin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Note what was sent to the provider about a dispute that is not closed."""
    return await _execute(
        request,
        NoteDisputeEvidence(
            payment_id=payment_id,
            dispute=dispute,
            note=body.note,
            **command_fields(caller, _key(request, caller, key, body), request),
        ),
        201,
    )


async def _step(request: Request, payment_id: UUID) -> int:
    """The step in which the payment's provider moves money, in minor units."""
    doors = doors_of(request)
    read = await doors.payments.get(payment_id)
    provider = None if read is None else doors.providers.get(read.payment.provider)
    if read is None or provider is None:
        return 1
    terms = provider.terms(read.payment.money.currency, expires_after_seconds=1)
    return 1 if terms is None else terms.step


def _creator(caller: Caller) -> UUID | None:
    return caller.subject if caller.role is Role.CREATOR else None


def _key(request: Request, caller: Caller, key: str, body: BaseModel) -> IdempotencyKey:
    return doors_of(request).idempotency_key(caller, key, request, canonical(body))


async def _execute(request: Request, command: LedgerCommand, status: int) -> Response:
    """The payment as it was right after the command, also when it is told again."""
    doors = doors_of(request)
    outcome = (await doors.ledger.execute_from_loop([command]))[0]
    if (refusal := refused(request, outcome)) is not None:
        return refusal
    assert outcome.stream is not None  # noqa: S101 - a payment command that succeeded has one
    read = await doors.payments.get(outcome.stream, version=outcome.version)
    assert read is not None  # noqa: S101 - its events are committed
    headers = await answer_headers(request, outcome)
    if isinstance(command, RequestRefund) and read.payment.method == "credit":
        status = 201
    if status != 200:  # noqa: PLR2004
        headers["Location"] = f"/api/v1/payments/{outcome.stream}"
    return success(rendered_payment(read.payment, outcome.position), status, headers)
