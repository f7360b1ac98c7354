"""A watch on money: what a fan paid pays something, is credit or waits, to the minor unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.ledger.subscriptions.laws import Fields, Law

if TYPE_CHECKING:
    from tests.ledger.subscriptions.records import Payment
    from tests.ledger.subscriptions.watch import Watch

EARNS: Final = {
    "payment.succeeded.v2": 1,
    "payment.receipts_allocated.v1": 1,
    "payment.credit_spent.v1": 1,
    "payment.unused_time_credited.v1": -1,
}
"""Topics by which creator, fees and VAT together get, or give back, the event's money."""


def _succeeded(watch: Watch, payment: Payment, fields: Fields) -> None:
    _received(watch, payment, fields["money"]["amount"])
    watch.purses[payment.fan].received += fields["money"]["amount"]


def _received(watch: Watch, payment: Payment, amount: int) -> None:
    sub = watch.subscriptions[payment.subscription]
    payment.ended = True
    payment.received += amount
    invoice = sub.open.get(payment.invoice)
    wanted = invoice is not None and invoice.cash == amount
    watch.hold(
        Law.ENDED, sub.id, holds=wanted, how=f"{payment} is charged, {sub.status}: {invoice}"
    )


def _allocated(watch: Watch, payment: Payment, fields: Fields) -> None:
    _received(watch, payment, fields["money"]["amount"])
    watch.purses[payment.fan].suspended -= fields["money"]["amount"]


def _as_credit(watch: Watch, payment: Payment, fields: Fields) -> None:
    payment.ended = True
    purse, amount = watch.purses[payment.fan], fields["money"]["amount"]
    purse.received += amount
    purse.credit += amount
    sub = watch.subscriptions[payment.subscription]
    invoice = sub.open.get(payment.invoice)
    # An open invoice that wants just this is paid by it.
    in_vain = invoice is not None and invoice.cash == amount and invoice.expires_at is None
    watch.hold(Law.KEPT, payment.id, holds=not in_vain, how=f"{amount} is credit and {invoice}")


def _receipts_credited(watch: Watch, payment: Payment, fields: Fields) -> None:
    payment.ended = True
    purse, amount = watch.purses[payment.fan], fields["money"]["amount"]
    purse.suspended -= amount
    purse.credit += amount


def _mismatched(watch: Watch, payment: Payment, fields: Fields) -> None:
    payment.ended = True
    _surplus(watch, payment, fields)


def _surplus(watch: Watch, payment: Payment, fields: Fields) -> None:
    _suspend(watch, payment, fields["received"]["amount"])


def _overpaid(watch: Watch, payment: Payment, fields: Fields) -> None:
    _suspend(watch, payment, fields["excess"]["amount"])


def _suspend(watch: Watch, payment: Payment, amount: int) -> None:
    watch.purses[payment.fan].received += amount
    watch.purses[payment.fan].suspended += amount


def credit_spent(watch: Watch, payment: Payment, fields: Fields) -> None:
    """Credit that was kept for an invoice pays it."""
    payment.received = fields["money"]["amount"]
    payment.ended = True
    watch.purses[payment.fan].reserved -= payment.received


def _unused(watch: Watch, payment: Payment, fields: Fields) -> None:
    amount = fields["money"]["amount"]
    payment.given_back += amount
    watch.given_back += amount
    watch.notes[fields["credit_note_id"]] += amount
    purse = watch.purses[payment.fan]
    goodwill = fields["source"] == "goodwill"
    watch.hold(
        Law.CREDIT,
        payment.id,
        holds=goodwill == (payment.method == "goodwill"),
        how=f"{fields['source']} for what was paid by {payment.method}",
    )
    if goodwill:
        purse.goodwill += amount
    else:
        purse.credit += amount


def credit_note(watch: Watch, stream: str, fields: Fields) -> None:
    """A note says what became credit in its turn."""
    credited = watch.notes.pop(fields["credit_note_id"], 0)
    how = f"a note of {fields['money']} for {credited}"
    watch.hold(Law.PRORATION, stream, holds=credited == fields["money"]["amount"], how=how)


def _refund_requested(watch: Watch, payment: Payment, fields: Fields) -> None:
    purse, amount = watch.purses[payment.fan], fields["refunded"]["amount"]
    purse.credit -= amount
    purse.refunds[fields["refund_id"]] = amount


def _refund_failed(watch: Watch, payment: Payment, fields: Fields) -> None:
    purse = watch.purses[payment.fan]
    purse.credit += purse.refunds.pop(fields["refund_id"])


def adjusted(watch: Watch, fields: Fields) -> None:
    """The platform gives goodwill."""
    for posting in fields["entry"]["postings"]:
        _, fan, funds = posting["account"].split(":") if _is_fans(posting) else ("", "", "")
        if funds == "goodwill":
            watch.purses[fan].goodwill -= posting["amount"]
            watch.purses[fan].granted -= posting["amount"]


def _is_fans(posting: Fields) -> bool:
    return bool(posting["account"].startswith("fan:"))


def posted(watch: Watch, topic: str, stream: str, fields: Fields) -> None:
    """The entry moves what the event states: the fan's accounts, and what is earned."""
    earned = 0
    for posting in fields["entry"]["postings"]:
        account, amount = posting["account"], posting["amount"]
        watch.balances[account] += amount
        if account.startswith(("creator:", "platform:", "tax:")):
            earned -= amount
        if _is_fans(posting):
            _agrees(watch, topic, account)
    meant = EARNS.get(topic, 0) * fields.get("money", {}).get("amount", 0)
    watch.hold(
        Law.EARNED, f"{topic} of {stream}", holds=earned == meant, how=f"{earned}, not {meant}"
    )


def _agrees(watch: Watch, topic: str, account: str) -> None:
    _, fan, funds = account.split(":")
    purse = watch.purses[fan]
    stated = {"credit": purse.credit, "goodwill": purse.goodwill}.get(funds, purse.reserved)
    balance = -watch.balances[account]
    holds = stated == balance >= 0
    watch.hold(Law.CREDIT, f"{topic}: {account}", holds=holds, how=f"{balance}, stated {stated}")


def add_up(watch: Watch) -> None:
    """In the end everything that came in is somewhere, and once."""
    for payment in watch.payments.values():
        how = f"{payment} has money and pays nothing"
        watch.hold(Law.PAID, payment.id, holds=not payment.received or bool(payment.pays), how=how)
        how = f"{payment.given_back} is given back for time that goes on"
        watch.hold(Law.PRORATION, payment.id, holds=not payment.given_back, how=how)
    watch.hold(Law.PRORATION, "notes", holds=not watch.notes, how=f"without a note: {watch.notes}")
    for fan, purse in watch.purses.items():
        open_invoices = sum(
            invoice.credit + invoice.goodwill
            for sub in watch.subscriptions.values()
            if sub.fan == fan
            for invoice in sub.open.values()
        )
        how = f"{purse.reserved} is reserved for invoices that want {open_invoices}"
        watch.hold(Law.CREDIT, fan, holds=purse.reserved == open_invoices, how=how)
    _all_of_it(watch)


def _all_of_it(watch: Watch) -> None:
    purses = watch.purses.values()
    came = sum(purse.received + purse.granted for purse in purses)
    credit = sum(purse.credit + purse.goodwill + purse.reserved for purse in purses)
    suspended = sum(purse.suspended for purse in purses)
    refunded = sum(sum(purse.refunds.values()) for purse in purses)
    paid = watch.invoiced - watch.given_back
    watch.hold(
        Law.KEPT,
        "all fans",
        holds=came == paid + credit + suspended + refunded,
        how=f"{came} came, {paid} paid, {credit=}, {suspended=}, {refunded=}",
    )
    earned = -sum(
        balance
        for account, balance in watch.balances.items()
        if account.startswith(("creator:", "platform:", "tax:"))
    )
    watch.hold(Law.EARNED, "all creators", holds=earned == paid, how=f"{earned}, paid {paid}")
    held = -sum(
        balance
        for account, balance in watch.balances.items()
        if account.startswith(("provider:", "refunds:", "suspense:", "fan:", "expense:"))
    )
    watch.hold(Law.EARNED, "the book", holds=held == -earned, how=f"{held} beside {earned}")


HEARD: Final = {
    "payment.succeeded.v2": _succeeded,
    "payment.received_as_credit.v1": _as_credit,
    "payment.receipts_allocated.v1": _allocated,
    "payment.receipts_credited.v1": _receipts_credited,
    "payment.mismatched.v1": _mismatched,
    "payment.surplus_received.v1": _surplus,
    "payment.overpayment_parked.v1": _overpaid,
    "payment.unused_time_credited.v1": _unused,
    "payment.credit_refund_requested.v1": _refund_requested,
    "refund.failed.v1": _refund_failed,
}
