"""A real PostgreSQL for every test that asks: one server a process, a database of its own a test.

The server is started once and its template is migrated once; a test's database is a copy of the
template. Nothing about durability is relaxed: what passes here passes on a careful server.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.embedded import EmbeddedPostgres
from ledger.database.roles import DatabaseRole
from ledger.key_store import KeyStore
from tests.api.leaks import leaks_in_log
from tests.databases import Databases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database.location import DatabaseLocation

ALONE = (
    "tests/faults/",
    "tests/api/test_campaigns.py",
    "tests/ledger/test_lifecycles.py",
    "tests/ledger/test_subscription_simulation.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what nothing may run beside."""
    for item in items:
        if item.nodeid.startswith(ALONE):
            item.add_marker(pytest.mark.alone)


# A database answers when it answers: an example's time says nothing about its truth.
hypothesis.settings.register_profile("hesabu", deadline=None, print_blob=True)
hypothesis.settings.load_profile("hesabu")


@pytest.fixture(scope="session", autouse=True)
def _logs_hold_nothing_personal(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """Whatever ran, and wherever it logged: in no log of the whole run is a canary or a token."""
    yield
    for log in sorted(tmp_path_factory.getbasetemp().rglob("*.log")):
        assert leaks_in_log(log) == []


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """The server of this process, making databases on demand."""
    # Not tmp_path_factory: as root that lies where the server's account cannot enter.
    with tempfile.TemporaryDirectory(prefix="hesabu-tests-") as directory:
        Path(directory).chmod(0o755)
        with EmbeddedPostgres(Path(directory) / "server") as server:
            yield Databases(server)
            assert leaks_in_log(server.directory / "server.log") == []


@pytest.fixture
def database(databases: Databases) -> Iterator[DatabaseLocation]:
    """A migrated, empty database that no other test sees."""
    created = databases.create()
    yield created
    databases.drop(created)


@pytest.fixture
def book(database: DatabaseLocation) -> BookLocation:
    """The book in it, as the API's processes reach it."""
    return BookLocation(database, DatabaseRole.APP)


@pytest.fixture
def ledger(book: BookLocation) -> Iterator[Ledger]:
    """A ledger on the book, closed at the end."""
    opened = Ledger(book)
    yield opened
    opened.close()


@pytest.fixture
def key_store(tmp_path: Path) -> Iterator[KeyStore]:
    """A key store in a file of its own."""
    store = KeyStore(tmp_path / "keys.sqlite3")
    yield store
    store.close()
