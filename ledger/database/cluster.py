"""Where does the data lie? And its server: how it starts and stops, and where it answers.

PostgreSQL refuses to run as root, so root runs it under a system account of its own, and keeps
whatever that account cannot reach under `ROOT_STATE_DIRECTORY`.
"""

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from ledger.database.binaries import (
    ServerAccount,
    copy_readable,
    find_postgres_binaries,
    major_version,
)
from ledger.database.embedded_errors import (
    DataDirectoryUnusable,
    InvalidSetting,
    ServerStartFailed,
    ServerStopFailed,
    ServerVersionMismatch,
    SocketDirectoryUnusable,
)
from ledger.database.private_files import open_private, write_private
from ledger.database.processes import collect, is_live_postgres

ROOT_STATE_DIRECTORY: Final = Path("/var/lib/hesabu-postgres")
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


@dataclass(frozen=True, slots=True)
class Cluster:
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

    def listening(self) -> "Postmaster | None":
        server = Postmaster.read(self.data)
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
        server = Postmaster.read(self.data)
        if server is None or not is_live_postgres(server.process_id):
            return
        # A server that cannot stop in order is still safe when stopped at once: it recovers.
        if (self._stop("fast") and self._stop("immediate")) is not None:
            raise ServerStopFailed(f"See {self._log}.")
        collect(server.process_id, wait=True)
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
        locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
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
        write_private(self.data / "hesabu.conf", note + "".join(lines))
        write_private(self.data / "pg_hba.conf", AUTHENTICATION)
        write_private(self.data / "pg_ident.conf", self.account.identity_map())
        main = (self.data / "postgresql.conf").read_text()
        if INCLUDE_SETTINGS not in main.splitlines():
            write_private(self.data / "postgresql.conf", f"{main}\n{INCLUDE_SETTINGS}\n")

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
        server = Postmaster.read(self.data)
        if server is not None:
            collect(server.process_id, wait=False)
            if is_live_postgres(server.process_id):
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
        with open_private(self._log, os.O_RDWR | os.O_CREAT | os.O_APPEND) as log:
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
class Postmaster:
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


def require_settable(settings: Mapping[str, str]) -> None:
    """Raise InvalidSetting for the supervisor's own, and for what is no name or no value."""
    for name, value in settings.items():
        if name in RESERVED_SETTINGS:
            raise InvalidSetting(f"{name} is the supervisor's.")
        if not re.fullmatch(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?", name):
            raise InvalidSetting(f"{name!r} is no name of a setting.")
        if re.search(r"[\x00-\x1f]", value):
            raise InvalidSetting(f"The value of {name} holds a control character.")


def _environment() -> dict[str, str]:
    """Keep what programs need to run, and nothing that would configure PostgreSQL."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    if libraries := os.environ.get("LD_LIBRARY_PATH"):
        environment["LD_LIBRARY_PATH"] = libraries
    return environment


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


def _quote(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
