"""A payment: from a fan's wish to money in the creator's account, or to a true end without it.

    initiated ──StartSubmission──▶ submitting ──▶ submitted ──────────┐
        │                              │              │               │
        │ CancelPayment                └──▶ submission_unknown ───────┤   (asked, never repeated)
        ▼                                                             ▼
    cancelled        failed | cancelled | expired  ◀──────  the provider's report, or time
        │                    │
        └────────┬───────────┘
                 ▼  money arrives all the same
             succeeded (late)            needs_review: too little or another currency arrived;
                                         a person allocates it (succeeded) or returns it

A card may be `authorised` between submitted and its end. What a payment's money does after it
arrived (release, refunds, disputes, parked money) is in ledger/flows.py.

Decisions check and return events; `evolve_payment` applies them and never checks. What happens
when reports come twice, late or contradict each other is told in ledger/callbacks.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal

from ledger.errors import (
    AmountNotPayable,
    CreatorIsClosed,
    CreatorNotFound,
    CurrencyNotAccepted,
    FeePlanMissing,
    NotYetDue,
    NotYetExpired,
    PaymentNotCancellable,
    PaymentNotFound,
    PaymentNotReleasable,
    PhoneNotConfirmed,
    SelfPayment,
    SubmissionAlreadyStarted,
    SubmissionNotAllowed,
)
from ledger.events import (
    ContradictionRecorded,
    CreditSpent,
    FundsReleased,
    InvoicePaymentInitiated,
    Occasion,
    PaymentAuthorised,
    PaymentCancelled,
    PaymentEvent,
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
    ReceiptsAllocated,
    ReceiptsCredited,
    SurplusReceived,
)
from ledger.flows import (
    FAN_CREDIT,
    GOODWILL_CREDIT,
    NO_FLOWS,
    Flows,
    InvoiceOf,
    evolve_payment_flows,
)
from ledger.postings import funds_released, split_gross

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.commands import (
        CancelPayment,
        InitiatePayment,
        RecordSubmissionUnknown,
        RecordSubmitted,
        StartSubmission,
    )
    from ledger.creator import Creator
    from ledger.fan import Fan
    from ledger.money import Money, Split
    from ledger.postings import FeePlan


class PaymentState(StrEnum):
    """Where a payment stands."""

    INITIATED = "initiated"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    SUBMISSION_UNKNOWN = "submission_unknown"
    AUTHORISED = "authorised"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    NEEDS_REVIEW = "needs_review"


OPEN: Final = frozenset(
    {
        PaymentState.INITIATED,
        PaymentState.SUBMITTING,
        PaymentState.SUBMITTED,
        PaymentState.SUBMISSION_UNKNOWN,
        PaymentState.AUTHORISED,
    }
)
"""States that wait for something: the provider's word, or the end of the time to pay."""

GIVEN_UP: Final = frozenset({PaymentState.FAILED, PaymentState.CANCELLED, PaymentState.EXPIRED})
"""Ended without money; money that still arrives is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment's state at a version of its stream. Amounts are minor units.

    `instrument` is the phone's or card's entry of the vault. A payment by `credit` has no provider:
    `fan_credit` or `fan_goodwill` is in its place.
    """

    id: UUID
    version: int
    state: PaymentState
    fan_id: UUID
    creator_id: UUID
    purpose: Literal["tip", "purchase", "invoice"]
    reference: str | None
    money: Money
    plan: FeePlan
    split: Split
    provider: str
    method: Literal["phone", "card", "till", "credit"] = "phone"
    instrument: UUID | None
    invoice: InvoiceOf | None = None
    initiated_at: datetime
    expires_at: datetime
    submission_started_at: datetime | None = None
    attempt: int = 0
    claim: UUID | None = None
    submission_deadline: datetime | None = None
    provider_reference: str | None = None
    reason: str | None = None
    late: bool = False
    ended_at: datetime | None = None
    transactions: frozenset[str] = frozenset()
    contradictions: frozenset[tuple[str, str | None]] = frozenset()
    flows: Flows = NO_FLOWS


def evolve_payment(payment: Payment | None, event: PaymentEvent) -> Payment:
    """Apply a fact. Never checks: replay must always succeed."""
    if isinstance(event, PaymentInitiated):
        return Payment(
            id=event.originator_id,
            version=event.originator_version,
            state=PaymentState.INITIATED,
            fan_id=event.fan_id,
            creator_id=event.creator_id,
            purpose=event.purpose,
            reference=event.reference,
            money=event.money,
            plan=event.plan,
            split=event.split,
            provider=event.provider,
            instrument=event.phone,
            initiated_at=event.recorded_at,
            expires_at=event.expires_at,
        )
    if isinstance(event, InvoicePaymentInitiated):
        return _for_invoice(event)
    if isinstance(event, CreditSpent):
        return _by_credit(event)
    assert payment is not None  # noqa: S101 - version density: PaymentInitiated is first
    return _evolve_existing(payment, event)


def _for_invoice(event: InvoicePaymentInitiated) -> Payment:
    return Payment(
        id=event.originator_id,
        version=event.originator_version,
        state=PaymentState.INITIATED,
        fan_id=event.fan_id,
        creator_id=event.creator_id,
        purpose="invoice",
        reference=None,
        money=event.money,
        plan=event.plan,
        split=event.split,
        provider=event.provider,
        method=event.method,
        instrument=event.instrument,
        invoice=InvoiceOf(
            subscription_id=event.subscription_id,
            invoice_id=event.invoice_id,
            attempt=event.attempt,
        ),
        initiated_at=event.recorded_at,
        expires_at=event.expires_at,
    )


def _by_credit(event: CreditSpent) -> Payment:
    payment = Payment(
        id=event.originator_id,
        version=event.originator_version,
        state=PaymentState.SUCCEEDED,
        fan_id=event.fan_id,
        creator_id=event.creator_id,
        purpose="invoice",
        reference=None,
        money=event.money,
        plan=event.plan,
        split=event.split,
        provider=GOODWILL_CREDIT if event.source == "goodwill" else FAN_CREDIT,
        method="credit",
        instrument=None,
        invoice=InvoiceOf(
            subscription_id=event.subscription_id, invoice_id=event.invoice_id, attempt=0
        ),
        initiated_at=event.recorded_at,
        expires_at=event.recorded_at,
        ended_at=event.recorded_at,
    )
    return replace(payment, flows=evolve_payment_flows(NO_FLOWS, event, payment))


def _evolve_existing(payment: Payment, event: PaymentEvent) -> Payment:
    version = event.originator_version
    match event:
        case PaymentInitiated() | InvoicePaymentInitiated() | CreditSpent():
            return payment
        case PaymentSubmissionStarted():
            return replace(
                payment,
                version=version,
                state=PaymentState.SUBMITTING,
                attempt=event.attempt,
                claim=event.claim,
                submission_deadline=event.deadline,
                submission_started_at=event.recorded_at,
            )
        case PaymentSubmitted() | PaymentAuthorised():
            submitted = isinstance(event, PaymentSubmitted)
            return replace(
                payment,
                version=version,
                state=PaymentState.SUBMITTED if submitted else PaymentState.AUTHORISED,
                provider_reference=event.provider_reference,
            )
        case PaymentSubmissionUnknown():
            return replace(
                payment,
                version=version,
                state=PaymentState.SUBMISSION_UNKNOWN,
                reason=event.reason,
            )
        case PaymentSucceeded() | PaymentReceivedAsCredit():
            return replace(
                payment,
                version=version,
                state=PaymentState.SUCCEEDED,
                reason=None,
                late=event.late,
                ended_at=event.recorded_at,
                transactions=payment.transactions | {event.provider_transaction},
                flows=evolve_payment_flows(payment.flows, event, payment),
            )
        case ReceiptsCredited():
            return replace(
                payment,
                version=version,
                state=PaymentState.SUCCEEDED,
                reason=None,
                ended_at=event.recorded_at,
                flows=evolve_payment_flows(payment.flows, event, payment),
            )
        case ReceiptsAllocated():
            return replace(
                payment,
                version=version,
                state=PaymentState.SUCCEEDED,
                reason=None,
                ended_at=event.recorded_at,
                split=event.split,
                flows=evolve_payment_flows(payment.flows, event, payment),
            )
        case PaymentMismatched():
            return replace(
                payment,
                version=version,
                state=PaymentState.NEEDS_REVIEW,
                reason="mismatched",
                ended_at=event.recorded_at,
                transactions=payment.transactions | {event.provider_transaction},
                flows=evolve_payment_flows(payment.flows, event, payment),
            )
        case SurplusReceived():
            return replace(
                payment,
                version=version,
                transactions=payment.transactions | {event.provider_transaction},
                flows=evolve_payment_flows(payment.flows, event, payment),
            )
        case PaymentFailed():
            return _ended(payment, PaymentState.FAILED, event.reason, event)
        case PaymentCancelled() | PaymentVoided():
            return _ended(payment, PaymentState.CANCELLED, event.reason, event)
        case PaymentExpired():
            return _ended(payment, PaymentState.EXPIRED, "expired", event)
        case ContradictionRecorded():
            contradictions = payment.contradictions | {(event.claim, event.provider_transaction)}
            return replace(payment, version=version, contradictions=contradictions)
        case _:
            flows = evolve_payment_flows(payment.flows, event, payment)
            return replace(payment, version=version, flows=flows)


def _ended(payment: Payment, state: PaymentState, reason: str, event: PaymentEvent) -> Payment:
    return replace(
        payment,
        version=event.originator_version,
        state=state,
        reason=reason,
        ended_at=event.recorded_at,
    )


def initiate(
    creator: Creator | None, command: InitiatePayment, occasion: Occasion, *, fan: Fan | None = None
) -> list[PaymentEvent]:
    """Freeze plan, split and expiry; nothing is asked of the provider yet.

    Raises `CreatorNotFound`, `CreatorIsClosed`, `SelfPayment`, `CurrencyNotAccepted`,
    `FeePlanMissing`, `AmountNotPayable`, `PhoneNotConfirmed` or `FeePlanExceedsPayment`.
    """
    if creator is None:
        raise CreatorNotFound
    if creator.closed:
        raise CreatorIsClosed
    if command.fan_id == creator.id:
        raise SelfPayment
    if command.money.currency != creator.settlement_currency:
        raise CurrencyNotAccepted(
            currency=command.money.currency, accepted=creator.settlement_currency
        )
    if creator.plan is None:
        raise FeePlanMissing
    _check_payable(command)
    if command.confirmed_phone_required and (fan is None or command.phone not in fan.confirmed):
        raise PhoneNotConfirmed
    return [
        PaymentInitiated(
            originator_id=command.payment_id,
            originator_version=1,
            fan_id=command.fan_id,
            creator_id=creator.id,
            purpose=command.purpose,
            reference=command.reference,
            money=command.money,
            plan=creator.plan,
            split=split_gross(command.money.amount, creator.plan),
            provider=command.terms.provider,
            phone=command.phone,
            expires_at=occasion.recorded_at
            + timedelta(seconds=command.terms.expires_after_seconds),
            **occasion.stamp(),
        )
    ]


def _check_payable(command: InitiatePayment) -> None:
    amount, terms = command.money.amount, command.terms
    if amount % terms.step or not terms.minimum <= amount <= terms.maximum:
        raise AmountNotPayable(
            provider=terms.provider,
            currency=command.money.currency,
            step=terms.step,
            minimum=terms.minimum,
            maximum=terms.maximum,
        )


def cancel(
    payment: Payment | None, command: CancelPayment, occasion: Occasion
) -> list[PaymentEvent]:
    """The fan gives up before the provider was asked; a prompt on a phone cannot be called back.

    Raises `PaymentNotFound` (also for another fan's) or `PaymentNotCancellable`.
    """
    if payment is None or payment.fan_id != command.fan_id:
        raise PaymentNotFound
    if payment.state is not PaymentState.INITIATED:
        raise PaymentNotCancellable(state=payment.state)
    return [
        PaymentCancelled(
            originator_id=payment.id,
            originator_version=payment.version + 1,
            reason="cancelled_by_fan",
            **occasion.stamp(),
        )
    ]


def start_submission(
    payment: Payment | None, command: StartSubmission, occasion: Occasion
) -> list[PaymentEvent]:
    """Give one claim the right to call the provider, once.

    Raises `PaymentNotFound`, `SubmissionAlreadyStarted` or `SubmissionNotAllowed`.
    """
    if payment is None:
        raise PaymentNotFound
    if payment.claim is not None:
        raise SubmissionAlreadyStarted(state=payment.state)
    if payment.state is not PaymentState.INITIATED or occasion.recorded_at >= payment.expires_at:
        raise SubmissionNotAllowed(state=payment.state)
    return [
        PaymentSubmissionStarted(
            originator_id=payment.id,
            originator_version=payment.version + 1,
            attempt=payment.attempt + 1,
            claim=command.claim,
            deadline=occasion.recorded_at + timedelta(seconds=command.deadline_seconds),
            **occasion.stamp(),
        )
    ]


def record_submitted(
    payment: Payment | None, command: RecordSubmitted, occasion: Occasion
) -> list[PaymentEvent]:
    """The provider accepted. A callback may have been faster: then there is nothing to add."""
    if payment is None:
        raise PaymentNotFound
    if payment.state not in {PaymentState.SUBMITTING, PaymentState.SUBMISSION_UNKNOWN}:
        return []
    return [
        PaymentSubmitted(
            originator_id=payment.id,
            originator_version=payment.version + 1,
            attempt=payment.attempt,
            provider_reference=command.provider_reference,
            **occasion.stamp(),
        )
    ]


def record_submission_unknown(
    payment: Payment | None, command: RecordSubmissionUnknown, occasion: Occasion
) -> list[PaymentEvent]:
    """The call ended without an answer; a callback may have answered already."""
    if payment is None:
        raise PaymentNotFound
    if payment.state is not PaymentState.SUBMITTING:
        return []
    return [
        PaymentSubmissionUnknown(
            originator_id=payment.id,
            originator_version=payment.version + 1,
            attempt=payment.attempt,
            reason=command.reason,
            **occasion.stamp(),
        )
    ]


def expire(payment: Payment | None, occasion: Occasion) -> list[PaymentEvent]:
    """The time to pay is over. Ended payments stay as they are; raises `NotYetExpired` before."""
    if payment is None:
        raise PaymentNotFound
    if payment.state not in OPEN:
        return []
    if occasion.recorded_at < payment.expires_at:
        raise NotYetExpired(state=payment.state, expires_at=payment.expires_at.isoformat())
    return [
        PaymentExpired(
            originator_id=payment.id,
            originator_version=payment.version + 1,
            **occasion.stamp(),
        )
    ]


def release_funds(payment: Payment | None, occasion: Occasion) -> list[PaymentEvent]:
    """The settlement delay is over: what the payment still has in pending is available, once.

    Raises `PaymentNotFound`, `PaymentNotReleasable` or `NotYetDue`.
    """
    if payment is None:
        raise PaymentNotFound
    flows = payment.flows
    if flows.releases_at is None:
        raise PaymentNotReleasable(state=payment.state)
    if flows.released:
        return []
    if occasion.recorded_at < flows.releases_at:
        raise NotYetDue(state="in the settlement delay", due_at=flows.releases_at.isoformat())
    return [
        FundsReleased(
            originator_id=payment.id,
            originator_version=payment.version + 1,
            amount=flows.pending,
            entry=funds_released(
                flows.pending, currency=payment.money.currency, creator_id=payment.creator_id
            )
            if flows.pending
            else None,
            **occasion.stamp(),
        )
    ]
