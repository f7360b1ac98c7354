"""From a command and the state it needs to events: every command by name.

A decision checks and returns events; it changes nothing. `evolve` is the other half: it applies an
event to the aggregate of its stream and never checks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from ledger import callbacks, creator, payment
from ledger.callbacks import Verdict
from ledger.commands import (
    AssignFeePlan,
    CancelPayment,
    Command,
    ExpirePayment,
    InitiatePayment,
    ParkCallback,
    RecordReport,
    RecordSubmissionUnknown,
    RecordSubmitted,
    RegisterCreator,
    StartSubmission,
)
from ledger.creator import Creator, evolve_creator
from ledger.events import (
    CreatorRegistered,
    FeePlanAssigned,
    LedgerEvent,
    Occasion,
    PaymentEvent,
    UnmatchedReceiptRecorded,
)
from ledger.payment import Payment, evolve_payment
from ledger.receipt import Receipt, evolve_receipt

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

Aggregate = Creator | Payment | Receipt

LedgerCommand = (
    RegisterCreator
    | AssignFeePlan
    | InitiatePayment
    | CancelPayment
    | StartSubmission
    | RecordSubmitted
    | RecordSubmissionUnknown
    | ExpirePayment
    | RecordReport
    | ParkCallback
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Events to append, the stream that the answer is about, and a callback's verdict."""

    events: list[LedgerEvent] = field(default_factory=list)
    stream: UUID | None = None
    verdict: Verdict | None = None


class States:
    """The aggregates that a turn sees, by stream; absent ones do not exist."""

    def __init__(
        self, aggregates: Mapping[UUID, Aggregate], claims: Mapping[tuple[str, str], UUID]
    ) -> None:
        self._aggregates = aggregates
        self._claims = claims

    def creator(self, stream: UUID) -> Creator | None:
        """The creator with this id, if the stream is a creator's."""
        found = self._aggregates.get(stream)
        return found if isinstance(found, Creator) else None

    def payment(self, stream: UUID | None) -> Payment | None:
        """The payment with this id, if the stream is a payment's."""
        found = None if stream is None else self._aggregates.get(stream)
        return found if isinstance(found, Payment) else None

    def claimed_by(self, command: Command) -> UUID | None:
        """The stream that has one of the command's natural keys already."""
        for key in command.natural_keys():
            if (stream := self._claims.get((key.scope, key.key))) is not None:
                return stream
        return None


def decide(command: LedgerCommand, states: States, at: Occasion) -> Decision:
    """Decide one command on the state before it. Raises the `Refused` that applies."""
    match command:
        case RegisterCreator(creator_id=stream):
            events = creator.register(states.creator(stream), command, at)
            return Decision(events=list(events), stream=stream)
        case AssignFeePlan(creator_id=stream):
            events = creator.assign_fee_plan(states.creator(stream), command, at)
            return Decision(events=list(events), stream=stream)
        case InitiatePayment(payment_id=stream):
            initiated = payment.initiate(states.creator(command.creator_id), command, at)
            return Decision(events=list(initiated), stream=stream)
        case RecordReport():
            return _decide_report(command, states, at)
        case ParkCallback():
            return Decision(verdict=Verdict.PARKED)
        case _:
            about = states.payment(command.payment_id)
            return Decision(
                events=list(_decide_payment(command, about, at)), stream=command.payment_id
            )


def _decide_payment(
    command: CancelPayment
    | StartSubmission
    | RecordSubmitted
    | RecordSubmissionUnknown
    | ExpirePayment,
    about: Payment | None,
    at: Occasion,
) -> list[PaymentEvent]:
    match command:
        case CancelPayment():
            return payment.cancel(about, command, at)
        case StartSubmission():
            return payment.start_submission(about, command, at)
        case RecordSubmitted():
            return payment.record_submitted(about, command, at)
        case RecordSubmissionUnknown():
            return payment.record_submission_unknown(about, command, at)
        case ExpirePayment():
            return payment.expire(about, at)
        case _:
            assert_never(command)


def _decide_report(command: RecordReport, states: States, at: Occasion) -> Decision:
    about = states.payment(command.report.payment_id)
    events, verdict = callbacks.decide_report(
        about, command, claimed_by=states.claimed_by(command), occasion=at
    )
    stream = command.receipt_id if about is None else about.id
    return Decision(events=events, stream=stream, verdict=verdict)


def evolve(aggregate: Aggregate | None, event: LedgerEvent) -> Aggregate:
    """Apply an event to the aggregate of its stream. Never checks."""
    match event:
        case CreatorRegistered() | FeePlanAssigned():
            assert aggregate is None or isinstance(aggregate, Creator)  # noqa: S101 - one kind a stream
            return evolve_creator(aggregate, event)
        case UnmatchedReceiptRecorded():
            assert aggregate is None or isinstance(aggregate, Receipt)  # noqa: S101 - one kind a stream
            return evolve_receipt(aggregate, event)
        case _:
            assert aggregate is None or isinstance(aggregate, Payment)  # noqa: S101 - one kind a stream
            return evolve_payment(aggregate, event)
