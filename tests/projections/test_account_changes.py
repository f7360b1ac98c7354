"""What changed between two positions, an account a line, adds up to what was and what is."""

from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from ledger.accounts import side_of
from projections.account_changes import (
    AccountChange,
    Changes,
    PositionsReversed,
    all_changes,
    changes_page,
)
from projections.cursor import InvalidCursor
from projections.reader import PositionNotReached
from tests.builders import initiate_payment, register_creator, report_success
from tests.projections.conftest import asker
from tests.projections.test_explanations import tamper

if TYPE_CHECKING:
    from ledger.application import Ledger
    from ledger.database.connections import BookLocation
    from projections.reader import Reader
    from tests.projections.conftest import Ask
    from tests.projections.histories import Naive


def expected(naive: Naive, first: int, second: int) -> list[AccountChange]:
    """The same by going through all lines."""
    lines: dict[tuple[str, str], list[int]] = defaultdict(list)
    for line in naive.lines:
        if first < line.position <= second:
            lines[line.account, line.currency].append(line.amount)
    before, after = naive.balances(first), naive.balances(second)
    return [
        AccountChange(
            account=account,
            currency=currency,
            side=side_of(account),
            before=before.get((account, currency), 0),
            debits=sum(each for each in amounts if each > 0),
            credits=-sum(each for each in amounts if each < 0),
            after=after[account, currency],
            lines=len(amounts),
        )
        for (account, currency), amounts in sorted(lines.items())
    ]


async def paged(reader: Reader, first: int, second: int, limit: int) -> list[Changes]:
    """All pages."""
    pages = [await changes_page(reader, first, second, limit=limit)]
    while (cursor := pages[-1].next_cursor) is not None:
        pages.append(await changes_page(reader, first, second, limit=limit, cursor=cursor))
    return pages


def test_changes_are_those_of_the_lines_in_between(ask: Ask, naive: Naive) -> None:
    random = Random(7)

    async def scenario(reader: Reader) -> None:
        for limit in (1, 2, 3, 200, 200, 200, 200):
            first, second = sorted(random.choices(range(naive.head + 1), k=2))
            wanted = expected(naive, first, second)
            pages = await paged(reader, first, second, limit)
            assert [item for page in pages for item in page.items] == wanted
            assert all(page.sums_match for page in pages)
            assert all(page.totals == pages[0].totals for page in pages)
            found = await all_changes(reader, first, second, slice_size=random.randrange(1, 50))
            assert found.items == wanted
            assert found.totals == pages[0].totals
            for total in found.totals:
                of_it = [each for each in wanted if each.currency == total.currency]
                assert total.balanced
                assert total.debits == sum(each.debits for each in of_it)
                assert total.accounts == len(of_it)
                assert total.lines == sum(each.lines for each in of_it)

    ask(scenario)


def test_the_whole_history_leads_from_nothing_to_the_balances(ask: Ask, naive: Naive) -> None:
    async def scenario(reader: Reader) -> None:
        changes = await all_changes(reader, 0, naive.head)
        found = {(each.account, each.currency): each.after for each in changes.items}
        assert found == naive.balances(naive.head)
        assert {each.before for each in changes.items} == {0}

    ask(scenario)


def test_between_a_position_and_itself_nothing_changed(ask: Ask, naive: Naive) -> None:
    async def scenario(reader: Reader) -> None:
        for changes in (
            await changes_page(reader, naive.head, naive.head),
            await all_changes(reader, naive.head, naive.head),
        ):
            assert (changes.items, changes.totals, changes.next_cursor) == ([], [], None)
            assert changes.sums_match

    ask(scenario)


def test_positions_are_asked_for_in_their_order_and_only_where_the_log_is(
    ask: Ask, naive: Naive
) -> None:
    async def scenario(reader: Reader) -> None:
        with pytest.raises(PositionsReversed):
            await changes_page(reader, 2, 1)
        with pytest.raises(PositionNotReached):
            await changes_page(reader, 0, naive.head + 1)
        with pytest.raises(PositionNotReached):
            await all_changes(reader, 0, naive.head + 1)

    ask(scenario)


def test_a_cursor_of_other_positions_is_refused(ask: Ask, naive: Naive) -> None:
    async def scenario(reader: Reader) -> None:
        page = await changes_page(reader, 0, naive.head, limit=1)
        assert page.next_cursor is not None
        with pytest.raises(InvalidCursor):
            await changes_page(reader, 1, naive.head, limit=1, cursor=page.next_cursor)

    ask(scenario)


def test_a_line_that_was_changed_does_not_add_up(ledger: Ledger, book: BookLocation) -> None:
    creator = register_creator(UUID(int=1))
    initiated = initiate_payment(creator.creator_id)
    ledger.execute([creator, initiated, report_success(initiated.payment_id)])

    async def scenario(reader: Reader) -> list[Changes]:
        head = await reader.position()
        return [await changes_page(reader, 0, head), await all_changes(reader, 0, head)]

    assert [each.sums_match for each in asker(book)(scenario)] == [True, True]
    tamper(book, "UPDATE journal_lines_odd SET amount = amount - 1 WHERE account_id = 2")
    for changes in asker(book)(scenario):
        assert not changes.sums_match
        [wrong] = [each for each in changes.items if not each.sums_match]
        assert wrong.account == f"creator:{creator.creator_id}:pending"
        assert [total.balanced for total in changes.totals] == [False]
