"""A fan changes a subscription: ends it or lets it go on, rests, pays ahead, takes another tier."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, Field

from api.aggregates import creator_now
from api.doors import doors_of
from api.refusals import CHANGE_OF_TIER
from api.responses import Success, documented, success
from api.routers.parts import Body, IdempotencyKeyHeader, Instant, made_id, router
from api.routers.subscription_parts import (
    CHANGES,
    PREPAYMENTS,
    Fan,
    NewMethod,
    PriceData,
    SubscriptionData,
    check_method,
    execute,
    fields_of,
    method_of,
    subscription_of,
    terms_of,
)
from api.subscription_rendering import rendered_price
from ledger.billing_periods import COUNT_MAX, Interval
from ledger.commands import (
    CancelSubscription,
    ChangePaymentMethod,
    ChangeTier,
    PauseSubscription,
    Prepay,
    ResumeSubscription,
    RevokeCancellation,
)
from ledger.money import AMOUNT_MAX
from ledger.subscribing import PREPAID_MAX
from ledger.tier_changes import QUOTE_HOLDS, preview

routes = router("/subscriptions/{subscription_id}", "subscriptions")


class When(Body):
    """Now, or with the end of the period that is paid."""

    when: Literal["now", "period_end"]


class AnotherTier(Body):
    """The tier and interval to change to; `quoted_at` and `amount_due` are the preview's."""

    tier_id: UUID
    interval: Interval
    quoted_at: Instant
    amount_due: Annotated[int, Field(strict=True, ge=0, le=AMOUNT_MAX)]


class Ahead(Body):
    """How many periods to pay in advance."""

    count: Annotated[int, Field(strict=True, ge=1, le=PREPAID_MAX)]


class AnotherMethod(Body):
    """How to pay from now on."""

    method: NewMethod


class PreviewData(BaseModel):
    """What a change would do: charge `amount_due` minor units, and let `price` hold from then on.

    Ask for it with `quoted_at` and `amount_due`, until `valid_until`.
    """

    kind: Literal["upgrade", "at_renewal", "revoke"]
    amount_due: int
    currency: str
    price: PriceData
    holds_from: AwareDatetime
    quoted_at: AwareDatetime
    valid_until: AwareDatetime
    position: int


@routes.post(
    "/cancel",
    response_model=Success[SubscriptionData],
    responses=documented(CancelSubscription, 413, 422),
)
async def cancel_subscription(
    subscription_id: UUID, body: When, caller: Fan, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """End it. Now: access ends at once, and nothing is refunded by itself."""
    command = CancelSubscription(
        subscription_id=subscription_id,
        fan_id=caller.subject,
        when=body.when,
        **fields_of(request, caller, key, body),
    )
    return await execute(request, command, 200)


@routes.post(
    "/uncancel",
    response_model=Success[SubscriptionData],
    responses=documented(RevokeCancellation, 422),
)
async def uncancel_subscription(
    subscription_id: UUID, caller: Fan, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Let it go on: an end or a pause that is scheduled does not come."""
    command = RevokeCancellation(
        subscription_id=subscription_id,
        fan_id=caller.subject,
        **fields_of(request, caller, key, None),
    )
    return await execute(request, command, 200)


@routes.post(
    "/pause",
    response_model=Success[SubscriptionData],
    responses=documented(PauseSubscription, 413, 422),
)
async def pause_subscription(
    subscription_id: UUID, body: When, caller: Fan, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Rest until it is resumed. Now: the time that was paid and is not used becomes credit."""
    command = PauseSubscription(
        subscription_id=subscription_id,
        fan_id=caller.subject,
        when=body.when,
        **fields_of(request, caller, key, body),
    )
    return await execute(request, command, 200)


@routes.post(
    "/resume",
    status_code=202,
    response_model=Success[SubscriptionData],
    responses=documented(ResumeSubscription, 422),
)
async def resume_subscription(
    subscription_id: UUID, caller: Fan, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Go on with a new period, which is paid now: by credit, or by a prompt."""
    doors = doors_of(request)
    sub = (await subscription_of(doors, caller, subscription_id)).view.subscription
    command = ResumeSubscription(
        subscription_id=subscription_id,
        fan_id=caller.subject,
        terms=terms_of(doors, sub.method.provider, sub.currency),
        settlement_delay_seconds=doors.settings.settlement_delay_seconds,
        **fields_of(request, caller, key, None),
    )
    return await execute(request, command, 202)


@routes.get(
    "/change-preview", response_model=Success[PreviewData], responses=documented(*CHANGE_OF_TIER)
)
async def preview_change(  # noqa: PLR0917 - query parameters, by name
    subscription_id: UUID,
    caller: Fan,
    request: Request,
    tier_id: UUID,
    interval_unit: Literal["day", "week", "month", "year"],
    interval_count: Annotated[int, Query(ge=1, le=COUNT_MAX)] = 1,
) -> Response:
    """What another tier or interval would cost now. Nothing is recorded."""
    doors = doors_of(request)
    read = await subscription_of(doors, caller, subscription_id)
    sub = read.view.subscription
    creator, _ = await creator_now(doors.reader, sub.creator_id)
    now = await doors.now()
    found = preview(
        sub,
        creator,
        tier_id=tier_id,
        interval=Interval(unit=interval_unit, count=interval_count),
        terms=terms_of(doors, sub.method.provider, sub.currency),
        at=now,
    )
    current = sub.period_at(now)
    assert current is not None  # noqa: S101 - else there is no preview
    return success(
        {
            "kind": found.kind,
            "amount_due": found.amount_due,
            "currency": sub.currency,
            "price": rendered_price(found.price),
            "holds_from": found.holds_from,
            "quoted_at": now,
            "valid_until": min(now + QUOTE_HOLDS, current.end),
            "position": read.position,
        }
    )


@routes.post(
    "/change-tier",
    status_code=202,
    response_model=Success[SubscriptionData],
    responses=documented(ChangeTier, 413, 422),
)
async def change_tier(
    subscription_id: UUID,
    body: AnotherTier,
    caller: Fan,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Take another tier or interval, as it was previewed. A higher price holds once it is paid."""
    doors = doors_of(request)
    sub = (await subscription_of(doors, caller, subscription_id)).view.subscription
    command = ChangeTier(
        subscription_id=subscription_id,
        fan_id=caller.subject,
        change_id=made_id(CHANGES, caller, key),
        tier_id=body.tier_id,
        interval=body.interval,
        quoted_at=body.quoted_at,
        amount_due=body.amount_due,
        terms=terms_of(doors, sub.method.provider, sub.currency),
        settlement_delay_seconds=doors.settings.settlement_delay_seconds,
        **fields_of(request, caller, key, body),
    )
    return await execute(request, command, 202)


@routes.post(
    "/prepay",
    status_code=202,
    response_model=Success[SubscriptionData],
    responses=documented(Prepay, 413, 422),
)
async def prepay(
    subscription_id: UUID, body: Ahead, caller: Fan, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Pay the next periods in advance. What is not wanted later becomes credit."""
    doors = doors_of(request)
    sub = (await subscription_of(doors, caller, subscription_id)).view.subscription
    command = Prepay(
        subscription_id=subscription_id,
        fan_id=caller.subject,
        prepayment_id=made_id(PREPAYMENTS, caller, key),
        count=body.count,
        terms=terms_of(doors, sub.method.provider, sub.currency),
        settlement_delay_seconds=doors.settings.settlement_delay_seconds,
        **fields_of(request, caller, key, body),
    )
    return await execute(request, command, 202)


@routes.post(
    "/payment-method",
    response_model=Success[SubscriptionData],
    responses=documented(ChangePaymentMethod, 413, 422),
)
async def change_payment_method(
    subscription_id: UUID,
    body: AnotherMethod,
    caller: Fan,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Pay from another phone, which must be confirmed, or with a card, from now on."""
    doors = doors_of(request)
    check_method(doors, body.method)
    sub = (await subscription_of(doors, caller, subscription_id)).view.subscription
    # Raises where the provider does not take this currency.
    terms_of(doors, body.method.provider, sub.currency)
    method, entries = await method_of(doors, caller.subject, body.method)
    command = ChangePaymentMethod(
        subscription_id=subscription_id,
        fan_id=caller.subject,
        method=method,
        vault_entries=entries,
        **fields_of(request, caller, key, body),
    )
    return await execute(request, command, 200)
