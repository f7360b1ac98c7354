"""Statements chain from month to month, whatever has happened, and say what earnings say."""

from __future__ import annotations

import asyncio
import csv
import random
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from api.statement_files import COLUMNS, statement_csv
from ledger.accounts import normal_balance
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from projections.creator_taxes import month_bounds
from projections.cursor import InvalidCursor, encode_cursor
from projections.live import LiveModel
from projections.models.earnings import EarningsModel, earnings
from projections.reader import Reader
from projections.statements import (
    Month,
    MonthNotBegun,
    all_statement_lines,
    month_of,
    months_of_creator,
    resumed,
    statement_lines,
    statement_totals,
)
from tests.databases import rows
from tests.projections.models.filling import ZONE
from tests.projections.models.test_agreement import NOT_EARNED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from projections.statements import AccountTotals
    from projections.transactions import Transaction
    from tests.projections.models.conftest import Lived

CREATORS_TRIED = 25

Statement = tuple["Month", "list[AccountTotals]", "list[Transaction]"]
Account = tuple[str, str]


def asked(lived: Lived, question: Callable[[Reader], Awaitable[Any]]) -> Any:  # noqa: ANN401 - its own
    async def run() -> Any:  # noqa: ANN401 - its own
        async with Reader(BookLocation(lived.database, DatabaseRole.APP)) as reader:
            return await question(reader)

    return asyncio.run(run())


def creators(lived: Lived) -> list[UUID]:
    """Some with money, among them those with the most lines."""
    query = """
        SELECT split_part(account, ':', 2)::uuid FROM balances JOIN journal_lines USING (account_id)
        WHERE account LIKE 'creator:%' GROUP BY 1 ORDER BY count(*) DESC, 1
    """
    found = [creator for (creator,) in rows(lived.database, query)]
    return [*found[:10], *random.Random(3).sample(found[10:], CREATORS_TRIED - 10)]


async def statements(reader: Reader, creator: UUID) -> list[Statement]:
    """All of a creator's months, the oldest first."""
    months = await months_of_creator(reader, creator, ZONE)
    assert months is not None
    found = []
    for name in reversed(months.names):
        month = await month_of(reader, name, ZONE)
        totals = await statement_totals(reader, creator, month)
        lines = [
            line async for page in all_statement_lines(reader, creator, month) for line in page
        ]
        found.append((month, totals, lines))
    return found


@pytest.fixture(scope="module")
def told(lived: Lived) -> dict[UUID, list[Statement]]:
    async def ask(reader: Reader) -> dict[UUID, list[Statement]]:
        return {creator: await statements(reader, creator) for creator in creators(lived)}

    found: dict[UUID, list[Statement]] = asked(lived, ask)
    return found


def by_account(totals: list[AccountTotals]) -> dict[Account, AccountTotals]:
    return {(each.account, each.currency): each for each in totals}


def test_a_month_closes_as_the_next_one_opens(told: dict[UUID, list[Statement]]) -> None:
    chained = 0
    for months in told.values():
        assert all(each.opening == 0 for each in months[0][1])
        for (month, before, _), (following, after, _) in pairwise(months):
            assert month.up_to == following.after
            opened = {key: each.opening for key, each in by_account(after).items()}
            for key, each in by_account(before).items():
                assert opened.pop(key) == each.closing
                chained += 1
            assert set(opened.values()) <= {0}
    assert chained > 100


def test_lines_lead_from_the_opening_to_the_closing_balance(
    told: dict[UUID, list[Statement]],
) -> None:
    for months in told.values():
        for month, totals, lines in months:
            last: dict[Account, int] = {}
            moved: dict[Account, list[int]] = defaultdict(list)
            for line in lines:
                assert month.after < line.position <= month.up_to
                key = (line.account, line.currency)
                moved[key].append(line.amount)
                last[key] = line.balance
            assert [(line.position, line.line) for line in lines] == sorted(
                (line.position, line.line) for line in lines
            )
            for key, each in by_account(totals).items():
                amounts = moved.pop(key, [])
                assert each.lines == len(amounts)
                assert each.credits == sum(amount for amount in amounts if amount > 0)
                assert each.debits == -sum(amount for amount in amounts if amount < 0)
                assert each.opening + each.credits - each.debits == each.closing
                assert last.get(key, each.opening) == each.closing
            assert not moved


def test_the_last_month_closes_at_the_balance_of_now(
    lived: Lived, told: dict[UUID, list[Statement]]
) -> None:
    for creator, months in told.items():
        [*_, (_, totals, _)] = months
        found = rows(
            lived.database,
            "SELECT account, currency, balance FROM balances"
            f" WHERE account LIKE 'creator:{creator}:%'",
        )
        assert {
            (account.rpartition(":")[2], currency): normal_balance(account, int(balance))
            for account, currency, balance in found
        } == {key: each.closing for key, each in by_account(totals).items()}


def test_what_earnings_say_of_a_month_is_what_its_lines_say(
    lived: Lived, told: dict[UUID, list[Statement]]
) -> None:
    compared = 0

    async def ask(reader: Reader) -> dict[tuple[UUID, str], dict[str, int]]:
        model = LiveModel(reader, EarningsModel)
        found: dict[tuple[UUID, str], dict[str, int]] = {}
        for creator, months in told.items():
            for month, _, _ in months:
                first, until = (moment.date() for moment in month_bounds(month.name, ZONE))
                earned = await earnings(model, creator, interval="month", first=first, until=until)
                found[creator, month.name] = {
                    each.currency: each.total.net for each in earned.items if each.total.net
                }
        return found

    earned = asked(lived, ask)
    for creator, months in told.items():
        for month, _, lines in months:
            net: dict[str, int] = defaultdict(int)
            for line in lines:
                if line.topic not in NOT_EARNED:
                    net[line.currency] += line.amount
            assert earned[creator, month.name] == {key: sum_ for key, sum_ in net.items() if sum_}
            compared += bool(earned[creator, month.name])
    assert compared > 20


def test_pages_are_the_whole_and_a_cursor_is_of_its_month(lived: Lived) -> None:
    creator = creators(lived)[0]

    async def ask(reader: Reader) -> tuple[list[Transaction], list[Transaction]]:
        found = await statements(reader, creator)
        month, _, whole = max(found, key=lambda each: len(each[2]))
        page = await statement_lines(reader, creator, month, limit=3)
        paged = list(page.items)
        while page.next_cursor is not None:
            about, after = resumed(page.next_cursor, month)
            assert about == month
            with pytest.raises(InvalidCursor):
                resumed(page.next_cursor, month._replace(name="2199-01"))
            page = await statement_lines(reader, creator, about, after=after, limit=3)
            paged += page.items
        return whole, paged

    whole, paged = asked(lived, ask)
    assert len(whole) > 10
    assert paged == whole


def test_of_a_cursor_only_an_end_that_the_month_has_is_believed() -> None:
    now = Month("2026-11", 100, 200, final=False)
    about, place = resumed(encode_cursor("statement 2026-11", 150, 120, 1), now)
    assert (about, place) == (now._replace(up_to=150), (120, 1))
    ended = now._replace(final=True)
    assert not resumed(encode_cursor("statement 2026-11", 150, 120, 1), ended)[0].final
    assert resumed(encode_cursor("statement 2026-11", 200, 120, 1), ended)[0].final
    for up_to, position, line in ((201, 120, 1), (150, 151, 1), (150, 99, 1), (150, 120, 32_768)):
        with pytest.raises(InvalidCursor):
            resumed(encode_cursor("statement 2026-11", up_to, position, line), now)


def test_a_spreadsheet_has_the_same_numbers(told: dict[UUID, list[Statement]]) -> None:
    [_, totals, lines] = max(
        (each for months in told.values() for each in months), key=lambda each: len(each[2])
    )

    async def written() -> bytes:
        async def pages() -> Any:  # noqa: ANN401 - an iterator
            yield lines

        return b"".join([piece async for piece in statement_csv(totals, pages())])

    head, *found = csv.reader(asyncio.run(written()).decode().splitlines())
    assert tuple(head) == COLUMNS
    cells = [dict(zip(head, row, strict=True)) for row in found]
    assert [int(cell["amount_minor_units"]) for cell in cells if cell["kind"] == "line"] == [
        line.amount for line in lines
    ]
    for kind, balances in (
        ("opening", [each.opening for each in totals]),
        ("closing", [each.closing for each in totals]),
    ):
        shown = [int(each["balance_minor_units"]) for each in cells if each["kind"] == kind]
        assert shown == balances
    assert all(cell[:1] not in {"=", "+", "@", "\t", "\r"} for row in found for cell in row)


def test_a_month_that_has_not_begun_has_none(lived: Lived) -> None:
    async def ask(reader: Reader) -> None:
        await month_of(reader, "2999-12", ZONE)

    with pytest.raises(MonthNotBegun):
        asked(lived, ask)
