"""`hesabu sealer`: follows the log, keeps its tree, and signs what it saw, once a second at most.

    read on ─▶ tiles ─▶ sign ─▶ memory, synced ─▶ publication, synced ─▶ database

It adds nothing to what a payment waits for. It signs nothing that does not continue what it has
signed before: at its start it makes the tree from the events and holds it against its memory, the
newest published checkpoint and the newest of the database. What does not agree ends it, with the
reason; a person must look. If it can neither remember nor publish, it does not sign, and tries
again. Two of them over one log sign the same.
"""

from __future__ import annotations

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
from projections.sealed_log import InconsistentLogError, Known, SealedLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.settings import Settings
    from ledger.checkpoints import Signer
    from ledger.database.connections import BookLocation

logger = structlog.get_logger()

POLL_SECONDS: Final = 0.2
SEAL_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 2.0


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
    ) -> None:
        self._book = book
        self._signers = signers
        self._memory = memory
        self._publication = publication
        self._seal_seconds = seal_seconds
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

    def _seal(self, log: SealedLog) -> None:
        log.make(self._known(log))
        logger.info("log_agrees", size=log.size)
        sealed = 0
        while True:
            if log.size > sealed and self._sign(log):
                sealed = log.size
            if self._stopping.is_set():
                return
            signed_at = time.monotonic()
            while not self._stopping.is_set():
                if log.read_on() == 0:
                    self._stopping.wait(POLL_SECONDS)
                if log.size > sealed and time.monotonic() - signed_at >= self._seal_seconds:
                    break

    def _known(self, log: SealedLog) -> list[Known]:
        note = log.newest_note()
        kept = {
            "this sealer's memory": self._memory.read(),
            "the publication": self._publication.newest(),
            "the database": None if note is None else SignedCheckpoint.parse(note),
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


def seal(settings: Settings) -> None:
    """Seal until SIGTERM or SIGINT. Raises what `Sealer.run` and `checkpoint_signers` raise."""
    signers = checkpoint_signers(settings.seal_keys_directory, settings.origin)
    for signer in signers:
        logger.info("verifier_key", key=str(signer.verifier_key))
    sealer = Sealer(
        book_location(settings, DatabaseRole.SEALER),
        signers,
        SealMemory(settings.seal_memory_file),
        Publication(settings.checkpoints_directory),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sealer.stop())
    with served(Metrics(), settings):
        sealer.run()
