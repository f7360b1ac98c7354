"""Two clocks, a clock and a provider, a provider and a fan, at once: one of them comes first.

On the real database, with two ledgers as of two processes. Whichever order it was, the laws hold:
a period is invoiced once, and money pays it or is the fan's credit.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4, uuid5

import pytest

from ledger.application import Ledger
from ledger.commands import Claim
from ledger.errors import PromptLive, Refused
from ledger.invoices import invoice_id
from ledger.replay import replay
from ledger.subscription import Subscription, SubscriptionState
from tests.builders import (
    record_submitted,
    register_creator,
    report_success,
    report_without_money,
    start_submission,
)
from tests.invariants import assert_book_is_sound
from tests.ledger.subscriptions.campaign import watched
from tests.ledger.subscriptions.world import Clock
from tests.subscription_builders import (
    advance,
    by_phone,
    cancel_subscription,
    confirm_phone,
    create_tier,
    pay_invoice,
    publish_price,
    publish_tier,
    start_confirmation,
    subscribe,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ledger.database.connections import BookLocation
    from ledger.decisions import LedgerCommand
    from tests.ledger.subscriptions.watch import Watch

SUBSCRIPTIONS: Final = 40
THREADS: Final = 8
PRICE: Final = 31_000
BEGINNING: Final = datetime(2043, 3, 1, 9, tzinfo=UTC)
"""Noon in Nairobi."""

RENEWAL: Final = datetime(2043, 4, 1, 9, tzinfo=UTC)
GRACE: Final = timedelta(days=7)


class Book:
    """A book with subscriptions whose first month is paid, and two ledgers on it."""

    def __init__(self, book: BookLocation) -> None:
        self.location = book
        self.clock = Clock()
        self.clock.now = BEGINNING
        self.ledgers = [Ledger(book, clock=self.clock) for _ in range(2)]
        self.subscriptions = [uuid4() for _ in range(SUBSCRIPTIONS)]
        creator, tier = uuid4(), uuid4()
        self.do(
            register_creator(creator),
            create_tier(creator, tier),
            publish_price(creator, tier, PRICE),
            publish_tier(creator, tier),
        )
        for subscription in self.subscriptions:
            fan, phone, confirmation = uuid4(), uuid4(), uuid4()
            self.do(
                start_confirmation(fan, phone, confirmation_id=confirmation),
                confirm_phone(fan, confirmation),
                subscribe(fan, creator, tier, by_phone(phone), subscription_id=subscription),
                report_success(payment(subscription, 1), PRICE),
            )

    def do(self, *commands: LedgerCommand) -> None:
        """Do all, by the first ledger."""
        for outcome in self.ledgers[0].execute(commands):
            assert outcome.error is None, outcome.error

    def ask(self, attempt: int = 1) -> None:
        """The clock asks for the second month, and the prompts are on the phones."""
        self.do(*(advance(each) for each in self.subscriptions))
        for each in self.subscriptions:
            self.do(start_submission(payment(each, 2, attempt)))
            self.do(record_submitted(payment(each, 2, attempt)))

    def decline(self, attempt: int = 1) -> None:
        """Nobody pays."""
        for each in self.subscriptions:
            declined = payment(each, 2, attempt)
            self.do(report_without_money(declined, Claim.FAILED, reason="insufficient_funds"))

    def race(
        self,
        *sides: Callable[[UUID], LedgerCommand],
        may_be_refused: tuple[type[Refused], ...] = (),
    ) -> None:
        """For each subscription, both at once, each by a ledger of its own."""
        together = Barrier(len(sides), timeout=60)

        def run(side: int) -> None:
            for each in self.subscriptions:
                together.wait()
                with suppress(*may_be_refused):
                    self.ledgers[side].execute_one(sides[side](each))

        with ThreadPoolExecutor(len(sides)) as pool:
            for each in [pool.submit(run, side) for side in range(len(sides))]:
                each.result(timeout=100)

    def states(self) -> list[Subscription]:
        """How they stand."""
        return [self.ledgers[0].repository.get(each) for each in self.subscriptions]

    def sound(self) -> Watch:
        """The laws hold, the book is sound, and a replay says the same."""
        watch = watched(self.location.database)
        assert watch.violations == []
        assert_book_is_sound(self.location.database)
        assert replay(self.location).ok
        return watch


def payment(subscription: UUID, number: int, attempt: int = 1) -> UUID:
    """The payment of an attempt to collect a period."""
    return uuid5(invoice_id(subscription, number), str(attempt))


@pytest.fixture
def racing(book: BookLocation) -> Iterator[Book]:
    """A book in which it is the moment of the first renewal."""
    there = Book(book)
    there.clock.now = RENEWAL
    yield there
    for ledger in there.ledgers:
        ledger.close()


def of_each(racing: Book, watch: Watch) -> set[tuple[int, int]]:
    """What each fan has paid for periods, and has as credit, in minor units."""
    subs = [watch.subscriptions[str(each)] for each in racing.subscriptions]
    paid = [sum(each.received for each in sub.paid_with) for sub in subs]
    return set(zip(paid, (watch.purses[sub.fan].credit for sub in subs), strict=True))


PAID: Final = (2 * PRICE, 0)
AS_CREDIT: Final = (PRICE, PRICE)


def test_clocks_of_sixteen_threads_invoice_and_ask_once(racing: Book) -> None:
    together = Barrier(2 * THREADS)

    def advance_all(number: int) -> int:
        together.wait()
        commands = [advance(each) for each in racing.subscriptions]
        outcomes = racing.ledgers[number % 2].execute(commands)
        assert all(outcome.error is None for outcome in outcomes)
        return sum(bool(outcome.events) for outcome in outcomes)

    with ThreadPoolExecutor(2 * THREADS) as pool:
        assert sum(pool.map(advance_all, range(2 * THREADS))) == SUBSCRIPTIONS
    watch = racing.sound()
    assert watch.topics["subscription.renewal_invoiced.v1"] == SUBSCRIPTIONS
    assert watch.topics["payment.invoice_initiated.v1"] == 2 * SUBSCRIPTIONS


def test_money_and_a_cancellation_at_once_leave_a_paid_period_or_credit(racing: Book) -> None:
    racing.ask()
    racing.race(lambda each: report_success(payment(each, 2), PRICE), cancel_subscription)
    assert {each.state for each in racing.states()} == {SubscriptionState.CANCELLED}
    assert of_each(racing, racing.sound()) <= {PAID, AS_CREDIT}


def test_money_at_the_end_of_grace_leaves_a_paid_period_or_credit(racing: Book) -> None:
    racing.ask()
    racing.decline()
    racing.clock.now = RENEWAL + GRACE - timedelta(minutes=1)
    racing.ask(attempt=2)
    racing.clock.now = RENEWAL + GRACE
    racing.race(lambda each: report_success(payment(each, 2, 2), PRICE), advance)
    watch = racing.sound()
    for each in racing.states():
        sub = watch.subscriptions[str(each.id)]
        expired = each.state is SubscriptionState.EXPIRED
        assert watch.purses[sub.fan].credit == (PRICE if expired else 0)
    assert of_each(racing, watch) <= {PAID, AS_CREDIT}


def test_money_of_two_attempts_at_once_pays_one_period_and_is_credit_besides(racing: Book) -> None:
    racing.ask()
    racing.decline()
    racing.clock.now = RENEWAL + timedelta(hours=4)
    racing.ask(attempt=2)
    racing.race(
        lambda each: report_success(payment(each, 2, 1), PRICE),
        lambda each: report_success(payment(each, 2, 2), PRICE),
    )
    assert {each.state for each in racing.states()} == {SubscriptionState.ACTIVE}
    assert of_each(racing, racing.sound()) == {(2 * PRICE, PRICE)}


def test_the_same_transaction_through_two_doors_pays_once(racing: Book) -> None:
    racing.ask()

    def money(each: UUID) -> LedgerCommand:
        return report_success(payment(each, 2), PRICE, transaction=f"T-{each}")

    racing.race(money, money)
    assert {each.state for each in racing.states()} == {SubscriptionState.ACTIVE}
    assert of_each(racing, racing.sound()) == {PAID}


def test_a_fan_and_the_clock_who_ask_at_once_make_one_prompt(racing: Book) -> None:
    racing.ask()
    racing.decline()
    racing.clock.now = RENEWAL + timedelta(hours=4)
    racing.race(pay_invoice, advance, may_be_refused=(PromptLive,))
    watch = racing.sound()
    assert watch.topics["payment.invoice_initiated.v1"] == 3 * SUBSCRIPTIONS
