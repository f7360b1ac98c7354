"""How does a machine without a database get one? A PostgreSQL supervised by ourselves.

    no cluster ──start──▶ running, ours ──stop, exit──▶ stopped ──start──▶ running, ours
                              │    ▲
                owner killed  │    │ start of another supervisor adopts the server
                              ▼    │
                         running, nobody's

A supervisor that finds a server whose owner lives attaches to it and never stops it. The server
speaks on a Unix socket only. Trust authentication exists nowhere: `postgres` is let in by the
operating system's word (peer) on who runs the supervisor, everybody else by SCRAM.

PostgreSQL refuses to run as root, so root runs it under a system account of its own, and keeps
whatever that account cannot reach under `ROOT_STATE_DIRECTORY`.
"""

import atexit
import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self

import platformdirs
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ledger.database.binaries import (
    PostgresUnavailable,
    ServerAccount,
    copy_readable,
    find_postgres_binaries,
    major_version,
)
from ledger.database.roles import DatabaseRole, ensure_roles

ROOT_STATE_DIRECTORY: Final = Path("/var/lib/hesabu-postgres")
PROCESSES: Final = Path("/proc")
"""Where the kernel tells of processes; absent on macOS."""
PORT: Final = 5432
"""Part of the socket's name only: nothing listens on TCP."""
SOCKET_NAME: Final = f".s.PGSQL.{PORT}"
SOCKET_PATH_BYTES_MAX: Final = 99
SSL_REQUEST: Final = bytes.fromhex("00000008 04d2162f")
"""The shortest question of the protocol that every server answers, without a line in its log."""
ANSWER_SECONDS_MAX: Final = 5
START_SECONDS_MAX: Final = 120
STOP_SECONDS_MAX: Final = 60
ORPHANS_SECONDS_MAX: Final = 15
"""How long the backends of a killed server may take to notice its death."""
LOG_BYTES_MAX: Final = 10_000_000
LOG_EXCERPT_BYTES_MAX: Final = 4_000
DATABASE_NAME_BYTES_MAX: Final = 63

DEFAULT_SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cluster_name": "hesabu",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "max_connections": "200",
        "shared_buffers": "256MB",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "15min",
        "wal_compression": "on",
        "random_page_cost": "1.1",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        # Parameters may be personal data, and a log is no vault.
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
    }
)
RESERVED_SETTINGS: Final = frozenset(
    {
        "data_directory",
        "hba_file",
        "ident_file",
        "include",
        "include_dir",
        "include_if_exists",
        "listen_addresses",
        "logging_collector",
        "password_encryption",
        "port",
        "unix_socket_directories",
        "unix_socket_permissions",
    }
)
INCLUDE_SETTINGS: Final = "include 'hesabu.conf'"
AUTHENTICATION: Final = """\
# Written by Hesabu at every start. "trust" must not appear here.
local all         postgres peer map=hesabu
local replication postgres peer map=hesabu
local all         all      scram-sha-256
"""
# What a start says while the children of a killed server still live.
ORPHANS_REMAIN: Final = ("pre-existing shared memory block", "another postmaster")

CREATE_DATABASE = sql.SQL("CREATE DATABASE {name} OWNER {owner} TEMPLATE template0")
DATABASE_EXISTS = "SELECT FROM pg_database WHERE datname = %s"


class InvalidSetting(PostgresUnavailable):
    """This PostgreSQL setting cannot be set here."""


class ServerNotRunning(PostgresUnavailable):
    """The embedded PostgreSQL is not running."""


class ServerStartFailed(PostgresUnavailable):
    """The embedded PostgreSQL did not start."""


class ServerStopFailed(PostgresUnavailable):
    """The embedded PostgreSQL did not stop."""


class ServerVersionMismatch(PostgresUnavailable):
    """The data directory belongs to another major version; HESABU_POSTGRES_BIN may name that."""


class DataDirectoryUnusable(PostgresUnavailable):
    """The embedded PostgreSQL's data directory cannot be used."""


class SocketDirectoryUnusable(PostgresUnavailable):
    """No safe directory was found for the embedded PostgreSQL's socket."""


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
        _require_settable(self._settings)
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
            cluster = _Cluster.locate(self.directory)
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
                _Cluster.locate(self.directory).stop()
        self._disclaim(server_runs=False)

    def is_running(self) -> bool:
        """Tell whether the server accepts connections or is about to."""
        data = self.directory / "data"
        return (server := _Postmaster.read(data)) is not None and server.listens()

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

    def _start(self, cluster: "_Cluster") -> None:
        self._claim()
        try:
            cluster.start(self._settings)
        except PostgresUnavailable:
            self._disclaim(server_runs=cluster.listening() is not None)
            raise

    def _conninfo(self, **parameters: str) -> str:
        # Asked each time: another supervisor may have started the server on another socket.
        server = _Postmaster.read(self.directory / "data")
        if server is None or not server.socket_directory:
            raise ServerNotRunning
        return make_conninfo(host=server.socket_directory, port=server.port, **parameters)

    def _make_directory(self) -> None:
        # Root's stand-in must pass through to the data; everything in it is private by itself.
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o711 if os.geteuid() == 0 else 0o700)

    @contextlib.contextmanager
    def _exclusively(self) -> Iterator[None]:
        with _open_private(self.directory / "supervisor.lock", os.O_RDWR | os.O_CREAT) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _ensure_passwords(self) -> None:
        path = self.directory / "passwords.json"
        known = json.loads(path.read_bytes()) if path.exists() else {}
        if missing := [role for role in DatabaseRole if role not in known]:
            known |= {role.value: secrets.token_urlsafe(32) for role in missing}
            _write_private(path, json.dumps(known, indent=2))

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
        return bool(_process_start(owner["process_id"]) != owner["process_start"])

    def _claim(self) -> None:
        # The hook before the entry, and the entry before the server: an interrupt in between
        # leaves nothing behind, and a kill a server that the next start adopts.
        self._owning_process_id = os.getpid()
        atexit.unregister(self.stop)
        atexit.register(self.stop)
        owner = {"process_id": os.getpid(), "process_start": _process_start(os.getpid())}
        _write_private(self.directory / "owner.json", json.dumps(owner))

    def _disclaim(self, *, server_runs: bool) -> None:
        # A server that still recovers keeps its entry: the next start adopts it.
        if not server_runs:
            (self.directory / "owner.json").unlink(missing_ok=True)
        self._owning_process_id = None
        atexit.unregister(self.stop)


@dataclass(frozen=True, slots=True)
class _Cluster:
    """The files of one cluster, and the programs that work on them. Callers hold the lock."""

    directory: Path
    data: Path
    account: ServerAccount
    binaries: Path

    @classmethod
    def locate(cls, directory: Path) -> Self:
        link = directory / "data"
        if link.is_symlink() and not link.exists():
            raise DataDirectoryUnusable(f"{link} points to {link.readlink()}, which is missing.")
        account = ServerAccount.for_data(link)
        data = link.resolve()
        if not link.exists() and not account.can_enter(directory):
            data = _root_cluster(directory, account) / "data"
        elif not account.can_enter(data.parent):
            raise DataDirectoryUnusable(f"User id {account.user_id} cannot enter {data.parent}.")
        binaries = find_postgres_binaries()
        if not account.can_run(binaries / "initdb"):
            binaries = copy_readable(binaries, ROOT_STATE_DIRECTORY / "binaries")
        return cls(directory, data, account, binaries)

    def listening(self) -> "_Postmaster | None":
        server = _Postmaster.read(self.data)
        return server if server is not None and server.listens() else None

    def wait_until_settled(self) -> bool:
        """Wait out a start, a recovery or a stop; tell whether a server is ready."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while (server := self.listening()) is not None:
            if server.status == "ready":
                return True
            if time.monotonic() > deadline:
                raise ServerStartFailed(f"It is {server.status} still; see {self._log}.")
            time.sleep(0.05)
        return False

    def start(self, settings: Mapping[str, str]) -> None:
        if not (self.data / "PG_VERSION").exists():
            self._create()
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != str(installed := major_version(self.binaries)):
            raise ServerVersionMismatch(f"{self.data} is of {found}, {self.binaries} {installed}.")
        self._configure(settings)
        self._launch()
        # Where the account could not enter, people still find the cluster by this link.
        if not (link := self.directory / "data").exists():
            link.symlink_to(self.data)

    def stop(self) -> None:
        # Not only one that listens: an interrupted start may be about to.
        server = _Postmaster.read(self.data)
        if server is None or not _is_live_postgres(server.process_id):
            return
        # A server that cannot stop in order is still safe when stopped at once: it recovers.
        if (self._stop("fast") and self._stop("immediate")) is not None:
            raise ServerStopFailed(f"See {self._log}.")
        _collect(server.process_id, wait=True)
        with contextlib.suppress(OSError):
            Path(server.socket_directory).rmdir()

    def _stop(self, mode: str) -> str | None:
        seconds = str(STOP_SECONDS_MAX)
        return self._run(
            "pg_ctl", "stop", "-D", self.data.name, "-m", mode, "-w", "-s", "-t", seconds
        )

    @property
    def _log(self) -> Path:
        return self.directory / "server.log"

    def _create(self) -> None:
        if self.data.exists() and any(self.data.iterdir()):
            raise DataDirectoryUnusable(f"{self.data} holds something that is not a cluster.")
        # Under another name until it is whole: an interrupted creation leaves nothing to repair.
        for abandoned in self.data.parent.glob("data.unfinished.*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        unfinished = self.data.with_name(f"data.unfinished.{secrets.token_hex(4)}")
        unfinished.mkdir(mode=0o700)
        self.account.take(unfinished)
        locale = ["--locale=C.UTF-8"]
        if major_version(self.binaries) >= 17:  # noqa: PLR2004 - the built-in provider came with it
            locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        arguments = ("-D", unfinished.name, "--username=postgres", "--encoding=UTF8", *locale)
        safety = ("--auth-local=peer", "--auth-host=scram-sha-256", "--data-checksums")
        failure = self._run("initdb", *arguments, *safety, "--text-search-config=simple")
        if failure is not None:
            raise ServerStartFailed(f"initdb failed; see {self._log}: {failure}")
        unfinished.rename(self.data)

    def _configure(self, settings: Mapping[str, str]) -> None:
        sockets = _socket_directory(self.directory, self.account)
        ours = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": f'"{sockets}"',
            "unix_socket_permissions": "0700",
            "password_encryption": "scram-sha-256",
            "logging_collector": "off",
        }
        lines = [f"{name} = {_quote(value)}\n" for name, value in {**settings, **ours}.items()]
        note = "# Written by Hesabu at every start: changes made here are lost.\n"
        _write_private(self.data / "hesabu.conf", note + "".join(lines))
        _write_private(self.data / "pg_hba.conf", AUTHENTICATION)
        _write_private(self.data / "pg_ident.conf", self.account.identity_map())
        main = (self.data / "postgresql.conf").read_text()
        if INCLUDE_SETTINGS not in main.splitlines():
            _write_private(self.data / "postgresql.conf", f"{main}\n{INCLUDE_SETTINGS}\n")

    def _launch(self) -> None:
        if self._log.exists() and self._log.stat().st_size > LOG_BYTES_MAX:
            self._log.replace(self._log.with_suffix(".log.1"))
        deadline = time.monotonic() + ORPHANS_SECONDS_MAX
        arguments = ("start", "-D", self.data.name, "-w", "-s", "-t", str(START_SECONDS_MAX))
        while not self.wait_until_settled():
            self._remove_stale_lock_files()
            failure = self._run("pg_ctl", *arguments)
            if failure is None:
                return
            orphans_remain = any(message in failure for message in ORPHANS_REMAIN)
            if not orphans_remain or time.monotonic() > deadline:
                with contextlib.suppress(OSError):  # not empty: it recovers, and is still there
                    _socket_directory(self.directory, self.account).rmdir()
                raise ServerStartFailed(f"See {self._log}: {failure}")
            time.sleep(0.1)

    def _remove_stale_lock_files(self) -> None:
        """Remove the lock files of a server that is gone.

        PostgreSQL does so by itself unless the process id is in use, be it by a zombie or, common
        in restarted containers, by another program; then it would refuse to start for ever.
        """
        server = _Postmaster.read(self.data)
        if server is not None:
            _collect(server.process_id, wait=False)
            if _is_live_postgres(server.process_id):
                return
        sockets = _socket_directory(self.directory, self.account)
        (sockets / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _run(self, program: str, *arguments: str) -> str | None:
        """Run a program as the server's account; return None, or what the log says of a failure.

        The working directory is the data directory's parent and paths are relative to it, since
        pg_ctl hands them to a shell. What is started gets a session of its own, so Ctrl-C in a
        terminal reaches the server's clients first.
        """
        # A file, not a pipe: the server inherits it and would keep a pipe open.
        with _open_private(self._log, os.O_RDWR | os.O_CREAT | os.O_APPEND) as log:
            log_bytes_before = os.fstat(log).st_size
            finished = subprocess.run(
                [self.binaries / program, *arguments],
                check=False,
                cwd=self.data.parent,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                umask=0o077,
                **self.account.identity(),
            )
            if finished.returncode == 0:
                return None
            excerpt_begin = os.fstat(log).st_size - LOG_EXCERPT_BYTES_MAX
            excerpt = os.pread(log, LOG_EXCERPT_BYTES_MAX, max(log_bytes_before, excerpt_begin))
        return excerpt.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class _Postmaster:
    """What the server says of itself in postmaster.pid."""

    process_id: int
    port: str
    socket_directory: str
    status: str

    @classmethod
    def read(cls, data: Path) -> Self | None:
        try:
            lines = (data / "postmaster.pid").read_text().splitlines()
            process_id, _, _, port, socket_directory, *_ = lines
            status = lines[7].strip() if lines[7:] else "starting"
            return cls(int(process_id), port, socket_directory, status)
        except (FileNotFoundError, ValueError):
            return None

    def listens(self) -> bool:
        """Ask the server itself, since no trace of it proves that it lives.

        Process ids are reused, a zombie has one too, and the kernel accepts connections for a
        server that is just being killed.
        """
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(ANSWER_SECONDS_MAX)
            try:
                client.connect(f"{self.socket_directory}/.s.PGSQL.{self.port}")
                client.sendall(SSL_REQUEST)
                return client.recv(1) != b""
            except (TimeoutError, BlockingIOError):
                return True  # somebody is there, and busy
            except OSError:
                return False


def _environment() -> dict[str, str]:
    """Keep what programs need to run, and nothing that would configure PostgreSQL."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    if libraries := os.environ.get("LD_LIBRARY_PATH"):
        environment["LD_LIBRARY_PATH"] = libraries
    return environment


def _uninterrupted(work: Callable[[], None]) -> None:
    """Do the work as a whole although Ctrl-C or a signal's handler raises meanwhile.

    Handlers run in the main thread only; a server begun in another one is never lost half-way.
    """
    with ThreadPoolExecutor(1) as thread:
        thread.submit(work).result()


def _root_cluster(directory: Path, account: ServerAccount) -> Path:
    """Make the directory of a cluster whose own directory the account cannot enter."""
    home = ROOT_STATE_DIRECTORY / "clusters" / _digest(directory)
    home.mkdir(parents=True, exist_ok=True)
    for path, mode in ((home.parents[1], 0o755), (home.parent, 0o711), (home, 0o710)):
        path.chmod(mode)
    os.chown(home, 0, account.group_id)
    return home


def _socket_directory(directory: Path, account: ServerAccount) -> Path:
    """Make a directory for the socket, whose path the system bounds to about 100 bytes."""
    name = f"hesabu-{account.user_id}-{_digest(directory)}"
    for base in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - checked below
        path = Path(base).resolve() / name
        path_bytes = len(os.fsencode(path / SOCKET_NAME))
        if path_bytes <= SOCKET_PATH_BYTES_MAX and account.can_enter(path.parent):
            break
    else:
        raise SocketDirectoryUnusable("Set TMPDIR to a short path that every account can enter.")
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    status = path.lstat()
    # Whoever owns it could put a socket of their own there and collect passwords.
    ours = status.st_uid in {account.user_id, os.geteuid()} and stat.S_ISDIR(status.st_mode)
    if not ours or status.st_mode & 0o077:
        raise SocketDirectoryUnusable(f"{path} is not private to user id {account.user_id}.")
    account.take(path)
    return path


def _digest(directory: Path) -> str:
    return hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]


def _process_start(process_id: int) -> str | None:
    """Identify a living process: its start, which a later process of that id does not share.

    Returns None for one that is dead, also when nobody has collected it yet.
    """
    if not PROCESSES.exists():
        answer = _ask_ps(process_id, "state=,lstart=")
        return None if answer.startswith("Z") else answer or None
    try:
        status = (PROCESSES / str(process_id) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The program's name, in parentheses, may hold spaces; proc_pid_stat(5) counts from there.
    state, *fields = status.rpartition(b")")[2].decode().split()
    boot = (PROCESSES / "sys/kernel/random/boot_id").read_text().strip()
    return None if state in {"Z", "X"} else f"{boot} {fields[18]}"


def _is_live_postgres(process_id: int) -> bool:
    if _process_start(process_id) is None:
        return False
    if not PROCESSES.exists():
        return Path(_ask_ps(process_id, "comm=")).name == "postgres"
    try:
        command = (PROCESSES / str(process_id) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return Path(os.fsdecode(command.partition(b"\0")[0])).name == "postgres"


def _ask_ps(process_id: int, columns: str) -> str:
    question = ["/bin/ps", "-o", columns, "-p", str(process_id)]
    return subprocess.run(question, capture_output=True, check=False, text=True).stdout.strip()


def _collect(process_id: int, *, wait: bool) -> None:
    """Collect a dead server if we are process 1, as in a container: init's duty is then ours."""
    if os.getpid() == 1:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process_id, 0 if wait else os.WNOHANG)


def _require_settable(settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        if name in RESERVED_SETTINGS:
            raise InvalidSetting(f"{name} is the supervisor's.")
        if not re.fullmatch(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?", name):
            raise InvalidSetting(f"{name!r} is no name of a setting.")
        if re.search(r"[\x00-\x1f]", value):
            raise InvalidSetting(f"The value of {name} holds a control character.")


def _quote(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _write_private(path: Path, text: str) -> None:
    """Replace a file as a whole, readable by the owner of its directory only.

    Callers hold the lock, so what a killed writer left behind can be removed.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with (
        _open_private(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor,
        open(descriptor, "w", encoding="utf-8", closefd=False) as file,
    ):
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    unfinished.replace(path)


@contextlib.contextmanager
def _open_private(path: Path, flags: int) -> Iterator[int]:
    # Root may work in another user's directory, who must be able to go on without root.
    descriptor = os.open(path, flags | os.O_NOFOLLOW, mode=0o600)
    try:
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        yield descriptor
    finally:
        os.close(descriptor)
