"""Refunds by mobile money, by the dispatcher: what is asked for, and what is counted."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from api.dispatcher_desk import Desk
from api.dispatcher_known import KnownOfProvider
from api.dispatcher_refunds import RefundTasks
from api.dispatcher_tasks import Task, TaskBoard
from api.report_commands import commands_of_reports
from api.settings import Settings
from ledger.application import Ledger
from ledger.commands import IdempotencyKey, RequestRefund
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.flows import RefundState
from ledger.money import Money
from tests.api.providers.fakes.airtel import FakeAirtel
from tests.api.providers.fakes.momo import FakeMomo
from tests.builders import (
    envelope,
    initiate_payment,
    natural_key,
    record_submitted,
    register_creator,
    start_submission,
)
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.providers.port import Provider
    from ledger.database.location import DatabaseLocation
    from ledger.flows import Refund
    from ledger.key_store import KeyStore
    from tests.api.providers.fake import Sent

    Fake = FakeMomo | FakeAirtel

GROSS = 125_000
PART = 50_000
ORDERS = sorted(set(itertools.permutations(("query", "callback", "callback"))))


@dataclass
class Story:
    """A payment that was made at a provider, and refunds of it."""

    fake: Fake
    adapter: Provider
    desk: Desk
    payment: UUID

    async def tell(self, sent: Sent) -> None:
        """Call back, and let it be confirmed."""
        callback = self.adapter.verify(self.fake.delivery(sent))
        known = KnownOfProvider(self.desk, self.fake.name)
        reports = await self.adapter.confirm(callback.headers, sent.body, known)
        fields: dict[str, Any] = {
            "key": IdempotencyKey(f"callback:{self.fake.name}", str(uuid4())),
            "actor": f"provider:{self.fake.name}",
            "correlation_id": uuid4(),
            "causation_id": "callback",
            "inbox_entry": None,
        }
        commands = commands_of_reports(reports, self.desk.settings, fields)
        for outcome in self.desk.ledger.execute(commands):
            assert outcome.error is None, outcome.error

    def ask_back(self, amount: int) -> Task:
        """An admin gives so much back; the task that takes it to the provider."""
        refund = uuid4()
        self.desk.ledger.execute_one(
            RequestRefund(
                payment_id=self.payment,
                refund_id=refund,
                creator_id=None,
                money=Money(amount=amount, currency=self.fake.currency),
                reason="asked for",
                **envelope(natural_key()),
            )
        )
        return Task(kind="refund", task_id=refund, stream_id=self.payment, tries=1)

    async def step(self, task: Task) -> None:
        """What the dispatcher does with a refund: it takes it there, or asks what became of it."""
        await RefundTasks(self.desk).step(self.adapter, task)

    def refund(self, task: Task) -> Refund:
        found: Refund = self.desk.ledger.repository.get(self.payment).flows.refunds[task.task_id]
        return found


def started(server: Fake) -> Iterator[Fake]:
    server.delay_seconds = 0.01  # type: ignore[misc]  # of this one
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def momo() -> Iterator[Fake]:
    yield from started(FakeMomo())


@pytest.fixture(scope="module")
def airtel() -> Iterator[Fake]:
    yield from started(FakeAirtel())


@pytest.fixture
def desk(database: DatabaseLocation, key_store: KeyStore) -> Iterator[Desk]:
    ledger = Ledger(BookLocation(database, DatabaseRole.APP))
    dispatchers = Ledger(BookLocation(database, DatabaseRole.DISPATCHER))
    board = TaskBoard(dispatchers)
    yield Desk(ledger, board, key_store, Settings.model_construct())
    board.close()
    dispatchers.close()
    ledger.close()


async def paid(fake: Fake, adapter: Provider, desk: Desk) -> Story:
    """A payment that has succeeded."""
    payment, creator, ledger, currency = uuid4(), uuid4(), desk.ledger, fake.currency
    terms = adapter.terms(currency, expires_after_seconds=3_600)
    assert terms is not None
    ledger.execute_one(register_creator(creator, currency=currency))
    ledger.execute_one(
        initiate_payment(creator, GROSS, payment_id=payment, currency=currency, terms=terms)
    )
    ledger.execute_one(start_submission(payment))
    reference = await fake.begin(adapter, payment, Money(amount=GROSS, currency=currency))
    ledger.execute_one(replace(record_submitted(payment), provider_reference=reference))
    charge = fake.charges[fake.reference_of(payment)]
    fake.settle(charge)
    story = Story(fake, adapter, desk, payment)
    await story.tell(fake.callback(charge, "succeeded"))
    return story


def played(fake: Fake, desk: Desk, amount: int, *told: str) -> tuple[Story, Task]:
    """A refund that is asked for, and told of in this order."""

    async def play() -> tuple[Story, Task]:
        adapter = fake.adapter()
        story = await paid(fake, adapter, desk)
        task = story.ask_back(amount)
        await story.step(task)
        for each in told:
            if each == "query":
                await story.step(task)
            else:
                await story.tell(fake.sent[-1])
        await adapter.close()
        return story, task

    found = asyncio.run(play())
    assert_book_is_sound(desk.ledger.book.database)
    return found


@pytest.mark.parametrize("amount", [PART, GROSS])
@pytest.mark.parametrize("order", ORDERS)
def test_a_refund_by_momo_that_is_told_of_in_any_order_is_one(
    momo: Fake, desk: Desk, order: tuple[str, ...], amount: int
) -> None:
    story, task = played(momo, desk, amount, *order)
    refund = story.refund(task)
    assert refund.state is RefundState.SUCCEEDED
    assert refund.money.amount == amount
    assert refund.paid_from == "provider:momo:disbursement"


def test_a_whole_refund_by_airtel_is_done_once_it_is_answered(airtel: Fake, desk: Desk) -> None:
    story, task = played(airtel, desk, GROSS, "query", "query")
    refund = story.refund(task)
    assert refund.state is RefundState.SUCCEEDED
    assert refund.provider_refund == refund.provider_reference
    assert refund.paid_from == "provider:airtel:collection"


def test_a_part_is_not_asked_of_airtel_which_would_give_all_of_it_back(
    airtel: Fake, desk: Desk
) -> None:
    assert isinstance(airtel, FakeAirtel)
    before = len(airtel.refunded)
    story, task = played(airtel, desk, PART)
    assert story.refund(task).state is RefundState.FAILED
    assert story.refund(task).reason == "only_whole_refunds"
    assert len(airtel.refunded) == before


def test_a_refund_by_airtel_without_an_answer_is_left_to_a_person(airtel: Fake, desk: Desk) -> None:
    assert isinstance(airtel, FakeAirtel)
    airtel.next_refund = "unanswered"
    before = len(airtel.refunded)
    story, task = played(airtel, desk, GROSS, "query", "query")
    airtel.next_refund = "SUCCESS"
    assert story.refund(task).state is RefundState.SUBMISSION_UNKNOWN
    assert len(airtel.refunded) == before + 1
