"""What happens when a provider's report comes, and comes again.

A report is a provider's word about a payment: a callback, the answer to a status query, or to an
initiation. The door has verified it; here it is decided, inside the turn, on the payment as it
stands at that position.

once            Success pays: `PaymentSucceeded` with the split frozen at initiation. Failure and
                cancellation end the payment, so does a card's authorisation that is voided.
                Pending changes nothing (`ignored`).
twice           The same callback (its natural key) is answered with the first verdict and decided
                nothing. Another callback about a transaction we have: `duplicate`, no event.
at once         All reports pass through one lock; the second is decided after the first.
late            A success after failure, cancellation or expiry is taken: `PaymentSucceeded` with
                `late`. Money that arrived is never refused.
contradictory   Failure after success: `ContradictionRecorded`; nothing is reversed by itself. The
                same contradiction is recorded once. A transaction that already paid another
                payment is a contradiction too, and pays nothing. Both failed and cancelled:
                cancelled, whichever came first, since it says more; so with voided.
another amount  Too much: success, and `OverpaymentParked` for the excess. Too little or another
                currency: `PaymentMismatched`, all of it in suspense, `needs_review`; the right
                amount arriving later still succeeds.
closed invoice  A success for an invoice that is closed, or of which another part is left: the fan's
                credit, `PaymentReceivedAsCredit` (ledger/invoice_payments.py).
a second one    Another transaction for a payment that has its money: `SurplusReceived`, suspense.
unknown         Money that names no payment of ours: `UnmatchedReceiptRecorded`, suspense. A
                failure that names none: `ignored`.
unreadable      Verified but not understood: kept in the inbox, `parked`, for a person.

The verdict and the events commit in one transaction with the inbox row. In whatever order the
reports of one payment arrive, it ends in the same state with the same balances.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, assert_never

from ledger.commands.reports import Claim
from ledger.events import (
    ContradictionRecorded,
    LedgerEvent,
    Occasion,
    OverpaymentParked,
    PaymentAuthorised,
    PaymentCancelled,
    PaymentEvent,
    PaymentFailed,
    PaymentMismatched,
    PaymentReceivedAsCredit,
    PaymentSucceeded,
    PaymentVoided,
    SurplusReceived,
    UnmatchedReceiptRecorded,
)
from ledger.money import Money
from ledger.payment import GIVEN_UP, OPEN, Payment, PaymentState
from ledger.postings import payment_received, receipt_parked, received_as_credit

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from ledger.commands import ProviderReport, RecordReport


class Verdict(StrEnum):
    """What became of a report."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    RETRYING = "retrying"
    PARKED = "parked"


FINAL: Final = frozenset({Verdict.APPLIED, Verdict.DUPLICATE, Verdict.IGNORED})
"""Verdicts that another copy of the same callback does not reopen."""

ENDED_BY: Final[Mapping[Claim, type[PaymentFailed | PaymentCancelled | PaymentVoided]]] = {
    Claim.FAILED: PaymentFailed,
    Claim.CANCELLED: PaymentCancelled,
    Claim.VOIDED: PaymentVoided,
}

UNPAID: Final = OPEN | GIVEN_UP
WANTS_MONEY: Final = UNPAID | {PaymentState.NEEDS_REVIEW}
"""States in which the right amount pays."""


class ReportDecision(NamedTuple):
    """The events that a report leads to, if any, and its verdict."""

    events: list[LedgerEvent]
    verdict: Verdict


def decide_report(
    payment: Payment | None,
    command: RecordReport,
    *,
    claimed_by: UUID | None,
    as_credit: bool = False,
    occasion: Occasion,
) -> ReportDecision:
    """Decide a report. `claimed_by` is the stream that has the provider's transaction, if any.

    `as_credit`: the payment is for an invoice that does not want it any more.
    """
    report = command.report
    match report.claim:
        case Claim.PENDING:
            return ReportDecision([], Verdict.IGNORED)
        case Claim.SUCCEEDED:
            return _succeeded(payment, command, claimed_by, as_credit=as_credit, at=occasion)
        case Claim.AUTHORISED:
            return _authorised(payment, report, occasion)
        case Claim.FAILED | Claim.CANCELLED | Claim.VOIDED:
            if payment is None:
                return ReportDecision([], Verdict.IGNORED)
            return _ended_without_money(payment, report, occasion)
        case _:
            assert_never(report.claim)


def _succeeded(
    payment: Payment | None,
    command: RecordReport,
    claimed_by: UUID | None,
    *,
    as_credit: bool,
    at: Occasion,
) -> ReportDecision:
    report = command.report
    assert report.received is not None  # noqa: S101 - a success carries money: see ProviderReport
    assert report.provider_transaction is not None  # noqa: S101 - and its transaction
    receipt = _Receipt(
        report.provider,
        report.provider_transaction,
        report.received,
        report.occurred_at,
    )
    if payment is None:
        if claimed_by is not None:
            return ReportDecision([], Verdict.DUPLICATE)
        assert command.receipt_id is not None  # noqa: S101 - the doors derive it for every success
        return ReportDecision([_unmatched(command.receipt_id, receipt, at)], Verdict.APPLIED)
    if receipt.transaction in payment.transactions or claimed_by == payment.id:
        return ReportDecision([], Verdict.DUPLICATE)
    if claimed_by is not None:
        return _contradiction(payment, "transaction_of_another_payment", receipt.transaction, at)
    delay = None if as_credit else timedelta(seconds=command.settlement_delay_seconds)
    return ReportDecision(list(_receive(payment, receipt, delay, at)), Verdict.APPLIED)


def _authorised(
    payment: Payment | None, report: ProviderReport, occasion: Occasion
) -> ReportDecision:
    if payment is None or payment.state not in OPEN - {PaymentState.AUTHORISED}:
        return ReportDecision([], Verdict.IGNORED)
    event = PaymentAuthorised(
        originator_id=payment.id,
        originator_version=payment.version + 1,
        provider_reference=report.provider_transaction or payment.provider_reference or "",
        occurred_at=report.occurred_at,
        **occasion.stamp(),
    )
    return ReportDecision([event], Verdict.APPLIED)


class _Receipt(NamedTuple):
    provider: str
    transaction: str
    received: Money
    occurred_at: datetime | None

    def fields(self, occasion: Occasion) -> dict[str, Any]:
        return {
            "provider": self.provider,
            "provider_transaction": self.transaction,
            "occurred_at": self.occurred_at,
            **occasion.stamp(),
        }


def _unmatched(receipt_id: UUID, receipt: _Receipt, occasion: Occasion) -> LedgerEvent:
    return UnmatchedReceiptRecorded(
        originator_id=receipt_id,
        originator_version=1,
        received=receipt.received,
        entry=receipt_parked(receipt.received, provider=receipt.provider),
        **receipt.fields(occasion),
    )


def _receive(
    payment: Payment, receipt: _Receipt, delay: timedelta | None, occasion: Occasion
) -> list[PaymentEvent]:
    enough = (
        receipt.received.currency == payment.money.currency
        and receipt.received.amount >= payment.money.amount
    )
    if enough and payment.state in WANTS_MONEY:
        return _pay(payment, receipt, delay, occasion)
    place: dict[str, Any] = {
        "originator_id": payment.id,
        "originator_version": payment.version + 1,
        "received": receipt.received,
        "entry": receipt_parked(receipt.received, provider=receipt.provider),
    }
    if payment.state in UNPAID:
        return [PaymentMismatched(expected=payment.money, **place, **receipt.fields(occasion))]
    return [SurplusReceived(**place, **receipt.fields(occasion))]


def _pay(
    payment: Payment, receipt: _Receipt, delay: timedelta | None, occasion: Occasion
) -> list[PaymentEvent]:
    """All that arrived, as far as it pays the payment. Without a `delay` it is the fan's credit."""
    if delay is None:
        return [_as_credit(payment, receipt, occasion)]
    succeeded = PaymentSucceeded(
        originator_id=payment.id,
        originator_version=payment.version + 1,
        money=payment.money,
        late=payment.state in GIVEN_UP,
        releases_at=occasion.recorded_at + delay,
        entry=payment_received(
            payment.split,
            currency=payment.money.currency,
            provider=receipt.provider,
            creator_id=payment.creator_id,
        ),
        **receipt.fields(occasion),
    )
    excess = receipt.received.amount - payment.money.amount
    if not excess:
        return [succeeded]
    parked = Money(amount=excess, currency=payment.money.currency)
    return [
        succeeded,
        OverpaymentParked(
            originator_id=payment.id,
            originator_version=payment.version + 2,
            excess=parked,
            entry=receipt_parked(parked, provider=receipt.provider),
            **receipt.fields(occasion),
        ),
    ]


def _as_credit(payment: Payment, receipt: _Receipt, occasion: Occasion) -> PaymentEvent:
    return PaymentReceivedAsCredit(
        originator_id=payment.id,
        originator_version=payment.version + 1,
        # With what is too much: all of it is the fan's.
        money=receipt.received,
        late=payment.state in GIVEN_UP,
        entry=received_as_credit(
            receipt.received, provider=receipt.provider, fan_id=payment.fan_id
        ),
        **receipt.fields(occasion),
    )


def _ended_without_money(
    payment: Payment, report: ProviderReport, occasion: Occasion
) -> ReportDecision:
    says_more = payment.state is PaymentState.FAILED and report.claim is not Claim.FAILED
    if payment.state in GIVEN_UP and not says_more:
        return ReportDecision([], Verdict.DUPLICATE)
    if payment.state not in OPEN | GIVEN_UP:
        return _contradiction(payment, report.claim, report.provider_transaction, occasion)
    ended = ENDED_BY[report.claim]
    event = ended(
        originator_id=payment.id,
        originator_version=payment.version + 1,
        reason=report.reason or "unspecified",
        occurred_at=report.occurred_at,
        **occasion.stamp(),
    )
    return ReportDecision([event], Verdict.APPLIED)


def _contradiction(
    payment: Payment, claim: str, transaction: str | None, occasion: Occasion
) -> ReportDecision:
    if (claim, transaction) in payment.contradictions:
        return ReportDecision([], Verdict.DUPLICATE)
    event = ContradictionRecorded(
        originator_id=payment.id,
        originator_version=payment.version + 1,
        state=payment.state,
        claim=claim,
        provider_transaction=transaction,
        **occasion.stamp(),
    )
    return ReportDecision([event], Verdict.APPLIED)
