"""Disputes: warned, opened, closed in part or whole, reopened; and the fees for them.

An open dispute holds the creator's part of what it would take, by the two rules of
ledger/reversals.py; refunds that were not taken to the provider yet are failed when it opens.

twice           `duplicate`: the same stage again, or what is older than what we know.
too early       closed before it was opened: opened and closed in one turn. A fee that comes back
                before it was charged: both in one turn.
reopened        a new round, after a round that was won.
contradictory   closed otherwise than it was closed, or reopened after it was lost:
                `ContradictionRecorded`, nothing moves.
beyond          what is disputed beyond the payment is an expense when it is lost.
no payment      a payment that has no money yet, or none of ours: parked, for a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from ledger.callbacks import ReportDecision, Verdict
from ledger.errors import DisputeNotFound, NotInThisState, PaymentNotFound, ReportDisagrees
from ledger.events import (
    ContradictionRecorded,
    DisputeClosed,
    DisputeEvidenceNoted,
    DisputeFeeCharged,
    DisputeFeeReturned,
    DisputeOpened,
    DisputeWarned,
    LedgerEvent,
    Occasion,
    ProviderFeeRecorded,
)
from ledger.flows import Dispute, DisputeState, RefundState
from ledger.payment import Payment, PaymentState, evolve_payment
from ledger.postings import (
    dispute_closed,
    dispute_fee_charged,
    dispute_fee_returned,
    dispute_opened,
    provider_fee_charged,
)
from ledger.refunds import fail_unsent, take
from ledger.reversals import Reversal, allocate_reversal, given_to_creator, taken_from_creator

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.commands import (
        DisputeReport,
        FeeReport,
        NoteDisputeEvidence,
        RecordDisputeReport,
        RecordFeeReport,
    )
    from ledger.events import PaymentEvent


class _Story:
    """A payment and the events that are added to it one after another."""

    def __init__(self, payment: Payment, at: Occasion, occurred_at: datetime | None = None) -> None:
        self.payment = payment
        self.at = at
        self.events: list[LedgerEvent] = []
        self._occurred_at = occurred_at

    def place(self) -> dict[str, Any]:
        return {
            "originator_id": self.payment.id,
            "originator_version": self.payment.version + 1,
            "occurred_at": self._occurred_at,
            **self.at.stamp(),
        }

    def add(self, event: PaymentEvent) -> None:
        self.events.append(event)
        self.payment = evolve_payment(self.payment, event)


def decide_report(
    payment: Payment | None, command: RecordDisputeReport, at: Occasion
) -> ReportDecision:
    """Decide a report on a dispute. Raises `ReportDisagrees` where a person must look."""
    report = command.report
    if (
        payment is None
        or payment.state is not PaymentState.SUCCEEDED
        or report.disputed.currency != payment.money.currency
    ):
        raise ReportDisagrees
    known = payment.flows.disputes.get(report.dispute)
    story = _Story(payment, at, report.occurred_at)
    match report.stage:
        case "warned":
            if known is not None:
                return ReportDecision([], Verdict.DUPLICATE)
            story.add(
                DisputeWarned(dispute=report.dispute, disputed=report.disputed, **story.place())
            )
        case "opened" | "reopened":
            if known is not None and not _opens(known, report):
                return _not_opened(story, report, known)
            _open(story, report, known)
        case "closed":
            return _closed(story, report, known)
        case _:
            assert_never(report.stage)
    return ReportDecision(story.events, Verdict.APPLIED)


def _opens(known: Dispute, report: DisputeReport) -> bool:
    if known.state is DisputeState.WARNED:
        return True
    if known.state is DisputeState.OPEN or known.lost_last:
        return False
    if report.occurred_at is None or known.reported_at is None:
        return report.stage == "reopened"
    return _newer(report, known)


def _newer(report: DisputeReport, known: Dispute) -> bool:
    said, before = report.occurred_at, known.reported_at
    return said is not None and before is not None and said > before


def _older(report: DisputeReport, known: Dispute) -> bool:
    said, before = report.occurred_at, known.reported_at
    return said is not None and before is not None and said < before


def _not_opened(story: _Story, report: DisputeReport, known: Dispute) -> ReportDecision:
    if report.stage == "reopened" and known.lost_last and _newer(report, known):
        return _contradict_once(story, "dispute_reopened", report)
    return ReportDecision([], Verdict.DUPLICATE)


def _open(story: _Story, report: DisputeReport, known: Dispute | None) -> None:
    for refund in story.payment.flows.refunds.values():
        if refund.state is RefundState.REQUESTED and refund.returns is None:
            story.add(fail_unsent(story.payment, refund, story.at))
    payment = story.payment
    reversal, creator = take(payment.flows, report.disputed.amount)
    beyond = report.disputed.amount > payment.flows.not_taken()
    story.add(
        DisputeOpened(
            dispute=report.dispute,
            round=1 if known is None else known.round + 1,
            disputed=report.disputed,
            funds_withdrawn=report.funds_withdrawn,
            legs=reversal.legs,
            excess=reversal.excess,
            entry=dispute_opened(
                reversal,
                creator,
                currency=payment.money.currency,
                provider=payment.provider,
                creator_id=payment.creator_id,
                funds_withdrawn=report.funds_withdrawn,
            ),
            **story.place(),
        )
    )
    if beyond:
        _contradict(story, "dispute_beyond_payment", report)


def _closed(story: _Story, report: DisputeReport, known: Dispute | None) -> ReportDecision:
    lost = report.lost_amount
    if lost is None:
        raise ReportDisagrees
    closed = known is not None and known.state is DisputeState.CLOSED
    if known is not None and (closed or known.round > 1) and _older(report, known):
        # Of an earlier round, or told before: the present one does not end by it.
        return ReportDecision([], Verdict.DUPLICATE)
    if known is not None and closed:
        if known.lost_last == lost:
            return ReportDecision([], Verdict.DUPLICATE)
        if known.lost_last or not _newer(report, known):
            # No new round can have followed: what was lost is not disputed again.
            return _contradict_once(story, f"dispute_closed_{lost}", report)
    if known is None or known.state is not DisputeState.OPEN:
        _open(story, report, known)
    dispute = story.payment.flows.disputes[report.dispute]
    if lost > dispute.money.amount:
        raise ReportDisagrees
    _close(story, dispute, lost)
    return ReportDecision(story.events, Verdict.APPLIED)


def _close(story: _Story, dispute: Dispute, lost: int) -> None:
    payment = story.payment
    gone = allocate_reversal(lost, dispute.legs)
    won = Reversal(dispute.legs.minus(gone.legs), dispute.excess - gone.excess)
    story.add(
        DisputeClosed(
            dispute=dispute.name,
            round=dispute.round,
            lost_amount=lost,
            legs=gone.legs,
            excess=gone.excess,
            entry=dispute_closed(
                gone,
                won,
                given_to_creator(won.legs.net, released=payment.flows.released),
                currency=payment.money.currency,
                provider=payment.provider,
                creator_id=payment.creator_id,
                funds_withdrawn=dispute.funds_withdrawn,
            ),
            **story.place(),
        )
    )


def _contradict_once(story: _Story, claim: str, report: DisputeReport) -> ReportDecision:
    if (claim, report.dispute) in story.payment.contradictions:
        return ReportDecision([], Verdict.DUPLICATE)
    _contradict(story, claim, report)
    return ReportDecision(story.events, Verdict.APPLIED)


def _contradict(story: _Story, claim: str, report: DisputeReport) -> None:
    story.add(
        ContradictionRecorded(
            state=story.payment.state,
            claim=claim,
            provider_transaction=report.dispute,
            **story.place(),
        )
    )


def note_evidence(
    payment: Payment | None, command: NoteDisputeEvidence, at: Occasion
) -> list[LedgerEvent]:
    """Note what was sent to the provider.

    Raises `PaymentNotFound`, `DisputeNotFound` or `NotInThisState` once it is closed.
    """
    if payment is None:
        raise PaymentNotFound
    dispute = payment.flows.disputes.get(command.dispute)
    if dispute is None:
        raise DisputeNotFound
    if dispute.state is DisputeState.CLOSED:
        raise NotInThisState(state=dispute.state)
    story = _Story(payment, at)
    story.add(DisputeEvidenceNoted(dispute=command.dispute, note=command.note, **story.place()))
    return story.events


def decide_fee_report(
    payment: Payment | None, command: RecordFeeReport, at: Occasion
) -> ReportDecision:
    """Decide a report of a provider's fee. Raises `ReportDisagrees` where a person must look."""
    report = command.report
    if payment is None:
        raise ReportDisagrees
    story = _Story(payment, at, report.occurred_at)
    if report.dispute is not None:
        return _dispute_fee(story, report, report.dispute, command)
    if report.returned:
        raise ReportDisagrees
    if report.fee_reference in payment.flows.provider_fees:
        return ReportDecision([], Verdict.DUPLICATE)
    story.add(
        ProviderFeeRecorded(
            provider=report.provider,
            fee_reference=report.fee_reference,
            fee=report.fee,
            entry=provider_fee_charged(report.fee, provider=report.provider),
            **story.place(),
        )
    )
    return ReportDecision(story.events, Verdict.APPLIED)


def _dispute_fee(
    story: _Story, report: FeeReport, name: str, command: RecordFeeReport
) -> ReportDecision:
    known = story.payment.flows.dispute_fees.get((name, report.fee_reference))
    if known is not None and (known.returned or not report.returned):
        return ReportDecision([], Verdict.DUPLICATE)
    if known is None:
        payment = story.payment
        creator_pays = (
            command.borne_by == "creator"
            and payment.state is PaymentState.SUCCEEDED
            and report.fee.currency == payment.money.currency
        )
        leg = taken_from_creator(report.fee.amount, pending=payment.flows.pending)
        story.add(
            DisputeFeeCharged(
                dispute=name,
                fee_reference=report.fee_reference,
                fee=report.fee,
                borne_by="creator" if creator_pays else "platform",
                entry=dispute_fee_charged(
                    report.fee,
                    leg if creator_pays else None,
                    provider=report.provider,
                    creator_id=payment.creator_id,
                ),
                **story.place(),
            )
        )
    if report.returned:
        _return_fee(story, report, name)
    return ReportDecision(story.events, Verdict.APPLIED)


def _return_fee(story: _Story, report: FeeReport, name: str) -> None:
    payment = story.payment
    charged = payment.flows.dispute_fees[name, report.fee_reference]
    if charged.money != report.fee:
        raise ReportDisagrees
    leg = (
        given_to_creator(report.fee.amount, released=payment.flows.released)
        if charged.borne_by == "creator"
        else None
    )
    story.add(
        DisputeFeeReturned(
            dispute=name,
            fee_reference=report.fee_reference,
            fee=report.fee,
            entry=dispute_fee_returned(
                report.fee, leg, provider=report.provider, creator_id=payment.creator_id
            ),
            **story.place(),
        )
    )
