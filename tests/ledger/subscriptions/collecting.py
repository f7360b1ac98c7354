"""A watch on how invoices are collected: prompts by day, one at a time, grace from the first."""

from __future__ import annotations

from datetime import time, timedelta
from typing import TYPE_CHECKING, Final

from tests.ledger.subscriptions.laws import Fields, Law
from tests.ledger.subscriptions.naive_calendar import local, moment
from tests.ledger.subscriptions.records import Payment, Subscription

if TYPE_CHECKING:
    from datetime import datetime

    from tests.ledger.subscriptions.watch import Watch

OPENS, CLOSES = time(8), time(20)
THREE_HOURS, WEEK = timedelta(hours=3), timedelta(days=7)
NOT_REACHED: Final = {"never_received", "provider_unreachable"}


def _attempted(watch: Watch, sub: Subscription, fields: Fields) -> None:
    payment, invoice = watch.payments[fields["payment_id"]], sub.open.get(fields["invoice_id"])
    payment.origin, payment.attempted_at = fields["origin"], moment(fields["recorded_at"])
    if invoice is None:
        watch.broken(Law.ENDED, sub.id, f"{fields['invoice_id']} is attempted and is not open")
        return
    watch.hold(
        Law.PAID,
        sub.id,
        holds=payment.amount == invoice.cash == fields["money"]["amount"] > 0,
        how=f"{payment.amount} is asked for {invoice}",
    )
    if payment.method != "till":
        live = [each for each in invoice.attempts if not each.ended and each.method != "till"]
        watch.hold(Law.ONE_PROMPT, sub.id, holds=not live, how=f"{payment} beside {live}")
    if payment.origin == "clock":
        _by_itself(watch, sub, payment, payment.attempted_at)
        pushes = [each.pushed_at for each in invoice.attempts if each.origin == "clock"]
        last = max((each for each in pushes if each is not None), default=None)
        watch.hold(
            Law.APART,
            sub.id,
            holds=last is None or last + THREE_HOURS <= payment.attempted_at,
            how=f"{payment} after {last}",
        )
    invoice.attempts.append(payment)


def _by_itself(watch: Watch, sub: Subscription, payment: Payment, now: datetime) -> None:
    hour = local(now, sub.zone).time()
    by_day = payment.method == "card" or OPENS <= hour < CLOSES
    watch.hold(Law.HOURS, sub.id, holds=by_day, how=f"{payment} at {hour} in {sub.zone}")


def _attempt_failed(watch: Watch, sub: Subscription, fields: Fields) -> None:
    payment = watch.payments[fields["payment_id"]]
    pushed_at = None if fields["pushed_at"] is None else moment(fields["pushed_at"])
    payment.pushed_at = pushed_at
    asked = payment.started_at is not None and fields["reason"] not in NOT_REACHED
    declined = payment.started_at is None and fields["reason"] not in {*NOT_REACHED, "expired"}
    meant = payment.started_at if asked else moment(fields["recorded_at"]) if declined else None
    how = f"{payment} failed by {fields['reason']} and was pushed at {pushed_at}, not {meant}"
    watch.hold(Law.PUSHED, sub.id, holds=pushed_at == meant, how=how)


def _past_due(watch: Watch, sub: Subscription, fields: Fields) -> None:
    sub.status = "past_due"
    sub.grace_until = None
    if fields["grace_until"] is None:
        return
    sub.grace_until = moment(fields["grace_until"])
    invoice = sub.open[fields["invoice_id"]]
    asked = [each.pushed_at for each in invoice.attempts if each.origin == "clock"]
    pushes = [each for each in asked if each is not None]
    if not pushes:
        watch.broken(Law.PUSHED, sub.id, f"past due, with attempts {invoice.attempts}")
        return
    latest = min(pushes) + WEEK
    if invoice.start is not None and invoice.end is not None:
        half = (invoice.end - invoice.start) / 2
        latest = min(latest, min(pushes) + half, invoice.end)
        exact = sub.grace_until == latest
    else:
        exact = min(pushes) < sub.grace_until <= latest
    how = f"until {sub.grace_until}, not {latest}"
    watch.hold(Law.GRACE, sub.id, holds=exact, how=how)


def _recovered(_: Watch, sub: Subscription, __: Fields) -> None:
    sub.status, sub.grace_until = "active", None


def _reserved(watch: Watch, sub: Subscription, fields: Fields) -> None:
    invoice = sub.open[fields["invoice_id"]]
    invoice.credit += fields["credit"]
    invoice.goodwill += fields["goodwill"]
    watch.purses[sub.fan].keep(credit=fields["credit"], goodwill=fields["goodwill"])


def _submitted(watch: Watch, payment: Payment, fields: Fields) -> None:
    sub, now = watch.subscriptions[payment.subscription], moment(fields["recorded_at"])
    payment.started_at = now
    invoice = sub.open.get(payment.invoice)
    watch.hold(
        Law.ENDED,
        sub.id,
        holds=invoice is not None and payment in invoice.attempts and not payment.ended,
        how=f"{payment} goes out, and {sub.status} has open {list(sub.open)}",
    )
    if payment.origin == "clock":
        _by_itself(watch, sub, payment, now)


def _ended(_: Watch, payment: Payment, __: Fields) -> None:
    payment.ended = True


HEARD: Final = {
    "subscription.invoice_attempted.v1": _attempted,
    "subscription.invoice_attempt_failed.v1": _attempt_failed,
    "subscription.past_due.v1": _past_due,
    "subscription.recovered.v1": _recovered,
    "subscription.credit_reserved.v1": _reserved,
}
HEARD_OF_PAYMENTS: Final = {
    "payment.submission_started.v1": _submitted,
    "payment.failed.v1": _ended,
    "payment.cancelled.v1": _ended,
    "payment.voided.v1": _ended,
    "payment.expired.v1": _ended,
}
