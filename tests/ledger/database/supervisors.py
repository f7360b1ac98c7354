"""What the tests of the embedded server share: directories, other processes, questions to it."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from ledger.database.embedded import EmbeddedPostgres

REPOSITORY = Path(__file__).parents[3]
RUNS_AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not RUNS_AS_ROOT, reason="only root can become another account")


@contextlib.contextmanager
def temporary_directory() -> Iterator[Path]:
    # Not tmp_path: as root that lies in a directory which only root can enter.
    with tempfile.TemporaryDirectory(prefix="hesabu test ") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def run_python(
    script: str, *arguments: str | Path, user_id: int | None = None, home: str = "/"
) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = ["/usr/bin/env"]
    if user_id is not None:
        environment["HOME"] = home
        command = ["setpriv", f"--reuid={user_id}", f"--regid={user_id}"]
        command.append("--clear-groups")
    return subprocess.Popen(
        [*command, sys.executable, "-c", script, *arguments],
        cwd="/",
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def query(conninfo: str, statement: str) -> object:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return row and row[0]


def server_process_id(directory: Path) -> int:
    return int((directory / "data" / "postmaster.pid").read_text().splitlines()[0])


def socket_directory(server: EmbeddedPostgres) -> Path:
    return Path(str(conninfo_to_dict(server.owner_conninfo())["host"]))
