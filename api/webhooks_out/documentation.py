"""The messages that we send, in the OpenAPI document: `webhooks`, one for each type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, cast

from pydantic import AwareDatetime, Field, create_model

from api.webhooks_out import message_shapes as shapes
from api.webhooks_out.message_types import (
    CREATORS,
    DISPUTES,
    INVOICES,
    PAYMENTS,
    PAYOUTS,
    REFUNDS,
    SUBSCRIPTIONS,
    SUSPENSE,
    TEST_TYPE,
    TOLD,
    Audience,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI
    from pydantic import BaseModel

FAMILIES: Final[tuple[tuple[Mapping[Any, Any], type[shapes.Shape]], ...]] = (
    (PAYMENTS, shapes.PaymentEvent),
    (REFUNDS, shapes.RefundEvent),
    (DISPUTES, shapes.DisputeEvent),
    (PAYOUTS, shapes.PayoutEvent),
    (SUBSCRIPTIONS, shapes.SubscriptionEvent),
    (INVOICES, shapes.InvoiceEvent),
    (CREATORS, shapes.CreatorEvent),
    (SUSPENSE, shapes.ParkedEvent),
)
OTHERS: Final[Mapping[str, type[shapes.Shape]]] = {
    "payment.needs_review": shapes.ParkedEvent,
    "payment.overpaid": shapes.ParkedEvent,
    "payment.time_credited": shapes.CreditedTimeEvent,
    "refund.asked_for": shapes.RefundWishEvent,
    "refund.declined": shapes.RefundWishEvent,
    "creator.debt_written_off": shapes.DebtEvent,
    "creator.payout_schedule_changed": shapes.ScheduleEvent,
    "destination.added": shapes.DestinationEvent,
    "destination.removed": shapes.DestinationEvent,
    "destination.verified": shapes.DestinationEvent,
    "document.issued": shapes.DocumentEvent,
    "hold.placed": shapes.HoldEvent,
    "hold.released": shapes.HoldEvent,
    "tier.archived": shapes.TierEvent,
    "tier.created": shapes.TierEvent,
    "tier.price_published": shapes.TierEvent,
    "tier.published": shapes.TierEvent,
}
"""Types whose data has more than others of their family."""


def _shapes() -> dict[str, type[shapes.Shape]]:
    found = {told.type: shape for family, shape in FAMILIES for told in family.values()}
    return {**found, **OTHERS, TEST_TYPE: shapes.TestEvent}


SHAPES: Final[Mapping[str, type[shapes.Shape]]] = _shapes()
"""The shape of each type's data."""


def message_model(type_name: str) -> type[BaseModel]:
    """The body of a message of a type."""
    name = "".join(part.title() for part in type_name.replace("_", ".").split("."))
    return create_model(
        f"{name}Message",
        __doc__=f"A message of the type `{type_name}`.",
        type=(cast("Any", Literal[type_name]), ...),
        timestamp=(AwareDatetime, Field(description="When it was recorded.")),
        data=(SHAPES[type_name], ...),
    )


def document_messages(app: FastAPI) -> None:
    """Add every type to the document."""
    audiences = {told.type: told.audience for told in TOLD.values()}
    for type_name in sorted(SHAPES):
        for_all = audiences.get(type_name) is not Audience.PLATFORM
        whose = (
            "the platform's and of the creator's whom it concerns" if for_all else "the platform's"
        )
        _document(
            app, type_name, f"POSTed to endpoints of {whose}, signed as Standard Webhooks has it."
        )


def _document(app: FastAPI, type_name: str, description: str) -> None:
    model = message_model(type_name)

    def receive(body: Any) -> None:  # noqa: ANN401 - the annotation is given below
        """Never called: it is the receiver's."""

    receive.__annotations__ = {"body": model, "return": None}
    app.webhooks.add_api_route(
        type_name,
        receive,
        methods=["POST"],
        name=type_name,
        operation_id=f"webhook_{type_name.replace('.', '_')}",
        summary=type_name,
        description=description,
        tags=["webhooks out"],
        status_code=204,
        response_description="Taken. Any 2xx will do; its body is not read.",
    )
