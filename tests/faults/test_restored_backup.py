"""Yesterday's backup, by PostgreSQL's own program, in place of today's data: nobody signs it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

import hesabu_verify
from api.seal_memory import Publication, SealMemory
from api.sealer import Sealer
from ledger.application import Ledger
from ledger.database.cluster import Cluster
from ledger.database.connections import BookLocation
from ledger.database.embedded import EmbeddedPostgres
from ledger.database.location import DatabaseLocation
from ledger.database.migrate import migrate
from ledger.database.roles import DatabaseRole
from projections.reader import Reader
from projections.sealed_log import InconsistentLogError
from tests.api.processes import wait_until
from tests.builders import initiate_payment, register_creator
from tests.databases import value
from tests.verify.exports import LOG
from tests.verify.stolen_database import write_export

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Machine:
    """A server, its backups, and what a sealer keeps outside of the database."""

    server: EmbeddedPostgres
    directory: Path
    creator: UUID

    @property
    def database(self) -> DatabaseLocation:
        return DatabaseLocation.from_embedded(self.server, "book")

    def sealer(self, outside: str = "outside") -> Sealer:
        kept = self.directory / outside
        kept.mkdir(exist_ok=True)
        memory, publication = SealMemory(kept / "memory"), Publication(kept / "published")
        book = BookLocation(self.database, DatabaseRole.SEALER)
        return Sealer(book, [LOG], memory, publication, seal_seconds=0.1)

    def pay(self, count: int) -> int:
        """So many payments are begun; the head of the log."""
        ledger = Ledger(BookLocation(self.database, DatabaseRole.APP))
        ledger.execute([initiate_payment(self.creator) for _ in range(count)])
        ledger.close()
        return int(value(self.database, "SELECT max(position) FROM turns"))

    def seal(self, head: int, outside: str = "outside") -> None:
        """Run a sealer until it has signed so many events."""
        sealer = self.sealer(outside)
        running = threading.Thread(target=sealer.run)
        running.start()
        newest = "SELECT coalesce(max(size), 0) FROM checkpoints"
        try:
            wait_until(lambda: value(self.database, newest) == head, seconds_max=20)
        finally:
            sealer.stop()
            running.join()

    def back_up(self) -> Path:
        backup = self.directory / f"backup-{uuid4().hex}"
        program = Cluster.locate(self.server.directory).binaries / "pg_basebackup"
        connect = f"--dbname={self.server.owner_conninfo()}"
        subprocess.run(
            [program, f"--pgdata={backup}", connect, "--checkpoint=fast"], check=True, timeout=60
        )
        return backup

    def restore(self, backup: Path) -> None:
        """The server stops, its data are those of the backup, and it starts."""
        self.server.stop()
        data = (self.server.directory / "data").resolve()
        owner = data.stat()
        shutil.rmtree(data)
        shutil.copytree(backup, data)
        for path in (data, *data.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
        self.server.start()

    def verify(self, *options: str) -> tuple[int, Path]:
        """What the auditor's program says of an export of today."""
        path = self.directory / "export.ndjson"

        async def export() -> None:
            async with Reader(BookLocation(self.database, DatabaseRole.AUDITOR)) as reader:
                await write_export(reader, path)

        asyncio.run(export())
        key = f"--key={LOG.verifier_key}"
        return hesabu_verify.main([str(path), "--json", key, *options]), path


@pytest.fixture
def machine() -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="hesabu-restored-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with EmbeddedPostgres(directory / "server") as started:
            started.ensure_database("book")
            machine = Machine(started, directory, uuid4())
            migrate(machine.database)
            ledger = Ledger(BookLocation(machine.database, DatabaseRole.APP))
            ledger.execute_one(register_creator(machine.creator))
            ledger.close()
            yield machine


def _report(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def test_a_restored_backup_is_signed_by_nobody_and_a_kept_checkpoint_shows_it(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    in_the_backup = machine.pay(300)
    machine.seal(in_the_backup)
    backup = machine.back_up()
    # As long as nothing more was signed, it is the same log: the sealer goes on with it.
    machine.restore(backup)
    lost = machine.pay(200)
    machine.seal(lost)
    note = value(machine.database, "SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1")
    kept = machine.directory / "kept.checkpoint"
    kept.write_text(note)
    assert machine.verify(f"--checkpoint={kept}")[0] == 0
    capsys.readouterr()

    machine.restore(backup)
    with pytest.raises(InconsistentLogError, match=r"Was an older backup restored\?"):
        machine.sealer().run()
    assert machine.verify(f"--checkpoint={kept}")[0] == 1
    [finding] = _report(capsys)["findings"]
    assert finding["position"] == in_the_backup + 1
    assert finding["what"].startswith("missing: ")

    # It goes on, and is longer than what was signed: then it is another history.
    longer = machine.pay(400)
    with pytest.raises(InconsistentLogError, match=f"first {lost} events are not those"):
        machine.sealer().run()
    assert machine.verify(f"--checkpoint={kept}")[0] == 1
    [finding] = _report(capsys)["findings"]
    assert finding["position"] == in_the_backup + 1
    assert f"up to position {lost}, is not what was signed" in finding["what"]
    assert value(machine.database, "SELECT max(size) FROM checkpoints") == in_the_backup

    # The control: who has kept nothing signs it, and has nothing to show.
    machine.seal(longer, outside="another machine")
    assert machine.verify()[0] == 0
