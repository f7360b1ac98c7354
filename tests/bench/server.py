"""The server that all rows share: embedded, temporary, with its normal and safe settings."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.database.embedded import EmbeddedPostgres
from tests.databases import Databases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database.location import DatabaseLocation

DISK: Final = Path("/var/tmp")  # noqa: S108 - a directory of our own is made in it
"""Temporary files survive a restart here, so it is a disk: commits to memory would cost nothing."""


@dataclass(frozen=True, slots=True)
class BenchServer:
    """A running server, a directory for files, and databases on demand."""

    embedded: EmbeddedPostgres
    databases: Databases
    directory: Path
    _numbers: count[int]

    def book(self) -> DatabaseLocation:
        """Create a database with an empty book."""
        return self.databases.create()

    def empty_database(self) -> str:
        """Create a database with nothing in it; returns how its superuser connects."""
        name = f"against_{next(self._numbers)}"
        self.embedded.ensure_database(name)
        return self.embedded.owner_conninfo(name)


@contextmanager
def bench_server() -> Iterator[BenchServer]:
    """Start a server in a directory of its own; both are gone afterwards."""
    base = DISK if DISK.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="hesabu-bench-", dir=base) as name:
        directory = Path(name)
        # Root's server runs under another account, which must be able to enter.
        directory.chmod(0o755)
        with EmbeddedPostgres(directory / "server") as embedded:
            yield BenchServer(embedded, Databases(embedded), directory, count(1))
