"""Rows about the sealer: what it costs those who write, and whether it keeps up with them."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.checkpoints import Checkpoint, Signer, sign_checkpoint
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from projections.sealed_log import SealedLog
from tests.bench.measure import Contenders, Row, Target
from tests.bench.payments import payment_work
from tests.bench.processes import hesabu
from tests.databases import superuser, value

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.bench.payments import PaymentWork
    from tests.bench.server import BenchServer

BATCH: Final = 1_000
SLICES: Final = 3
"""Runs of a measurement: the sealer signs once a second, so it has to be longer than that."""

SEALED_SECONDS_MAX: Final = 60.0
SIGNER: Final = Signer("bench/log", Ed25519PrivateKey.generate())
HEAD: Final = "SELECT max(position) FROM turns"
SEALED: Final = "SELECT coalesce(max(size), 0) FROM checkpoints"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A book that is written and sealed at once; the sealer is a process that can be stopped."""

    work: PaymentWork
    sealer: subprocess.Popen[bytes]

    def beside_the_sealer(self) -> float:
        """Commands a second while it seals. It has as much to do at the end as at the beginning."""
        self._write()
        return self._commands_a_second()

    def without_it(self) -> float:
        """The same while it is stopped. What it missed it catches up with before the next run."""
        self._wait_until_sealed()
        self.sealer.send_signal(signal.SIGSTOP)
        try:
            self._write()
            return self._commands_a_second()
        finally:
            self.sealer.send_signal(signal.SIGCONT)
            self._wait_until_sealed()

    def _write(self) -> None:
        self.work.events_a_second(batch=BATCH)

    def _commands_a_second(self) -> float:
        rates = [self.work.events_a_second(batch=BATCH) for _ in range(SLICES)]
        return SLICES / sum(1 / rate for rate in rates)

    def _wait_until_sealed(self) -> None:
        database = self.work.ledger.book.database
        head, give_up_at = value(database, HEAD), time.monotonic() + SEALED_SECONDS_MAX
        while value(database, SEALED) < head:
            if self.sealer.poll() is not None or time.monotonic() > give_up_at:
                message = "the sealer does not seal"
                raise RuntimeError(message)
            time.sleep(0.05)


@contextmanager
def _writing_beside_it(server: BenchServer) -> Iterator[Contenders]:
    with (
        payment_work(server) as work,
        hesabu(server, work.ledger.book.database, "sealer") as sealer,
    ):
        ours = Sealed(work, sealer)
        yield Contenders(ours.beside_the_sealer, ours.without_it)


@dataclass(frozen=True, slots=True)
class Unsealed:
    """A book that nobody has sealed; measures sealing all of it."""

    work: PaymentWork

    def events_a_second(self) -> float:
        """Events sealed a second: read, hashed, their tiles stored, and a checkpoint."""
        database = self.work.ledger.book.database
        with superuser(database) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute("TRUNCATE merkle_tiles, checkpoints")
        with BookLocation(database, DatabaseRole.SEALER).connect_reader() as connection:
            log = SealedLog(connection)
            started = time.perf_counter()
            while log.read_on():
                pass
            log.keep(sign_checkpoint(Checkpoint(SIGNER.name, log.size, log.root()), SIGNER))
            seconds = time.perf_counter() - started
        if log.size != value(database, HEAD):
            message = f"sealed {log.size} events only"
            raise RuntimeError(message)
        return log.size / seconds

    def written_a_second(self) -> float:
        """Events a second that the turn records."""
        database = self.work.ledger.book.database
        before, commands = value(database, HEAD), self.work.events_a_second(batch=BATCH)
        seconds = self.work.commands_a_run(BATCH) / commands
        return float(value(database, HEAD) - before) / seconds


@contextmanager
def _keeping_up(server: BenchServer) -> Iterator[Contenders]:
    with payment_work(server) as work:
        work.events_a_second(batch=BATCH)
        book = Unsealed(work)
        yield Contenders(book.events_a_second, book.written_a_second)


SEALING_ROWS: Final = (
    Row(
        name="sealing",
        what=f"payments in process, {BATCH:,} commands a batch, a sealer beside them",
        unit="commands/s",
        against="the same while the sealer is stopped",
        target=Target(0.98),
        contenders=_writing_beside_it,
    ),
    Row(
        name="sealing-rate",
        what="events sealed, from the first one on",
        unit="events/s",
        against=f"payments in process, {BATCH:,} commands a batch",
        target=Target(2),
        contenders=_keeping_up,
    ),
)
