"""The export is what the auditor's program reads, and it names the very event that was changed."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import hesabu_verify
from ledger.application import Ledger
from ledger.checkpoints import Checkpoint, Signer, sign_checkpoint
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from projections.exports.scope import Scope
from projections.log_export import export_lines
from projections.reader import Reader
from projections.sealed_log import SealedLog
from tests.builders import initiate_payment, register_creator, report_success
from tests.databases import superuser

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.database.location import DatabaseLocation

SIGNER = Signer("here/log", Ed25519PrivateKey.generate())
PAYMENTS = 700


@pytest.fixture
def sealed(database: DatabaseLocation) -> DatabaseLocation:
    """A log under two checkpoints, with money in it."""
    ledger = Ledger(BookLocation(database, DatabaseRole.APP))
    creator = uuid4()
    ledger.execute_one(register_creator(creator))
    with BookLocation(database, DatabaseRole.SEALER).connect_reader() as connection:
        log = SealedLog(connection)
        for _ in range(2):
            outcomes = ledger.execute([initiate_payment(creator) for _ in range(PAYMENTS // 2)])
            ledger.execute([report_success(outcome.stream) for outcome in outcomes[:50]])
            while log.read_on():
                pass
            log.keep(sign_checkpoint(Checkpoint(SIGNER.name, log.size, log.root()), SIGNER))
    ledger.close()
    return database


def _checked(
    database: DatabaseLocation, directory: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[int, dict[str, Any]]:
    async def write() -> None:
        book = BookLocation(database, DatabaseRole.AUDITOR)
        async with Reader(book) as reader:
            with (directory / "log.ndjson").open("wb") as file:
                scope = Scope(SIGNER.name, "hesabu", await reader.position())
                async for lines in export_lines(reader, scope):
                    file.write(lines)

    asyncio.run(write())
    capsys.readouterr()
    key = f"--key={SIGNER.verifier_key}"
    status = hesabu_verify.main([str(directory / "log.ndjson"), "--json", key])
    return status, json.loads(capsys.readouterr().out)


def test_what_is_in_order_is_found_to_be(
    sealed: DatabaseLocation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, report = _checked(sealed, tmp_path, capsys)
    assert status == 0, report
    assert report["findings"] == []
    lines = (tmp_path / "log.ndjson").read_text().splitlines()
    assert sum("checkpoint" in json.loads(line) for line in lines) == 2
    assert sum("leaf" in json.loads(line) for line in lines) == 768


@pytest.mark.parametrize("position", [2, 300, 512, 700])
def test_the_event_that_was_changed_is_named(
    sealed: DatabaseLocation, tmp_path: Path, capsys: pytest.CaptureFixture[str], position: int
) -> None:
    with superuser(sealed) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE ledger_events SET state = replace(convert_from(state, 'UTF8'), 'fan', 'nobody')"
            "::bytea WHERE notification_id = %s",
            (position,),
        )
        connection.execute(
            "UPDATE ledger_events SET state = state || ' ' WHERE notification_id = %s", (position,)
        )
    status, report = _checked(sealed, tmp_path, capsys)
    assert status == 1
    assert report["findings"][0]["position"] == position
