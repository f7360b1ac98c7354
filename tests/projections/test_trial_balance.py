"""The books add up at every position, account by account and in total."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Unpack

import pytest

from ledger.accounts import Side
from projections.cursor import InvalidCursor
from projections.reader import PositionNotReached, Reader
from projections.trial_balance import (
    AccountBalance,
    account_pages,
    accounts_page,
    trial_balance,
)
from tests.builders import initiate_payment, register_creator, report_success
from tests.credit_book import CreditBook
from tests.projections.conftest import asker
from tests.projections.long_book import CREATORS

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.application import Ledger
    from ledger.database.connections import BookLocation
    from tests.projections.conftest import Ask
    from tests.projections.histories import Moment, Naive


def totals(balances: dict[tuple[str, str], int]) -> list[tuple[str, int, int, int]]:
    """Currency, debits, credits and number of accounts, added up naively."""
    found = []
    for currency in sorted({currency for _, currency in balances}):
        amounts = [amount for (_, of), amount in balances.items() if of == currency]
        debits = sum(amount for amount in amounts if amount > 0)
        credits_ = -sum(amount for amount in amounts if amount < 0)
        found.append((currency, debits, credits_, len(amounts)))
    return found


Totals = list[tuple[str, int, int, int]]
"""Currency, debits, credits and number of accounts."""


async def told(reader: Reader, **moment: Unpack[Moment]) -> tuple[int, Totals]:
    """The trial balance in the same form."""
    trial = await trial_balance(reader, **moment)
    assert trial.balanced
    return trial.position, [
        (found.currency, found.debits, found.credits, found.accounts) for found in trial.currencies
    ]


async def paged(
    reader: Reader, limit: int, *, prefix: str = "", position: int | None = None
) -> list[AccountBalance]:
    """All accounts, page by page."""
    items: list[AccountBalance] = []
    cursor = None
    while True:
        page = await accounts_page(
            reader, prefix=prefix, as_of_position=position, cursor=cursor, limit=limit
        )
        assert len(page.items) <= limit
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items


def test_at_any_position_the_totals_are_those_of_the_log(ask: Ask, naive: Naive) -> None:
    random = Random(7)
    positions = [0, 1, naive.head, *(random.randrange(naive.head) for _ in range(30))]

    async def scenario(reader: Reader) -> None:
        for position in positions:
            expected = totals(naive.balances(position))
            assert await told(reader, as_of_position=position) == (position, expected)
        assert await told(reader) == (naive.head, totals(naive.balances(naive.head)))

    ask(scenario)
    assert len(totals(naive.balances(naive.head))) == 2


def test_at_any_time_the_totals_are_those_of_the_log(ask: Ask, naive: Naive) -> None:
    random = Random(8)
    times: list[datetime] = random.choices(naive.recorded_at, k=20)

    async def scenario(reader: Reader) -> None:
        for time in times:
            position = naive.position_at(time)
            expected = totals(naive.balances(position))
            assert await told(reader, as_of=time) == (position, expected)

    ask(scenario)


def test_a_future_position_is_refused(ask: Ask, naive: Naive) -> None:
    with pytest.raises(PositionNotReached):
        ask(lambda reader: trial_balance(reader, as_of_position=naive.head + 1))


def test_books_that_do_not_add_up_are_said_not_to(long_book: BookLocation) -> None:
    trial = asker(long_book)(trial_balance)
    assert not trial.balanced
    assert [found.balanced for found in trial.currencies] == [False]
    assert trial.currencies[0].accounts == CREATORS + 1


@pytest.mark.parametrize("limit", [1, 3, 200])
def test_at_any_position_every_account_has_its_balance(ask: Ask, naive: Naive, limit: int) -> None:
    random = Random(9)

    async def scenario(reader: Reader) -> None:
        for position in [0, naive.head, *(random.randrange(naive.head) for _ in range(8))]:
            expected = naive.balances(position)
            found = await paged(reader, limit, position=position)
            assert [(item.account, item.currency) for item in found] == sorted(expected)
            for item in found:
                assert item.balance == expected[item.account, item.currency]
                assert item.changed_position == max(
                    line.position
                    for line in naive.lines
                    if (line.account, line.currency) == (item.account, item.currency)
                    and line.position <= position
                )

    ask(scenario)


def test_balances_are_also_told_as_people_read_them(ask: Ask) -> None:
    async def scenario(reader: Reader) -> None:
        for item in await paged(reader, 200):
            assert item.normal_balance == abs(item.balance)
            assert (item.side is Side.ASSET) == item.account.startswith("provider:")

    ask(scenario)


def test_a_prefix_picks_accounts(ask: Ask, naive: Naive) -> None:
    names = sorted(naive.balances(naive.head))

    async def scenario(reader: Reader) -> None:
        for prefix in ("creator:", "provider:sandbox", "tax:vat", "z", "%", "_", names[0][0]):
            found = await paged(reader, 2, prefix=prefix)
            assert [(item.account, item.currency) for item in found] == [
                name for name in names if name[0].startswith(prefix)
            ]

    ask(scenario)


def test_a_fans_accounts_are_among_them(book: BookLocation) -> None:
    credit = CreditBook(book)
    list(credit.live())
    credit.close()

    async def scenario(reader: Reader) -> None:
        found = await paged(reader, 2)
        balances = {(item.account, item.currency): item.balance for item in found}
        assert await told(reader) == (await reader.position(), totals(balances))
        fans = {
            item.account.rpartition(":")[2]: (item.side, item.normal_balance)
            for item in found
            if item.account.startswith(f"fan:{credit.fan}:")
        }
        assert fans == {
            "credit": (Side.LIABILITY, 1_000),
            "goodwill": (Side.LIABILITY, 0),
            "credit_reserved": (Side.LIABILITY, 0),
        }

    asker(book)(scenario)


def test_all_pages_are_of_the_first_ones_position(ledger: Ledger, book: BookLocation) -> None:
    def pay() -> None:
        creator = register_creator()
        ledger.execute_one(creator)
        payment = initiate_payment(creator.creator_id)
        ledger.execute([payment, report_success(payment.payment_id)])

    async def scenario(reader: Reader) -> None:
        for _ in range(5):
            pay()
        items: list[AccountBalance] = []
        cursor = None
        position = await reader.position()
        while True:
            page = await accounts_page(reader, cursor=cursor, limit=2)
            assert page.position == position
            items += page.items
            if page.next_cursor is None:
                break
            cursor = page.next_cursor
            pay()
        assert len(items) == 8
        assert sum(item.balance for item in items) == 0

    asker(book)(scenario)


def test_all_accounts_can_be_streamed(long_book: BookLocation, ask: Ask, naive: Naive) -> None:
    async def names(reader: Reader, **moment: Unpack[Moment]) -> list[tuple[str, str]]:
        return [
            (item.account, item.currency)
            async for page in account_pages(reader, **moment)
            for item in page.items
        ]

    assert len(asker(long_book)(names)) == CREATORS + 1
    position = naive.head // 2
    assert ask(lambda reader: names(reader, as_of_position=position)) == sorted(
        naive.balances(position)
    )


def test_a_foreign_cursor_is_refused(ask: Ask) -> None:
    with pytest.raises(InvalidCursor):
        ask(lambda reader: accounts_page(reader, cursor="bm90IGEgY3Vyc29y"))
