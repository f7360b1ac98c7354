"""What is told of each event, to whom, and what to nobody: over a book with everything in it."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

import pytest

from api.webhooks_out.documentation import SHAPES, message_model
from api.webhooks_out.message_types import (
    BY_TOPIC,
    CREATOR_TYPES,
    NOT_TOLD,
    TEST_TYPE,
    TOLD,
    TYPES,
    Audience,
)
from api.webhooks_out.messages import Recipient, message_of, webhook_id
from api.webhooks_out.routing import Recorded, Subscriber, routed
from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.events import (
    EVENT_CLASSES,
    CreatorRegistered,
    DocumentIssued,
    InvoicePaymentInitiated,
    LedgerEvent,
    PaymentInitiated,
    PayoutRequested,
    SubscriptionStarted,
)
from ledger.serialization import UPCASTERS
from tests.api.leaks import PERSONAL
from tests.databases import rows
from tests.ledger.examples import EXAMPLES
from tests.ledger.lifecycles.play import Clock, play
from tests.projections.fans_lives import FansLife

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database.location import DatabaseLocation
    from ledger.events import Event
    from tests.databases import Databases

STORIES: Final = range(100)
LOG: Final = """
    SELECT notification_id, originator_id, originator_version, topic, state FROM ledger_events
    ORDER BY notification_id
"""
AFTER_THE_STORIES: Final = datetime(2101, 1, 1, tzinfo=UTC)
PLATFORM: Final = Recipient(UUID(int=1), None)


BEGINNINGS: Final[dict[str, type[Any]]] = {
    "catalog": CreatorRegistered,
    "creators": CreatorRegistered,
    "documents": CreatorRegistered,
    "payments": PaymentInitiated,
    "receipts": PaymentInitiated,
    "refunds": PaymentInitiated,
    "disputes": PaymentInitiated,
    "invoice_payments": InvoicePaymentInitiated,
    "payouts": PayoutRequested,
    "subscriptions": SubscriptionStarted,
}
FITTING: Final = frozenset(
    {"destination_id", "tier_id", "price", "invoice_id", "dispute", "hold_id"}
)
"""What an example takes from the stream that it is put on."""


class Book:
    """A log with its streams, and every creator in it."""

    def __init__(self, database: DatabaseLocation) -> None:
        self.log = [Recorded(*row) for row in rows(database, LOG)]
        self.events = {each.position: each.event() for each in self.log}
        self.streams: dict[UUID, list[tuple[int, LedgerEvent]]] = defaultdict(list)
        for position, event in self.events.items():
            self.streams[event.originator_id].append((position, event))
        self.firsts = {stream: events[0][1] for stream, events in self.streams.items()}
        self.creators = {
            event.originator_id
            for event in self.events.values()
            if isinstance(event, CreatorRegistered)
        }

        self.invented = dict(enumerate(self._invent(), start=len(self.log) + 1))

    def history(self, position: int) -> list[LedgerEvent]:
        if position in self.invented:
            return self.invented[position]
        stream = self.streams[self.events[position].originator_id]
        return [event for at, event in stream if at <= position]

    @property
    def histories(self) -> Iterator[tuple[int, list[LedgerEvent]]]:
        """Every event of the book with its stream up to it, and one of each kind that it lacks."""
        for position in (*self.events, *self.invented):
            yield position, self.history(position)

    def _invent(self) -> Iterator[list[LedgerEvent]]:
        """What has not happened here happens after a stream that it could belong to."""
        for example in EXAMPLES:
            if type(example) in set(map(type, self.events.values())) | set(NOT_TOLD):
                continue
            before = self._before(type(example))
            if isinstance(example, DocumentIssued):
                yield [example.model_copy(update={"creator_id": min(self.creators)})]
                continue
            fitting = {
                name: value
                for event in before
                for name, value in vars(event).items()
                if name in FITTING and name in type(example).model_fields
            }
            place = {
                "originator_id": before[0].originator_id,
                "originator_version": len(before) + 1,
            }
            yield [*before, cast("LedgerEvent", example.model_copy(update={**fitting, **place}))]

    def _before(self, kind: type[Event]) -> list[LedgerEvent]:
        """The longest stream of a kind that has what an event of it is about."""
        beginning = BEGINNINGS[kind.__module__.rpartition(".")[2]]
        needed = FITTING & set(kind.model_fields)
        return max(
            (
                [event for _, event in stream]
                for stream in self.streams.values()
                if isinstance(stream[0][1], beginning)
                and needed <= {name for _, event in stream for name in vars(event)}
            ),
            key=len,
        )


@pytest.fixture(scope="module")
def book(databases: Databases) -> Iterator[Book]:
    database = databases.create()
    location = BookLocation(database, DatabaseRole.APP)
    ledger = Ledger(location, clock=(clock := Clock()))
    play(ledger, clock, STORIES)
    ledger.close()
    fans = FansLife(location, seed=7)
    fans.clock.now = AFTER_THE_STORIES
    fans.live([fans.offer(trial_days=7), fans.offer()], 300)
    fans.close()
    yield Book(database)
    databases.drop(database)


def test_somebody_has_decided_about_every_event() -> None:
    assert set(TOLD) | set(NOT_TOLD) == set(EVENT_CLASSES)
    assert not set(TOLD) & set(NOT_TOLD)
    assert set(UPCASTERS) <= set(BY_TOPIC)
    assert set(SHAPES) == {*TYPES, TEST_TYPE}


def test_everything_that_is_told_can_be_told_and_is_as_documented(book: Book) -> None:
    met = set()
    for position, history in book.histories:
        message = message_of(history, position, PLATFORM)
        if type(history[-1]) in NOT_TOLD:
            assert message is None
            continue
        assert message is not None, type(history[-1])
        met.add(message.type)
        parsed = message_model(message.type).model_validate_json(message.body)
        # Nothing is there beyond what is documented.
        assert json.loads(message.body)["data"] == parsed.data.model_dump(mode="json")  # type: ignore[attr-defined]
        assert not PERSONAL.search(message.body)
    assert met == set(TYPES)


def test_no_creator_gets_what_is_anothers_or_the_platforms(book: Book) -> None:
    """The whole matrix: every event of the book, for every creator in it."""
    told_to: dict[int, set[UUID]] = defaultdict(set)
    types = set()
    for position, history in book.histories:
        for creator in book.creators:
            message = message_of(history, position, Recipient(creator, creator))
            if message is None:
                continue
            told_to[position].add(creator)
            types.add(message.type)
            told = set(_strings(json.loads(message.body)["data"]))
            assert json.loads(message.body)["data"]["creator_id"] == str(creator)
            assert not _fans(history) & told
            assert not {str(each) for each in book.creators - {creator}} & told
    assert all(len(creators) == 1 for creators in told_to.values())
    # The negative control: those whom it concerns are told.
    assert types == set(CREATOR_TYPES)


def test_who_is_routed_is_who_is_told(book: Book) -> None:
    """What the follower chooses without reading streams holds everything that would be told."""
    subscribers = [Subscriber(creator, creator, ["*"]) for creator in book.creators]
    subscribers.append(Subscriber(PLATFORM.endpoint_id, None, ["*"]))
    chosen = {
        (each.endpoint_id, each.position) for each in routed(book.log, subscribers, book.firsts)
    }
    for recipient in (PLATFORM, *(Recipient(creator, creator) for creator in book.creators)):
        for position in book.events:
            if message_of(book.history(position), position, recipient) is not None:
                assert (recipient.endpoint_id, position) in chosen
    of_platform = [at for endpoint, at in chosen if endpoint == PLATFORM.endpoint_id]
    assert len(of_platform) == sum(each.topic in BY_TOPIC for each in book.log)


def test_a_filter_leaves_only_what_it_names(book: Book) -> None:
    wanted = ["payment.succeeded", "payout.paid"]
    found = routed(book.log, [Subscriber(PLATFORM.endpoint_id, None, wanted)], book.firsts)
    assert {each.type for each in found} == set(wanted)


def test_a_message_is_the_same_whenever_it_is_made(book: Book) -> None:
    position = max(book.events)
    made = {message_of(book.history(at), at, PLATFORM) for at in (position, position)}
    assert len(made) == 1
    assert webhook_id(UUID(int=1), 5) == webhook_id(UUID(int=1), 5)
    assert len({webhook_id(UUID(int=1), 5), webhook_id(UUID(int=2), 5)}) == 2


def test_the_platform_alone_gets_what_is_between_it_and_others() -> None:
    of_platform = {told.type for told in TOLD.values() if told.audience is Audience.PLATFORM}
    assert {"receipt.unmatched", "payment.overpaid", "payout.approved"} <= of_platform
    assert not {"receipt.unmatched", "payment.overpaid", "payout.approved"} & set(CREATOR_TYPES)


def _fans(history: list[LedgerEvent]) -> set[str]:
    found = {getattr(each, "fan_id", None) for each in history}
    return {str(fan) for fan in found if fan is not None}


def _strings(value: Any) -> list[str]:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return [text for each in value.values() for text in _strings(each)]
    if isinstance(value, list):
        return [text for each in value for text in _strings(each)]
    return [value] if isinstance(value, str) else []
