"""Hesabu's own processes beside a measurement, each with a directory of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database.location import DatabaseLocation
    from tests.bench.server import BenchServer


@contextmanager
def hesabu(
    server: BenchServer, database: DatabaseLocation, command: str
) -> Iterator[subprocess.Popen[bytes]]:
    """`hesabu COMMAND` on a book, until the end of the block."""
    directory = server.directory / f"{command}-{uuid4().hex}"
    directory.mkdir()
    settings = {
        "DATABASE_URL": database.owner_conninfo(),
        "HESABU_DATA_DIRECTORY": str(directory),
    }
    with (directory / "log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", command],
            env={**os.environ, **settings},
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
