"""What would a payment's facts have posted under another fee? The same facts, decided anew.

A payment's stream is told again from its beginning, with another split between its creator and the
platform. What the outside did stays as it was: how much the fan paid, what was refunded, disputed,
lost, credited or charged, and when. Who bore it is decided anew, by the functions with which it had
been decided (ledger/postings.py), on the payment as it would have been by then:

    money received, receipts allocated, credit spent    shared by the other split
    refunds, disputes, unused time credited             over what would have remained of each part,
                                                        by rule 2 of ledger/reversals.py
    the creator's part of them                          of what would have been pending, by rule 1
    release                                             of what would have been pending
    all others                                          as they were: no fee is part of them

Nothing is guessed. `cannot_be_reposted` says of which facts it would have to be: then the whole
payment has to stay as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.accounts import FanFunds, provider_of
from ledger.events import (
    CreditSpent,
    DisputeClosed,
    DisputeFeeCharged,
    DisputeFeeReturned,
    DisputeOpened,
    FundsReleased,
    InvoicePaymentInitiated,
    PaymentInitiated,
    PaymentSucceeded,
    ReceiptsAllocated,
    RefundFailed,
    RefundReopenedAsFailed,
    RefundReopenedAsSucceeded,
    RefundRequested,
    UnusedTimeCredited,
)
from ledger.postings import (
    credit_spent,
    dispute_closed,
    dispute_fee_charged,
    dispute_fee_returned,
    dispute_opened,
    funds_released,
    payment_received,
    receipts_allocated,
    refund_reopened_as_succeeded,
    refund_requested,
    split_gross,
    unused_time_credited,
)
from ledger.refunds import came_back, given_up, take
from ledger.reversals import Reversal, allocate_reversal, given_to_creator, taken_from_creator

if TYPE_CHECKING:
    from ledger.events import PaymentEvent
    from ledger.journal_entry import JournalEntry
    from ledger.money import Money, Split
    from ledger.payment import Payment
    from ledger.postings import FeePlan

Beginning = PaymentInitiated | InvoicePaymentInitiated | CreditSpent
"""What a payment's stream begins with: here plan and split are frozen."""


def begun_under(event: Beginning, plan: FeePlan) -> Beginning:
    """The same beginning under another plan. Raises `FeePlanExceedsPayment`."""
    split = split_gross(event.money.amount, plan)
    if not isinstance(event, CreditSpent):
        return event.model_copy(update={"plan": plan, "split": split})
    entry = credit_spent(
        split, currency=event.money.currency, fan_id=event.fan_id, creator_id=event.creator_id
    )
    return event.model_copy(update={"plan": plan, "split": split, "entry": entry})


def repost(payment: Payment, event: PaymentEvent) -> PaymentEvent:
    """The same fact as it would be recorded of `payment`, which may be shared otherwise.

    Raises `FeePlanExceedsPayment` for receipts that the plan leaves less than nothing of.
    """
    match event:
        case PaymentSucceeded():
            return event.model_copy(update={"entry": _received(payment, event)})
        case ReceiptsAllocated():
            return _allocated(payment, event)
        case FundsReleased():
            return _released(payment, event)
        case RefundRequested() | RefundReopenedAsSucceeded():
            return _refunded(payment, event)
        case RefundFailed() | RefundReopenedAsFailed():
            return event.model_copy(update={"entry": _not_refunded(payment, event)})
        case UnusedTimeCredited():
            return _unused(payment, event)
        case DisputeOpened():
            return _opened(payment, event)
        case DisputeClosed():
            return _closed(payment, event)
        case DisputeFeeCharged() | DisputeFeeReturned():
            return event.model_copy(update={"entry": _dispute_fee(payment, event)})
        case _:
            return event


def cannot_be_reposted(payment: Payment, event: PaymentEvent) -> bool:
    """Whether another fee could have led to another fact than this one of the present `payment`.

    Where the platform keeps its fee, the fee decides how much can be refunded or credited at all.
    Who asked for less or more of it than there would have been is not known.
    """
    if not payment.plan.keep_fee:
        return False
    asked = isinstance(event, RefundRequested) and event.origin != "provider"
    return asked or isinstance(event, UnusedTimeCredited)


def _received(payment: Payment, event: PaymentSucceeded) -> JournalEntry:
    return payment_received(
        payment.split,
        currency=payment.money.currency,
        provider=event.provider,
        creator_id=payment.creator_id,
    )


def _allocated(payment: Payment, event: ReceiptsAllocated) -> ReceiptsAllocated:
    split = split_gross(event.money.amount, payment.plan)
    # How much each receipt was lies on the streams of those, and here in the entry.
    receipts = [
        (posting.account.removeprefix("suspense:"), posting.amount)
        for posting in event.entry.postings
        if posting.account.startswith("suspense:")
    ]
    entry = receipts_allocated(
        receipts, split, currency=event.money.currency, creator_id=payment.creator_id
    )
    return event.model_copy(update={"split": split, "entry": entry})


def _released(payment: Payment, event: FundsReleased) -> FundsReleased:
    amount = payment.flows.pending
    entry = None
    if amount:
        entry = funds_released(
            amount, currency=payment.money.currency, creator_id=payment.creator_id
        )
    return event.model_copy(update={"amount": amount, "entry": entry})


def _refunded(
    payment: Payment, event: RefundRequested | RefundReopenedAsSucceeded
) -> RefundRequested | RefundReopenedAsSucceeded:
    if isinstance(event, RefundRequested):
        reversal, creator = take(payment.flows, event.refunded.amount)
        entry = refund_requested(
            reversal,
            creator,
            currency=event.refunded.currency,
            creator_id=payment.creator_id,
        )
    else:
        refund = payment.flows.refunds[event.refund_id]
        if refund.from_credit or refund.returns is not None:
            return event
        reversal, creator = take(payment.flows, refund.money.amount)
        entry = refund_reopened_as_succeeded(
            reversal,
            creator,
            currency=refund.money.currency,
            paid_from=event.paid_from,
            creator_id=payment.creator_id,
        )
    return event.model_copy(update={**_parts(reversal), "entry": entry})


def _not_refunded(payment: Payment, event: RefundFailed | RefundReopenedAsFailed) -> JournalEntry:
    refund = payment.flows.refunds[event.refund_id]
    if refund.from_credit or refund.returns is not None:
        return event.entry
    if isinstance(event, RefundFailed):
        return given_up(payment, refund)
    assert refund.paid_from is not None  # noqa: S101 - what was reopened had succeeded
    return came_back(payment, refund, refund.paid_from)


def _unused(payment: Payment, event: UnusedTimeCredited) -> UnusedTimeCredited:
    reversal, creator = take(payment.flows, event.money.amount)
    entry = unused_time_credited(
        reversal,
        creator,
        currency=event.money.currency,
        fan_id=payment.fan_id,
        creator_id=payment.creator_id,
        funds=FanFunds(event.source),
    )
    return event.model_copy(update={"legs": reversal.legs, "entry": entry})


def _opened(payment: Payment, event: DisputeOpened) -> DisputeOpened:
    reversal, creator = take(payment.flows, event.disputed.amount)
    entry = dispute_opened(
        reversal,
        creator,
        currency=payment.money.currency,
        provider=payment.provider,
        creator_id=payment.creator_id,
        funds_withdrawn=event.funds_withdrawn,
    )
    return event.model_copy(update={**_parts(reversal), "entry": entry})


def _closed(payment: Payment, event: DisputeClosed) -> DisputeClosed:
    dispute = payment.flows.disputes[event.dispute]
    gone = allocate_reversal(event.lost_amount, dispute.legs)
    won = Reversal(dispute.legs.minus(gone.legs), dispute.excess - gone.excess)
    entry = dispute_closed(
        gone,
        won,
        given_to_creator(won.legs.net, released=payment.flows.released),
        currency=payment.money.currency,
        provider=payment.provider,
        creator_id=payment.creator_id,
        funds_withdrawn=dispute.funds_withdrawn,
    )
    return event.model_copy(update={**_parts(gone), "entry": entry})


def _dispute_fee(payment: Payment, event: DisputeFeeCharged | DisputeFeeReturned) -> JournalEntry:
    provider = _provider_in(event.entry)
    fee: Money = event.fee
    if isinstance(event, DisputeFeeCharged):
        if event.borne_by != "creator":
            return event.entry
        leg = taken_from_creator(fee.amount, pending=payment.flows.pending)
        return dispute_fee_charged(fee, leg, provider=provider, creator_id=payment.creator_id)
    if payment.flows.dispute_fees[event.dispute, event.fee_reference].borne_by != "creator":
        return event.entry
    leg = given_to_creator(fee.amount, released=payment.flows.released)
    return dispute_fee_returned(fee, leg, provider=provider, creator_id=payment.creator_id)


def _provider_in(entry: JournalEntry) -> str:
    found = (provider_of(posting.account) for posting in entry.postings)
    return next(each for each in found if each is not None)


def _parts(reversal: Reversal) -> dict[str, Split | int]:
    return {"legs": reversal.legs, "excess": reversal.excess}
