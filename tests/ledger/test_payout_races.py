"""However many ask for one balance at once, no more of it is promised than there is."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import pytest

from ledger.application import Ledger
from ledger.errors import InsufficientFunds
from ledger.events import PostAdjustment
from ledger.journal_entry import entry
from ledger.money import AMOUNT_MAX
from tests.builders import register_creator
from tests.databases import rows
from tests.invariants import assert_book_is_sound, balances
from tests.money_builders import (
    REASON,
    add_destination,
    cancel_payout,
    propose,
    request_payout,
    verify_creator,
    verify_destination,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database.connections import BookLocation

THREADS: Final = 64
ROUNDS: Final = 50
AMOUNT: Final = 1_000

OVERDRAWN: Final = """
    SELECT count(*) FROM journal_lines JOIN balances USING (account_id)
    WHERE account LIKE 'creator:%:available' AND journal_lines.balance > 0
"""
"""Credits are negative: a positive balance of theirs would be a debt."""


@pytest.fixture
def ledgers(book: BookLocation) -> Iterator[list[Ledger]]:
    """Two writers, as of two processes."""
    opened = [Ledger(book), Ledger(book)]
    yield opened
    for ledger in opened:
        ledger.close()


@pytest.fixture
def payee(ledgers: list[Ledger]) -> tuple[UUID, UUID]:
    """A verified creator and a destination of theirs."""
    creator, destination = uuid4(), uuid4()
    for command in (
        register_creator(creator),
        verify_creator(creator),
        add_destination(creator, destination),
        verify_destination(creator, destination),
    ):
        ledgers[0].execute_one(command)
    return creator, destination


def give(ledger: Ledger, creator: UUID, amount: int) -> None:
    """Let money be available."""
    legs = (("bank:settlement", amount), (f"creator:{creator}:available", -amount))
    action = PostAdjustment(adjustment_id=uuid4(), entry=entry("KES", *legs), reason=REASON)
    ledger.execute_one(propose(action))


def test_sixty_four_threads_are_promised_exactly_what_there_is(
    book: BookLocation, ledgers: list[Ledger], payee: tuple[UUID, UUID]
) -> None:
    creator, destination = payee
    together = Barrier(THREADS)

    def ask(number: int) -> str | None:
        together.wait()
        try:
            ledgers[number % 2].execute_one(request_payout(creator, destination, AMOUNT))
        except InsufficientFunds as refused:
            return refused.code
        return None

    left = 0
    with ThreadPoolExecutor(THREADS) as pool:
        for round_ in range(ROUNDS):
            # From none that fit to all, and every remainder.
            given = (round_ * 1_313) % (AMOUNT * (THREADS + 4)) + 1
            give(ledgers[round_ % 2], creator, given)
            there = left + given
            answers = Counter(pool.map(ask, range(THREADS)))
            promised = min(THREADS, there // AMOUNT)
            assert answers == Counter(
                {None: promised, "insufficient_funds": THREADS - promised}
            ) - Counter({None: 0})
            left = there - promised * AMOUNT
            assert -balances(book.database).get((f"creator:{creator}:available", "KES"), 0) == left
    assert rows(book.database, OVERDRAWN) == [(0,)]
    assert_book_is_sound(book.database)


def test_of_many_who_ask_for_everything_one_gets_it(
    book: BookLocation, ledgers: list[Ledger], payee: tuple[UUID, UUID]
) -> None:
    creator, destination = payee
    together = Barrier(THREADS)
    payouts = [uuid4() for _ in range(THREADS)]

    def ask(number: int) -> UUID | None:
        together.wait()
        command = request_payout(creator, destination, payout_id=payouts[number])
        outcome = ledgers[number % 2].execute([command])[0]
        return payouts[number] if outcome.error is None else None

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(10):
            payouts[:] = [uuid4() for _ in range(THREADS)]
            give(ledgers[0], creator, AMOUNT)
            [paid] = [payout for payout in pool.map(ask, range(THREADS)) if payout is not None]
            ledgers[1].execute_one(cancel_payout(paid, creator))
            give(ledgers[0], creator, AMOUNT)
    assert rows(book.database, OVERDRAWN) == [(0,)]
    assert_book_is_sound(book.database)


def test_of_more_than_any_amount_may_be_the_rest_stays(
    book: BookLocation, ledgers: list[Ledger], payee: tuple[UUID, UUID]
) -> None:
    creator, destination = payee
    for _ in range(2):
        give(ledgers[0], creator, AMOUNT_MAX)
    outcome = ledgers[0].execute_one(request_payout(creator, destination))
    assert outcome.error is None
    left = balances(book.database)[f"creator:{creator}:available", "KES"]
    assert -left == AMOUNT_MAX
