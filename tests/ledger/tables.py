"""A decided answer to every command in every state, written as a table that people can read.

The first line names the states, each further line a command and its cell in every state; a blank
line begins a block of further states. A pair without a cell fails. What a cell stands for is said
once, in `cells`: the events and the verdict, or the refusal.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING

import pytest

from ledger.callbacks import Verdict
from ledger.errors import Refused
from tests.builders import NOON
from tests.ledger.agreement import assert_aggregates_and_balances_agree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ledger.decisions import LedgerCommand
    from tests.ledger.given import History

Decided = tuple[list[type], Verdict | None] | type[Refused]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Commands × states.

    A command comes at noon; or `at` another time, or so long after its state has come about as
    `after` says: a state of a subscription has a time of its own.
    """

    text: str
    states: Mapping[str, Callable[[], History]]
    commands: Mapping[str, LedgerCommand]
    cells: Mapping[str, Decided]
    at: Mapping[str, datetime] = field(default_factory=dict)
    after: Mapping[str, timedelta] = field(default_factory=dict)

    def matrix(self) -> Mapping[tuple[str, str], str]:
        """(command, state) → cell. Fails where the table is not whole."""
        return self._matrix

    @cached_property
    def _matrix(self) -> Mapping[tuple[str, str], str]:
        matrix: dict[tuple[str, str], str] = {}
        states = list(self.states)
        for block in self.text.strip("\n").split("\n\n"):
            head, *lines = block.splitlines()
            width = len(head) - len(head.lstrip())
            columns, states = states[: len(head.split())], states[len(head.split()) :]
            for line in lines:
                cells = zip(columns, line[width:].split(), strict=True)
                matrix |= {(line[:width].strip(), state): cell for state, cell in cells}
        assert set(matrix) == set(product(self.commands, self.states)), "every pair is decided"
        assert set(matrix.values()) == set(self.cells), "every cell is explained, none in vain"
        return matrix

    def _history(self, state: str) -> History:
        # A history is told once and then copied: what it consists of never changes.
        if state not in self._told:
            self._told[state] = self.states[state]()
        return self._told[state].copy()

    @cached_property
    def _told(self) -> dict[str, History]:
        return {}

    def _time(self, command: str, now: datetime) -> datetime:
        later = self.after.get(command)
        return self.at.get(command, NOON) if later is None else now + later

    def happens(self, command: str, state: str) -> History:
        """Check a command in a state against its cell; the history after it."""
        history = self._history(state)
        history.at(self._time(command, history.now))
        before = deepcopy(history.aggregates)
        expected = self.cells[self.matrix()[command, state]]
        if isinstance(expected, type):
            with pytest.raises(Refused) as refused:
                history.decide(self.commands[command])
            assert type(refused.value) is expected
            assert refused.value.message, "it can be said to the caller"
        else:
            decision = history.decide(self.commands[command])
            assert ([type(event) for event in decision.events], decision.verdict) == expected
            assert history.aggregates == before, "a decision changes nothing"
            history.happen(self.commands[command], decision)
            assert_aggregates_and_balances_agree(history)
            if decision.verdict is Verdict.APPLIED:
                assert_applied_once(history, self.commands[command])
        return history


def assert_applied_once(history: History, report: LedgerCommand) -> None:
    """What was applied is not applied again when another callback says it again."""
    again = history.decide(report)
    assert again.events == []
    assert again.verdict in {Verdict.DUPLICATE, Verdict.IGNORED}
