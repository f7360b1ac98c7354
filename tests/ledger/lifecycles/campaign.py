"""Thousands of stories on databases of their own, in processes of their own: one a core.

A process plays its part through `Ledger.execute` on the real PostgreSQL, then reads the whole log
again and watches it (tests/ledger/lifecycles/watch.py), story by story.
"""

from __future__ import annotations

import json
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.garbage import tune_garbage_collection
from tests.databases import rows, superuser
from tests.ledger.lifecycles.laws import Violation
from tests.ledger.lifecycles.play import Clock, Run, play
from tests.ledger.lifecycles.reach import REACHED, Scene
from tests.ledger.lifecycles.watch import Watch

if TYPE_CHECKING:
    from ledger.database.location import DatabaseLocation
    from tests.databases import Databases

PROCESSES: Final = 2

READ_EVENTS: Final = (
    "SELECT originator_id::text, topic, state FROM ledger_events ORDER BY notification_id"
)

ON_THE_WRONG_SIDE: Final = """
    SELECT journal_lines.position, account, currency, journal_lines.balance
    FROM journal_lines JOIN balances USING (account_id)
    WHERE journal_lines.balance > 0 AND (
              account LIKE 'creator:%' AND account NOT LIKE '%:available'
              OR account LIKE 'suspense:%' OR account = 'refunds:in_transit')
       OR journal_lines.balance < 0 AND account LIKE 'provider:%:disputed'
    LIMIT 10
"""
"""Running balances, as the journal keeps them at every position, that may not be."""

LEFT_OVER: Final = """
    SELECT account, currency, balance FROM balances
    WHERE balance <> 0 AND (
              account LIKE 'creator:%' AND account NOT LIKE '%:available'
              OR account LIKE 'suspense:%' OR account = 'refunds:in_transit'
              OR account LIKE 'provider:%:disputed')
       OR balance > 0 AND account LIKE 'creator:%:available'
    LIMIT 10
"""
"""What lies between accounts, and who owes something, when every story is over."""


@dataclass
class Findings:
    """What was played and what was found: refusals by code, violations by seed."""

    stories: int = 0
    commands: int = 0
    events: int = 0
    reversed_to_the_end: int = 0
    topics: set[str] = field(default_factory=set)
    scenes: set[Scene] = field(default_factory=set)
    refusals: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    violations: dict[int, list[Violation]] = field(default_factory=dict)
    wrong_balances: list[tuple[object, ...]] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        """Join what two processes found."""
        self.stories += other.stories
        self.commands += other.commands
        self.events += other.events
        self.reversed_to_the_end += other.reversed_to_the_end
        self.topics |= other.topics
        self.scenes |= other.scenes
        for code, count in other.refusals.items():
            self.refusals[code] += count
        self.violations |= other.violations
        self.wrong_balances += other.wrong_balances


def campaign(databases: Databases, seeds: range, *, part: int) -> Findings:
    """Play a story for each seed, `part` of them in one database after another."""
    parts = [seeds[start : start + part] for start in range(0, len(seeds), part)]
    books = [databases.create() for _ in parts]
    found = Findings()
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        for each in pool.map(play_part, books, parts):
            found.add(each)
    for book in books:
        databases.drop(book)
    return found


def play_part(database: DatabaseLocation, seeds: range) -> Findings:
    """Play stories in an empty database, in a process that does nothing else, and watch them."""
    tune_garbage_collection()
    clock = Clock()
    ledger = Ledger(BookLocation(database, DatabaseRole.APP), clock=clock)
    try:
        run = play(ledger, clock, seeds)
    finally:
        ledger.close()
    return watch(database, run)


def watch(database: DatabaseLocation, run: Run) -> Findings:
    """Read everything that was stored, and weigh it."""
    found = Findings(stories=run.stories, commands=run.commands, refusals=run.refusals)
    watches: dict[int, Watch] = defaultdict(Watch)
    with superuser(database) as connection:
        connection.autocommit = False
        with connection.cursor("events") as events:
            events.itersize = 5_000
            for stream, topic, state in events.execute(READ_EVENTS):
                found.events += 1
                found.topics.add(topic)
                fields = json.loads(state)
                if topic in REACHED:
                    found.scenes |= REACHED[topic](fields)
                watches[run.seeds[stream]].hear(topic, stream, fields)
    for seed, each in watches.items():
        each.end()
        found.reversed_to_the_end += each.reversed_to_the_end
        if each.violations:
            found.violations[seed] = each.violations
    found.wrong_balances = rows(database, ON_THE_WRONG_SIDE) + rows(database, LEFT_OVER)
    return found
