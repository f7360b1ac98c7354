"""Who was erased, as a file beside the key store: what a restored database does not know.

A line an erasure, in JSON, synced before anything is erased: ids, when, by whom, why, and which
keys. It only grows. A line that a crash cut off was acted on by nobody, and is taken away before
the next one is written.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ledger.database.private_files import open_private

if TYPE_CHECKING:
    from pathlib import Path

PIECE: Final = 1 << 20


class UnreadableErasureListError(RuntimeError):
    """A line of the list cannot be read; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """That a person was erased; `key_ids` are of the keys that were destroyed with them."""

    erasure_id: UUID
    person_id: UUID
    recorded_at: datetime
    erased_by: str
    reason: str
    key_ids: tuple[UUID, ...]

    def line(self) -> bytes:
        """It as a line of the list."""
        return json.dumps(asdict(self), default=str, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> Erasure:
        """Read a line. Raises `ValueError`, `KeyError` or `TypeError` for one that is not right."""
        found = json.loads(line)
        return cls(
            erasure_id=UUID(found["erasure_id"]),
            person_id=UUID(found["person_id"]),
            recorded_at=datetime.fromisoformat(found["recorded_at"]),
            erased_by=str(found["erased_by"]),
            reason=str(found["reason"]),
            key_ids=tuple(UUID(key_id) for key_id in found["key_ids"]),
        )


class ErasureList:
    """The list in a file (mode 0600); safe between threads and processes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Erasure]:
        """All of it, in order; none where there is no file. Raises `UnreadableErasureListError`."""
        if not self.path.exists():
            return []
        # What follows the last end of a line was cut off.
        lines = self.path.read_bytes().split(b"\n")[:-1]
        return [self._parsed(number, line) for number, line in enumerate(lines, 1)]

    def _parsed(self, number: int, line: bytes) -> Erasure:
        try:
            return Erasure.parse(line)
        except (ValueError, KeyError, TypeError):
            message = f"{self.path}, line {number}: no erasure. Restore the file from its backup."
            raise UnreadableErasureListError(message) from None

    def append(self, erasure: Erasure) -> None:
        """Add a line, on the disk when this returns. Raises `OSError`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open_private(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as descriptor:
            # Given back with the descriptor, also by a process that is killed.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.ftruncate(descriptor, _whole_bytes(descriptor))
            _write_all(descriptor, erasure.line())
            os.fsync(descriptor)
        _sync_directory(self.path.parent)


def _whole_bytes(descriptor: int) -> int:
    """How much of the file is whole lines."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        begin = max(0, end - PIECE)
        found = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def _write_all(descriptor: int, line: bytes) -> None:
    while line:
        line = line[os.write(descriptor, line) :]


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
