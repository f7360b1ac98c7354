"""One real log for all tests of this directory, and the verifier on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import pytest

import hesabu_verify
from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from tests.builders import initiate_payment, register_creator, report_success
from tests.credit_book import CreditBook
from tests.verify.exports import LOG, Export, export_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.databases import Databases

SEALED_EVERY = 7


class Verify(Protocol):
    """Run the verifier on an export: the exit status and what it reported."""

    def __call__(
        self, export: Export | Path, *options: str, keys: tuple[object, ...] = ...
    ) -> tuple[int, dict[str, Any]]: ...


@pytest.fixture(scope="session")
def real_log(databases: Databases) -> Iterator[Export]:
    """A creator with three payments in another currency's minor units, and a life of credit."""
    database = databases.create()
    book = BookLocation(database, DatabaseRole.APP)
    ledger = Ledger(book)
    creator = UUID(int=0xC4EA)
    ledger.execute_one(register_creator(creator, currency="UGX"))
    for outcome in ledger.execute([initiate_payment(creator, currency="UGX") for _ in range(3)]):
        ledger.execute_one(report_success(outcome.stream, currency="UGX"))
    ledger.close()
    credit = CreditBook(book)
    assert list(credit.live())
    credit.close()
    yield export_of(database)
    databases.drop(database)


@pytest.fixture
def export(real_log: Export) -> Export:
    """The real log under checkpoints, to do with as one likes."""
    copied = real_log.copy()
    copied.seal(SEALED_EVERY)
    return copied


@pytest.fixture
def verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Verify:
    """The verifier, with the log's key pinned unless a test says otherwise."""

    def run(
        export: Export | Path, *options: str, keys: tuple[object, ...] = (LOG.verifier_key,)
    ) -> tuple[int, dict[str, Any]]:
        path = export.write(tmp_path / "export.ndjson") if isinstance(export, Export) else export
        pinned = [f"--key={key}" for key in keys]
        status = hesabu_verify.main([str(path), "--json", *pinned, *options])
        report: dict[str, Any] = json.loads(capsys.readouterr().out)
        return status, report

    return run
