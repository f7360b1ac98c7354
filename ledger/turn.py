"""The turn: any number of commands in one transaction, each succeeding or failing on its own.

Under the book's lock: look the keys up, load the streams, decide the commands in order, each on
the state that those before it left, append everything at once, commit. What can go wrong:

a command is refused            its refusal is stored under its key, the others go on
a decision raises               that command fails, nothing of it is kept, the others go on
the database refuses a value    rolled back and run again by halves; only the guilty one fails
the connection is lost before   nothing was recorded: tried once more on a new connection, then
COMMIT was sent                 `NothingRecorded`
the answer to COMMIT is lost    in doubt: run again. The lock is taken first and the keys are read
                                under it, so what did commit is found and answered, what did not
                                is recorded now. No connection in time: `OutcomeUnknown`
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import psycopg

from ledger.book_time import BookTime, time_by
from ledger.callbacks import FINAL, Verdict
from ledger.commands import (
    AwaitConfirmation,
    CallbackCommand,
    Command,
    IgnoreCallback,
    ParkCallback,
)
from ledger.decisions import Aggregate, Decision, LedgerCommand, States, decide, evolve
from ledger.errors import (
    DecisionFailed,
    IdempotencyKeyReused,
    InvalidValue,
    LedgerError,
    NothingRecorded,
    OutcomeUnknown,
    Refused,
    refusal,
)
from ledger.events import LedgerEvent, Occasion, SubscriptionStarted
from ledger.journal import Book, accounts_of
from ledger.outcome import Outcome
from ledger.receipts import Leaf, RecordedTurn
from ledger.recorder import (
    CommitInDoubtError,
    InboxRow,
    KeyRow,
    Loaded,
    StreamRow,
    SubscriptionRow,
    TurnRecorder,
    Writes,
)
from ledger.relations import missing
from ledger.serialization import decode_event, encode_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from ledger.aggregate_cache import AggregateCache
    from ledger.journal import AccountKey

logger = logging.getLogger(__name__)

DOUBT_SECONDS_MAX: Final = 8.0
"""How long a writer tries to reconnect and resolve a COMMIT in doubt."""

RECONNECT_PAUSE_SECONDS: Final = 0.05

VALUE_ERRORS: Final = (psycopg.DataError, psycopg.IntegrityError, ValueError, OverflowError)
"""Refusals of a value: by the database, or by its driver before anything is sent."""

LOST: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    # For psycopg these two, by which the server ends a session, are errors of its own.
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
)
"""The connection or a resource of the server is gone: nothing is wrong with any command."""


class _InDoubtError(Exception):
    def __init__(self, outcomes: list[Outcome]) -> None:
        super().__init__()
        self.outcomes = outcomes


class TurnRunner:
    """Runs turns one after another over one connection. Not safe between threads."""

    def __init__(
        self,
        recorder: TurnRecorder,
        cache: AggregateCache,
        *,
        clock: Callable[[], datetime] | None = None,
        book_time: BookTime | None = None,
    ) -> None:
        self._recorder = recorder
        self._cache = cache
        self._book_time = book_time or time_by(clock)

    def run(self, commands: Sequence[LedgerCommand]) -> list[Outcome]:
        """Decide and record `commands`; one outcome each, in their order. Never raises."""
        try:
            return self._record(commands, tries=2)
        except _InDoubtError as doubt:
            return self._resolve(commands, doubt.outcomes)

    def _record(self, commands: Sequence[LedgerCommand], *, tries: int) -> list[Outcome]:
        try:
            return self._attempt(commands)
        except VALUE_ERRORS as error:
            self._recorder.discard()
            return self._bisect(commands, error, InvalidValue())
        except LOST as error:
            self._recorder.discard()
            if tries > 1 and not isinstance(error, psycopg.errors.LockNotAvailable):
                return self._record(commands, tries=tries - 1)
            logger.warning("turn_not_recorded", extra={"sqlstate": error.sqlstate})
            return [Outcome(error=NothingRecorded()) for _ in commands]
        except _InDoubtError:
            self._recorder.discard()
            raise
        except Exception as error:  # noqa: BLE001 - the command to blame is found and logged
            self._recorder.discard()
            return self._bisect(commands, error, DecisionFailed())

    def _bisect(
        self, commands: Sequence[LedgerCommand], error: Exception, verdict: LedgerError
    ) -> list[Outcome]:
        if len(commands) == 1:
            # The error's own text may quote the value; only its class is logged.
            logger.error(
                "command_not_storable",
                extra={
                    "command": type(commands[0]).__name__,
                    "error": type(error).__name__,
                    "constraint": error.diag.constraint_name
                    if isinstance(error, psycopg.Error)
                    else None,
                },
            )
            return [Outcome(error=verdict)]
        middle = len(commands) // 2
        return self.run(commands[:middle]) + self.run(commands[middle:])

    def _resolve(
        self, commands: Sequence[LedgerCommand], attempted: list[Outcome]
    ) -> list[Outcome]:
        logger.warning("commit_in_doubt", extra={"commands": len(commands)})
        give_up_at = time.monotonic() + DOUBT_SECONDS_MAX
        while True:
            try:
                outcomes = self._record(commands, tries=1)
            except _InDoubtError as doubt:
                attempted = doubt.outcomes
                outcomes = []
            if outcomes and not all(
                isinstance(outcome.error, NothingRecorded) for outcome in outcomes
            ):
                return [
                    first if _same(first, found) else found
                    for first, found in zip(attempted, outcomes, strict=True)
                ]
            if time.monotonic() >= give_up_at:
                return [Outcome(error=OutcomeUnknown()) for _ in commands]
            time.sleep(RECONNECT_PAUSE_SECONDS)

    def _attempt(self, commands: Sequence[LedgerCommand]) -> list[Outcome]:
        wanted = {
            (key.scope, key.key)
            for command in commands
            for key in (command.key, *command.natural_keys())
        }
        cached = {
            stream: self._cache.get(stream) for command in commands for stream in command.streams()
        }
        loaded = self._recorder.load(
            keys=sorted(wanted),
            streams={
                stream: 0 if aggregate is None else aggregate.version
                for stream, aggregate in cached.items()
            },
            guards=sorted({account for command in commands for account in command.accounts()}),
        )
        now = self._book_time.now(loaded.head)
        turn = _Turn(loaded, cached, recorded_at=max(now, loaded.head.recorded_at))
        self._load_related(commands, turn, asked=set(cached))
        outcomes = [turn.decide(command) for command in commands]
        writes = self._write_up(turn)
        if writes.is_empty():
            self._recorder.rollback()
        else:
            try:
                self._recorder.commit(writes)
            except CommitInDoubtError:
                raise _InDoubtError(outcomes) from None
        self._cache.put_all(turn.aggregates)
        return outcomes

    def _load_related(
        self, commands: Sequence[LedgerCommand], turn: _Turn, *, asked: set[UUID]
    ) -> None:
        """Load what the first look-up has brought to light, until nothing is missing."""
        while True:
            related = missing(commands, turn.aggregates, asked=asked, guards=turn.guards)
            if not (related.streams or related.accounts):
                return
            cached = {stream: self._cache.get(stream) for stream in related.streams}
            rows, guards = self._recorder.load_more(
                streams={
                    stream: 0 if aggregate is None else aggregate.version
                    for stream, aggregate in cached.items()
                },
                guards=sorted(related.accounts),
            )
            asked |= related.streams
            turn.take(cached, rows, guards)

    def _write_up(self, turn: _Turn) -> Writes:
        accounts = accounts_of(turn.events)
        writes = turn.writes
        known, next_account_id = (
            self._recorder.balances(accounts, writes.generation) if accounts else ({}, 1)
        )
        writes.book = Book(known, next_account_id)
        for position, event in enumerate(turn.events, turn.first_position):
            writes.book.post(event, position)
            if isinstance(event, SubscriptionStarted):
                writes.subscriptions.append(
                    SubscriptionRow(position, event.creator_id, event.originator_id)
                )
        return writes


def _same(first: Outcome, found: Outcome) -> bool:
    """Whether a stored outcome is the one that the attempt in doubt had reached itself."""
    return found.replayed and replace(first, events=(), replayed=True, error=None) == replace(
        found, error=None
    )


class _Turn:
    """The state of one attempt: what was loaded, and what has been decided so far."""

    def __init__(
        self,
        loaded: Loaded,
        cached: dict[UUID, Aggregate | None],
        *,
        recorded_at: datetime,
    ) -> None:
        self._recorded_at = recorded_at
        self._position = loaded.head.position
        self.first_position = loaded.head.position + 1
        self._keys = {(row.scope, row.key): row for row in loaded.keys}
        self._claims = {
            (row.scope, row.key): row.stream_id for row in loaded.keys if row.stream_id is not None
        }
        self._broken: set[UUID] = set()
        self.aggregates: dict[UUID, Aggregate] = {
            stream: aggregate for stream, aggregate in cached.items() if aggregate is not None
        }
        self.guards = loaded.guards
        self._states = States(self.aggregates, self._claims, self.guards)
        self._fold(loaded.streams)
        self.events: list[LedgerEvent] = []
        self.writes = Writes(recorded_at, loaded.generation, Book({}, 1))
        self._recorded = RecordedTurn(self.writes.events)

    def take(
        self,
        cached: Mapping[UUID, Aggregate | None],
        rows: Sequence[StreamRow],
        guards: Mapping[AccountKey, int],
    ) -> None:
        """Add what was loaded later; nothing is decided yet."""
        for stream, aggregate in cached.items():
            if aggregate is not None:
                self.aggregates[stream] = aggregate
        self.guards.update(guards)
        self._fold(rows)

    def _fold(self, rows: Sequence[StreamRow]) -> None:
        for row in rows:
            if row.stream_id in self._broken:
                continue
            try:
                event = decode_event(
                    row.topic,
                    row.state,
                    originator_id=row.stream_id,
                    originator_version=row.version,
                )
                self.aggregates[row.stream_id] = evolve(self.aggregates.get(row.stream_id), event)
            except Exception:
                # One stream that cannot be read must not stop the book.
                logger.exception("stream_unreadable", extra={"stream": str(row.stream_id)})
                self._broken.add(row.stream_id)
                self.aggregates.pop(row.stream_id, None)

    def decide(self, command: LedgerCommand) -> Outcome:
        """Decide one command on the state so far, and note what it appends."""
        try:
            row = self._keys.get((command.key.scope, command.key.key))
            if row is not None:
                return _replay(row, command)
            if not self._broken.isdisjoint(command.streams()):
                return self._failed(command, DecisionFailed())
            return self._accept(command)
        except Refused as refused:
            return self._refuse(command, refused)
        except Exception:
            # Whatever a decision raises fails that command alone.
            logger.exception("decision_failed", extra={"command": type(command).__name__})
            return self._failed(command, DecisionFailed())

    def _accept(self, command: LedgerCommand) -> Outcome:
        decision = decide(command, self._states, self._occasion(command))
        changed: dict[UUID, Aggregate] = {}
        rows: list[Leaf] = []
        position = self._position
        for event in decision.events:
            stream = event.originator_id
            before = changed.get(stream) or self.aggregates.get(stream)
            changed[stream] = evolve(before, event)
            position += 1
            rows.append(
                Leaf(stream, event.originator_version, event.TOPIC, encode_state(event), position)
            )
        # Nothing above changed the turn: from here on nothing raises.
        self.aggregates.update(changed)
        self._position = position
        self.events.extend(decision.events)
        if self.guards:
            self._move_guards(decision.events)
        self.writes.events.extend(rows)
        if rows:
            self.writes.vault_entries.extend(command.vault_entries)
        return self._keep(command, decision)

    def _move_guards(self, events: Sequence[LedgerEvent]) -> None:
        """The next decision sees the balances that this one leaves."""
        for event in events:
            if (entry := event.journal_entry) is None:
                continue
            for posting in entry.postings:
                key = (posting.account, posting.currency)
                if key in self.guards:
                    self.guards[key] += posting.amount

    def _keep(self, command: LedgerCommand, decision: Decision) -> Outcome:
        aggregate = None if decision.stream is None else self.aggregates.get(decision.stream)
        outcome = Outcome(
            position=self._position,
            stream=decision.stream,
            version=None if aggregate is None else aggregate.version,
            verdict=decision.verdict,
            events=tuple(decision.events),
            turn=self._recorded if decision.events else None,
        )
        if decision.verdict is None or decision.verdict in FINAL:
            self._keep_key(command.key.scope, command.key.key, command, outcome)
        if decision.stream is not None and (
            # Of a transaction that is there already, another name may be learned.
            decision.events or decision.verdict is Verdict.DUPLICATE
        ):
            for key in command.natural_keys():
                if (key.scope, key.key) not in self._keys:
                    self._keep_key(key.scope, key.key, None, outcome)
        self._keep_callback(command, decision.verdict, None)
        return outcome

    def _refuse(self, command: LedgerCommand, refused: Refused) -> Outcome:
        if self._keep_callback(command, Verdict.PARKED, refused.code):
            return Outcome(position=self._position, verdict=Verdict.PARKED)
        outcome = Outcome(position=self._position, error=refused)
        # A natural key stands for a fact that may be true later; only callers' keys keep a no.
        if command.key.fingerprint is not None:
            self._keep_key(command.key.scope, command.key.key, command, outcome)
        return outcome

    def _failed(self, command: LedgerCommand, error: LedgerError) -> Outcome:
        if self._keep_callback(command, Verdict.PARKED, error.code):
            return Outcome(position=self._position, verdict=Verdict.PARKED)
        return Outcome(error=error)

    def _keep_key(self, scope: str, key: str, command: Command | None, outcome: Outcome) -> None:
        row = KeyRow(
            scope,
            key,
            None if command is None else command.key.fingerprint,
            outcome.stream,
            outcome.version,
            outcome.position,
            None if outcome.error is None else outcome.error.code,
            None if outcome.error is None else outcome.error.parameters,
            None if outcome.verdict is None else outcome.verdict.value,
        )
        self._keys[scope, key] = row
        self.writes.keys.append(row)
        if outcome.stream is not None:
            self._claims[scope, key] = outcome.stream

    def _keep_callback(
        self, command: LedgerCommand, verdict: Verdict | None, reason: str | None
    ) -> bool:
        """Note a callback's inbox row with its verdict; whether the command is a callback."""
        if not isinstance(command, CallbackCommand) or command.inbox_entry is None:
            return False
        if isinstance(command, ParkCallback | AwaitConfirmation | IgnoreCallback):
            reason = command.reason
        entry = command.inbox_entry
        self.writes.inbox[entry.provider, entry.natural_key] = InboxRow(
            entry, (verdict or Verdict.PARKED).value, reason, self._position
        )
        return True

    def _occasion(self, command: LedgerCommand) -> Occasion:
        entry = command.inbox_entry if isinstance(command, CallbackCommand) else None
        return Occasion(
            recorded_at=self._recorded_at,
            actor=command.actor,
            correlation_id=command.correlation_id,
            causation_id=command.causation_id,
            evidence=None if entry is None else entry.body_hash,
        )


def _replay(row: KeyRow, command: LedgerCommand) -> Outcome:
    if row.fingerprint is not None and row.fingerprint != command.key.fingerprint:
        return Outcome(error=IdempotencyKeyReused())
    return Outcome(
        position=row.position,
        stream=row.stream_id,
        version=row.version,
        verdict=None if row.verdict is None else Verdict(row.verdict),
        error=None if row.refusal is None else refusal(row.refusal, row.parameters or {}),
        replayed=True,
    )
