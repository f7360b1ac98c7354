"""Events to bytes and back, and how old bytes become today's events.

The stored state is the event's compact JSON without its stream id and version (they are columns).
A topic that is no longer written has an upcaster: a function from its JSON object to the JSON
object of the next topic, chained until a class of today is reached. Stored bytes never change.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from eventsourcing.persistence import Mapper, MapperDeserialisationError, StoredEvent, Transcoder
from eventsourcing.utils import register_topic
from pydantic import ValidationError

from ledger.events import EVENT_CLASSES, Event, LedgerEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from eventsourcing.domain import DomainEventProtocol

Upcaster = tuple[str, "Callable[[dict[str, Any]], dict[str, Any]]"]
"""The next topic, and the function from the old JSON object to the next one's."""

DELAY_BEFORE_DELAYS: Final = timedelta(days=7)
"""A success that was recorded before successes said when their money is released."""


def _released_later(fields: dict[str, Any]) -> dict[str, Any]:
    recorded_at = datetime.fromisoformat(fields["recorded_at"])
    return {**fields, "releases_at": (recorded_at + DELAY_BEFORE_DELAYS).isoformat()}


UPCASTERS: Final[Mapping[str, Upcaster]] = {
    "payment.succeeded.v1": ("payment.succeeded.v2", _released_later),
}
"""Old topic → next topic and function."""

_COLUMNS: Final = {"originator_id", "originator_version"}
_CLASSES: Final = {cls.TOPIC: cls for cls in EVENT_CLASSES}

for _topic, _class in _CLASSES.items():
    register_topic(_topic, _class)


class UnknownTopicError(LookupError):
    """The log holds a topic that this version of the code does not know."""


class EventTranscoder(Transcoder):
    """Plain JSON, for those who reach for the library's transcoder directly."""

    def encode(self, obj: Any) -> bytes:  # noqa: ANN401 - the library's signature
        """Encode a JSON value to UTF-8 bytes."""
        return json.dumps(obj, separators=(",", ":")).encode()

    def decode(self, data: bytes) -> Any:  # noqa: ANN401 - the library's signature
        """Decode UTF-8 JSON bytes."""
        return json.loads(data)


def encode_state(event: Event) -> bytes:
    """The bytes that are stored for an event, and that the audit log will hash."""
    return event.__pydantic_serializer__.to_json(event, exclude=_COLUMNS)


def decode_event(
    topic: str,
    state: bytes,
    *,
    originator_id: UUID,
    originator_version: int,
    upcasters: Mapping[str, Upcaster] = UPCASTERS,
    classes: Mapping[str, type[Event]] = _CLASSES,
) -> LedgerEvent:
    """Rebuild an event from its columns, upcasting where the topic is an old one.

    Raises `UnknownTopicError`, or pydantic's `ValidationError` when the bytes are not an event.
    """
    if topic in upcasters:
        fields = json.loads(state)
        while topic in upcasters:
            topic, upcast = upcasters[topic]
            fields = upcast(fields)
        state = json.dumps(fields).encode()
    if topic not in classes:
        raise UnknownTopicError(topic)
    place = b'{"originator_id":"%s","originator_version":%d,' % (
        str(originator_id).encode(),
        originator_version,
    )
    # One pass in Rust over stored bytes and columns joined, instead of parse, merge, validate.
    return cast("LedgerEvent", classes[topic].model_validate_json(place + state[1:]))


class EventMapper(Mapper["UUID"]):
    """The library's mapper over `encode_state` and `decode_event`."""

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        """Columns of an event, as the library stores them."""
        event = cast("Event", domain_event)
        return StoredEvent(
            originator_id=event.originator_id,
            originator_version=event.originator_version,
            topic=event.TOPIC,
            state=encode_state(event),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[UUID]:
        """The event of a row; raises the library's `MapperDeserialisationError` for a bad one."""
        try:
            event = decode_event(
                stored_event.topic,
                stored_event.state,
                originator_id=cast("UUID", stored_event.originator_id),
                originator_version=stored_event.originator_version,
            )
        except (ValidationError, UnknownTopicError) as error:
            message = (
                f"cannot read {stored_event.topic} of stream {stored_event.originator_id} "
                f"version {stored_event.originator_version}"
            )
            raise MapperDeserialisationError(message) from error
        return cast("DomainEventProtocol[UUID]", event)
