"""A book, its endpoints, and processes that send in threads, with names and a pace of a test's."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from api.metrics import Metrics
from api.settings import Settings
from api.webhooks_out.board import SendingBoard
from api.webhooks_out.deliveries import WebhookDeliveries
from api.webhooks_out.endpoints import Asked, WebhookEndpoints
from api.webhooks_out.endpoints import Wanted as To
from api.webhooks_out.guard import Guard
from api.webhooks_out.notices import DisabledNotices
from api.webhooks_out.pacing import Pacing
from api.webhooks_out.process import WebhookProcess
from ledger.application import Ledger
from ledger.commands import IdempotencyKey
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from projections.reader import Reader
from tests.api.notification_scenes import Carrier
from tests.api.processes import wait_until
from tests.builders import initiate_payment, register_creator, report_success
from tests.databases import rows, superuser

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from pathlib import Path
    from typing import TypeVar

    from api.webhooks_out.endpoints import Done
    from ledger.database.location import DatabaseLocation
    from ledger.key_store import KeyStore

    Result = TypeVar("Result")

QUICK: Final = (0.05, 0.05, 0.1, 0.1, 0.2, 0.2, 0.2, 0.2)
SHOWN: Final = """
    SELECT type, state, position FROM webhook_messages WHERE endpoint_id = %s ORDER BY number
"""
ATTEMPTS: Final = """
    SELECT status, webhook_attempts.error FROM webhook_attempts JOIN webhook_messages USING (number)
    WHERE endpoint_id = %s ORDER BY attempt_id
"""


class Names:
    """A resolver that knows what a test says, and asks nobody; counts how often it was asked."""

    def __init__(self, **names: Sequence[str]) -> None:
        self.names: dict[str, list[Sequence[str]]] = {}
        self.asked = 0

    def say(self, name: str, *answers: Sequence[str]) -> None:
        """The answers, one after the other; the last again and again."""
        self.names[name] = list(answers)

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        answers = self.names.get(host)
        if not answers:
            message = f"no such name: {host}"
            raise OSError(message)
        return answers.pop(0) if len(answers) > 1 else answers[0]


class Scene:
    """What happens, who is told, and how it went."""

    def __init__(self, database: DatabaseLocation, key_store: KeyStore, directory: Path) -> None:
        self.database = database
        self.key_store = key_store
        self.directory = directory
        self.ledger = Ledger(BookLocation(database, DatabaseRole.APP))
        self.email = Carrier()
        self.names = Names()
        self.metrics = Metrics()

    def close(self) -> None:
        self.ledger.close()

    def settings(self, **changed: Any) -> Settings:  # noqa: ANN401 - any setting
        return Settings(
            **{
                "data_directory": self.directory,
                "webhooks_allow_loopback": True,
                "webhooks_retry_seconds": QUICK,
                "webhooks_pause_seconds_max": 0.2,
                "webhooks_timeout_seconds": 1.0,
                "webhooks_lease_seconds": 5.0,
                **changed,
            }
        )

    # What happens.

    def creator(self) -> UUID:
        creator_id = uuid4()
        self.ledger.execute_one(register_creator(creator_id))
        return creator_id

    def pay(self, creator_id: UUID, times: int = 1) -> list[UUID]:
        """So many payments that succeed: two events each, of streams of their own."""
        payments = [uuid4() for _ in range(times)]
        self.ledger.execute(
            [initiate_payment(creator_id, payment_id=payment) for payment in payments]
        )
        self.ledger.execute([report_success(payment) for payment in payments])
        return payments

    @property
    def head(self) -> int:
        [[head]] = rows(self.database, "SELECT max(position) FROM turns")
        return int(head)

    # Who is told.

    def asking(
        self,
        what: Callable[[WebhookEndpoints, WebhookDeliveries], Awaitable[Result]],
        **settings: Any,  # noqa: ANN401 - any setting
    ) -> Result:
        """Ask the doors' own code."""

        async def ask() -> Result:
            chosen = self.settings(**settings)
            async with Reader(BookLocation(self.database, DatabaseRole.APP)) as tables:
                endpoints = WebhookEndpoints(
                    tables,
                    self.key_store,
                    endpoints_max=chosen.webhooks_endpoints_max,
                    overlap_seconds=chosen.webhooks_secret_overlap_seconds,
                )
                return await what(endpoints, WebhookDeliveries(tables, endpoints))

        return asyncio.run(ask())

    def asked(self, creator_id: UUID | None, endpoint_id: UUID | None = None) -> Asked:
        who = "admin:1" if creator_id is None else f"creator:{creator_id}"
        key = IdempotencyKey(who, str(uuid4()), b"a request")
        return Asked(key, uuid4(), endpoint_id or uuid4(), creator_id)

    def register(
        self,
        url: str,
        creator_id: UUID | None = None,
        *,
        types: Sequence[str] = ("*",),
        after: int | None = None,
    ) -> Done:
        """An endpoint, with its secret."""
        asked = self.asked(creator_id)
        to = To(url, list(types))
        return self.asking(lambda endpoints, _: endpoints.create(asked, to, after))

    def change(self, done: Done, *, enabled: bool = True, url: str | None = None) -> Done:
        endpoint = done.endpoint
        asked = self.asked(endpoint.creator_id, endpoint.id)
        to = To(url or endpoint.url, endpoint.types, enabled)
        return self.asking(lambda endpoints, _: endpoints.update(asked, to))

    # How it went.

    def messages(self, done: Done) -> list[tuple[Any, ...]]:
        return rows(self.database, SHOWN, done.endpoint.id)

    def states(self, done: Done) -> set[str]:
        return {state for _, state, _ in self.messages(done)}

    def attempts(self, done: Done) -> list[tuple[Any, ...]]:
        return rows(self.database, ATTEMPTS, done.endpoint.id)

    def endpoint(self, done: Done) -> tuple[Any, ...]:
        [found] = rows(
            self.database,
            "SELECT state, reason FROM webhook_endpoints WHERE endpoint_id = %s",
            done.endpoint.id,
        )
        return found

    def all_sent(self, *endpoints: Done) -> bool:
        """Whether everything was made into messages, and every one has ended."""
        [[followed]] = rows(self.database, "SELECT position FROM webhook_follower")
        open_cursors = rows(
            self.database,
            "SELECT 1 FROM webhook_endpoints WHERE cursor IS NOT NULL AND endpoint_id = ANY(%s)",
            [each.endpoint.id for each in endpoints],
        )
        return (
            followed == self.head
            and not open_cursors
            and not any("waiting" in self.states(each) for each in endpoints)
        )

    def wait(self, *endpoints: Done, seconds_max: float = 20) -> None:
        wait_until(
            lambda: self.all_sent(*endpoints), seconds_max=seconds_max, what="everything is sent"
        )

    def age(self, done: Done, interval: str) -> None:
        """Let it have been failing for so much longer."""
        with superuser(self.database) as connection:
            connection.execute(
                "UPDATE webhook_endpoints SET failing_since = failing_since - %s::interval "
                "WHERE endpoint_id = %s",
                (interval, done.endpoint.id),
            )

    @contextmanager
    def sending(
        self,
        *,
        guard: Guard | None = None,
        tls: ssl.SSLContext | None = None,
        **settings: Any,  # noqa: ANN401 - any setting
    ) -> Iterator[WebhookProcess]:
        """A process that sends, in a thread, until the block ends."""
        ready: list[WebhookProcess] = []
        is_ready = threading.Event()
        loop = asyncio.new_event_loop()
        chosen = self.settings(**settings)
        guard = guard or Guard(allow_loopback=True, resolver=self.names)

        async def run() -> None:
            board = SendingBoard(
                BookLocation(self.database, DatabaseRole.WEBHOOKS),
                self.key_store,
                Pacing.of(chosen),
                lease_seconds=chosen.webhooks_lease_seconds,
            )
            process = WebhookProcess(
                board,
                guard,
                chosen,
                metrics=self.metrics,
                notify=DisabledNotices(board, self.key_store, self.email).tell,
                tls=tls,
            )
            ready.append(process)
            is_ready.set()
            try:
                await process.run()
            finally:
                board.close()

        def serve() -> None:
            try:
                loop.run_until_complete(run())
            finally:
                loop.run_until_complete(loop.shutdown_default_executor())
                loop.close()
                is_ready.set()

        thread = threading.Thread(target=serve)
        thread.start()
        is_ready.wait()
        try:
            yield ready[0]
        finally:
            loop.call_soon_threadsafe(ready[0].stop)
            thread.join()
