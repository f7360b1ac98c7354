"""Books with a past: random lives of payments, from a seed, and the same past told naively."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, NamedTuple
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


class Life:
    """Random commands about a few creators and their payments; refusals are part of it."""

    def __init__(self, seed: int, *, creators: int = 5) -> None:
        self.random = Random(seed)
        self.creators = [self.new_id() for _ in range(creators)]
        self._payments: list[tuple[UUID, UUID, int, str]] = []

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
        chance = self.random
        if not self._payments or chance.random() < 0.4:
            number = chance.randrange(len(self.creators))
            payment, fan = self.new_id(), self.new_id()
            amount, currency = chance.randrange(1, 10**7), CURRENCIES[number % 2]
            self._payments.append((payment, fan, amount, currency))
            return initiate_payment(
                self.creators[number],
                amount,
                payment_id=payment,
                fan_id=fan,
                currency=currency,
            )
        payment, fan, amount, currency = chance.choice(self._payments[-30:])
        paid = chance.choice([amount] * 5 + [amount + 7, max(1, amount - 7)])
        return chance.choice(
            [report_success(payment, paid, currency=currency)] * 6
            + [
                report_success(None, paid, currency=currency),
                report_success(payment, paid, currency="KES"),
                report_without_money(payment, Claim.FAILED, reason="refused"),
                report_without_money(payment, Claim.CANCELLED),
                start_submission(payment),
                start_submission(payment),
                record_submitted(payment),
                record_submission_unknown(payment),
                expire_payment(payment),
                cancel_payment(payment, fan),
                assign_fee_plan(chance.choice(self.creators), chance.randrange(3_000)),
            ]
        )


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
            datetime.fromisoformat(json.loads(state)["recorded_at"])
            for *_, state in self.events
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
