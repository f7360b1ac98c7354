"""What was paid for time that will not be used becomes the fan's credit: proration.

Each payment gives back its part for the time that is left: its amount × time left ÷ time that it
was for, rounded down, and never more than what can still be reversed of it. Who had shared the
payment gives it back by rule 2 (ledger/reversals.py).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal
from uuid import uuid5

from ledger.events import CreditNoteIssued, PrepaymentEnded
from ledger.money import Money
from ledger.refunds import credit_back

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from ledger.draft import Draft
    from ledger.payment import Payment
    from ledger.subscription import PaidPeriod, Share

MICROSECOND: Final = timedelta(microseconds=1)

Reason = Literal["paused", "prepayment_ended"]


def part_left(*, since: datetime, end: datetime, now: datetime) -> Fraction:
    """Which part of the time from `since` to `end` is left, from 0 to 1."""
    left = end - max(since, min(now, end))
    return Fraction(left // MICROSECOND, (end - since) // MICROSECOND)


def end_prepayment(draft: Draft, sub_id: UUID) -> None:
    """Periods that are paid and have not begun become credit; the next begins when this one ends.

    Their numbers are not used again: the anchor stays where it is, and counts on from there. What
    began at the end of a gap in the clocks of its zone would else always begin at that hour.
    """
    sub = draft.subscription(sub_id)
    ahead = [each for each in sub.periods if each.start > draft.now]
    if not ahead or sub.anchor is None:
        return
    credit_periods(draft, sub_id, ahead, "prepayment_ended")
    number = ahead[0].number
    first = sub.anchor.first + sub.next_number - number
    anchor = sub.anchor.model_copy(update={"first": first})
    draft.record(PrepaymentEnded, sub_id, number=number, anchor=anchor)


def credit_periods(draft: Draft, sub_id: UUID, periods: list[PaidPeriod], reason: Reason) -> None:
    """Credit what is left of these paid periods, payment by payment, with a note an invoice."""
    left: dict[UUID, Fraction] = defaultdict(Fraction)
    notes: dict[UUID, int] = defaultdict(int)
    invoices: dict[UUID, UUID] = {}
    for paid in periods:
        for share in paid.shares:
            left[share.payment_id] += _fraction(share, paid, draft.now)
            invoices[share.payment_id] = paid.invoice_id
    version = draft.subscription(sub_id).version
    for payment_id, fraction in left.items():
        payment = draft.payment(payment_id)
        assert payment is not None  # noqa: S101 - what paid a period exists
        note_id = uuid5(invoices[payment_id], f"credit:{version}")
        notes[invoices[payment_id]] += _credit(draft, payment, fraction, note_id)
    currency = draft.subscription(sub_id).currency
    for invoice_id, amount in notes.items():
        if amount:
            draft.record(
                CreditNoteIssued,
                sub_id,
                credit_note_id=uuid5(invoice_id, f"credit:{version}"),
                invoice_id=invoice_id,
                money=Money(amount=amount, currency=currency),
                reason=reason,
            )


def _fraction(share: Share, paid: PaidPeriod, now: datetime) -> Fraction:
    return part_left(since=share.since, end=paid.end, now=now) / share.parts


def _credit(draft: Draft, payment: Payment, fraction: Fraction, note_id: UUID) -> int:
    amount = min(int(payment.money.amount * fraction), payment.flows.refundable())
    if amount <= 0:
        return 0
    money = payment.money.model_copy(update={"amount": amount})
    draft.take(credit_back(payment, money, note_id, draft.at))
    return amount
