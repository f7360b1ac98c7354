"""Worlds on databases of their own, in processes of their own: one a core.

Each is lived through `Ledger.execute` on the real PostgreSQL, with two ledgers whose clocks race,
and then read again from the log: every law, every sample of access, the books and the replay.
"""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.garbage import tune_garbage_collection
from ledger.replay import replay
from tests.databases import superuser
from tests.invariants import assert_book_is_sound
from tests.ledger.subscriptions.entitlement import is_entitled
from tests.ledger.subscriptions.laws import Law, Violation
from tests.ledger.subscriptions.watch import Watch
from tests.ledger.subscriptions.world import Clock, World

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ledger.database.location import DatabaseLocation
    from tests.databases import Databases

PROCESSES: Final = 2
READ_EVENTS: Final = (
    "SELECT topic, originator_id::text, originator_version, state FROM ledger_events "
    "ORDER BY notification_id"
)


@dataclass
class Findings:
    """What was lived and what was found; `replayed` is whether every replay agreed."""

    subscriptions: int = 0
    commands: int = 0
    samples: int = 0
    topics: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[int, Violation]] = field(default_factory=list)
    replayed: bool = True

    def add(self, other: Findings) -> None:
        """Join what two worlds found."""
        self.subscriptions += other.subscriptions
        self.commands += other.commands
        self.samples += other.samples
        self.topics += other.topics
        self.refusals += other.refusals
        self.states += other.states
        self.violations += other.violations
        self.replayed &= other.replayed


def campaign(databases: Databases, seeds: Sequence[int], *, fans: int, days: int) -> Findings:
    """Let a world live for each seed."""
    books = [databases.create() for _ in seeds]
    found = Findings()
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        counts = ([each] * len(seeds) for each in (fans, days))
        for each in pool.map(live, books, seeds, *counts):
            found.add(each)
    for book in books:
        databases.drop(book)
    return found


def live(database: DatabaseLocation, seed: int, fans: int, days: int) -> Findings:
    """Let a world live in an empty database, in a process that does nothing else, and watch it."""
    tune_garbage_collection()
    clock, book = Clock(), BookLocation(database, DatabaseRole.APP)
    ledgers = [Ledger(book, clock=clock) for _ in range(2)]
    world = World(seed, ledgers[0], clock, fans, rival=ledgers[1])
    try:
        world.run(days)
    finally:
        for ledger in ledgers:
            ledger.close()
    assert_book_is_sound(database)
    found = weigh(world, watched(database))
    found.replayed = replay(book).ok
    return found


def watched(database: DatabaseLocation) -> Watch:
    """A watch that has heard everything that was stored."""
    watch = Watch()
    with superuser(database) as connection:
        connection.autocommit = False
        with connection.cursor("events") as events:
            events.itersize = 5_000
            for topic, stream, version, state in events.execute(READ_EVENTS.encode()):
                watch.hear(topic, stream, version, json.loads(state))
    watch.end()
    return watch


def weigh(world: World, watch: Watch) -> Findings:
    """What a world has lived, and which laws it broke."""
    found = Findings(
        subscriptions=len(world.states),
        commands=world.commands,
        samples=len(world.samples),
        topics=Counter(watch.topics),
        refusals=world.refusals,
        states=Counter(each.state.value for each in world.states.values()),
    )
    broken = [*world.violations, *watch.violations, *_differing(world, watch)]
    found.violations = [(world.seed, each) for each in broken]
    return found


def _differing(world: World, watch: Watch) -> Iterable[Violation]:
    for sample in world.samples:
        facts = watch.subscriptions[str(sample.subscription)].facts
        told = is_entitled(facts, version=sample.version, instant=sample.instant)
        if told != sample.entitled:
            yield Violation(Law.ENTITLED, str(sample.subscription), f"{sample} and not {told}")
