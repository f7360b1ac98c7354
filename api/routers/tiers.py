"""What a creator offers: tiers with their prices, kept by the creator or an admin, seen by all.

Fans see what they can subscribe to and what it costs now. The creator and admins see every tier and
every price that there ever was, since live subscriptions keep the price that they began with.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Depends, Request
from fastapi.responses import Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, StringConstraints

from api.aggregates import after
from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.errors import invalid
from api.responses import NOT_MODIFIED, Success, documented, success
from api.routers.parts import (
    Body,
    IdempotencyKeyHeader,
    Instant,
    MinPosition,
    answer_headers,
    made_id,
    names_nobody,
    own_creator,
    refused,
    router,
)
from api.routers.payout_parts import CreatorOrAdmin, fields_of
from ledger.billing_periods import Interval
from ledger.catalog import Tier
from ledger.commands import (
    ArchiveTier,
    CreateTier,
    PublishPrice,
    PublishTier,
    SchedulePriceMigration,
)
from ledger.creator import Creator
from ledger.errors import CreatorNotFound
from ledger.events.catalog import TRIAL_DAYS_MAX
from ledger.money import Money
from projections.reader import PositionNotReached

if TYPE_CHECKING:
    from ledger.decisions import LedgerCommand

routes = router("/creators/{creator_id}/tiers", "tiers")

Anybody = Annotated[Caller, Depends(Allow(*Role))]

TIERS: Final = UUID("c5a1e0b7-3d64-5f29-9b18-62d7f4e8a015")
"""The namespace of tiers' ids that are made of a caller's key."""

NOTICE_SECONDS_MAX: Final = 366 * 24 * 3600
SECOND: Final = timedelta(seconds=1)

Version = Annotated[int, Field(strict=True, ge=1, le=10_000)]


class NewTier(Body):
    """A tier, not offered yet. `trial_days` is how long a fan may try it; 0 is no trial."""

    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=80),
        AfterValidator(names_nobody),
        Field(description="What fans read; it names no person.", examples=["Friends"]),
    ]
    trial_days: Annotated[int, Field(strict=True, ge=0, le=TRIAL_DAYS_MAX)] = 0


class NewPrice(Body):
    """A price in minor units of the creator's settlement currency, for each interval."""

    money: Money
    interval: Interval


class NewMigration(Body):
    """Which price goes over to which later one, from renewals at `begins_at` or later on.

    Each fan is told at least `notice_seconds` before; without it, as long as the platform asks for.
    """

    from_version: Version
    to_version: Version
    begins_at: Instant
    notice_seconds: Annotated[int | None, Field(strict=True, ge=0, le=NOTICE_SECONDS_MAX)] = None


class TierPriceData(BaseModel):
    """A price in minor units for each interval; a `current` one is what new subscribers pay."""

    version: int
    money: Money
    interval: Interval
    current: bool


class MigrationData(BaseModel):
    """Subscriptions at one price go over to another, each with notice."""

    from_version: int
    to_version: int
    begins_at: AwareDatetime
    notice_seconds: int


class OfferedTierData(BaseModel):
    """A tier. Fans see only one that is published, with its current prices and no migrations."""

    id: UUID
    name: str
    trial_days: int
    state: Literal["draft", "published", "archived"]
    prices: list[TierPriceData]
    migrations: list[MigrationData]


class OfferedTierAtData(OfferedTierData):
    """A tier, and where in the log it stands like that."""

    position: int


class OfferedTiersData(BaseModel):
    """The tiers of a creator, the oldest first: never so many that they need another page."""

    items: list[OfferedTierData]
    next_cursor: None
    position: int


@routes.post(
    "",
    status_code=201,
    response_model=Success[OfferedTierAtData],
    responses=documented(CreateTier, 413, 422),
)
async def create_tier(
    creator_id: UUID,
    body: NewTier,
    caller: CreatorOrAdmin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Make a tier. Give it a price and publish it before fans can subscribe."""
    own_creator(caller, creator_id)
    command = CreateTier(
        creator_id=creator_id,
        tier_id=made_id(TIERS, caller, key),
        name=body.name,
        trial_days=body.trial_days,
        **fields_of(request, caller, key, body),
    )
    return await _change(request, command, 201)


@routes.get(
    "",
    response_model=Success[OfferedTiersData],
    responses={**documented(CreatorNotFound, PositionNotReached), **NOT_MODIFIED},
)
async def read_tiers(
    creator_id: UUID, caller: Anybody, request: Request, min_position: MinPosition = None
) -> Response:
    """What the creator offers. The creator and admins see drafts, archived tiers, old prices."""
    doors = doors_of(request)
    if min_position is not None:
        await doors.reader.wait_for(min_position)
    standing = await doors.aggregates.read([creator_id])
    if (error := standing.unreadable.get(creator_id)) is not None:
        raise error
    creator = standing.found.get(creator_id)
    if not isinstance(creator, Creator):
        raise CreatorNotFound
    whole = caller.role is Role.ADMIN or (
        caller.role is Role.CREATOR and caller.subject == creator_id
    )
    etag = f'W/"{creator_id}-{creator.version}-{"all" if whole else "offered"}"'
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"ETag": etag})
    tiers = [tier for tier in creator.tiers.values() if whole or tier.state == "published"]
    data = {
        "items": [_rendered(tier, whole=whole) for tier in tiers],
        "next_cursor": None,
        "position": standing.head.position,
    }
    return success(data, headers={"ETag": etag})


@routes.post(
    "/{tier_id}/prices",
    status_code=201,
    response_model=Success[OfferedTierAtData],
    responses=documented(PublishPrice, 413, 422),
)
async def publish_price(  # noqa: PLR0917 - path parameters, by name
    creator_id: UUID,
    tier_id: UUID,
    body: NewPrice,
    caller: CreatorOrAdmin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Give a tier a new price for new subscribers. Live subscriptions keep theirs."""
    own_creator(caller, creator_id)
    command = PublishPrice(
        creator_id=creator_id,
        tier_id=tier_id,
        money=body.money,
        interval=body.interval,
        **fields_of(request, caller, key, body),
    )
    return await _change(request, command, 201)


@routes.post(
    "/{tier_id}/publish",
    response_model=Success[OfferedTierAtData],
    responses=documented(PublishTier, 422),
)
async def publish_tier(
    creator_id: UUID,
    tier_id: UUID,
    caller: CreatorOrAdmin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Offer a tier to fans; it needs a price."""
    own_creator(caller, creator_id)
    fields = fields_of(request, caller, key, None)
    command = PublishTier(creator_id=creator_id, tier_id=tier_id, **fields)
    return await _change(request, command, 200)


@routes.post(
    "/{tier_id}/archive",
    response_model=Success[OfferedTierAtData],
    responses=documented(ArchiveTier, 422),
)
async def archive_tier(
    creator_id: UUID,
    tier_id: UUID,
    caller: CreatorOrAdmin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Offer a tier no more. Whoever has subscribed to it keeps it."""
    own_creator(caller, creator_id)
    fields = fields_of(request, caller, key, None)
    command = ArchiveTier(creator_id=creator_id, tier_id=tier_id, **fields)
    return await _change(request, command, 200)


@routes.post(
    "/{tier_id}/price-migrations",
    status_code=201,
    response_model=Success[OfferedTierAtData],
    responses=documented(SchedulePriceMigration, 413, 422),
)
async def schedule_price_migration(  # noqa: PLR0917 - path parameters, by name
    creator_id: UUID,
    tier_id: UUID,
    body: NewMigration,
    caller: CreatorOrAdmin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Take live subscriptions from one price to a later one. Each fan is told in time."""
    own_creator(caller, creator_id)
    least = doors_of(request).settings.price_migration_notice_seconds_min
    notice_seconds = least if body.notice_seconds is None else body.notice_seconds
    if notice_seconds < least:
        raise invalid("notice_seconds", f"must be at least {least}")
    command = SchedulePriceMigration(
        creator_id=creator_id,
        tier_id=tier_id,
        from_version=body.from_version,
        to_version=body.to_version,
        begins_at=body.begins_at,
        notice_seconds=notice_seconds,
        **fields_of(request, caller, key, body),
    )
    return await _change(request, command, 201)


async def _change(
    request: Request,
    command: CreateTier | PublishPrice | PublishTier | ArchiveTier | SchedulePriceMigration,
    status: int,
) -> Response:
    """The tier as it was right after the command, also when it is told again."""
    doors = doors_of(request)
    commands: list[LedgerCommand] = [command]
    outcome = (await doors.ledger.execute_from_loop(commands))[0]
    if (refusal := refused(request, outcome)) is not None:
        return refusal
    creator, position = await after(doors.reader, outcome, Creator)
    headers = await answer_headers(request, outcome)
    if status == 201:  # noqa: PLR2004
        headers["Location"] = f"/api/v1/creators/{creator.id}/tiers"
    tier = _rendered(creator.tiers[command.tier_id], whole=True)
    return success({**tier, "position": position}, status, headers)


def _rendered(tier: Tier, *, whole: bool) -> dict[str, Any]:
    current = tier.current_prices()
    prices = tier.prices.values() if whole else current
    return {
        "id": tier.id,
        "name": tier.name,
        "trial_days": tier.trial_days,
        "state": tier.state,
        "prices": [
            {
                "version": price.version,
                "money": price.money.model_dump(),
                "interval": price.interval.model_dump(),
                "current": price in current,
            }
            for price in sorted(prices, key=lambda price: price.version)
        ],
        "migrations": [
            {
                "from_version": from_version,
                "to_version": migration.to_version,
                "begins_at": migration.begins_at,
                "notice_seconds": migration.notice // SECOND,
            }
            for from_version, migration in sorted(tier.migrations.items())
            if whole
        ],
    }
