"""A fan about themself: confirmed phones, an address for notices, credit, and access."""

from __future__ import annotations

import re
from typing import Annotated, Final
from uuid import UUID, uuid4

from fastapi import Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, Field

from api.aggregates import after
from api.doors import Doors, doors_of, e164
from api.errors import FieldError, error_response, invalid
from api.instruments import email_of, fan_now, phone_of
from api.masking import masked_phones
from api.responses import NOT_MODIFIED, Success, documented, success
from api.routers.parts import (
    Body,
    IdempotencyKeyHeader,
    MinPosition,
    answer_headers,
    refused,
    replay_headers,
    router,
)
from api.routers.subscription_parts import Fan, PromptingFan, fields_of
from ledger.commands import ConfirmPhone, SetEmail, StartPhoneConfirmation
from ledger.fan import TRIES_MAX
from ledger.fan import Fan as FanState
from ledger.outcome import Outcome
from ledger.subscription import SubscriptionState
from projections.fan_balances import fan_balances
from projections.reader import PositionNotReached

routes = router("/me", "me")

ADDRESS: Final = re.compile(r"[!-?A-~]+@[!-?A-~]+\.[!-?A-~]+")
"""What may be written as it is into a letter's header."""


class NewPhone(Body):
    """A phone, to which a code is sent."""

    phone: Annotated[str, Field(max_length=16, examples=["+12025550100"])]


class Code(Body):
    """The six digits that were sent."""

    code: Annotated[str, Field(pattern=r"^[0-9]{6}$", examples=["012345"])]


class NewEmail(Body):
    """Where notices go by e-mail."""

    email: Annotated[str, Field(max_length=254, examples=["fan@example.org"])]


class MeData(BaseModel):
    """Who is asking: confirmed phones, masked, and whether notices go by e-mail.

    `erased`: all of that was erased, and nothing new is taken.
    """

    fan_id: UUID
    phones: list[str]
    email_set: bool
    erased: bool
    position: int


class ConfirmationData(BaseModel):
    """A code is on its way to the phone. It may be given until `expires_at`, `tries_left` times."""

    confirmation_id: UUID
    expires_at: AwareDatetime
    tries_left: int
    position: int


class MyCurrencyBalancesData(BaseModel):
    """One currency, in minor units.

    `credit` is the fan's own money, `goodwill` was given by the platform; `reserved` is of both,
    kept for an invoice that is open.
    """

    currency: str
    credit: int
    goodwill: int
    reserved: int


class MyBalanceData(BaseModel):
    """A fan's credit, and the position of the log at which it is that."""

    fan_id: UUID
    balances: list[MyCurrencyBalancesData]
    position: int


class AccessData(BaseModel):
    """Access to a creator, by the latest subscription to them.

    `until` is when it ends if nothing more is recorded; null while a period that has begun is being
    collected, and where there is none.
    """

    creator_id: UUID
    subscription_id: UUID
    tier_id: UUID
    state: SubscriptionState
    entitled: bool
    until: AwareDatetime | None


class AccessesData(BaseModel):
    """Access to every creator that the fan ever subscribed to, at the instant `at`."""

    items: list[AccessData]
    next_cursor: None
    at: AwareDatetime
    position: int


@routes.get("", response_model=Success[MeData])
async def read_me(caller: Fan, request: Request) -> Response:
    """Who is asking, as far as the ledger knows."""
    doors = doors_of(request)
    position = await doors.reader.position()
    fan = await fan_now(doors, caller.subject)
    return success({**await _rendered(doors, caller.subject, fan), "position": position})


@routes.post(
    "/phones",
    status_code=202,
    response_model=Success[ConfirmationData],
    responses=documented(StartPhoneConfirmation, 413, 422),
)
async def add_phone(
    body: NewPhone, caller: PromptingFan, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Have a code sent to a phone; an older code is over."""
    doors = doors_of(request)
    number = e164(body.phone, "phone")
    await doors.rate_limits.phone(number)
    phone = await phone_of(doors, caller.subject, number)
    command = StartPhoneConfirmation(
        # Not made of the key, or the code of another phone could be known before it is sent.
        confirmation_id=uuid4(),
        fan_id=caller.subject,
        phone=phone.entry_id,
        valid_seconds=doors.settings.phone_confirmation_seconds,
        vault_entries=phone.to_write,
        **fields_of(request, caller, key, body),
    )
    outcome = (await doors.ledger.execute_from_loop([command]))[0]
    if (refusal := refused(request, outcome)) is not None:
        return refusal
    fan, position = await after(doors.reader, outcome, FanState)
    started = fan.confirmation
    assert started is not None  # noqa: S101 - the command has started it
    data = {
        "confirmation_id": started.id,
        "expires_at": started.expires_at,
        "tries_left": TRIES_MAX,
        "position": position,
    }
    return success(data, 202, await answer_headers(request, outcome))


@routes.post(
    "/phones/{confirmation_id}/confirm",
    response_model=Success[MeData],
    responses=documented(ConfirmPhone, "code_wrong", 413, 422),
)
async def confirm_phone(
    confirmation_id: UUID, body: Code, caller: Fan, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Give the code that was sent. A wrong one is counted: after five, another is needed."""
    doors = doors_of(request)
    command = ConfirmPhone(
        confirmation_id=confirmation_id,
        fan_id=caller.subject,
        code_is_right=doors.codes.matches(confirmation_id, body.code),
        **fields_of(request, caller, key, body),
    )
    outcome = (await doors.ledger.execute_from_loop([command]))[0]
    if (refusal := refused(request, outcome)) is not None:
        return refusal
    fan, position = await after(doors.reader, outcome, FanState)
    tried = fan.confirmation
    if tried is not None:
        return _code_wrong(request, outcome, TRIES_MAX - tried.failures)
    data = {**await _rendered(doors, caller.subject, fan), "position": position}
    return success(data, headers=await answer_headers(request, outcome))


def _code_wrong(request: Request, outcome: Outcome, tries_left: int) -> Response:
    more = f"{tries_left} tries are left." if tries_left else "Ask for a new one."
    return error_response(
        request,
        400,
        "code_wrong",
        f"This is not the code that was sent. {more}",
        details=[FieldError("code", f"is wrong; tries left: {tries_left}")],
        headers=replay_headers(outcome),
    )


@routes.put("/email", response_model=Success[MeData], responses=documented(SetEmail, 413, 422))
async def set_email(
    body: NewEmail, caller: Fan, key: IdempotencyKeyHeader, request: Request
) -> Response:
    """Have notices sent by e-mail; where there is an address, they do not go by SMS."""
    if ADDRESS.fullmatch(body.email) is None:
        raise invalid("email", "must be an e-mail address, such as fan@example.org")
    doors = doors_of(request)
    email = await email_of(doors, caller.subject, body.email)
    command = SetEmail(
        fan_id=caller.subject,
        email=email.entry_id,
        vault_entries=email.to_write,
        **fields_of(request, caller, key, body),
    )
    return await _answer(request, command)


@routes.delete("/email", response_model=Success[MeData], responses=documented(SetEmail, 422))
async def remove_email(caller: Fan, key: IdempotencyKeyHeader, request: Request) -> Response:
    """No notices by e-mail any more."""
    command = SetEmail(fan_id=caller.subject, email=None, **fields_of(request, caller, key, None))
    return await _answer(request, command)


@routes.get(
    "/balance",
    response_model=Success[MyBalanceData],
    responses={**documented(PositionNotReached), **NOT_MODIFIED},
)
async def read_my_balance(
    caller: Fan, request: Request, min_position: MinPosition = None
) -> Response:
    """The fan's credit: their own, what was given to them, and what waits for an invoice."""
    doors = doors_of(request)
    if min_position is not None:
        await doors.reader.wait_for(min_position)
    found = await fan_balances(doors.reader, caller.subject)
    # Weak: while no line is added the amounts stay, and only the position moves on.
    etag = f'W/"{caller.subject}-{found.changed_position}"'
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"ETag": etag})
    data = {
        "fan_id": caller.subject,
        "balances": found.currencies,
        "position": found.position,
    }
    return success(data, headers={"ETag": etag})


@routes.get(
    "/entitlements", response_model=Success[AccessesData], responses=documented(PositionNotReached)
)
async def read_my_entitlements(
    caller: Fan, request: Request, min_position: MinPosition = None
) -> Response:
    """What the fan may see now, of all creators to whom they ever subscribed."""
    doors = doors_of(request)
    if min_position is not None:
        await doors.reader.wait_for(min_position)
    read = await doors.entitlements.of_fan(caller.subject)
    items = [
        {
            "creator_id": each.creator_id,
            "subscription_id": each.subscription_id,
            "tier_id": each.tier_id,
            "state": each.state,
            "entitled": each.entitled,
            "until": each.until,
        }
        for each in read.items
    ]
    return success({"items": items, "next_cursor": None, "at": read.at, "position": read.position})


async def _answer(request: Request, command: SetEmail) -> Response:
    doors = doors_of(request)
    outcome = (await doors.ledger.execute_from_loop([command]))[0]
    if (refusal := refused(request, outcome)) is not None:
        return refusal
    fan = None if not outcome.version else (await after(doors.reader, outcome, FanState)).state
    data = {**await _rendered(doors, command.fan_id, fan), "position": outcome.position}
    return success(data, headers=await answer_headers(request, outcome))


async def _rendered(doors: Doors, fan_id: UUID, fan: FanState | None) -> dict[str, object]:
    erased = doors.key_store.is_erased(fan_id)
    confirmed = () if fan is None or erased else fan.confirmed
    return {
        "fan_id": fan_id,
        "phones": sorted((await masked_phones(doors, confirmed)).values()),
        "email_set": fan is not None and fan.email is not None and not erased,
        "erased": erased,
    }
