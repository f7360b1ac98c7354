"""Requests about disputes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.commands.base import CallbackCommand
from ledger.commands.payments import PaymentCommand

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.commands.reports import DisputeReport


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDisputeReport(CallbackCommand):
    """Record what a provider says about a dispute."""

    report: DisputeReport

    def streams(self) -> tuple[UUID, ...]:
        """The payment, if it is named."""
        return () if self.report.payment_id is None else (self.report.payment_id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteDisputeEvidence(PaymentCommand):
    """Note what was sent to the provider."""

    dispute: str
    note: str
