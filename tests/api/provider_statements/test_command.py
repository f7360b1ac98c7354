"""`hesabu reconcile`: a statement of any length from a file, and what does not agree as CSV."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.provider_statements.csv_output import COLUMNS, harmless, write_items
from projections.reconciliation import Item
from tests.api.provider_statements.files import Row, as_csv
from tests.databases import value

if TYPE_CHECKING:
    from typer.testing import Result

    from ledger.database.location import DatabaseLocation

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path


def run(database: DatabaseLocation, directory: Path, *arguments: str) -> Result:
    environment = {
        "DATABASE_URL": database.owner_conninfo(),
        "HESABU_DATA_DIRECTORY": str(directory),
    }
    return CliRunner().invoke(app, ["reconcile", *arguments], env=environment)


def test_a_statement_is_reconciled_from_a_file(database: DatabaseLocation, directory: Path) -> None:
    file, output = directory / "march.csv", directory / "items.csv"
    file.write_bytes(as_csv([Row("T1", "payment", 700, NOW), Row("X1", "campaign", 50, NOW)]))
    told = run(database, directory, "sandbox", str(file), "--items", str(output))
    assert told.exit_code == 1, told.output
    assert "KES in: 750 = 700 matched (700 recorded) + 0 explained + 50 open" in told.output
    assert told.output.splitlines()[-1].strip() == "1 unexplained"
    with output.open(newline="") as written:
        header, row = csv.reader(written)
    assert tuple(header) == COLUMNS
    assert dict(zip(header, row, strict=True))["why"] == "unknown_kind"
    # Again, of another day: nothing is recorded a second time.
    head = value(database, "SELECT max(position) FROM turns")
    day = ("--first-day", "2026-01-01", "--last-day", "2026-01-02")
    assert run(database, directory, "sandbox", str(file), *day).exit_code == 1
    assert value(database, "SELECT max(position) FROM turns") == head


def test_what_agrees_ends_with_success(database: DatabaseLocation, directory: Path) -> None:
    file = directory / "march.csv"
    file.write_bytes(as_csv([Row("S1", "settlement", -700, NOW)]))
    told = run(database, directory, "sandbox", str(file), "--account", "collection")
    assert told.exit_code == 0, told.output


def test_more_than_one_person_may_record_waits_for_an_admin(
    database: DatabaseLocation, directory: Path
) -> None:
    file = directory / "march.csv"
    file.write_bytes(as_csv([Row("T1", "payment", 1_000_001, NOW)]))
    for _ in range(2):
        told = run(database, directory, "sandbox", str(file))
        assert told.exit_code == 1, told.output
        assert "1000001 in minor units wait for a second person" in told.output
    assert value(database, "SELECT count(*) FROM ledger_events") == 0
    assert value(database, "SELECT DISTINCT actor FROM provider_statement_words") == "operator"


def test_what_is_no_statement_is_said_in_a_line(
    database: DatabaseLocation, directory: Path
) -> None:
    file = directory / "march.csv"
    file.write_text("a,b\n1,2\n")
    told = run(database, directory, "sandbox", str(file))
    assert told.exit_code == 2
    assert told.output.startswith("Not reconciled: file has no header")
    assert run(database, directory, "nobody", str(file)).exit_code == 2


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "|cmd", "%1", "\uff1d1", "\n=1"],
)
def test_no_text_is_a_formula_in_what_is_written(text: str, directory: Path) -> None:
    item = Item(
        item_id=uuid4(),
        number=1,
        provider="sandbox",
        statement_id=uuid4(),
        why="amount_differs",
        code=None,
        row_number=None,
        position=None,
        direction="in",
        currency="KES",
        statement_amount=-5,
        ledger_amount=None,
        day=None,
        recorded_at=NOW,
        kind="payment",
        transaction=text,
        stream_id=None,
        state="explained",
        reason=text,
        decided_by=None,
        decided_at=None,
    )
    file = directory / "items.csv"
    with file.open("w", newline="") as output:
        assert write_items(output, [item]) == 1
    with file.open(newline="") as written:
        header, row = csv.reader(written)
    cells = dict(zip(header, row, strict=True))
    assert cells["reason"] == cells["transaction"] == f"'{text}"
    # A number is a number.
    assert cells["statement_amount"] == "-5"


def test_a_text_that_is_no_formula_is_written_as_it_is() -> None:
    assert harmless("The operator rounded it.") == "The operator rounded it."
    assert harmless(None) == ""
