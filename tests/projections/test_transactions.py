"""Every line of a creator's accounts, newest first; pages neither skip nor repeat one."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from projections.cursor import InvalidCursor, encode_cursor
from projections.reader import PAGE_SIZE_MAX, Reader
from projections.transactions import Transaction, transaction_pages, transactions_page
from tests.builders import initiate_payment, register_creator, report_success

if TYPE_CHECKING:
    from ledger.application import Ledger
    from ledger.database.connections import BookLocation
    from tests.projections.conftest import Ask
    from tests.projections.histories import Life, Naive


async def paged(reader: Reader, creator: UUID, limit: int) -> list[Transaction]:
    """All transactions, page by page."""
    items: list[Transaction] = []
    cursor = None
    while True:
        page = await transactions_page(reader, creator, cursor=cursor, limit=limit)
        assert page is not None
        assert len(page.items) <= limit
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items
        assert len(page.items) == limit


@pytest.mark.parametrize("limit", [1, 2, 7, 200])
def test_pages_of_any_size_are_the_lines_of_the_log(
    ask: Ask, past: Life, naive: Naive, limit: int
) -> None:
    async def scenario(reader: Reader) -> None:
        for creator in past.creators:
            expected = [
                (
                    line.position,
                    line.line,
                    line.account.rpartition(":")[2],
                    line.currency,
                    -line.amount,
                    -line.balance,
                    line.recorded_at,
                    line.topic,
                    line.stream_id,
                )
                for line in reversed(naive.lines)
                if line.account.startswith(f"creator:{creator}:")
            ]
            assert expected
            found = await paged(reader, creator, limit)
            assert [
                (
                    item.position,
                    item.line,
                    item.account,
                    item.currency,
                    item.amount,
                    item.balance,
                    item.recorded_at,
                    item.topic,
                    item.stream_id,
                )
                for item in found
            ] == expected

    ask(scenario)


def test_a_page_says_the_position_it_is_true_at(ask: Ask, past: Life, naive: Naive) -> None:
    async def scenario(reader: Reader) -> None:
        page = await transactions_page(reader, past.creators[0])
        assert page is not None
        assert page.position == naive.head

    ask(scenario)


def test_what_happened_before_it_was_learned_of_keeps_both_times(
    ledger: Ledger, book: BookLocation
) -> None:
    from tests.builders import NOON

    creator = uuid4()
    ledger.execute_one(register_creator(creator))
    initiated = ledger.execute_one(initiate_payment(creator))
    ledger.execute_one(report_success(initiated.stream, occurred_at=NOON))

    async def scenario() -> None:
        async with Reader(book) as reader:
            page = await transactions_page(reader, creator)
            assert page is not None
            [item] = page.items
            assert item.effective_at == NOON
            assert item.recorded_at > NOON

    asyncio.run(scenario())


def test_unknown_and_moneyless_creators_are_told_apart(ledger: Ledger, book: BookLocation) -> None:
    creator = uuid4()
    position = ledger.execute_one(register_creator(creator)).position

    async def scenario() -> None:
        async with Reader(book) as reader:
            assert await transactions_page(reader, uuid4()) is None
            page = await transactions_page(reader, creator)
            assert page is not None
            assert (page.position, page.items, page.next_cursor) == (position, [], None)
            assert [page.items async for page in transaction_pages(reader, creator)] == [[]]
            assert [page async for page in transaction_pages(reader, uuid4())] == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "e30", encode_cursor("events", 1), encode_cursor("transactions", 1)],
)
def test_a_cursor_of_another_list_is_refused(ask: Ask, past: Life, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        ask(lambda reader: transactions_page(reader, past.creators[0], cursor=cursor))


def test_a_forged_cursor_leads_nowhere_else(ask: Ask, past: Life, naive: Naive) -> None:
    async def scenario(reader: Reader) -> None:
        cursor = encode_cursor("transactions", 2**63 - 1, 2**63 - 1)
        page = await transactions_page(reader, past.creators[0], cursor=cursor)
        assert page is not None
        assert page == await transactions_page(reader, past.creators[0])
        cursor = encode_cursor("transactions", 0, 0)
        page = await transactions_page(reader, past.creators[0], cursor=cursor)
        assert page is not None
        assert page.items == []

    ask(scenario)


def test_a_limit_is_kept_within_bounds(ask: Ask, past: Life) -> None:
    async def scenario(reader: Reader) -> None:
        for limit, most in ((0, 1), (-3, 1), (10**9, PAGE_SIZE_MAX)):
            page = await transactions_page(reader, past.creators[0], limit=limit)
            assert page is not None
            assert 1 <= len(page.items) <= most

    ask(scenario)


def test_paging_neither_skips_nor_repeats_while_money_arrives(
    ledger: Ledger, book: BookLocation
) -> None:
    creator, random = uuid4(), Random(4)
    ledger.execute_one(register_creator(creator))

    def pay(payments: int) -> None:
        initiated = ledger.execute([initiate_payment(creator) for _ in range(payments)])
        ledger.execute([report_success(outcome.stream) for outcome in initiated])

    async def scenario() -> None:
        pay(60)
        async with Reader(book) as reader:
            first = await transactions_page(reader, creator, limit=1)
            assert first is not None
            writing = asyncio.gather(*(asyncio.to_thread(pay, 5) for _ in range(20)))
            items, cursor = first.items, first.next_cursor
            while cursor is not None:
                page = await transactions_page(
                    reader, creator, cursor=cursor, limit=random.randrange(1, 5)
                )
                assert page is not None
                items, cursor = items + page.items, page.next_cursor
            await writing
            everything = await paged(reader, creator, 200)
        assert len(everything) == 160
        # What was there at the first page, and nothing twice.
        assert items == everything[-60:]

    asyncio.run(scenario())


def test_all_pages_hold_everything_once(ask: Ask, past: Life) -> None:
    async def scenario(reader: Reader) -> None:
        for creator in past.creators:
            pages = [page.items async for page in transaction_pages(reader, creator)]
            assert [item for page in pages for item in page] == await paged(reader, creator, 200)

    ask(scenario)
