"""A payout: from what a creator has available to their phone or bank, with many attempts.

    requested ──approvals──▶ approved ──StartPayoutSubmission──▶ submitting ─▶ submitted ───┐
        │  ▲                  │  ▲  ▲                                │             │        │
        ▼  │                  ▼  │  └── attempt failed, retryable ───┴─────────────┤        │
        held ◀── HoldPayout ── held                                  ▼             ▼        ▼
        │                     │                        submission_unknown ─────▶ failed    paid
        └──▶ rejected | cancelled ◀──┘                  (asked, never repeated)             │
                                                                                        returned

The funds are reserved at the request. An unknown payout fails only on evidence, attested by two
people. Money that left after we had given a payout up is taken from available, which may go below
zero by it. What happens when a provider's reports come twice, late or contradict each other:

twice           `duplicate`, by the provider's transaction or the attempt that has ended already.
late            paid after failed, rejected or cancelled: `PayoutPaid` with `given_up`.
too early       returned before it was paid: paid and returned in one turn.
contradictory   failed after the same attempt paid: `PayoutContradictionRecorded`, nothing moves.
a second one    another transaction for a payout that is paid: the net left twice, and available
                pays for it.
another amount  nobody knows what moved: parked, for a person. So is the failure of an attempt
                that we never made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, assert_never

from ledger.accounts import CreatorFunds
from ledger.callbacks import ReportDecision, Verdict
from ledger.commands.reports import PayoutClaim
from ledger.errors import (
    AlreadyExists,
    AmountNotPayable,
    ApproverInvolved,
    CreatorIsSuspended,
    CreatorNotFound,
    CurrencyDiffers,
    DestinationNotFound,
    DestinationNotUsable,
    InsufficientFunds,
    PayoutNotFound,
    PayoutNotInThisState,
    PayoutTooSmall,
    ReportDisagrees,
    SecondPersonNeeded,
    SubmissionAlreadyStarted,
    SubmissionNotAllowed,
    VerificationMissing,
)
from ledger.events import (
    ApprovalGiven,
    LedgerEvent,
    Occasion,
    PayoutAttemptFailed,
    PayoutCancelled,
    PayoutContradictionRecorded,
    PayoutDestination,
    PayoutEvent,
    PayoutFailed,
    PayoutFailureAttested,
    PayoutHeld,
    PayoutPaid,
    PayoutRejected,
    PayoutReleased,
    PayoutRequested,
    PayoutReturned,
    PayoutSubmissionStarted,
    PayoutSubmissionUnknown,
    PayoutSubmitted,
)
from ledger.money import AMOUNT_MAX, Money, ceil_basis_points, half_up_basis_points
from ledger.postings import (
    PayoutLegs,
    payout_given_back,
    payout_paid,
    payout_requested,
    payout_returned,
)

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.commands import (
        ApprovePayout,
        AttestPayoutFailure,
        CancelPayout,
        HoldPayout,
        PayoutReport,
        PayoutTerms,
        RecordPayoutReport,
        RecordPayoutSubmissionUnknown,
        RecordPayoutSubmitted,
        RejectPayout,
        ReleasePayout,
        RequestPayout,
        StartPayoutSubmission,
    )
    from ledger.creator import Creator, Destination
    from ledger.journal_entry import JournalEntry


class PayoutState(StrEnum):
    """Where a payout stands."""

    REQUESTED = "requested"
    HELD = "held"
    APPROVED = "approved"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    SUBMISSION_UNKNOWN = "submission_unknown"
    PAID = "paid"
    FAILED = "failed"
    RETURNED = "returned"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


UNSENT: Final = frozenset({PayoutState.REQUESTED, PayoutState.HELD, PayoutState.APPROVED})
"""Nothing of the present attempt was sent: it can still be taken back."""

SENT: Final = frozenset(
    {PayoutState.SUBMITTING, PayoutState.SUBMITTED, PayoutState.SUBMISSION_UNKNOWN}
)
"""Waits for the provider's word."""

GIVEN_UP: Final = frozenset({PayoutState.FAILED, PayoutState.REJECTED, PayoutState.CANCELLED})
"""The funds are available again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout:
    """A payout's state at a version of its stream; amounts in minor units.

    `paid` are the legs that each of the provider's transactions took, and from which account;
    `paid_attempts` the attempts that they were of.
    """

    id: UUID
    version: int
    state: PayoutState
    creator_id: UUID
    requested_by: str
    destination: PayoutDestination
    gross: Money
    legs: PayoutLegs
    approvals_required: int
    scheduled: bool
    requested_at: datetime
    approvals: tuple[str, ...] = ()
    attempt: int = 0
    claim: UUID | None = None
    submission_deadline: datetime | None = None
    provider_reference: str | None = None
    paid: Mapping[str, tuple[PayoutLegs, str]] = field(default_factory=dict)
    paid_attempts: frozenset[int] = frozenset()
    returned: frozenset[str] = frozenset()
    attested_by: str | None = None
    reason: str | None = None
    ended_at: datetime | None = None
    contradictions: frozenset[tuple[str, str | None]] = frozenset()


def evolve_payout(payout: Payout | None, event: PayoutEvent) -> Payout:
    """Apply a fact. Never checks: replay must always succeed."""
    if isinstance(event, PayoutRequested):
        return Payout(
            id=event.originator_id,
            version=event.originator_version,
            state=PayoutState.REQUESTED if event.approvals_required else PayoutState.APPROVED,
            creator_id=event.creator_id,
            requested_by=event.actor,
            destination=event.destination,
            gross=event.gross,
            legs=event.legs,
            approvals_required=event.approvals_required,
            scheduled=event.scheduled,
            requested_at=event.recorded_at,
        )
    assert payout is not None  # noqa: S101 - version density: PayoutRequested is first
    return _evolve_existing(replace(payout, version=event.originator_version), event)


def _evolve_existing(payout: Payout, event: PayoutEvent) -> Payout:
    match event:
        case PayoutRequested():
            return payout
        case ApprovalGiven():
            payout = replace(payout, approvals=(*payout.approvals, event.actor))
            if payout.state is PayoutState.HELD:
                return payout
            return replace(payout, state=_approved_or_requested(payout))
        case PayoutHeld():
            return replace(payout, state=PayoutState.HELD, reason=event.reason)
        case PayoutReleased():
            return replace(payout, state=_approved_or_requested(payout), reason=None)
        case PayoutRejected():
            return _ended(payout, PayoutState.REJECTED, event.reason, event)
        case PayoutCancelled():
            return _ended(payout, PayoutState.CANCELLED, None, event)
        case PayoutSubmissionStarted():
            return replace(
                payout,
                state=PayoutState.SUBMITTING,
                attempt=event.attempt,
                claim=event.claim,
                submission_deadline=event.deadline,
                attested_by=None,
            )
        case PayoutSubmitted():
            return replace(
                payout,
                state=PayoutState.SUBMITTED,
                provider_reference=event.provider_reference,
            )
        case PayoutSubmissionUnknown():
            return replace(payout, state=PayoutState.SUBMISSION_UNKNOWN, reason=event.reason)
        case PayoutAttemptFailed():
            return replace(payout, state=PayoutState.APPROVED, claim=None, reason=event.reason)
        case PayoutPaid():
            legs = payout.legs
            if payout.state is PayoutState.PAID:
                legs = _net_alone(payout.legs)
            paid = {**payout.paid, event.provider_transaction: (legs, event.paid_from)}
            attempts = payout.paid_attempts | {event.attempt}
            payout = replace(payout, paid=paid, paid_attempts=attempts)
            return _ended(payout, PayoutState.PAID, None, event)
        case PayoutFailed():
            return _ended(payout, PayoutState.FAILED, event.reason, event)
        case PayoutFailureAttested():
            return replace(payout, attested_by=event.actor)
        case PayoutReturned():
            returned = payout.returned | {event.provider_transaction}
            state = PayoutState.RETURNED if returned == set(payout.paid) else PayoutState.PAID
            return _ended(replace(payout, returned=returned), state, event.reason, event)
        case PayoutContradictionRecorded():
            contradictions = payout.contradictions | {(event.claim, event.provider_transaction)}
            return replace(payout, contradictions=contradictions)
        case _:
            assert_never(event)


def _approved_or_requested(payout: Payout) -> PayoutState:
    enough = len(payout.approvals) >= payout.approvals_required
    return PayoutState.APPROVED if enough else PayoutState.REQUESTED


def _ended(payout: Payout, state: PayoutState, reason: str | None, event: PayoutEvent) -> Payout:
    return replace(payout, state=state, reason=reason, ended_at=event.recorded_at)


def _net_alone(legs: PayoutLegs) -> PayoutLegs:
    """What leaves with a second transaction: fees and taxes are taken once."""
    return PayoutLegs(net=legs.net, fee=0, vat=0, withholding=0)


# Requesting.


def payout_legs(amount: int, terms: PayoutTerms, *, withholding_basis_points: int) -> PayoutLegs:
    """Divide `amount` minor units: fee rounded up, VAT and withholding half up.

    The net is rounded down to the provider's step, and the remainder stays available. Raises
    `PayoutTooSmall` or `AmountNotPayable`.
    """
    fee = terms.fixed_fee + ceil_basis_points(amount, terms.fee_basis_points)
    vat = half_up_basis_points(fee, terms.vat_basis_points)
    withholding = half_up_basis_points(amount, withholding_basis_points)
    net = amount - fee - vat - withholding
    net -= net % terms.step
    if net < max(terms.minimum, 1):
        raise PayoutTooSmall(
            provider=terms.provider, currency=terms.currency, minimum=terms.minimum
        )
    if net > terms.maximum:
        raise AmountNotPayable(
            provider=terms.provider,
            currency=terms.currency,
            step=terms.step,
            minimum=terms.minimum,
            maximum=terms.maximum,
        )
    return PayoutLegs(net=net, fee=fee, vat=vat, withholding=withholding)


def request(
    creator: Creator | None,
    payout: Payout | None,
    command: RequestPayout,
    *,
    available: int,
    at: Occasion,
) -> list[LedgerEvent]:
    """Reserve the funds and freeze legs and destination. `available` is in minor units.

    Raises `CreatorNotFound`, `CreatorIsSuspended`, `VerificationMissing`, `AlreadyExists`,
    `DestinationNotFound`, `DestinationNotUsable`, `CurrencyDiffers`, `InsufficientFunds`,
    `PayoutTooSmall` or `AmountNotPayable`.
    """
    if creator is None:
        raise CreatorNotFound
    if payout is not None:
        raise AlreadyExists
    if creator.suspended:
        raise CreatorIsSuspended
    if creator.verification != "verified":
        raise VerificationMissing(state=creator.verification)
    destination = _usable(creator, command, at)
    currency = command.terms.currency
    if currency != creator.settlement_currency:
        raise CurrencyDiffers(expected=creator.settlement_currency, currency=currency)
    amount = min(available, AMOUNT_MAX) if command.amount is None else command.amount
    if amount > available or amount < max(1, command.scheduled_minimum):
        raise InsufficientFunds(available=max(available, 0), currency=currency)
    legs = payout_legs(
        amount, command.terms, withholding_basis_points=creator.withholding_basis_points
    )
    return [
        PayoutRequested(
            originator_id=command.payout_id,
            originator_version=1,
            creator_id=creator.id,
            destination=PayoutDestination(
                destination_id=destination.id,
                provider=destination.provider,
                account=destination.account,
                edited_by=destination.edited_by,
            ),
            gross=Money(amount=legs.gross, currency=currency),
            legs=legs,
            approvals_required=command.terms.approvals_required,
            scheduled=command.scheduled,
            entry=payout_requested(legs, currency=currency, creator_id=creator.id),
            **at.stamp(),
        )
    ]


def _usable(creator: Creator, command: RequestPayout, at: Occasion) -> Destination:
    destination = creator.destinations.get(command.destination_id)
    if destination is None:
        raise DestinationNotFound
    if not destination.verified or at.recorded_at < destination.usable_at:
        raise DestinationNotUsable(
            state="cooling" if destination.verified else "unverified",
            usable_at=destination.usable_at.isoformat(),
        )
    if destination.provider != command.terms.provider:
        raise DestinationNotFound
    return destination


# Deciding.


def _in(payout: Payout | None, states: frozenset[PayoutState]) -> Payout:
    if payout is None:
        raise PayoutNotFound
    if payout.state not in states:
        raise PayoutNotInThisState(state=payout.state)
    return payout


def approve(payout: Payout | None, command: ApprovePayout, at: Occasion) -> list[LedgerEvent]:
    """One person's approval, of the several that may be needed.

    Raises `PayoutNotFound`, `PayoutNotInThisState` or `ApproverInvolved`.
    """
    payout = _in(payout, frozenset({PayoutState.REQUESTED, PayoutState.HELD}))
    if len(payout.approvals) >= payout.approvals_required:
        raise PayoutNotInThisState(state=payout.state)
    involved = {payout.requested_by, payout.destination.edited_by, *payout.approvals}
    if command.actor in involved:
        raise ApproverInvolved
    return [ApprovalGiven(**_place(payout, at))]


def hold(payout: Payout | None, command: HoldPayout, at: Occasion) -> list[LedgerEvent]:
    """Let it wait. Raises `PayoutNotFound` or `PayoutNotInThisState`."""
    payout = _in(payout, UNSENT - {PayoutState.HELD})
    return [PayoutHeld(reason=command.reason, **_place(payout, at))]


def release(payout: Payout | None, _command: ReleasePayout, at: Occasion) -> list[LedgerEvent]:
    """Let it go on. Raises `PayoutNotFound` or `PayoutNotInThisState`."""
    payout = _in(payout, frozenset({PayoutState.HELD}))
    return [PayoutReleased(**_place(payout, at))]


def reject(payout: Payout | None, command: RejectPayout, at: Occasion) -> list[LedgerEvent]:
    """Refuse it. Raises `PayoutNotFound` or `PayoutNotInThisState`."""
    payout = _in(payout, UNSENT)
    return [PayoutRejected(reason=command.reason, entry=_back(payout), **_place(payout, at))]


def cancel(payout: Payout | None, command: CancelPayout, at: Occasion) -> list[LedgerEvent]:
    """A creator takes their own payout back. Raises as `reject`."""
    if payout is not None and payout.creator_id != command.creator_id:
        raise PayoutNotFound
    payout = _in(payout, UNSENT)
    return [PayoutCancelled(entry=_back(payout), **_place(payout, at))]


def attest_failure(
    payout: Payout | None, command: AttestPayoutFailure, at: Occasion
) -> list[LedgerEvent]:
    """Evidence that an unknown payout was not sent; the second person's ends it.

    Raises `PayoutNotFound`, `PayoutNotInThisState` or `SecondPersonNeeded`.
    """
    payout = _in(payout, frozenset({PayoutState.SUBMISSION_UNKNOWN}))
    if payout.attested_by == command.actor:
        raise SecondPersonNeeded
    attested = PayoutFailureAttested(grounds=command.evidence, **_place(payout, at))
    if payout.attested_by is None:
        return [attested]
    failed = PayoutFailed(
        reason="attested_by_two_people", entry=_back(payout), **_place(payout, at, ahead=2)
    )
    return [attested, failed]


# Taking it to the provider.


def start_submission(
    payout: Payout | None,
    creator: Creator | None,
    command: StartPayoutSubmission,
    at: Occasion,
) -> list[LedgerEvent]:
    """Give one claim the right to call the provider for this attempt, once.

    Raises `PayoutNotFound`, `SubmissionAlreadyStarted`, `SubmissionNotAllowed` or
    `CreatorIsSuspended`.
    """
    if payout is None:
        raise PayoutNotFound
    if payout.state in SENT:
        raise SubmissionAlreadyStarted(state=payout.state)
    if payout.state is not PayoutState.APPROVED:
        raise SubmissionNotAllowed(state=payout.state)
    if creator is None or creator.suspended:
        raise CreatorIsSuspended
    return [
        PayoutSubmissionStarted(
            attempt=payout.attempt + 1,
            claim=command.claim,
            deadline=at.recorded_at + timedelta(seconds=command.deadline_seconds),
            **_place(payout, at),
        )
    ]


def record_submitted(
    payout: Payout | None, command: RecordPayoutSubmitted, at: Occasion
) -> list[LedgerEvent]:
    """The provider accepted. A callback may have been faster: then there is nothing to add."""
    if payout is None:
        raise PayoutNotFound
    if command.attempt != payout.attempt or payout.state not in {
        PayoutState.SUBMITTING,
        PayoutState.SUBMISSION_UNKNOWN,
    }:
        return []
    return [
        PayoutSubmitted(
            attempt=payout.attempt,
            provider_reference=command.provider_reference,
            **_place(payout, at),
        )
    ]


def record_submission_unknown(
    payout: Payout | None, command: RecordPayoutSubmissionUnknown, at: Occasion
) -> list[LedgerEvent]:
    """The call ended without an answer; a callback may have answered already."""
    if payout is None:
        raise PayoutNotFound
    if command.attempt != payout.attempt or payout.state is not PayoutState.SUBMITTING:
        return []
    return [
        PayoutSubmissionUnknown(attempt=payout.attempt, reason=command.reason, **_place(payout, at))
    ]


# What the provider reports.


def decide_report(
    payout: Payout | None, command: RecordPayoutReport, at: Occasion
) -> ReportDecision:
    """Decide a report on a payout. Raises `ReportDisagrees` where a person must look."""
    report = command.report
    if payout is None or report.paid != Money(
        amount=payout.legs.net, currency=payout.gross.currency
    ):
        raise ReportDisagrees
    match report.claim:
        case PayoutClaim.PENDING:
            return ReportDecision([], Verdict.IGNORED)
        case PayoutClaim.PAID:
            return _paid(payout, report, at)
        case PayoutClaim.FAILED:
            return _failed(payout, report, at)
        case PayoutClaim.RETURNED:
            return _returned(payout, report, at)
        case _:
            assert_never(report.claim)


def _paid(payout: Payout, report: PayoutReport, at: Occasion) -> ReportDecision:
    if report.provider_transaction is None:
        raise ReportDisagrees
    if report.provider_transaction in payout.paid:
        return ReportDecision([], Verdict.DUPLICATE)
    event = _payment_of(payout, report, report.provider_transaction, at)
    return ReportDecision([event], Verdict.APPLIED)


def _payment_of(payout: Payout, report: PayoutReport, transaction: str, at: Occasion) -> PayoutPaid:
    given_up = payout.state not in UNSENT | SENT
    legs = _net_alone(payout.legs) if payout.state is PayoutState.PAID else payout.legs
    return PayoutPaid(
        attempt=report.attempt,
        provider_transaction=transaction,
        paid_from=report.paid_from,
        given_up=given_up,
        entry=payout_paid(
            legs,
            currency=payout.gross.currency,
            creator_id=payout.creator_id,
            paid_from=report.paid_from,
            funds=CreatorFunds.AVAILABLE if given_up else CreatorFunds.IN_TRANSIT,
        ),
        **_place(payout, at, report),
    )


def _failed(payout: Payout, report: PayoutReport, at: Occasion) -> ReportDecision:
    if payout.state is PayoutState.PAID and report.attempt in payout.paid_attempts:
        claim = ("failed", report.provider_transaction)
        if claim in payout.contradictions:
            return ReportDecision([], Verdict.DUPLICATE)
        event: LedgerEvent = PayoutContradictionRecorded(
            state=payout.state,
            claim="failed",
            provider_transaction=report.provider_transaction,
            **_place(payout, at, report),
        )
        return ReportDecision([event], Verdict.APPLIED)
    if report.attempt > payout.attempt:
        # Of an attempt that we never made: the present one may still pay.
        raise ReportDisagrees
    if report.attempt < payout.attempt or payout.state not in SENT:
        return ReportDecision([], Verdict.DUPLICATE)
    reason = report.reason or "unspecified"
    place = _place(payout, at, report)
    event = (
        PayoutAttemptFailed(attempt=payout.attempt, reason=reason, **place)
        if report.retryable
        else PayoutFailed(reason=reason, entry=_back(payout), **place)
    )
    return ReportDecision([event], Verdict.APPLIED)


def _returned(payout: Payout, report: PayoutReport, at: Occasion) -> ReportDecision:
    transaction = report.provider_transaction
    if transaction is None:
        raise ReportDisagrees
    if transaction in payout.returned:
        return ReportDecision([], Verdict.DUPLICATE)
    events: list[LedgerEvent] = []
    if transaction not in payout.paid:
        paid = _payment_of(payout, report, transaction, at)
        events.append(paid)
        payout = evolve_payout(payout, paid)
    legs, paid_from = payout.paid[transaction]
    events.append(
        PayoutReturned(
            provider_transaction=transaction,
            reason=report.reason or "unspecified",
            entry=payout_returned(
                legs,
                currency=payout.gross.currency,
                creator_id=payout.creator_id,
                paid_from=paid_from,
            ),
            **_place(payout, at, report),
        )
    )
    return ReportDecision(events, Verdict.APPLIED)


def _back(payout: Payout) -> JournalEntry:
    return payout_given_back(
        payout.legs, currency=payout.gross.currency, creator_id=payout.creator_id
    )


def _place(
    payout: Payout, at: Occasion, report: PayoutReport | None = None, *, ahead: int = 1
) -> dict[str, Any]:
    return {
        "originator_id": payout.id,
        "originator_version": payout.version + ahead,
        "occurred_at": None if report is None else report.occurred_at,
        **at.stamp(),
    }
