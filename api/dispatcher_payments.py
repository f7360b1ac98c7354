"""A payment's task: a prompt or a charge, once; then status queries until it has ended.

    initiated ─▶ phone free? ─▶ StartSubmission won? ─▶ push ─▶ submitted | failed | unknown
                                                         │
                     status query: 2 s, 4 s, 8 s … 60 s ◀┘ ─▶ the report, or expiry

A phone on which another payment's prompt is live is waited for (api/live_prompts.py). A stored card
is charged, and nobody is waited for. Money that is brought to a till is only waited for: the
provider does not know of it before.
Payments that nobody paid expire, once the provider has been asked: while it does not answer, nobody
knows. A day long it is asked again about an expired one, now and then (`LateTasks`): a fan may have
answered the prompt in its last second, and the callback that says so may have been lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, assert_never
from uuid import uuid4

from api.dispatcher_known import payment_inquiry
from api.live_prompts import SECRET_NAME, fingerprint, give_back_phones, take_phone
from api.providers.port import (
    ABOUT_HEADER,
    Accepted,
    CannotBeAskedError,
    ChargeRequest,
    Declined,
    NoAnswer,
    PromptRequest,
    StatusUnavailableError,
)
from ledger.callbacks import Verdict
from ledger.commands import (
    Claim,
    ExpirePayment,
    ProviderReport,
    RecordSubmissionUnknown,
    RecordSubmitted,
    StartSubmission,
)
from ledger.payment import OPEN, Payment, PaymentState

if TYPE_CHECKING:
    from api.dispatcher_desk import Desk
    from api.dispatcher_tasks import Task
    from api.providers.port import Initiation, Provider

UNANSWERED_MAX: Final = timedelta(hours=24)
"""How long past its expiry a payment waits for a provider that cannot be asked at the moment."""

READ_DOUBT: Final = """
    SELECT verdict FROM inbox
    WHERE verdict IN ('parked', 'retrying') AND provider = %s AND headers ->> %s = %s
      AND (verdict = 'retrying' OR reason = 'cannot_be_confirmed')
    ORDER BY verdict DESC
    LIMIT 1
"""

UNPAID_STILL: Final = frozenset({Claim.PENDING, Claim.AUTHORISED})


class PaymentTasks:
    """Takes initiated payments to their provider."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._phone_secret = desk.key_store.secret(SECRET_NAME)

    async def step(self, provider: Provider, task: Task) -> datetime | None:
        """Do what the payment needs now; when to look again, or None when it has ended."""
        desk = self._desk
        payment: Payment = await asyncio.to_thread(desk.ledger.repository.get, task.stream_id)
        now = desk.now()
        if payment.state not in OPEN:
            return None
        if payment.method == "till" and now < payment.expires_at:
            return payment.expires_at
        if payment.state is PaymentState.INITIATED and now < payment.expires_at:
            return await self._submit(provider, payment)
        if payment.state is PaymentState.SUBMITTING:
            assert payment.submission_deadline is not None  # noqa: S101 - set with the state
            if now < payment.submission_deadline:
                return payment.submission_deadline
            await self._unknown(payment, "no_result_recorded")
        look_again_at = now + desk.pause(provider.polling, task.tries)
        if payment.state is not PaymentState.INITIATED:
            try:
                if await self._ask(provider, payment):
                    return None
            except StatusUnavailableError:
                # It may have been paid, so "nobody paid in time" cannot be said yet.
                if payment.expires_at <= now < payment.expires_at + UNANSWERED_MAX:
                    return look_again_at
        if now >= payment.expires_at:
            if payment.method != "till" and payment.state is not PaymentState.INITIATED:
                # First, since whoever expires it may be killed then.
                await self._look_later(payment, task)
            said = desk.said(payment.id, payment.version, f"expire:{payment.id}")
            await desk.record_result(ExpirePayment(payment_id=payment.id, **said))
            return None
        return min(payment.expires_at, look_again_at)

    async def look_again(self, provider: Provider, task: Task) -> datetime | None:
        """Ask once more about a payment that has expired; when to, or None when it is over."""
        payment: Payment = await asyncio.to_thread(self._desk.ledger.repository.get, task.stream_id)
        if payment.state not in {*OPEN, PaymentState.EXPIRED}:
            return None
        now = self._desk.now()
        looks = self._late_looks(payment)
        if payment.state is PaymentState.EXPIRED and now >= looks[0]:
            with contextlib.suppress(StatusUnavailableError):
                if await self._ask(provider, payment):
                    return None
        return next((look for look in looks if look > now), None)

    async def _look_later(self, payment: Payment, task: Task) -> None:
        if looks := self._late_looks(payment):
            await asyncio.to_thread(self._desk.board.look_later, task, looks[0])

    def _late_looks(self, payment: Payment) -> list[datetime]:
        seconds = self._desk.settings.late_looks_seconds
        return [payment.expires_at + timedelta(seconds=each) for each in seconds]

    async def _submit(self, provider: Provider, payment: Payment) -> datetime | None:
        desk, claim = self._desk, uuid4()
        assert payment.instrument is not None  # noqa: S101 - only at a till there is none
        instrument = await desk.phone(payment.instrument)
        if isinstance(instrument, str) and payment.method == "phone":
            taken_for = await asyncio.to_thread(self._take, payment, instrument)
            if taken_for is not None:
                return min(payment.expires_at, desk.now() + taken_for)
        outcome = await desk.record(
            StartSubmission(
                payment_id=payment.id,
                claim=claim,
                deadline_seconds=desk.deadline_seconds,
                **desk.said(payment.id, payment.version, f"start:{payment.id}:{claim}"),
            )
        )
        if outcome.error is not None:
            await asyncio.to_thread(self._give_back_if_ended, payment)
            return desk.now() + timedelta(seconds=desk.deadline_seconds)
        result = await self._push(provider, payment, instrument)
        match result:
            case Accepted(provider_reference):
                await desk.record_result(
                    RecordSubmitted(
                        payment_id=payment.id,
                        provider_reference=provider_reference,
                        **desk.said(payment.id, payment.version, f"submitted:{payment.id}:{claim}"),
                    )
                )
            case Declined(reason):
                await self._fail(provider, payment, reason)
                return None
            case NoAnswer(reason):
                await self._unknown(payment, reason)
            case _:
                assert_never(result)
        return min(payment.expires_at, desk.now() + desk.pause(provider.polling, 1))

    def _take(self, payment: Payment, phone: str) -> timedelta | None:
        """Take the phone for this payment's prompt; None, or how long another may have it."""
        seconds = (payment.expires_at - self._desk.now()).total_seconds()
        # The operator's prompt may end a little later than the payment does.
        seconds += self._desk.settings.submission_margin_seconds
        with self._desk.board.connection() as connection:
            return take_phone(
                connection, fingerprint(self._phone_secret, phone), payment.id, seconds
            )

    def _give_back_if_ended(self, payment: Payment) -> None:
        """It may have ended before the phone was taken, when there was nothing to give back."""
        now: Payment = self._desk.ledger.repository.get(payment.id)
        if now.state not in OPEN:
            with self._desk.board.connection() as connection:
                give_back_phones(connection, [payment.id])

    async def _push(
        self, provider: Provider, payment: Payment, instrument: str | Declined
    ) -> Initiation:
        if isinstance(instrument, Declined):
            return instrument
        if payment.method == "card":
            charge = ChargeRequest(payment_id=payment.id, card=instrument, money=payment.money)
            return await self._desk.in_time(provider.charge(charge))
        left = payment.expires_at - self._desk.now()
        request = PromptRequest(
            payment_id=payment.id,
            phone=instrument,
            money=payment.money,
            expires_in_seconds=max(1, int(left.total_seconds())),
        )
        return await self._desk.in_time(provider.initiate(request))

    async def _ask(self, provider: Provider, payment: Payment) -> bool:
        """Ask the provider; whether the payment has ended by what it says.

        Raises `StatusUnavailableError`.
        """
        try:
            report = await provider.status(payment_inquiry(payment))
        except CannotBeAskedError:
            # Its callback may still come: as long as nobody pays, it expires in its time.
            return False
        if report is None:
            # It never got the request: it can be asked by our reference, and the call has ended.
            await self._fail(provider, payment, "never_received")
            return True
        if report.claim is Claim.SUCCEEDED and await asyncio.to_thread(self._is_in_doubt, payment):
            # What a callback said of it could not be confirmed: a person decides what came.
            return False
        if report.claim is not Claim.PENDING:
            await self._report(payment, report)
        return report.claim not in UNPAID_STILL

    def _is_in_doubt(self, payment: Payment) -> bool:
        """Whether a person decides. Raises `StatusUnavailableError` if a hint is still to tell."""
        about = (payment.provider, ABOUT_HEADER, str(payment.id))
        with self._desk.board.connection() as connection:
            doubt = connection.execute(READ_DOUBT, about).fetchone()
        if doubt is not None and doubt[0] == Verdict.RETRYING:
            # It is asked about too, and may say another amount than the query does not say.
            raise StatusUnavailableError
        return doubt is not None

    async def _fail(self, provider: Provider, payment: Payment, reason: str) -> None:
        report = ProviderReport(
            provider=provider.name, payment_id=payment.id, claim=Claim.FAILED, reason=reason
        )
        await self._report(payment, report)

    async def _report(self, payment: Payment, report: ProviderReport) -> None:
        key = f"{payment.id}:{report.claim}:{report.provider_transaction}"
        await self._desk.report(payment.id, payment.version, key, report)

    async def _unknown(self, payment: Payment, reason: str) -> None:
        key = f"unknown:{payment.id}:{payment.attempt}"
        await self._desk.record_result(
            RecordSubmissionUnknown(
                payment_id=payment.id,
                reason=reason,
                **self._desk.said(payment.id, payment.version, key),
            )
        )


class LateTasks:
    """Looks again at payments that have expired."""

    def __init__(self, payments: PaymentTasks) -> None:
        self._payments = payments

    async def step(self, provider: Provider, task: Task) -> datetime | None:
        """Look once; when to look again, or None when it is over."""
        return await self._payments.look_again(provider, task)
