"""The naive readings of the posting rules: what the laws must notice.

A `NaiveHistory` decides as the ledger does, then rewrites what was decided before it happens. So
the readings go through everything that the ledger's own decisions go through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ledger.accounts import CreatorFunds, creator_funds
from ledger.decisions import evolve
from ledger.events import (
    DisputeClosed,
    DisputeFeeCharged,
    DisputeFeeReturned,
    DisputeOpened,
    FundsReleased,
    LedgerEvent,
    RefundFailed,
    RefundReopenedAsFailed,
    RefundReopenedAsSucceeded,
    RefundRequested,
)
from ledger.journal_entry import entry
from ledger.payment import Payment
from ledger.postings import (
    dispute_opened,
    funds_released,
    refund_reopened_as_succeeded,
    refund_requested,
)
from ledger.reversals import allocate_reversal, taken_from_creator
from tests.ledger.given import History

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.decisions import Aggregate, Decision, LedgerCommand

Reading = Callable[[Payment, LedgerEvent], LedgerEvent]
"""From a payment before an event, and the event, to what a naive ledger would have decided."""

TAKES = (RefundRequested, RefundReopenedAsSucceeded, DisputeOpened, DisputeFeeCharged)
GIVES_BACK = (RefundFailed, RefundReopenedAsFailed, DisputeClosed, DisputeFeeReturned)


class NaiveHistory(History):
    """A history in which payments' events are decided by a naive reading."""

    def __init__(self, reading: Reading) -> None:
        super().__init__()
        self.reading = reading

    def decide(self, command: LedgerCommand) -> Decision:
        decision = super().decide(command)
        changed: dict[UUID, Aggregate] = {}
        events: list[LedgerEvent] = []
        for decided in decision.events:
            stream, event = decided.originator_id, decided
            before = changed.get(stream) or self.aggregates.get(stream)
            if isinstance(before, Payment):
                event = self.reading(before, decided)
            changed[stream] = evolve(before, event)
            events.append(event)
        return replace(decision, events=events)


def always_from_available(payment: Payment, event: LedgerEvent) -> LedgerEvent:
    """What is pending is never touched: it is released later anyhow."""
    if not isinstance(event, TAKES):
        return event
    return _another_way(payment, event, CreatorFunds.PENDING, CreatorFunds.AVAILABLE)


def always_from_pending(payment: Payment, event: LedgerEvent) -> LedgerEvent:
    """Money goes out the way it came in."""
    if not isinstance(event, TAKES):
        return event
    return _another_way(payment, event, CreatorFunds.AVAILABLE, CreatorFunds.PENDING)


def always_back_to_pending(payment: Payment, event: LedgerEvent) -> LedgerEvent:
    """What is given back waits again, though the release was once and for all."""
    if not isinstance(event, GIVES_BACK):
        return event
    return _another_way(payment, event, CreatorFunds.AVAILABLE, CreatorFunds.PENDING)


def release_of_the_full_net(payment: Payment, event: LedgerEvent) -> LedgerEvent:
    """The net was earned, so the net is released."""
    net = payment.split.net
    if not isinstance(event, FundsReleased) or net == 0:
        return event
    released = funds_released(net, currency=payment.money.currency, creator_id=payment.creator_id)
    return event.model_copy(update={"amount": net, "entry": released})


def refunds_over_the_original_split(payment: Payment, event: LedgerEvent) -> LedgerEvent:
    """Each refund is a part of the whole payment."""
    if isinstance(event, RefundRequested):
        amount = event.refunded.amount
    elif isinstance(event, RefundReopenedAsSucceeded):
        refund = payment.flows.refunds[event.refund_id]
        if refund.returns is not None:
            return event
        amount = refund.money.amount
    else:
        return event
    reversal = allocate_reversal(amount, payment.flows.parts)
    creator = taken_from_creator(reversal.legs.net, pending=payment.flows.pending)
    currency, creator_id = payment.money.currency, payment.creator_id
    posted = (
        refund_requested(reversal, creator, currency=currency, creator_id=creator_id)
        if isinstance(event, RefundRequested)
        else refund_reopened_as_succeeded(
            reversal,
            creator,
            currency=currency,
            paid_from=event.paid_from,
            creator_id=creator_id,
        )
    )
    legs = {"legs": reversal.legs, "excess": reversal.excess, "entry": posted}
    return event.model_copy(update=legs)


def disputes_apart_from_refunds(payment: Payment, event: LedgerEvent) -> LedgerEvent:
    """A dispute is about the payment, whatever was refunded of it."""
    if not isinstance(event, DisputeOpened):
        return event
    left = payment.flows.parts
    for dispute in payment.flows.disputes.values():
        left = left.minus(dispute.taken)
    reversal = allocate_reversal(event.disputed.amount, left)
    posted = dispute_opened(
        reversal,
        taken_from_creator(reversal.legs.net, pending=payment.flows.pending),
        currency=payment.money.currency,
        provider=payment.provider,
        creator_id=payment.creator_id,
        funds_withdrawn=event.funds_withdrawn,
    )
    legs = {"legs": reversal.legs, "excess": reversal.excess, "entry": posted}
    return event.model_copy(update=legs)


def _another_way(
    payment: Payment, event: LedgerEvent, way: CreatorFunds, instead: CreatorFunds
) -> LedgerEvent:
    """The same entry, but that the creator's part goes another way instead."""
    posted = event.journal_entry
    if posted is None:
        return event
    names = {creator_funds(payment.creator_id, way): creator_funds(payment.creator_id, instead)}
    legs: dict[str, int] = {}
    for posting in posted.postings:
        account = names.get(posting.account, posting.account)
        legs[account] = legs.get(account, 0) + posting.amount
    changed = entry(posted.postings[0].currency, *legs.items())
    return event.model_copy(update={"entry": changed})
