"""Refunds and returns: asked for, taken to the provider once, and what it reports of them.

A refund takes its legs from those who had shared the payment, by the two rules of
ledger/reversals.py. A return (ledger/suspense.py) goes the same way without legs.

once            succeeded: the money left the provider's account. Failed: everybody has their part
                again.
twice           `duplicate`. So is what is older, by the provider's own time, than what we know.
contradictory   failed after succeeded, succeeded after failed: reopened either way, since money
                moved. The legs of a refund that succeeds after all are of what remains by then.
unasked         a refund that only the provider knows: requested and succeeded in one turn.
beyond          what a provider refunds beyond the payment is an expense, and a contradiction.
another amount  nobody knows what moved: kept in the inbox, parked, for a person.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, assert_never
from uuid import UUID, uuid5

from ledger import credit_refunds
from ledger.accounts import FanFunds
from ledger.callbacks import ReportDecision, Verdict
from ledger.commands.reports import RefundClaim, RefundReport
from ledger.errors import (
    AlreadyExists,
    AmountNotPayable,
    CurrencyDiffers,
    FanRefundAlreadyOpen,
    FanRefundNotFound,
    PaymentNotFound,
    PaymentNotRefundable,
    RefundExceedsPayment,
    RefundNotFound,
    ReportDisagrees,
    SubmissionAlreadyStarted,
    SubmissionNotAllowed,
)
from ledger.events import (
    ContradictionRecorded,
    FanRefundDeclined,
    FanRefundRequested,
    LedgerEvent,
    Occasion,
    RefundEvent,
    RefundFailed,
    RefundReopenedAsFailed,
    RefundReopenedAsSucceeded,
    RefundRequested,
    RefundSubmissionStarted,
    RefundSubmissionUnknown,
    RefundSubmitted,
    RefundSucceeded,
    UnusedTimeCredited,
)
from ledger.flows import GOODWILL_CREDIT, REFUND_OPEN, Flows, ParkedState, Refund, RefundState
from ledger.journal_entry import JournalEntry
from ledger.money import Money
from ledger.payment import Payment, PaymentState
from ledger.postings import (
    refund_failed,
    refund_paid,
    refund_reopened_as_failed,
    refund_reopened_as_succeeded,
    refund_requested,
    return_failed,
    return_reopened_as_failed,
    return_reopened_as_succeeded,
    spent_receipt_came_back,
    spent_receipt_returned,
    unused_time_credited,
)
from ledger.reversals import (
    CreatorLeg,
    Reversal,
    allocate_reversal,
    given_to_creator,
    taken_from_creator,
)

if TYPE_CHECKING:
    from ledger.commands import (
        AskForRefund,
        DeclineFanRefund,
        RecordRefundReport,
        RecordRefundSubmissionUnknown,
        RecordRefundSubmitted,
        RequestRefund,
        StartRefundSubmission,
    )
    from ledger.events import CreditSource
    from ledger.receipt import Receipt
    from ledger.states import States

    Owner = Payment | Receipt


def unasked_refund_id(payment_id: UUID, provider_refund: str) -> UUID:
    """The id of a refund that only the provider knows: the same whenever it is reported."""
    return uuid5(payment_id, f"refund:{provider_refund}")


# Asking.


def request(payment: Payment | None, command: RequestRefund, at: Occasion) -> list[LedgerEvent]:
    """Promise the fan their money, or a part of it.

    Raises `PaymentNotFound` (also for another creator's), `PaymentNotRefundable`,
    `AlreadyExists`, `CurrencyDiffers`, `FanRefundNotFound`, `RefundExceedsPayment` or
    `AmountNotPayable`.
    """
    if payment is None or command.creator_id not in {None, payment.creator_id}:
        raise PaymentNotFound
    if payment.state is not PaymentState.SUCCEEDED:
        raise PaymentNotRefundable(state=payment.state)
    if command.refund_id in payment.flows.refunds:
        raise AlreadyExists
    if command.request_id is not None and command.request_id not in payment.flows.wishes:
        raise FanRefundNotFound
    money = _refundable(payment, command.money, command.step)
    if payment.method == "credit":
        # No provider has taken part: what credit had paid is credit again.
        return [credit_back(payment, money, command.refund_id, at)]
    reversal, creator = take(payment.flows, money.amount)
    return [
        RefundRequested(
            originator_id=payment.id,
            originator_version=payment.version + 1,
            refund_id=command.refund_id,
            **_paid_by(payment),
            origin="admin" if command.creator_id is None else "creator",
            refunded=money,
            legs=reversal.legs,
            excess=reversal.excess,
            reason=command.reason,
            request_id=command.request_id,
            entry=refund_requested(
                reversal, creator, currency=money.currency, creator_id=payment.creator_id
            ),
            **at.stamp(),
        )
    ]


def credit_back(
    payment: Payment, money: Money, credit_note_id: UUID, at: Occasion
) -> UnusedTimeCredited:
    """Let `money` of a payment be the fan's credit, or goodwill where that had paid."""
    reversal, creator = take(payment.flows, money.amount)
    source: CreditSource = "goodwill" if payment.provider == GOODWILL_CREDIT else "credit"
    return UnusedTimeCredited(
        originator_id=payment.id,
        originator_version=payment.version + 1,
        credit_note_id=credit_note_id,
        money=money,
        legs=reversal.legs,
        source=source,
        entry=unused_time_credited(
            reversal,
            creator,
            currency=money.currency,
            fan_id=payment.fan_id,
            creator_id=payment.creator_id,
            funds=FanFunds(source),
        ),
        **at.stamp(),
    )


def _paid_by(payment: Payment) -> dict[str, Any]:
    provider, transaction = payment.flows.paid_by[0]
    return {"provider": provider, "provider_transaction": transaction}


def _refundable(payment: Payment, money: Money | None, step: int) -> Money:
    expected = payment.money.currency
    if money is not None and money.currency != expected:
        raise CurrencyDiffers(expected=expected, currency=money.currency)
    left = payment.flows.refundable()
    # All that is left, as far as the provider can move it.
    amount = left - left % step if money is None else money.amount
    if not 0 < amount <= left:
        raise RefundExceedsPayment(refundable=left)
    if amount % step:
        raise AmountNotPayable(
            provider=payment.provider, currency=expected, step=step, minimum=step, maximum=left
        )
    return Money(amount=amount, currency=expected)


def ask(payment: Payment | None, command: AskForRefund, at: Occasion) -> list[LedgerEvent]:
    """A fan asks for their money back.

    Raises `PaymentNotFound`, `PaymentNotRefundable`, `FanRefundAlreadyOpen` or
    `RefundExceedsPayment` when nothing is left to be refunded.
    """
    if payment is None or payment.fan_id != command.fan_id:
        raise PaymentNotFound
    if payment.state is not PaymentState.SUCCEEDED:
        raise PaymentNotRefundable(state=payment.state)
    if payment.flows.wishes:
        raise FanRefundAlreadyOpen
    if payment.flows.refundable() == 0:
        raise RefundExceedsPayment(refundable=0)
    return [
        FanRefundRequested(
            originator_id=payment.id,
            originator_version=payment.version + 1,
            request_id=command.request_id,
            wish=command.wish,
            **at.stamp(),
        )
    ]


def decline(payment: Payment | None, command: DeclineFanRefund, at: Occasion) -> list[LedgerEvent]:
    """Decline a fan's wish. Raises `PaymentNotFound` or `FanRefundNotFound`."""
    if payment is None or command.creator_id not in {None, payment.creator_id}:
        raise PaymentNotFound
    if command.request_id not in payment.flows.wishes:
        raise FanRefundNotFound
    return [
        FanRefundDeclined(
            originator_id=payment.id,
            originator_version=payment.version + 1,
            request_id=command.request_id,
            reason=command.reason,
            **at.stamp(),
        )
    ]


# Taking it to the provider.


def _find(owner: Owner | None, refund_id: UUID) -> tuple[Owner, Refund]:
    refund = None if owner is None else owner.flows.refunds.get(refund_id)
    if owner is None or refund is None:
        raise RefundNotFound
    return owner, refund


def start_submission(
    owner: Owner | None, command: StartRefundSubmission, at: Occasion
) -> list[LedgerEvent]:
    """Give one claim the right to call the provider, once.

    Raises `RefundNotFound`, `SubmissionAlreadyStarted` or `SubmissionNotAllowed`.
    """
    owner, refund = _find(owner, command.refund_id)
    if refund.claim is not None:
        raise SubmissionAlreadyStarted(state=refund.state)
    if refund.state is not RefundState.REQUESTED:
        raise SubmissionNotAllowed(state=refund.state)
    return [
        RefundSubmissionStarted(
            attempt=refund.attempt + 1,
            claim=command.claim,
            deadline=at.recorded_at + timedelta(seconds=command.deadline_seconds),
            **_place(owner, refund, at),
        )
    ]


def record_submitted(
    owner: Owner | None, command: RecordRefundSubmitted, at: Occasion
) -> list[LedgerEvent]:
    """The provider accepted. A callback may have been faster: then there is nothing to add."""
    owner, refund = _find(owner, command.refund_id)
    if refund.state not in {RefundState.SUBMITTING, RefundState.SUBMISSION_UNKNOWN}:
        return []
    return [
        RefundSubmitted(provider_reference=command.provider_reference, **_place(owner, refund, at))
    ]


def record_submission_unknown(
    owner: Owner | None, command: RecordRefundSubmissionUnknown, at: Occasion
) -> list[LedgerEvent]:
    """The call ended without an answer; a callback may have answered already."""
    owner, refund = _find(owner, command.refund_id)
    if refund.state is not RefundState.SUBMITTING:
        return []
    return [RefundSubmissionUnknown(reason=command.reason, **_place(owner, refund, at))]


# What the provider reports.


def decide_report(
    owner: Owner | None, command: RecordRefundReport, states: States, at: Occasion
) -> ReportDecision:
    """Decide a report on a refund. Raises `ReportDisagrees` where a person must look."""
    report = command.report
    if owner is None:
        raise ReportDisagrees
    refund = None if report.refund_id is None else owner.flows.refunds.get(report.refund_id)
    if refund is None:
        refund = owner.flows.refund_named(report.provider_refund)
    if report.claim is RefundClaim.PENDING:
        return ReportDecision([], Verdict.IGNORED)
    if refund is None:
        return _unasked(owner, report, at)
    if report.refunded != refund.money:
        raise ReportDisagrees
    said, known = report.occurred_at, refund.reported_at
    if said is not None and known is not None and said < known:
        return ReportDecision([], Verdict.DUPLICATE)
    match report.claim:
        case RefundClaim.SUCCEEDED:
            return _succeeded(owner, refund, report, states, at)
        case RefundClaim.FAILED:
            return _failed(owner, refund, report, at)
        case _:
            assert_never(report.claim)


def _unasked(owner: Owner, report: RefundReport, at: Occasion) -> ReportDecision:
    if report.claim is RefundClaim.FAILED:
        return ReportDecision([], Verdict.IGNORED)
    if (
        not isinstance(owner, Payment)
        or owner.state is not PaymentState.SUCCEEDED
        or report.refunded.currency != owner.money.currency
        or report.provider_refund is None
    ):
        raise ReportDisagrees
    reversal, creator = take(owner.flows, report.refunded.amount)
    refund_id = unasked_refund_id(owner.id, report.provider_refund)
    stamp = {**at.stamp(), "occurred_at": report.occurred_at}
    events: list[LedgerEvent] = [
        RefundRequested(
            originator_id=owner.id,
            originator_version=owner.version + 1,
            refund_id=refund_id,
            **_paid_by(owner),
            origin="provider",
            refunded=report.refunded,
            legs=reversal.legs,
            excess=reversal.excess,
            reason="refunded by the provider, unasked",
            request_id=None,
            entry=refund_requested(
                reversal, creator, currency=report.refunded.currency, creator_id=owner.creator_id
            ),
            **stamp,
        ),
        RefundSucceeded(
            originator_id=owner.id,
            originator_version=owner.version + 2,
            refund_id=refund_id,
            provider_refund=report.provider_refund,
            paid_from=report.paid_from,
            entry=refund_paid(report.refunded, paid_from=report.paid_from),
            **stamp,
        ),
    ]
    if report.refunded.amount > owner.flows.not_taken():
        events.append(_beyond(owner, report, owner.version + 3, at))
    return ReportDecision(events, Verdict.APPLIED)


def _succeeded(
    owner: Owner, refund: Refund, report: RefundReport, states: States, at: Occasion
) -> ReportDecision:
    if refund.state is RefundState.SUCCEEDED:
        return ReportDecision([], Verdict.DUPLICATE)
    if report.provider_refund is None:
        raise ReportDisagrees
    place = _place(owner, refund, at, report)
    if refund.state in REFUND_OPEN:
        event = RefundSucceeded(
            provider_refund=report.provider_refund,
            paid_from=report.paid_from,
            entry=refund_paid(refund.money, paid_from=report.paid_from),
            **place,
        )
        return ReportDecision([event], Verdict.APPLIED)
    if refund.returns is not None:
        return _returned_after_all(owner, refund, report, at)
    assert isinstance(owner, Payment)  # noqa: S101 - a receipt has returns only
    if refund.from_credit:
        return _credit_after_all(owner, refund, report, states, at)
    reversal, creator = take(owner.flows, refund.money.amount)
    events: list[LedgerEvent] = [
        RefundReopenedAsSucceeded(
            provider_refund=report.provider_refund,
            paid_from=report.paid_from,
            legs=reversal.legs,
            excess=reversal.excess,
            entry=refund_reopened_as_succeeded(
                reversal,
                creator,
                currency=refund.money.currency,
                paid_from=report.paid_from,
                creator_id=owner.creator_id,
            ),
            **place,
        )
    ]
    if refund.money.amount > owner.flows.not_taken():
        events.append(_beyond(owner, report, owner.version + 2, at))
    return ReportDecision(events, Verdict.APPLIED)


def _credit_after_all(
    owner: Payment, refund: Refund, report: RefundReport, states: States, at: Occasion
) -> ReportDecision:
    """A refund of credit that had failed was paid; of what the fan still has, as far as it goes."""
    assert report.provider_refund is not None  # noqa: S101 - the caller has looked
    credit = credit_refunds.credit_of(owner, states)
    excess, entry = credit_refunds.paid_after_all(
        owner, refund, credit=credit, paid_from=report.paid_from
    )
    events: list[LedgerEvent] = [
        RefundReopenedAsSucceeded(
            provider_refund=report.provider_refund,
            paid_from=report.paid_from,
            legs=refund.legs,
            excess=excess,
            entry=entry,
            **_place(owner, refund, at, report),
        )
    ]
    if excess:
        events.append(_beyond(owner, report, owner.version + 2, at))
    return ReportDecision(events, Verdict.APPLIED)


def _returned_after_all(
    owner: Owner, refund: Refund, report: RefundReport, at: Occasion
) -> ReportDecision:
    """A return that had failed was paid: out of suspense, or as an expense if that is spent."""
    assert refund.returns is not None  # noqa: S101 - the caller has looked
    assert report.provider_refund is not None  # noqa: S101 - the caller has looked
    parked = owner.flows.parked[refund.returns]
    waiting = parked.state is ParkedState.WAITING
    posted = (
        return_reopened_as_succeeded(
            refund.money, provider=parked.provider, paid_from=report.paid_from
        )
        if waiting
        else spent_receipt_returned(refund.money, paid_from=report.paid_from)
    )
    events: list[LedgerEvent] = [
        RefundReopenedAsSucceeded(
            provider_refund=report.provider_refund,
            paid_from=report.paid_from,
            legs=refund.legs,
            excess=0 if waiting else refund.money.amount,
            entry=posted,
            **_place(owner, refund, at, report),
        )
    ]
    if not waiting:
        events.append(_beyond(owner, report, owner.version + 2, at))
    return ReportDecision(events, Verdict.APPLIED)


def _failed(owner: Owner, refund: Refund, report: RefundReport, at: Occasion) -> ReportDecision:
    if refund.state is RefundState.FAILED:
        return ReportDecision([], Verdict.DUPLICATE)
    reason = report.reason or "unspecified"
    place = _place(owner, refund, at, report)
    event: RefundEvent
    if refund.state is RefundState.SUCCEEDED:
        event = RefundReopenedAsFailed(
            reason=reason, entry=came_back(owner, refund, report.paid_from), **place
        )
    else:
        event = RefundFailed(reason=reason, entry=given_up(owner, refund), **place)
    return ReportDecision([event], Verdict.APPLIED)


def fail_unsent(payment: Payment, refund: Refund, at: Occasion) -> RefundFailed:
    """A dispute opened before the refund was taken to the provider: it will not be."""
    return RefundFailed(
        reason="superseded_by_dispute",
        entry=given_up(payment, refund),
        **_place(payment, refund, at),
    )


def take(flows: Flows, amount: int) -> tuple[Reversal, CreatorLeg]:
    """What reversing `amount` minor units now takes of each part, and of which account."""
    reversal = allocate_reversal(amount, flows.remaining())
    return reversal, taken_from_creator(reversal.legs.net, pending=flows.pending)


def given_up(owner: Owner, refund: Refund) -> JournalEntry:
    """What is posted when a refund or a return did not reach the fan."""
    if refund.returns is not None:
        return return_failed(refund.money, provider=owner.flows.parked[refund.returns].provider)
    assert isinstance(owner, Payment)  # noqa: S101 - a receipt has returns only
    if refund.from_credit:
        return credit_refunds.failed(owner, refund)
    return refund_failed(
        Reversal(refund.legs, refund.excess),
        given_to_creator(refund.legs.net, released=owner.flows.released),
        currency=refund.money.currency,
        creator_id=owner.creator_id,
    )


def came_back(owner: Owner, refund: Refund, paid_from: str) -> JournalEntry:
    """The reverse of how the refund was paid; its account is the one that the money left."""
    account = refund.paid_from or paid_from
    if refund.returns is not None:
        provider = owner.flows.parked[refund.returns].provider
        if refund.excess:
            return spent_receipt_came_back(refund.money, paid_from=account)
        return return_reopened_as_failed(refund.money, provider=provider, paid_from=account)
    assert isinstance(owner, Payment)  # noqa: S101 - a receipt has returns only
    if refund.from_credit:
        return credit_refunds.came_back(owner, refund, account)
    return refund_reopened_as_failed(
        Reversal(refund.legs, refund.excess),
        given_to_creator(refund.legs.net, released=owner.flows.released),
        currency=refund.money.currency,
        paid_from=account,
        creator_id=owner.creator_id,
    )


def _beyond(
    owner: Owner, report: RefundReport, version: int, at: Occasion
) -> ContradictionRecorded:
    return ContradictionRecorded(
        originator_id=owner.id,
        originator_version=version,
        state=owner.state if isinstance(owner, Payment) else "parked",
        claim="refund_beyond_payment",
        provider_transaction=report.provider_refund,
        **at.stamp(),
    )


def _place(
    owner: Owner, refund: Refund, at: Occasion, report: RefundReport | None = None
) -> dict[str, Any]:
    return {
        "originator_id": owner.id,
        "originator_version": owner.version + 1,
        "refund_id": refund.id,
        "occurred_at": None if report is None else report.occurred_at,
        **at.stamp(),
    }
