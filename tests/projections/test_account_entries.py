"""An account's lines, each with the balance after it, in both directions and as they were."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Unpack

import pytest

from ledger.accounts import Side
from projections.account_entries import AccountEntry, entries_page
from projections.cursor import InvalidCursor, encode_cursor
from projections.reader import PositionNotReached, Reader
from tests.builders import initiate_payment, register_creator, report_success
from tests.projections.conftest import asker

if TYPE_CHECKING:
    from ledger.application import Ledger
    from ledger.database.connections import BookLocation
    from tests.projections.conftest import Ask
    from tests.projections.histories import Moment, Naive

COLLECTION = "provider:sandbox:collection"


async def paged(
    reader: Reader,
    account: str,
    currency: str,
    limit: int,
    *,
    newest_first: bool = False,
    **moment: Unpack[Moment],
) -> list[AccountEntry]:
    """All lines, page by page."""
    items: list[AccountEntry] = []
    cursor = None
    while page := await entries_page(
        reader,
        account,
        currency,
        newest_first=newest_first,
        cursor=cursor,
        limit=limit,
        **moment,
    ):
        assert 1 <= len(page.items) <= limit
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    return items


def told(entries: list[AccountEntry]) -> list[tuple[Any, ...]]:
    """The lines in the naive past's form."""
    return [
        (
            entry.position,
            entry.line,
            entry.amount,
            entry.balance,
            entry.recorded_at,
            entry.topic,
            entry.stream_id,
            entry.version,
        )
        for entry in entries
    ]


def expected(naive: Naive, account: str, currency: str, until: int) -> list[tuple[Any, ...]]:
    return [
        (
            line.position,
            line.line,
            line.amount,
            line.balance,
            line.recorded_at,
            line.topic,
            line.stream_id,
            line.version,
        )
        for line in naive.lines
        if (line.account, line.currency) == (account, currency) and line.position <= until
    ]


@pytest.mark.parametrize("limit", [1, 4, 200])
def test_an_account_is_told_line_by_line(ask: Ask, naive: Naive, limit: int) -> None:
    async def scenario(reader: Reader) -> None:
        for account, currency in naive.balances(naive.head):
            lines = expected(naive, account, currency, naive.head)
            found = await paged(reader, account, currency, limit)
            assert told(found) == lines
            backwards = await paged(reader, account, currency, limit, newest_first=True)
            assert told(backwards) == lines[::-1]

    ask(scenario)


def test_an_account_is_told_as_it_was(ask: Ask, naive: Naive) -> None:
    random = Random(10)

    async def scenario(reader: Reader) -> None:
        accounts = list(naive.balances(naive.head))
        for _ in range(40):
            account, currency = random.choice(accounts)
            until, time = random.randrange(naive.head + 1), random.choice(naive.recorded_at)
            newest_first = random.choice([True, False])
            found = await paged(
                reader, account, currency, 3, newest_first=newest_first, as_of_position=until
            )
            order = -1 if newest_first else 1
            assert told(found) == expected(naive, account, currency, until)[::order]
            found = await paged(reader, account, currency, 200, as_of=time)
            assert told(found) == expected(naive, account, currency, naive.position_at(time))

    ask(scenario)


def test_a_page_names_account_side_and_position(ask: Ask, naive: Naive) -> None:
    async def scenario(reader: Reader) -> None:
        page = await entries_page(reader, COLLECTION, "KES", as_of_position=naive.head - 1)
        assert page is not None
        assert (page.account, page.currency) == (COLLECTION, "KES")
        assert page.side is Side.ASSET
        assert page.position == naive.head - 1

    ask(scenario)


def test_an_account_that_had_no_line_is_not_found(ask: Ask, naive: Naive) -> None:
    first = next(line for line in naive.lines if line.account == COLLECTION)

    async def scenario(reader: Reader) -> None:
        assert await entries_page(reader, "provider:none:collection", "KES") is None
        assert await entries_page(reader, COLLECTION, "XOF") is None
        before = first.position - 1
        assert await entries_page(reader, COLLECTION, first.currency, as_of_position=before) is None
        cursor = encode_cursor("entries", naive.head, 0, 0)
        assert await entries_page(reader, "no account", "KES", cursor=cursor) is None
        with pytest.raises(PositionNotReached):
            await entries_page(reader, COLLECTION, "KES", as_of_position=naive.head + 1)

    ask(scenario)


def test_a_cursor_of_the_other_direction_is_refused(ask: Ask) -> None:
    async def scenario(reader: Reader) -> None:
        page = await entries_page(reader, COLLECTION, "KES", limit=1)
        assert page is not None
        with pytest.raises(InvalidCursor):
            await entries_page(
                reader, COLLECTION, "KES", newest_first=True, cursor=page.next_cursor
            )

    ask(scenario)


def test_lines_that_come_while_paging_are_not_of_these_pages(
    ledger: Ledger, book: BookLocation
) -> None:
    creator = register_creator()

    def pay() -> None:
        payment = initiate_payment(creator.creator_id)
        ledger.execute([payment, report_success(payment.payment_id)])

    async def scenario(reader: Reader) -> None:
        ledger.execute_one(creator)
        for _ in range(6):
            pay()
        for newest_first in (True, False):
            before = await paged(reader, COLLECTION, "KES", 200, newest_first=newest_first)
            found: list[AccountEntry] = []
            cursor = None
            while page := await entries_page(
                reader, COLLECTION, "KES", newest_first=newest_first, cursor=cursor, limit=2
            ):
                found += page.items
                cursor = page.next_cursor
                pay()
                if cursor is None:
                    break
            assert found == before

    asker(book)(scenario)
