"""What the routes about endpoints of webhooks take, and what they answer."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from api.routers.parts import Body
from api.webhooks_out.guard import URL_LENGTH_MAX
from api.webhooks_out.message_types import EVERYTHING, TYPES
from projections.reader import POSITION_MAX

DeliveryState = Literal["waiting", "delivered", "dead", "ignored", "skipped"]

Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=URL_LENGTH_MAX,
        description="Where messages are POSTed: https, and a host of the public internet.",
        examples=["https://hooks.example.com/hesabu"],
    ),
]
Types = Annotated[
    list[Annotated[str, Field(max_length=64, json_schema_extra={"enum": [EVERYTHING, *TYPES]})]],
    Field(
        min_length=1,
        max_length=len(TYPES),
        description="The types that are sent; `*` for all, also those that there will be.",
        examples=[["payment.succeeded", "refund.succeeded", "payout.paid"]],
    ),
]


class NewEndpoint(Body):
    """Where messages go, and which. What was recorded after `after_position` is sent."""

    url: Url
    types: Types = Field(default=[EVERYTHING])
    after_position: int | None = Field(
        default=None,
        strict=True,
        ge=0,
        le=POSITION_MAX,
        description="Begin after this position of the log; with what happens from now on, if null.",
    )


class ChangedEndpoint(Body):
    """What the endpoint is to be. One that was disabled goes on where it stopped."""

    url: Url
    types: Types
    enabled: bool = Field(strict=True)


class NewReplay(Body):
    """Read the log again after a position, up to where it ends now."""

    after_position: int = Field(strict=True, ge=0, le=POSITION_MAX, examples=[0])


class EndpointData(BaseModel):
    """An endpoint; the platform's has no creator.

    `position` is up to where the log was read for it: `waiting` messages are still to be sent, and
    `dead` ones were given up. `reason` says why it is disabled.
    """

    id: UUID
    creator_id: UUID | None
    url: str = Field(examples=["https://hooks.example.com/hesabu"])
    types: list[str] = Field(examples=[["payment.succeeded", "refund.succeeded", "payout.paid"]])
    state: Literal["enabled", "disabled", "deleted"]
    reason: Literal["by_owner", "failing", "gone", "owner_erased"] | None = Field(examples=[None])
    created_at: AwareDatetime
    after_position: int = Field(examples=[40])
    position: int
    failing_since: AwareDatetime | None
    succeeded_at: AwareDatetime | None
    disabled_at: AwareDatetime | None
    waiting: int = Field(examples=[0])
    dead: int = Field(examples=[0])


class EndpointWithSecretData(EndpointData):
    """An endpoint and its newest secret, which is shown this once.

    A repetition of the request with the same key shows it for ten minutes more; then it is null.
    """

    secret: str | None = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


class EndpointsData(BaseModel):
    """All endpoints of an owner: never so many that they need another page."""

    items: list[EndpointData]
    next_cursor: None


class DeliveryAttemptData(BaseModel):
    """One try: the receiver's status, and what was wrong, by a code of ours."""

    attempted_at: AwareDatetime
    milliseconds: int = Field(examples=[41])
    status: int | None = Field(examples=[200])
    error: str | None


class DeliveryData(BaseModel):
    """A message to an endpoint, with its latest attempts. A test has no position.

    `webhook_id` is the same for the same event, however often it is sent. `run` is what keeps an
    order in itself: the endpoint's id, or that of a replay, or of one message that is sent again.
    """

    id: int = Field(examples=[17])
    endpoint_id: UUID
    creator_id: UUID | None
    webhook_id: str = Field(examples=["msg_5f2f7d2a2f0c5d3c9d8e6b1a0c9f8e7d"])
    type: str = Field(examples=["payment.succeeded"])
    position: int | None
    stream_id: UUID
    run: UUID
    state: DeliveryState
    attempts: list[DeliveryAttemptData]
    next_attempt_at: AwareDatetime | None
    created_at: AwareDatetime
    ended_at: AwareDatetime | None


class DeliveriesData(BaseModel):
    """Messages, the newest first; `next_cursor` is null on the last page."""

    items: list[DeliveryData]
    next_cursor: str | None


class ReplayData(BaseModel):
    """A replay: the messages of what was recorded after one position, up to another."""

    id: UUID
    after_position: int = Field(examples=[0])
    until_position: int = Field(examples=[41])
    created_at: AwareDatetime
    ended_at: AwareDatetime | None
