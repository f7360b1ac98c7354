"""A book whose provider brings statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from api.provider_statements.reconciler import Reconciler
from api.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.application import Ledger
    from ledger.key_store import KeyStore


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_directory=tmp_path)


@pytest.fixture
def reconciler(ledger: Ledger, key_store: KeyStore, settings: Settings) -> Reconciler:
    return Reconciler(ledger, key_store, settings)
