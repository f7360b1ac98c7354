"""From a provider's report to the command that records it: the same for callback and query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, assert_never
from uuid import UUID, uuid5

from ledger.commands import (
    AwaitConfirmation,
    DisputeReport,
    FeeReport,
    IdempotencyKey,
    IgnoreCallback,
    ParkCallback,
    PayoutReport,
    ProviderReport,
    RecordDisputeReport,
    RecordFeeReport,
    RecordPayoutReport,
    RecordRefundReport,
    RecordReport,
    RecordSettlement,
    RefundReport,
    SettlementReport,
)
from ledger.receipt import receipt_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.providers.port import VerifiedCallback
    from api.settings import Settings
    from ledger.commands import AnyReport
    from ledger.decisions import LedgerCommand

NOTHING_OF_OURS: Final = "nothing_of_ours"
"""Why a callback was ignored, of which its adapter knows that."""

SETTLEMENTS: Final = UUID("0f6a2a54-6d0c-5c39-8f6e-5a4b7b4a9c02")
"""The namespace of the ids of settlements: one a provider and reference, however often told."""


def settlement_id(*, provider: str, reference: str) -> UUID:
    """The stream of a provider's settlement."""
    return uuid5(SETTLEMENTS, f"{provider}:{reference}")


def subject_of(report: AnyReport) -> UUID | None:
    """The stream that a report is about, if it names one: a payment's, a payout's."""
    match report:
        case RefundReport():
            return report.stream_id
        case PayoutReport():
            return report.payout_id
        case ProviderReport() | DisputeReport() | FeeReport():
            return report.payment_id
        case SettlementReport():
            return None
        case _:
            assert_never(report)


def commands_of_callback(
    callback: VerifiedCallback, settings: Settings, fields: dict[str, Any]
) -> list[LedgerCommand]:
    """The commands that a callback leads to; the first one keeps it, with its verdict.

    `fields` are what that one carries. What more it says, such as the fee beside a success, has a
    key of its own, and is decided in the same way however often the callback comes.
    """
    if callback.nothing_of_ours:
        return [IgnoreCallback(reason=NOTHING_OF_OURS, **fields)]
    if callback.to_confirm:
        return [AwaitConfirmation(reason=callback.reason or "to_be_confirmed", **fields)]
    if not callback.reports:
        return [ParkCallback(reason=callback.reason or "unread", **fields)]
    return commands_of_reports(callback.reports, settings, fields)


def commands_of_reports(
    reports: Sequence[AnyReport], settings: Settings, fields: dict[str, Any]
) -> list[LedgerCommand]:
    """The same of the reports themselves, of which there is at least one."""
    commands = [command_of(reports[0], settings, fields)]
    for number, report in enumerate(reports[1:], start=2):
        key = IdempotencyKey(fields["key"].scope, f"{fields['key'].key}#{number}")
        more = {**fields, "key": key, "inbox_entry": None}
        commands.append(command_of(report, settings, more))
    return commands


def command_of(report: AnyReport, settings: Settings, fields: dict[str, Any]) -> LedgerCommand:
    """The command that records a report; `fields` are what every command carries."""
    match report:
        case ProviderReport():
            transaction = report.provider_transaction
            return RecordReport(
                report=report,
                receipt_id=None
                if transaction is None
                else receipt_id(provider=report.provider, transaction=transaction),
                settlement_delay_seconds=settings.settlement_delay_seconds,
                **fields,
            )
        case RefundReport():
            return RecordRefundReport(report=report, **fields)
        case DisputeReport():
            return RecordDisputeReport(report=report, **fields)
        case FeeReport():
            return RecordFeeReport(report=report, borne_by=settings.dispute_fees_borne_by, **fields)
        case PayoutReport():
            return RecordPayoutReport(report=report, **fields)
        case SettlementReport():
            fact = settlement_id(provider=report.provider, reference=report.reference)
            return RecordSettlement(report=report, fact_id=fact, **fields)
        case _:
            assert_never(report)
