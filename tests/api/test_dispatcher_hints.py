"""A callback that proves nothing moves no money by itself: its provider is asked about it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from api.dispatcher_desk import Desk
from api.dispatcher_hints import HintTasks
from api.dispatcher_known import KnownOfProvider
from api.dispatcher_tasks import TaskBoard
from api.providers.port import (
    CannotBeAskedError,
    NothingOfOursError,
    Polling,
    StatusUnavailableError,
)
from api.settings import Settings
from ledger.application import Ledger
from ledger.commands import AwaitConfirmation, Claim, FeeReport, ProviderReport
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.inbox import seal_callback
from tests.builders import (
    PROVIDER,
    envelope,
    initiate_payment,
    kes,
    natural_key,
    register_creator,
    report_success,
)
from tests.databases import rows, superuser, value
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from api.dispatcher_tasks import Task
    from api.providers.port import Known
    from ledger.commands import AnyReport
    from ledger.database.location import DatabaseLocation
    from ledger.key_store import KeyStore
    from ledger.money import Money

BODY = b'{"id": "T-1", "status": "succeeded"}'
AGE = "UPDATE inbox SET received_at = received_at - interval '25 hours'"


@dataclass
class Asked:
    """A provider whose answers to questions are given; it keeps what it was asked about."""

    name: str = PROVIDER
    polling: Polling = field(default_factory=lambda: Polling(first_seconds=2.0))
    answers: list[tuple[AnyReport, ...] | Exception] = field(default_factory=list)
    asked: list[bytes] = field(default_factory=list)

    async def confirm(
        self,
        _headers: Mapping[str, str],
        body: bytes,
        _known: Known,
    ) -> tuple[AnyReport, ...]:
        self.asked.append(body)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Scene:
    """A book with a payment, a dispatcher's desk, and callbacks that are hints."""

    def __init__(self, database: DatabaseLocation, key_store: KeyStore, directory: Path) -> None:
        self.database, self.key_store = database, key_store
        self.doors = Ledger(BookLocation(database, DatabaseRole.APP))
        self.ledger = Ledger(BookLocation(database, DatabaseRole.DISPATCHER))
        self.board = TaskBoard(self.ledger)
        settings = Settings.model_construct(data_directory=directory)
        self.desk = Desk(self.ledger, self.board, key_store, settings)
        self.creator, self.payment = uuid4(), uuid4()
        self.doors.execute(
            [
                register_creator(self.creator),
                initiate_payment(self.creator, payment_id=self.payment),
            ]
        )

    def close(self) -> None:
        self.board.close()
        self.ledger.close()
        self.doors.close()

    def hint(self, natural: str = "hint:1") -> None:
        """A callback comes, as the door records it."""
        entry = seal_callback(
            self.key_store.allocate(),
            provider=PROVIDER,
            natural_key=natural,
            headers={"content-type": "application/json"},
            body=BODY,
            of_unknown_origin=True,
        )
        self.doors.execute_one(
            AwaitConfirmation(
                reason="to_be_confirmed", inbox_entry=entry, **envelope(natural_key(natural))
            )
        )

    def claim(self) -> list[Task]:
        self.board.add_hints([PROVIDER])
        return [task for task in self.board.claim(PROVIDER, 10, 60) if task.kind == "hint"]

    def step(self, provider: Any, task: Task) -> datetime | None:  # noqa: ANN401 - a part of one
        return asyncio.run(HintTasks(self.desk).step(provider, task))

    def kept(self) -> list[tuple[Any, ...]]:
        return rows(self.database, "SELECT verdict, reason, copies FROM inbox ORDER BY natural_key")

    def state(self) -> str:
        return str(self.ledger.repository.get(self.payment).state)

    def succeeded(self, transaction: str = "T-1", **more: Any) -> ProviderReport:  # noqa: ANN401
        money: Money = self.ledger.repository.get(self.payment).money
        return ProviderReport(
            provider=PROVIDER,
            payment_id=self.payment,
            claim=Claim.SUCCEEDED,
            provider_transaction=transaction,
            received=money,
            **more,
        )


@pytest.fixture
def scene(database: DatabaseLocation, key_store: KeyStore, tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(database, key_store, tmp_path)
    yield scene
    scene.close()


def test_a_hint_moves_nothing_until_its_provider_has_confirmed_it(scene: Scene) -> None:
    scene.hint()
    assert scene.kept() == [("retrying", "to_be_confirmed", 1)]
    assert scene.state() == "initiated"
    [task] = scene.claim()
    provider = Asked(answers=[(scene.succeeded(),)])
    assert scene.step(provider, task) is None
    assert provider.asked == [BODY]
    assert scene.kept() == [("applied", None, 1)]
    assert scene.state() == "succeeded"
    # The callback is what the event rests on, though the dispatcher has asked.
    [(hash_of_body,)] = rows(scene.database, "SELECT body_hash FROM inbox")
    evidence = (
        "SELECT convert_from(state, 'UTF8')::jsonb ->> 'evidence' FROM ledger_events "
        "WHERE topic LIKE 'payment.succeeded%'"
    )
    assert value(scene.database, evidence) == hash_of_body
    assert_book_is_sound(scene.database)


def test_a_provider_that_does_not_answer_is_asked_again_and_after_a_day_a_person_must_look(
    scene: Scene,
) -> None:
    scene.hint()
    [task] = scene.claim()
    provider = Asked(answers=[StatusUnavailableError(), (), ()])
    for _ in range(2):
        again = scene.step(provider, task)
        assert again is not None
        assert timedelta(0) < again - datetime.now(UTC) < timedelta(minutes=2)
    assert scene.kept() == [("retrying", "to_be_confirmed", 1)]
    with superuser(scene.database) as connection:
        connection.execute(AGE)
    assert scene.step(provider, task) is None
    assert scene.kept() == [("parked", "unconfirmed", 1)]
    assert scene.state() == "initiated"


def test_a_hint_about_nothing_of_ours_waits_for_a_person(scene: Scene) -> None:
    scene.hint()
    [task] = scene.claim()
    assert scene.step(Asked(answers=[CannotBeAskedError()]), task) is None
    assert scene.kept() == [("parked", "cannot_be_confirmed", 1)]


def test_a_hint_whose_body_is_forgotten_waits_for_a_person(scene: Scene) -> None:
    scene.hint()
    [task] = scene.claim()
    [(key,)] = rows(scene.database, "SELECT key_id FROM inbox")
    scene.key_store.destroy(key)
    provider = Asked()
    assert scene.step(provider, task) is None
    assert provider.asked == []
    assert scene.kept() == [("parked", "body_forgotten", 1)]


def test_a_hint_that_was_decided_meanwhile_is_left_alone(scene: Scene) -> None:
    scene.hint()
    [task] = scene.claim()
    provider = Asked(answers=[(scene.succeeded(),)])
    scene.step(provider, task)
    assert scene.step(provider, task) is None
    assert len(provider.asked) == 1


def test_another_copy_is_asked_about_again_and_pays_nothing_more(scene: Scene) -> None:
    scene.hint()
    [task] = scene.claim()
    scene.hint()
    assert scene.kept() == [("retrying", "to_be_confirmed", 2)]
    scene.step(Asked(answers=[(scene.succeeded(),)]), task)
    scene.board.finish(task, None)
    scene.hint()
    # The callback's key is settled: it is answered with its verdict.
    assert scene.claim() == []
    assert_book_is_sound(scene.database)


def test_what_more_a_provider_says_is_recorded_too_and_once(scene: Scene) -> None:
    scene.hint()
    [task] = scene.claim()
    fee = FeeReport(provider=PROVIDER, payment_id=scene.payment, fee_reference="F-1", fee=kes(50))
    scene.step(Asked(answers=[(scene.succeeded(), fee)]), task)
    scene.board.finish(task, None)
    scene.hint("hint:2")
    [other] = scene.claim()
    scene.step(Asked(answers=[(scene.succeeded(), fee)]), other)
    fees = "SELECT count(*) FROM ledger_events WHERE topic LIKE 'payment.provider_fee%'"
    assert value(scene.database, fees) == 1
    assert {verdict for verdict, *_ in scene.kept()} == {"applied", "duplicate"}
    assert_book_is_sound(scene.database)


def test_another_name_of_a_transaction_is_not_another_transaction(scene: Scene) -> None:
    """The query says one name; the callback, and later the statement, another."""
    told = scene.succeeded("ws_CO_1", also_known_as=("RECEIPT1",))
    scene.hint()
    [task] = scene.claim()
    scene.step(Asked(answers=[(told,)]), task)
    outcome = scene.doors.execute_one(report_success(scene.payment, transaction="RECEIPT1"))
    assert outcome.verdict == "duplicate"
    assert scene.state() == "succeeded"
    assert_book_is_sound(scene.database)


def test_another_name_that_comes_later_is_learned(scene: Scene) -> None:
    scene.hint("hint:1")
    scene.hint("hint:2")
    first, second = scene.claim()
    scene.step(Asked(answers=[(scene.succeeded("ws_CO_1"),)]), first)
    later = scene.succeeded("ws_CO_1", also_known_as=("RECEIPT1",))
    scene.step(Asked(answers=[(later,)]), second)
    outcome = scene.doors.execute_one(report_success(scene.payment, transaction="RECEIPT1"))
    assert outcome.verdict == "duplicate"


def test_an_adapter_sees_only_what_is_its_providers(scene: Scene) -> None:
    async def ask(provider: str) -> tuple[object, ...]:
        known = KnownOfProvider(scene.desk, provider)
        payment = await known.payment(scene.payment)
        return (
            payment and payment.payment_id,
            await known.payment(uuid4()),
            await known.payout(scene.payment, 1),
            await known.refund(scene.payment, uuid4()),
            await known.payment_of("T-9"),
        )

    scene.doors.execute_one(report_success(scene.payment, transaction="T-9"))
    own: tuple[object, ...] = asyncio.run(ask(PROVIDER))
    assert own == (scene.payment, None, None, None, scene.payment)
    assert asyncio.run(ask("another")) == (None,) * 5
    assert isinstance(own[0], UUID)


def test_what_is_about_nothing_of_ours_is_ignored_and_not_asked_about_again(scene: Scene) -> None:
    provider = Asked(answers=[NothingOfOursError()])
    scene.hint()
    [task] = scene.claim()
    assert scene.step(provider, task) is None
    assert scene.kept() == [("ignored", "nothing_of_ours", 1)]
    assert scene.step(provider, task) is None
    assert len(provider.asked) == 1
    assert_book_is_sound(scene.database)
