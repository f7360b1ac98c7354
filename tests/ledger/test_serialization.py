"""Stored bytes are for ever: a golden file an event class, read and written again to the byte."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, ClassVar, get_args
from uuid import uuid4

import pytest
from eventsourcing.persistence import MapperDeserialisationError, StoredEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ledger.events import (
    EVENT_CLASSES,
    AnyAction,
    Event,
    PaymentExpired,
    PaymentFailed,
    PaymentSucceeded,
    ProposalMade,
)
from ledger.serialization import (
    UPCASTERS,
    EventMapper,
    EventTranscoder,
    UnknownTopicError,
    decode_event,
    encode_state,
)
from tests.ledger.example_fields import PLACE, RECORDED_AT, REPORTED, STREAM, VERSION
from tests.ledger.examples import EXAMPLES, golden_name

GOLDEN = Path(__file__).parent / "golden"
BY_TOPIC = {example.TOPIC: example for example in EXAMPLES}

by_topic = pytest.mark.parametrize("example", EXAMPLES, ids=map(golden_name, EXAMPLES))


def golden(example: Event | str) -> bytes:
    """The stored bytes; the newline at the end is the file's."""
    name = example if isinstance(example, str) else golden_name(example)
    return (GOLDEN / f"{name}.json").read_bytes().removesuffix(b"\n")


def decode(topic: str, state: bytes, **keywords: Any) -> Event:  # noqa: ANN401 - passed on
    return decode_event(topic, state, originator_id=STREAM, originator_version=VERSION, **keywords)


def test_every_event_class_has_a_topic_of_its_own_an_example_and_a_golden_file() -> None:
    topics = [cls.TOPIC for cls in EVENT_CLASSES]
    assert len(set(topics)) == len(topics)
    assert list(dict.fromkeys(type(event) for event in EXAMPLES)) == list(EVENT_CLASSES)
    files = {path.name.removesuffix(".json") for path in GOLDEN.iterdir()}
    # More files than classes: a topic that was stored once must be readable for ever.
    assert files == {golden_name(example) for example in EXAMPLES} | set(UPCASTERS)


def test_every_kind_of_action_that_can_be_proposed_has_an_example() -> None:
    proposed = [event.action for event in EXAMPLES if isinstance(event, ProposalMade)]
    assert [type(action) for action in proposed] == list(get_args(get_args(AnyAction)[0]))


@by_topic
def test_an_example_leaves_nothing_empty_that_is_its_own(example: Event) -> None:
    own = set(type(example).model_fields) - set(Event.model_fields)
    assert [name for name in own if getattr(example, name) is None] == []


def subclasses(cls: type[Event]) -> set[type[Event]]:
    """Those that can be stored: what several have in common has no topic."""
    below = {each for child in cls.__subclasses__() for each in subclasses(child)}
    return below | {cls} if getattr(cls, "TOPIC", "") else below


def test_every_subclass_of_event_is_listed() -> None:
    ours = {cls for cls in subclasses(Event) if cls.__module__.startswith("ledger.events")}
    assert ours == set(EVENT_CLASSES)


@by_topic
def test_an_event_is_stored_as_its_golden_file_says(example: Event) -> None:
    assert encode_state(example) == golden(example)


@by_topic
def test_a_golden_file_is_read_as_the_event_that_it_was(example: Event) -> None:
    assert decode(example.TOPIC, golden(example)) == example


@by_topic
def test_bytes_read_and_written_again_are_the_same_bytes(example: Event) -> None:
    state = golden(example)
    assert encode_state(decode(example.TOPIC, state)) == state


@by_topic
def test_stored_bytes_are_json_without_the_columns(example: Event) -> None:
    fields = json.loads(golden(example))
    assert not {"originator_id", "originator_version", "TOPIC"} & set(fields)
    assert {"originator_id", "originator_version", *fields} == set(type(example).model_fields)


@by_topic
def test_an_event_with_a_field_too_many_or_too_few_is_not_read(example: Event) -> None:
    fields = json.loads(golden(example))
    with pytest.raises(ValidationError):
        decode(example.TOPIC, json.dumps({**fields, "phone_number": "+254"}).encode())
    del fields["recorded_at"]
    with pytest.raises(ValidationError):
        decode(example.TOPIC, json.dumps(fields).encode())


@pytest.mark.parametrize("state", [b"", b"{", b"null", b"[]", b"{}", b"\xff\xfe", b'{"a": NaN}'])
def test_bytes_that_are_no_event_are_not_read(state: bytes) -> None:
    with pytest.raises(ValidationError):
        decode(PaymentExpired.TOPIC, state)


def test_an_entry_that_was_tampered_with_is_not_read() -> None:
    state = golden(PaymentSucceeded.TOPIC).replace(b'"amount":-', b'"amount":-1')
    with pytest.raises(ValidationError, match="debits and credits differ"):
        decode(PaymentSucceeded.TOPIC, state)


offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(
    # Hypothesis adds the zone.
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001
    max_value=datetime(9999, 1, 1),  # noqa: DTZ001
    timezones=offsets | st.just(UTC),
)
# What a provider may put into its words; surrogates are no characters and are refused before.
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=255)


@given(times, st.none() | times, words)
def test_any_event_survives_being_stored(
    recorded_at: datetime, occurred_at: datetime | None, word: str
) -> None:
    event = PaymentFailed(
        **{**REPORTED, "recorded_at": recorded_at, "occurred_at": occurred_at, "actor": word},
        reason="refused",
    )
    state = encode_state(event)
    again = decode(event.TOPIC, state)
    assert again == event
    assert encode_state(again) == state


def test_a_time_without_a_zone_is_no_time() -> None:
    with pytest.raises(ValidationError):
        PaymentExpired(**{**PLACE, "recorded_at": datetime(2026, 3, 1)})  # noqa: DTZ001 - the point


def test_an_unknown_topic_is_named() -> None:
    with pytest.raises(UnknownTopicError, match=r"payment\.teleported\.v1"):
        decode("payment.teleported.v1", b"{}")


@pytest.mark.parametrize("topic", UPCASTERS)
def test_a_topic_that_is_only_read_becomes_the_event_of_the_next_topic(topic: str) -> None:
    stored = golden(topic)
    event = decode(topic, stored)
    assert isinstance(event, _class_of_the_end(topic))
    # What the old bytes said is said by the new event, word for word.
    assert json.loads(stored).items() <= json.loads(encode_state(event)).items()


def _class_of_the_end(topic: str) -> type[Event]:
    while topic in UPCASTERS:
        topic = UPCASTERS[topic][0]
    return type(BY_TOPIC[topic])


def test_a_success_from_before_delays_releases_its_money_after_seven_days() -> None:
    event = decode("payment.succeeded.v1", golden("payment.succeeded.v1"))
    assert event == BY_TOPIC[PaymentSucceeded.TOPIC].model_copy(
        update={"releases_at": RECORDED_AT + timedelta(days=7)}
    )


class Failed2(Event):
    """A later shape of a failure, for the test of upcasting: the reason became a list."""

    TOPIC: ClassVar[str] = "payment.failed.v2"

    reasons: list[str]


class Failed3(Event):
    """And a later one still: with a severity."""

    TOPIC: ClassVar[str] = "payment.failed.v3"

    reasons: list[str]
    severity: int


def test_an_old_topic_is_upcast_step_by_step_and_its_bytes_stay() -> None:
    def to_2(fields: dict[str, Any]) -> dict[str, Any]:
        reason = fields.pop("reason")
        return {**fields, "reasons": [reason]}

    def to_3(fields: dict[str, Any]) -> dict[str, Any]:
        return {**fields, "severity": 1}

    stored = golden(PaymentFailed.TOPIC)
    event = decode(
        PaymentFailed.TOPIC,
        stored,
        upcasters={
            PaymentFailed.TOPIC: (Failed2.TOPIC, to_2),
            Failed2.TOPIC: (Failed3.TOPIC, to_3),
        },
        classes={Failed3.TOPIC: Failed3},
    )
    assert event == Failed3(reasons=["insufficient_funds"], severity=1, **REPORTED)
    assert stored == golden(PaymentFailed.TOPIC)


def test_an_upcaster_that_leads_nowhere_is_an_unknown_topic() -> None:
    with pytest.raises(UnknownTopicError, match=r"payment\.failed\.v9"):
        decode(
            PaymentFailed.TOPIC,
            golden(PaymentFailed.TOPIC),
            upcasters={PaymentFailed.TOPIC: ("payment.failed.v9", lambda fields: fields)},
        )


@by_topic
def test_the_library_reads_and_writes_the_same_bytes(example: Event) -> None:
    mapper = EventMapper(transcoder=EventTranscoder())
    stored = mapper.to_stored_event(example)
    assert stored == StoredEvent(STREAM, VERSION, example.TOPIC, golden(example))
    assert mapper.to_domain_event(stored) == example


@pytest.mark.parametrize(
    ("topic", "state"), [("payment.teleported.v1", b"{}"), (PaymentExpired.TOPIC, b"{}")]
)
def test_the_library_says_which_event_cannot_be_read(topic: str, state: bytes) -> None:
    stream = uuid4()
    with pytest.raises(MapperDeserialisationError, match=f"{topic} of stream {stream} version 8"):
        EventMapper(transcoder=EventTranscoder()).to_domain_event(
            StoredEvent(stream, 8, topic, state)
        )


def test_the_transcoder_is_plain_json() -> None:
    transcoder = EventTranscoder()
    assert transcoder.encode({"a": [1, None]}) == b'{"a":[1,null]}'
    assert transcoder.decode(b'{"a":[1,null]}') == {"a": [1, None]}


def test_an_event_is_frozen_and_takes_effect_no_later_than_it_was_learned() -> None:
    event = PaymentFailed(reason="refused", **REPORTED)
    with pytest.raises(ValidationError):
        event.reason = "accepted"  # type: ignore[misc]
    assert event.effective_at == REPORTED["occurred_at"]
    future = event.model_copy(update={"occurred_at": event.recorded_at + timedelta(seconds=1)})
    assert future.effective_at == event.recorded_at
    assert PaymentExpired(**PLACE).effective_at == PLACE["recorded_at"]


@by_topic
def test_an_event_has_moved_money_exactly_where_it_has_an_entry(example: Event) -> None:
    assert (example.journal_entry is not None) == ("entry" in type(example).model_fields)
