"""A watch on periods: numbered, tiled, on the calendar of their anchor, paid or skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.ledger.subscriptions import records
from tests.ledger.subscriptions.laws import Fields, Law
from tests.ledger.subscriptions.naive_calendar import local, moment, start
from tests.ledger.subscriptions.records import Invoice, Share, Subscription

if TYPE_CHECKING:
    from datetime import datetime

    from tests.ledger.subscriptions.watch import Watch


def _trial(_: Watch, sub: Subscription, fields: Fields) -> None:
    sub.status = "trialing"
    sub.trial_ends_at = moment(fields["ends_at"])


def _anchored(watch: Watch, sub: Subscription, fields: Fields) -> None:
    anchor, now = fields["anchor"], moment(fields["recorded_at"])
    begins = now if sub.trial_ends_at is None else max(sub.trial_ends_at, now)
    begins = now if sub.status == "paused" else begins
    watch.hold(
        Law.ANCHOR,
        sub.id,
        holds=anchor["first"] == sub.number
        and moment(anchor["at"]) == begins
        and anchor["day"] == local(begins, sub.zone).day
        and anchor["zone"] == sub.zone
        and anchor["interval"] == sub.price["interval"],
        how=f"{anchor} for period {sub.number} that begins at {begins}",
    )
    sub.status = "active"
    sub.anchor = anchor
    sub.begins = moment(anchor["at"])


def _first_invoiced(watch: Watch, sub: Subscription, fields: Fields) -> None:
    _opened(watch, sub, records.issued(fields, "first", fields["price"]))


def _renewal_invoiced(watch: Watch, sub: Subscription, fields: Fields) -> None:
    invoice = records.issued(fields, "renewal", fields["price"])
    invoice.start, invoice.end = moment(fields["start"]), moment(fields["end"])
    watch.hold(
        Law.LATE,
        sub.id,
        holds=moment(fields["recorded_at"]) < invoice.end,
        how=f"period {invoice.number} was over at {invoice.end}, invoiced {fields['recorded_at']}",
    )
    watch.hold(
        Law.PAID,
        sub.id,
        holds=invoice.price == sub.price and fields["money"] == sub.price["money"],
        how=f"period {invoice.number} is invoiced at {fields['money']}, not at {sub.price}",
    )
    _on_the_calendar(watch, sub, invoice.number, invoice.start, invoice.end)
    _opened(watch, sub, invoice)


def _opened(watch: Watch, sub: Subscription, invoice: Invoice) -> None:
    watch.hold(
        Law.NUMBERS,
        sub.id,
        holds=invoice.number == sub.number and sub.open_period() is None,
        how=f"period {invoice.number} is invoiced where {sub.number} is due, {sub.open_period()}",
    )
    watch.hold(
        Law.ENDED,
        sub.id,
        holds=sub.status != "paused",
        how=f"period {invoice.number} is invoiced in a pause",
    )
    open_invoice(watch, sub, invoice)


def open_invoice(watch: Watch, sub: Subscription, invoice: Invoice) -> None:
    """Note an open invoice; what was void may be issued again, what is settled may not."""
    watch.hold(
        Law.NUMBERS,
        sub.id,
        holds=invoice.id not in sub.settled and invoice.id not in sub.open,
        how=f"invoice {invoice.id} is issued again",
    )
    sub.open[invoice.id] = invoice
    watch.purses[sub.fan].keep(credit=invoice.credit, goodwill=invoice.goodwill)


def _on_the_calendar(
    watch: Watch, sub: Subscription, number: int, begins: datetime, ends: datetime
) -> None:
    place = f"{sub.id} period {number}"
    assert sub.anchor is not None
    meant = (start(sub.anchor, number), start(sub.anchor, number + 1))
    watch.hold(
        Law.CALENDAR, place, holds=(begins, ends) == meant, how=f"{begins} to {ends}, not {meant}"
    )
    watch.hold(
        Law.TILES, place, holds=begins == sub.begins, how=f"begins at {begins}, not {sub.begins}"
    )


def _skipped(watch: Watch, sub: Subscription, fields: Fields) -> None:
    begins, ends = moment(fields["start"]), moment(fields["end"])
    watch.hold(
        Law.NUMBERS,
        sub.id,
        holds=fields["number"] == sub.number and sub.open_period() is None,
        how=f"period {fields['number']} is skipped where {sub.number} is due",
    )
    watch.hold(
        Law.LATE,
        sub.id,
        holds=ends <= moment(fields["recorded_at"]),
        how=f"period {fields['number']} is skipped before it is over",
    )
    _on_the_calendar(watch, sub, fields["number"], begins, ends)
    _go_on(sub, fields["number"] + 1, ends)


def _go_on(sub: Subscription, number: int, begins: datetime) -> None:
    sub.number, sub.begins = number, begins


def _voided(watch: Watch, sub: Subscription, fields: Fields) -> None:
    invoice = sub.open.pop(fields["invoice_id"], None)
    if invoice is None:
        watch.broken(Law.PAID, sub.id, f"{fields['invoice_id']} is void and was not open")
        return
    sub.voided = invoice
    watch.purses[sub.fan].keep(credit=-invoice.credit, goodwill=-invoice.goodwill)
    if fields["reason"] != "not_collected" or invoice.end is None:
        return
    asked = any(each.origin == "clock" and each.pushed_at for each in invoice.attempts)
    watch.hold(
        Law.LATE,
        sub.id,
        holds=invoice.end <= moment(fields["recorded_at"]) and not asked,
        how=f"period {invoice.number} is given up; asked: {asked}",
    )
    sub.settled.add(invoice.id)
    _go_on(sub, invoice.number + 1, invoice.end)


def _paid(watch: Watch, sub: Subscription, fields: Fields) -> None:
    begins, ends, number = moment(fields["start"]), moment(fields["end"]), fields["number"]
    invoice = settled(watch, sub, fields, [(number, begins, ends)])
    watch.hold(
        Law.NUMBERS,
        sub.id,
        holds=invoice is not None and invoice.number == number == sub.number,
        how=f"period {number} is paid where {sub.number} is due",
    )
    _on_the_calendar(watch, sub, number, begins, ends)
    _go_on(sub, number + 1, ends)


def _prepaid(watch: Watch, sub: Subscription, fields: Fields) -> None:
    number, count = fields["number"], fields["count"]
    begins = [moment(each) for each in fields["starts"]]
    ends = [*begins[1:], moment(fields["end"])]
    paid = [(number + i, begins[i], ends[i]) for i in range(count)]
    invoice = settled(watch, sub, fields, paid)
    watch.hold(
        Law.NUMBERS,
        sub.id,
        holds=invoice is not None
        and (invoice.number, invoice.count) == (number, count)
        and number == sub.number
        and sub.open_period() is None
        and len(begins) == count,
        how=f"{count} periods from {number} are prepaid where {sub.number} is due",
    )
    for each in paid:
        _on_the_calendar(watch, sub, *each)
        _go_on(sub, each[0] + 1, each[2])


def settled(
    watch: Watch, sub: Subscription, fields: Fields, paid: list[tuple[int, datetime, datetime]]
) -> Invoice | None:
    """An open invoice is paid: in full, by payments that have their money and pay nothing else."""
    invoice = sub.open.pop(fields["invoice_id"], None)
    found = [watch.payments[each] for each in fields["payments"]]
    amount = sum(each.received for each in found)
    watch.hold(
        Law.PAID,
        sub.id,
        holds=invoice is not None
        and invoice.amount == amount
        and all(each.pays is None and each.invoice == invoice.id for each in found),
        how=f"{invoice} is paid with {amount} by {found}",
    )
    watch.invoiced += amount
    sub.paid_with += found
    sub.settled.add(fields["invoice_id"])
    for payment in found:
        payment.pays = fields["invoice_id"]
        payment.shares += [
            Share(number, since, end, parts=len(paid)) for number, since, end in paid
        ]
    for number, begins, ends in paid:
        sub.starts[number], sub.ends[number] = begins, ends
    return invoice


HEARD: Final = {
    "subscription.trial_started.v1": _trial,
    "subscription.trial_converted.v1": _anchored,
    "subscription.activated.v1": _anchored,
    "subscription.resumed.v1": _anchored,
    "subscription.first_period_invoiced.v1": _first_invoiced,
    "subscription.renewal_invoiced.v1": _renewal_invoiced,
    "subscription.period_skipped.v1": _skipped,
    "subscription.invoice_voided.v1": _voided,
    "subscription.period_paid.v1": _paid,
    "subscription.periods_prepaid.v1": _prepaid,
}
