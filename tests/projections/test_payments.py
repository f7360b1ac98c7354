"""A payment as people see it agrees with the one that decisions are made on, at every version."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Refused
from ledger.payment import Payment
from projections.payments import (
    NotAPaymentStreamError,
    ParkedMoney,
    PaymentRead,
    Payments,
    PaymentView,
    project_payment,
)
from projections.reader import Reader
from tests.builders import (
    GROSS,
    NOON,
    cancel_payment,
    initiate_payment,
    kes,
    record_submitted,
    register_creator,
    report_success,
    start_submission,
)
from tests.databases import superuser
from tests.ledger.given import History
from tests.projections.conftest import CountingReader
from tests.projections.histories import Life

if TYPE_CHECKING:
    from ledger.application import Ledger
    from ledger.database.connections import BookLocation
    from ledger.events import LedgerEvent
    from tests.projections.conftest import Ask
    from tests.projections.histories import Naive


def assert_same(view: PaymentView, payment: Payment) -> None:
    """What both know is the same."""
    for name in (
        "id",
        "version",
        "fan_id",
        "creator_id",
        "purpose",
        "reference",
        "money",
        "split",
        "provider",
        "instrument",
        "method",
        "invoice",
        "initiated_at",
        "expires_at",
        "provider_reference",
        "reason",
        "late",
        "ended_at",
    ):
        assert getattr(view, name) == getattr(payment, name), name
    assert view.state == payment.state.value
    seen = {parked.provider_transaction for parked in view.parked}
    if view.provider_transaction is not None:
        seen.add(view.provider_transaction)
    assert seen == payment.transactions


@given(st.integers(0, 2**32))
def test_whatever_happens_view_and_aggregate_agree_at_every_version(seed: int) -> None:
    life, history = Life(seed, creators=2), History()
    history.given(*life.registrations())
    streams: dict[UUID, list[LedgerEvent]] = {}
    for command in life.commands(40):
        try:
            decision = history.when(command)
        except Refused:
            continue
        for event in decision.events:
            streams.setdefault(event.originator_id, []).append(event)
        if decision.events and decision.stream is not None:
            found = history.aggregates[decision.stream]
            if isinstance(found, Payment):
                assert_same(project_payment(streams[decision.stream]), found)


def test_every_version_can_be_read_again(ledger: Ledger, book: BookLocation) -> None:
    creator, payment = uuid4(), uuid4()
    ledger.execute_one(register_creator(creator))
    recorded: list[LedgerEvent] = []
    for command in (
        initiate_payment(creator, payment_id=payment),
        start_submission(payment),
        record_submitted(payment),
        report_success(payment, GROSS + 5, transaction="T1", occurred_at=NOON),
        report_success(payment, 70, transaction="T2"),
    ):
        recorded += ledger.execute_one(command).events

    async def scenario() -> list[PaymentRead | None]:
        async with Reader(book) as reader:
            payments = Payments(reader)
            head = await reader.position()
            reads = [await payments.get(payment, version=version) for version in range(1, 7)]
            for version, read in enumerate(reads, 1):
                assert read == PaymentRead(head, project_payment(recorded[:version]))
            assert await payments.get(payment) == reads[-1]
            assert await payments.get(payment, version=10**30) == reads[-1]
            assert await payments.get(payment, version=0) is None
            return reads

    *_, parked, last = asyncio.run(scenario())
    assert parked is not None
    assert last is not None
    assert parked.payment.provider_transaction == "T1"
    assert parked.payment.occurred_at == NOON
    assert last.payment.provider_reference == f"prompt-{payment}"
    assert last.payment.parked == (
        ParkedMoney("overpaid", kes(5), "T1"),
        ParkedMoney("surplus", kes(70), "T2"),
    )


def test_what_is_no_payment_is_not_found(ask: Ask, naive: Naive) -> None:
    others = {stream for _, stream, _, topic, _ in naive.events if not topic.startswith("payment")}
    assert {topic.partition(".")[0] for _, stream, _, topic, _ in naive.events} == {
        "creator",
        "payment",
        "receipt",
    }

    async def scenario(reader: CountingReader) -> None:
        found = await asyncio.gather(*map(Payments(reader).get, [*others, uuid4()]))
        assert set(found) == {None}
        assert reader.statements == 1

    ask(scenario)


def test_concurrent_reads_of_many_payments_are_one_statement(ask: Ask, naive: Naive) -> None:
    payments = [stream for _, stream, _, topic, _ in naive.events if topic.endswith("initiated.v1")]

    async def scenario(reader: CountingReader) -> None:
        found = await asyncio.gather(*map(Payments(reader).get, payments))
        assert reader.statements == 1
        for payment, read in zip(payments, found, strict=True):
            assert read is not None
            assert read.payment.id == payment
            assert read.position == naive.head

    assert len(payments) > 20
    ask(scenario)


def test_events_from_the_middle_of_a_stream_are_no_payment(ledger: Ledger) -> None:
    creator, fan = uuid4(), uuid4()
    ledger.execute_one(register_creator(creator))
    initiated = ledger.execute_one(initiate_payment(creator, fan_id=fan))
    assert initiated.stream is not None
    cancelled = ledger.execute_one(cancel_payment(initiated.stream, fan))
    assert project_payment([*initiated.events, *cancelled.events]).state == "cancelled"
    for events in ((), cancelled.events):
        with pytest.raises(NotAPaymentStreamError):
            project_payment(events)


def test_a_stream_that_cannot_be_read_does_not_fail_its_neighbours(
    ledger: Ledger, book: BookLocation
) -> None:
    creator, good, bad = uuid4(), uuid4(), uuid4()
    ledger.execute_one(register_creator(creator))
    ledger.execute([initiate_payment(creator, payment_id=payment) for payment in (good, bad)])
    with superuser(book.database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE ledger_events SET state = '{}' WHERE originator_id = %s", [bad])

    async def scenario() -> None:
        async with Reader(book) as reader:
            payments = Payments(reader)
            read, error = await asyncio.gather(
                payments.get(good), payments.get(bad), return_exceptions=True
            )
            assert isinstance(read, PaymentRead)
            assert isinstance(error, ValueError)

    asyncio.run(scenario())
