"""The log's tree is made from events, like an independent one, and refuses another history."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from pymerkle import InmemoryTree  # type: ignore[import-untyped]
from pymerkle import verify_consistency as another_verify_consistency
from pymerkle import verify_inclusion as another_verify_inclusion

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
from projections.sealed_recheck import Recheck, Rechecks
from tests.builders import initiate_payment, register_creator
from tests.databases import rows, superuser
from tests.ledger.trees import tree_hash

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from ledger.database.location import DatabaseLocation

EVENTS_IN_ORDER = """
    SELECT notification_id, originator_id, originator_version, topic, state
    FROM ledger_events ORDER BY notification_id
"""
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
    found = rows(database, EVENTS_IN_ORDER)
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


EXPLAINED: dict[str, str] = {
    "an event changed": "is at position 300",
    "an event of another topic": "is at position 2",
    "one removed from the middle": "Position 700 is missing",
    "two exchanged": "is at position 400",
    "another version": "is at position 1000",
}

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
    known = [Known(kept.size, kept.root, "the memory")]
    _tamper(database, TAMPERING[how])
    with BookLocation(database, DatabaseRole.SEALER).connect_reader() as connection:
        if tiles_too:
            # The attacker recomputes whatever lies in the database.
            _tamper(database, "DELETE FROM merkle_tiles")
            _tamper(database, "DELETE FROM checkpoints")
            with suppress(InconsistentLogError):
                SealedLog(connection).make([])
        again = SealedLog(connection)
        if again.resume(known):
            # It vouches for what was signed and for nothing else, and finds the change in time.
            assert not tiles_too
            assert (again.size, again.root()) == (kept.size, kept.root)
            with pytest.raises(InconsistentLogError, match=EXPLAINED[how]):
                _look_again(again)
        with pytest.raises(InconsistentLogError):
            SealedLog(connection).make(known)


def _look_again(log: SealedLog) -> int:
    return _look(log.recheck())


def _look(recheck: Recheck) -> int:
    while not recheck.is_over:
        recheck.step()
    return recheck.size


def test_it_is_resumed_without_a_look_at_what_lies_in_tiles(
    database: DatabaseLocation, log: SealedLog
) -> None:
    log.make([])
    kept = [_keep(log)]
    _fill(database, 300)
    while log.read_on():
        pass
    kept.append(_keep(log))
    _fill(database, 700)
    known = [Known(each.size, each.root, "somewhere") for each in kept]
    _tamper(database, "UPDATE ledger_events SET state = '' WHERE notification_id <= 1024")
    with BookLocation(database, DatabaseRole.SEALER).connect_reader() as connection:
        again = SealedLog(connection)
        assert again.resume(known)
        while log.read_on():
            pass
        assert (again.size, again.root()) == (log.size, log.root()) == (log.head(), log.root())


def test_it_is_resumed_from_nothing_that_is_not_known(log: SealedLog) -> None:
    log.make([])
    assert not log.resume([])
    assert not log.resume([Known(log.size, bytes(32), "a liar")])


@pytest.mark.parametrize("size", [1, 256, 511, 65_536, 131_072 + 300])
def test_a_long_log_is_resumed_with_the_root_that_it_has(
    database: DatabaseLocation, size: int
) -> None:
    _tamper(
        database,
        "INSERT INTO ledger_events SELECT gen_random_uuid(), 1, 'a', '', position "
        f"FROM generate_series(1, {size}) AS position",
    )
    with BookLocation(database, DatabaseRole.SEALER).connect_reader() as connection:
        log, again = SealedLog(connection), SealedLog(connection)
        log.make([])
        assert again.resume([Known(size, log.root(), "the memory")])
        assert (again.size, again.root()) == (size, tree_hash(_leaves(database)))
        assert _look_again(again) == size // 256 * 256


def test_a_change_of_events_and_of_every_tile_over_them_is_found_by_the_next_look(
    database: DatabaseLocation, log: SealedLog
) -> None:
    log.make([])
    recheck = log.recheck()
    _tamper(database, "UPDATE ledger_events SET state = state || ' ' WHERE notification_id = 300")
    _tamper(database, "DELETE FROM merkle_tiles")
    with BookLocation(database, DatabaseRole.SEALER).connect_reader() as connection:
        SealedLog(connection).make([])
    with pytest.raises(InconsistentLogError, match="first 1024 events are not those"):
        _look(recheck)


def test_looking_again_takes_a_step_a_second_and_rests_between_two_looks(log: SealedLog) -> None:
    log.make([])
    now, steps = 0.0, []
    rechecks = Rechecks(log.recheck, clock=lambda: now)
    while now < 3_700:
        size = rechecks.go_on()
        if size is not None:
            steps.append((now, size))
        assert rechecks.go_on() is None, "not twice at one time"
        now += 0.5
    assert steps == [(0.0, 1_024), (3_600.0, 1_024)]


def test_a_look_at_a_long_log_is_over_within_a_day(log: SealedLog) -> None:
    log.make([])
    for size in (2**20, 2**27, 2**33):
        a_step = Recheck(log._connection, size, log.root()).tiles_a_step * 256
        assert size / a_step <= 86_400


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


def _another_tree(database: DatabaseLocation) -> InmemoryTree:
    """A tree by another hand, over what a leaf is the hash of."""
    tree = InmemoryTree(algorithm="sha256")
    for position, stream, version, topic, state in rows(database, EVENTS_IN_ORDER):
        name = topic.encode()
        place = position.to_bytes(8, "big") + stream.bytes + version.to_bytes(8, "big")
        named = len(name).to_bytes(4, "big") + name
        tree.append_entry(b"HSB1" + place + named + len(state).to_bytes(4, "big") + state)
    return tree


def test_another_implementation_has_the_roots_and_proofs_of_a_real_log(
    database: DatabaseLocation, log: SealedLog
) -> None:
    log.make([])
    kept = [_keep(log)]
    for count in (1, 300, 120):
        _fill(database, count)
        log.read_on()
        kept.append(_keep(log))
    another, random = _another_tree(database), Random(1)

    async def play(reader: Reader) -> None:
        for at in kept:
            assert another.get_root(at.size) == at.root
            for position in (1, 256, 257, at.size, *(random.randint(1, at.size) for _ in range(9))):
                ours = await inclusion(reader, position, at.size)
                theirs = another.prove_inclusion(position, at.size)
                assert theirs.path == [ours.leaf, *ours.path]
                another_verify_inclusion(ours.leaf, at.root, theirs, index=position, size=at.size)
            for earlier in kept[: kept.index(at)]:
                proof = await consistency(reader, earlier.size, at.size)
                sizes, roots = (earlier.size, at.size), (earlier.root, at.root)
                assert verify_consistency(*sizes, *roots, proof.path)
                another_verify_consistency(
                    *roots,
                    another.prove_consistency(*sizes),
                    prior_size=earlier.size,
                    later_size=at.size,
                )

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
