"""Whoever owns the database, and makes everything in it anew, is found out offline.

Each attack is done in the tables (stolen_database.py), exported by our own export, and judged by
the auditor's program with what was kept from before: one checkpoint, all of them, a receipt. The
campaign does each with a hundred seeds.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

import hesabu_verify
from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.location import DatabaseLocation
from ledger.database.roles import DatabaseRole
from ledger.merkle import TILE_WIDTH
from ledger.receipts import ReceiptSigner
from ledger.replay import replay
from projections.reader import Reader
from projections.sealed_log import InconsistentLogError, Known, SealedLog
from tests.builders import initiate_payment, register_creator
from tests.databases import COPY_TEMPLATE
from tests.verify.exports import LOG, ORIGIN, RECEIPTS, Export, export_of
from tests.verify.stolen_database import (
    StolenDatabase,
    checkpoint_sizes,
    recompute_tiles,
    seal,
    write_export,
    write_history,
)
from tests.verify.test_tampering import (
    TAMPERS,
    Named,
    Tamper,
    a_byte_that_means_nothing_is_added,
    a_position_is_there_twice,
    a_word_is_another,
    more_money_moves,
    the_end_is_cut_off,
    the_money_goes_elsewhere,
    the_row_alone_is_changed,
    the_row_alone_is_deleted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.databases import Databases

ROW_ALONE: Final = (the_row_alone_is_changed, the_row_alone_is_deleted, a_position_is_there_twice)
"""What somebody does who has not understood that there is a tree."""

SOUND: Final = (
    more_money_moves,
    the_money_goes_elsewhere,
    a_word_is_another,
    a_byte_that_means_nothing_is_added,
    the_end_is_cut_off,
)
"""After these the platform's own replay finds nothing: the book agrees with its events."""

FEW: Final = range(1)
CAMPAIGN: Final = pytest.param(
    range(100), marks=[pytest.mark.slow, pytest.mark.timeout(1_800)], id="campaign"
)
ISSUED_AT: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
PINNED: Final = tuple(f"--key={key}" for key in (LOG.verifier_key, RECEIPTS.verifier_key))


class Judged(NamedTuple):
    """What the program said."""

    status: int
    report: dict[str, Any]

    @property
    def first(self) -> dict[str, Any]:
        finding: dict[str, Any] = self.report["findings"][0]
        return finding

    @property
    def positions(self) -> set[int]:
        return {finding["position"] for finding in self.report["findings"]}


class Judge(Protocol):
    """The auditor's program on an export, with what was kept."""

    def __call__(self, *kept: Path) -> Judged: ...


@pytest.fixture(scope="module")
def stolen(databases: Databases) -> Iterator[StolenDatabase]:
    database = databases.create()
    write_history(database)
    seal(database)
    with StolenDatabase(database) as opened:
        yield opened
    databases.drop(database)


@pytest.fixture
def judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Judge:
    def run(*kept: Path) -> Judged:
        options = [
            f"--{'receipt' if path.suffix == '.json' else 'checkpoint'}={path}" for path in kept
        ]
        export = str(tmp_path / "export.ndjson")
        status = hesabu_verify.main([export, "--json", *PINNED, *options])
        return Judged(status, json.loads(capsys.readouterr().out))

    return run


class Kept(NamedTuple):
    """What an auditor and a creator have kept from before."""

    newest: Path
    checkpoints: list[Path]
    receipts: list[Path]

    @classmethod
    def of(cls, genuine: Export, directory: Path, sizes: list[int]) -> Kept:
        checkpoints = []
        for size in sizes:
            checkpoints.append(directory / f"{size}.checkpoint")
            checkpoints[-1].write_text(genuine.note(size), encoding="utf-8")
        signer = ReceiptSigner(RECEIPTS, origin=ORIGIN, clock=lambda: ISSUED_AT)
        receipts = []
        for event in genuine.events:
            receipts.append(directory / f"{event.position}.json")
            receipt = signer.sign(event.position, [event.leaf]).receipt(0)
            receipts[-1].write_text(json.dumps(receipt.to_json()), encoding="utf-8")
        return cls(checkpoints[-1], checkpoints, receipts)


@pytest.fixture
def kept(stolen: StolenDatabase, tmp_path: Path) -> Kept:
    return Kept.of(stolen.genuine, tmp_path, checkpoint_sizes(stolen.genuine.size))


def attack(stolen: StolenDatabase, tamper: Tamper, random: Random) -> Named:
    changed = stolen.genuine.copy()
    named = tamper(changed, random)
    stolen.put(changed.events)
    if tamper not in ROW_ALONE:
        stolen.recompute(changed.events, named.position)
    if named.position > changed.size // TILE_WIDTH * TILE_WIDTH:
        # No full tile holds its hash yet, so the export cannot say with which it was sealed.
        return named._replace(exactly=named.exactly and tamper is not the_row_alone_is_changed)
    return named


def assert_is_named(judged: Judged, named: Named, sizes: list[int]) -> None:
    """By itself, or as one of those since the last checkpoint that is right."""
    report, first = judged.report, judged.first
    assert (judged.status, report["verdict"]) == (1, "broken")
    if named.exactly:
        assert first["position"] == named.position
        return
    covered = max((size for size in sizes if size < named.position), default=None)
    wrong = min(size for size in sizes if size >= named.position)
    assert report["covered"] == covered
    begin = (covered or 0) + 1
    assert begin <= named.position <= wrong
    if report["events"] < wrong:
        # It became shorter, and no checkpoint between speaks of it.
        assert first["what"].startswith("missing: ")
        assert (first["position"], first["what"].split()[-1]) == (report["events"] + 1, str(wrong))
    else:
        assert first["position"] == begin
        place = f"up to position {wrong}, is not" if begin < wrong else "this event is not"
        assert place in first["what"]


@pytest.mark.parametrize("seeds", [FEW, CAMPAIGN])
@pytest.mark.parametrize("tamper", TAMPERS, ids=lambda tamper: tamper.__name__)
def test_every_attack_is_found_with_what_was_kept(
    tamper: Tamper, seeds: range, stolen: StolenDatabase, judge: Judge, kept: Kept
) -> None:
    exported = kept.newest.with_name("export.ndjson")
    sizes = checkpoint_sizes(stolen.genuine.size)
    for seed in seeds:
        stolen.restore()
        stolen.export(exported)
        untouched = judge(*kept.checkpoints, *kept.receipts[:: seed + 1])
        assert untouched.status == 0, untouched.report["findings"]
        named = attack(stolen, tamper, Random(f"{tamper.__name__} {seed}"))
        stolen.export(exported)
        # One checkpoint, and those that the attacker has left.
        left = stolen.kept_sizes()
        assert_is_named(judge(kept.newest), named, [*left, sizes[-1]])
        # All of them: the next one after the event is the first that is wrong.
        assert_is_named(judge(*kept.checkpoints), named, sizes)
        # Its receipt, in the hands of somebody who never saw a checkpoint.
        receipt = kept.receipts[min(named.position, len(kept.receipts)) - 1]
        with_receipt = judge(receipt)
        assert with_receipt.status == 1
        assert named.position in with_receipt.positions
        assert_the_sealer_refuses(stolen, tamper)


def assert_the_sealer_refuses(stolen: StolenDatabase, tamper: Tamper) -> None:
    size = stolen.genuine.size
    known = [Known(size, stolen.genuine.root(), "the memory")]
    book = BookLocation(stolen.database, DatabaseRole.SEALER)
    with book.connect_reader() as connection:
        log = SealedLog(connection)
        if tamper not in ROW_ALONE:
            assert not log.resume(known)
        with pytest.raises(InconsistentLogError):
            log.make(known)


@pytest.mark.parametrize("tamper", SOUND, ids=lambda tamper: tamper.__name__)
def test_the_platform_itself_cannot_tell(
    tamper: Tamper, stolen: StolenDatabase, judge: Judge, tmp_path: Path
) -> None:
    stolen.restore()
    attack(stolen, tamper, Random(1))
    report = replay(BookLocation(stolen.database, DatabaseRole.AUDITOR))
    assert report.differences == ()
    stolen.export(tmp_path / "export.ndjson")
    alone = judge()
    assert alone.report["findings"] == [], "nor an auditor who has kept nothing"


# An older backup.


ROUNDS: Final = 4
A_ROUND: Final = 30


class Backups(NamedTuple):
    """A book, and copies of its database from before: each ends with its newest checkpoint."""

    genuine: Export
    copies: list[DatabaseLocation]
    heads: list[int]


def copy(databases: Databases, database: DatabaseLocation, name: str) -> DatabaseLocation:
    source = str(conninfo_to_dict(database.owner_conninfo())["dbname"])
    with psycopg.connect(databases.server.owner_conninfo(), autocommit=True) as connection:
        connection.execute(
            COPY_TEMPLATE.format(
                name=sql.Identifier(name),
                owner=sql.Identifier(DatabaseRole.OWNER),
                template=sql.Identifier(source),
            )
        )
    return DatabaseLocation.from_embedded(databases.server, name)


def go_on(database: DatabaseLocation, payments: int) -> None:
    ledger, creator = Ledger(BookLocation(database, DatabaseRole.APP)), uuid4()
    if payments:
        ledger.execute_one(register_creator(creator))
        ledger.execute([initiate_payment(creator) for _ in range(payments)])
    ledger.close()


@pytest.fixture(scope="module")
def backups(databases: Databases) -> Iterator[Backups]:
    database = databases.create()
    copies, heads = [], []
    for number in range(ROUNDS):
        go_on(database, A_ROUND)
        heads.append(seal(database, at_its_end=True))
        copies.append(copy(databases, database, f"backup_{number}"))
    yield Backups(export_of(database), copies, heads)
    for each in (database, *copies):
        databases.drop(each)


@pytest.mark.parametrize("seeds", [FEW, CAMPAIGN])
def test_an_older_backup_that_went_on_is_found_with_what_was_kept(
    seeds: range, backups: Backups, databases: Databases, judge: Judge, tmp_path: Path
) -> None:
    genuine, heads = backups.genuine, backups.heads
    kept = Kept.of(genuine, tmp_path, heads)
    for seed in seeds:
        random = Random(f"backup {seed}")
        number = random.randrange(ROUNDS - 1)
        restored = copy(databases, backups.copies[number], f"restored_{seed}_{len(seeds)}")
        export(restored, tmp_path / "export.ndjson")
        untouched = judge(*kept.checkpoints[: number + 1], *kept.receipts[: heads[number]])
        assert untouched.status == 0, "a part of the log, as it was then"
        go_on(restored, random.choice((0, 1, 20, 200)))
        recompute_tiles(restored)
        export(restored, tmp_path / "export.ndjson")
        named = Named(heads[number] + 1, exactly=False)
        assert_is_named(judge(kept.newest), named, [*heads[: number + 1], heads[-1]])
        with_receipt = judge(kept.receipts[named.position - 1])
        assert (with_receipt.status, with_receipt.first["position"]) == (1, named.position)
        with (
            BookLocation(restored, DatabaseRole.SEALER).connect_reader() as connection,
            pytest.raises(InconsistentLogError),
        ):
            SealedLog(connection).make([Known(heads[-1], genuine.root(), "the memory")])
        databases.drop(restored)


def export(database: DatabaseLocation, path: Path) -> None:
    async def run() -> None:
        async with Reader(BookLocation(database, DatabaseRole.AUDITOR)) as reader:
            await write_export(reader, path)

    asyncio.run(run())
