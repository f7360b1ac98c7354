"""A proxy before the book's server, and the book as it is reached through it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ledger.application import Ledger
from tests.databases import socket_of, through
from tests.faults.proxy import CuttingProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database.connections import BookLocation


@pytest.fixture
def proxy(book: BookLocation) -> Iterator[CuttingProxy]:
    """A proxy in a directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="hesabu-proxy-") as directory:
        opened = CuttingProxy(Path(directory), socket_of(book))
        yield opened
        opened.close()


@pytest.fixture
def proxied(proxy: CuttingProxy, book: BookLocation) -> Iterator[Ledger]:
    """A ledger whose every connection goes through the proxy."""
    ledger = Ledger(through(proxy.directory, book))
    yield ledger
    ledger.close()
