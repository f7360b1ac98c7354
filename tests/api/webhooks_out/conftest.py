"""A book of its own for each test, and a process that sends where a test wants one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.webhooks_out.scenes import Scene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.database.location import DatabaseLocation
    from ledger.key_store import KeyStore


@pytest.fixture
def scene(database: DatabaseLocation, key_store: KeyStore, tmp_path: Path) -> Iterator[Scene]:
    made = Scene(database, key_store, tmp_path)
    yield made
    made.close()
