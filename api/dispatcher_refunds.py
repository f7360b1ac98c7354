"""A refund's or a return's task: asked of the provider once; then status queries until it ended.

    requested ─▶ StartRefundSubmission won? ─▶ refund ─▶ submitted | failed | unknown
                                                 │
             status query: 2 s, 4 s, 8 s … 60 s ◀┘ ─▶ the report

There is no expiry: money that was promised is asked about until the provider says what became of
it.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, assert_never
from uuid import uuid4

from api.dispatcher_known import refund_order
from api.providers.port import (
    Accepted,
    CannotBeAskedError,
    Declined,
    NoAnswer,
    StatusUnavailableError,
)
from ledger.accounts import collection
from ledger.commands import (
    RecordRefundSubmissionUnknown,
    RecordRefundSubmitted,
    RefundClaim,
    RefundReport,
    StartRefundSubmission,
)
from ledger.flows import REFUND_OPEN, Refund, RefundState

if TYPE_CHECKING:
    from api.dispatcher_desk import Desk
    from api.dispatcher_tasks import Task
    from api.providers.port import Provider
    from ledger.payment import Payment
    from ledger.receipt import Receipt

    Owner = Payment | Receipt


class RefundTasks:
    """Takes refunds and returns to their provider."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def step(self, provider: Provider, task: Task) -> datetime | None:
        """Do what the refund needs now; when to look again, or None when it has ended."""
        desk = self._desk
        owner: Owner = await asyncio.to_thread(desk.ledger.repository.get, task.stream_id)
        refund = owner.flows.refunds[task.task_id]
        now = desk.now()
        if refund.state not in REFUND_OPEN:
            return None
        if refund.state is RefundState.REQUESTED:
            return await self._submit(provider, owner, refund)
        if refund.state is RefundState.SUBMITTING:
            assert refund.submission_deadline is not None  # noqa: S101 - set with the state
            if now < refund.submission_deadline:
                return refund.submission_deadline
            await self._unknown(owner, refund, "no_result_recorded")
        look_again_at = now + desk.pause(provider.polling, task.tries)
        try:
            report = await provider.refund_status(await refund_order(desk, owner, refund))
        except (StatusUnavailableError, CannotBeAskedError):
            return look_again_at
        if report is None:
            # It never got the request: it can be asked by our reference, and the call has ended.
            await self._fail(provider, owner, refund, "never_received")
            return None
        if report.claim is RefundClaim.PENDING:
            return look_again_at
        await self._report(owner, refund, report)
        return None

    async def _submit(self, provider: Provider, owner: Owner, refund: Refund) -> datetime | None:
        desk, claim = self._desk, uuid4()
        outcome = await desk.record(
            StartRefundSubmission(
                stream_id=owner.id,
                refund_id=refund.id,
                claim=claim,
                deadline_seconds=desk.deadline_seconds,
                **desk.said(owner.id, owner.version, f"start:{refund.id}:{claim}"),
            )
        )
        if outcome.error is not None:
            return desk.now() + timedelta(seconds=desk.deadline_seconds)
        order = await refund_order(desk, owner, refund)
        result = await desk.in_time(provider.refund(order))
        match result:
            case Accepted(provider_reference):
                await desk.record_result(
                    RecordRefundSubmitted(
                        stream_id=owner.id,
                        refund_id=refund.id,
                        provider_reference=provider_reference,
                        **desk.said(owner.id, owner.version, f"submitted:{refund.id}:{claim}"),
                    )
                )
            case Declined(reason):
                await self._fail(provider, owner, refund, reason)
                return None
            case NoAnswer(reason):
                await self._unknown(owner, refund, reason)
            case _:
                assert_never(result)
        return desk.now() + desk.pause(provider.polling, 1)

    async def _fail(self, provider: Provider, owner: Owner, refund: Refund, reason: str) -> None:
        report = RefundReport(
            provider=provider.name,
            stream_id=owner.id,
            refund_id=refund.id,
            claim=RefundClaim.FAILED,
            provider_refund=None,
            refunded=refund.money,
            paid_from=collection(provider.name),
            reason=reason,
        )
        await self._report(owner, refund, report)

    async def _report(self, owner: Owner, refund: Refund, report: RefundReport) -> None:
        key = f"{refund.id}:{report.claim}:{report.provider_refund}"
        await self._desk.report(owner.id, owner.version, key, report)

    async def _unknown(self, owner: Owner, refund: Refund, reason: str) -> None:
        await self._desk.record_result(
            RecordRefundSubmissionUnknown(
                stream_id=owner.id,
                refund_id=refund.id,
                reason=reason,
                **self._desk.said(owner.id, owner.version, f"unknown:{refund.id}"),
            )
        )
