"""Rows about the turn itself, called in process: no HTTP, no other process."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tests.bench.library import library_work
from tests.bench.measure import Contenders, Row, Target
from tests.bench.payments import COMMANDS_A_RUN, CREATORS, payment_work
from tests.bench.pgbench import CLIENTS, raw_inserts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.bench.server import BenchServer

EVENTS_A_PAYMENT: Final = 2
LARGEST_BATCH: Final = max(COMMANDS_A_RUN)


def _against_saves(
    batch: int,
) -> Callable[[BenchServer], AbstractContextManager[Contenders]]:
    @contextmanager
    def contenders(server: BenchServer) -> Iterator[Contenders]:
        with payment_work(server) as ours, library_work(server) as theirs:
            yield Contenders(lambda: ours.events_a_second(batch=batch), theirs.saves_a_second)

    return contenders


@contextmanager
def _one_creator(server: BenchServer) -> Iterator[Contenders]:
    with payment_work(server) as work:
        yield Contenders(
            lambda: work.events_a_second(batch=LARGEST_BATCH, creators=1),
            lambda: work.events_a_second(batch=LARGEST_BATCH),
        )


@contextmanager
def _against_raw_inserts(server: BenchServer) -> Iterator[Contenders]:
    with payment_work(server) as work, raw_inserts(server) as transactions_a_second:
        yield Contenders(
            lambda: work.events_a_second(batch=LARGEST_BATCH) / EVENTS_A_PAYMENT,
            transactions_a_second,
        )


TURN_ROWS: Final = (
    *(
        Row(
            name=f"turn-{batch}",
            what=f"payments in process, {batch:,} commands a batch",
            unit="events/s",
            against="eventsourcing, Application.save one by one",
            target=Target(10) if batch == LARGEST_BATCH else None,
            contenders=_against_saves(batch),
        )
        for batch in COMMANDS_A_RUN
    ),
    Row(
        name="one-creator",
        what=f"payments in process, {LARGEST_BATCH:,} commands a batch, all to one creator",
        unit="events/s",
        against=f"the same over {CREATORS:,} creators",
        target=Target(0.85),
        contenders=_one_creator,
    ),
    Row(
        name="pgbench",
        what=f"payments in process, {LARGEST_BATCH:,} commands a batch",
        unit="payments/s",
        against=f"pgbench, a raw event row a transaction, {CLIENTS} clients",
        target=Target(0.5),
        contenders=_against_raw_inserts,
    ),
)
