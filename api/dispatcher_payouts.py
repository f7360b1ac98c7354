"""A payout's task: sent once an attempt, when it is approved; then status queries until it ended.

    approved ─▶ StartPayoutSubmission won? ─▶ pay out ─▶ submitted | attempt failed | unknown
        ▲                                        │              │
        │           status query: 2 s … 60 s  ◀──┘              │
        └──────────────── another attempt, later ◀──────────────┘

A payout that the provider does not know after a call without an answer stays unknown: it fails only
on evidence that two people attest. After `ATTEMPTS_MAX` attempts it is held for a person.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, assert_never
from uuid import uuid4

from api.dispatcher_known import payout_inquiry
from api.providers.port import (
    Accepted,
    CannotBeAskedError,
    Declined,
    NoAnswer,
    PayoutOrder,
    StatusUnavailableError,
)
from ledger.accounts import disbursement
from ledger.commands import (
    HoldPayout,
    PayoutClaim,
    PayoutReport,
    RecordPayoutSubmissionUnknown,
    RecordPayoutSubmitted,
    StartPayoutSubmission,
)
from ledger.money import Money
from ledger.payout import SENT, UNSENT, Payout, PayoutState

if TYPE_CHECKING:
    from api.dispatcher_desk import Desk
    from api.dispatcher_tasks import Task
    from api.providers.port import Initiation, Provider

ATTEMPTS_MAX: Final = 10
UNDECIDED_PAUSE: Final = timedelta(minutes=10)
"""An approval or a release wakes the task; this is the net below it."""


class PayoutTasks:
    """Takes approved payouts to their provider."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def step(self, provider: Provider, task: Task) -> datetime | None:
        """Do what the payout needs now; when to look again, or None when it has ended."""
        desk = self._desk
        payout: Payout = await asyncio.to_thread(desk.ledger.repository.get, task.stream_id)
        now = desk.now()
        if payout.state is PayoutState.APPROVED:
            return await self._submit(provider, payout)
        if payout.state in UNSENT:
            return now + UNDECIDED_PAUSE
        if payout.state not in SENT:
            return None
        if payout.state is PayoutState.SUBMITTING:
            assert payout.submission_deadline is not None  # noqa: S101 - set with the state
            if now < payout.submission_deadline:
                return payout.submission_deadline
            await self._unknown(payout, payout.attempt, "no_result_recorded")
        look_again_at = now + desk.pause(provider.polling, task.tries)
        try:
            report = await provider.payout_status(payout_inquiry(payout, payout.attempt))
        except (StatusUnavailableError, CannotBeAskedError):
            return look_again_at
        if report is None or report.claim is PayoutClaim.PENDING:
            return look_again_at
        await self._report(payout, report)
        return look_again_at if report.claim is PayoutClaim.FAILED else None

    async def _submit(self, provider: Provider, payout: Payout) -> datetime:
        desk, claim, attempt = self._desk, uuid4(), payout.attempt + 1
        if attempt > ATTEMPTS_MAX:
            await self._hold(payout)
            return desk.now() + UNDECIDED_PAUSE
        outcome = await desk.record(
            StartPayoutSubmission(
                payout_id=payout.id,
                creator_id=payout.creator_id,
                claim=claim,
                deadline_seconds=desk.deadline_seconds,
                **desk.said(payout.id, payout.version, f"start:{payout.id}:{claim}"),
            )
        )
        if outcome.error is not None:
            return desk.now() + timedelta(seconds=desk.deadline_seconds)
        result = await self._send(provider, payout, attempt)
        match result:
            case Accepted(provider_reference):
                await desk.record_result(
                    RecordPayoutSubmitted(
                        payout_id=payout.id,
                        attempt=attempt,
                        provider_reference=provider_reference,
                        **desk.said(payout.id, payout.version, f"submitted:{payout.id}:{claim}"),
                    )
                )
                return desk.now() + desk.pause(provider.polling, 1)
            case Declined(reason, retryable):
                await self._declined(provider, payout, attempt, reason, retryable=retryable)
            case NoAnswer(reason):
                await self._unknown(payout, attempt, reason)
            case _:
                assert_never(result)
        return desk.now() + desk.pause(provider.polling, attempt)

    async def _send(self, provider: Provider, payout: Payout, attempt: int) -> Initiation:
        phone = await self._desk.phone(payout.destination.account)
        if isinstance(phone, Declined):
            return phone
        order = PayoutOrder(payout_id=payout.id, attempt=attempt, phone=phone, money=_net(payout))
        return await self._desk.in_time(provider.pay_out(order))

    async def _declined(
        self, provider: Provider, payout: Payout, attempt: int, reason: str, *, retryable: bool
    ) -> None:
        report = PayoutReport(
            provider=provider.name,
            payout_id=payout.id,
            attempt=attempt,
            claim=PayoutClaim.FAILED,
            paid=_net(payout),
            paid_from=disbursement(provider.name),
            reason=reason,
            retryable=retryable,
        )
        await self._report(payout, report)

    async def _report(self, payout: Payout, report: PayoutReport) -> None:
        key = f"{payout.id}:{report.attempt}:{report.claim}:{report.provider_transaction}"
        await self._desk.report(payout.id, payout.version, key, report)

    async def _unknown(self, payout: Payout, attempt: int, reason: str) -> None:
        key = f"unknown:{payout.id}:{attempt}"
        await self._desk.record_result(
            RecordPayoutSubmissionUnknown(
                payout_id=payout.id,
                attempt=attempt,
                reason=reason,
                **self._desk.said(payout.id, payout.version, key),
            )
        )

    async def _hold(self, payout: Payout) -> None:
        key = f"hold:{payout.id}:{payout.version}"
        await self._desk.record_result(
            HoldPayout(
                payout_id=payout.id,
                reason=f"{ATTEMPTS_MAX} attempts have failed",
                **self._desk.said(payout.id, payout.version, key),
            )
        )


def _net(payout: Payout) -> Money:
    return Money(amount=payout.legs.net, currency=payout.gross.currency)
