"""A query that says no amount does not pay what a callback may still say otherwise."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from api.dispatcher_desk import Desk
from api.dispatcher_payments import PaymentTasks
from api.dispatcher_tasks import Task, TaskBoard
from api.providers.port import ABOUT_HEADER, Polling
from api.settings import Settings
from ledger.application import Ledger
from ledger.commands import AwaitConfirmation, Claim, ParkCallback, ProviderReport
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.inbox import seal_callback
from tests.builders import (
    PROVIDER,
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

    from api.providers.port import PaymentInquiry
    from ledger.database.location import DatabaseLocation
    from ledger.key_store import KeyStore
    from ledger.payment import Payment


@dataclass
class Saying:
    """A provider that says of every payment that it has succeeded, or what `claim` says."""

    name: str = PROVIDER
    polling: Polling = field(default_factory=lambda: Polling(first_seconds=2.0))
    claim: Claim = Claim.SUCCEEDED

    async def status(self, inquiry: PaymentInquiry) -> ProviderReport:
        paid = self.claim is Claim.SUCCEEDED
        return ProviderReport(
            provider=PROVIDER,
            payment_id=inquiry.payment_id,
            claim=self.claim,
            provider_transaction="T-1" if paid else None,
            received=inquiry.money if paid else None,
            reason=None if paid else "declined",
        )


class Scene:
    """A book with a submitted payment, and a dispatcher's desk."""

    def __init__(self, database: DatabaseLocation, key_store: KeyStore) -> None:
        self.key_store = key_store
        self.doors = Ledger(BookLocation(database, DatabaseRole.APP))
        self.ledger = Ledger(BookLocation(database, DatabaseRole.DISPATCHER))
        self.board = TaskBoard(self.ledger)
        self.desk = Desk(self.ledger, self.board, key_store, Settings.model_construct())
        self.creator, self.payment = uuid4(), uuid4()
        self.doors.execute_one(register_creator(self.creator))
        self.doors.execute_one(initiate_payment(self.creator, payment_id=self.payment))
        self.doors.execute_one(start_submission(self.payment))
        self.doors.execute_one(record_submitted(self.payment))

    def close(self) -> None:
        self.board.close()
        self.ledger.close()
        self.doors.close()

    def hint(self, about: UUID, natural: str = "hint:1") -> dict[str, Any]:
        """A callback comes that has to be confirmed; what it is decided by."""
        entry = seal_callback(
            self.key_store.allocate(),
            provider=PROVIDER,
            natural_key=natural,
            headers={ABOUT_HEADER: str(about)},
            body=b"{}",
            of_unknown_origin=True,
        )
        fields = {"inbox_entry": entry, **envelope(natural_key(natural))}
        self.doors.execute_one(AwaitConfirmation(reason="to_be_confirmed", **fields))
        return fields

    def ask(self, provider: Saying) -> str:
        """Ask the provider as the dispatcher does; the payment's state then."""
        task = Task(kind="payment", task_id=self.payment, stream_id=self.payment, tries=1)
        asyncio.run(PaymentTasks(self.desk).step(provider, task))  # type: ignore[arg-type]
        payment: Payment = self.ledger.repository.get(self.payment)
        assert_book_is_sound(self.doors.book.database)
        return str(payment.state)


@pytest.fixture
def scene(database: DatabaseLocation, key_store: KeyStore) -> Iterator[Scene]:
    made = Scene(database, key_store)
    yield made
    made.close()


def test_without_a_hint_a_query_pays(scene: Scene) -> None:
    assert scene.ask(Saying()) == "succeeded"


def test_a_hint_that_waits_goes_before_a_query(scene: Scene) -> None:
    fields = scene.hint(scene.payment)
    assert scene.ask(Saying()) == "submitted"
    scene.ledger.execute_one(ParkCallback(reason="unconfirmed", **fields))
    assert scene.ask(Saying()) == "succeeded"


def test_a_hint_that_a_person_must_look_at_goes_before_a_query(scene: Scene) -> None:
    fields = scene.hint(scene.payment)
    scene.ledger.execute_one(ParkCallback(reason="cannot_be_confirmed", **fields))
    assert scene.ask(Saying()) == "submitted"


def test_a_hint_about_another_payment_is_in_nobodys_way(scene: Scene) -> None:
    scene.hint(uuid4())
    assert scene.ask(Saying()) == "succeeded"


def test_a_failure_has_no_amount_to_wait_for(scene: Scene) -> None:
    scene.hint(scene.payment)
    assert scene.ask(Saying(claim=Claim.FAILED)) == "failed"
