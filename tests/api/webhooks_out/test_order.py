"""Whatever fails and whoever dies: of a stream no message goes before an earlier one has ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.settings import Settings
from api.webhooks_out.board import SendingBoard, Waiting
from api.webhooks_out.pacing import Pacing, retry_after
from api.webhooks_out.sender import Answer, Timed
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.key_store import KeyStore
from tests.databases import rows, superuser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database.location import DatabaseLocation
    from tests.databases import Databases

AT_ONCE: Final = timedelta(0)
TRIES_MAX: Final = 3
PACING: Final = Pacing((AT_ONCE,) * (TRIES_MAX - 1), AT_ONCE, timedelta(days=5))
REGISTER: Final = """
    INSERT INTO webhook_endpoints (endpoint_id, url, types, state, after_position)
    VALUES (%s, 'http://127.0.0.1:1/', '{*}', 'enabled', 0)
"""
ADD: Final = """
    INSERT INTO webhook_messages (endpoint_id, run, webhook_id, type, position, stream_id, version)
    VALUES (%s, %s, %s, 'payment.succeeded', %s, %s, 1)
"""
LOSE_LEASES: Final = "UPDATE webhook_endpoints SET leased_until = now() - interval '1 second'"

DELIVERED: Final = Answer(204, None)
FAILED: Final = Answer(500, "failed")
DIES: Final = None
"""The receiver has it, and nobody will ever know: the process dies before it is kept."""


class World:
    """A book of which two processes hold endpoints in turn."""

    def __init__(self, database: DatabaseLocation, key_store: KeyStore) -> None:
        self.database = database
        book = BookLocation(database, DatabaseRole.WEBHOOKS)
        self.boards = [SendingBoard(book, key_store, PACING, lease_seconds=60) for _ in range(2)]

    def close(self) -> None:
        for board in self.boards:
            board.close()

    def endpoint(self, streams: list[int]) -> UUID:
        """A new one, with a message for each of these."""
        endpoint_id = uuid4()
        with superuser(self.database) as connection, connection.transaction():
            connection.execute("UPDATE webhook_endpoints SET state = 'disabled'")
            connection.execute(REGISTER, (endpoint_id,))
            for position, stream in enumerate(streams, start=1):
                values = (endpoint_id, endpoint_id, f"msg_{position}", position, UUID(int=stream))
                connection.execute(ADD, values)
        return endpoint_id

    def lose_leases(self) -> None:
        with superuser(self.database) as connection:
            connection.execute(LOSE_LEASES)


@pytest.fixture(scope="module")
def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    store = KeyStore(tmp_path_factory.mktemp("keys") / "keys.sqlite3")
    database = databases.create()
    made = World(database, store)
    yield made
    made.close()
    store.close()
    databases.drop(database)


def _timed(answer: Answer) -> Timed:
    return Timed(answer, datetime.now(UTC), 1)


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    streams=st.lists(st.integers(1, 3), min_size=1, max_size=10),
    answers=st.lists(st.sampled_from([DELIVERED, DELIVERED, FAILED, DIES]), max_size=25),
    at_once=st.integers(1, 4),
)
def test_a_stream_keeps_its_order_whatever_happens(
    world: World, streams: list[int], answers: list[Answer | None], at_once: int
) -> None:
    endpoint_id = world.endpoint(streams)
    arrived: list[tuple[int, int]] = []
    ended: set[int] = set()
    turn, coming = 0, iter(answers)
    [held] = world.boards[turn].claim(10)
    while True:
        board = world.boards[turn]
        assert held.endpoint_id == endpoint_id
        seen = board.look(held, [], at_once)
        assert seen is not None
        if not seen.messages:
            break
        # All of them are on their way at the same time, so no two are of one stream.
        assert len({each.stream_id for each in seen.messages}) == len(seen.messages)
        for waiting in seen.messages:
            answer = next(coming, DELIVERED)
            _check_order(waiting, streams, ended)
            if answer is not FAILED:
                arrived.append((waiting.stream_id.int, waiting.position or 0))
            if answer is DIES:
                world.lose_leases()
                turn = 1 - turn
                [held] = world.boards[turn].claim(10)
                # What the dead one had begun it has begun; it settles nothing more.
                break
            board.settle(held, waiting, _timed(answer))
            if answer is DELIVERED or waiting.tries + 1 == TRIES_MAX:
                ended.add(waiting.position or 0)
    states = rows(
        world.database, "SELECT state FROM webhook_messages WHERE endpoint_id = %s", endpoint_id
    )
    assert {state for (state,) in states} <= {"delivered", "dead"}
    assert ended == set(range(1, len(streams) + 1))
    dead = [state for (state,) in states].count("dead")
    assert len({position for _, position in arrived}) >= len(streams) - dead


def _check_order(waiting: Waiting, streams: list[int], ended: set[int]) -> None:
    assert waiting.position is not None
    earlier = {
        position
        for position, stream in enumerate(streams, start=1)
        if stream == waiting.stream_id.int and position < waiting.position
    }
    assert earlier <= ended


def test_whoever_lost_a_lease_gets_nothing_to_send(world: World) -> None:
    world.endpoint([1])
    first, second = world.boards
    [held] = first.claim(10)
    assert second.claim(10) == []
    world.lose_leases()
    [theirs] = second.claim(10)
    assert first.look(held, [], 8) is None
    # Nor can it give back what is another's.
    first.give_back(held)
    assert first.claim(10) == []
    assert second.look(theirs, [], 8) is not None
    # Nor does its own earlier lease help a process that has a new one.
    assert second.look(theirs._replace(lease=held.lease), [], 8) is None


@pytest.mark.parametrize(
    ("tries", "asked", "least", "most"),
    [(1, None, 5, 6), (2, None, 300, 360), (1, 60, 60, 60), (9, None, 86_400, 86_400 * 1.2)],
)
def test_pauses_grow_and_are_spread(tries: int, asked: int | None, least: int, most: float) -> None:
    pacing = Pacing.of(Settings())
    after = None if asked is None else timedelta(seconds=asked)
    pauses = [pacing.next_try(tries, after) for _ in range(50)]
    assert all(pause is not None and least <= pause.total_seconds() <= most for pause in pauses)
    assert asked is not None or len(set(pauses)) > 1
    assert pacing.next_try(10, None) is None
    days = sum(pacing.pauses, timedelta(0))
    assert timedelta(days=3) < days < timedelta(days=4)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None), ("", None), ("soon", None), ("-5", None), ("120", 120),
        ("99999999999999999999", 86_400), ("Wed, 25 Nov 2026 12:02:00 GMT", 120),
        ("Wed, 25 Nov 2020 12:00:00 GMT", 0), ("Wed, 25 Nov 2099 12:00:00 GMT", 86_400),
        ("Wed, 99 Nov 2026", None), ("١٢", None),
    ],
)  # fmt: skip
def test_what_a_receiver_asks_for_is_read_and_bounded(
    header: str | None, seconds: int | None
) -> None:
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert retry_after(header, now) == expected
