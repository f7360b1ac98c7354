"""The log's tree is made from events, like an independent one, and refuses another history."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest

from ledger.application import Ledger
from ledger.checkpoints import Checkpoint, SignedCheckpoint
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.merkle import leaf_hash, verify_consistency, verify_inclusion
from projections.proofs import (
    NoCheckpoint,
    NoSuchTile,
    NotSealedYet,
    checkpoint,
    consistency,
    inclusion,
    tile,
)
from projections.reader import Reader
from projections.sealed_log import InconsistentLogError, Known, SealedLog
from tests.builders import initiate_payment, register_creator
from tests.databases import rows, superuser
from tests.ledger.trees import tree_hash

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from ledger.database.location import DatabaseLocation

EVENTS = 1_100
"""Enough for four full tiles, and a part of a fifth."""


def _fill(database: DatabaseLocation, count: int) -> None:
    ledger = Ledger(BookLocation(database, DatabaseRole.APP))
    creator = uuid4()
    ledger.execute_one(register_creator(creator))
    ledger.execute([initiate_payment(creator) for _ in range(count - 1)])
    ledger.close()


@pytest.fixture
def log(database: DatabaseLocation) -> Iterator[SealedLog]:
    _fill(database, EVENTS)
    with BookLocation(database, DatabaseRole.SEALER).connect_reader() as connection:
        yield SealedLog(connection)


def _leaves(database: DatabaseLocation) -> list[bytes]:
    found = rows(
        database,
        "SELECT notification_id, originator_id, originator_version, topic, state "
        "FROM ledger_events ORDER BY notification_id",
    )
    return [
        leaf_hash(position=row[0], stream_id=row[1], version=row[2], topic=row[3], state=row[4])
        for row in found
    ]


def _keep(log: SealedLog) -> Checkpoint:
    kept = Checkpoint("here", log.size, log.root())
    log.keep(SignedCheckpoint(kept, ()))
    return kept


def test_the_root_is_that_of_an_independent_tree_at_every_size(
    database: DatabaseLocation, log: SealedLog
) -> None:
    leaves = _leaves(database)
    log.make([])
    assert log.size == len(leaves) == log.head()
    assert log.root() == tree_hash(leaves)
    stored = rows(database, "SELECT level, index, hashes FROM merkle_tiles ORDER BY level, index")
    assert stored == [(0, number, b"".join(leaves[number * 256 :][:256])) for number in range(4)]


def test_it_goes_on_from_where_it_is(database: DatabaseLocation, log: SealedLog) -> None:
    log.make([])
    for count in (1, 300, 2):
        _fill(database, count)
        while log.read_on():
            pass
        assert log.root() == tree_hash(_leaves(database))


def test_a_second_one_agrees_with_what_the_first_has_kept(
    database: DatabaseLocation, log: SealedLog
) -> None:
    log.make([])
    kept = _keep(log)
    _fill(database, 50)
    with BookLocation(database, DatabaseRole.SEALER).connect_reader() as connection:
        another = SealedLog(connection)
        another.make([Known(kept.size, kept.root, "the first")])
        log.read_on()
        assert another.root() == log.root()


TAMPERING: dict[str, str] = {
    "an event changed": "UPDATE ledger_events SET state = state || ' ' WHERE notification_id = 300",
    "an event of another topic": "UPDATE ledger_events SET topic = 'payment.expired.v1' "
    "WHERE notification_id = 2",
    "the last one removed": "DELETE FROM ledger_events WHERE notification_id = "
    "(SELECT max(notification_id) FROM ledger_events)",
    "one removed from the middle": "DELETE FROM ledger_events WHERE notification_id = 700",
    "two exchanged": "UPDATE ledger_events SET state = CASE notification_id WHEN 400 THEN "
    "(SELECT state FROM ledger_events WHERE notification_id = 401) ELSE "
    "(SELECT state FROM ledger_events WHERE notification_id = 400) END "
    "WHERE notification_id IN (400, 401)",
    "all since one removed": "DELETE FROM ledger_events WHERE notification_id > 900",
    "another version": "UPDATE ledger_events SET originator_version = 77 "
    "WHERE notification_id = 1000",
}


def _tamper(database: DatabaseLocation, statement: str) -> None:
    with superuser(database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement.encode())


@pytest.mark.parametrize("tiles_too", [False, True])
@pytest.mark.parametrize("how", TAMPERING)
def test_no_other_history_is_agreed_with(
    database: DatabaseLocation, log: SealedLog, how: str, *, tiles_too: bool
) -> None:
    log.make([])
    kept = _keep(log)
    _tamper(database, TAMPERING[how])
    if tiles_too:
        # The attacker recomputes whatever lies in the database.
        _tamper(database, "DELETE FROM merkle_tiles")
        _tamper(database, "DELETE FROM checkpoints")
    with (
        BookLocation(database, DatabaseRole.SEALER).connect_reader() as connection,
        pytest.raises(InconsistentLogError),
    ):
        SealedLog(connection).make([Known(kept.size, kept.root, "the memory")])


def test_a_tile_that_was_changed_is_found(database: DatabaseLocation, log: SealedLog) -> None:
    log.make([])
    _tamper(
        database,
        "UPDATE merkle_tiles SET hashes = set_byte(hashes, 77, (get_byte(hashes, 77) + 1) % 256) "
        "WHERE index = 2",
    )
    with (
        BookLocation(database, DatabaseRole.SEALER).connect_reader() as connection,
        pytest.raises(InconsistentLogError, match="tile 0/2, over positions from 513"),
    ):
        SealedLog(connection).make([])


def _ask(database: DatabaseLocation, play: Callable[[Reader], Awaitable[Any]]) -> Any:  # noqa: ANN401
    async def run() -> Any:  # noqa: ANN401 - whatever is asked
        async with Reader(BookLocation(database, DatabaseRole.APP)) as reader:
            return await play(reader)

    return asyncio.run(run())


def test_every_event_is_proved_to_be_in_it(database: DatabaseLocation, log: SealedLog) -> None:
    log.make([])
    first = _keep(log)
    _fill(database, 100)
    log.read_on()
    second = _keep(log)
    leaves = _leaves(database)

    async def play(reader: Reader) -> None:
        for kept in (first, second):
            for position in (1, 2, 255, 256, 257, 512, 700, 1_024, 1_025, kept.size):
                proof = await inclusion(reader, position, kept.size)
                assert proof.leaf == leaves[position - 1]
                assert verify_inclusion(proof.leaf, position - 1, kept.size, proof.path, kept.root)
        proof = await inclusion(reader, 7)
        assert proof.checkpoint.size == second.size
        with pytest.raises(NotSealedYet):
            await inclusion(reader, second.size + 1)
        with pytest.raises(NoCheckpoint):
            await inclusion(reader, 1, 3)

    _ask(database, play)


def test_a_later_checkpoint_is_proved_to_continue_an_earlier_one(
    database: DatabaseLocation, log: SealedLog
) -> None:
    log.make([])
    kept = [_keep(log)]
    for count in (1, 40, 300):
        _fill(database, count)
        log.read_on()
        kept.append(_keep(log))

    async def play(reader: Reader) -> None:
        for earlier in kept:
            for later in kept:
                if earlier.size > later.size:
                    continue
                proof = await consistency(reader, earlier.size, later.size)
                assert verify_consistency(
                    earlier.size, later.size, earlier.root, later.root, proof.path
                )
        with pytest.raises(NotSealedYet):
            await consistency(reader, kept[-1].size + 1)

    _ask(database, play)


def test_tiles_are_served_full_and_partial(database: DatabaseLocation, log: SealedLog) -> None:
    async def before(reader: Reader) -> None:
        with pytest.raises(NoCheckpoint):
            await tile(reader, 0, 0)
        with pytest.raises(NoCheckpoint):
            await checkpoint(reader)

    _ask(database, before)
    log.make([])
    _keep(log)
    leaves = _leaves(database)

    async def play(reader: Reader) -> None:
        assert await tile(reader, 0, 1) == b"".join(leaves[256:512])
        assert await tile(reader, 0, 4) == b"".join(leaves[1_024:])
        roots = b"".join(tree_hash(leaves[start : start + 256]) for start in range(0, 1_024, 256))
        assert await tile(reader, 1, 0) == roots
        for level, index in ((0, 5), (1, 1), (2, 0)):
            with pytest.raises(NoSuchTile):
                await tile(reader, level, index)

    _ask(database, play)


def test_the_sealer_may_add_tiles_and_nothing_else(database: DatabaseLocation) -> None:
    with BookLocation(database, DatabaseRole.SEALER).connect_reader() as connection:
        for statement in (
            "INSERT INTO turns VALUES (99, now())",
            "DELETE FROM merkle_tiles",
            "UPDATE checkpoints SET note = ''",
            "SELECT * FROM vault_entries",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
