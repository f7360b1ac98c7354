"""Every role reaches the database with its own rights, and no secret is shown."""

import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from ledger.database.embedded import EmbeddedPostgres, ServerNotRunning
from ledger.database.location import DatabaseLocation, InvalidDatabaseUrl
from ledger.database.roles import DatabaseRole, ensure_roles

URL = "postgresql://platform:s3cret@db.example:6543/book?connect_timeout=3"


@pytest.fixture(name="server", scope="module")
def fixture_server() -> Iterator[EmbeddedPostgres]:
    with tempfile.TemporaryDirectory(prefix="hesabu test ") as directory:
        Path(directory).chmod(0o755)
        with EmbeddedPostgres(Path(directory) / "server") as server:
            server.ensure_database("book")
            yield server


@pytest.fixture(name="login_url", scope="module")
def fixture_login_url(server: EmbeddedPostgres) -> str:
    """A login such as a database provider gives out: no superuser, but it may create roles."""
    with psycopg.connect(server.owner_conninfo("book"), autocommit=True) as connection:
        for role in DatabaseRole:
            connection.execute(f"DROP OWNED BY {role}".encode())
            if role is not DatabaseRole.OWNER:
                connection.execute(f"DROP ROLE {role}".encode())
        connection.execute("ALTER DATABASE book OWNER TO postgres")
        connection.execute("DROP ROLE hesabu_owner")
        connection.execute("CREATE ROLE platform LOGIN CREATEROLE PASSWORD 's3cret'")
        connection.execute("CREATE TABLE secrets AS SELECT 1 AS secret")
        connection.execute("GRANT SELECT ON secrets TO platform")
    host = conninfo_to_dict(server.owner_conninfo())["host"]
    return f"postgresql://platform:s3cret@/book?host={host}"


def test_an_embedded_database_gives_each_role_its_own_login(server: EmbeddedPostgres) -> None:
    location = DatabaseLocation.from_embedded(server, "book")
    for role in DatabaseRole:
        with psycopg.connect(location.conninfo(role)) as connection:
            assert connection.execute("SELECT session_user").fetchone() == (role,)
    with psycopg.connect(location.owner_conninfo()) as connection:
        assert connection.execute("SELECT session_user").fetchone() == ("postgres",)


def test_a_stopped_server_has_no_location() -> None:
    with pytest.raises(ServerNotRunning):
        DatabaseLocation.from_embedded(EmbeddedPostgres(Path("/nonexistent")), "book")


def test_a_login_by_url_starts_as_the_role_and_has_its_rights_alone(login_url: str) -> None:
    location = DatabaseLocation.from_url(login_url)
    with psycopg.connect(location.owner_conninfo()) as connection:
        ensure_roles(connection)
        assert connection.execute("SELECT secret FROM secrets").fetchone() == (1,)
    for role in DatabaseRole:
        with psycopg.connect(location.conninfo(role)) as connection:
            identity = connection.execute("SELECT session_user, current_user").fetchone()
            assert identity == ("platform", role)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT secret FROM secrets")


def test_options_of_the_url_stay_and_the_role_is_added() -> None:
    url = f"{URL}&options=-c%20statement_timeout%3D5s%20-c%20role%3Dsomebody"
    parameters = conninfo_to_dict(DatabaseLocation.from_url(url).conninfo(DatabaseRole.AUDITOR))
    assert parameters["options"] == (
        "-c statement_timeout=5s -c role=somebody -c role=hesabu_auditor"
    )
    assert parameters["connect_timeout"] == "3"
    assert parameters["password"] == "s3cret"


def test_the_schemas_owner_may_have_a_login_of_its_own() -> None:
    location = DatabaseLocation.from_url(URL, owner_url="postgresql://chief@db.example/book")
    assert conninfo_to_dict(location.owner_conninfo())["user"] == "chief"
    assert conninfo_to_dict(location.conninfo(DatabaseRole.OWNER))["user"] == "chief"
    assert conninfo_to_dict(location.conninfo(DatabaseRole.APP))["user"] == "platform"
    assert "options" not in conninfo_to_dict(location.owner_conninfo())


def test_passwords_are_not_shown() -> None:
    location = DatabaseLocation.from_url(URL)
    assert repr(location) == "DatabaseLocation(host='db.example', port='6543', dbname='book')"
    assert "s3cret" not in f"{location}"
    with pytest.raises(InvalidDatabaseUrl) as refusal:
        DatabaseLocation.from_url("postgresql://platform:s3cret@host/book?s3cret=1")
    assert "s3cret" not in f"{refusal.value!r} {refusal.value.__cause__}"
    assert refusal.value.__suppress_context__


def test_a_worker_process_can_be_handed_a_location() -> None:
    location = DatabaseLocation.from_url(URL)
    received = pickle.loads(pickle.dumps(location))  # noqa: S301 - our own bytes
    assert received == location
    assert hash(received) == hash(location)
