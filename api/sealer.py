"""`hesabu sealer`: follows the log, keeps its tree, and signs what it saw, once a second at most.

    read on ─▶ tiles ─▶ sign ─▶ memory, synced ─▶ publication, synced ─▶ database

It adds nothing to what a payment waits for. It signs nothing that does not continue what it has
signed before: at its start it goes on from the stored tiles where the root that follows from them
is that of its memory, of the newest published checkpoint and of the newest of the database. Where
it is not, or nothing outside of the database is known, or it was told to, it makes the tree from
the events, and says what is wrong. While it runs, it hashes the whole history again, slowly; what
it finds is remembered, so that it does not go on after a restart either, until all is right again.
What does not agree ends it, with the reason; a person must look. If it can neither remember nor
publish, it does not sign, and tries again. Two of them over one log sign the same.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Final

import psycopg
import structlog

from api.database import book_location
from api.metrics import Metrics, served
from api.seal_memory import Publication, SealMemory
from api.signing_keys import checkpoint_signers
from ledger.checkpoints import Checkpoint, CheckpointError, SignedCheckpoint, sign_checkpoint
from ledger.database.roles import DatabaseRole
from projections.sealed_log import BATCH, InconsistentLogError, Known, SealedLog
from projections.sealed_recheck import Rechecks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.settings import Settings
    from ledger.checkpoints import Signer
    from ledger.database.connections import BookLocation

logger = structlog.get_logger()

POLL_SECONDS: Final = 0.2
SEAL_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 2.0
NICENESS: Final = 5
"""Where there are too few cores, payments go first; of one it needs a small part."""

MEMORY: Final = "this sealer's memory"
PUBLICATION: Final = "the publication"
DATABASE: Final = "the database"


class Sealer:
    """Seals one book until it is stopped."""

    def __init__(
        self,
        book: BookLocation,
        signers: Sequence[Signer],
        memory: SealMemory,
        publication: Publication,
        *,
        seal_seconds: float = SEAL_SECONDS,
        recheck: bool = False,
    ) -> None:
        self._book = book
        self._signers = signers
        self._memory = memory
        self._publication = publication
        self._seal_seconds = seal_seconds
        self._recheck = recheck
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Sign what is read, and end."""
        self._stopping.set()

    def run(self) -> None:
        """Seal until stopped; a database that is away is waited for.

        Raises `InconsistentLogError` or `UnreadableMemoryError`: nothing may be signed then.
        """
        while not self._stopping.is_set():
            try:
                with self._book.connect_reader() as connection:
                    # The whole log may be read in it, a batch at a time.
                    self._seal(SealedLog(connection))
            except psycopg.OperationalError:
                logger.warning("sealing_interrupted")
                self._stopping.wait(AGAIN_SECONDS)

    def _begin(self, log: SealedLog) -> None:
        known = self._known(log)
        outside = any(each.source != DATABASE for each in known)
        look = self._recheck or self._memory.doubted() is not None or not outside
        if look or not log.resume(known):
            log.make(known)
            self._memory.settle()
            logger.info("log_rechecked", size=log.size)
        self._recheck = False
        logger.info("log_agrees", size=log.size)

    def _seal(self, log: SealedLog) -> None:
        self._begin(log)
        rechecks = Rechecks(log.recheck)
        sealed = 0
        while True:
            if log.size > sealed and self._sign(log):
                sealed = log.size
            if self._stopping.is_set():
                return
            signed_at = time.monotonic()
            while not self._stopping.is_set():
                # Small batches cost more for each event, and nobody waits for them.
                if log.read_on() < BATCH:
                    self._go_on(rechecks)
                    self._stopping.wait(POLL_SECONDS)
                if log.size > sealed and time.monotonic() - signed_at >= self._seal_seconds:
                    break

    def _go_on(self, rechecks: Rechecks) -> None:
        try:
            size = rechecks.go_on()
        except InconsistentLogError as error:
            self._memory.doubt(str(error))
            raise
        if size:
            logger.info("log_rechecked", size=size)

    def _known(self, log: SealedLog) -> list[Known]:
        note = log.newest_note()
        kept = {
            MEMORY: self._memory.read(),
            PUBLICATION: self._publication.newest(),
            DATABASE: None if note is None else SignedCheckpoint.parse(note),
        }
        known = []
        for source, signed in kept.items():
            if signed is not None:
                self._check_signature(signed, source)
                checkpoint = signed.checkpoint
                known.append(Known(checkpoint.size, checkpoint.root, source))
        return known

    def _check_signature(self, signed: SignedCheckpoint, source: str) -> None:
        if signed.checkpoint.origin != self._signers[0].name:
            message = f"The newest checkpoint of {source} is of another log."
            raise InconsistentLogError(message)
        try:
            signed.verify([signer.verifier_key for signer in self._signers])
        except CheckpointError as error:
            message = (
                f"The newest checkpoint of {source} is not signed by a key that is here ({error})."
            )
            raise InconsistentLogError(message) from None

    def _sign(self, log: SealedLog) -> bool:
        """Whether a checkpoint of the tree as it is was remembered, published and stored."""
        checkpoint = Checkpoint(self._signers[0].name, log.size, log.root())
        signed = sign_checkpoint(checkpoint, *self._signers)
        try:
            self._memory.write(signed)
            self._publication.publish(signed)
        except OSError:
            logger.exception("checkpoint_not_published", size=log.size)
            return False
        log.keep(signed)
        logger.info("log_sealed", size=log.size)
        return True


def seal(settings: Settings, *, recheck: bool = False) -> None:
    """Seal until SIGTERM or SIGINT, at first looking at every event again if that is wanted.

    Raises what `Sealer.run` and `checkpoint_signers` raise.
    """
    signers = checkpoint_signers(settings.seal_keys_directory, settings.origin)
    for signer in signers:
        logger.info("verifier_key", key=str(signer.verifier_key))
    sealer = Sealer(
        book_location(settings, DatabaseRole.SEALER),
        signers,
        SealMemory(settings.seal_memory_file),
        Publication(settings.checkpoints_directory),
        recheck=recheck,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sealer.stop())
    os.nice(NICENESS)
    with served(Metrics(), settings):
        sealer.run()
