"""How does a machine without a database get one? A PostgreSQL supervised by ourselves.

    no cluster ──start──▶ running, ours ──stop, exit──▶ stopped ──start──▶ running, ours
                              │    ▲
                owner killed  │    │ start of another supervisor adopts the server
                              ▼    │
                         running, nobody's

A supervisor that finds a server whose owner lives attaches to it and never stops it. The server
speaks on a Unix socket only. Trust authentication exists nowhere: `postgres` is let in by the
operating system's word (peer) on who runs the supervisor, everybody else by SCRAM.
"""

import atexit
import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import platformdirs
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ledger.database.binaries import PostgresUnavailable
from ledger.database.cluster import DEFAULT_SETTINGS, Cluster, Postmaster, require_settable
from ledger.database.embedded_errors import (
    DataDirectoryUnusable,
    InvalidSetting,
    ServerNotRunning,
    ServerStartFailed,
    ServerStopFailed,
    ServerVersionMismatch,
    SocketDirectoryUnusable,
)
from ledger.database.private_files import open_private, write_private
from ledger.database.processes import process_start
from ledger.database.roles import DatabaseRole, ensure_roles

__all__ = [
    "DataDirectoryUnusable",
    "EmbeddedPostgres",
    "InvalidSetting",
    "ServerNotRunning",
    "ServerStartFailed",
    "ServerStopFailed",
    "ServerVersionMismatch",
    "SocketDirectoryUnusable",
    "default_directory",
]

DATABASE_NAME_BYTES_MAX: Final = 63
CREATE_DATABASE = sql.SQL("CREATE DATABASE {name} OWNER {owner} TEMPLATE template0")
DATABASE_EXISTS = "SELECT FROM pg_database WHERE datname = %s"


def default_directory() -> Path:
    """Return where the embedded server lives unless told otherwise.

    `postgres` in `HESABU_DATA_DIRECTORY`, or else in the user's data directory of Hesabu.
    """
    chosen = os.environ.get("HESABU_DATA_DIRECTORY")
    base = Path(chosen).expanduser() if chosen else platformdirs.user_data_path("hesabu")
    return base / "postgres"


class EmbeddedPostgres:
    """A PostgreSQL server on this machine: started, shared with other processes, stopped.

    `directory` holds `data` (the cluster, or a link to it), `passwords.json` (one for each role,
    readable by its owner only), `server.log`, `supervisor.lock` and `owner.json`. `settings`
    are PostgreSQL's, override `DEFAULT_SETTINGS`, and take effect when this object starts the
    server, not when it attaches to a running one.

    The process that started a server owns it, and stops it in `stop`, at the end of a `with`
    block, or at exit. Python runs no exit hooks on SIGTERM: callers turn it into SystemExit, and
    never call `stop` from a signal handler, which may interrupt a `start` that holds the lock.
    After SIGKILL the server runs on until the next supervisor adopts it.

    Raises:
        InvalidSetting: a setting has no valid name or value, or belongs to the supervisor.

    """

    def __init__(self, directory: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.directory = directory.expanduser().resolve()
        self._settings = {**DEFAULT_SETTINGS, **(settings or {})}
        require_settable(self._settings)
        self._owning_process_id: int | None = None

    @property
    def is_owner(self) -> bool:
        """Whether this object, in this process, stops the server."""
        # A forked child inherits this object and the exit hook, but not the server.
        return self._owning_process_id == os.getpid()

    def start(self) -> None:
        """Make the server run: attach, adopt, recover or create it. Does nothing if it runs.

        Raises:
            PostgresNotFound: there are no binaries.
            ServerStartFailed: it did not start, or is still recovering after 120 seconds.
            ServerVersionMismatch: the data belongs to another major version.
            ServerAccountUnavailable: root found no account to run it, or our own has no name.
            DataDirectoryUnusable: `data` holds something else or cannot be reached.
            SocketDirectoryUnusable: somebody else holds the socket directory.

        """
        if not self.directory.exists():
            self._make_directory()
        with self._exclusively():
            self._ensure_passwords()
            cluster = Cluster.locate(self.directory)
            if cluster.wait_until_settled():
                if self._owner_is_dead():
                    self._claim()
                return
            _uninterrupted(lambda: self._start(cluster))

    def stop(self) -> None:
        """Stop the server if this object owns it. Open transactions are rolled back.

        Raises:
            ServerStopFailed: it did not stop, not even immediately.

        """
        if not self.is_owner:
            return
        if self.directory.exists():
            with self._exclusively():
                Cluster.locate(self.directory).stop()
        self._disclaim(server_runs=False)

    def is_running(self) -> bool:
        """Tell whether the server accepts connections or is about to."""
        data = self.directory / "data"
        return (server := Postmaster.read(data)) is not None and server.listens()

    def owner_conninfo(self, database: str = "postgres") -> str:
        """Return how the superuser connects: only for the supervisor's own operating system user.

        Raises:
            ServerNotRunning: nothing runs.

        """
        return self._conninfo(user="postgres", dbname=database)

    def conninfo(self, role: DatabaseRole, database: str) -> str:
        """Return how a role connects to a database that `ensure_database` has made.

        Raises:
            ServerNotRunning: nothing runs.

        """
        password = self._passwords()[role]
        return self._conninfo(user=role.value, password=password, dbname=database)

    def ensure_database(self, name: str) -> None:
        """Create the roles and the database `name`, owned by `hesabu_owner`, where missing.

        Raises:
            ServerNotRunning: nothing runs.
            ValueError: the name is longer than PostgreSQL's 63 bytes.

        """
        if len(name.encode()) > DATABASE_NAME_BYTES_MAX:
            raise ValueError(f"A database name has at most {DATABASE_NAME_BYTES_MAX} bytes: {name}")
        with psycopg.connect(self.owner_conninfo(), autocommit=True) as connection:
            ensure_roles(connection, self._passwords())
            if connection.execute(DATABASE_EXISTS, [name]).fetchone() is not None:
                return
            owner = sql.Identifier(DatabaseRole.OWNER)
            # Somebody else may create it between the question and this statement.
            with contextlib.suppress(
                psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation
            ):
                connection.execute(CREATE_DATABASE.format(name=sql.Identifier(name), owner=owner))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self, cluster: Cluster) -> None:
        self._claim()
        try:
            cluster.start(self._settings)
        except PostgresUnavailable:
            self._disclaim(server_runs=cluster.listening() is not None)
            raise

    def _conninfo(self, **parameters: str) -> str:
        # Asked each time: another supervisor may have started the server on another socket.
        server = Postmaster.read(self.directory / "data")
        if server is None or not server.socket_directory:
            raise ServerNotRunning
        return make_conninfo(host=server.socket_directory, port=server.port, **parameters)

    def _make_directory(self) -> None:
        # Root's stand-in must pass through to the data; everything in it is private by itself.
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o711 if os.geteuid() == 0 else 0o700)

    @contextlib.contextmanager
    def _exclusively(self) -> Iterator[None]:
        with open_private(self.directory / "supervisor.lock", os.O_RDWR | os.O_CREAT) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _ensure_passwords(self) -> None:
        path = self.directory / "passwords.json"
        known = json.loads(path.read_bytes()) if path.exists() else {}
        if missing := [role for role in DatabaseRole if role not in known]:
            known |= {role.value: secrets.token_urlsafe(32) for role in missing}
            write_private(path, json.dumps(known, indent=2))

    def _passwords(self) -> dict[DatabaseRole, str]:
        try:
            passwords = json.loads((self.directory / "passwords.json").read_bytes())
        except FileNotFoundError:
            raise ServerNotRunning from None
        return {role: passwords[role] for role in DatabaseRole}

    def _owner_is_dead(self) -> bool:
        try:
            owner = json.loads((self.directory / "owner.json").read_bytes())
        except FileNotFoundError:
            return True
        return bool(process_start(owner["process_id"]) != owner["process_start"])

    def _claim(self) -> None:
        # The hook before the entry, and the entry before the server: an interrupt in between
        # leaves nothing behind, and a kill a server that the next start adopts.
        self._owning_process_id = os.getpid()
        atexit.unregister(self.stop)
        atexit.register(self.stop)
        owner = {"process_id": os.getpid(), "process_start": process_start(os.getpid())}
        write_private(self.directory / "owner.json", json.dumps(owner))

    def _disclaim(self, *, server_runs: bool) -> None:
        # A server that still recovers keeps its entry: the next start adopts it.
        if not server_runs:
            (self.directory / "owner.json").unlink(missing_ok=True)
        self._owning_process_id = None
        atexit.unregister(self.stop)


def _uninterrupted(work: Callable[[], None]) -> None:
    """Do the work as a whole although Ctrl-C or a signal's handler raises meanwhile.

    Handlers run in the main thread only; a server begun in another one is never lost half-way.
    """
    with ThreadPoolExecutor(1) as thread:
        thread.submit(work).result()
