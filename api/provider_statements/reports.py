"""What a line that the ledger does not have reports, as a callback would: or nothing.

A payment or money that names none, a fee of a payment, a settlement, a refund, a payout. Disputes
are more than the money that moves, so a person looks; so it is with whatever else there is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from uuid import UUID

from api.provider_statements.mapping import Kind
from ledger.accounts import collection, disbursement
from ledger.commands import (
    Claim,
    FeeReport,
    PayoutClaim,
    PayoutReport,
    ProviderReport,
    RefundClaim,
    RefundReport,
    SettlementReport,
)
from ledger.money import Money

if TYPE_CHECKING:
    from api.provider_statements.lines import StatementLine
    from api.provider_statements.mapping import StatementMapping
    from ledger.commands import AnyReport

SOME_PAYMENT: Final = UUID(int=0)
ATTEMPT: Final = re.compile(r"[0-9]{1,4}")
REFUND_CLAIMS: Final = {
    Kind.REFUND: RefundClaim.SUCCEEDED,
    Kind.REFUND_RETURNED: RefundClaim.FAILED,
}
PAYOUT_CLAIMS: Final = {
    Kind.PAYOUT: PayoutClaim.PAID,
    Kind.PAYOUT_RETURNED: PayoutClaim.RETURNED,
    Kind.PAYOUT_FAILED: PayoutClaim.FAILED,
}


def report_of(
    line: StatementLine, mapping: StatementMapping, payment_id: UUID | None
) -> AnyReport | None:
    """What the line reports; `payment_id` is the payment that it names, where one is known."""
    money = Money(amount=line.amount, currency=line.currency)
    if line.kind is Kind.PAYOUT_FAILED:
        return _payout(line, mapping, money)
    # Under a name that callbacks do not have the same money could be recorded twice.
    if not (line.names and mapping.named_as_in_callbacks):
        return None
    match line.kind:
        case Kind.PAYMENT if line.own is None and mapping.is_shared:
            return None
        case Kind.PAYMENT:
            return ProviderReport(
                provider=mapping.provider,
                payment_id=payment_id,
                claim=Claim.SUCCEEDED,
                provider_transaction=line.names[0],
                received=money,
                occurred_at=line.occurred_at,
                also_known_as=line.names[1:],
            )
        case Kind.FEE if payment_id is not None:
            return FeeReport(
                provider=mapping.provider,
                payment_id=payment_id,
                fee_reference=line.names[0],
                fee=money,
                occurred_at=line.occurred_at,
            )
        case Kind.REFUND | Kind.REFUND_RETURNED if payment_id is not None:
            return _refund(line, mapping, money, payment_id)
        case Kind.PAYOUT | Kind.PAYOUT_RETURNED if mapping.records_payouts:
            return _payout(line, mapping, money)
        case Kind.SETTLEMENT:
            return SettlementReport(
                provider=mapping.provider,
                reference=line.names[0],
                settled=money,
                fees=0,
                occurred_at=line.occurred_at,
            )
        case _:
            return None


def could_report(line: StatementLine, mapping: StatementMapping) -> bool:
    """Whether the line would report something if whatever it names were known."""
    return report_of(line, mapping, SOME_PAYMENT) is not None


def _refund(
    line: StatementLine, mapping: StatementMapping, money: Money, stream_id: UUID
) -> RefundReport:
    return RefundReport(
        provider=mapping.provider,
        stream_id=stream_id,
        refund_id=None if line.own is None else _uuid(line.own.detail),
        claim=REFUND_CLAIMS[line.kind],
        provider_refund=line.names[0],
        refunded=money,
        paid_from=collection(mapping.provider),
        reason="returned" if line.kind is Kind.REFUND_RETURNED else None,
        occurred_at=line.occurred_at,
    )


def _payout(line: StatementLine, mapping: StatementMapping, money: Money) -> PayoutReport | None:
    if line.own is None:
        return None
    attempt = line.own.detail or ""
    paid_by = line.related if line.kind is Kind.PAYOUT_RETURNED else None
    return PayoutReport(
        provider=mapping.provider,
        payout_id=line.own.stream,
        attempt=int(attempt) if ATTEMPT.fullmatch(attempt) else 0,
        claim=PAYOUT_CLAIMS[line.kind],
        paid=money,
        paid_from=disbursement(mapping.provider),
        provider_transaction=paid_by or next(iter(line.names), None),
        reason=None if line.kind is Kind.PAYOUT else "by_statement",
        occurred_at=line.occurred_at,
    )


def _uuid(text: str | None) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError:
        return None
