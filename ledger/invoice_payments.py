"""What a payment does to the invoice that it is for, in the same turn.

    succeeded, and the invoice wants just that     the invoice is paid
    succeeded, and it is closed or wants another   the fan's credit, which may pay what is open
    ended without money                            the attempt failed: dunning
    too little, too much, another currency         as with every payment (ledger/callbacks.py)
    the provider took back what became credit      the credit is taken back, as far as it is there

So money that was received pays the period or becomes credit, and is never lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.accounts import FanFunds, fan_funds
from ledger.draft import Draft
from ledger.dunning import allowed_at
from ledger.errors import SubmissionNotAllowed
from ledger.events import (
    CreditRestored,
    CreditTakenBack,
    DisputeClosed,
    PaymentCancelled,
    PaymentExpired,
    PaymentFailed,
    PaymentMismatched,
    PaymentReceivedAsCredit,
    PaymentSucceeded,
    PaymentVoided,
    ReceiptsAllocated,
    ReceiptsCredited,
    RefundFailed,
    RefundReopenedAsFailed,
    RefundReopenedAsSucceeded,
    RefundSucceeded,
)
from ledger.invoices import attempt_failed, pay_by_credit, settle, void
from ledger.postings import credit_restored, credit_taken_back

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.events import LedgerEvent, Occasion
    from ledger.payment import Payment
    from ledger.states import States
    from ledger.subscription import Invoice, Subscription


def _invoice_of(payment: Payment, states: States) -> tuple[Subscription, Invoice] | None:
    of = payment.invoice
    sub = None if of is None else states.subscription(of.subscription_id)
    invoice = None if of is None or sub is None else sub.open_invoice(of.invoice_id)
    return None if sub is None or invoice is None else (sub, invoice)


def is_wanted(payment: Payment, states: States, at: Occasion) -> bool:
    """Whether the invoice is open, and this payment is just what is left of it."""
    found = _invoice_of(payment, states)
    if found is None:
        return False
    _, invoice = found
    in_time = invoice.expires_at is None or at.recorded_at < invoice.expires_at
    return in_time and invoice.cash == payment.money.amount


def check_submission(payment: Payment, states: States, at: Occasion) -> None:
    """Raise `SubmissionNotAllowed` for a prompt that is not wanted, or not at this hour."""
    found = _invoice_of(payment, states)
    live = None if found is None else found[1].live
    if found is None or live is None or live.payment_id != payment.id:
        raise SubmissionNotAllowed(state="not wanted any more")
    sub = found[0]
    by_itself = live.origin == "clock"
    if by_itself and allowed_at(at.recorded_at, method=sub.method, zone=sub.zone) > at.recorded_at:
        raise SubmissionNotAllowed(state="for the day")


def follow(
    payment: Payment, events: Iterable[LedgerEvent], states: States, at: Occasion, delay: int
) -> list[LedgerEvent]:
    """A payment's events, and what they do to its invoice; `delay` is the settlement delay."""
    draft = Draft(states, at)
    for event in events:
        draft.take(event)
        match event:
            case PaymentSucceeded() | ReceiptsAllocated():
                _paid(draft, payment, delay)
            case PaymentReceivedAsCredit() | ReceiptsCredited():
                _became_credit(draft, payment, delay)
            case PaymentFailed() | PaymentCancelled() | PaymentVoided():
                attempt_failed(draft, payment, reason=event.reason)
            case PaymentExpired():
                attempt_failed(draft, payment, reason="expired")
            case PaymentMismatched():
                attempt_failed(draft, payment, reason="mismatched")
            case _:
                pass
    return draft.events


def follow_reversal(
    payment: Payment, events: Iterable[LedgerEvent], states: States, at: Occasion
) -> list[LedgerEvent]:
    """Reports on refunds and disputes, and what they do to credit that the payment had brought.

    What a provider takes beyond the parts of a payment is an expense; where that is money which had
    become the fan's credit, it is the credit that is gone.
    """
    draft = Draft(states, at)
    decided = list(events)
    for event in decided:
        draft.take(event)
    for event in decided:
        match event:
            case RefundSucceeded() | RefundReopenedAsSucceeded():
                refund = draft.flows_of(payment).refunds[event.refund_id]
                beyond = 0 if refund.from_credit or refund.returns else refund.excess
                _take_back(draft, payment, f"refund:{refund.id}", beyond)
            case RefundFailed() | RefundReopenedAsFailed():
                _restore(draft, payment, f"refund:{event.refund_id}")
            case DisputeClosed():
                dispute = draft.flows_of(payment).disputes[event.dispute]
                beyond = dispute.lost - dispute.lost_legs.gross
                _take_back(draft, payment, f"dispute:{dispute.name}", beyond)
            case _:
                pass
    return draft.events


def _take_back(draft: Draft, payment: Payment, cause: str, beyond: int) -> None:
    flows = draft.flows_of(payment)
    credit = fan_funds(payment.fan_id, FanFunds.CREDIT)
    there = -draft.balance(credit, payment.money.currency)
    amount = min(beyond - flows.taken_back.get(cause, 0), flows.credit_left(), there)
    if amount > 0:
        money = payment.money.model_copy(update={"amount": amount})
        entry = credit_taken_back(money, fan_id=payment.fan_id)
        draft.record(CreditTakenBack, payment.id, cause=cause, money=money, entry=entry)


def _restore(draft: Draft, payment: Payment, cause: str) -> None:
    if amount := draft.flows_of(payment).taken_back.get(cause, 0):
        money = payment.money.model_copy(update={"amount": amount})
        entry = credit_restored(money, fan_id=payment.fan_id)
        draft.record(CreditRestored, payment.id, cause=cause, money=money, entry=entry)


def _paid(draft: Draft, payment: Payment, delay: int) -> None:
    assert payment.invoice is not None  # noqa: S101 - the caller has looked
    settle(draft, payment.invoice.subscription_id, payment.invoice.invoice_id, (payment.id,), delay)


def _became_credit(draft: Draft, payment: Payment, delay: int) -> None:
    assert payment.invoice is not None  # noqa: S101 - the caller has looked
    sub = draft.subscription(payment.invoice.subscription_id)
    order = sub.order
    if order is not None and order.id == payment.invoice.invoice_id:
        void(draft, sub.id, order.id, "expired")
    pay_by_credit(draft, sub.id, delay)
