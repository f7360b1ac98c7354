"""A book, a task board and an outbox with carriers that do as a test says: without any process."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from api.dispatcher_desk import Desk
from api.dispatcher_tasks import NOTIFICATIONS, TaskBoard
from api.notifications.outbox import NotificationTasks
from api.notifications.port import Channel, Sent
from api.settings import Settings
from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.events import PostAdjustment
from ledger.journal_entry import entry
from ledger.vault import PersonalData, seal
from tests.builders import initiate_payment, register_creator, report_success
from tests.databases import rows, superuser
from tests.money_builders import (
    REASON,
    add_destination,
    approve_payout,
    propose,
    report_payout,
    request_payout,
    start_payout,
    verify_creator,
    verify_destination,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from api.dispatcher_tasks import Task
    from api.notifications.port import Message, Result
    from ledger.decisions import LedgerCommand
    from ledger.key_store import KeyStore
    from ledger.payout import Payout

PHONE: Final = "+254709481000"
GROSS: Final = 100_000
LEASE_SECONDS: Final = 60.0
FORGET: Final = "DELETE FROM ledger_tracking WHERE application_name = 'dispatcher'"
NOTIFICATION: Final = """
    SELECT kind, channel, state, reason, sent_at IS NOT NULL FROM notifications
    WHERE stream_id = %s
"""


class Carrier:
    """Answers with what it was told, the last answer again and again; keeps what it was given."""

    def __init__(self, *answers: Result) -> None:
        self.answers = list(answers) or [Sent()]
        self.given: list[Message] = []
        self.silent_seconds = 0.0

    async def send(self, message: Message) -> Result:
        self.given.append(message)
        await asyncio.sleep(self.silent_seconds)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def close(self) -> None:
        """There is nothing to close."""


class Scene:
    """A book in which things happen, and one dispatcher's outbox."""

    def __init__(self, book: BookLocation, key_store: KeyStore, directory: Path) -> None:
        self.database = book.database
        self.key_store = key_store
        # Without the environment, so that a developer's own settings change nothing here.
        self.settings = Settings.model_construct(
            data_directory=directory, provider_timeout_seconds=0.3, book_time_zone="Africa/Nairobi"
        )
        self.ledger = Ledger(BookLocation(book.database, DatabaseRole.APP))
        self._dispatchers = Ledger(BookLocation(book.database, DatabaseRole.DISPATCHER))
        self.board = TaskBoard(self._dispatchers)
        self.email, self.sms = Carrier(), Carrier()
        self.desk = Desk(self._dispatchers, self.board, key_store, self.settings)
        self.outbox = self.another()
        self.creator_id = uuid4()
        self.do(register_creator(self.creator_id))

    def close(self) -> None:
        self.board.close()
        self._dispatchers.close()
        self.ledger.close()

    def another(self) -> NotificationTasks:
        """The outbox of one more dispatcher."""
        carriers: Mapping[Channel, Any] = {Channel.EMAIL: self.email, Channel.SMS: self.sms}
        return NotificationTasks(self.desk, carriers)

    def do(self, *commands: LedgerCommand) -> None:
        for command in commands:
            self.ledger.execute_one(command)

    def know(self, person_id: UUID, kind: PersonalData, text: str) -> UUID:
        """Put a piece of personal data into the vault; its entry."""
        sealed = seal(self.key_store, person_id=person_id, kind=kind, text=text)
        with superuser(self.database) as connection:
            connection.execute(
                "INSERT INTO vault_entries VALUES (%s, %s, %s, %s, %s)",
                (sealed.entry_id, person_id, kind, sealed.key_id, sealed.ciphertext),
            )
        return sealed.entry_id

    def initiate(self, fan_id: UUID | None = None, phone: str = PHONE) -> UUID:
        """A payment that waits for its prompt."""
        fan_id, payment_id = fan_id or uuid4(), uuid4()
        entry_id = self.know(fan_id, PersonalData.PHONE, phone)
        command = initiate_payment(self.creator_id, payment_id=payment_id, fan_id=fan_id)
        self.do(replace(command, phone=entry_id))
        return payment_id

    def pay(self, fan_id: UUID | None = None) -> UUID:
        """A payment that has succeeded."""
        payment_id = self.initiate(fan_id)
        self.do(report_success(payment_id))
        return payment_id

    def pay_out(self) -> UUID:
        """A payout that was paid."""
        destination_id, payout_id = uuid4(), uuid4()
        self.do(
            verify_creator(self.creator_id),
            add_destination(self.creator_id, destination_id),
            verify_destination(self.creator_id, destination_id),
        )
        legs = (("bank:settlement", GROSS), (f"creator:{self.creator_id}:available", -GROSS))
        given = PostAdjustment(adjustment_id=uuid4(), entry=entry("KES", *legs), reason=REASON)
        self.do(
            propose(given),
            request_payout(self.creator_id, destination_id, payout_id=payout_id),
            approve_payout(payout_id, "admin:one"),
            start_payout(payout_id, self.creator_id),
        )
        payout: Payout = self.ledger.repository.get(payout_id)
        self.do(report_payout(payout_id, payout.legs.net))
        return payout_id

    def follow(self) -> None:
        while self.board.follow():
            pass

    def follow_again(self) -> None:
        """Follow the log from its beginning, as if it had never been."""
        with superuser(self.database) as connection:
            connection.execute(FORGET)
        self.follow()

    def claim(self) -> list[Task]:
        return self.board.claim(NOTIFICATIONS, 100, LEASE_SECONDS)

    def step(self, task: Task, outbox: NotificationTasks | None = None) -> datetime | None:
        """One step, and its end on the board."""
        due_at = asyncio.run((outbox or self.outbox).step(task))
        self.board.finish(task, due_at)
        return due_at

    def work(self) -> None:
        """Follow the log and do what is due."""
        self.follow()
        for task in self.claim():
            self.step(task)

    def hurry(self) -> None:
        """Let every pause be over."""
        with superuser(self.database) as connection:
            connection.execute("UPDATE dispatcher_tasks SET due_at = now()")

    def kept(self, stream_id: UUID) -> list[tuple[Any, ...]]:
        """Kind, channel, state, reason and whether it has a time of what was sent about it."""
        return rows(self.database, NOTIFICATION, stream_id)

    def waiting(self) -> int:
        """How many tasks of notices there are."""
        query = "SELECT count(*) FROM dispatcher_tasks WHERE kind = 'notification'"
        [[number]] = rows(self.database, query)
        return int(number)
