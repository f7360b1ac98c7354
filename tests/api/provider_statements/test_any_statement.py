"""Whatever a statement says, it adds up; and however often a line comes, it has one effect."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import settings as api_settings
from api.provider_statements.explanations import explain
from api.provider_statements.reconciler import Reconciler
from api.provider_statements.tables import StatementTables
from projections.reader import Reader
from tests.api.provider_statements.files import (
    ADMIN,
    Row,
    as_csv,
    assert_it_adds_up,
    bring,
    items,
    report,
)
from tests.builders import initiate_payment, register_creator, report_success
from tests.databases import rows, value
from tests.invariants import assert_book_is_sound, balances

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from ledger.application import Ledger
    from ledger.database.connections import BookLocation
    from ledger.database.location import DatabaseLocation
    from ledger.key_store import KeyStore

EXAMPLES: Final = 25
NOW: Final = datetime.now(UTC).replace(microsecond=0)
SUCCEEDED: Final = "SELECT count(*) FROM ledger_events WHERE topic LIKE 'payment.succeeded%'"
NUMBERS: Final = count(1)
CREATOR: Final = uuid4()
DIRECTIONS: Final = {"fee": "fee", "refund": "out", "settlement": "out", "payment": "in"}

WHAT: Final = st.sampled_from(
    [
        *("heard", "lost", "differs", "other_currency", "unmatched", "fee", "fee_of_nothing"),
        *("refund", "refund_of_nothing", "settlement", "campaign", "without_id", "late"),
    ]
)
Drawn = tuple[str, int]


@pytest.fixture
def reconciler(ledger: Ledger, key_store: KeyStore, tmp_path: Path) -> Reconciler:
    """Of a deployment in which one person's word is enough for all of this."""
    chosen = api_settings.Settings(data_directory=tmp_path, second_person_above=10**15)
    return Reconciler(ledger, key_store, chosen)


def written(ledger: Ledger, what: str, amount: int) -> Row:
    """A row about something new, of which the ledger has heard or not."""
    payment, name = uuid4(), f"N{next(NUMBERS)}"
    row = Row(name, "payment", amount, NOW, reference=str(payment))
    if what in {"heard", "differs", "other_currency", "lost", "fee", "refund", "late"}:
        ledger.execute_one(initiate_payment(CREATOR, amount, payment_id=payment))
    if what in {"heard", "differs", "other_currency", "fee", "refund", "late"}:
        told = report_success(payment, amount, transaction=name, occurred_at=NOW)
        ledger.execute_one(told)
    match what:
        case "differs":
            return replace(row, amount=amount + 1)
        case "other_currency":
            return replace(row, currency="ZMW")
        case "unmatched":
            return replace(row, reference="somebody's own words")
        case "without_id":
            return replace(row, transaction="", reference="", type="campaign")
        case "fee" | "fee_of_nothing":
            return Row(f"F{name}", "fee", -amount, NOW, related=name)
        case "refund" | "refund_of_nothing":
            return Row(f"R{name}", "refund", -amount, NOW, related=name)
        case "settlement":
            return Row(name, "settlement", -amount, NOW)
        case "campaign":
            return replace(row, type="campaign", reference="")
        case "late":
            return replace(row, occurred_at=NOW - timedelta(days=9))
        case _:
            return row


def said(file_rows: list[Row]) -> dict[tuple[str, str], int]:
    """What the statement says of each currency and direction, each line once."""
    totals: dict[tuple[str, str], int] = defaultdict(int)
    # Equal rows without an id are as many lines as there are; of others the name counts.
    once = {(row.transaction or number): row for number, row in enumerate(file_rows)}
    for row in once.values():
        totals[row.currency, DIRECTIONS.get(row.type, "in")] += abs(row.amount)
    return dict(totals)


def explain_some(book: BookLocation, statement: UUID, every: int) -> None:
    async def say() -> None:
        async with Reader(book) as reader:
            for item in found:
                await explain(reader, item.item_id, by=ADMIN, key=str(uuid4()), reason="Known.")

    found = items(book, statement)[::every]
    asyncio.run(say())


def test_any_statement_adds_up_and_no_line_has_two_effects(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    ledger.execute_one(register_creator(CREATOR))

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(
        drawn=st.lists(st.tuples(WHAT, st.integers(1, 10**7)), min_size=1, max_size=14),
        split=st.integers(0, 14),
        twice=st.integers(0, 3),
        chance=st.randoms(use_true_random=False),
        every=st.integers(1, 3),
    )
    def check(drawn: list[Drawn], split: int, twice: int, chance: object, every: int) -> None:
        file_rows = [written(ledger, *each) for each in drawn]
        named = [row for row in file_rows if row.transaction]
        file_rows += named[:twice]
        chance.shuffle(file_rows)  # type: ignore[attr-defined]  # hypothesis's Random
        # Two files that overlap, then both of them in another order and as one.
        parts = [file_rows[: split + 2], file_rows[split:]]
        brought = [(part, bring(reconciler, as_csv(part)).statement_id) for part in parts if part]
        head = value(database, "SELECT max(position) FROM turns")
        before = balances(database)
        whole = named + [row for row in named if row.transaction.startswith("F")]
        again = [part for part in (whole[::-1], parts[-1], parts[0]) if part]
        brought += [(part, bring(reconciler, as_csv(part)).statement_id) for part in again]
        assert balances(database) == before
        assert value(database, "SELECT max(position) FROM turns") == head
        explain_some(book, brought[0][1], every)
        for part, statement in brought:
            told = report(book, statement)
            assert_it_adds_up(told)
            assert {(each.currency, each.direction): each.total for each in told.totals} == said(
                part
            )
            assert told.unexplained == len(items(book, statement))

    check()
    assert_book_is_sound(database)
    # An entry answers one line, and a line that was recorded has its entry.
    unanswered = rows(
        database,
        "SELECT line_key FROM provider_statement_lines AS line WHERE outcome = 'recorded' AND "
        "NOT EXISTS (SELECT FROM reconciled_entries AS taken WHERE taken.line_key = line.line_key)",
    )
    assert unanswered == []


def test_the_same_file_again_and_in_another_order_changes_nothing(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    ledger.execute_one(register_creator(CREATOR))
    kinds = ["lost", "unmatched", "fee", "refund", "settlement", "campaign", "differs"]
    file_rows = [written(ledger, what, 1_000 + at) for at, what in enumerate(kinds)]
    first = bring(reconciler, as_csv(file_rows))
    counted = "SELECT (SELECT count(*) FROM ledger_events), (SELECT count(*) FROM {})"
    tables = ("provider_statement_lines", "reconciled_entries", "reconciliation_items")
    before = [rows(database, counted.format(table)) for table in tables]
    again = bring(reconciler, as_csv(file_rows))
    assert (again.statement_id, again.is_new) == (first.statement_id, False)
    turned = bring(reconciler, as_csv(file_rows[::-1]))
    assert (turned.statement_id, turned.is_new) == (turned.statement_id, True)
    assert turned.statement_id != first.statement_id
    assert [rows(database, counted.format(table)) for table in tables] == before
    assert report(book, first.statement_id).totals == report(book, turned.statement_id).totals


def test_two_equal_lines_without_an_id_are_two_in_one_file_and_the_same_two_in_another(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    equal = Row("", "campaign", 500, NOW)
    first = report(book, bring(reconciler, as_csv([equal, equal])).statement_id)
    assert (first.lines, first.repeated, first.totals[0].total) == (2, 0, 1_000)
    more = [equal, Row("X", "campaign", 1, NOW), equal, equal]
    second = report(book, bring(reconciler, as_csv(more)).statement_id)
    assert (second.lines, second.totals[0].total) == (4, 1_501)
    assert value(database, "SELECT count(*) FROM provider_statement_lines") == 4


def test_an_interrupted_statement_is_finished_by_bringing_it_again(
    ledger: Ledger,
    reconciler: Reconciler,
    book: BookLocation,
    database: DatabaseLocation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger.execute_one(register_creator(CREATOR))
    file_rows = [written(ledger, "lost", 1_000 + at) for at in range(6)]
    monkeypatch.setattr("api.provider_statements.reconciler.BATCH", 2)
    with monkeypatch.context() as halfway:
        kept = count(1)
        keep = StatementTables.write_lines

        def stop(tables: StatementTables, *given: Any) -> None:  # noqa: ANN401 - as it is called
            # What the second batch reports is recorded by now, and not noted yet.
            if next(kept) == 2:
                raise KeyboardInterrupt
            keep(tables, *given)

        halfway.setattr(StatementTables, "write_lines", stop)
        with pytest.raises(KeyboardInterrupt):
            bring(reconciler, as_csv(file_rows))
    told = report(book, bring(reconciler, as_csv(file_rows)).statement_id)
    assert (told.unexplained, told.lines) == (0, 6)
    assert value(database, SUCCEEDED) == 6
    assert_book_is_sound(database)
