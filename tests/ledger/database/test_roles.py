"""Roles are made once, however often and from wherever they are asked for."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ledger.database.embedded import EmbeddedPostgres
from ledger.database.roles import DatabaseRole, RolesUnavailable, ensure_roles

PASSWORDS = {role: f"password of {role}" for role in DatabaseRole}


@pytest.fixture(name="server", scope="module")
def fixture_server() -> Iterator[EmbeddedPostgres]:
    with tempfile.TemporaryDirectory(prefix="hesabu test ") as directory:
        Path(directory).chmod(0o755)
        settings = {"log_statement": "all", "log_min_duration_statement": "0"}
        with EmbeddedPostgres(Path(directory) / "server", settings=settings) as server:
            yield server


@pytest.fixture(name="superuser")
def fixture_superuser(server: EmbeddedPostgres) -> Iterator[psycopg.Connection]:
    """A connection to a server that has none of the roles."""
    with psycopg.connect(server.owner_conninfo(), autocommit=True) as connection:
        for role in DatabaseRole:
            connection.execute(f"DROP ROLE IF EXISTS {role}".encode())
        yield connection


def logins(connection: psycopg.Connection) -> dict[str, bool]:
    rows = connection.execute(
        "SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname LIKE 'hesabu%'"
    )
    return dict(rows.fetchall())


def test_without_passwords_nobody_can_log_in(superuser: psycopg.Connection) -> None:
    ensure_roles(superuser)
    ensure_roles(superuser)
    assert logins(superuser) == dict.fromkeys(DatabaseRole, False)


def test_with_passwords_each_role_logs_in(
    server: EmbeddedPostgres, superuser: psycopg.Connection
) -> None:
    ensure_roles(superuser)
    ensure_roles(superuser, PASSWORDS)
    ensure_roles(superuser)
    assert logins(superuser) == dict.fromkeys(DatabaseRole, True)
    conninfo = make_conninfo(
        server.owner_conninfo(), user="hesabu_clock", password=PASSWORDS[DatabaseRole.CLOCK]
    )
    with psycopg.connect(conninfo) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("hesabu_clock",)


def test_no_role_may_do_more_than_its_grants(superuser: psycopg.Connection) -> None:
    ensure_roles(superuser, PASSWORDS)
    powers = superuser.execute(
        "SELECT bool_or(rolsuper OR rolcreatedb OR rolcreaterole OR rolbypassrls OR rolreplication)"
        " FROM pg_roles WHERE rolname LIKE 'hesabu%'"
    ).fetchone()
    assert powers == (False,)


def test_passwords_do_not_reach_the_servers_log(
    server: EmbeddedPostgres, superuser: psycopg.Connection
) -> None:
    ensure_roles(superuser, PASSWORDS)
    log = (server.directory / "server.log").read_text()
    assert "ALTER ROLE" in log
    assert "password of" not in log


def test_a_failed_caller_leaves_no_roles(superuser: psycopg.Connection) -> None:
    with superuser.transaction(force_rollback=True):
        ensure_roles(superuser)
    assert logins(superuser) == {}


@pytest.mark.parametrize("databases", [["postgres"], ["postgres", "template1"]])
def test_many_processes_may_ask_at_once(
    server: EmbeddedPostgres, superuser: psycopg.Connection, databases: list[str]
) -> None:
    barrier = Barrier(8)

    def ask(number: int) -> None:
        conninfo = server.owner_conninfo(databases[number % len(databases)])
        with psycopg.connect(conninfo) as connection:
            barrier.wait()
            ensure_roles(connection, PASSWORDS)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert logins(superuser) == dict.fromkeys(DatabaseRole, True)


def test_who_may_create_roles_may_become_them(
    server: EmbeddedPostgres, superuser: psycopg.Connection
) -> None:
    superuser.execute("DROP ROLE IF EXISTS provider")
    superuser.execute("CREATE ROLE provider LOGIN CREATEROLE PASSWORD 'provider'")
    conninfo = make_conninfo(server.owner_conninfo(), user="provider", password="provider")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        ensure_roles(connection)
        ensure_roles(connection, PASSWORDS)
        for role in DatabaseRole:
            connection.execute(f"SET ROLE {role}".encode())
        inherited = connection.execute(
            "SELECT bool_or(inherit_option) FROM pg_auth_members WHERE member = 'provider'::regrole"
        )
        assert inherited.fetchone() == (False,)


def test_who_may_neither_create_nor_become_them_is_told_so(
    server: EmbeddedPostgres, superuser: psycopg.Connection
) -> None:
    superuser.execute("DROP ROLE IF EXISTS powerless")
    superuser.execute("CREATE ROLE powerless LOGIN PASSWORD 'powerless'")
    conninfo = make_conninfo(server.owner_conninfo(), user="powerless", password="powerless")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        with pytest.raises(RolesUnavailable, match="CREATEROLE"):
            ensure_roles(connection)
        ensure_roles(superuser)
        with pytest.raises(RolesUnavailable):
            ensure_roles(connection)
        for role in DatabaseRole:
            superuser.execute(f"GRANT {role} TO powerless".encode())
        ensure_roles(connection)
