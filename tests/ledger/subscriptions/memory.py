"""A ledger without a database, for small worlds and for laws that must break."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ledger.errors import Refused
from ledger.outcome import Outcome
from ledger.serialization import encode_state
from tests.ledger.given import History
from tests.ledger.subscriptions.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from ledger.decisions import LedgerCommand
    from ledger.events import LedgerEvent


class Memory:
    """Decides commands one by one, as turns do; the same key is decided once."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.history = History()
        self._clock = clock
        self._decided: set[tuple[str, str]] = set()

    def execute(self, commands: Sequence[LedgerCommand]) -> list[Outcome]:
        """Decide all; what is refused changes nothing."""
        self.history.at(self._clock())
        return [self._execute(command) for command in commands]

    def _execute(self, command: LedgerCommand) -> Outcome:
        key = (command.key.scope, command.key.key)
        if key in self._decided:
            return Outcome(replayed=True)
        try:
            decision = self.history.when(command)
        except Refused as refused:
            return Outcome(error=refused)
        self._decided.add(key)
        return Outcome(stream=decision.stream, events=tuple(decision.events))


def watched(events: Iterable[LedgerEvent]) -> Watch:
    """A watch that has heard all of these, and the end."""
    watch = Watch()
    for event in events:
        stored: dict[str, Any] = json.loads(encode_state(event))
        watch.hear(event.TOPIC, str(event.originator_id), event.originator_version, stored)
    watch.end()
    return watch
