"""Playing stories: many at once through a ledger on a database, or one in memory.

    python -m tests.ledger.lifecycles.play SEED

tells one story again, with every command, every event and every law that it broke.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ledger.errors import Refused
from ledger.outcome import Outcome
from ledger.serialization import encode_state
from tests.ledger.given import History
from tests.ledger.lifecycles.laws import Violation
from tests.ledger.lifecycles.story import HOUR, Story
from tests.ledger.lifecycles.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ledger.application import Ledger
    from ledger.decisions import LedgerCommand

WIDTH: Final = 800
"""Stories that go on at once: a command of each is one call of `Ledger.execute`."""

BEGINNING: Final = datetime(2100, 1, 1, tzinfo=UTC)
ENVELOPE: Final = {"recorded_at", "actor", "correlation_id", "causation_id", "evidence"}


class Clock:
    """An hour passes with every call of `Ledger.execute`."""

    def __init__(self) -> None:
        self.now = BEGINNING

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Run:
    """What was played on a database: which streams belong to which seed, and how much it was."""

    seeds: dict[str, int] = field(default_factory=dict)
    stories: int = 0
    commands: int = 0
    refusals: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def play(ledger: Ledger, clock: Clock, seeds: Iterable[int], *, width: int = WIDTH) -> Run:
    """Play a story for each seed, `width` at a time in lockstep, each to its end."""
    run, waiting = Run(), iter(seeds)
    stories = [Story(seed, clock.now) for seed in islice(waiting, width)]
    while stories:
        asking = [
            (story, command) for story in stories if (command := story.next(clock.now)) is not None
        ]
        outcomes = ledger.execute([command for _, command in asking]) if asking else []
        for (story, command), outcome in zip(asking, outcomes, strict=True):
            _heard(run, story, command, outcome)
        clock.now += HOUR
        over = [story for story in stories if story.ended]
        for story in over:
            run.stories += 1
            run.seeds |= {str(stream): story.seed for stream in story.aggregates}
        stories = [story for story in stories if not story.ended]
        stories += [Story(seed, clock.now) for seed in islice(waiting, len(over))]
    return run


def _heard(run: Run, story: Story, command: LedgerCommand, outcome: Outcome) -> None:
    run.commands += 1
    if outcome.error is not None:
        assert isinstance(outcome.error, Refused), (
            f"story {story.seed} got {outcome.error!r} for {command}; in memory it goes:\n"
            f"{tell(story.seed)}"
        )
        run.refusals[outcome.error.code] += 1
    story.hear(outcome)


# In memory.


class Step(NamedTuple):
    """What was asked, what was answered, and which laws were broken by it."""

    at: datetime
    command: LedgerCommand
    outcome: Outcome
    broken: list[Violation]

    def __str__(self) -> str:
        lines = [f"{self.at:%d. %H:%M}  {self.command}"]
        if self.outcome.error is not None:
            lines.append(f"refused: {self.outcome.error.code}")
        for event in self.outcome.events:
            fields = {k: v for k, v in stored(event).items() if k not in ENVELOPE}
            lines.append(f"{event.TOPIC} of {event.originator_id}: {json.dumps(fields)}")
        lines += [f"BROKEN: {violation}" for violation in self.broken]
        return "\n    ".join(lines)


@dataclass
class Telling:
    """One story, step by step; `broken_off` is the error that is no refusal."""

    seed: int
    steps: list[Step] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)
    broken_off: Exception | None = None

    @property
    def violations(self) -> list[Violation]:
        return self.watch.violations

    def __str__(self) -> str:
        lines = [f"story {self.seed}", *map(str, self.steps)]
        if self.broken_off is not None:
            lines.append(f"BROKEN OFF: {self.broken_off!r}")
        lines += [f"BROKEN: {violation}" for violation in self.violations]
        return "\n".join(lines)


def tell(seed: int, history: Callable[[], History] = History) -> Telling:
    """Play one story in memory, watching it. An error that is no refusal breaks it off."""
    telling, past = Telling(seed), history().at(BEGINNING)
    story = Story(seed, BEGINNING)
    try:
        while not story.ended:
            if (command := story.next(past.now)) is not None:
                story.hear(_step(telling, past, command))
            past.at(past.now + HOUR)
    except Exception as error:  # noqa: BLE001 - it is told
        telling.broken_off = error
        return telling
    telling.watch.end()
    return telling


def _step(telling: Telling, past: History, command: LedgerCommand) -> Outcome:
    known = len(telling.violations)
    try:
        outcome = Outcome(events=tuple(past.when(command).events))
    except Refused as refused:
        outcome = Outcome(error=refused)
    for event in outcome.events:
        telling.watch.hear(event.TOPIC, str(event.originator_id), stored(event))
    telling.steps.append(Step(past.now, command, outcome, telling.violations[known:]))
    return outcome


def stored(event: Any) -> dict[str, Any]:  # noqa: ANN401 - an event of any class
    """What is stored for an event, read as JSON."""
    fields: dict[str, Any] = json.loads(encode_state(event))
    return fields


if __name__ == "__main__":
    sys.stdout.writelines(f"{tell(int(seed))}\n" for seed in sys.argv[1:])
