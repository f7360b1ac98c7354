"""Commands about money after its success, with sensible values: see tests/builders.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from ledger.accounts import collection, disbursement
from ledger.commands import (
    AddDestination,
    ApprovePayout,
    ApproveProposal,
    AskForRefund,
    AttestPayoutFailure,
    CancelPayout,
    ChangeVerification,
    CloseCreator,
    DeclineFanRefund,
    DisputeReport,
    FeeReport,
    HoldFunds,
    HoldPayout,
    IdempotencyKey,
    NoteDisputeEvidence,
    PayoutClaim,
    PayoutReport,
    PayoutTerms,
    Propose,
    RecordDisputeReport,
    RecordFeeReport,
    RecordPayoutReport,
    RecordPayoutSubmissionUnknown,
    RecordPayoutSubmitted,
    RecordRefundReport,
    RecordRefundSubmissionUnknown,
    RecordRefundSubmitted,
    RefundClaim,
    RefundReport,
    ReinstateCreator,
    RejectPayout,
    RejectProposal,
    ReleaseFunds,
    ReleaseHold,
    ReleasePayout,
    RemoveDestination,
    RequestPayout,
    RequestRefund,
    SetPayoutSchedule,
    SetTaxProfile,
    StartPayoutSubmission,
    StartRefundSubmission,
    SuspendCreator,
    VerifyDestination,
)
from ledger.events import AnyAction
from ledger.money import Money
from tests.builders import PROVIDER, envelope, kes, natural_key

REASON: Final = "as agreed"
PAYOUT_TERMS: Final = PayoutTerms(
    provider=PROVIDER,
    currency="KES",
    step=1,
    minimum=1,
    maximum=10**15,
    fixed_fee=0,
    fee_basis_points=0,
    vat_basis_points=0,
    approvals_required=1,
)


def by(actor: str, key: IdempotencyKey | None = None) -> dict[str, Any]:
    """What every command carries, from this person."""
    return {**envelope(key), "actor": actor}


# Refunds and releases.


def release_funds(payment_id: UUID) -> ReleaseFunds:
    return ReleaseFunds(payment_id=payment_id, **envelope(natural_key()))


def request_refund(
    payment_id: UUID,
    amount: int | None = None,
    *,
    refund_id: UUID | None = None,
    creator_id: UUID | None = None,
    request_id: UUID | None = None,
    currency: str = "KES",
    step: int = 1,
) -> RequestRefund:
    return RequestRefund(
        payment_id=payment_id,
        refund_id=refund_id or uuid4(),
        creator_id=creator_id,
        money=None if amount is None else Money(amount=amount, currency=currency),
        reason=REASON,
        request_id=request_id,
        step=step,
        **envelope(None),
    )


def ask_for_refund(
    payment_id: UUID, fan_id: UUID, *, request_id: UUID | None = None
) -> AskForRefund:
    return AskForRefund(
        payment_id=payment_id,
        request_id=request_id or uuid4(),
        fan_id=fan_id,
        wish="not_received",
        **envelope(None),
    )


def decline_fan_refund(
    payment_id: UUID, request_id: UUID, *, creator_id: UUID | None = None
) -> DeclineFanRefund:
    return DeclineFanRefund(
        payment_id=payment_id,
        request_id=request_id,
        creator_id=creator_id,
        reason=REASON,
        **envelope(None),
    )


def start_refund(
    stream_id: UUID, refund_id: UUID, *, claim: UUID | None = None
) -> StartRefundSubmission:
    return StartRefundSubmission(
        stream_id=stream_id,
        refund_id=refund_id,
        claim=claim or uuid4(),
        deadline_seconds=15,
        **envelope(natural_key()),
    )


def refund_submitted(stream_id: UUID, refund_id: UUID) -> RecordRefundSubmitted:
    return RecordRefundSubmitted(
        stream_id=stream_id,
        refund_id=refund_id,
        provider_reference="R-1",
        **envelope(natural_key()),
    )


def refund_unknown(stream_id: UUID, refund_id: UUID) -> RecordRefundSubmissionUnknown:
    return RecordRefundSubmissionUnknown(
        stream_id=stream_id, refund_id=refund_id, reason="timed_out", **envelope(natural_key())
    )


def report_refund(
    stream_id: UUID | None,
    refund_id: UUID | None,
    amount: int,
    claim: RefundClaim = RefundClaim.SUCCEEDED,
    *,
    provider_refund: str | None = None,
    currency: str = "KES",
    paid_from: str = collection(PROVIDER),
    occurred_at: datetime | None = None,
) -> RecordRefundReport:
    return RecordRefundReport(
        report=RefundReport(
            provider=PROVIDER,
            stream_id=stream_id,
            refund_id=refund_id,
            claim=claim,
            provider_refund=provider_refund or f"RF-{refund_id or uuid4()}",
            refunded=Money(amount=amount, currency=currency),
            paid_from=paid_from,
            reason="refused" if claim is RefundClaim.FAILED else None,
            occurred_at=occurred_at,
        ),
        **envelope(natural_key()),
    )


def without_name(command: RecordRefundReport) -> RecordRefundReport:
    """The same, by a provider that does not say what it calls the refund."""
    return replace(command, report=replace(command.report, provider_refund=None))


# Disputes and fees.


def report_dispute(
    payment_id: UUID | None,
    stage: Literal["warned", "opened", "closed", "reopened"],
    amount: int,
    *,
    dispute: str = "D-1",
    lost: int | None = None,
    funds_withdrawn: bool = True,
    currency: str = "KES",
    occurred_at: datetime | None = None,
) -> RecordDisputeReport:
    return RecordDisputeReport(
        report=DisputeReport(
            provider=PROVIDER,
            payment_id=payment_id,
            dispute=dispute,
            stage=stage,
            disputed=Money(amount=amount, currency=currency),
            lost_amount=lost,
            funds_withdrawn=funds_withdrawn,
            occurred_at=occurred_at,
        ),
        **envelope(natural_key()),
    )


def note_evidence(payment_id: UUID, dispute: str = "D-1") -> NoteDisputeEvidence:
    return NoteDisputeEvidence(
        payment_id=payment_id, dispute=dispute, note="sent the delivery note", **envelope(None)
    )


def report_fee(
    payment_id: UUID | None,
    amount: int,
    *,
    fee_reference: str | None = None,
    dispute: str | None = None,
    returned: bool = False,
    borne_by: Literal["creator", "platform"] = "platform",
    currency: str = "KES",
) -> RecordFeeReport:
    return RecordFeeReport(
        report=FeeReport(
            provider=PROVIDER,
            payment_id=payment_id,
            fee_reference=fee_reference or f"F-{uuid4()}",
            fee=Money(amount=amount, currency=currency),
            dispute=dispute,
            returned=returned,
        ),
        borne_by=borne_by,
        **envelope(natural_key()),
    )


# Creators.


def verify_creator(
    creator_id: UUID,
    verification: Literal["unverified", "submitted", "verified", "rejected"] = "verified",
) -> ChangeVerification:
    return ChangeVerification(
        creator_id=creator_id, verification=verification, reason=None, **envelope(None)
    )


def suspend_creator(creator_id: UUID) -> SuspendCreator:
    return SuspendCreator(creator_id=creator_id, reason=REASON, **envelope(None))


def reinstate_creator(creator_id: UUID) -> ReinstateCreator:
    return ReinstateCreator(creator_id=creator_id, reason=REASON, **envelope(None))


def close_creator(creator_id: UUID) -> CloseCreator:
    return CloseCreator(creator_id=creator_id, reason=REASON, **envelope(None))


def set_tax_profile(creator_id: UUID, withholding_basis_points: int = 500) -> SetTaxProfile:
    return SetTaxProfile(
        creator_id=creator_id,
        country="KE",
        withholding_basis_points=withholding_basis_points,
        tax_number=None,
        **envelope(None),
    )


def add_destination(
    creator_id: UUID,
    destination_id: UUID,
    *,
    cooling_seconds: int = 0,
    actor: str = "creator:editor",
) -> AddDestination:
    return AddDestination(
        creator_id=creator_id,
        destination_id=destination_id,
        provider=PROVIDER,
        account=uuid4(),
        cooling_seconds=cooling_seconds,
        **by(actor),
    )


def verify_destination(creator_id: UUID, destination_id: UUID) -> VerifyDestination:
    return VerifyDestination(creator_id=creator_id, destination_id=destination_id, **envelope(None))


def remove_destination(creator_id: UUID, destination_id: UUID) -> RemoveDestination:
    return RemoveDestination(creator_id=creator_id, destination_id=destination_id, **envelope(None))


def set_payout_schedule(
    creator_id: UUID,
    destination_id: UUID | None,
    interval: Literal["weekly", "monthly"] | None = "weekly",
    *,
    day: int = 1,
    minimum: int = 1,
) -> SetPayoutSchedule:
    return SetPayoutSchedule(
        creator_id=creator_id,
        interval=interval,
        day=day,
        destination_id=destination_id,
        minimum=minimum,
        **envelope(None),
    )


def hold_funds(
    creator_id: UUID, amount: int, expires_at: datetime, *, hold_id: UUID | None = None
) -> HoldFunds:
    return HoldFunds(
        creator_id=creator_id,
        hold_id=hold_id or uuid4(),
        held=kes(amount),
        reason=REASON,
        expires_at=expires_at,
        **envelope(None),
    )


def release_hold(creator_id: UUID, hold_id: UUID, *, expired: bool = False) -> ReleaseHold:
    return ReleaseHold(creator_id=creator_id, hold_id=hold_id, expired=expired, **envelope(None))


# Payouts.


def request_payout(
    creator_id: UUID,
    destination_id: UUID,
    amount: int | None = None,
    *,
    payout_id: UUID | None = None,
    terms: PayoutTerms = PAYOUT_TERMS,
    actor: str = "creator:requester",
    scheduled: bool = False,
    scheduled_minimum: int = 0,
) -> RequestPayout:
    return RequestPayout(
        payout_id=payout_id or uuid4(),
        creator_id=creator_id,
        destination_id=destination_id,
        amount=amount,
        terms=terms,
        scheduled=scheduled,
        scheduled_minimum=scheduled_minimum,
        **by(actor),
    )


def approve_payout(payout_id: UUID, actor: str = "admin:one") -> ApprovePayout:
    return ApprovePayout(payout_id=payout_id, **by(actor))


def hold_payout(payout_id: UUID) -> HoldPayout:
    return HoldPayout(payout_id=payout_id, reason=REASON, **envelope(None))


def release_payout(payout_id: UUID) -> ReleasePayout:
    return ReleasePayout(payout_id=payout_id, **envelope(None))


def reject_payout(payout_id: UUID) -> RejectPayout:
    return RejectPayout(payout_id=payout_id, reason=REASON, **envelope(None))


def cancel_payout(payout_id: UUID, creator_id: UUID) -> CancelPayout:
    return CancelPayout(payout_id=payout_id, creator_id=creator_id, **envelope(None))


def start_payout(
    payout_id: UUID, creator_id: UUID, *, claim: UUID | None = None
) -> StartPayoutSubmission:
    return StartPayoutSubmission(
        payout_id=payout_id,
        creator_id=creator_id,
        claim=claim or uuid4(),
        deadline_seconds=15,
        **envelope(natural_key()),
    )


def payout_submitted(payout_id: UUID, attempt: int = 1) -> RecordPayoutSubmitted:
    return RecordPayoutSubmitted(
        payout_id=payout_id,
        attempt=attempt,
        provider_reference="P-1",
        **envelope(natural_key()),
    )


def payout_unknown(payout_id: UUID, attempt: int = 1) -> RecordPayoutSubmissionUnknown:
    return RecordPayoutSubmissionUnknown(
        payout_id=payout_id, attempt=attempt, reason="timed_out", **envelope(natural_key())
    )


def attest_failure(payout_id: UUID, actor: str = "admin:one") -> AttestPayoutFailure:
    return AttestPayoutFailure(
        payout_id=payout_id, evidence="not in the provider's statement", **by(actor)
    )


def report_payout(
    payout_id: UUID | None,
    net: int,
    claim: PayoutClaim = PayoutClaim.PAID,
    *,
    attempt: int = 1,
    transaction: str | None = None,
    retryable: bool = False,
    currency: str = "KES",
    paid_from: str = disbursement(PROVIDER),
    occurred_at: datetime | None = None,
) -> RecordPayoutReport:
    return RecordPayoutReport(
        report=PayoutReport(
            provider=PROVIDER,
            payout_id=payout_id,
            attempt=attempt,
            claim=claim,
            paid=Money(amount=net, currency=currency),
            paid_from=paid_from,
            provider_transaction=transaction or f"PT-{payout_id}",
            reason="refused" if claim is PayoutClaim.FAILED else None,
            retryable=retryable,
            occurred_at=occurred_at,
        ),
        **envelope(natural_key()),
    )


def without_transaction(command: RecordPayoutReport) -> RecordPayoutReport:
    """The same, by a provider that does not say what it calls the transaction."""
    return replace(command, report=replace(command.report, provider_transaction=None))


# Proposals.


def propose(
    action: AnyAction,
    *,
    proposal_id: UUID | None = None,
    second_person_above: int = 10**15,
    actor: str = "admin:one",
) -> Propose:
    return Propose(
        proposal_id=proposal_id or uuid4(),
        action=action,
        second_person_above=second_person_above,
        **by(actor),
    )


def approve_proposal(
    proposal_id: UUID, action: AnyAction, actor: str = "admin:two"
) -> ApproveProposal:
    return ApproveProposal(proposal_id=proposal_id, action=action, **by(actor))


def reject_proposal(proposal_id: UUID, actor: str = "admin:two") -> RejectProposal:
    return RejectProposal(proposal_id=proposal_id, reason=REASON, **by(actor))
