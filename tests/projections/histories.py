"""Books with a past: random lives of payments, from a seed, and the same past told naively."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, NamedTuple, TypedDict
from uuid import UUID

from ledger.application import Ledger
from ledger.commands import Claim
from tests.builders import (
    NOON,
    assign_fee_plan,
    cancel_payment,
    expire_payment,
    initiate_payment,
    record_submission_unknown,
    record_submitted,
    register_creator,
    report_success,
    report_without_money,
    start_submission,
)
from tests.databases import rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database.connections import BookLocation
    from ledger.database.location import DatabaseLocation
    from ledger.decisions import LedgerCommand

CURRENCIES = ("KES", "UGX")


class _Begun(NamedTuple):
    payment: UUID
    fan: UUID
    amount: int
    currency: str


class Life:
    """Random commands about a few creators and their payments; refusals are part of it."""

    def __init__(self, seed: int, *, creators: int = 5) -> None:
        self.random = Random(seed)
        self.creators = [self.new_id() for _ in range(creators)]
        self._payments: list[_Begun] = []

    def new_id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def registrations(self) -> list[LedgerCommand]:
        """All creators; those with an odd number are paid in shillings of Uganda."""
        return [
            register_creator(creator, currency=CURRENCIES[number % 2])
            for number, creator in enumerate(self.creators)
        ]

    def commands(self, count: int) -> list[LedgerCommand]:
        """The next commands. Most payments are begun and paid, some go every other way."""
        return [self._command() for _ in range(count)]

    def _command(self) -> LedgerCommand:
        if not self._payments or self.random.random() < 0.4:
            return self._begin()
        begun = self.random.choice(self._payments[-30:])
        return self._pay(begun) if self.random.random() < 0.4 else self._go_another_way(begun)

    def _begin(self) -> LedgerCommand:
        number = self.random.randrange(len(self.creators))
        begun = _Begun(
            self.new_id(), self.new_id(), self.random.randrange(1, 10**7), CURRENCIES[number % 2]
        )
        self._payments.append(begun)
        return initiate_payment(
            self.creators[number],
            begun.amount,
            payment_id=begun.payment,
            fan_id=begun.fan,
            currency=begun.currency,
        )

    def _pay(self, begun: _Begun) -> LedgerCommand:
        amounts = [begun.amount] * 5 + [begun.amount + 7, max(1, begun.amount - 7)]
        return report_success(begun.payment, self.random.choice(amounts), currency=begun.currency)

    def _go_another_way(self, begun: _Begun) -> LedgerCommand:
        ways: list[LedgerCommand] = [
            report_success(None, begun.amount, currency=begun.currency),
            report_success(begun.payment, begun.amount, currency="KES"),
            report_without_money(begun.payment, Claim.FAILED, reason="refused"),
            report_without_money(begun.payment, Claim.CANCELLED),
            start_submission(begun.payment),
            start_submission(begun.payment),
            record_submitted(begun.payment),
            record_submission_unknown(begun.payment),
            expire_payment(begun.payment),
            cancel_payment(begun.payment, begun.fan),
            assign_fee_plan(self.random.choice(self.creators), self.random.randrange(3_000)),
        ]
        return self.random.choice(ways)


class Clock:
    """Time for a ledger: moved by hand."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def live(book: BookLocation, life: Life, *, turns: int = 30, commands: int = 12) -> None:
    """Let a life happen in a book, a minute a turn, beginning now."""
    [[started_at]] = rows(book.database, "SELECT max(recorded_at) FROM turns")
    clock = Clock(started_at)
    ledger = Ledger(book, clock=clock)
    try:
        ledger.execute(life.registrations())
        for _ in range(turns):
            clock.advance(life.random.choice([0, 1, 60, 4_000]))
            ledger.execute(life.commands(commands))
    finally:
        ledger.close()


class Moment(TypedDict, total=False):
    """As of when something is asked."""

    as_of_position: int
    as_of: datetime


class Line(NamedTuple):
    """One posting as anybody computes it from the log; minor units, debit positive."""

    position: int
    line: int
    account: str
    currency: str
    amount: int
    balance: int
    recorded_at: datetime
    topic: str
    stream_id: UUID
    version: int


class Naive:
    """The log read at once, and every question answered by going through all of it."""

    def __init__(self, database: DatabaseLocation) -> None:
        self.events = [
            (position, stream, version, topic, bytes(state))
            for position, stream, version, topic, state in rows(
                database,
                "SELECT notification_id, originator_id, originator_version, topic, state "
                "FROM ledger_events ORDER BY notification_id",
            )
        ]
        self.head = len(self.events)
        self.recorded_at = [
            datetime.fromisoformat(json.loads(state)["recorded_at"]) for *_, state in self.events
        ]
        self.lines = list(self._post())

    def _post(self) -> Iterator[Line]:
        running: dict[tuple[str, str], int] = defaultdict(int)
        for position, stream, version, topic, state in self.events:
            entry = json.loads(state).get("entry") or {"postings": []}
            for line, posting in enumerate(entry["postings"]):
                account = (posting["account"], posting["currency"])
                running[account] += posting["amount"]
                yield Line(
                    position,
                    line,
                    *account,
                    posting["amount"],
                    running[account],
                    self.recorded_at[position - 1],
                    topic,
                    stream,
                    version,
                )

    def position_at(self, time: datetime) -> int:
        """The last position recorded at or before a time."""
        return sum(recorded_at <= time for recorded_at in self.recorded_at)

    def balances(self, position: int) -> dict[tuple[str, str], int]:
        """(account, currency) → balance at a position, of every account with a line by then."""
        return {
            (line.account, line.currency): line.balance
            for line in self.lines
            if line.position <= position
        }

    def creator_balances(self, creator: UUID, position: int) -> dict[str, dict[str, int]]:
        """Currency → short account name → what the creator has, zeros left out."""
        found: dict[str, dict[str, int]] = {}
        for (account, currency), balance in self.balances(position).items():
            if account.startswith(f"creator:{creator}:") and balance:
                found.setdefault(currency, {})[account.rpartition(":")[2]] = -balance
        return found
