"""Every format tells the same numbers, at every position, and its own program believes it."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import types  # type: ignore[import-untyped]
from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]

from projections import event_log, trial_balance
from projections.exports import parquet
from projections.exports.formats import ExportFormat
from projections.reader import PositionNotReached
from tests.projections import exported_book as book
from tests.projections.export_readers import (
    added_up,
    by_beancount,
    by_hledger,
    read_cloud_events,
    read_parquet,
    states_in,
)
from tests.projections.exported_book import exported, shown
from tests.projections.histories import Naive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.database.location import DatabaseLocation
    from tests.databases import Databases
    from tests.invariants import Balances
    from tests.projections.hledger_program import Hledger

AHEAD_OF_UTC = "Pacific/Kiritimati"
BEHIND_UTC = "Etc/GMT+12"


@pytest.fixture(scope="module")
def database(databases: Databases) -> Iterator[DatabaseLocation]:
    created = databases.create()
    book.fill(created)
    yield created
    databases.drop(created)


@pytest.fixture(scope="module")
def naive(database: DatabaseLocation) -> Naive:
    return Naive(database)


@pytest.fixture(scope="module", params=["early", "late", "head"])
def position(request: pytest.FixtureRequest, naive: Naive) -> int:
    chance = Random(str(request.param))
    middle = naive.head // 2
    positions = {
        "early": chance.randrange(100, middle),
        "late": chance.randrange(middle, naive.head),
        "head": naive.head,
    }
    return positions[request.param]


@pytest.fixture(scope="module")
def balances(database: DatabaseLocation, naive: Naive, position: int) -> Balances:
    """Those of the trial balance, which are those of the log."""
    told = shown(database, position)
    assert told == {key: amount for key, amount in naive.balances(position).items() if amount}
    return told


def file_of(
    database: DatabaseLocation, which: ExportFormat, position: int | None, directory: Path
) -> Path:
    name, content = exported(database, which, position)
    (directory / name).write_bytes(content)
    return directory / name


def test_hledger_accepts_it_and_finds_our_balances(
    database: DatabaseLocation, position: int, balances: Balances, hledger: Hledger, tmp_path: Path
) -> None:
    journal = file_of(database, ExportFormat.HLEDGER, position, tmp_path)
    complaints, found = by_hledger(hledger, journal)
    assert complaints == []
    assert found == balances


def test_beancount_accepts_it_and_finds_our_balances(
    database: DatabaseLocation, position: int, balances: Balances, tmp_path: Path
) -> None:
    complaints, found = by_beancount(file_of(database, ExportFormat.BEANCOUNT, position, tmp_path))
    assert complaints == []
    assert found == balances


def test_cloud_events_are_the_log_and_their_entries_add_up_to_our_balances(
    database: DatabaseLocation, naive: Naive, position: int, balances: Balances
) -> None:
    _, lines = exported(database, ExportFormat.CLOUD_EVENTS, position)
    states: list[dict[str, Any]] = []
    for event, stored in zip(read_cloud_events(lines), naive.events[:position], strict=True):
        at, stream, version, topic, state = stored
        data = event.get_data()
        assert isinstance(data, dict)
        states.append(data)
        assert data == json.loads(state)
        assert event.get_id() == event.get_extension("position") == str(at)
        assert event.get_source() == f"//{book.ORIGIN}/{stream}"
        assert event.get_subject() == str(stream)
        assert event.get_type() == topic
        assert event.get_extension("streamversion") == version
        assert event.get_time() == naive.recorded_at[at - 1]
        assert event.get_datacontenttype() == "application/json"
    assert added_up(states) == balances


def test_the_data_of_a_cloud_event_is_the_state_byte_for_byte(
    database: DatabaseLocation, naive: Naive
) -> None:
    _, lines = exported(database, ExportFormat.CLOUD_EVENTS)
    for line, (*_, state) in zip(lines.splitlines(), naive.events, strict=True):
        assert line.endswith(b'"data":' + state + b"}")
    assert book.TIER.encode() in lines


def test_parquet_has_each_line_with_its_balance(
    database: DatabaseLocation, naive: Naive, position: int, balances: Balances
) -> None:
    _, file = exported(database, ExportFormat.PARQUET, position)
    rows = read_parquet(file)
    assert [
        (row["position"], row["line"], row["account"], row["currency"], row["amount"],
         int(row["balance"]), row["recorded_at"], row["topic"], row["stream"], row["version"])
        for row in rows
    ] == [
        (*line[:-2], str(line.stream_id), line.version)
        for line in naive.lines if line.position <= position
    ]  # fmt: skip
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        sums[row["account"], row["currency"]] += row["amount"]
        assert row["effective_at"] <= row["recorded_at"]
    assert {key: amount for key, amount in sums.items() if amount} == balances


def test_the_bundle_ends_at_the_position_too(
    database: DatabaseLocation, position: int, balances: Balances
) -> None:
    _, bundle = exported(database, ExportFormat.BUNDLE, position)
    assert json.loads(bundle.splitlines()[-1]) == {"end": {"events": position}}
    states = states_in(bundle)
    assert len(states) == position
    assert added_up(states) == balances


def test_the_book_has_what_may_go_wrong(naive: Naive) -> None:
    balances = naive.balances(naive.head)
    assert {currency for _, currency in balances} == {"KES", "UGX", "KWD"}
    assert {abs(amount) > 2**53 for (_, of), amount in balances.items() if of == "UGX"} == {
        *(True, False)
    }
    assert {line.topic for line in naive.lines} > {"books.currency_exchanged.v1"}


def test_parquet_is_written_in_row_groups_of_int64_and_utc(
    database: DatabaseLocation, naive: Naive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_LINES_MIN", 1_000)
    file = ParquetFile(file_of(database, ExportFormat.PARQUET, None, tmp_path))
    assert file.metadata.num_rows == len(naive.lines)
    assert file.metadata.num_row_groups == -(-len(naive.lines) // 1_000)
    schema = file.schema_arrow
    assert types.is_int64(schema.field("amount").type)
    assert str(schema.field("recorded_at").type) == "timestamp[us, tz=UTC]"
    assert schema.metadata[b"position"] == str(naive.head).encode()


@pytest.mark.parametrize("time_zone", [AHEAD_OF_UTC, BEHIND_UTC])
def test_the_days_are_those_of_utc_wherever_it_is_written_and_read(
    database: DatabaseLocation,
    naive: Naive,
    hledger: Hledger,
    tmp_path: Path,
    *,
    monkeypatch: pytest.MonkeyPatch,
    time_zone: str,
) -> None:
    files = [ExportFormat.HLEDGER, ExportFormat.BEANCOUNT]
    here = [exported(database, which) for which in files]
    monkeypatch.setenv("TZ", time_zone)
    time.tzset()
    try:
        assert [exported(database, which) for which in files] == here
        journal = file_of(database, ExportFormat.HLEDGER, None, tmp_path)
        assert by_hledger(hledger, journal, time_zone=time_zone).complaints == []
        assert by_beancount(file_of(database, ExportFormat.BEANCOUNT, None, tmp_path))[0] == []
    finally:
        monkeypatch.undo()
        time.tzset()
    lines = here[0][1].decode().splitlines()
    first = next(line.position for line in naive.lines if line.recorded_at == book.MIDNIGHT)
    assert lines.count(f"2102-03-01 * ({first}) receipt.unmatched_recorded.v1") == 1
    before = f"2102-02-28 * ({first - 3}) receipt.unmatched_recorded.v1"
    assert lines.count(before) == 1
    assert lines[lines.index(before) + 3] == "    ; recorded-at: 2102-02-28T23:59:59.999999Z"
    assert here[1][1].decode().splitlines()[-1].startswith("2102-03-02 balance ")


def test_an_earlier_export_is_the_beginning_of_a_later_one(database: DatabaseLocation) -> None:
    def transactions(until: int | None) -> list[str]:
        _, journal = exported(database, ExportFormat.HLEDGER, until)
        found = journal.decode().split("\n\n")
        return [each for each in found if ") " in each.partition("\n")[0]]

    early, late = transactions(1_000), transactions(None)
    assert 0 < len(early) < len(late)
    assert late[: len(early)] == early


@pytest.mark.parametrize("rows", [1, 7, 50])
def test_pages_of_any_size_tell_the_same(
    database: DatabaseLocation,
    hledger: Hledger,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
) -> None:
    end = 400
    formats = (ExportFormat.CLOUD_EVENTS, ExportFormat.BEANCOUNT)
    whole = [exported(database, which, end) for which in formats]
    lines = read_parquet(exported(database, ExportFormat.PARQUET, end)[1])
    for module in (event_log, trial_balance, parquet):
        monkeypatch.setattr(module, "BATCH_SIZE", rows)
    assert [exported(database, which, end) for which in formats] == whole
    assert read_parquet(exported(database, ExportFormat.PARQUET, end)[1]) == lines
    found = by_hledger(hledger, file_of(database, ExportFormat.HLEDGER, end, tmp_path))
    assert found == ([], shown(database, end))


@pytest.mark.parametrize("which", ExportFormat)
def test_an_empty_log_is_a_file_as_well(
    database: DatabaseLocation, hledger: Hledger, tmp_path: Path, which: ExportFormat
) -> None:
    file = file_of(database, which, 0, tmp_path)
    assert file.name.startswith("hesabu-0.")
    match which:
        case ExportFormat.BUNDLE:
            assert states_in(file.read_bytes()) == []
        case ExportFormat.CLOUD_EVENTS:
            assert read_cloud_events(file.read_bytes()) == []
        case ExportFormat.HLEDGER:
            assert by_hledger(hledger, file) == ([], {})
        case ExportFormat.BEANCOUNT:
            assert by_beancount(file) == ([], {})
        case ExportFormat.PARQUET:
            assert read_parquet(file.read_bytes()) == []


@pytest.mark.parametrize("which", ExportFormat)
def test_a_position_that_is_not_there_yet_is_refused(
    database: DatabaseLocation, naive: Naive, which: ExportFormat
) -> None:
    with pytest.raises(PositionNotReached):
        exported(database, which, naive.head + 1)
