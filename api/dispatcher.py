"""The dispatcher: from the log to calls at providers, never inside a request.

It follows the log and keeps one task for each open payment. A payment that was initiated becomes a
prompt on the fan's phone: first `StartSubmission` is recorded, and only the dispatcher whose
command won may call the provider, once. What comes back is a command like any other. A submission
without an answer is unknown after its deadline: then the provider is asked, never pushed again.
Payments that nobody paid expire, once the provider has been asked: while it does not answer, nobody
knows. A result that could not be recorded brings the task back.

    PaymentInitiated ─▶ task ─▶ StartSubmission won? ─▶ push ─▶ submitted | failed | unknown
                                                          │
                      status query: 2 s, 4 s, 8 s … 60 s ◀┘ ─▶ the report, or expiry

Any number of dispatchers may run: following is a compare-and-set on the tracking row in the
transaction of its tasks; tasks are claimed with SKIP LOCKED and come back if their holder dies.
Each provider has its own bound, so a slow one holds up no other.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, assert_never
from uuid import UUID, uuid4

import structlog

from api.housekeeping import INTERVAL_SECONDS
from api.providers.port import (
    Accepted,
    Declined,
    NoAnswer,
    PromptRequest,
    StatusUnavailableError,
)
from ledger.commands import (
    Claim,
    ExpirePayment,
    IdempotencyKey,
    ProviderReport,
    RecordReport,
    RecordSubmissionUnknown,
    RecordSubmitted,
    StartSubmission,
)
from ledger.errors import Unavailable
from ledger.key_store import KeyDestroyedError
from ledger.payment import OPEN, Payment, PaymentState
from ledger.receipt import receipt_id
from ledger.vault import unseal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.dispatcher_tasks import Task, TaskBoard
    from api.providers.port import Initiation, Provider
    from api.settings import Settings
    from ledger.application import Ledger
    from ledger.decisions import LedgerCommand
    from ledger.key_store import KeyStore
    from ledger.outcome import Outcome

logger = structlog.get_logger()

ACTOR: Final = "dispatcher"
AT_ONCE_MAX: Final = 64
"""Calls under way at one provider."""
IDLE_SECONDS: Final = 0.25
STATUS_QUERY_SECONDS_MAX: Final = 60.0
STORE_AGAIN_SECONDS: Final = 0.5
UNANSWERED_MAX: Final = timedelta(hours=24)
"""How long past its expiry a payment waits for a provider that cannot be asked at the moment."""


class Dispatcher:
    """One dispatcher process's work. `run` returns after `stop`."""

    def __init__(
        self,
        ledger: Ledger,
        board: TaskBoard,
        key_store: KeyStore,
        providers: Mapping[str, Provider],
        settings: Settings,
    ) -> None:
        self._ledger = ledger
        self._board = board
        self._key_store = key_store
        self._providers = providers
        self._settings = settings
        self._stopping = asyncio.Event()
        self._deadline_seconds = (
            int(settings.provider_timeout_seconds) + settings.submission_margin_seconds
        )

    def stop(self) -> None:
        """Finish what is under way and return from `run`."""
        self._stopping.set()

    async def run(self) -> None:
        """Work on the tasks of every provider until stopped."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_house())
            for provider in self._providers.values():
                group.create_task(self._serve(provider))

    async def _keep_house(self) -> None:
        while not self._stopping.is_set():
            try:
                await asyncio.to_thread(self._board.keep_house, self._key_store)
            except Exception:
                # It can wait for an hour; prompts cannot.
                logger.exception("house_not_kept")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), INTERVAL_SECONDS)

    async def _serve(self, provider: Provider) -> None:
        under_way: set[asyncio.Task[None]] = set()
        while not self._stopping.is_set():
            free = AT_ONCE_MAX - len(under_way)
            tasks: list[Task] = []
            if free:
                try:
                    tasks = await asyncio.to_thread(
                        self._board.claim, provider.name, free, self._lease_seconds()
                    )
                except Exception:
                    # The database may be away for a while; the tasks are safe in it.
                    logger.exception("tasks_not_claimed", provider=provider.name)
            for task in tasks:
                work = asyncio.create_task(self._work(provider, task))
                under_way.add(work)
                work.add_done_callback(under_way.discard)
            if not tasks:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), IDLE_SECONDS)
            elif len(under_way) >= AT_ONCE_MAX:
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        if under_way:
            await asyncio.wait(under_way)

    def _lease_seconds(self) -> float:
        # Longer than a call and its recording, so that only a dead holder's task comes back.
        return 2.0 * self._deadline_seconds

    async def _work(self, provider: Provider, task: Task) -> None:
        try:
            due_at = await self._step(provider, task)
            await asyncio.to_thread(self._board.finish, task, due_at)
        except Exception:
            # The task comes back when its lease is over; one payment must not stop the others.
            logger.exception("task_failed", payment=str(task.stream_id))

    async def _step(self, provider: Provider, task: Task) -> datetime | None:
        """Do what the payment needs now; when to look again, or None when it has ended."""
        payment: Payment = await asyncio.to_thread(self._ledger.repository.get, task.stream_id)
        now = datetime.now(UTC)
        if payment.state not in OPEN:
            return None
        if payment.state is PaymentState.INITIATED and now < payment.expires_at:
            return await self._submit(provider, payment)
        if payment.state is PaymentState.SUBMITTING:
            assert payment.submission_deadline is not None  # noqa: S101 - set with the state
            if now < payment.submission_deadline:
                return payment.submission_deadline
            await self._unknown(payment, "no_result_recorded")
        look_again_at = now + self._pause(task.tries)
        if payment.state is not PaymentState.INITIATED:
            try:
                if await self._ask(provider, payment):
                    return None
            except StatusUnavailableError:
                # It may have been paid, so "nobody paid in time" cannot be said yet.
                if payment.expires_at <= now < payment.expires_at + UNANSWERED_MAX:
                    return look_again_at
        if now >= payment.expires_at:
            await self._record_result(
                ExpirePayment(payment_id=payment.id, **self._said(payment, f"expire:{payment.id}"))
            )
            return None
        return min(payment.expires_at, look_again_at)

    def _pause(self, tries: int) -> timedelta:
        seconds = self._settings.status_query_seconds * 2.0 ** min(tries - 1, 10)
        return timedelta(seconds=min(seconds, STATUS_QUERY_SECONDS_MAX))

    async def _submit(self, provider: Provider, payment: Payment) -> datetime | None:
        claim = uuid4()
        outcome = await self._record(
            StartSubmission(
                payment_id=payment.id,
                claim=claim,
                deadline_seconds=self._deadline_seconds,
                **self._said(payment, f"start:{payment.id}:{claim}"),
            )
        )
        now = datetime.now(UTC)
        if outcome.error is not None:
            return now + timedelta(seconds=self._deadline_seconds)
        result = await self._push(provider, payment)
        match result:
            case Accepted(provider_reference):
                await self._record_result(
                    RecordSubmitted(
                        payment_id=payment.id,
                        provider_reference=provider_reference,
                        **self._said(payment, f"submitted:{payment.id}:{claim}"),
                    )
                )
            case Declined(reason):
                await self._fail(provider, payment, reason)
                return None
            case NoAnswer(reason):
                await self._unknown(payment, reason)
            case _:
                assert_never(result)
        return min(payment.expires_at, datetime.now(UTC) + self._pause(1))

    async def _push(self, provider: Provider, payment: Payment) -> Initiation:
        try:
            phone = await asyncio.to_thread(self._phone, payment.phone)
        except KeyDestroyedError:
            return Declined("person_erased")
        left = payment.expires_at - datetime.now(UTC)
        request = PromptRequest(
            payment_id=payment.id,
            phone=phone,
            money=payment.money,
            expires_in_seconds=max(1, int(left.total_seconds())),
        )
        try:
            async with asyncio.timeout(self._settings.provider_timeout_seconds):
                return await provider.initiate(request)
        except TimeoutError:
            return NoAnswer("timed_out")

    def _phone(self, entry_id: UUID) -> str:
        entry = self._board.vault_entry(entry_id)
        if entry is None:
            raise KeyDestroyedError(entry_id)
        return unseal(self._key_store, entry)

    async def _ask(self, provider: Provider, payment: Payment) -> bool:
        """Ask the provider; whether the payment has ended by what it says.

        Raises `StatusUnavailableError`.
        """
        report = await provider.status(payment.id)
        if report is None:
            # It never got the request: it can be asked by our reference, and the call has ended.
            await self._fail(provider, payment, "never_received")
            return True
        if report.claim in {Claim.PENDING, Claim.AUTHORISED}:
            return False
        await self._report(payment, report)
        return True

    async def _fail(self, provider: Provider, payment: Payment, reason: str) -> None:
        await self._report(
            payment,
            ProviderReport(
                provider=provider.name, payment_id=payment.id, claim=Claim.FAILED, reason=reason
            ),
        )

    async def _report(self, payment: Payment, report: ProviderReport) -> None:
        transaction = report.provider_transaction
        await self._record_result(
            RecordReport(
                report=report,
                receipt_id=None
                if transaction is None
                else receipt_id(provider=report.provider, transaction=transaction),
                settlement_delay_seconds=self._settings.settlement_delay_seconds,
                **self._said(payment, f"report:{payment.id}:{report.claim}:{transaction}"),
            )
        )

    async def _unknown(self, payment: Payment, reason: str) -> None:
        await self._record_result(
            RecordSubmissionUnknown(
                payment_id=payment.id,
                reason=reason,
                **self._said(payment, f"unknown:{payment.id}:{payment.attempt}"),
            )
        )

    def _said(self, payment: Payment, key: str) -> dict[str, Any]:
        return {
            "key": IdempotencyKey(ACTOR, key),
            "actor": ACTOR,
            "correlation_id": payment.id,
            "causation_id": f"payment:{payment.id}:{payment.version}",
        }

    async def _record_result(self, command: LedgerCommand) -> None:
        """Record what is known. Raises where it was not: then the task must come back."""
        outcome = await self._record(command)
        if outcome.error is not None:
            raise outcome.error

    async def _record(self, command: LedgerCommand) -> Outcome:
        """Record a result for certain: the provider may not say it twice.

        A dispatcher that is told to stop gives up: the submission is then unknown, and asked about.
        """
        while True:
            outcome = (await self._ledger.execute_from_loop([command]))[0]
            if not isinstance(outcome.error, Unavailable) or self._stopping.is_set():
                return outcome
            logger.warning("result_not_recorded_yet", command=type(command).__name__)
            await asyncio.sleep(STORE_AGAIN_SECONDS)
