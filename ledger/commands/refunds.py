"""Requests about refunds and returns; `stream_id` is their payment's or their receipt's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ledger.commands.base import CallbackCommand, Command
from ledger.commands.payments import PaymentCommand

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.commands.reports import RefundReport
    from ledger.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefund(PaymentCommand):
    """Give money back: all that remains, or `money`.

    A `creator_id` is a creator who asks, for their own payments only; without one an admin does.
    `request_id` is the fan's wish that this grants. `step` is the provider's, in minor units.
    """

    refund_id: UUID
    creator_id: UUID | None
    money: Money | None
    reason: str
    request_id: UUID | None = None
    step: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AskForRefund(PaymentCommand):
    """A fan asks for their money back."""

    request_id: UUID
    fan_id: UUID
    wish: Literal["not_received", "not_as_described", "by_mistake", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclineFanRefund(PaymentCommand):
    """Decline a fan's wish; a `creator_id` is a creator who does, for their own payments only."""

    request_id: UUID
    creator_id: UUID | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundCommand(Command):
    """A command about one refund or return."""

    stream_id: UUID
    refund_id: UUID

    def streams(self) -> tuple[UUID, ...]:
        """The payment or the receipt."""
        return (self.stream_id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRefundSubmission(RefundCommand):
    """A dispatcher asks for the right to call the provider; `claim` is its own, used once."""

    claim: UUID
    deadline_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRefundSubmitted(RefundCommand):
    """The provider accepted the request."""

    provider_reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRefundSubmissionUnknown(RefundCommand):
    """The call to the provider ended without an answer."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRefundReport(CallbackCommand):
    """Record what a provider says about a refund or a return."""

    report: RefundReport

    def streams(self) -> tuple[UUID, ...]:
        """The payment or the receipt, if it is named."""
        return () if self.report.stream_id is None else (self.report.stream_id,)
