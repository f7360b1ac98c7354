"""The log as it is stored: by position, by stream, by topic, as it was, and all of it."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Unpack
from uuid import uuid4

import pytest

from projections.cursor import InvalidCursor, encode_cursor
from projections.event_log import (
    EVERY_EVENT,
    SCANNED_POSITIONS_MAX,
    EventFilter,
    EventPage,
    event_pages,
    events_page,
    stream_as_of,
)
from projections.reader import BATCH_SIZE, PositionNotReached, Reader
from tests.projections.conftest import asker
from tests.projections.long_book import CREATORS, HEAD, PAYMENTS, RARE_TOPIC

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.database.connections import BookLocation
    from tests.projections.conftest import Ask
    from tests.projections.histories import Moment, Naive


def stored(page: EventPage) -> list[tuple[Any, ...]]:
    """The events of a page as the naive past holds them."""
    return [
        (event.position, event.stream_id, event.version, event.topic, event.state)
        for event in page.items
    ]


async def paged(reader: Reader, which: EventFilter, limit: int) -> list[tuple[Any, ...]]:
    """All matching events, page by page."""
    found: list[tuple[Any, ...]] = []
    cursor = None
    while True:
        page = await events_page(reader, which, cursor=cursor, limit=limit)
        assert len(page.items) <= limit
        found += stored(page)
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 7, 200])
def test_pages_of_any_size_are_the_stored_log(ask: Ask, naive: Naive, limit: int) -> None:
    assert ask(lambda reader: paged(reader, EVERY_EVENT, limit)) == naive.events


def test_any_filter_finds_what_going_through_everything_finds(ask: Ask, naive: Naive) -> None:
    random = Random(5)

    async def scenario(reader: Reader) -> None:
        for _ in range(60):
            _, stream, _, topic, _ = random.choice(naive.events)
            first, last = sorted(random.choices(range(1, naive.head + 10), k=2))
            which = EventFilter(
                stream_id=random.choice([None, stream]),
                topic=random.choice([None, topic]),
                first_position=first,
                last_position=last,
            )
            expected = [
                event
                for event in naive.events
                if first <= event[0] <= last
                and which.stream_id in {None, event[1]}
                and which.topic in {None, event[3]}
            ]
            assert await paged(reader, which, random.randrange(1, 9)) == expected

    ask(scenario)


def test_a_page_says_the_position_it_is_true_at(ask: Ask, naive: Naive) -> None:
    async def scenario(reader: Reader) -> None:
        for which in (EVERY_EVENT, EventFilter(first_position=naive.head + 5)):
            page = await events_page(reader, which)
            assert page.position == naive.head

    ask(scenario)


def test_an_unknown_stream_or_topic_has_no_events(ask: Ask) -> None:
    async def scenario(reader: Reader) -> None:
        for which in (EventFilter(stream_id=uuid4()), EventFilter(topic="nothing.happened.v1")):
            page = await events_page(reader, which)
            assert (page.items, page.next_cursor) == ([], None)

    ask(scenario)


def test_a_cursor_of_another_list_is_refused(ask: Ask) -> None:
    with pytest.raises(InvalidCursor):
        ask(lambda reader: events_page(reader, cursor=encode_cursor("transactions", 1, 1)))


def test_a_rare_topic_is_found_in_bounded_steps(long_book: BookLocation) -> None:
    which = EventFilter(topic=RARE_TOPIC)

    async def scenario(reader: Reader) -> None:
        first = await events_page(reader, which)
        assert first.items == []
        assert first.next_cursor is not None
        found = await paged(reader, which, 200)
        assert [position for position, *_ in found] == [25_000, 50_000]

    assert SCANNED_POSITIONS_MAX < 25_000
    asker(long_book)(scenario)


def test_everything_can_be_streamed_in_batches(long_book: BookLocation) -> None:
    async def scenario(reader: Reader) -> None:
        expected = 1
        async for page in event_pages(reader):
            assert page.position == HEAD
            assert len(page.items) <= BATCH_SIZE
            for event in page.items:
                assert event.position == expected
                expected += 1
        assert expected == HEAD + 1

    asker(long_book)(scenario)


def test_a_part_can_be_streamed(long_book: BookLocation) -> None:
    async def scenario(reader: Reader) -> None:
        which = EventFilter(topic="creator.registered.v1")
        registered = [event async for page in event_pages(reader, which) for event in page.items]
        assert len(registered) == CREATORS
        which = EventFilter(first_position=CREATORS + 1, last_position=CREATORS + PAYMENTS // 2)
        pages = [page async for page in event_pages(reader, which)]
        assert sum(len(page.items) for page in pages) == PAYMENTS // 2
        assert {page.position for page in pages} == {which.last_position}

    asker(long_book)(scenario)


def test_a_stream_as_it_was(ask: Ask, naive: Naive) -> None:
    random = Random(6)

    async def as_it_was(
        reader: Reader, stream: UUID, *, version: int | None = None, **moment: Unpack[Moment]
    ) -> list[tuple[Any, ...]]:
        page = await stream_as_of(reader, stream, version=version, **moment)
        return [] if page is None else stored(page)

    async def scenario(reader: Reader) -> None:
        for _ in range(40):
            position, stream, version, *_ = random.choice(naive.events)
            until = random.randrange(naive.head + 1)
            time = random.choice(naive.recorded_at)
            events = [event for event in naive.events if event[1] == stream]
            assert await as_it_was(reader, stream) == events
            assert await as_it_was(reader, stream, version=version) == events[:version]
            assert await as_it_was(reader, stream, as_of_position=until) == [
                event for event in events if event[0] <= until
            ]
            assert await as_it_was(reader, stream, as_of=time) == [
                event for event in events if event[0] <= naive.position_at(time)
            ]
            assert (
                await as_it_was(reader, stream, version=version, as_of_position=position - 1)
                == (events[: version - 1])
            )

    ask(scenario)


def test_a_stream_knows_the_position_it_is_told_at(ask: Ask, naive: Naive) -> None:
    async def scenario(reader: Reader) -> None:
        _, stream, *_ = naive.events[0]
        page = await stream_as_of(reader, stream, as_of_position=7)
        assert page is not None
        assert page.position == 7
        assert await stream_as_of(reader, uuid4()) is None
        with pytest.raises(PositionNotReached):
            await stream_as_of(reader, stream, as_of_position=naive.head + 1)

    ask(scenario)
