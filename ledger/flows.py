"""What the money of a payment, or of a parked receipt, has done since it arrived.

    a refund or return    requested ─▶ submitting ─▶ submitted | submission_unknown
                              │            │                │
                              ▼            ▼                ▼
                          failed ◀──────────────────▶ succeeded     (reopened either way)

    a dispute             (warned) ─▶ open ─▶ closed ─▶ open, a new round

    parked money          waiting ─▶ spent       allocated to a payment
                             ▲  └──▶ returning ─▶ returned
                             └──────────┘

A payment and a receipt each have one `Flows`. `evolve_flows` applies facts and never checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal, Protocol, assert_never
from uuid import UUID

from ledger.accounts import CreatorFunds, creator_funds
from ledger.events import (
    ContradictionRecorded,
    CreditRefundRequested,
    CreditRestored,
    CreditSpent,
    CreditTakenBack,
    DisputeClosed,
    DisputeEvidenceNoted,
    DisputeFeeCharged,
    DisputeFeeReturned,
    DisputeOpened,
    DisputeWarned,
    FanRefundDeclined,
    FanRefundRequested,
    FundsReleased,
    InvoicePaymentInitiated,
    OverpaymentParked,
    PaymentAuthorised,
    PaymentCancelled,
    PaymentExpired,
    PaymentFailed,
    PaymentInitiated,
    PaymentMismatched,
    PaymentReceivedAsCredit,
    PaymentSubmissionStarted,
    PaymentSubmissionUnknown,
    PaymentSubmitted,
    PaymentSucceeded,
    PaymentVoided,
    ProviderFeeRecorded,
    ReceiptReturnRequested,
    ReceiptsAllocated,
    ReceiptsCredited,
    ReceiptSpent,
    RefundFailed,
    RefundReopenedAsFailed,
    RefundReopenedAsSucceeded,
    RefundRequested,
    RefundSubmissionStarted,
    RefundSubmissionUnknown,
    RefundSubmitted,
    RefundSucceeded,
    SurplusReceived,
    UnusedTimeCredited,
)
from ledger.reversals import NOTHING, reversible_parts

if TYPE_CHECKING:
    from ledger.events import DisputeEvent, Event, PaymentEvent, RefundEvent
    from ledger.money import Money, Split
    from ledger.postings import FeePlan


FAN_CREDIT: Final = "fan_credit"
GOODWILL_CREDIT: Final = "fan_goodwill"
"""What takes the place of a provider's name where a fan's credit or goodwill pays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceOf:
    """The invoice that a payment is for, and which attempt to collect it this is."""

    subscription_id: UUID
    invoice_id: UUID
    attempt: int


class RefundState(StrEnum):
    """Where a refund or a return stands."""

    REQUESTED = "requested"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    SUBMISSION_UNKNOWN = "submission_unknown"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


REFUND_OPEN: Final = frozenset(RefundState) - {RefundState.SUCCEEDED, RefundState.FAILED}
"""States that wait for the provider's word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """A refund with what it reverses of each part; or a return, of the transaction `returns`.

    Or, `from_credit`, a refund of the fan's credit, which reverses nothing of the payment.
    """

    id: UUID
    state: RefundState
    origin: Literal["creator", "admin", "provider"]
    from_credit: bool = False
    money: Money
    legs: Split = NOTHING
    excess: int = 0
    returns: str | None = None
    attempt: int = 0
    claim: UUID | None = None
    submission_deadline: datetime | None = None
    provider_reference: str | None = None
    provider_refund: str | None = None
    paid_from: str | None = None
    reason: str | None = None
    requested_at: datetime
    reported_at: datetime | None = None


class DisputeState(StrEnum):
    """Where a dispute stands."""

    WARNED = "warned"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeFee:
    """A provider's fee for a dispute."""

    money: Money
    borne_by: Literal["creator", "platform"]
    returned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A dispute: what its open round takes (`legs`, `excess`), and what earlier ones lost."""

    name: str
    state: DisputeState
    money: Money
    round: int = 0
    funds_withdrawn: bool = False
    legs: Split = NOTHING
    excess: int = 0
    lost_last: int = 0
    lost: int = 0
    lost_legs: Split = NOTHING
    reported_at: datetime | None = None

    @property
    def taken(self) -> Split:
        """What it takes of each part: the open round, and what was lost."""
        return self.legs.plus(self.lost_legs)

    @property
    def taken_amount(self) -> int:
        """The same as one amount, with what lies beyond the payment."""
        return self.legs.gross + self.excess + self.lost


class ParkedState(StrEnum):
    """Where money in suspense stands."""

    WAITING = "waiting"
    SPENT = "spent"
    RETURNING = "returning"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """Money of one transaction in suspense."""

    provider: str
    transaction: str
    money: Money
    state: ParkedState = ParkedState.WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """Amounts in minor units. `parts` is what can be reversed at all, `gross` what was paid.

    `paid_by` are the transactions that paid, each with its provider.
    `pending` is what the payment still has in the creator's pending account; `wishes` are the
    refunds that its fan asks for. `dispute_fees` are by dispute and reference: a fee may come
    before its dispute does. `to_credit` became the fan's credit or goodwill, by `credit_legs` where
    it was shared before; `credited` of it is credit that can be refunded by this payment, and
    `taken_back` of it is gone with what the provider took, by cause.
    """

    parts: Split = NOTHING
    gross: int = 0
    paid_by: tuple[tuple[str, str], ...] = ()
    releases_at: datetime | None = None
    released: bool = False
    pending: int = 0
    refunds: Mapping[UUID, Refund] = field(default_factory=dict)
    disputes: Mapping[str, Dispute] = field(default_factory=dict)
    parked: Mapping[str, Parked] = field(default_factory=dict)
    provider_fees: frozenset[str] = frozenset()
    dispute_fees: Mapping[tuple[str, str], DisputeFee] = field(default_factory=dict)
    wishes: frozenset[UUID] = frozenset()
    to_credit: int = 0
    credit_legs: Split = NOTHING
    credited: int = 0
    taken_back: Mapping[str, int] = field(default_factory=dict)

    def remaining(self) -> Split:
        """What of each part is not reversed: rule 2's base."""
        left = self.parts.minus(self.credit_legs)
        for refund in self.refunds.values():
            if refund.state is not RefundState.FAILED:
                left = left.minus(refund.legs)
        for dispute in self.disputes.values():
            left = left.minus(dispute.taken)
        return left

    def not_taken(self) -> int:
        """The cap: the gross less live refunds, credit, open and lost disputes; may be negative."""
        refunds = sum(
            refund.money.amount
            for refund in self.refunds.values()
            if refund.state is not RefundState.FAILED
            and refund.returns is None
            and not refund.from_credit
        )
        disputes = sum(dispute.taken_amount for dispute in self.disputes.values())
        return self.gross - self.to_credit - refunds - disputes

    def credit_left(self) -> int:
        """Credit that this payment brought and that was not refunded, spent or not."""
        return (
            self.credited
            - sum(self.taken_back.values())
            - sum(
                refund.money.amount
                for refund in self.refunds.values()
                if refund.from_credit and refund.state is not RefundState.FAILED
            )
        )

    def refundable(self) -> int:
        """What may still be asked back: within the cap, and of what remains of the parts.

        They differ where a provider took more than there was while a refund was on its way.
        """
        return max(0, min(self.remaining().gross, self.not_taken()))

    def refund_named(self, provider_refund: str | None) -> Refund | None:
        """The refund that the provider calls so; none, when it does not say what it calls it."""
        if provider_refund is None:
            return None
        return next(
            (r for r in self.refunds.values() if r.provider_refund == provider_refund), None
        )


NO_FLOWS: Final = Flows()


class Paid(Protocol):
    """What of a payment its flows depend on."""

    @property
    def creator_id(self) -> UUID: ...
    @property
    def split(self) -> Split: ...
    @property
    def plan(self) -> FeePlan: ...
    @property
    def method(self) -> str: ...


def evolve_payment_flows(flows: Flows, event: PaymentEvent, payment: Paid) -> Flows:
    """Apply a fact of a payment's stream. Never checks: replay must always succeed."""
    match event:
        case PaymentSucceeded():
            by = (event.provider, event.provider_transaction)
            return _paid(flows, payment.split, event.releases_at, payment, by)
        case ReceiptsAllocated():
            receipts = _receipts(event)
            return _spent(_paid(flows, event.split, event.releases_at, payment, *receipts), event)
        case CreditSpent():
            by = (payment.method, str(event.originator_id))
            return _paid(flows, event.split, event.releases_at, payment, by)
        case PaymentReceivedAsCredit():
            by = (event.provider, event.provider_transaction)
            return _as_credit(flows, event.money.amount, by)
        case ReceiptsCredited():
            flows = _as_credit(flows, event.money.amount, *_receipts(event))
            return _spent(flows, event)
        case UnusedTimeCredited():
            return _unused(flows, event, payment)
        case CreditTakenBack():
            taken = flows.taken_back.get(event.cause, 0) + event.money.amount
            return replace(flows, taken_back={**flows.taken_back, event.cause: taken})
        case CreditRestored():
            left = {cause: n for cause, n in flows.taken_back.items() if cause != event.cause}
            return replace(flows, taken_back=left)
        case PaymentMismatched() | SurplusReceived():
            return with_parked(flows, event.provider, event.provider_transaction, event.received)
        case OverpaymentParked():
            return with_parked(flows, event.provider, event.provider_transaction, event.excess)
        case ProviderFeeRecorded():
            return replace(flows, provider_fees=flows.provider_fees | {event.fee_reference})
        case FundsReleased():
            return replace(flows, released=True, pending=0)
        case FanRefundRequested():
            return replace(flows, wishes=flows.wishes | {event.request_id})
        case FanRefundDeclined():
            return replace(flows, wishes=flows.wishes - {event.request_id})
        case (
            PaymentInitiated()
            | InvoicePaymentInitiated()
            | PaymentSubmissionStarted()
            | PaymentSubmitted()
            | PaymentSubmissionUnknown()
            | PaymentAuthorised()
            | PaymentFailed()
            | PaymentCancelled()
            | PaymentVoided()
            | PaymentExpired()
            | ContradictionRecorded()
        ):
            return flows
        case _:
            pending = _pending_after(flows.pending, event, payment.creator_id)
            return replace(evolve_flows(flows, event), pending=pending)


def _paid(
    flows: Flows,
    split: Split,
    releases_at: datetime,
    payment: Paid,
    *paid_by: tuple[str, str],
) -> Flows:
    return replace(
        flows,
        parts=reversible_parts(split, keep_fee=payment.plan.keep_fee),
        gross=split.gross,
        paid_by=paid_by,
        pending=split.net,
        releases_at=releases_at,
        # What leaves its creator nothing has nothing to wait for.
        released=split.net == 0,
    )


def _receipts(event: ReceiptsAllocated | ReceiptsCredited) -> list[tuple[str, str]]:
    return [(each.provider, each.provider_transaction) for each in event.receipts]


def _spent(flows: Flows, event: ReceiptsAllocated | ReceiptsCredited) -> Flows:
    for receipt in event.receipts:
        if receipt.stream_id == event.originator_id:
            flows = _park(flows, receipt.provider_transaction, ParkedState.SPENT)
    return flows


def _as_credit(flows: Flows, amount: int, *paid_by: tuple[str, str]) -> Flows:
    return replace(flows, gross=amount, paid_by=paid_by, to_credit=amount, credited=amount)


def _unused(flows: Flows, event: UnusedTimeCredited, payment: Paid) -> Flows:
    amount = event.money.amount
    # Where credit had paid, the refund goes by the payment that had brought that credit.
    refundable = amount if payment.method != "credit" else 0
    return replace(
        flows,
        pending=_pending_after(flows.pending, event, payment.creator_id),
        to_credit=flows.to_credit + amount,
        credit_legs=flows.credit_legs.plus(event.legs),
        credited=flows.credited + refundable,
    )


def _pending_after(pending: int, event: Event, creator_id: UUID) -> int:
    if (entry := event.journal_entry) is None:
        return pending
    account = creator_funds(creator_id, CreatorFunds.PENDING)
    return pending - sum(p.amount for p in entry.postings if p.account == account)


def evolve_flows(flows: Flows, event: RefundEvent | DisputeEvent) -> Flows:
    """Apply a fact. Never checks: replay must always succeed."""
    match event:
        case RefundRequested():
            refund = Refund(
                id=event.refund_id,
                state=RefundState.REQUESTED,
                origin=event.origin,
                money=event.refunded,
                legs=event.legs,
                excess=event.excess,
                requested_at=event.recorded_at,
            )
            wishes = flows.wishes - {event.request_id}
            return replace(_with_refund(flows, refund), wishes=wishes)
        case ReceiptReturnRequested():
            refund = Refund(
                id=event.refund_id,
                state=RefundState.REQUESTED,
                origin="admin",
                money=event.returned,
                returns=event.provider_transaction,
                requested_at=event.recorded_at,
            )
            return _park(_with_refund(flows, refund), refund.returns, ParkedState.RETURNING)
        case CreditRefundRequested():
            refund = Refund(
                id=event.refund_id,
                state=RefundState.REQUESTED,
                origin="admin",
                from_credit=True,
                money=event.refunded,
                requested_at=event.recorded_at,
            )
            return _with_refund(flows, refund)
        case ReceiptSpent():
            return _park(flows, event.provider_transaction, ParkedState.SPENT)
        case (
            DisputeWarned()
            | DisputeOpened()
            | DisputeEvidenceNoted()
            | DisputeClosed()
            | DisputeFeeCharged()
            | DisputeFeeReturned()
        ):
            return _evolve_dispute(flows, event)
        case _:
            return _evolve_refund(flows, flows.refunds[event.refund_id], event)


def _evolve_refund(
    flows: Flows,
    refund: Refund,
    event: RefundSubmissionStarted
    | RefundSubmitted
    | RefundSubmissionUnknown
    | RefundSucceeded
    | RefundFailed
    | RefundReopenedAsFailed
    | RefundReopenedAsSucceeded,
) -> Flows:
    match event:
        case RefundSubmissionStarted():
            refund = replace(
                refund,
                state=RefundState.SUBMITTING,
                attempt=event.attempt,
                claim=event.claim,
                submission_deadline=event.deadline,
            )
        case RefundSubmitted():
            refund = replace(
                refund,
                state=RefundState.SUBMITTED,
                provider_reference=event.provider_reference,
            )
        case RefundSubmissionUnknown():
            refund = replace(refund, state=RefundState.SUBMISSION_UNKNOWN, reason=event.reason)
        case RefundSucceeded():
            refund = replace(
                refund,
                state=RefundState.SUCCEEDED,
                reason=None,
                provider_refund=event.provider_refund,
                paid_from=event.paid_from,
                reported_at=event.occurred_at,
            )
            flows = _park(flows, refund.returns, ParkedState.RETURNED)
        case RefundFailed() | RefundReopenedAsFailed():
            refund = replace(
                refund,
                state=RefundState.FAILED,
                reason=event.reason,
                reported_at=event.occurred_at,
            )
            # Where an expense had paid for it, the parked money went another way.
            if not refund.excess:
                flows = _park(flows, refund.returns, ParkedState.WAITING)
        case RefundReopenedAsSucceeded():
            refund = replace(
                refund,
                state=RefundState.SUCCEEDED,
                reason=None,
                legs=event.legs,
                excess=event.excess,
                provider_refund=event.provider_refund,
                paid_from=event.paid_from,
                reported_at=event.occurred_at,
            )
            # What had been spent meanwhile stays spent: then an expense paid for it.
            parked = None if refund.returns is None else flows.parked.get(refund.returns)
            if parked is not None and parked.state is ParkedState.WAITING:
                flows = _park(flows, refund.returns, ParkedState.RETURNED)
        case _:
            assert_never(event)
    return _with_refund(flows, refund)


def _evolve_dispute(flows: Flows, event: DisputeEvent) -> Flows:
    known = flows.disputes.get(event.dispute)
    match event:
        case DisputeWarned():
            dispute = Dispute(
                name=event.dispute,
                state=DisputeState.WARNED,
                money=event.disputed,
                reported_at=event.occurred_at,
            )
        case DisputeOpened():
            dispute = replace(
                known or Dispute(name=event.dispute, state=DisputeState.OPEN, money=event.disputed),
                state=DisputeState.OPEN,
                money=event.disputed,
                round=event.round,
                funds_withdrawn=event.funds_withdrawn,
                legs=event.legs,
                excess=event.excess,
                reported_at=event.occurred_at,
            )
        case DisputeEvidenceNoted():
            return flows
        case DisputeClosed():
            assert known is not None  # noqa: S101 - it is opened in the same turn at the latest
            dispute = replace(
                known,
                state=DisputeState.CLOSED,
                legs=NOTHING,
                excess=0,
                lost_last=event.lost_amount,
                lost=known.lost + event.lost_amount,
                lost_legs=known.lost_legs.plus(event.legs),
                reported_at=event.occurred_at,
            )
        case DisputeFeeCharged():
            fee = DisputeFee(money=event.fee, borne_by=event.borne_by)
            return _with_dispute_fee(flows, event, fee)
        case DisputeFeeReturned():
            fee = flows.dispute_fees[event.dispute, event.fee_reference]
            return _with_dispute_fee(flows, event, replace(fee, returned=True))
        case _:
            assert_never(event)
    return replace(flows, disputes={**flows.disputes, dispute.name: dispute})


def _with_dispute_fee(
    flows: Flows, event: DisputeFeeCharged | DisputeFeeReturned, fee: DisputeFee
) -> Flows:
    key = (event.dispute, event.fee_reference)
    return replace(flows, dispute_fees={**flows.dispute_fees, key: fee})


def _with_refund(flows: Flows, refund: Refund) -> Flows:
    return replace(flows, refunds={**flows.refunds, refund.id: refund})


def _park(flows: Flows, transaction: str | None, state: ParkedState) -> Flows:
    if transaction is None:
        return flows
    parked = replace(flows.parked[transaction], state=state)
    return replace(flows, parked={**flows.parked, transaction: parked})


def with_parked(flows: Flows, provider: str, transaction: str, money: Money) -> Flows:
    """Money of a transaction came into suspense."""
    parked = Parked(provider=provider, transaction=transaction, money=money)
    return replace(flows, parked={**flows.parked, transaction: parked})
