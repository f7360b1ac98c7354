"""A book with subscribers, a clock, and a dispatcher whose time is the book's: without processes.

Carriers and the provider do as a test says. Phones and addresses lie in a real vault.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from api.dispatcher_desk import Desk
from api.dispatcher_payments import PaymentTasks
from api.dispatcher_tasks import NOTIFICATIONS, TaskBoard
from api.notifications.outbox import NotificationTasks
from api.notifications.port import Channel
from api.one_time_codes import SECRET_NAME as CODES_SECRET
from api.one_time_codes import OneTimeCodes
from api.pay_links import SECRET_NAME as LINKS_SECRET
from api.pay_links import PayLinks
from api.providers.port import Accepted, Polling
from api.settings import Settings
from ledger.application import Ledger
from ledger.commands import Claim, ProviderReport
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.vault import PersonalData, seal
from tests.api.notification_scenes import LEASE_SECONDS, NOTIFICATION, PHONE, Carrier
from tests.api.subscription_scenes import Subscribers
from tests.builders import PROVIDER
from tests.databases import rows, superuser
from tests.subscription_builders import set_email

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from uuid import UUID

    from api.dispatcher_tasks import Task
    from api.notifications.port import Message
    from api.pay_links import PayLink
    from api.providers.port import ChargeRequest, Initiation, PaymentInquiry, PromptRequest
    from ledger.key_store import KeyStore
    from ledger.recorder import Head
    from tests.projections import histories

CARD: Final = "card_000"
PUBLIC_URL: Final = "https://hesabu.example"
LINK_IN_TEXT: Final = re.compile(rf"{re.escape(PUBLIC_URL)}/pay/([\w.-]+)")


class TimeOfTheScene:
    """The time of a scene, which the dispatcher takes for the book's."""

    def __init__(self, time: histories.Clock) -> None:
        self._time = time

    @property
    def ahead(self) -> timedelta:
        return self._time.now - datetime.now(UTC)

    def now(self, _: Head) -> datetime:
        return self._time.now

    def renew(self, connection: object) -> None:
        """It is as it is."""


class Operator:
    """Takes every prompt and charge, and says of each that nobody has answered yet."""

    name = PROVIDER
    polling = Polling(first_seconds=2.0)

    def __init__(self) -> None:
        self.prompted: list[PromptRequest] = []
        self.charged: list[ChargeRequest] = []

    async def initiate(self, request: PromptRequest) -> Initiation:
        self.prompted.append(request)
        return Accepted("op_1")

    async def charge(self, request: ChargeRequest) -> Initiation:
        self.charged.append(request)
        return Accepted("op_1")

    async def status(self, inquiry: PaymentInquiry) -> ProviderReport:
        payment_id = inquiry.payment_id
        return ProviderReport(provider=PROVIDER, payment_id=payment_id, claim=Claim.PENDING)


class Told(Subscribers):
    """Subscribers with addresses, and one dispatcher that tells and asks them."""

    def __init__(self, book: BookLocation, key_store: KeyStore, directory: Path) -> None:
        self.key_store = key_store
        super().__init__(book)
        settings = Settings.model_construct(
            data_directory=directory,
            provider_timeout_seconds=0.3,
            submission_margin_seconds=5,
            status_query_seconds=2.0,
            book_time_zone="Africa/Nairobi",
            public_url=PUBLIC_URL,
        )
        there = BookLocation(book.database, DatabaseRole.DISPATCHER)
        self.dispatcher_ledger = Ledger(there, book_time=TimeOfTheScene(self.time))
        self.board = TaskBoard(self.dispatcher_ledger)
        self.email, self.sms, self.operator = Carrier(), Carrier(), Operator()
        desk = Desk(self.dispatcher_ledger, self.board, key_store, settings)
        carriers: Mapping[Channel, Any] = {Channel.EMAIL: self.email, Channel.SMS: self.sms}
        self._outbox = NotificationTasks(desk, carriers)
        self._payments = PaymentTasks(desk)
        self.codes = OneTimeCodes(key_store.secret(CODES_SECRET))
        self._links = PayLinks(key_store.secret(LINKS_SECRET), PUBLIC_URL)

    def close(self) -> None:
        self.board.close()
        self.dispatcher_ledger.close()

    def know(self, person_id: UUID, kind: PersonalData, text: str) -> UUID:
        """Put a piece of personal data into the vault; its entry."""
        sealed = seal(self.key_store, person_id=person_id, kind=kind, text=text)
        with superuser(self.book.database) as connection:
            connection.execute(
                "INSERT INTO vault_entries VALUES (%s, %s, %s, %s, %s)",
                (sealed.entry_id, person_id, kind, sealed.key_id, sealed.ciphertext),
            )
        return sealed.entry_id

    def new_phone(self, fan_id: UUID) -> UUID:
        return self.know(fan_id, PersonalData.PHONE, PHONE)

    def new_card(self, fan_id: UUID) -> UUID:
        return self.know(fan_id, PersonalData.CARD, CARD)

    def set_email(self, fan_id: UUID, email: str | None) -> None:
        """The fan says where notices go by e-mail, or nowhere."""
        entry = None if email is None else self.know(fan_id, PersonalData.EMAIL, email)
        self.do(set_email(fan_id, entry))

    def tell(self) -> list[Message]:
        """Let the dispatcher tell what is to be told; what that was, by e-mail and then by SMS."""
        self.email.given.clear()
        self.sms.given.clear()
        self.read_log()
        for task in self.board.claim(NOTIFICATIONS, 100, LEASE_SECONDS):
            self.board.finish(task, asyncio.run(self._outbox.step(task)))
        return [*self.email.given, *self.sms.given]

    def texts(self) -> list[str]:
        """What is said now, in its words; links are replaced by LINK."""
        return [LINK_IN_TEXT.sub("LINK", message.text) for message in self.tell()]

    def link_in(self, text: str) -> PayLink:
        """What the pay-now link of a text is for."""
        [token] = LINK_IN_TEXT.findall(text)
        return self._links.read(token)

    def kept(self, stream: UUID) -> list[tuple[Any, ...]]:
        """Kind, channel, state, reason and whether it has a time of what was sent about it."""
        return rows(self.book.database, NOTIFICATION, stream)

    def read_log(self) -> None:
        """Let the dispatcher see what has happened."""
        while self.board.follow():
            pass

    def payment_tasks(self) -> list[Task]:
        """Payments that are due by the dispatcher's table, claimed."""
        self.read_log()
        return self.board.claim(PROVIDER, 100, LEASE_SECONDS)

    def take(self, task: Task) -> datetime | None:
        """Do what a payment needs now; when to look again."""
        provider: Any = self.operator
        due_at = asyncio.run(self._payments.step(provider, task))
        self.board.finish(task, due_at)
        return due_at
