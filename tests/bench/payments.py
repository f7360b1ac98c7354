"""The work that is measured: payments, each initiated and then paid, in batches of commands.

A payment is two events and three journal lines, with an idempotency key for each command and one
for the provider's transaction, and its balances change in the same transaction.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import TYPE_CHECKING, Final
from uuid import UUID

from uuid_utils.compat import uuid7

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.postings import FeePlan
from tests.builders import initiate_payment, register_creator, report_success

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.decisions import LedgerCommand
    from tests.bench.server import BenchServer

CREATORS: Final = 1_000
FEE_WITHOUT_TAX: Final = FeePlan(fee_basis_points=1_000, vat_basis_points=0)
COMMANDS_A_RUN: Final = {1: 600, 10: 2_000, 100: 6_000, 1_000: 12_000}
"""Batch size → how many commands make a run of about a second."""


@dataclass(frozen=True, slots=True)
class PaymentWork:
    """A ledger with creators; measures payments recorded by `Ledger.execute`."""

    ledger: Ledger
    creators: list[UUID] = field(default_factory=list)

    def register_creators(self) -> None:
        for _ in range(CREATORS):
            self.creators.append(_new_id())
        commands: list[LedgerCommand] = [
            register_creator(creator, plan=FEE_WITHOUT_TAX) for creator in self.creators
        ]
        _require_success(self.ledger, commands)

    def events_a_second(self, *, batch: int, creators: int = CREATORS) -> float:
        """Events a second when `batch` commands are executed at a time, for so many creators."""
        batches = self._batches(batch, creators)
        started = time.perf_counter()
        for commands in batches:
            _require_success(self.ledger, commands)
        return sum(map(len, batches)) / (time.perf_counter() - started)

    def execute(self, commands: int) -> int:
        """One turn of so many commands; the position of its last event."""
        payees = [self.creators[number % CREATORS] for number in range(commands // 2)]
        outcomes = self.ledger.execute(_payments(payees))
        return max(outcome.position for outcome in outcomes)

    def commands_a_run(self, batch: int) -> int:
        """How many commands `events_a_second` executes."""
        payments = max(1, batch // 2)
        return COMMANDS_A_RUN[batch] // (2 * payments) * 2 * payments

    def _batches(self, size: int, creators: int) -> list[list[LedgerCommand]]:
        payees = cycle(self.creators[:creators])
        payments = max(1, size // 2)
        batches = []
        for _ in range(COMMANDS_A_RUN[size] // (2 * payments)):
            batch = _payments(list(islice(payees, payments)))
            batches.extend([batch] if size > 1 else [[command] for command in batch])
        return batches


@contextmanager
def payment_work(server: BenchServer) -> Iterator[PaymentWork]:
    """A ledger on a new book, with creators."""
    ledger = Ledger(BookLocation(server.book(), DatabaseRole.APP))
    try:
        work = PaymentWork(ledger)
        work.register_creators()
        yield work
    finally:
        ledger.close()


def _payments(creators: list[UUID]) -> list[LedgerCommand]:
    initiations = [initiate_payment(creator, payment_id=_new_id()) for creator in creators]
    reports = [report_success(initiation.payment_id) for initiation in initiations]
    return [*initiations, *reports]


def _new_id() -> UUID:
    return UUID(int=uuid7().int)


def _require_success(ledger: Ledger, commands: list[LedgerCommand]) -> None:
    failed = [outcome for outcome in ledger.execute(commands) if outcome.error is not None]
    if failed:
        raise RuntimeError(failed[0])
