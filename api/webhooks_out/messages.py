"""From an event and its stream up to it to what is sent: the same bytes whenever it is made.

Whom an event concerns is read from the event itself, or from what its stream began with. A maker
that finds that a creator has no part in it says so, and then no creator gets it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID, uuid5

import orjson

from api.webhooks_out import message_shapes as shapes
from api.webhooks_out.message_makers import shape_of
from api.webhooks_out.message_types import TEST_TYPE, TOLD, Audience
from ledger import events as facts
from ledger.application import project

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ledger.events import LedgerEvent

NAMESPACE: Final = UUID("2f0a6f0e-5a53-5f5c-8f6e-0d9f5a6b7c81")


class Recipient(NamedTuple):
    """Whose endpoint it is; `creator_id` is None for the platform's."""

    endpoint_id: UUID
    creator_id: UUID | None


class Message(NamedTuple):
    """A message's type and its body as it is signed and sent."""

    type: str
    body: str


def webhook_id(endpoint_id: UUID, position: int) -> str:
    """A message's id: the same for the same event and endpoint, whenever it is sent."""
    return f"msg_{uuid5(NAMESPACE, f'{endpoint_id}:{position}').hex}"


def creator_of(event: LedgerEvent, first: LedgerEvent) -> UUID | None:
    """Which creator an event concerns, of a stream that began with `first`; None for none."""
    found: UUID | None = getattr(event, "creator_id", None) or getattr(first, "creator_id", None)
    if found is None and isinstance(first, facts.CreatorRegistered):
        return first.originator_id
    return found


def concerns(event: LedgerEvent, first: LedgerEvent, creator_id: UUID) -> bool:
    """Whether a creator may be told of an event, as far as these two say."""
    told = TOLD.get(type(event))
    if told is None or told.audience is not Audience.CREATOR:
        return False
    if isinstance(event, facts.DisputeFeeCharged) and event.borne_by != "creator":
        return False
    return creator_of(event, first) == creator_id


def message_of(
    history: Sequence[LedgerEvent], position: int, recipient: Recipient
) -> Message | None:
    """What to send of the last event of `history`, which is its stream up to it.

    None: nothing, since it is not told, or does not concern this creator.
    """
    event, first = history[-1], history[0]
    told = TOLD.get(type(event))
    if told is None:
        return None
    creator_id = recipient.creator_id
    if creator_id is not None and not concerns(event, first, creator_id):
        return None
    state = project(None, history)
    part = shape_of(event, history, state, for_platform=creator_id is None)
    if part is None:
        return None
    place = {
        "position": position,
        "stream_id": event.originator_id,
        "stream_version": event.originator_version,
        "creator_id": creator_of(event, first),
        "occurred_at": event.effective_at,
    }
    data = part.shape.model_validate({**place, **part.fields})
    return Message(told.type, _body(told.type, event.recorded_at, data.model_dump(mode="json")))


def test_message(endpoint_id: UUID, at: datetime) -> Message:
    """What arrives when an owner wants to see whether anything does."""
    data = shapes.TestEvent(endpoint_id=endpoint_id)
    return Message(TEST_TYPE, _body(TEST_TYPE, at, data.model_dump(mode="json")))


def _body(type_name: str, at: datetime, data: dict[str, Any]) -> str:
    return orjson.dumps({"type": type_name, "timestamp": at, "data": data}).decode()
