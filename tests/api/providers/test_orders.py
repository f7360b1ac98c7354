"""In whatever order a payment's callbacks come, and however often, it ends in the same state."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID, uuid4

import pytest

from api.dispatcher_desk import Desk
from api.dispatcher_known import KnownOfProvider
from api.dispatcher_tasks import TaskBoard
from api.providers.port import CannotBeAskedError
from api.report_commands import commands_of_reports
from api.settings import Settings
from ledger.application import Ledger
from ledger.commands import IdempotencyKey
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.money import Money
from tests.api.providers.fake import FakeProvider
from tests.builders import initiate_payment, record_submitted, register_creator, start_submission
from tests.databases import rows
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.providers.port import Provider
    from ledger.database.location import DatabaseLocation
    from ledger.key_store import KeyStore
    from ledger.payment import Payment
    from tests.api.providers.fake import Charge, Sent

SAID = ("pending", "pending", "succeeded", "succeeded", "failed")
"""What a provider may say of one payment; the truth is that it succeeded."""


class End(NamedTuple):
    """How a payment ended: its state, and what its creator has pending."""

    state: str
    pending: int
    parked: int


@dataclass
class Books:
    """A ledger, a dispatcher's desk beside it, and the settings of both."""

    ledger: Ledger
    desk: Desk
    settings: Settings


class Lives:
    """Payments of one provider, each told in an order of its own."""

    def __init__(self, fake: FakeProvider, adapter: Provider, books: Books) -> None:
        self._fake = fake
        self._adapter = adapter
        self._books = books
        self._known = KnownOfProvider(books.desk, fake.name)

    async def live(self, random: Random) -> End:
        """Begin a payment, and tell it in a random order with repetitions."""
        charge, payment, creator = await self._begin()
        told = [self._fake.callback(charge, state) for state in SAID]
        told += random.choices(told, k=random.randint(0, 4))
        random.shuffle(told)
        for callback in told:
            await self._tell(callback)
        return self._end(payment, creator)

    async def _begin(self) -> tuple[Charge, UUID, UUID]:
        fake, ledger = self._fake, self._books.ledger
        payment, creator = uuid4(), uuid4()
        money = Money(amount=fake.amount(), currency=fake.currency)
        terms = self._adapter.terms(money.currency, expires_after_seconds=3_600)
        assert terms is not None
        ledger.execute_one(register_creator(creator, currency=money.currency))
        ledger.execute_one(
            initiate_payment(
                creator, money.amount, payment_id=payment, currency=money.currency, terms=terms
            )
        )
        ledger.execute_one(start_submission(payment))
        reference = await fake.begin(self._adapter, payment, money)
        ledger.execute_one(replace(record_submitted(payment), provider_reference=reference))
        charge = fake.charges[fake.reference_of(payment)]
        fake.settle(charge)
        return charge, payment, creator

    async def _tell(self, sent: Sent) -> None:
        callback = self._adapter.verify(self._fake.delivery(sent))
        reports = callback.reports
        if callback.to_confirm:
            try:
                reports = await self._adapter.confirm(callback.headers, sent.body, self._known)
            except CannotBeAskedError:
                reports = ()
        if not reports:
            return
        fields = {
            "key": IdempotencyKey(f"callback:{self._fake.name}", callback.natural_key),
            "actor": f"provider:{self._fake.name}",
            "correlation_id": uuid4(),
            "causation_id": "callback",
            "inbox_entry": None,
        }
        commands = commands_of_reports(reports, self._books.settings, fields)
        for outcome in self._books.ledger.execute(commands):
            assert outcome.error is None, outcome.error

    def _end(self, payment: UUID, creator: UUID) -> End:
        found: Payment = self._books.ledger.repository.get(payment)
        database = self._books.ledger.book.database
        [(pending,)] = rows(
            database,
            "SELECT coalesce(sum(balance), 0) FROM balances WHERE account = %s",
            f"creator:{creator}:pending",
        )
        return End(str(found.state), int(pending), len(found.flows.parked))


@pytest.fixture
def books(database: DatabaseLocation, key_store: KeyStore) -> Iterator[Books]:
    ledger = Ledger(BookLocation(database, DatabaseRole.APP))
    desks = Ledger(BookLocation(database, DatabaseRole.DISPATCHER))
    board, settings = TaskBoard(desks), Settings.model_construct()
    yield Books(ledger, Desk(desks, board, key_store, settings), settings)
    board.close()
    desks.close()
    ledger.close()


def check(fake: FakeProvider, books: Books, orders: int) -> None:
    async def all_of_them() -> set[End]:
        adapter = fake.adapter()
        lives = Lives(fake, adapter, books)
        ends = {await lives.live(Random(seed)) for seed in range(orders)}
        await adapter.close()
        return ends

    ends = asyncio.run(all_of_them())
    assert len(ends) == 1, ends
    [end] = ends
    assert end.state == "succeeded"
    assert end.pending < 0
    assert end.parked == 0
    assert_book_is_sound(books.ledger.book.database)


def test_any_order_of_a_payments_callbacks_ends_alike(fake: FakeProvider, books: Books) -> None:
    check(fake, books, 25)


@pytest.mark.slow
def test_a_thousand_orders_of_a_payments_callbacks_end_alike(
    fake: FakeProvider, books: Books
) -> None:
    check(fake, books, 1_000)
