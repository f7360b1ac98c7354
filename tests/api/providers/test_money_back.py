"""Money that goes back is counted once, whoever tells of it first: an answer, a callback, a query.

At the providers whose callbacks do not name the refund as we do.
"""

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
from api.providers.port import StatusUnavailableError
from api.report_commands import commands_of_reports
from api.settings import Settings
from ledger.application import Ledger
from ledger.commands import IdempotencyKey, RequestRefund
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.flows import DisputeState, RefundState
from ledger.money import Money
from tests.api.providers.fakes.flutterwave import FakeFlutterwave
from tests.api.providers.fakes.paystack import FakePaystack
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
    from ledger.key_store import KeyStore
    from ledger.payment import Payment
    from tests.api.providers.fake import Charge, Sent

    Fake = FakeFlutterwave | FakePaystack

GROSS = 125_000
BACK = 50_000
ORDERS = sorted(set(itertools.permutations(("query", "callback", "callback"))))


@dataclass
class Story:
    """A payment that was made at a provider, and what becomes of its money."""

    fake: Fake
    adapter: Provider
    desk: Desk
    payment: UUID
    charge: Charge

    @property
    def state(self) -> Payment:
        found: Payment = self.desk.ledger.repository.get(self.payment)
        return found

    async def tell(self, sent: Sent) -> bool:
        """Call back; whether it could be decided."""
        callback = self.adapter.verify(self.fake.delivery(sent))
        reports = callback.reports
        if callback.to_confirm:
            known = KnownOfProvider(self.desk, self.fake.name)
            try:
                reports = await self.adapter.confirm(callback.headers, sent.body, known)
            except StatusUnavailableError:
                reports = ()
        if not reports:
            return False
        fields: dict[str, Any] = {
            "key": IdempotencyKey(f"callback:{self.fake.name}", str(uuid4())),
            "actor": f"provider:{self.fake.name}",
            "correlation_id": uuid4(),
            "causation_id": "callback",
            "inbox_entry": None,
        }
        for outcome in self.desk.ledger.execute(
            commands_of_reports(reports, self.desk.settings, fields)
        ):
            assert outcome.error is None, outcome.error
        return True

    async def ask_back(self) -> Task:
        """An admin gives a part back; the task that takes it to the provider."""
        refund = uuid4()
        self.desk.ledger.execute_one(
            RequestRefund(
                payment_id=self.payment,
                refund_id=refund,
                creator_id=None,
                money=Money(amount=BACK, currency="KES"),
                reason="asked for",
                **envelope(natural_key()),
            )
        )
        return Task(kind="refund", task_id=refund, stream_id=self.payment, tries=1)

    async def query(self, task: Task) -> None:
        """What the dispatcher does with a refund: it takes it there, and asks what became of it."""
        await RefundTasks(self.desk).step(self.adapter, task)

    def refund_callback(self) -> Sent:
        """That the newest refund has ended."""
        newest = list(self.fake.refunded.values())[-1]
        if isinstance(self.fake, FakeFlutterwave):
            return self.fake.unsigned({"event": "refund.completed", "data": {"id": newest["id"]}})
        data = {
            "status": "processed",
            "transaction_reference": str(self.payment),
            "refund_reference": "132013318360",
            "amount": str(BACK),
            "currency": "KES",
        }
        return self.fake.signed({"event": "refund.processed", "data": data})


@pytest.fixture(scope="module", params=[FakeFlutterwave, FakePaystack], ids=lambda it: it.name)
def fake(request: pytest.FixtureRequest) -> Iterator[Fake]:
    server: Fake = request.param()
    server.delay_seconds = 0.01  # type: ignore[misc]  # of this one
    server.start()
    yield server
    server.stop()


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
    payment, creator, ledger = uuid4(), uuid4(), desk.ledger
    terms = adapter.terms("KES", expires_after_seconds=3_600)
    assert terms is not None
    ledger.execute_one(register_creator(creator, currency="KES"))
    ledger.execute_one(initiate_payment(creator, GROSS, payment_id=payment, terms=terms))
    ledger.execute_one(start_submission(payment))
    reference = await fake.begin(adapter, payment, Money(amount=GROSS, currency="KES"))
    ledger.execute_one(replace(record_submitted(payment), provider_reference=reference))
    charge = fake.charges[str(payment)]
    fake.settle(charge)
    story = Story(fake, adapter, desk, payment, charge)
    assert await story.tell(fake.callback(charge, "succeeded"))
    return story


def check_one_refund(story: Story) -> None:
    [refund] = story.state.flows.refunds.values()
    assert refund.state is RefundState.SUCCEEDED
    assert refund.money.amount == BACK
    assert_book_is_sound(story.desk.ledger.book.database)


@pytest.mark.parametrize("order", ORDERS)
def test_a_refund_that_is_told_of_in_any_order_is_one(
    fake: Fake, desk: Desk, order: tuple[str, ...]
) -> None:
    async def play() -> Story:
        adapter = fake.adapter()
        story = await paid(fake, adapter, desk)
        task = await story.ask_back()
        await story.query(task)
        for told in order:
            if told == "query":
                await story.query(task)
            else:
                assert await story.tell(story.refund_callback())
        await adapter.close()
        return story

    fake.next_refund = {"flutterwave": "completed", "paystack": "processed"}[fake.name]
    check_one_refund(asyncio.run(play()))


def test_a_refund_without_an_answer_whose_note_is_lost_waits_rather_than_counts_twice(
    fake: Fake, desk: Desk
) -> None:
    async def play() -> Story:
        adapter = fake.adapter()
        story = await paid(fake, adapter, desk)
        task = await story.ask_back()
        await story.query(task)
        assert not await story.tell(story.refund_callback())
        await adapter.close()
        return story

    fake.next_refund = "unanswered"
    for switch in ("keeps_notes", "keeps_comments"):
        if hasattr(fake, switch):
            setattr(fake, switch, False)
    story = asyncio.run(play())
    [refund] = story.state.flows.refunds.values()
    assert refund.state is RefundState.SUBMISSION_UNKNOWN
    assert_book_is_sound(story.desk.ledger.book.database)


def test_a_dispute_takes_what_was_lost_and_gives_the_rest_back(fake: Fake, desk: Desk) -> None:
    async def play() -> Story:
        adapter = fake.adapter()
        story = await paid(fake, adapter, desk)
        told = disputes_of(story)
        for sent in (told[0], told[0], told[1], told[1], told[0]):
            assert await story.tell(sent())
        await adapter.close()
        return story

    story = asyncio.run(play())
    [dispute] = story.state.flows.disputes.values()
    assert dispute.state is DisputeState.CLOSED
    assert dispute.money.amount == BACK
    # Paystack's is accepted in part.
    assert dispute.lost_last == {"flutterwave": BACK, "paystack": BACK // 2}[fake.name]
    assert not dispute.funds_withdrawn
    assert_book_is_sound(story.desk.ledger.book.database)


def disputes_of(story: Story) -> tuple[Any, Any]:
    """What calls back that a dispute was opened, and that it was lost, as far as may be."""
    fake, charge = story.fake, story.charge
    if isinstance(fake, FakePaystack):
        data = {
            "id": 358950,
            "refund_amount": BACK,
            "currency": "KES",
            "transaction": fake.transaction(charge),
            "created_at": "2026-04-01T00:00:00.000Z",
            "resolution": None,
            "resolvedAt": None,
        }
        ended = data | {
            "refund_amount": BACK // 2,
            "resolution": "merchant-accepted",
            "resolvedAt": "2026-04-02T00:00:00.000Z",
        }
        return (
            lambda: fake.signed({"event": "charge.dispute.create", "data": data}),
            lambda: fake.signed({"event": "charge.dispute.resolve", "data": ended}),
        )
    chargeback = {
        "id": 2221,
        "amount": BACK // 100,
        "flw_ref": f"DRT{charge.transaction}",
        "status": "initiated",
        "created_at": "2026-04-01T00:00:00.000Z",
        "transaction_id": int(charge.provider_reference),
        "tx_ref": charge.reference,
    }
    fake.chargebacks.append(chargeback)

    def told(status: str, day: int) -> Sent:
        if chargeback["status"] == "initiated":
            # Once it is lost, whatever is hinted at, it is lost.
            chargeback["status"] = status
            chargeback["created_at"] = f"2026-04-0{day}T00:00:00.000Z"
        return fake.unsigned({"event": f"chargeback.{status}", "data": chargeback})

    return lambda: told("initiated", 1), lambda: told("lost", 2)
