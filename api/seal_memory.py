"""What a sealer remembers outside of the database, and where it publishes: both only grow.

    memory       one file beside the keys: the last checkpoint that was signed
    doubt        a file beside it, while something in the log was found to be another than it was
    publication  a directory: a file a day, a checkpoint a line, in order; best on another machine's
                 disk, or copied to one by whoever wants to be able to prove something

Both are written and synced before the database hears of a checkpoint.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ledger.checkpoints import CheckpointError, SignedCheckpoint
from ledger.database.private_files import write_private

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX: Final = ".checkpoints"


class UnreadableMemoryError(RuntimeError):
    """What was remembered or published cannot be read; the message says which file."""


class SealMemory:
    """The last checkpoint that this sealer has signed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> SignedCheckpoint | None:
        """It, or None before the first. Raises `UnreadableMemoryError`."""
        if not self.path.exists():
            return None
        return _parsed(self.path.read_text(encoding="utf-8"), self.path)

    @property
    def _doubt(self) -> Path:
        return self.path.with_suffix(".doubt")

    def doubt(self, reason: str) -> None:
        """Remember that the log is not as it was, so that no restart forgets it."""
        write_private(self._doubt, reason)

    def doubted(self) -> str | None:
        """Why the log is doubted; None if it is not."""
        return self._doubt.read_text(encoding="utf-8") if self._doubt.exists() else None

    def settle(self) -> None:
        """The whole log was looked at and is right."""
        self._doubt.unlink(missing_ok=True)

    def write(self, signed: SignedCheckpoint) -> None:
        """Remember it, on the disk when this returns. Raises `OSError`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_private(self.path, str(signed))
        _sync_directory(self.path.parent)


class Publication:
    """An append-only directory of checkpoints."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def newest(self) -> SignedCheckpoint | None:
        """The last one of the last file; a line that a crash cut off is none.

        Raises `UnreadableMemoryError`.
        """
        if not self.directory.exists():
            return None
        for path in sorted(self.directory.glob(f"*{SUFFIX}"), reverse=True):
            lines = path.read_text(encoding="utf-8").split("\n")[:-1]
            if lines:
                try:
                    note = json.loads(lines[-1])
                except ValueError:
                    message = f"{path}: its last line is no checkpoint"
                    raise UnreadableMemoryError(message) from None
                return _parsed(str(note), path)
        return None

    def publish(self, signed: SignedCheckpoint) -> None:
        """Append it, on the disk when this returns. Raises `OSError`."""
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / f"{datetime.now(UTC):%Y-%m-%d}{SUFFIX}"
        is_new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        with os.fdopen(descriptor, "ab") as file:
            # After a line that was cut off, on a line of its own.
            begins = b"" if file.tell() == 0 or _ends_whole(path) else b"\n"
            file.write(begins + json.dumps(str(signed), ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            _sync_directory(self.directory)


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _parsed(note: str, path: Path) -> SignedCheckpoint:
    try:
        return SignedCheckpoint.parse(note)
    except CheckpointError as error:
        message = f"{path}: {error}"
        raise UnreadableMemoryError(message) from None


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
