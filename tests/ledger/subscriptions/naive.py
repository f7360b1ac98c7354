"""Naive readings of subscriptions, one function each: what the laws must notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

from ledger import (
    dunning,
    invoice_payments,
    invoices,
    renewals,
    subscribing,
    subscription,
    tier_changes,
    unused_time,
)
from ledger.billing_periods import Anchor, Period, period
from ledger.events import PrepaymentEnded
from ledger.invoices import issue_renewal, settle
from ledger.subscription import Subscription
from ledger.unused_time import end_prepayment
from tests.ledger.subscriptions.laws import Law

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.commands import ChangeTier, PaymentTerms
    from ledger.draft import Draft
    from ledger.events import InvoiceAttempted, PaymentMethod
    from ledger.payment import Payment
    from ledger.subscription import Invoice, PaidPeriod
    from ledger.tier_changes import ChangePreview


class Reading(NamedTuple):
    """What is read naively: functions of modules, what they are instead, and the laws it breaks."""

    instead: tuple[tuple[object, str, Callable[..., object]], ...]
    laws: frozenset[Law]


def chained(anchor: Anchor, number: int) -> Period:
    """Each period from the one before it: whoever began on the 31st ends up on the 28th."""
    for each in range(anchor.first, number):
        begins = period(anchor, each + 1).start
        day = begins.astimezone(ZoneInfo(anchor.zone)).day
        anchor = anchor.model_copy(update={"at": begins, "day": day, "first": each + 1})
    return period(anchor, number)


def billed_though_over(
    draft: Draft, sub: Subscription, terms: PaymentTerms | None, delay: int
) -> None:
    """An outage of ours is the fan's debt."""
    invoice = issue_renewal(draft, sub.id, terms)
    if invoice.cash == 0:
        settle(draft, sub.id, invoice.id, (), delay)


def credit_forgotten(*_: object) -> tuple[()]:
    """An invoice is settled, and what was reserved for it stays where it was."""
    return ()


def pushed_anyway(_: Payment, __: str, now: datetime) -> datetime:
    """Whatever fails has reached the fan."""
    return now


def at_any_hour(instant: datetime, *, method: PaymentMethod, zone: str) -> datetime:
    """A phone may ring at night."""
    del method, zone
    return instant


_attempted: Final = subscription._attempted


def not_live(invoice: Invoice, event: InvoiceAttempted) -> Invoice:
    """Nobody remembers that a prompt is out, and each is followed by another."""
    again = event.recorded_at if event.attempt % 2 else None
    return replace(_attempted(invoice, event), live=None, next_attempt_at=again)


def for_all_of_it(*, since: datetime, end: datetime, now: datetime) -> Fraction:
    """Time that was used is given back too."""
    del since, end, now
    return Fraction(1)


def for_nothing(*_: object, **__: object) -> Fraction:
    """Time that is not used is not given back."""
    return Fraction(0)


def an_hour(*, first_push: datetime, start: datetime, end: datetime) -> datetime:
    """Grace is an hour."""
    del start
    return min(first_push + dunning.GRACE_MAX / 168, end)


def at_once(*, first_push: datetime, last_push: datetime, pushes: int) -> datetime | None:
    """Whoever declines is asked again at once, and for ever."""
    del first_push, pushes
    return last_push


def always(_: Subscription, __: datetime) -> bool:
    """Everybody has access."""
    return True


def nothing_happens(*_: object) -> None:
    """What should be done is not."""


def anything_is_wanted(*_: object) -> bool:
    """Whoever cancels is charged with what was under way."""
    return True


_upgrade: Final = tier_changes._upgrade


def at_half_price(
    draft: Draft, sub: Subscription, command: ChangeTier, quoted: ChangePreview, current: PaidPeriod
) -> None:
    """A higher tier costs half of the difference."""
    half = quoted.amount_due // 2
    due = half - half % command.terms.step
    _upgrade(draft, sub, command, quoted._replace(amount_due=due), current)


def an_hour_later(draft: Draft, sub_id: UUID) -> None:
    """What was prepaid ends, and periods go on at another hour."""
    before = draft.subscription(sub_id)
    end_prepayment(draft, sub_id)
    ended = draft.events[-1] if draft.events else None
    if isinstance(ended, PrepaymentEnded) and before.anchor is not None:
        at = before.anchor.at + timedelta(hours=1)
        draft.events[-1] = ended.model_copy(
            update={"anchor": ended.anchor.model_copy(update={"at": at})}
        )


READINGS: Final = {
    "a chained calendar": Reading(
        ((invoices, "period", chained), (renewals, "period", chained)), frozenset({Law.CALENDAR})
    ),
    "lost periods are billed": Reading(
        ((renewals, "_renew", billed_though_over),), frozenset({Law.LATE})
    ),
    "reserved credit is forgotten": Reading(
        ((invoices, "_spend_credit", credit_forgotten),), frozenset({Law.PAID, Law.CREDIT})
    ),
    "an expiry without a push": Reading(
        ((invoices, "_pushed_at", pushed_anyway),), frozenset({Law.PUSHED})
    ),
    "a prompt at night": Reading(
        (
            (dunning, "allowed_at", at_any_hour),
            (invoice_payments, "allowed_at", at_any_hour),
        ),
        frozenset({Law.HOURS}),
    ),
    "two prompts at once": Reading(
        ((subscription, "_attempted", not_live),), frozenset({Law.ONE_PROMPT})
    ),
    "all is given back": Reading(
        ((unused_time, "part_left", for_all_of_it),), frozenset({Law.PRORATION})
    ),
    "nothing is given back": Reading(
        ((unused_time, "part_left", for_nothing),), frozenset({Law.PRORATION})
    ),
    "an upgrade at half the price": Reading(
        ((tier_changes, "_upgrade", at_half_price),), frozenset({Law.QUOTE})
    ),
    "an hour of grace": Reading(((dunning, "grace_until", an_hour),), frozenset({Law.GRACE})),
    "asked again at once": Reading(((dunning, "next_push_at", at_once),), frozenset({Law.APART})),
    "charged after the end": Reading(
        (
            (invoice_payments, "is_wanted", anything_is_wanted),
            (invoice_payments, "_paid", nothing_happens),
        ),
        frozenset({Law.ENDED, Law.PAID}),
    ),
    "another hour after a prepayment": Reading(
        tuple((module, "end_prepayment", an_hour_later) for module in (subscribing, tier_changes)),
        frozenset({Law.ANCHOR}),
    ),
    "access for ever": Reading(((Subscription, "is_entitled", always),), frozenset({Law.ENTITLED})),
    "nobody is told": Reading(((renewals, "_remind", nothing_happens),), frozenset({Law.PROGRESS})),
}
