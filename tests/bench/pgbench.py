"""PostgreSQL's own yardstick: pgbench with 32 clients, one raw event row a transaction."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg

from ledger.database.binaries import find_postgres_binaries
from tests.bench.library import payment_states

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.bench.server import BenchServer

CLIENTS: Final = 32
THREADS: Final = 2
SECONDS: Final = 3

CREATE_RAW_EVENTS: Final = """
    CREATE TABLE raw_events (
        originator_id uuid NOT NULL,
        originator_version bigint NOT NULL,
        topic text NOT NULL,
        state bytea NOT NULL,
        notification_id bigserial UNIQUE,
        PRIMARY KEY (originator_id, originator_version)
    )
"""
INSERT_RAW_EVENT: Final = """
    INSERT INTO raw_events (originator_id, originator_version, topic, state)
    VALUES (gen_random_uuid(), 1, 'payment.initiated.v1', '\\x{state}');
"""


@contextmanager
def raw_inserts(server: BenchServer) -> Iterator[Callable[[], float]]:
    """Measures transactions a second, each inserting one row as large as an event of ours."""
    conninfo = server.empty_database()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(CREATE_RAW_EVENTS)
    script = server.directory / "raw-inserts.sql"
    statement = " ".join(INSERT_RAW_EVENT.split())
    script.write_text(f"{statement.format(state=payment_states()[0].hex())}\n")

    def transactions_a_second() -> float:
        arguments = ["-n", "-M", "prepared", "-c", CLIENTS, "-j", THREADS, "-T", SECONDS]
        answer = subprocess.run(
            [
                find_postgres_binaries() / "pgbench",
                *map(str, arguments),
                *("-f", str(script), conninfo),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        found = re.search(r"^tps = ([0-9.]+)", answer.stdout, re.MULTILINE)
        if found is None:
            raise RuntimeError(answer.stdout)
        return float(found[1])

    yield transactions_a_second
