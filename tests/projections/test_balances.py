"""A creator sees their money at a position, at once after it moved, and as it was."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from projections.balances import Balances, CreatorBalances, CurrencyBalances
from projections.reader import PositionNotReached, Reader
from projections.trial_balance import accounts_page, trial_balance
from tests.builders import initiate_payment, register_creator, report_success
from tests.databases import superuser
from tests.projections.conftest import CountingReader

if TYPE_CHECKING:
    from ledger.application import Ledger
    from ledger.database.connections import BookLocation
    from tests.projections.conftest import Ask
    from tests.projections.histories import Life, Naive

NET = 88_400
"""What a creator gets of 100,000: see tests/builders.py."""


def funds(currency: str, *, pending: int = 0) -> CurrencyBalances:
    """One currency of a creator."""
    return {
        "currency": currency,
        "pending": pending,
        "available": 0,
        "held": 0,
        "reserved": 0,
        "in_transit": 0,
    }


def by_currency(balances: CreatorBalances | None) -> dict[str, dict[str, int]]:
    """The balances that are not zero, as the naive past tells them."""
    assert balances is not None
    found: dict[str, dict[str, int]] = {}
    for of_currency in balances.currencies:
        for name, amount in of_currency.items():
            if isinstance(amount, int) and amount:
                found.setdefault(of_currency["currency"], {})[name] = amount
    return found


def test_a_creator_without_money_has_zeros_in_their_currency(
    ledger: Ledger, book: BookLocation
) -> None:
    creator = uuid4()
    position = ledger.execute_one(register_creator(creator, currency="UGX")).position

    async def scenario() -> None:
        async with Reader(book) as reader:
            assert await Balances(reader).of_creator(creator) == CreatorBalances(
                position, 0, [funds("UGX")]
            )

    asyncio.run(scenario())


def test_who_is_no_creator_has_no_balance(ask: Ask, past: Life, naive: Naive) -> None:
    payment = next(stream for _, stream, *_ in naive.events if stream not in past.creators)

    async def scenario(reader: Reader) -> None:
        balances = Balances(reader)
        assert await balances.of_creator(uuid4()) is None
        assert await balances.of_creator(payment) is None
        assert await balances.of_creator_as_of(payment, as_of_position=naive.head) is None

    ask(scenario)


def test_money_is_seen_at_once_with_the_position_of_its_write(
    ledger: Ledger, book: BookLocation
) -> None:
    creator = uuid4()
    ledger.execute_one(register_creator(creator))

    async def scenario() -> None:
        async with Reader(book) as reader:
            balances = Balances(reader)
            for paid in range(1, 6):
                initiated = ledger.execute_one(initiate_payment(creator))
                assert initiated.stream is not None
                position = ledger.execute_one(report_success(initiated.stream)).position
                expected = [funds("KES", pending=paid * NET)]
                assert await balances.of_creator(creator) == CreatorBalances(
                    position, position, expected
                )

    asyncio.run(scenario())


def test_what_others_do_moves_the_position_and_nothing_else(
    ledger: Ledger, book: BookLocation
) -> None:
    creator, other = uuid4(), uuid4()
    for registered in (creator, other):
        ledger.execute_one(register_creator(registered))

    async def paid(registered: UUID, reader: Reader) -> CreatorBalances:
        initiated = ledger.execute_one(initiate_payment(registered))
        ledger.execute_one(report_success(initiated.stream))
        found = await Balances(reader).of_creator(creator)
        assert found is not None
        return found

    async def scenario() -> None:
        async with Reader(book) as reader:
            first = await paid(creator, reader)
            second = await paid(other, reader)
            assert second.position > first.position
            assert second.changed_position == first.changed_position
            assert second.currencies == first.currencies

    asyncio.run(scenario())


def test_now_agrees_with_the_log(ask: Ask, past: Life, naive: Naive) -> None:
    async def scenario(reader: Reader) -> None:
        for creator in past.creators:
            found = await Balances(reader).of_creator(creator)
            assert by_currency(found) == naive.creator_balances(creator, naive.head)
            assert found is not None
            assert found.position == naive.head

    ask(scenario)
    assert any(naive.creator_balances(creator, naive.head) for creator in past.creators)


def test_as_of_any_position_agrees_with_the_log(ask: Ask, past: Life, naive: Naive) -> None:
    random = Random(2)

    async def scenario(reader: Reader) -> None:
        balances = Balances(reader)
        for position in [random.randrange(11, naive.head + 1) for _ in range(60)]:
            creator = random.choice(past.creators)
            found = await balances.of_creator_as_of(creator, as_of_position=position)
            assert by_currency(found) == naive.creator_balances(creator, position)
            assert found is not None
            assert found.position == position
            assert found.changed_position == max(
                (
                    line.position
                    for line in naive.lines
                    if line.position <= position and str(creator) in line.account
                ),
                default=0,
            )

    ask(scenario)


def test_as_of_any_time_agrees_with_the_log(ask: Ask, past: Life, naive: Naive) -> None:
    random = Random(3)

    async def scenario(reader: Reader) -> None:
        for _ in range(30):
            creator, instant = random.choice(past.creators), random.choice(naive.recorded_at)
            position = naive.position_at(instant)
            found = await Balances(reader).of_creator_as_of(creator, as_of=instant)
            assert by_currency(found) == naive.creator_balances(creator, position)
            assert found is not None
            assert found.position == position

    ask(scenario)


def test_before_they_were_registered_there_is_no_creator(
    ask: Ask, past: Life, naive: Naive
) -> None:
    last = past.creators[-1]
    registered_at = next(position for position, stream, *_ in naive.events if stream == last)

    async def scenario(reader: Reader) -> None:
        balances = Balances(reader)
        assert await balances.of_creator_as_of(last, as_of_position=0) is None
        assert await balances.of_creator_as_of(last, as_of_position=registered_at - 1) is None
        found = await balances.of_creator_as_of(last, as_of_position=registered_at)
        assert found == CreatorBalances(registered_at, 0, [funds("KES")])

    ask(scenario)


def test_a_future_position_is_refused(ask: Ask, past: Life, naive: Naive) -> None:
    with pytest.raises(PositionNotReached):
        ask(
            lambda reader: Balances(reader).of_creator_as_of(
                past.creators[0], as_of_position=naive.head + 1
            )
        )


def test_a_hundred_concurrent_reads_are_one_statement(ask: Ask, past: Life, naive: Naive) -> None:
    async def scenario(reader: CountingReader) -> None:
        balances = Balances(reader)
        wanted = [past.creators[number % 5] for number in range(98)] + [uuid4(), uuid4()]
        found = await asyncio.gather(*(balances.of_creator(creator) for creator in wanted))
        assert reader.statements == 1
        assert found[98:] == [None, None]
        assert [by_currency(balance) for balance in found[:98]] == [
            naive.creator_balances(creator, naive.head) for creator in wanted[:98]
        ]

    ask(scenario)


def test_concurrent_readers_see_what_was_written_before_they_asked(
    ledger: Ledger, book: BookLocation
) -> None:
    creators = [uuid4() for _ in range(4)]
    for creator in creators:
        ledger.execute_one(register_creator(creator))

    async def pays_and_looks(balances: Balances, creator: UUID) -> None:
        for paid in range(1, 11):
            [initiated] = await ledger.execute_from_loop([initiate_payment(creator)])
            [succeeded] = await ledger.execute_from_loop([report_success(initiated.stream)])
            found = await balances.of_creator(creator)
            assert found is not None
            assert found.position >= succeeded.position
            assert found.currencies[0]["pending"] == paid * NET

    async def scenario() -> None:
        async with CountingReader(book) as reader:
            balances = Balances(reader)
            await asyncio.gather(*(pays_and_looks(balances, creator) for creator in creators))

    asyncio.run(scenario())


def test_position_and_amounts_are_of_one_snapshot_while_money_arrives(
    ledger: Ledger, book: BookLocation
) -> None:
    creator = uuid4()
    ledger.execute_one(register_creator(creator))
    payments = [ledger.execute_one(initiate_payment(creator)).stream for _ in range(40)]
    start = ledger.execute_one(register_creator()).position

    async def scenario() -> None:
        async with Reader(book) as reader:
            balances = Balances(reader)
            paying = asyncio.gather(
                *(asyncio.to_thread(ledger.execute_one, report_success(p)) for p in payments)
            )
            while not paying.done():
                found = await balances.of_creator(creator)
                assert found is not None
                # Each event from here on is one payment of 100,000.
                assert found.currencies[0]["pending"] == (found.position - start) * NET
            await paying

    asyncio.run(scenario())


def test_an_event_that_touches_an_account_twice_counts_as_a_whole(
    ledger: Ledger, book: BookLocation
) -> None:
    creator = uuid4()
    ledger.execute_one(register_creator(creator))
    initiated = ledger.execute_one(initiate_payment(creator))
    position = ledger.execute_one(report_success(initiated.stream)).position
    ledger.execute_one(report_success(ledger.execute_one(initiate_payment(creator)).stream))
    # No event does so today, but an entry may: a second line of pending at the first success.
    with superuser(book.database) as connection:
        connection.execute(
            "INSERT INTO journal_lines_odd "
            "(position, line, account_id, amount, balance, recorded_at, effective_at) "
            "SELECT position, 9, account_id, -5, balance - 5, "
            "recorded_at, effective_at FROM journal_lines WHERE position = %s AND line = 1",
            [position],
        )

    async def scenario() -> None:
        async with Reader(book) as reader:
            found = await Balances(reader).of_creator_as_of(creator, as_of_position=position)
            assert found is not None
            assert found.currencies == [funds("KES", pending=NET + 5)]
            page = await accounts_page(reader, prefix="creator:", as_of_position=position)
            assert [item.balance for item in page.items] == [-NET - 5]
            trial = await trial_balance(reader, as_of_position=position)
            assert trial.currencies[0].credits == 100_000 + 5

    asyncio.run(scenario())


def test_a_stream_that_cannot_be_read_does_not_fail_its_neighbours(
    ledger: Ledger, book: BookLocation
) -> None:
    good, bad = uuid4(), uuid4()
    for creator in (good, bad):
        ledger.execute_one(register_creator(creator))
    with superuser(book.database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE ledger_events SET state = '{}' WHERE originator_id = %s", [bad])

    async def scenario() -> None:
        async with Reader(book) as reader:
            balances = Balances(reader)
            found, error = await asyncio.gather(
                balances.of_creator(good), balances.of_creator(bad), return_exceptions=True
            )
            assert isinstance(found, CreatorBalances)
            assert isinstance(error, ValueError)

    asyncio.run(scenario())
