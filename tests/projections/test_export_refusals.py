"""What was changed in an exported book is found by the programs that read it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from projections.exports.formats import ExportFormat
from tests.builders import initiate_payment, register_creator, report_success
from tests.projections.export_readers import Judgement, by_beancount, by_hledger
from tests.projections.exported_book import exported

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from uuid import UUID

    from ledger.application import Ledger
    from ledger.database.location import DatabaseLocation
    from tests.projections.hledger_program import Hledger

    Judge = Callable[[Path], Judgement]

UNIT = {"KES": "0.01", "UGX": "1", "KWD": "0.001"}
"""One minor unit."""

GROSS = {"KES": "1234.56", "UGX": "123456", "KWD": "123.456"}
MORE = {"KES": "1234.57", "UGX": "123457", "KWD": "123.457"}
"""123,456 minor units, and one more."""

SUFFIXES = {ExportFormat.HLEDGER: "journal", ExportFormat.BEANCOUNT: "beancount"}


@pytest.fixture(params=SUFFIXES)
def which(request: pytest.FixtureRequest) -> ExportFormat:
    return ExportFormat(request.param)


@pytest.fixture
def judge(which: ExportFormat, request: pytest.FixtureRequest) -> Judge:
    if which is ExportFormat.BEANCOUNT:
        return by_beancount
    hledger: Hledger = request.getfixturevalue("hledger")
    return lambda journal: by_hledger(hledger, journal)


@pytest.fixture(params=UNIT)
def currency(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def text(ledger: Ledger, database: DatabaseLocation, which: ExportFormat, currency: str) -> str:
    """An export of one payment that succeeded, with nothing for the provider."""
    creator = ledger.execute_one(register_creator(currency=currency)).stream
    assert creator is not None
    paid: UUID | None = ledger.execute_one(
        initiate_payment(creator, 123_456, currency=currency)
    ).stream
    ledger.execute_one(report_success(paid, 123_456, currency=currency))
    return exported(database, which)[1].decode()


def judged(text: str, which: ExportFormat, judge: Judge, directory: Path) -> list[str]:
    file = directory / f"book.{SUFFIXES[which]}"
    file.write_text(text, encoding="utf-8")
    return judge(file).complaints


def test_it_is_accepted_as_it_is(
    text: str, which: ExportFormat, judge: Judge, tmp_path: Path
) -> None:
    assert judged(text, which, judge, tmp_path) == []


def test_a_posting_that_differs_by_one_minor_unit_is_refused(
    text: str, which: ExportFormat, judge: Judge, currency: str, tmp_path: Path
) -> None:
    changed = text.replace(
        f"  {GROSS[currency]} {currency}\n", f"  {MORE[currency]} {currency}\n", 1
    )
    assert changed != text
    assert judged(changed, which, judge, tmp_path) != []


def test_an_entry_that_is_balanced_and_not_ours_is_refused_by_the_balances_at_the_end(
    text: str, which: ExportFormat, judge: Judge, currency: str, tmp_path: Path
) -> None:
    head, line, rest = re.split(r"(\n *\S+:\S+  [0-9.]+ [A-Z]{3}\n)", text, maxsplit=1)
    account = line.split()[0]
    other = re.search(r"\n *(\S+:\S+)  -[0-9.]+ [A-Z]{3}\n", rest)
    assert other is not None
    added = (
        f"{line}    {account}  {UNIT[currency]} {currency}\n"
        f"    {other[1]}  -{UNIT[currency]} {currency}\n"
    )
    complaints = judged(head + added + rest, which, judge, tmp_path)
    assert complaints != []
    assert all("alance" in complaint for complaint in complaints)


def test_a_balance_that_differs_by_one_minor_unit_is_refused(
    text: str, which: ExportFormat, judge: Judge, currency: str, tmp_path: Path
) -> None:
    asserted = {
        ExportFormat.HLEDGER: (f"= {GROSS[currency]}", f"= {MORE[currency]}"),
        ExportFormat.BEANCOUNT: (f"  {GROSS[currency]} ~", f"  {MORE[currency]} ~"),
    }[which]
    changed = text.replace(*asserted)
    assert changed != text
    assert judged(changed, which, judge, tmp_path) != []
