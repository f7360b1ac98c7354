"""Real servers: started, shared, killed, recovered, refused."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import psycopg
import pytest

from ledger.database.binaries import find_postgres_binaries
from ledger.database.embedded import (
    DataDirectoryUnusable,
    EmbeddedPostgres,
    ServerNotRunning,
    ServerStartFailed,
    ServerVersionMismatch,
    SocketDirectoryUnusable,
)
from tests.ledger.database.supervisors import (
    needs_root,
    query,
    run_python,
    server_process_id,
    socket_directory,
    temporary_directory,
)

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


@pytest.fixture(name="base")
def fixture_base() -> Iterator[Path]:
    with temporary_directory() as directory:
        yield directory


@pytest.fixture(name="cluster", scope="module")
def fixture_cluster() -> Iterator[Path]:
    with temporary_directory() as directory:
        with EmbeddedPostgres(directory / "server") as server:
            pass
        yield server.directory


@pytest.fixture(name="stopped")
def fixture_stopped(cluster: Path) -> Iterator[Path]:
    """The directory of a cluster that does not run, and does not run afterwards either."""
    yield cluster
    assert not EmbeddedPostgres(cluster).is_running()
    assert not (cluster / "owner.json").exists()


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


def test_a_setting_may_hold_quotes_and_backslashes(stopped: Path) -> None:
    value = r"a'b\n"
    with EmbeddedPostgres(stopped, settings={"hesabu.note": value}) as server:
        assert query(server.owner_conninfo(), "SHOW hesabu.note") == value


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
