"""A fan pays what is open of a subscription: by a prompt now, or by hand at a till.

Who pays by hand types a reference. It is drawn from the request's own key under a secret of the
deployment, so nobody guesses it and the same request is told the same one. Seven characters may
have been given to somebody before: then the ledger refuses, which is kept under the key too, and
the next is drawn.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel

from api.doors import doors_of
from api.responses import Success, documented, success
from api.routers.parts import IdempotencyKeyHeader, answer_headers, refused, router
from api.routers.subscription_parts import (
    PromptingFan,
    SubscriptionData,
    execute,
    fields_of,
    subscription_of,
    terms_of,
)
from ledger.commands import IdempotencyKey, PayInvoice
from ledger.errors import AlreadyExists
from ledger.manual_references import payment_of, reference_from
from ledger.money import Money

if TYPE_CHECKING:
    from ledger.outcome import Outcome

routes = router("/subscriptions/{subscription_id}", "subscriptions")

DRAWS_MAX: Final = 5
"""Of 2**35 references; where so many in a row are taken, something else is wrong."""


class ByHandData(BaseModel):
    """What to type at the till of the provider, and how much to pay there until when.

    All of it is null where the fan's credit has paid already.
    """

    provider: str | None
    reference: str | None
    money: Money | None
    expires_at: AwareDatetime | None
    position: int


@routes.post(
    "/pay-now",
    status_code=202,
    response_model=Success[SubscriptionData],
    responses=documented(PayInvoice, 422),
)
async def pay_now(
    subscription_id: UUID, caller: PromptingFan, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Pay what is open, or the next period early. The prompt reaches the phone in a moment."""
    doors = doors_of(request)
    sub = (await subscription_of(doors, caller, subscription_id)).view.subscription
    command = PayInvoice(
        subscription_id=subscription_id,
        fan_id=caller.subject,
        number=None,
        terms=terms_of(doors, sub.method.provider, sub.currency),
        settlement_delay_seconds=doors.settings.settlement_delay_seconds,
        **fields_of(request, caller, key, None),
    )
    return await execute(request, command, 202)


@routes.post(
    "/pay-by-hand",
    status_code=201,
    response_model=Success[ByHandData],
    responses=documented(PayInvoice, 422),
)
async def pay_by_hand(
    subscription_id: UUID, caller: PromptingFan, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Get a reference with which what is open can be paid at a till, by anybody."""
    doors = doors_of(request)
    sub = (await subscription_of(doors, caller, subscription_id)).view.subscription
    till = doors.settings.till_payment_seconds
    terms = terms_of(doors, sub.method.provider, sub.currency, expires_after_seconds=till)
    fields = fields_of(request, caller, key, None)
    asked: IdempotencyKey = fields.pop("key")
    draw = 0
    while True:
        reference = _reference(doors.reference_secret, asked, draw)
        command = PayInvoice(
            subscription_id=subscription_id,
            fan_id=caller.subject,
            number=None,
            payment_id=payment_of(reference),
            terms=terms,
            settlement_delay_seconds=doors.settings.settlement_delay_seconds,
            key=_key_of(asked, draw),
            **fields,
        )
        outcome = (await doors.ledger.execute_from_loop([command]))[0]
        draw += 1
        if not isinstance(outcome.error, AlreadyExists) or draw == DRAWS_MAX:
            return await _by_hand(request, outcome, reference)


def _reference(secret: bytes, asked: IdempotencyKey, draw: int) -> str:
    message = f"{asked.scope}\n{asked.key}\n{draw}".encode()
    return reference_from(hmac.digest(secret, message, hashlib.sha256))


def _key_of(asked: IdempotencyKey, draw: int) -> IdempotencyKey:
    """The caller's key, in a scope of its own for each draw after the first."""
    scope = f"{asked.scope}:draw-{draw}" if draw else asked.scope
    return IdempotencyKey(scope, asked.key, asked.fingerprint)


async def _by_hand(request: Request, outcome: Outcome, reference: str) -> Response:
    if (refusal := refused(request, outcome)) is not None:
        return refusal
    # As it was begun: what became of it since does not change what was told.
    read = await doors_of(request).payments.get(payment_of(reference), version=1)
    payment = None if read is None else read.payment
    data = {
        "provider": payment and payment.provider,
        "reference": payment and reference,
        "money": payment and payment.money.model_dump(),
        "expires_at": payment and payment.expires_at,
        "position": outcome.position,
    }
    return success(data, 201, await answer_headers(request, outcome))
