"""A watch on what fans change: tiers, prepayments, pauses, ends. Unused time is credit, exactly."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from tests.ledger.subscriptions import purses, records
from tests.ledger.subscriptions.laws import Fields, Law
from tests.ledger.subscriptions.naive_calendar import local, moment, start
from tests.ledger.subscriptions.periods import open_invoice, settled
from tests.ledger.subscriptions.records import Share, Subscription

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tests.ledger.subscriptions.watch import Watch

QUOTE_HOLDS: Final = timedelta(minutes=15)
STEP: Final = 100
MINIMUM: Final = 1_000
"""What the provider of the simulation takes, in minor units."""

PERIODS_COMPARED: Final = 14
MICROSECOND: Final = timedelta(microseconds=1)


def _left(since: datetime, end: datetime, now: datetime) -> Fraction:
    return Fraction((end - max(since, min(now, end))) // MICROSECOND, (end - since) // MICROSECOND)


def _prepayment_invoiced(watch: Watch, sub: Subscription, fields: Fields) -> None:
    invoice = records.issued(fields, "prepayment", sub.price)
    invoice.count, invoice.expires_at = fields["count"], moment(fields["expires_at"])
    amount = sub.price["money"]["amount"] * fields["count"]
    watch.hold(
        Law.PAID,
        sub.id,
        holds=invoice.amount == amount and invoice.number == sub.number,
        how=f"{invoice} for {sub.price}",
    )
    open_invoice(watch, sub, invoice)


def _change_invoiced(watch: Watch, sub: Subscription, fields: Fields) -> None:
    invoice = records.issued(fields, "change", fields["price"])
    invoice.expires_at = moment(fields["expires_at"])
    lowest, highest = _due(sub, fields)
    watch.hold(
        Law.QUOTE,
        sub.id,
        holds=lowest - STEP < invoice.amount <= highest,
        how=f"{invoice.amount} is not between {float(lowest)} and {float(highest)}",
    )
    open_invoice(watch, sub, invoice)


def _due(sub: Subscription, fields: Fields) -> tuple[Fraction, Fraction]:
    """What a change to another price costs now, and what a quarter of an hour ago."""
    number, now = fields["number"], moment(fields["recorded_at"])
    since, end = sub.starts[number], sub.ends[number]
    more = fields["price"]["money"]["amount"] - sub.price["money"]["amount"]
    return more * _left(since, end, now), more * _left(since, end, now - QUOTE_HOLDS)


def _tier_changed(watch: Watch, sub: Subscription, fields: Fields) -> None:
    if fields["reason"] == "upgraded":
        _upgraded(watch, sub, fields)
    if fields["anchor"] is not None:
        _anchored_again(watch, sub, fields)
    else:
        watch.hold(
            Law.ANCHOR,
            sub.id,
            holds=sub.anchor is None or fields["price"]["interval"] == sub.price["interval"],
            how=f"{fields['price']} with the anchor of {sub.price}",
        )
    sub.price = fields["price"]


def _upgraded(watch: Watch, sub: Subscription, fields: Fields) -> None:
    if fields["invoice_id"] is None:
        watch.hold(
            Law.QUOTE,
            sub.id,
            holds=_due(sub, fields)[0] < MINIMUM,
            how=f"a change is free that costs {_due(sub, fields)}",
        )
        return
    number = fields["number"]
    now, end = moment(fields["recorded_at"]), sub.ends[number]
    begins = sub.starts[number]
    settled(watch, sub, fields, [(number, now, end)])
    sub.starts[number] = begins


def _anchored_again(watch: Watch, sub: Subscription, fields: Fields) -> None:
    anchor, before = fields["anchor"], sub.anchor
    assert before is not None
    begins = moment(anchor["at"])
    counted_in_months = before["interval"]["unit"] in {"month", "year"}
    day = before["day"] if counted_in_months else local(begins, sub.zone).day
    watch.hold(
        Law.ANCHOR,
        sub.id,
        holds=anchor["first"] == sub.number
        and begins == sub.begins
        and anchor["day"] == day
        and anchor["interval"] == fields["price"]["interval"],
        how=f"{anchor} after {before}, at {sub.begins}",
    )
    sub.anchor = anchor


def _prepayment_ended(watch: Watch, sub: Subscription, fields: Fields) -> None:
    number, anchor, before = fields["number"], fields["anchor"], sub.anchor
    assert before is not None
    for further in range(PERIODS_COMPARED):
        now, then = start(anchor, sub.number + further), start(before, number + further)
        watch.hold(Law.ANCHOR, sub.id, holds=now == then, how=f"{anchor}: {now}, and before {then}")
    _given_back(watch, sub, fields, lambda share: share.number >= number)
    sub.begins = sub.starts[number]
    for each in [each for each in sub.starts if each >= number]:
        del sub.starts[each], sub.ends[each]
    sub.anchor = anchor


def _paused(watch: Watch, sub: Subscription, fields: Fields) -> None:
    now = moment(fields["recorded_at"])
    if fields["reason"] == "now":
        _given_back(watch, sub, fields, lambda share: share.end > now)
    _over(watch, sub, "paused")
    sub.anchor = None


def _given_back(
    watch: Watch, sub: Subscription, fields: Fields, unused: Callable[[Share], bool]
) -> None:
    """Each payment gives back its part for the time that is not used, and that once."""
    now = moment(fields["recorded_at"])
    owed: dict[str, Fraction] = defaultdict(Fraction)
    for payment in sub.paid_with:
        for share in payment.shares:
            if not share.given_back and unused(share):
                share.given_back = True
                owed[payment.id] += _left(share.since, share.end, now) / share.parts
    for payment_id, fraction in owed.items():
        payment = watch.payments[payment_id]
        exact, given = payment.received * fraction, payment.given_back
        # Where the platform keeps its fee, only the creator's part can be given back.
        holds = given == int(exact) or (payment.keep_fee and given < exact)
        how = f"{given} of {payment.received} for {float(fraction)} of the time"
        watch.hold(Law.PRORATION, payment_id, holds=holds, how=how)
        payment.given_back = 0


def _over(watch: Watch, sub: Subscription, status: str) -> None:
    watch.hold(Law.ENDED, sub.id, holds=not sub.open, how=f"{status} with {list(sub.open)}")
    sub.status = status


def _cancelled(watch: Watch, sub: Subscription, _: Fields) -> None:
    _over(watch, sub, "cancelled")


def _expired(watch: Watch, sub: Subscription, fields: Fields) -> None:
    now, voided = moment(fields["recorded_at"]), sub.voided
    if fields["reason"] == "never_completed":
        in_time = sub.status == "incomplete" and sub.completes_by <= now
        watch.hold(Law.GRACE, sub.id, holds=in_time, how=f"given up at {now}")
    else:
        attempts = [] if voided is None else voided.attempts
        asked = any(each.origin == "clock" and each.pushed_at is not None for each in attempts)
        watch.hold(Law.PUSHED, sub.id, holds=asked, how=f"expired after {attempts}")
        grace_is_over = sub.grace_until is not None and sub.grace_until <= now
        watch.hold(Law.GRACE, sub.id, holds=grace_is_over, how=f"{now} before {sub.grace_until}")
    _over(watch, sub, "expired")


def _noted(watch: Watch, sub: Subscription, fields: Fields) -> None:
    purses.credit_note(watch, sub.id, fields)


def _method_changed(_: Watch, sub: Subscription, fields: Fields) -> None:
    sub.method = fields["method"]["kind"]


HEARD: Final = {
    "subscription.prepayment_invoiced.v1": _prepayment_invoiced,
    "subscription.change_invoiced.v1": _change_invoiced,
    "subscription.tier_changed.v1": _tier_changed,
    "subscription.prepayment_ended.v1": _prepayment_ended,
    "subscription.paused.v1": _paused,
    "subscription.cancelled.v1": _cancelled,
    "subscription.expired.v1": _expired,
    "subscription.credit_note_issued.v1": _noted,
    "subscription.payment_method_changed.v1": _method_changed,
}
