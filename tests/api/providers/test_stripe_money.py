"""What Stripe tells is counted once, in whatever order and however many events tell it."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import pytest

from api.dispatcher_desk import Desk
from api.dispatcher_known import KnownOfProvider
from api.dispatcher_refunds import RefundTasks
from api.dispatcher_tasks import Task, TaskBoard
from api.providers.port import NothingOfOursError, StatusUnavailableError
from api.report_commands import commands_of_callback, commands_of_reports
from api.settings import Settings
from ledger.application import Ledger
from ledger.callbacks import Verdict
from ledger.commands import IdempotencyKey, RequestRefund
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.flows import DisputeState, RefundState
from ledger.inbox import seal_callback
from ledger.money import Money
from ledger.payment import PaymentState
from tests.api.providers.fakes.stripe import FEE, FakeStripe, event, refund_object, signed_by_stripe
from tests.builders import (
    envelope,
    initiate_payment,
    natural_key,
    record_submitted,
    register_creator,
    start_submission,
)
from tests.databases import rows
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from api.providers.port import Provider
    from ledger.database.location import DatabaseLocation
    from ledger.key_store import KeyStore
    from ledger.payment import Payment
    from tests.api.providers.fake import Charge, Sent

GROSS: Final = 50_000
BACK: Final = 20_000
DISPUTE_FEE: Final = 1_500


@dataclass
class Story:
    """A payment that was made at Stripe, and what becomes of its money."""

    fake: FakeStripe
    adapter: Provider
    desk: Desk
    payment: UUID
    charge: Charge

    @property
    def state(self) -> Payment:
        found: Payment = self.desk.ledger.repository.get(self.payment)
        return found

    def balance(self, account: str) -> int:
        """What an account has; its name may be a pattern."""
        found = rows(
            self.desk.ledger.book.database,
            "SELECT coalesce(sum(balance), 0) FROM balances WHERE account LIKE %s",
            account,
        )
        return int(found[0][0])

    async def tell(self, kind: str, thing: dict[str, Any], *, at: int | None = None) -> Verdict:
        """An event comes, of an id of its own; what becomes of it."""
        created = {} if at is None else {"created": at}
        return await self.deliver(signed_by_stripe(event(kind, thing, **created)))

    async def deliver(self, sent: Sent) -> Verdict:
        callback = self.adapter.verify(self.fake.delivery(sent))
        fields: dict[str, Any] = {
            "key": IdempotencyKey("callback:stripe", callback.natural_key),
            "actor": "provider:stripe",
            "correlation_id": uuid4(),
            "causation_id": "callback",
            "inbox_entry": seal_callback(
                self.desk.key_store.allocate(),
                provider="stripe",
                natural_key=callback.natural_key,
                headers=callback.headers,
                body=sent.body,
                of_unknown_origin=True,
            ),
        }
        commands = commands_of_callback(callback, self.desk.settings, fields)
        if callback.to_confirm:
            known = KnownOfProvider(self.desk, "stripe")
            reports = await self.adapter.confirm(callback.headers, sent.body, known)
            commands = commands_of_reports(reports, self.desk.settings, fields)
        outcomes = self.desk.ledger.execute(commands)
        assert all(outcome.error is None for outcome in outcomes), outcomes
        assert outcomes[0].verdict is not None
        return outcomes[0].verdict

    def charge_object(self) -> dict[str, Any]:
        return self.fake.charge_object(self.charge)

    def dispute(self, status: str, *moved: int) -> dict[str, Any]:
        """The dispute; `moved` is what it took, and gave back."""
        transactions = [
            {
                "id": f"txn_{number}",
                "amount": amount,
                "fee": DISPUTE_FEE if amount < 0 else -DISPUTE_FEE,
                "currency": "kes",
            }
            for number, amount in enumerate(moved)
        ]
        return {
            "id": "du_1Nobodys",
            "object": "dispute",
            "amount": GROSS,
            "balance_transactions": transactions,
            "charge": self.charge.details["charge"],
            "currency": "kes",
            "payment_intent": self.charge.provider_reference,
            "status": status,
        }

    def refunded_at_the_dashboard(self, status: str = "succeeded") -> dict[str, Any]:
        refund = refund_object(self.charge, amount=BACK, status=status, metadata={})
        self.fake.refunded[refund["id"]] = refund
        return refund

    def check(self) -> None:
        assert_book_is_sound(self.desk.ledger.book.database)


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeStripe]:
    server = FakeStripe()
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


def play(fake: FakeStripe, desk: Desk, plot: Callable[[Story], Awaitable[None]]) -> Story:
    """A payment that has succeeded, and what a plot makes of it."""

    async def played() -> Story:
        adapter = fake.adapter()
        try:
            story = await paid(fake, adapter, desk)
            await plot(story)
        finally:
            await adapter.close()
        return story

    fake.next_refund = "succeeded"
    story = asyncio.run(played())
    story.check()
    return story


async def paid(fake: FakeStripe, adapter: Provider, desk: Desk) -> Story:
    """A payment that has succeeded."""
    ledger = desk.ledger
    payment, creator = uuid4(), uuid4()
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
    assert await story.deliver(fake.callback(charge, "succeeded")) is Verdict.APPLIED
    return story


def test_two_events_of_one_success_pay_once(fake: FakeStripe, desk: Desk) -> None:
    async def plot(story: Story) -> None:
        for _ in range(2):
            again = fake.callback(story.charge, "succeeded")
            # The first one's verdict, since it is the same fact.
            assert await story.deliver(again) is Verdict.APPLIED

    story = play(fake, desk, plot)
    assert story.state.state is PaymentState.SUCCEEDED
    assert story.state.transactions == {story.charge.provider_reference}
    assert story.balance("provider:stripe:collection") == GROSS


def test_what_a_charge_cost_is_counted_once(fake: FakeStripe, desk: Desk) -> None:
    async def plot(story: Story) -> None:
        thing = story.charge_object()
        assert await story.tell("charge.succeeded", thing) is Verdict.APPLIED
        for kind in ("charge.updated", "charge.succeeded"):
            assert await story.tell(kind, thing) is Verdict.DUPLICATE

    story = play(fake, desk, plot)
    assert story.balance("provider:stripe:collection") == GROSS - FEE


def test_a_settlement_is_counted_once(fake: FakeStripe, desk: Desk) -> None:
    payout = {
        "id": "po_1Nobodys",
        "object": "payout",
        "amount": 40_000,
        "currency": "kes",
        "status": "paid",
        "balance_transaction": None,
    }

    async def plot(story: Story) -> None:
        for _ in range(3):
            assert await story.tell("payout.paid", payout) is Verdict.APPLIED

    story = play(fake, desk, plot)
    assert story.balance("provider:stripe:collection") == GROSS - 40_000


TOLD: Final = ("query", "refund.created", "refund.updated", "charge.refunded")
ORDERS: Final = [
    pytest.param(order, marks=[pytest.mark.slow] if number % 4 else [])
    for number, order in enumerate(itertools.permutations(TOLD))
]


@pytest.mark.parametrize("order", ORDERS)
def test_a_refund_of_ours_is_one_in_whatever_order_it_is_told(
    fake: FakeStripe, desk: Desk, order: tuple[str, ...]
) -> None:
    async def plot(story: Story) -> None:
        refund = uuid4()
        desk.ledger.execute_one(
            RequestRefund(
                payment_id=story.payment,
                refund_id=refund,
                creator_id=None,
                money=Money(amount=BACK, currency="KES"),
                reason="asked for",
                **envelope(natural_key()),
            )
        )
        task = Task(kind="refund", task_id=refund, stream_id=story.payment, tries=1)
        await RefundTasks(desk).step(story.adapter, task)
        [*_, made] = fake.refunded.values()
        for told in order:
            if told == "query":
                await RefundTasks(desk).step(story.adapter, task)
            else:
                thing = story.charge_object() if told == "charge.refunded" else made
                await story.tell(told, thing)

    story = play(fake, desk, plot)
    [refund] = story.state.flows.refunds.values()
    assert (refund.state, refund.money.amount) == (RefundState.SUCCEEDED, BACK)
    assert story.balance("provider:stripe:collection") == GROSS - BACK


def test_a_refund_at_the_dashboard_is_one_and_may_fail_later(fake: FakeStripe, desk: Desk) -> None:
    async def plot(story: Story) -> None:
        refund = story.refunded_at_the_dashboard()
        assert await story.tell("refund.created", refund) is Verdict.APPLIED
        assert await story.tell("charge.refunded", story.charge_object()) is Verdict.DUPLICATE
        assert await story.tell("refund.updated", refund) is Verdict.DUPLICATE
        assert story.balance("provider:stripe:collection") == GROSS - BACK
        refund["status"] = "failed"
        assert await story.tell("refund.failed", refund) is Verdict.APPLIED
        assert await story.tell("charge.refund.updated", refund) is Verdict.DUPLICATE

    story = play(fake, desk, plot)
    [refund] = story.state.flows.refunds.values()
    assert refund.state is RefundState.FAILED
    assert story.balance("provider:stripe:collection") == GROSS


def test_an_inquiry_takes_nothing_and_a_dispute_takes_all_of_it(
    fake: FakeStripe, desk: Desk
) -> None:
    async def plot(story: Story) -> None:
        told: list[tuple[str, dict[str, Any], Verdict]] = [
            ("created", story.dispute("warning_needs_response"), Verdict.APPLIED),
            ("created", story.dispute("warning_needs_response"), Verdict.DUPLICATE),
        ]
        for at, (word, thing, expected) in enumerate(told, start=1_800_000_000):
            assert await story.tell(f"charge.dispute.{word}", thing, at=at) is expected
        [warned] = story.state.flows.disputes.values()
        assert warned.state is DisputeState.WARNED
        assert story.balance("provider:stripe:collection") == GROSS
        told = [
            ("funds_withdrawn", story.dispute("needs_response", -GROSS), Verdict.APPLIED),
            ("funds_withdrawn", story.dispute("needs_response", -GROSS), Verdict.DUPLICATE),
        ]
        for at, (word, thing, expected) in enumerate(told, start=1_800_000_010):
            assert await story.tell(f"charge.dispute.{word}", thing, at=at) is expected
        assert story.balance("provider:stripe:collection") == -DISPUTE_FEE
        told = [
            ("closed", story.dispute("lost", -GROSS), Verdict.APPLIED),
            ("closed", story.dispute("lost", -GROSS), Verdict.DUPLICATE),
        ]
        for at, (word, thing, expected) in enumerate(told, start=1_800_000_020):
            assert await story.tell(f"charge.dispute.{word}", thing, at=at) is expected

    story = play(fake, desk, plot)
    [dispute] = story.state.flows.disputes.values()
    assert (dispute.state, dispute.lost_last) == (DisputeState.CLOSED, GROSS)
    assert dispute.funds_withdrawn
    assert story.balance("provider:stripe:collection") == -DISPUTE_FEE


def test_an_inquiry_that_ends_takes_nothing(fake: FakeStripe, desk: Desk) -> None:
    async def plot(story: Story) -> None:
        asked, ended = story.dispute("warning_needs_response"), story.dispute("warning_closed")
        await story.tell("charge.dispute.created", asked, at=1_800_000_000)
        await story.tell("charge.dispute.closed", ended, at=1_800_000_001)

    story = play(fake, desk, plot)
    [dispute] = story.state.flows.disputes.values()
    assert (dispute.state, dispute.lost_last) == (DisputeState.CLOSED, 0)
    assert story.balance("provider:stripe:collection") == GROSS
    assert story.balance("creator:%:pending") < 0


@pytest.mark.parametrize("seed", range(5))
def test_a_dispute_that_is_won_gives_all_of_it_back_in_whatever_order_it_is_told(
    fake: FakeStripe, desk: Desk, seed: int
) -> None:
    async def plot(story: Story) -> None:
        opened = story.dispute("needs_response", -GROSS)
        won = story.dispute("won", -GROSS, GROSS)
        told = [
            ("created", opened, 1_800_000_000),
            ("funds_withdrawn", opened, 1_800_000_001),
            ("closed", won, 1_800_000_002),
            ("funds_reinstated", won, 1_800_000_003),
        ]
        told += Random(seed).choices(told, k=3)
        Random(seed).shuffle(told)
        for word, thing, at in told:
            await story.tell(f"charge.dispute.{word}", thing, at=at)

    story = play(fake, desk, plot)
    [dispute] = story.state.flows.disputes.values()
    assert (dispute.state, dispute.lost_last) == (DisputeState.CLOSED, 0)
    assert story.balance("provider:stripe:collection") == GROSS


def test_what_is_another_products_leaves_nothing_in_the_books(fake: FakeStripe, desk: Desk) -> None:
    async def plot(story: Story) -> None:
        other = fake.intent(story.charge) | {"id": "pi_4Others", "metadata": {"order": "6735"}}
        fake.others.append(other)
        before = rows(desk.ledger.book.database, "SELECT count(*) FROM ledger_events")
        for kind in ("payment_intent.succeeded", "customer.created", "payment_intent.canceled"):
            assert await story.tell(kind, other) is Verdict.IGNORED
        charge = story.charge_object() | {"metadata": {}}
        for kind in ("charge.succeeded", "charge.refunded"):
            assert await story.tell(kind, charge) is Verdict.IGNORED
        disputed = story.dispute("needs_response", -GROSS) | {"payment_intent": "pi_4Others"}
        with pytest.raises(NothingOfOursError):
            await story.tell("charge.dispute.created", disputed)
        assert rows(desk.ledger.book.database, "SELECT count(*) FROM ledger_events") == before

    play(fake, desk, plot)


def test_a_dispute_of_a_payment_that_is_not_known_to_be_paid_waits(
    fake: FakeStripe, desk: Desk
) -> None:
    async def plot(story: Story) -> None:
        reference = await fake.begin(story.adapter, uuid4(), Money(amount=GROSS, currency="KES"))
        disputed = story.dispute("needs_response", -GROSS) | {"payment_intent": reference}
        with pytest.raises(StatusUnavailableError):
            await story.tell("charge.dispute.created", disputed)

    play(fake, desk, plot)
