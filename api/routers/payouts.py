"""Payouts: a creator asks for one, sees what it would give, and may take it back unsent."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import BaseModel

from api.aggregates import after, creator_now, payout_now
from api.conditional import tagged
from api.doors import Doors, doors_of
from api.errors import invalid
from api.payout_terms import no_terms, payout_terms
from api.responses import NOT_MODIFIED, Success, documented, success
from api.routers.parts import (
    Body,
    IdempotencyKeyHeader,
    answer_headers,
    made_id,
    own_creator,
    refused,
    router,
)
from api.routers.payout_parts import (
    PAYOUTS,
    CreatorOrAdmin,
    LegsData,
    PayoutData,
    PayoutsData,
    fields_of,
    rendered_payout,
)
from ledger.commands import CancelPayout, PayoutTerms, RequestPayout
from ledger.creator import Creator
from ledger.errors import (
    AmountNotPayable,
    CreatorNotFound,
    DestinationNotFound,
    InsufficientFunds,
    PayoutNotFound,
    PayoutTooSmall,
)
from ledger.money import AMOUNT_MAX, Money
from ledger.outcome import Outcome
from ledger.payout import Payout, evolve_payout, payout_legs
from projections.cursor import InvalidCursor
from projections.payouts import payouts_page
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX

routes = router("/creators/{creator_id}/payouts", "payouts")


class NewPayout(Body):
    """Pay out `money`, or without it everything that is available."""

    destination_id: UUID
    money: Money | None = None


class EstimateData(BaseModel):
    """What a payout would give now. Minor units: gross = net + fee + vat + withholding.

    `remainder` is what would stay of the amount asked for, since the provider pays in steps.
    """

    currency: str
    gross: int
    legs: LegsData
    remainder: int
    available: int
    approvals_required: int
    position: int


@routes.get(
    "/estimate",
    response_model=Success[EstimateData],
    responses=documented(
        CreatorNotFound, DestinationNotFound, InsufficientFunds, AmountNotPayable, PayoutTooSmall
    ),
)
async def estimate_payout(
    creator_id: UUID,
    destination_id: UUID,
    caller: CreatorOrAdmin,
    request: Request,
    amount: Annotated[int | None, Query(ge=1, le=AMOUNT_MAX)] = None,
) -> Response:
    """What would arrive of an amount, or of everything available. Nothing is recorded."""
    own_creator(caller, creator_id)
    doors = doors_of(request)
    creator, _ = await creator_now(doors.reader, creator_id)
    if destination_id not in creator.destinations:
        raise DestinationNotFound
    terms = _terms(doors, creator, destination_id, creator.settlement_currency)
    if terms is None:
        raise invalid("destination_id", "is not at a provider that pays this currency here")
    available, position = await _available(doors, creator)
    asked = min(available, AMOUNT_MAX) if amount is None else amount
    if asked > available or asked < 1:
        raise InsufficientFunds(available=max(available, 0), currency=terms.currency)
    legs = payout_legs(asked, terms, withholding_basis_points=creator.withholding_basis_points)
    return success(
        {
            "currency": terms.currency,
            "gross": legs.gross,
            "legs": legs.model_dump(),
            "remainder": asked - legs.gross,
            "available": available,
            "approvals_required": terms.approvals_required,
            "position": position,
        }
    )


@routes.post(
    "",
    status_code=202,
    response_model=Success[PayoutData],
    responses=documented(RequestPayout, 413, 422),
)
async def request_payout(
    creator_id: UUID,
    body: NewPayout,
    caller: CreatorOrAdmin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Reserve the funds at once. The money leaves when the payout is approved and sent."""
    own_creator(caller, creator_id)
    doors = doors_of(request)
    creator, _ = await creator_now(doors.reader, creator_id)
    currency = creator.settlement_currency if body.money is None else body.money.currency
    terms = _terms(doors, creator, body.destination_id, currency)
    outcome = await _execute(
        doors,
        RequestPayout(
            payout_id=made_id(PAYOUTS, caller, key),
            creator_id=creator_id,
            destination_id=body.destination_id,
            amount=None if body.money is None else body.money.amount,
            terms=terms or no_terms(currency),
            **fields_of(request, caller, key, body),
        ),
    )
    return await _answer(request, outcome, 202)


@routes.get(
    "",
    response_model=Success[PayoutsData],
    responses={**documented(CreatorNotFound, InvalidCursor), **NOT_MODIFIED},
)
async def read_payouts(
    creator_id: UUID,
    caller: CreatorOrAdmin,
    request: Request,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE,
) -> Response:
    """The creator's payouts, newest first."""
    own_creator(caller, creator_id)
    page = await payouts_page(doors_of(request).reader, creator_id, cursor=cursor, limit=limit)
    if page is None:
        raise CreatorNotFound
    items = [rendered_payout(_folded(events)) for events in page.payouts]
    return tagged(request, {"items": items, "next_cursor": page.next_cursor}, page.position)


@routes.get(
    "/{payout_id}",
    response_model=Success[PayoutData],
    responses={**documented(PayoutNotFound), **NOT_MODIFIED},
)
async def read_payout(
    creator_id: UUID, payout_id: UUID, caller: CreatorOrAdmin, request: Request
) -> Response:
    """A payout as it stands. Another creator's is answered like one that does not exist."""
    own_creator(caller, creator_id)
    payout, position = await payout_now(doors_of(request).reader, payout_id)
    if payout.creator_id != creator_id:
        raise PayoutNotFound
    return tagged(request, rendered_payout(payout), position)


@routes.post(
    "/{payout_id}/cancel",
    response_model=Success[PayoutData],
    responses=documented(CancelPayout, 422),
)
async def cancel_payout(
    creator_id: UUID,
    payout_id: UUID,
    caller: CreatorOrAdmin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Take a payout back before it is sent. The funds are available again."""
    own_creator(caller, creator_id)
    doors = doors_of(request)
    outcome = await _execute(
        doors,
        CancelPayout(
            payout_id=payout_id,
            creator_id=creator_id,
            **fields_of(request, caller, key, None),
        ),
    )
    return await _answer(request, outcome, 200)


def _terms(
    doors: Doors, creator: Creator, destination_id: UUID, currency: str
) -> PayoutTerms | None:
    destination = creator.destinations.get(destination_id)
    if destination is None:
        return None
    return payout_terms(
        doors.providers, doors.settings, provider=destination.provider, currency=currency
    )


async def _available(doors: Doors, creator: Creator) -> tuple[int, int]:
    """What is available in the settlement currency, in minor units, and where that is true."""
    found = await doors.balances.of_creator(creator.id)
    if found is None:
        raise CreatorNotFound
    for funds in found.currencies:
        if funds["currency"] == creator.settlement_currency:
            return funds["available"], found.position
    return 0, found.position


def _folded(events: list[Any]) -> Payout:
    payout: Payout | None = None
    for event in events:
        payout = evolve_payout(payout, event)
    assert payout is not None  # noqa: S101 - a payout was found by its first event
    return payout


async def _execute(doors: Doors, command: RequestPayout | CancelPayout) -> Outcome:
    return (await doors.ledger.execute_from_loop([command]))[0]


async def _answer(request: Request, outcome: Outcome, status: int) -> Response:
    if (refusal := refused(request, outcome)) is not None:
        return refusal
    payout, position = await after(doors_of(request).reader, outcome, Payout)
    headers = await answer_headers(request, outcome)
    if status == 202:  # noqa: PLR2004
        headers["Location"] = f"/api/v1/creators/{payout.creator_id}/payouts/{payout.id}"
    return success({**rendered_payout(payout), "position": position}, status, headers)
