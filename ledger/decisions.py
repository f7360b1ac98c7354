"""From a command and the state it needs to events: every command by name.

A decision checks and returns events; it changes nothing. `evolve` is the other half: it applies an
event to the aggregate of its stream and never checks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, assert_never, cast, get_args

from ledger import (
    books,
    callbacks,
    catalog,
    creator,
    credit_refunds,
    disputes,
    fan,
    invoice_payments,
    payment,
    payout,
    proposals,
    refunds,
    subscribing,
)
from ledger.accounts import CreatorFunds, creator_funds
from ledger.callbacks import Verdict
from ledger.commands import (
    AddCapital,
    AddDestination,
    AdvanceSubscription,
    ApprovePayout,
    ApproveProposal,
    ArchiveTier,
    AskForRefund,
    AssignFeePlan,
    AttestPayoutFailure,
    AwaitConfirmation,
    BooksRequest,
    CancelPayment,
    CancelPayout,
    CancelSubscription,
    ChangePaymentMethod,
    ChangeTier,
    ChangeVerification,
    CloseCreator,
    ConfirmPhone,
    CreateTier,
    CreatorRequest,
    DeclineFanRefund,
    ExchangeCurrency,
    ExpirePayment,
    FanRequest,
    FundWallet,
    HoldFunds,
    HoldPayout,
    IgnoreCallback,
    InitiatePayment,
    IssueDocument,
    LedgerCommand,
    NoteDisputeEvidence,
    ParkCallback,
    PauseSubscription,
    PayInvoice,
    PaymentRequest,
    PayoutRequest,
    Prepay,
    Propose,
    PublishPrice,
    PublishTier,
    RecordBankCharge,
    RecordDisputeReport,
    RecordFeeReport,
    RecordPayoutReport,
    RecordPayoutSubmissionUnknown,
    RecordPayoutSubmitted,
    RecordRefundReport,
    RecordRefundSubmissionUnknown,
    RecordRefundSubmitted,
    RecordReport,
    RecordSettlement,
    RecordSubmissionUnknown,
    RecordSubmitted,
    RefundRequest,
    RegisterCreator,
    ReinstateCreator,
    RejectPayout,
    RejectProposal,
    ReleaseFunds,
    ReleaseHold,
    ReleasePayout,
    RemitTax,
    RemoveDestination,
    ReportRequest,
    RequestCreditRefund,
    RequestPayout,
    RequestRefund,
    ResumeSubscription,
    RevokeCancellation,
    SchedulePriceMigration,
    SetEmail,
    SetPayoutSchedule,
    SetTaxProfile,
    StartPayoutSubmission,
    StartPhoneConfirmation,
    StartRefundSubmission,
    StartSubmission,
    Subscribe,
    SuspendCreator,
    VerifyDestination,
    WithdrawEarnings,
    fan_stream,
)
from ledger.creator import evolve_creator
from ledger.draft import Draft
from ledger.errors import AlreadyExists
from ledger.events import (
    BooksEvent,
    CreatorEvent,
    DisputeEvent,
    DocumentIssued,
    FanEvent,
    LedgerEvent,
    Occasion,
    PaymentLifecycleEvent,
    PayoutEvent,
    ProposalEvent,
    RefundEvent,
    SubscriptionEvent,
    UnmatchedReceiptRecorded,
)
from ledger.payment import evolve_payment
from ledger.receipt import Receipt, evolve_receipt
from ledger.states import Aggregate, States
from ledger.subscription import Subscription, evolve_subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

__all__ = ["Aggregate", "Decision", "LedgerCommand", "States", "decide", "evolve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Events to append, the stream that the answer is about, and a callback's verdict."""

    events: list[LedgerEvent] = field(default_factory=list)
    stream: UUID | None = None
    verdict: Verdict | None = None


def decide(command: LedgerCommand, states: States, at: Occasion) -> Decision:
    """Decide one command on the state before it. Raises the `Refused` that applies."""
    decision = _decide(command, states, at)
    for event in decision.events:
        if event.originator_version == 1:
            kind, _ = _EVOLVE[type(event)]
            if not isinstance(states.anything(event.originator_id), kind | None):
                # The id of what would be new names something of another kind.
                raise AlreadyExists
    return decision


def _decide(command: LedgerCommand, states: States, at: Occasion) -> Decision:
    match command:
        case InitiatePayment(payment_id=stream):
            initiated = payment.initiate(
                states.creator(command.creator_id),
                command,
                at,
                fan=states.fan(fan_stream(command.fan_id)),
            )
            return _about(stream, initiated)
        case (
            RecordReport()
            | RecordFeeReport()
            | RecordRefundReport()
            | RecordDisputeReport()
            | RecordPayoutReport()
        ):
            return _decide_report(command, states, at)
        case ParkCallback():
            return Decision(verdict=Verdict.PARKED)
        case AwaitConfirmation():
            return Decision(verdict=Verdict.RETRYING)
        case IgnoreCallback():
            return Decision(verdict=Verdict.IGNORED)
        case (
            CancelPayment(payment_id=stream)
            | StartSubmission(payment_id=stream)
            | RecordSubmitted(payment_id=stream)
            | RecordSubmissionUnknown(payment_id=stream)
            | ExpirePayment(payment_id=stream)
            | ReleaseFunds(payment_id=stream)
            | AskForRefund(payment_id=stream)
            | DeclineFanRefund(payment_id=stream)
            | RequestRefund(payment_id=stream)
            | NoteDisputeEvidence(payment_id=stream)
        ):
            return _about(stream, _decide_payment(command, states, at))
        case RequestCreditRefund(payment_id=stream):
            about = states.payment(stream)
            return _about(stream, credit_refunds.request(about, command, states, at))
        case Subscribe(subscription_id=stream):
            draft = Draft(states, at)
            subscribing.subscribe(draft, states, command)
            return _about(stream, draft.events)
        case (
            PayInvoice(subscription_id=stream)
            | CancelSubscription(subscription_id=stream)
            | RevokeCancellation(subscription_id=stream)
            | PauseSubscription(subscription_id=stream)
            | ResumeSubscription(subscription_id=stream)
            | ChangeTier(subscription_id=stream)
            | Prepay(subscription_id=stream)
            | ChangePaymentMethod(subscription_id=stream)
            | AdvanceSubscription(subscription_id=stream)
        ):
            draft = Draft(states, at)
            subscribing.decide(draft, states.subscription(stream), command)
            return _about(stream, draft.events)
        case StartPhoneConfirmation() | ConfirmPhone() | SetEmail():
            return _about(fan_stream(command.fan_id), _decide_fan(command, states, at))
        case (
            StartRefundSubmission(stream_id=stream)
            | RecordRefundSubmitted(stream_id=stream)
            | RecordRefundSubmissionUnknown(stream_id=stream)
        ):
            return _about(stream, _decide_refund(command, states, at))
        case RequestPayout(payout_id=stream):
            return _about(stream, _request_payout(command, states, at))
        case (
            ApprovePayout(payout_id=stream)
            | HoldPayout(payout_id=stream)
            | ReleasePayout(payout_id=stream)
            | RejectPayout(payout_id=stream)
            | CancelPayout(payout_id=stream)
            | StartPayoutSubmission(payout_id=stream)
            | RecordPayoutSubmitted(payout_id=stream)
            | RecordPayoutSubmissionUnknown(payout_id=stream)
            | AttestPayoutFailure(payout_id=stream)
        ):
            return _about(stream, _decide_payout(command, states, at))
        case (
            Propose(proposal_id=stream)
            | ApproveProposal(proposal_id=stream)
            | RejectProposal(proposal_id=stream)
        ):
            return _about(stream, proposals.decide(command, states, at))
        case (
            RecordSettlement(fact_id=stream)
            | FundWallet(fact_id=stream)
            | RecordBankCharge(fact_id=stream)
            | RemitTax(fact_id=stream)
            | WithdrawEarnings(fact_id=stream)
            | AddCapital(fact_id=stream)
            | ExchangeCurrency(fact_id=stream)
        ):
            return _decide_fact(command, stream, states, at)
        case IssueDocument(series_id=stream):
            issued = books.issue(
                states.series(stream), command, at, claimed_by=states.claimed_by(command)
            )
            return _about(stream, [issued])
        case _:
            return _about(command.creator_id, _decide_creator(command, states, at))


def _decide_fact(command: BooksRequest, stream: UUID, states: States, at: Occasion) -> Decision:
    reported = command.inbox_entry is not None
    if reported and states.fact(stream) is not None:
        return Decision(stream=stream, verdict=Verdict.DUPLICATE)
    facts = books.state_fact(states.fact(stream), command, at)
    return Decision(events=facts, stream=stream, verdict=Verdict.APPLIED if reported else None)


def _about(stream: UUID, events: Iterable[LedgerEvent]) -> Decision:
    return Decision(events=list(events), stream=stream)


def _decide_creator(command: CreatorRequest, states: States, at: Occasion) -> list[LedgerEvent]:
    about = states.creator(command.creator_id)
    match command:
        case RegisterCreator():
            return creator.register(about, command, at)
        case AssignFeePlan():
            return creator.assign_fee_plan(about, command, at)
        case ChangeVerification():
            return creator.change_verification(about, command, at)
        case SuspendCreator():
            return creator.suspend(about, command, at)
        case ReinstateCreator():
            return creator.reinstate(about, command, at)
        case CloseCreator():
            return creator.close(about, command, at)
        case SetTaxProfile():
            return creator.set_tax_profile(about, command, at)
        case AddDestination():
            return creator.add_destination(about, command, at)
        case VerifyDestination():
            return creator.verify_destination(about, command, at)
        case RemoveDestination():
            return creator.remove_destination(about, command, at)
        case SetPayoutSchedule():
            return creator.set_payout_schedule(about, command, at)
        case HoldFunds():
            available = _available(command.creator_id, command.held.currency, states)
            return creator.hold_funds(about, command, available=available, at=at)
        case ReleaseHold():
            return creator.release_hold(about, command, at)
        case CreateTier():
            return list(catalog.create_tier(about, command, at))
        case PublishPrice():
            return list(catalog.publish_price(about, command, at))
        case PublishTier():
            return list(catalog.publish_tier(about, command, at))
        case ArchiveTier():
            return list(catalog.archive_tier(about, command, at))
        case SchedulePriceMigration():
            return list(catalog.schedule_price_migration(about, command, at))
        case _:
            assert_never(command)


def _available(creator_id: UUID, currency: str, states: States) -> int:
    return -states.balance(creator_funds(creator_id, CreatorFunds.AVAILABLE), currency)


def _decide_fan(command: FanRequest, states: States, at: Occasion) -> Iterable[LedgerEvent]:
    about = states.fan(fan_stream(command.fan_id))
    match command:
        case StartPhoneConfirmation():
            return fan.start_confirmation(about, command, at)
        case ConfirmPhone():
            return fan.confirm(about, command, at)
        case SetEmail():
            return fan.set_email(about, command, at)
        case _:
            assert_never(command)


def _decide_payment(command: PaymentRequest, states: States, at: Occasion) -> Iterable[LedgerEvent]:
    about = states.payment(command.payment_id)
    events = _decide_payment_alone(command, about, states, at)
    if about is None or about.invoice is None:
        return events
    return invoice_payments.follow(about, events, states, at, 0)


def _decide_payment_alone(
    command: PaymentRequest, about: payment.Payment | None, states: States, at: Occasion
) -> Iterable[LedgerEvent]:
    match command:
        case CancelPayment():
            return payment.cancel(about, command, at)
        case StartSubmission():
            if about is not None and about.invoice is not None:
                invoice_payments.check_submission(about, states, at)
            return payment.start_submission(about, command, at)
        case RecordSubmitted():
            return payment.record_submitted(about, command, at)
        case RecordSubmissionUnknown():
            return payment.record_submission_unknown(about, command, at)
        case ExpirePayment():
            return payment.expire(about, at)
        case ReleaseFunds():
            return payment.release_funds(about, at)
        case AskForRefund():
            return refunds.ask(about, command, at)
        case DeclineFanRefund():
            return refunds.decline(about, command, at)
        case RequestRefund():
            return refunds.request(about, command, at)
        case NoteDisputeEvidence():
            return disputes.note_evidence(about, command, at)
        case _:
            assert_never(command)


def _decide_refund(command: RefundRequest, states: States, at: Occasion) -> list[LedgerEvent]:
    owner = states.owner(command.stream_id)
    match command:
        case StartRefundSubmission():
            return refunds.start_submission(owner, command, at)
        case RecordRefundSubmitted():
            return refunds.record_submitted(owner, command, at)
        case RecordRefundSubmissionUnknown():
            return refunds.record_submission_unknown(owner, command, at)
        case _:
            assert_never(command)


def _request_payout(command: RequestPayout, states: States, at: Occasion) -> list[LedgerEvent]:
    return payout.request(
        states.creator(command.creator_id),
        states.payout(command.payout_id),
        command,
        available=_available(command.creator_id, command.terms.currency, states),
        at=at,
    )


def _decide_payout(command: PayoutRequest, states: States, at: Occasion) -> list[LedgerEvent]:
    about = states.payout(command.payout_id)
    match command:
        case ApprovePayout():
            return payout.approve(about, command, at)
        case HoldPayout():
            return payout.hold(about, command, at)
        case ReleasePayout():
            return payout.release(about, command, at)
        case RejectPayout():
            return payout.reject(about, command, at)
        case CancelPayout():
            return payout.cancel(about, command, at)
        case StartPayoutSubmission():
            return payout.start_submission(about, states.creator(command.creator_id), command, at)
        case RecordPayoutSubmitted():
            return payout.record_submitted(about, command, at)
        case RecordPayoutSubmissionUnknown():
            return payout.record_submission_unknown(about, command, at)
        case AttestPayoutFailure():
            return payout.attest_failure(about, command, at)
        case _:
            assert_never(command)


def _decide_report(command: ReportRequest, states: States, at: Occasion) -> Decision:
    match command:
        case RecordReport():
            about = states.payment(command.report.payment_id)
            decided = _decide_payment_report(command, about, states, at)
            stream = command.receipt_id if about is None else about.id
        case RecordFeeReport():
            stream = command.report.payment_id
            decided = disputes.decide_fee_report(states.payment(stream), command, at)
        case RecordRefundReport():
            stream = command.report.stream_id
            owner = states.owner(stream)
            decided = refunds.decide_report(owner, command, states, at)
            decided = _with_credit(owner, decided, states, at)
        case RecordDisputeReport():
            stream = command.report.payment_id
            owner = states.payment(stream)
            decided = disputes.decide_report(owner, command, at)
            decided = _with_credit(owner, decided, states, at)
        case RecordPayoutReport():
            stream = command.report.payout_id
            decided = payout.decide_report(states.payout(stream), command, at)
        case _:
            assert_never(command)
    return Decision(events=decided.events, stream=stream, verdict=decided.verdict)


def _decide_payment_report(
    command: RecordReport, about: payment.Payment | None, states: States, at: Occasion
) -> callbacks.ReportDecision:
    claimed_by = states.claimed_by(command)
    if about is None or about.invoice is None:
        return callbacks.decide_report(about, command, claimed_by=claimed_by, occasion=at)
    decided = callbacks.decide_report(
        about,
        command,
        claimed_by=claimed_by,
        as_credit=not invoice_payments.is_wanted(about, states, at),
        occasion=at,
    )
    delay = command.settlement_delay_seconds
    events = invoice_payments.follow(about, decided.events, states, at, delay)
    return callbacks.ReportDecision(events, decided.verdict)


def _with_credit(
    owner: payment.Payment | Receipt | None,
    decided: callbacks.ReportDecision,
    states: States,
    at: Occasion,
) -> callbacks.ReportDecision:
    if not isinstance(owner, payment.Payment) or owner.invoice is None:
        return decided
    events = invoice_payments.follow_reversal(owner, decided.events, states, at)
    return callbacks.ReportDecision(events, decided.verdict)


def evolve(aggregate: Aggregate | None, event: LedgerEvent) -> Aggregate:
    """Apply an event to the aggregate of its stream. Never checks."""
    if isinstance(aggregate, Receipt):
        # What befalls parked money befalls it on a payment's stream too.
        return evolve_receipt(aggregate, cast("Any", event))
    kind, evolve_kind = _EVOLVE[type(event)]
    assert aggregate is None or isinstance(aggregate, kind)  # noqa: S101 - one kind a stream
    return evolve_kind(aggregate, event)


_Kind = tuple[type[Aggregate], "Callable[[Any, Any], Aggregate]"]


def _table() -> dict[type, _Kind]:
    kinds: tuple[tuple[object, _Kind], ...] = (
        (PaymentLifecycleEvent, (payment.Payment, evolve_payment)),
        (RefundEvent, (payment.Payment, evolve_payment)),
        (DisputeEvent, (payment.Payment, evolve_payment)),
        (CreatorEvent, (creator.Creator, evolve_creator)),
        (FanEvent, (fan.Fan, fan.evolve_fan)),
        (SubscriptionEvent, (Subscription, evolve_subscription)),
        (PayoutEvent, (payout.Payout, payout.evolve_payout)),
        (ProposalEvent, (proposals.Proposal, proposals.evolve_proposal)),
        (BooksEvent, (books.Fact, books.evolve_fact)),
    )
    table: dict[type, _Kind] = {cls: kind for union, kind in kinds for cls in get_args(union)}
    table[UnmatchedReceiptRecorded] = (Receipt, evolve_receipt)
    table[DocumentIssued] = (books.DocumentSeries, books.evolve_series)
    return table


_EVOLVE: Final = _table()
"""The aggregate of a stream knows its own events; which aggregate, its first event says."""
