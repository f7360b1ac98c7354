"""Given what happened, when a command comes, then that is decided: without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from ledger.decisions import Decision, States, decide, evolve
from ledger.payment import Payment
from ledger.relations import missing
from ledger.subscription import Subscription
from tests.builders import NOON, occasion

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.decisions import Aggregate, LedgerCommand
    from ledger.events import LedgerEvent


class History:
    """Aggregates, claims on transactions and balances, as decisions change them one by one."""

    def __init__(self) -> None:
        self.now: datetime = NOON
        self.aggregates: dict[UUID, Aggregate] = {}
        self.claims: dict[tuple[str, str], UUID] = {}
        self.events: list[LedgerEvent] = []
        self._sums: dict[tuple[str, str], int] = {}

    def copy(self) -> History:
        """The same history, to go another way from here."""
        other = History()
        other.now = self.now
        other.aggregates = dict(self.aggregates)
        other.claims = dict(self.claims)
        other.events = list(self.events)
        other._sums = dict(self._sums)
        return other

    def at(self, now: datetime) -> History:
        """The same, with the clock set."""
        self.now = now
        return self

    def decide(self, command: LedgerCommand) -> Decision:
        """Decide, and change nothing. Raises what the decision raises."""
        states = self._states_for(command)
        return decide(command, states, replace(occasion(self.now), actor=command.actor))

    def _states_for(self, command: LedgerCommand) -> States:
        """As in a turn: the streams that the command asks for, and what they are related to."""
        asked, guards = set(command.streams()), set(command.accounts())
        while True:
            found = {each: self.aggregates[each] for each in asked if each in self.aggregates}
            related = missing([command], found, asked=asked, guards=guards)
            if not (related.streams or related.accounts):
                balances = {account: self._sums.get(account, 0) for account in guards}
                return States(found, self.claims, balances)
            asked |= related.streams
            guards |= related.accounts

    def when(self, command: LedgerCommand) -> Decision:
        """Decide, and let it happen."""
        decision = self.decide(command)
        self.happen(command, decision)
        return decision

    def happen(self, command: LedgerCommand, decision: Decision) -> None:
        """Let it happen as it was decided. On every stream versions follow one another."""
        for event in decision.events:
            stream = event.originator_id
            before = self.aggregates.get(stream)
            assert event.originator_version == (1 if before is None else before.version + 1)
            self.aggregates[stream] = evolve(before, event)
            assert self.aggregates[stream].version == event.originator_version
            self.events.append(event)
            self._post(event)
        if decision.events and decision.stream is not None:
            for key in command.natural_keys():
                self.claims.setdefault((key.scope, key.key), decision.stream)

    def given(self, *commands: LedgerCommand) -> History:
        """Let all of these happen."""
        for command in commands:
            self.when(command)
        return self

    def payment(self, stream: UUID) -> Payment:
        """The payment as it stands."""
        found = self.aggregates[stream]
        assert isinstance(found, Payment)
        return found

    def subscription(self, stream: UUID) -> Subscription:
        """The subscription as it stands."""
        found = self.aggregates[stream]
        assert isinstance(found, Subscription)
        return found

    def balances(self) -> dict[tuple[str, str], int]:
        """(account, currency) → minor units, debit positive; zero balances are left out."""
        return {account: amount for account, amount in self._sums.items() if amount}

    def _post(self, event: LedgerEvent) -> None:
        if event.journal_entry is not None:
            for posting in event.journal_entry.postings:
                account = (posting.account, posting.currency)
                self._sums[account] = self._sums.get(account, 0) + posting.amount
